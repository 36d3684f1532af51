import {
  type Address,
  type ChainId,
  decodeHex,
  encodeHex,
  evmChainId,
  type Hex,
  isCountersignError,
  keccak256,
  nativeAsset,
} from '@countersign/bytes'
import type { Delegation, Effect, Fee } from './effect.ts'
import type { EvmTransaction, SignedAuthorization } from './intent.ts'
import { decodeTokenCall } from './token-calls.ts'

/** EIP-4844, GAS_PER_BLOB. */
const gasPerBlob = 131_072n

/**
 * Every effect that a signed transaction can have, the fee last; never empty of others: a rule must name at least one
 * more. Coins that go along with a call are a native-transfer of their own to the called contract. Coins that go into
 * a new contract stand in the deploy's `valueMinor` only, for its address depends on the sender.
 */
export function effectsOfEvmTransaction(transaction: EvmTransaction): readonly Effect[] {
  const chain = evmChainId(transaction.chainId)
  return [
    ...effectsOfCall(transaction, chain),
    ...(transaction.authorizationList ?? []).map(carriedDelegation),
    feeOf(transaction, chain),
  ]
}

function effectsOfCall(transaction: EvmTransaction, chain: ChainId): Effect[] {
  const { data, value } = transaction
  const to = transaction.to as Address | undefined
  const dataBytes = (data.length - 2) / 2
  if (to === undefined) {
    const initCodeHash = encodeHex(keccak256(decodeHex(data)))
    return [{ kind: 'deploy', chain, initCodeHash, initCodeBytes: dataBytes, valueMinor: value }]
  }
  const transfer: Effect = {
    kind: 'native-transfer',
    chain,
    asset: nativeAsset(chain),
    recipient: to,
    amountMinor: value,
  }
  if (dataBytes === 0) return [transfer]
  const called = effectsOfCalldata(chain, to, data)
  return value === 0n ? called : [transfer, ...called]
}

function effectsOfCalldata(chain: ChainId, contract: Address, calldata: Hex): Effect[] {
  const unknown = (reason: string): Effect[] => [
    { kind: 'unknown-calldata', chain, contract, calldata, reason },
  ]
  if (calldata.length < 2 + 8) return unknown('It is shorter than a function selector.')
  try {
    const effects = decodeTokenCall(chain, contract, calldata)
    if (typeof effects === 'string') return unknown(effects)
    if (effects !== undefined) return effects
  } catch (error) {
    if (!isCountersignError(error)) throw error
    return unknown(error.message)
  }
  return [{ kind: 'contract-call', chain, contract, selector: selectorOf(calldata), calldata }]
}

export function selectorOf(calldata: Hex): Hex {
  return calldata.slice(0, 10) as Hex
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
