import {
  concatBytes,
  decodeHex,
  encodeHex,
  evmChainId,
  keccak256,
  parseAddress,
  parseQuantity,
  sha256,
} from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { Intent } from './intent.ts'
import { encodeRlp } from './rlp.ts'
import { bytesOfUint, chainIdMax, nonceMax } from './rlp-fields.ts'

/** EIP-7702, "MAGIC". */
const authorizationMagic = 0x05

export interface AuthorizationInput {
  /** 0: valid on every chain. */
  readonly chainId: number | string | bigint
  readonly contractAddress: string
  readonly nonce: number | string | bigint
}

/**
 * EIP-7702: this wallet's account is to run the code of `contractAddress` from now on (the zero address ends that).
 * @throws {CountersignError} INTENT_AUTHORIZATION_INVALID, BYTES_NOT_AN_ADDRESS, BYTES_NOT_AN_AMOUNT */
export function authorizationIntent(input: AuthorizationInput): Intent {
  const delegate = parseAddress(input.contractAddress, 'contractAddress')
  const chainId = quantityOf(input.chainId, 'chainId', chainIdMax)
  const nonce = quantityOf(input.nonce, 'nonce', nonceMax)
  const fields = [bytesOfUint(chainId), decodeHex(delegate), bytesOfUint(nonce)]
  const preimage = concatBytes(Uint8Array.of(authorizationMagic), encodeRlp(fields))
  const chain = chainId === 0n ? undefined : evmChainId(chainId)
  return {
    operation: 'sign-authorization',
    chain,
    effects: [{ kind: 'delegation', chain, delegate, authorityNonce: nonce, signedBy: 'own' }],
    toSign: keccak256(preimage),
    payloadDigest: encodeHex(sha256(preimage)),
  }
}

function quantityOf(value: unknown, name: string, max: bigint): bigint {
  const quantity = typeof value === 'bigint' ? value : parseQuantity(value, name)
  if (quantity < 0n || quantity > max) {
    throw intentError('INTENT_AUTHORIZATION_INVALID', `${name} is not between 0 and ${max}.`)
  }
  return quantity
}
