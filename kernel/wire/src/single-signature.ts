/**
 * The headers of a request that one credential has signed, in their canonical form: nearly all there are. Reading them
 * by two expressions costs a tenth of reading any structured field, and takes and gives exactly the same:
 * `request-signature.prop.test.ts` holds the two against each other.
 */
import { decodeBase64 } from '@countersign/bytes'

export interface SingleSignature {
  readonly label: string
  /** What stands under the label, as it was signed. */
  readonly input: string
  readonly created: number
  readonly expires: number
  readonly nonce: string
  readonly credentialId: string
  /** The name that RFC 9421 gives an algorithm. */
  readonly alg: string
  /** 64 bytes. */
  readonly signature: Uint8Array
}

const time = '(0|[1-9][0-9]{0,10})'
const inputForm = new RegExp(
  `^(sig[1-8])=(\\("@method" "@path" "@query" "content-digest" "countersign-audience" "idempotency-key"\\);created=${time};expires=${time};nonce="([A-Za-z0-9_-]{22,43})";keyid="(cred_[0-9a-f]{32})";alg="([a-z0-9-]{1,32})";tag="countersign-v1")$`,
)
/** 64 bytes end in a character of which four bits are padding, all zero. */
const signatureForm = /^(sig[1-8])=:([A-Za-z0-9+/]{85}[AQgw]==):$/

/** @returns undefined for any other form, which is then for the parser of all forms to take or to refuse. */
export function readSingleSignature(inputText: string, signatureText: string): SingleSignature | undefined {
  const input = inputForm.exec(inputText)
  if (input === null) return undefined
  const signature = signatureForm.exec(signatureText)
  if (signature === null || signature[1] !== input[1]) return undefined
  const [, label, text, created, expires, nonce, credentialId, alg] = input as unknown as readonly string[]
  return {
    label: label as string,
    input: text as string,
    created: Number(created),
    expires: Number(expires),
    nonce: nonce as string,
    credentialId: credentialId as string,
    alg: alg as string,
    signature: decodeBase64(signature[2] as string),
  }
}
