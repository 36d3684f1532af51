import { concatBytes, encodeBase64Url, encodeUtf8, sha256 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { credentialId } from '../credential.ts'
import type { PasskeyAlgorithm } from '../request.ts'
import type { RequestSigner } from '../request-signature.ts'
import { encodePasskeySignature, type PasskeyAssertion, passkeyChallenge } from '../webauthn.ts'
import { type PasskeyRegistration, registrationChallenge } from '../webauthn-registration.ts'
import { testAudience, testCreated } from './signed-request.ts'

export type Cbor = number | string | Uint8Array | boolean | null | readonly Cbor[] | ReadonlyMap<Cbor, Cbor>

/** Encodes in the order that it is given: tests also need maps that are out of order. */
export function encodeCbor(value: Cbor): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'number') return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value)
  if (typeof value === 'string') return concatBytes(cborHead(3, encodeUtf8(value).length), encodeUtf8(value))
  if (value instanceof Uint8Array) return concatBytes(cborHead(2, value.length), value)
  if (Array.isArray(value)) return concatBytes(cborHead(4, value.length), ...value.map(encodeCbor))
  const map = value as ReadonlyMap<Cbor, Cbor>
  return concatBytes(cborHead(5, map.size), ...[...map].flatMap(([k, v]) => [encodeCbor(k), encodeCbor(v)]))
}

export function cborHead(major: number, value: number): Uint8Array {
  const first = major << 5
  if (value < 24) return Uint8Array.of(first | value)
  const bytes = value < 256 ? 1 : value < 65_536 ? 2 : value < 2 ** 32 ? 4 : 8
  const out = new Uint8Array(1 + bytes)
  out[0] = first | (24 + Math.log2(bytes))
  for (let i = bytes; i > 0; i--) {
    out[i] = value % 256
    value = Math.floor(value / 256)
  }
  return out
}

/** ASN.1 DER of r||s. */
export function encodeDer(signature: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const rest = bytes.subarray(first === -1 ? 31 : first)
    const padding = new Uint8Array((rest[0] ?? 0) >> 7)
    return concatBytes(Uint8Array.of(2, rest.length + padding.length), padding, rest)
  }
  const both = concatBytes(integer(signature.subarray(0, 32)), integer(signature.subarray(32)))
  return concatBytes(Uint8Array.of(0x30, both.length), both)
}

export interface Ceremony {
  readonly rpId?: string
  readonly origin?: string
  readonly challenge?: Uint8Array
  readonly type?: string
  /** Merged into the client data. */
  readonly clientData?: Readonly<Record<string, unknown>>
  readonly clientDataText?: string
  readonly flags?: number
  readonly signCount?: number
  readonly extensions?: ReadonlyMap<Cbor, Cbor>
  readonly lowS?: boolean
}

export const testRpId = 'example.org'
export const testOrigin = 'https://console.example.org'
export const flags = { up: 1, uv: 4, be: 8, bs: 16, at: 64, ed: 128 } as const

/** An authenticator and the browser before it, which do whatever a test tells them to. */
export interface TestAuthenticator {
  readonly algorithm: PasskeyAlgorithm
  readonly publicKey: Uint8Array
  readonly passkeyId: Uint8Array
  /** Of the credential. */
  readonly id: string
  readonly coseKey: ReadonlyMap<Cbor, Cbor>
  register(ceremony?: Ceremony & Registering): PasskeyRegistration
  assert(ceremony: Ceremony): PasskeyAssertion
  /** For `addSignature`. */
  signer(ceremony?: Ceremony, change?: Partial<RequestSigner>): RequestSigner
}

interface Registering {
  readonly audience?: string
  readonly coseKey?: Cbor
  readonly attestation?: 'none' | 'self'
  readonly object?: (members: Map<Cbor, Cbor>) => Cbor
}

export function testAuthenticator(
  algorithm: PasskeyAlgorithm = 'webauthn-p256',
  secret: Uint8Array = new Uint8Array(32).fill(0x44),
): TestAuthenticator {
  const isP256 = algorithm === 'webauthn-p256'
  const publicKey = isP256 ? p256.getPublicKey(secret, true) : ed25519.getPublicKey(secret)
  const point = isP256 ? p256.getPublicKey(secret, false) : publicKey
  const coseKey = isP256
    ? new Map<Cbor, Cbor>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, point.slice(1, 33)],
        [-3, point.slice(33)],
      ])
    : new Map<Cbor, Cbor>([
        [1, 1],
        [3, -8],
        [-1, 6],
        [-2, publicKey],
      ])
  const passkeyId = sha256(publicKey).slice(0, 20)
  const signBytes = (bytes: Uint8Array, lowS = false) =>
    isP256 ? encodeDer(p256.sign(bytes, secret, { lowS })) : ed25519.sign(bytes, secret)

  const clientDataOf = (type: string, ceremony: Ceremony, challenge: Uint8Array) =>
    encodeUtf8(
      ceremony.clientDataText ??
        JSON.stringify({
          type: ceremony.type ?? type,
          challenge: encodeBase64Url(ceremony.challenge ?? challenge),
          origin: ceremony.origin ?? testOrigin,
          crossOrigin: false,
          ...ceremony.clientData,
        }),
    )
  const dataOf = (ceremony: Ceremony, defaultFlags: number, attested: Uint8Array = new Uint8Array()) => {
    const { extensions, signCount = 0 } = ceremony
    const header = new Uint8Array(37)
    header.set(sha256(encodeUtf8(ceremony.rpId ?? testRpId)))
    header[32] = (ceremony.flags ?? defaultFlags) | (extensions === undefined ? 0 : flags.ed)
    new DataView(header.buffer).setUint32(33, signCount)
    return concatBytes(header, attested, extensions === undefined ? new Uint8Array() : encodeCbor(extensions))
  }

  const authenticator: TestAuthenticator = {
    algorithm,
    publicKey,
    passkeyId,
    id: credentialId(algorithm, publicKey),
    coseKey,
    register(ceremony = {}) {
      const { audience = testAudience, rpId = testRpId, attestation = 'none' } = ceremony
      const clientData = clientDataOf('webauthn.create', ceremony, registrationChallenge({ audience, rpId }))
      const attested = concatBytes(
        new Uint8Array(16),
        Uint8Array.of(0, passkeyId.length),
        passkeyId,
        encodeCbor(ceremony.coseKey ?? coseKey),
      )
      const authData = dataOf(ceremony, flags.up | flags.uv | flags.at, attested)
      const sig = signBytes(concatBytes(authData, sha256(clientData)))
      const statement = new Map<Cbor, Cbor>(
        attestation === 'none'
          ? []
          : [
              ['alg', isP256 ? -7 : -8],
              ['sig', sig],
            ],
      )
      const members = new Map<Cbor, Cbor>([
        ['fmt', attestation === 'none' ? 'none' : 'packed'],
        ['attStmt', statement],
        ['authData', authData],
      ])
      return {
        clientDataJSON: encodeBase64Url(clientData),
        attestationObject: encodeBase64Url(encodeCbor(ceremony.object?.(members) ?? members)),
      }
    },
    assert(ceremony) {
      const clientDataJson = clientDataOf('webauthn.get', ceremony, new Uint8Array(32))
      const authenticatorData = dataOf(ceremony, flags.up | flags.uv)
      const signed = concatBytes(authenticatorData, sha256(clientDataJson))
      return { authenticatorData, clientDataJson, signature: signBytes(signed, ceremony.lowS) }
    },
    signer(ceremony = {}, change = {}) {
      return {
        credential: { id: authenticator.id, algorithm },
        created: testCreated,
        expires: testCreated + 300,
        nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
        sign: (base) =>
          encodePasskeySignature(authenticator.assert({ challenge: passkeyChallenge(base), ...ceremony })),
        ...change,
      }
    },
  }
  return authenticator
}
