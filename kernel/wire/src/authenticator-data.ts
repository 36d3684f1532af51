import { concatBytes } from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { type CborMap, decodeCborItem, isCborMap } from './cbor.ts'
import { compressPublicKey, parsePublicKey } from './credential.ts'
import type { PasskeyAlgorithm } from './request.ts'

export interface PasskeyPublicKey {
  readonly algorithm: PasskeyAlgorithm
  /** Compressed point (33 bytes) or Ed25519 key (32 bytes), checked. */
  readonly publicKey: Uint8Array
}

/** WebAuthn Level 3 section 6.1. */
export interface AuthenticatorData {
  /** SHA-256 of the id of the relying party that the browser named. */
  readonly rpIdHash: Uint8Array
  readonly userPresent: boolean
  readonly userVerified: boolean
  /** The credential may be copied to other devices; fixed for its life (section 6.1.3). */
  readonly backupEligible: boolean
  readonly backedUp: boolean
  readonly signCount: number
  readonly attested: AttestedCredential | undefined
  /** Outputs of extensions, undecided: nothing here goes by them. */
  readonly extensions: CborMap | undefined
}

export interface AttestedCredential extends PasskeyPublicKey {
  readonly aaguid: Uint8Array
  readonly credentialId: Uint8Array
}

export const authenticatorDataBytesMax = 2_048
/** Section 4, "Credential ID". */
export const passkeyIdBytesMax = 1_023

const headerBytes = 37
const aaguidBytes = 16
const flag = { up: 0x01, uv: 0x04, be: 0x08, bs: 0x10, at: 0x40, ed: 0x80 } as const

/** @throws {CountersignError} WIRE_PASSKEY_MALFORMED, WIRE_PUBLIC_KEY_INVALID */
export function parseAuthenticatorData(bytes: Uint8Array): AuthenticatorData {
  if (bytes.length < headerBytes || bytes.length > authenticatorDataBytesMax) {
    throw malformed(
      `has ${bytes.length} bytes where ${headerBytes} to ${authenticatorDataBytesMax} are possible`,
    )
  }
  const flags = bytes[32] as number
  const has = (bit: number) => (flags & bit) !== 0
  // Section 6.1.3: only what may be backed up can be.
  if (has(flag.bs) && !has(flag.be)) throw malformed('says that it is backed up and cannot be')
  let at = headerBytes
  let attested: AttestedCredential | undefined
  if (has(flag.at)) ({ attested, end: at } = readAttested(bytes, at))
  let extensions: CborMap | undefined
  if (has(flag.ed)) {
    const { value, end } = decodeCborItem(bytes, at)
    if (!isCborMap(value) || [...value.keys()].some((key) => typeof key !== 'string')) {
      throw malformed('has extensions that are no map of names')
    }
    extensions = value
    at = end
  }
  if (at !== bytes.length) throw malformed('goes on after its end')
  return {
    rpIdHash: bytes.slice(0, 32),
    userPresent: has(flag.up),
    userVerified: has(flag.uv),
    backupEligible: has(flag.be),
    backedUp: has(flag.bs),
    signCount: new DataView(bytes.buffer, bytes.byteOffset).getUint32(33),
    attested,
    extensions,
  }
}

/** Section 6.5.1. */
function readAttested(bytes: Uint8Array, start: number): { attested: AttestedCredential; end: number } {
  const idAt = start + aaguidBytes + 2
  if (idAt > bytes.length) throw malformed('ends within the attested credential')
  const idBytes = ((bytes[idAt - 2] as number) << 8) | (bytes[idAt - 1] as number)
  if (idBytes === 0 || idBytes > passkeyIdBytesMax || idAt + idBytes > bytes.length) {
    throw malformed('has a credential id of an impossible length')
  }
  const { value, end } = decodeCborItem(bytes, idAt + idBytes)
  const attested = {
    aaguid: bytes.slice(start, start + aaguidBytes),
    credentialId: bytes.slice(idAt, idAt + idBytes),
    ...parseCoseKey(value),
  }
  return { attested, end }
}

// COSE key parameters (RFC 9052 section 7.1, RFC 9053 section 7) as section 6.5.1.1 has them.
const cose = { kty: 1, alg: 3, crv: -1, x: -2, y: -3 } as const
const ktyOkp = 1
const ktyEc2 = 2
const crvP256 = 1
const crvEd25519 = 6
export const coseEs256 = -7
export const coseEdDsa = -8

/**
 * ES256 on P-256, uncompressed, or EdDSA on Ed25519, with exactly the members that such a key has.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED, WIRE_PUBLIC_KEY_INVALID */
export function parseCoseKey(key: unknown): PasskeyPublicKey {
  if (!(key instanceof Map)) throw malformed('has a public key that is no map')
  const x: unknown = key.get(cose.x)
  const y: unknown = key.get(cose.y)
  if (!(x instanceof Uint8Array) || x.length !== 32) throw malformed('has a public key without x of 32 bytes')
  const is = (kty: number, alg: number, crv: number) =>
    key.get(cose.kty) === kty && key.get(cose.alg) === alg && key.get(cose.crv) === crv
  if (is(ktyEc2, coseEs256, crvP256) && key.size === 5 && y instanceof Uint8Array && y.length === 32) {
    const publicKey = compressPublicKey('p256', concatBytes(Uint8Array.of(4), x, y))
    return { algorithm: 'webauthn-p256', publicKey }
  }
  if (is(ktyOkp, coseEdDsa, crvEd25519) && key.size === 4) {
    return { algorithm: 'webauthn-ed25519', publicKey: parsePublicKey('ed25519', x) }
  }
  throw malformed('has a public key that is neither ES256 on P-256 nor EdDSA on Ed25519')
}

function malformed(what: string) {
  return wireError('WIRE_PASSKEY_MALFORMED', `The authenticator’s data ${what}.`)
}
