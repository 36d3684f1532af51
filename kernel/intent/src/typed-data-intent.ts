import { type Address, type ChainId, encodeHex, evmChainId, keccak256, sha256 } from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { TypedData } from './effect.ts'
import type { Intent } from './intent.ts'
import { approvalsOfTypedData, isNamedLikePermit } from './permits.ts'
import { chainIdMax } from './rlp-fields.ts'
import { type CheckedTypedData, parseTypedData, type TypedDataInput } from './typed-data.ts'

/**
 * EIP-712. Always a `typed-data` effect, and before it an `approval` for each token over which the signature gives power.
 * @param input Parsed JSON; integers as safe numbers, decimal strings or 0x hexadecimal.
 * @throws {CountersignError} INTENT_TYPED_DATA_INVALID, INTENT_TOO_LARGE, BYTES_NOT_AN_ADDRESS */
export function typedDataIntent(input: TypedDataInput): Intent {
  const data = parseTypedData(input)
  const chain = chainOf(data)
  const verifyingContract = data.domain.verifyingContract as Address | undefined
  const approvals = approvalsOfTypedData(data, { chain, verifyingContract })
  const { primaryType, domain, message, preimage } = data
  const typedData: TypedData = {
    kind: 'typed-data',
    chain,
    verifyingContract,
    primaryType,
    domain,
    message,
    ...(approvals === undefined && isNamedLikePermit(data) ? { opaquePermit: true } : {}),
  }
  return {
    operation: 'sign-typed-data',
    chain,
    effects: [...(approvals ?? []), typedData],
    toSign: keccak256(preimage),
    payloadDigest: encodeHex(sha256(preimage)),
  }
}

function chainOf(data: CheckedTypedData): ChainId | undefined {
  const chainId = data.domain.chainId as bigint | undefined
  if (chainId === undefined) return undefined
  if (chainId < 1n || chainId > chainIdMax) {
    throw intentError('INTENT_TYPED_DATA_INVALID', `domain.chainId is not between 1 and ${chainIdMax}.`)
  }
  return evmChainId(chainId)
}
