import {
  concatBytes,
  decodeBase58,
  decodeHex,
  encodeHex,
  type Hex,
  keccak256,
  sha256,
} from '@countersign/bytes'
import type { ApiOperation, SignedRequest } from '@countersign/wire'
import type { Fields, Proof } from './check-answer.ts'

/** What answers of sign-transaction must have in common with their journal entries, by the form of the request. */
export const chainProofs: Readonly<Partial<Record<ApiOperation, Proof>>> = {
  signTransaction: { type: 'signed', fits: isTransaction },
  signUserOperation: {
    type: 'signed',
    fits: (answer, entry) => isSignature(answer, entry) && answer.userOpHash === entry.userOpHash,
  },
}

/** r||s; what follows it is the parity, without which the signature is nobody's. */
export function isSignature(answer: Fields, entry: Fields): boolean {
  const bytes = decodeHex(answer.signature as Hex).subarray(0, 64)
  return encodeHex(sha256(bytes)) === entry.signatureDigest
}

function isTransaction(answer: Fields, entry: Fields, { body }: SignedRequest): boolean {
  const asked = JSON.parse(body) as Fields
  if (asked.psbt !== undefined) return arePsbtSignatures(answer, entry)
  if (asked.message !== undefined) return isSolanaSignature(answer, entry)
  return (
    isSignature(answer, entry) &&
    answer.hash === entry.transactionHash &&
    answer.hash === encodeHex(keccak256(decodeHex(answer.signedTransaction as Hex)))
  )
}

function isSolanaSignature({ signature }: Fields, { signatureDigest, transactionHash }: Fields): boolean {
  return (
    encodeHex(sha256(decodeBase58(signature as string))) === signatureDigest &&
    // The id is the fee payer's signature, and stands in the entry where that is this wallet's.
    (transactionHash === undefined || transactionHash === signature)
  )
}

/** That PSBT and transaction hold these signatures and nothing else, `signPsbt` checks. */
function arePsbtSignatures({ signatures, txid }: Fields, entry: Fields): boolean {
  const all = (signatures as readonly { readonly signature: Hex }[]).map(({ signature }) =>
    decodeHex(signature),
  )
  return encodeHex(sha256(concatBytes(...all))) === entry.signatureDigest && txid === entry.transactionHash
}
