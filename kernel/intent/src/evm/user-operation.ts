import {
  type Address,
  type ChainId,
  concatBytes,
  decodeHex,
  encodeHex,
  encodeUtf8,
  evmChainNumber,
  type Hex,
  keccak256,
  nativeAsset,
} from '@countersign/bytes'
import type { UserOperation } from '../account-effect.ts'
import type { Effect, Fee } from '../effect.ts'
import type { Unroll } from './call.ts'

export type EntryPointVersion = UserOperation['version']

/** The canonical EntryPoints; an account trusts whichever it was made for, and no other is known here. */
export const entryPoints: ReadonlyMap<Address, EntryPointVersion> = new Map([
  ['0x5ff137d4b0fdcd49dca30c7cf57e578a026d2789' as Address, '0.6'],
  ['0x0000000071727de22e5e9d8baf0edac6f37da032' as Address, '0.7'],
  ['0x4337084d9e255ff0702461cf8895ce9e3b5ff108' as Address, '0.8'],
])

export const uint128Max = (1n << 128n) - 1n

/**
 * A user operation of any version with its fields apart, but for those that are hashed as they are: `initCode` and
 * `paymasterAndData`. In 0.8, `initCode` starts with the delegate where an EIP-7702 account says so (what is hashed).
 */
export interface UserOperationFields {
  readonly chain: ChainId
  readonly entryPoint: Address
  readonly version: EntryPointVersion
  readonly sender: Address
  readonly nonce: bigint
  readonly initCode: Hex
  readonly callData: Hex
  readonly callGasLimit: bigint
  readonly verificationGasLimit: bigint
  readonly preVerificationGas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
  readonly paymasterAndData: Hex
}

/** EIP-7702 in `initCode` (0.8, Eip7702Support.sol): two bytes, filled up to an address with zeros. */
export const eip7702Marker = `0x7702${'00'.repeat(18)}` as Address

/** What is hashed then is not `initCode`, but the delegate's address in place of the marker. */
export function isEip7702InitCode({
  version,
  initCode,
}: Pick<UserOperationFields, 'version' | 'initCode'>): boolean {
  return version === '0.8' && initCode.length >= 6 && initCode.slice(0, 42).padEnd(42, '0') === eip7702Marker
}

/** Who deploys the account; or the marker. */
function factoryOf(op: UserOperationFields): Address | undefined {
  return isEip7702InitCode(op) ? eip7702Marker : addressAt(op.initCode)
}

/** What is hashed to the user operation's hash: in 0.6 and 0.7 with chain and entry point, in 0.8 by EIP-712. */
export function userOperationPreimage(op: UserOperationFields): Uint8Array {
  const chainNumber = evmChainNumber(op.chain) ?? 0n
  const hash = keccak256(concatBytes(...(op.version === '0.6' ? wordsOf06(op) : packedWords(op))))
  if (op.version !== '0.8') return concatBytes(hash, addressWord(op.entryPoint), word(chainNumber))
  const domain = concatBytes(
    domainTypeHash,
    domainName,
    domainVersion,
    word(chainNumber),
    addressWord(op.entryPoint),
  )
  return concatBytes(Uint8Array.of(0x19, 0x01), keccak256(domain), hash)
}

export function userOperationHash(op: UserOperationFields): Hex {
  return encodeHex(keccak256(userOperationPreimage(op)))
}

function wordsOf06(op: UserOperationFields): Uint8Array[] {
  return [
    addressWord(op.sender),
    word(op.nonce),
    hashOf(op.initCode),
    hashOf(op.callData),
    word(op.callGasLimit),
    word(op.verificationGasLimit),
    word(op.preVerificationGas),
    word(op.maxFeePerGas),
    word(op.maxPriorityFeePerGas),
    hashOf(op.paymasterAndData),
  ]
}

function packedWords(op: UserOperationFields): Uint8Array[] {
  const words = [
    addressWord(op.sender),
    word(op.nonce),
    hashOf(op.initCode),
    hashOf(op.callData),
    word((op.verificationGasLimit << 128n) | op.callGasLimit),
    word(op.preVerificationGas),
    word((op.maxPriorityFeePerGas << 128n) | op.maxFeePerGas),
    hashOf(op.paymasterAndData),
  ]
  return op.version === '0.8' ? [packedTypeHash, ...words] : words
}

const packedTypeHash = textHash(
  'PackedUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData)',
)
const domainTypeHash = textHash(
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)',
)
const domainName = textHash('ERC4337')
const domainVersion = textHash('1')

/** The two halves of a packed pair of gas values. */
export function unpackHalves(packed: Hex): readonly [high: bigint, low: bigint] {
  const value = BigInt(packed)
  return [value >> 128n, value & uint128Max]
}

/**
 * Every effect that the operation can have: itself, what its factory is called with, the calls of its account, and its
 * fee, all with the sender as the account that acts.
 *
 * In 0.8 a signature over `initCode` A and D holds for the factory A called with D, and as well for an EIP-7702 account
 * that runs A's code and is called with D: the two have one hash. So both calls are effects.
 */
export function effectsOfUserOperation(
  op: UserOperationFields,
  userOpHash: Hex | undefined,
  unroll: Unroll,
): Effect[] {
  const { chain, entryPoint, version, sender, nonce } = op
  const paymaster = addressAt(op.paymasterAndData)
  const envelope: UserOperation = {
    kind: 'user-operation',
    account: sender,
    chain,
    entryPoint,
    version,
    sender,
    nonce,
    userOpHash,
    factory: factoryOf(op),
    paymaster,
    ...(paymaster === undefined ? {} : { paymasterData: paymasterDataOf(op) }),
  }
  return [envelope, ...deploymentEffects(op, unroll), ...callEffects(op, op.callData, unroll), feeOf(op)]
}

function deploymentEffects(op: UserOperationFields, unroll: Unroll): Effect[] {
  const factory = factoryOf(op)
  const data = `0x${op.initCode.slice(42)}` as Hex
  if (factory === undefined || data.length <= 2) return []
  const is7702 = op.version === '0.8'
  const called = isEip7702InitCode(op)
    ? []
    : unroll({ account: op.sender, to: factory, valueMinor: 0n, data })
  return is7702 ? [...called, ...callEffects(op, data, unroll)] : called
}

/** Called by the EntryPoint, the account does what its own code makes of it. */
function callEffects({ sender }: UserOperationFields, data: Hex, unroll: Unroll): Effect[] {
  if (data.length <= 2) return []
  return unroll({ account: sender, to: sender, valueMinor: 0n, data })
}

/** The most that the EntryPoint takes, from the sender's deposit or from the paymaster, who may ask for it back. */
function feeOf(op: UserOperationFields): Fee {
  const { chain, sender: account } = op
  return { kind: 'fee', account, chain, asset: nativeAsset(chain), amountMinor: feeMinorOf(op) }
}

export function feeMinorOf(op: UserOperationFields): bigint {
  const { verificationGasLimit, callGasLimit, preVerificationGas, maxFeePerGas, paymasterAndData } = op
  let gas = callGasLimit + preVerificationGas + verificationGasLimit
  if (op.version === '0.6') {
    // EntryPoint 0.6, _getRequiredPrefund: a paymaster's two calls have the verification limit each, too.
    if (addressAt(paymasterAndData) !== undefined) gas += 2n * verificationGasLimit
  } else if (paymasterAndData.length >= 2 + 2 * 52) {
    const [verification, postOp] = unpackHalves(`0x${paymasterAndData.slice(42, 106)}`)
    gas += verification + postOp
  }
  return gas * maxFeePerGas
}

function paymasterDataOf({ version, paymasterAndData }: UserOperationFields): Hex {
  return `0x${paymasterAndData.slice(version === '0.6' ? 42 : 106)}`
}

/** The address that the bytes start with. */
function addressAt(data: Hex): Address | undefined {
  return data.length < 42 ? undefined : (data.slice(0, 42) as Address)
}

function textHash(text: string): Uint8Array {
  return keccak256(encodeUtf8(text))
}

function hashOf(data: Hex): Uint8Array {
  return keccak256(decodeHex(data))
}

function addressWord(address: Address): Uint8Array {
  return decodeHex(`0x${'00'.repeat(12)}${address.slice(2)}`)
}

function word(value: bigint): Uint8Array {
  return decodeHex(`0x${value.toString(16).padStart(64, '0')}`)
}
