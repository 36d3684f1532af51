import { type Address, type ChainId, encodeHex, evmChainId, keccak256, sha256 } from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { TypedData } from './effect.ts'
import type { Intent } from './intent.ts'
import { chainIdMax } from './rlp-fields.ts'
import { type CheckedTypedData, parseTypedData, type TypedDataInput } from './typed-data.ts'
import { isNamedLikePower, powerOfTypedData } from './typed-data-power.ts'

/**
 * EIP-712. Always a `typed-data` effect, the last, and before it whatever the signature gives power over: an `approval`
 * for each token of a permit, and every effect of a user operation, a Safe's transaction or message, a delegation.
 * @param input Parsed JSON; integers as safe numbers, decimal strings or 0x hexadecimal.
 * @throws {CountersignError} INTENT_TYPED_DATA_INVALID, INTENT_TOO_LARGE, BYTES_NOT_AN_ADDRESS */
export function typedDataIntent(input: TypedDataInput): Intent {
  const data = parseTypedData(input)
  const chain = chainOf(data)
  const verifyingContract = data.domain.verifyingContract as Address | undefined
  const power = powerOfTypedData(data, { chain, verifyingContract })
  const { primaryType, domain, message, preimage } = data
  const typedData: TypedData = {
    kind: 'typed-data',
    chain,
    verifyingContract,
    primaryType,
    domain,
    message,
    ...(power === undefined && isNamedLikePower(data) ? { opaquePermit: true } : {}),
  }
  return {
    operation: 'sign-typed-data',
    chain,
    effects: [...(power ?? []), typedData],
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
