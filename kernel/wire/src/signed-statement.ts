import {
  canonicalJson,
  decodeBase64,
  decodeHex,
  encodeUtf8,
  isCountersignError,
  type JsonObject,
} from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { audienceOf } from './receipt.ts'
import { type SignatureVerifier, verifySignature } from './verify-signature.ts'

export interface StatementExpectation {
  /** Of the signer that the reader trusts. */
  readonly audience: string
  /** Keeps a statement of one kind from being taken for one of another. */
  readonly context: string
}

/** The bytes that a signer signs with its journal key for a statement. */
export function statementPayload(context: string, statement: unknown): Uint8Array {
  return encodeUtf8(`${context}\n${canonicalJson(statement)}\n`)
}

/**
 * Checks that the trusted signer has signed a statement: {statement, signer, journalKey, signature}. What it says, and
 * whether it answers what was asked, is for the reader.
 * @throws {CountersignError} WIRE_STATEMENT_INVALID */
export function verifyStatement(
  answer: unknown,
  { audience, context }: StatementExpectation,
  verify: SignatureVerifier = verifySignature,
): JsonObject {
  const { statement, journalKey, signature } = (answer ?? {}) as Record<string, unknown>
  if (typeof statement !== 'object' || statement === null || Array.isArray(statement)) {
    throw invalid('there is none')
  }
  if (typeof journalKey !== 'string' || typeof signature !== 'string') throw invalid('it is not signed')
  let publicKey: Uint8Array
  let bytes: Uint8Array
  let payload: Uint8Array
  try {
    publicKey = decodeHex(journalKey, 'journalKey', 32)
    bytes = decodeBase64(signature)
    payload = statementPayload(context, statement)
  } catch (cause) {
    if (!isCountersignError(cause) && !(cause instanceof TypeError)) throw cause
    throw invalid('key or signature cannot be read')
  }
  if (audienceOf(publicKey) !== audience) throw invalid('it is of another signer')
  if (bytes.length !== 64 || !verify({ algorithm: 'ed25519', publicKey }, payload, bytes)) {
    throw invalid('its signature does not verify: it was altered, or made for something else')
  }
  return statement as JsonObject
}

function invalid(why: string) {
  return wireError('WIRE_STATEMENT_INVALID', `The signer’s statement is not to be believed: ${why}.`)
}
