import {
  type Address,
  type ChainId,
  decodeHex,
  encodeHex,
  evmChainId,
  keccak256,
  nativeAsset,
} from '@countersign/bytes'
import type { Delegation, Effect, Fee } from './effect.ts'
import { effectsOfCall } from './evm/unroll.ts'
import type { EvmTransaction, SignedAuthorization } from './intent.ts'

/** EIP-4844, GAS_PER_BLOB. */
const gasPerBlob = 131_072n

/**
 * Every effect that a signed transaction can have, the fee last; never empty of others: a rule must name at least one
 * more. Coins that go along with a call are a native-transfer of their own to the called contract, also beside a swap
 * or a wrap that spends them. Coins that go into a new contract stand in the deploy's `valueMinor` only, for its address
 * depends on the sender. What a called account, batch or Safe does further follows its envelope, with `account`.
 */
export function effectsOfEvmTransaction(transaction: EvmTransaction): readonly Effect[] {
  const chain = evmChainId(transaction.chainId)
  return [
    ...effectsOfRecipient(transaction, chain),
    ...(transaction.authorizationList ?? []).map(carriedDelegation),
    feeOf(transaction, chain),
  ]
}

function effectsOfRecipient(transaction: EvmTransaction, chain: ChainId): readonly Effect[] {
  const { data, value: valueMinor } = transaction
  const to = transaction.to as Address | undefined
  if (to !== undefined) return effectsOfCall(chain, { account: undefined, to, valueMinor, data })
  const initCode = decodeHex(data)
  const initCodeHash = encodeHex(keccak256(initCode))
  return [{ kind: 'deploy', chain, initCodeHash, initCodeBytes: initCode.length, valueMinor }]
}

function carriedDelegation(authorization: SignedAuthorization): Delegation {
  const { chainId, address, nonce } = authorization
  return {
    kind: 'delegation',
    chain: chainId === 0n ? undefined : evmChainId(chainId),
    delegate: address as Address,
    authorityNonce: nonce,
    signedBy: 'carried',
  }
}

function feeOf(transaction: EvmTransaction, chain: ChainId): Fee {
  const {
    type,
    gasLimit,
    gasPrice,
    maxFeePerGas,
    maxFeePerBlobGas = 0n,
    blobVersionedHashes = [],
  } = transaction
  const execution = gasLimit * ((type < 2 ? gasPrice : maxFeePerGas) ?? 0n)
  const blobs = gasPerBlob * BigInt(blobVersionedHashes.length) * maxFeePerBlobGas
  return { kind: 'fee', chain, asset: nativeAsset(chain), amountMinor: execution + blobs }
}
