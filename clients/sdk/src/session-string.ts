import {
  decodeBase64Url,
  decodeUtf8,
  encodeBase64Url,
  encodeUtf8,
  isEqual,
  parseJson,
  sha256,
} from '@countersign/bytes'
import { sdkError } from './catalogue.ts'

/** What a session string says. All of it is public: who has it and not the grantee's key can do nothing with it. */
export interface SessionFacts {
  /** Audience id of the signer, `sgn_…`. */
  readonly signer: string
  /** Of the engine. */
  readonly url: string
  readonly wallet: string
  readonly grant: string
  /** The credential that it is for. */
  readonly to: string
}

const prefix = 'css1'
const checksumBytes = 8
const sessionCharsMax = 4_096
const urlCharsMax = 2_048

const forms: Readonly<Record<keyof SessionFacts, RegExp>> = {
  signer: /^sgn_[0-9a-f]{32}$/,
  url: /^https?:\/\/[^\s/?#@]+$/,
  wallet: /^wal_[0-9a-f]{24}$/,
  grant: /^grt_[0-9a-f]{24}$/,
  to: /^cred_[0-9a-f]{32}$/,
}
const names = Object.keys(forms).sort() as (keyof SessionFacts)[]

/** `css1.`, the facts as JSON in base64url, and a checksum against typing errors, which is no signature. */
export function encodeSession(facts: SessionFacts): string {
  const sorted = Object.fromEntries(names.map((name) => [name, facts[name]]))
  const body = `${prefix}.${encodeBase64Url(encodeUtf8(JSON.stringify(sorted)))}`
  return `${body}.${encodeBase64Url(checksum(body))}`
}

/** @throws {CountersignError} SDK_SESSION_INVALID */
export function parseSession(session: string): SessionFacts {
  if (typeof session !== 'string' || session.length > sessionCharsMax) throw invalid('is no session')
  const [version, payload, sum, ...rest] = session.trim().split('.')
  if (version !== prefix || payload === undefined || sum === undefined || rest.length > 0)
    throw invalid(`is not of the form ${prefix}.….…, so it is none, or of another version`)
  if (!isEqual(bytesOf(sum), checksum(`${version}.${payload}`)))
    throw invalid('has a wrong checksum: a part of it is missing or was changed')
  return factsOf(payload)
}

function factsOf(payload: string): SessionFacts {
  let facts: unknown
  try {
    facts = parseJson(decodeUtf8(bytesOf(payload)), { textCharsMax: sessionCharsMax, depthMax: 2 })
  } catch (cause) {
    throw invalid('holds something that is no JSON', cause)
  }
  if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) throw invalid('holds no facts')
  const found = facts as Record<string, unknown>
  if (Object.keys(found).sort().join() !== names.join()) throw invalid('lacks a part, or has one too many')
  for (const name of names) {
    const value = found[name]
    if (typeof value !== 'string' || value.length > urlCharsMax || !forms[name].test(value))
      throw invalid(`has a ${name} that is none`)
  }
  return found as unknown as SessionFacts
}

function bytesOf(text: string): Uint8Array {
  try {
    return decodeBase64Url(text, 'session')
  } catch (cause) {
    throw invalid('is not base64url', cause)
  }
}

function checksum(body: string): Uint8Array {
  return sha256(encodeUtf8(body)).subarray(0, checksumBytes)
}

function invalid(why: string, cause?: unknown) {
  return sdkError('SDK_SESSION_INVALID', `The session ${why}.`, cause === undefined ? {} : { cause })
}
