import { encodeBase64Url, encodeUtf8, sha256 } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { passkeyAlgorithms } from './request.ts'
import {
  type Cbor,
  type Ceremony,
  flags,
  testAuthenticator,
  testOrigin,
  testRpId,
} from './testing/authenticator.ts'
import { codeOf, testAudience } from './testing/signed-request.ts'
import { verifyRegistration } from './webauthn-registration.ts'

const authenticator = testAuthenticator()
const scope = { audience: testAudience, rpId: testRpId, origins: [testOrigin] }
type Registering = Parameters<typeof authenticator.register>[0]

const problem = (ceremony: Registering, by = authenticator) =>
  codeOf(() => verifyRegistration(by.register(ceremony), scope))
const changed = (members: ReadonlyMap<Cbor, Cbor>, key: Cbor, value?: Cbor) => {
  const map = new Map(members)
  if (value === undefined) map.delete(key)
  else map.set(key, value)
  return map
}

describe('verifyRegistration', () => {
  it.each(passkeyAlgorithms)('%s: gives key, id and scope', (algorithm) => {
    const by = testAuthenticator(algorithm)
    expect(verifyRegistration(by.register({ signCount: 3 }), scope)).toEqual({
      algorithm,
      publicKey: by.publicKey,
      passkey: {
        passkeyId: encodeBase64Url(by.passkeyId),
        rpId: testRpId,
        origins: [testOrigin],
        backupEligible: false,
      },
      signCount: 3,
      backedUp: false,
    })
  })

  it.each(passkeyAlgorithms)('%s: takes self attestation where it verifies', (algorithm) => {
    const by = testAuthenticator(algorithm)
    expect(() => verifyRegistration(by.register({ attestation: 'self' }), scope)).not.toThrow()
    const stolen = testAuthenticator(algorithm, new Uint8Array(32).fill(0x66))
    expect(problem({ attestation: 'self', coseKey: stolen.coseKey }, by)).toBe('WIRE_PASSKEY_REGISTRATION')
  })

  it('takes a backed-up passkey and says so', () => {
    const all = flags.up | flags.uv | flags.at | flags.be | flags.bs
    const made = verifyRegistration(authenticator.register({ flags: all }), scope)
    expect(made).toMatchObject({ backedUp: true, passkey: { backupEligible: true } })
  })

  it('takes extensions, and an attestation object with its keys in another order', () => {
    expect(problem({ extensions: new Map<Cbor, Cbor>([['credProtect', 2]]) })).toBe('none')
    const reversed = (members: Map<Cbor, Cbor>) => new Map([...members].reverse())
    expect(problem({ object: reversed })).toBe('none')
  })

  it.each<[string, Registering, string]>([
    ['of another signer', { audience: `sgn_${'0'.repeat(32)}` }, 'WIRE_PASSKEY_CHALLENGE'],
    ['with another challenge', { challenge: sha256(encodeUtf8('x')) }, 'WIRE_PASSKEY_CHALLENGE'],
    ['on another origin', { origin: 'https://evil.test' }, 'WIRE_PASSKEY_ORIGIN'],
    ['inside another page', { clientData: { crossOrigin: true } }, 'WIRE_PASSKEY_ORIGIN'],
    ['that is an assertion', { type: 'webauthn.get' }, 'WIRE_PASSKEY_MALFORMED'],
    ['without user verification', { flags: flags.up | flags.at }, 'WIRE_PASSKEY_NOT_VERIFIED'],
    ['without user presence', { flags: flags.uv | flags.at }, 'WIRE_PASSKEY_NOT_VERIFIED'],
    ['that attests nothing', { flags: flags.up | flags.uv }, 'WIRE_PASSKEY_MALFORMED'],
    ['of another format', { object: (all) => changed(all, 'fmt', 'fido-u2f') }, 'WIRE_PASSKEY_REGISTRATION'],
    [
      'with a format that is no text',
      { object: (all) => changed(all, 'fmt', 1) },
      'WIRE_PASSKEY_REGISTRATION',
    ],
    [
      'with a statement beside "none"',
      { object: (all) => changed(all, 'attStmt', new Map<Cbor, Cbor>([['sig', new Uint8Array(64)]])) },
      'WIRE_PASSKEY_REGISTRATION',
    ],
    ['without a statement', { object: (all) => changed(all, 'attStmt') }, 'WIRE_PASSKEY_REGISTRATION'],
    ['with a further member', { object: (all) => changed(all, 'x', 1) }, 'WIRE_PASSKEY_REGISTRATION'],
    ['that is no map', { object: () => [1, 2] }, 'WIRE_PASSKEY_REGISTRATION'],
    [
      'with a certificate',
      {
        attestation: 'self',
        object: (all) =>
          changed(all, 'attStmt', changed(all.get('attStmt') as Map<Cbor, Cbor>, 'x5c', [new Uint8Array(9)])),
      },
      'WIRE_PASSKEY_REGISTRATION',
    ],
    [
      'whose self attestation names another algorithm',
      {
        attestation: 'self',
        object: (all) => changed(all, 'attStmt', changed(all.get('attStmt') as Map<Cbor, Cbor>, 'alg', -8)),
      },
      'WIRE_PASSKEY_REGISTRATION',
    ],
    [
      'with authenticator data that goes on',
      {
        object: (all) =>
          changed(all, 'authData', new Uint8Array([...(all.get('authData') as Uint8Array), 0])),
      },
      'WIRE_PASSKEY_MALFORMED',
    ],
  ])('refuses one %s', (_what, ceremony, code) => {
    expect(problem(ceremony)).toBe(code)
  })

  it('refuses one for another relying party', () => {
    const other: Ceremony = { rpId: 'example.com', challenge: undefined as never }
    const made = authenticator.register({ ...other, challenge: sha256(encodeUtf8('x')) })
    expect(codeOf(() => verifyRegistration(made, scope))).toBe('WIRE_PASSKEY_CHALLENGE')
    // With the right challenge the hash in the authenticator's own data still tells.
    const challenge = sha256(encodeUtf8(`countersign-passkey-registration-v1\n${testAudience}\n${testRpId}`))
    expect(problem({ rpId: 'example.com', challenge })).toBe('WIRE_PASSKEY_RP')
  })

  const { coseKey } = authenticator
  const ed = testAuthenticator('webauthn-ed25519').coseKey
  it.each<[string, ReadonlyMap<Cbor, Cbor>, string]>([
    ['without y', changed(coseKey, -3), 'WIRE_PASSKEY_MALFORMED'],
    ['with the sign of y', changed(coseKey, -3, true), 'WIRE_PASSKEY_MALFORMED'],
    ['with a short x', changed(coseKey, -2, new Uint8Array(31)), 'WIRE_PASSKEY_MALFORMED'],
    ['off the curve', changed(coseKey, -2, new Uint8Array(32).fill(1)), 'WIRE_PUBLIC_KEY_INVALID'],
    ['of RSA', changed(coseKey, 1, 3), 'WIRE_PASSKEY_MALFORMED'],
    ['for another algorithm', changed(coseKey, 3, -257), 'WIRE_PASSKEY_MALFORMED'],
    ['on secp256k1', changed(changed(coseKey, -1, 8), 3, -47), 'WIRE_PASSKEY_MALFORMED'],
    ['on P-384', changed(coseKey, -1, 2), 'WIRE_PASSKEY_MALFORMED'],
    ['of small order', changed(ed, -2, new Uint8Array(32)), 'WIRE_PUBLIC_KEY_INVALID'],
    ['of Ed25519 with y', changed(ed, -3, new Uint8Array(32)), 'WIRE_PASSKEY_MALFORMED'],
    ['with an algorithm as text', changed(coseKey, 3, '-7'), 'WIRE_PASSKEY_MALFORMED'],
    ['with its members in another order', new Map([...coseKey].reverse()), 'WIRE_PASSKEY_MALFORMED'],
    ['with a private part', new Map([...coseKey, [-4, new Uint8Array(32)]]), 'WIRE_PASSKEY_MALFORMED'],
  ])('refuses a key %s', (_what, key, code) => {
    expect(problem({ coseKey: key })).toBe(code)
  })

  it('refuses what is not base64url, and what is too long', () => {
    const good = authenticator.register()
    for (const change of [
      { clientDataJSON: `${good.clientDataJSON}=` },
      { attestationObject: '+/+/' },
      { attestationObject: 'A'.repeat(4_097) },
      { clientDataJSON: 'A'.repeat(4_097) },
    ]) {
      expect(codeOf(() => verifyRegistration({ ...good, ...change }, scope))).toBe(
        'WIRE_PASSKEY_REGISTRATION',
      )
    }
    // Long enough for the limit of base64url, but not for that of client data.
    const long = { ...good, clientDataJSON: encodeBase64Url(new Uint8Array(1_500)) }
    expect(codeOf(() => verifyRegistration(long, scope))).toBe('WIRE_PASSKEY_MALFORMED')
  })
})
