import { sha256Base64 } from '@countersign/bytes'
import { wireError } from './catalogue.ts'

/** Content-Digest of RFC 9530 with SHA-256, over the exact bytes of the body (a string is taken as UTF-8). */
export function contentDigest(body: string | Uint8Array): string {
  return `sha-256=:${sha256Base64(body)}:`
}

/**
 * Takes the one form that `contentDigest` writes: no second algorithm, no parameter.
 * @throws {CountersignError} WIRE_DIGEST_MISMATCH */
export function checkContentDigest(header: string | undefined, body: string | Uint8Array): void {
  if (header !== contentDigest(body)) {
    throw wireError(
      'WIRE_DIGEST_MISMATCH',
      header === undefined
        ? 'The Content-Digest header is missing.'
        : 'The Content-Digest header is not the SHA-256 of the body as it was received.',
    )
  }
}
