import {
  type Address,
  type ChainId,
  decodeHex,
  encodeHex,
  type Hex,
  isEqual,
  keccak256,
} from '@countersign/bytes'
import type { DelegationGrant } from './account-effect.ts'
import type { Effect } from './effect.ts'
import { batchItemsMax, type Unroll } from './evm/call.ts'
import { unpackOperation } from './evm/handle-ops.ts'
import { effectsOfSafeCall, refundOf, type SafeCall, type SafeRefund } from './evm/safe.ts'
import { effectsOfCall } from './evm/unroll.ts'
import {
  effectsOfUserOperation,
  entryPoints,
  type UserOperationFields,
  userOperationPreimage,
} from './evm/user-operation.ts'
import { messageEffect } from './message.ts'
import { approvalsOfTypedData, hasShape, permitTypes, type Shape } from './permits.ts'
import type { CheckedTypedData } from './typed-data.ts'

interface Domain {
  readonly chain: ChainId | undefined
  readonly verifyingContract: Address | undefined
}

/**
 * What a signature over the data lets somebody do: permits, a user operation (ERC-4337 0.8), a Safe's transaction or
 * message, an ERC-7710 delegation.
 * @returns undefined for data that is none of these, or is one that cannot be read. */
export function powerOfTypedData(data: CheckedTypedData, domain: Domain): readonly Effect[] | undefined {
  const approvals = approvalsOfTypedData(data, domain)
  if (approvals !== undefined) return approvals
  const { verifyingContract, chain } = domain
  const read = readers.get(data.primaryType)
  if (read === undefined || verifyingContract === undefined) return undefined
  return read(data, verifyingContract, chain)
}

/** Whether the data looks like power over tokens or over an account to whoever names its types. */
export function isNamedLikePower(data: CheckedTypedData): boolean {
  return [...data.types.keys()].some((name) => powerName.test(name))
}

const powerName = /permit|withauthorization|safetx|safemessage|safeop|useroperation|userop|delegation/i

type Reader = (
  data: CheckedTypedData,
  verifyingContract: Address,
  chain: ChainId | undefined,
) => readonly Effect[] | undefined

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['PackedUserOperation', userOperation],
  ['SafeTx', safeTransaction],
  ['SafeMessage', safeMessage],
  ['Delegation', delegation],
])

/** Primary types whose power is read here: naming one in a rule permits only data that could be read. */
export const readPermits: ReadonlySet<string> = new Set([...permitTypes, ...readers.keys()])

const packedOperation: Shape = {
  sender: 'address',
  nonce: 'uint',
  initCode: 'bytes',
  callData: 'bytes',
  accountGasLimits: 'bytesN',
  preVerificationGas: 'uint',
  gasFees: 'bytesN',
  paymasterAndData: 'bytes',
}

/** Read only where the digest is the one that the entry point computes for what is read. */
function userOperation(
  data: CheckedTypedData,
  entryPoint: Address,
  chain: ChainId | undefined,
): readonly Effect[] | undefined {
  if (entryPoints.get(entryPoint) !== '0.8' || chain === undefined) return undefined
  if (!hasShape(data, data.primaryType, packedOperation)) return undefined
  const fields = unpackOperation(data.message as unknown as UserOperationFields)
  const op: UserOperationFields = { ...fields, chain, entryPoint, version: '0.8' }
  const preimage = userOperationPreimage(op)
  if (!isEqual(preimage, data.preimage)) return undefined
  return effectsOfUserOperation(op, encodeHex(keccak256(preimage)), unrollOn(chain))
}

const safeTx: Shape = {
  to: 'address',
  value: 'uint',
  data: 'bytes',
  operation: 'uint',
  safeTxGas: 'uint',
  baseGas: 'uint',
  gasPrice: 'uint',
  gasToken: 'address',
  refundReceiver: 'address',
  nonce: 'uint',
}

/** Safes before 1.3.0 name no chain in their domain: such a signature holds on every chain, and is not read. */
function safeTransaction(
  data: CheckedTypedData,
  safe: Address,
  chain: ChainId | undefined,
): readonly Effect[] | undefined {
  if (chain === undefined || !hasShape(data, data.primaryType, safeTx)) return undefined
  const message = data.message as unknown as SafeCall & SafeRefund & { readonly nonce: bigint }
  const envelope = { account: safe, chain, safe, by: 'signature', nonce: message.nonce } as const
  const effects = effectsOfSafeCall(envelope, message, unrollOn(chain))
  return effects === undefined ? undefined : [...effects, ...refundOf(chain, safe, message)]
}

/**
 * What a Safe says by ERC-1271. 32 bytes are a digest as a rule (of a permit, of an order), for which whoever asks the
 * Safe takes them; anything else is a message of the Safe. */
function safeMessage(data: CheckedTypedData, safe: Address): readonly Effect[] | undefined {
  if (!hasShape(data, data.primaryType, { message: 'bytes' })) return undefined
  const bytes = decodeHex(data.message.message as Hex)
  if (bytes.length === 32) return [{ kind: 'raw-digest', account: safe, digest: encodeHex(bytes) }]
  return [{ ...messageEffect(bytes), account: safe }]
}

const delegationShape: Shape = {
  delegate: 'address',
  delegator: 'address',
  authority: 'bytesN',
  caveats: 'array',
  salt: 'uint',
}
const caveatShape: Shape = { enforcer: 'address', terms: 'bytes' }

/** MetaMask's Delegation Framework, EncoderLib.sol. A caveat's arguments are the redeemer's, and not signed. */
function delegation(
  data: CheckedTypedData,
  delegationManager: Address,
  chain: ChainId | undefined,
): readonly Effect[] | undefined {
  const { primaryType, message, types } = data
  if (chain === undefined || !hasShape(data, primaryType, delegationShape)) return undefined
  const caveats = types.get(primaryType)?.find(({ name }) => name === 'caveats')?.type
  const struct = caveats?.kind === 'array' ? caveats.of : undefined
  if (struct?.kind !== 'struct' || !hasShape(data, struct.name, caveatShape)) return undefined
  const grant = message as unknown as Pick<
    DelegationGrant,
    'delegate' | 'delegator' | 'authority' | 'caveats'
  >
  if (grant.caveats.length > batchItemsMax) return undefined
  const { delegate, delegator, authority } = grant
  return [
    {
      kind: 'delegation-grant',
      account: delegator,
      chain,
      delegationManager,
      delegator,
      delegate,
      authority,
      caveats: grant.caveats.map(({ enforcer, terms }) => ({ enforcer, terms })),
    },
  ]
}

function unrollOn(chain: ChainId): Unroll {
  return (call) => effectsOfCall(chain, call)
}
