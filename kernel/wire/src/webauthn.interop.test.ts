/**
 * Against the specification's own example, and against another implementation over the same responses: what
 * @simplewebauthn/server takes, this takes, and where this is stricter on purpose the test says so.
 */
import { concatBytes, decodeHex, encodeBase64Url, encodeHex, type Hex, sha256 } from '@countersign/bytes'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAuthenticatorData } from './authenticator-data.ts'
import { decodeCbor } from './cbor.ts'
import { checkAuthenticator, checkClientData } from './client-data.ts'
import { parseDerSignature } from './ecdsa-der.ts'
import { passkeyAlgorithms } from './request.ts'
import { type Ceremony, flags, testAuthenticator, testOrigin, testRpId } from './testing/authenticator.ts'
import { codeOf, testAudience } from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'
import { checkPasskeySignature, encodePasskeySignature } from './webauthn.ts'
import { registrationChallenge, verifyRegistration } from './webauthn-registration.ts'

const hex = (text: string) => decodeHex(`0x${text}` as Hex)

/**
 * "ES256 Credential with No Attestation", https://www.w3.org/TR/webauthn-3/#sctn-test-vectors-none-es256, as in the
 * Candidate Recommendation Snapshot of 2026-05-26; W3C Software and Document License 2023. Its authenticator has not
 * verified a user (flags 0x59 and 0x19), so here both would be refused, for that alone.
 */
const vector = {
  rpId: 'example.org',
  origin: 'https://example.org',
  credentialId: 'f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4',
  x: 'afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61',
  y: '930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220',
  registration: {
    challenge: '00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130',
    attestationObject:
      'a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220',
    clientData:
      '7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d507434557878475453746e63647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c4535513d3d227d',
  },
  assertion: {
    challenge: '39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408',
    authenticatorData: 'bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000',
    clientData:
      '7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d',
    signature:
      '3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87',
  },
}

describe('the example of the specification', () => {
  const { registration, assertion, origin, rpId } = vector
  const object = decodeCbor(hex(registration.attestationObject), { sortedKeys: true }) as Map<
    string,
    Uint8Array
  >
  const data = parseAuthenticatorData(object.get('authData')!)

  it('registration: client data, authenticator data and key are read', () => {
    const wanted = {
      type: 'webauthn.create',
      challenge: hex(registration.challenge),
      origins: [origin],
    } as const
    expect(() => checkClientData(hex(registration.clientData), wanted)).not.toThrow()
    expect(data).toMatchObject({
      userPresent: true,
      userVerified: false,
      backupEligible: true,
      backedUp: true,
    })
    expect(data.attested).toMatchObject({
      algorithm: 'webauthn-p256',
      credentialId: hex(vector.credentialId),
    })
    // The point's last bit says which of the two roots y is.
    expect(data.attested!.publicKey).toEqual(hex(`02${vector.x}`))
    expect(BigInt(`0x${vector.y}`) & 1n).toBe(0n)
  })

  it('assertion: everything holds, and the signature verifies', () => {
    const { challenge, authenticatorData, clientData, signature } = assertion
    const wanted = { type: 'webauthn.get', challenge: hex(challenge), origins: [origin] } as const
    expect(() => checkClientData(hex(clientData), wanted)).not.toThrow()
    const signed = concatBytes(hex(authenticatorData), sha256(hex(clientData)))
    const key = { algorithm: 'p256' as const, publicKey: data.attested!.publicKey }
    expect(verifySignature(key, signed, parseDerSignature(hex(signature)))).toBe(true)
    signed[36] = 1
    expect(verifySignature(key, signed, parseDerSignature(hex(signature)))).toBe(false)
  })

  it('is taken by the other implementation where it asks for no verification of the user; here that is why not', async () => {
    const asserted = parseAuthenticatorData(hex(assertion.authenticatorData))
    expect(codeOf(() => checkAuthenticator({ ...asserted, userVerified: true }, { rpId }))).toBe('none')
    expect(codeOf(() => checkAuthenticator(asserted, { rpId }))).toBe('WIRE_PASSKEY_NOT_VERIFIED')
    const passkeyId = encodeBase64Url(hex(vector.credentialId))
    const theirs = await verifyAuthenticationResponse({
      response: {
        id: passkeyId,
        rawId: passkeyId,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          authenticatorData: encodeBase64Url(hex(assertion.authenticatorData)),
          clientDataJSON: encodeBase64Url(hex(assertion.clientData)),
          signature: encodeBase64Url(hex(assertion.signature)),
        },
      },
      expectedChallenge: encodeBase64Url(hex(assertion.challenge)),
      expectedOrigin: origin,
      expectedRPID: rpId,
      credential: { id: passkeyId, publicKey: coseKeyOf(object.get('authData')!), counter: 0 },
      requireUserVerification: false,
    })
    expect(theirs.verified).toBe(true)
  })
})

/** After header, AAGUID, length and an id of 32 bytes. */
function coseKeyOf(authData: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(authData.slice(37 + 16 + 2 + 32))
}

describe.each(passkeyAlgorithms)('%s, beside @simplewebauthn/server', (algorithm) => {
  const by = testAuthenticator(algorithm)
  const passkeyId = encodeBase64Url(by.passkeyId)
  const challenge = registrationChallenge({ audience: testAudience, rpId: testRpId })
  const registered = by.register()

  const theirRegistration = (registration = registered) =>
    verifyRegistrationResponse({
      response: {
        id: passkeyId,
        rawId: passkeyId,
        type: 'public-key',
        clientExtensionResults: {},
        response: registration,
      },
      expectedChallenge: encodeBase64Url(challenge),
      expectedOrigin: testOrigin,
      expectedRPID: testRpId,
      supportedAlgorithmIDs: [-7, -8],
    })

  it.each(['none', 'self'] as const)('a registration with attestation %s', async (attestation) => {
    const registration = by.register({ attestation })
    const theirs = await theirRegistration(registration)
    expect(theirs.verified).toBe(true)
    const ours = verifyRegistration(registration, {
      audience: testAudience,
      rpId: testRpId,
      origins: [testOrigin],
    })
    expect(theirs.registrationInfo?.credential.id).toBe(ours.passkey.passkeyId)
    expect(theirs.registrationInfo?.credential.counter).toBe(ours.signCount)
  })

  const base = new TextEncoder().encode('a signature base')
  const passkey = { passkeyId, rpId: testRpId, origins: [testOrigin], backupEligible: false }

  const ours = (assertion: ReturnType<typeof by.assert>): boolean => {
    try {
      const value = encodePasskeySignature(assertion)
      const checked = checkPasskeySignature(value, { algorithm, base, passkey })
      const key = { algorithm: checked.algorithm, publicKey: by.publicKey }
      return verifySignature(key, checked.base, checked.signature)
    } catch {
      return false
    }
  }
  const theirs = async (assertion: ReturnType<typeof by.assert>): Promise<boolean> => {
    const credential = (await theirRegistration()).registrationInfo!.credential
    try {
      const { verified } = await verifyAuthenticationResponse({
        response: {
          id: passkeyId,
          rawId: passkeyId,
          type: 'public-key',
          clientExtensionResults: {},
          response: {
            authenticatorData: encodeBase64Url(assertion.authenticatorData),
            clientDataJSON: encodeBase64Url(assertion.clientDataJson),
            signature: encodeBase64Url(assertion.signature),
          },
        },
        expectedChallenge: encodeBase64Url(sha256(base)),
        expectedOrigin: testOrigin,
        expectedRPID: testRpId,
        credential: { ...credential, counter: 0 },
        requireUserVerification: true,
      })
      return verified
    } catch {
      return false
    }
  }

  const good = { challenge: sha256(base) }
  it.each<[string, Ceremony, boolean]>([
    ['a good one', good, true],
    ['with a counter', { ...good, signCount: 9 }, true],
    ['with low s', { ...good, lowS: true }, true],
    ['with another challenge', { challenge: new Uint8Array(32) }, false],
    ['on another origin', { ...good, origin: 'https://evil.test' }, false],
    ['for another relying party', { ...good, rpId: 'evil.test' }, false],
    ['without verification', { ...good, flags: flags.up }, false],
    ['without presence', { ...good, flags: flags.uv }, false],
    ['of another type', { ...good, type: 'webauthn.create' }, false],
  ])('an assertion %s: both say the same', async (_what, ceremony, accepted) => {
    const assertion = by.assert(ceremony)
    expect(ours(assertion)).toBe(accepted)
    expect(await theirs(assertion)).toBe(accepted)
  })

  it('with any byte changed: what this takes, the other takes too, and both refuse nearly all', async () => {
    const assertion = by.assert({ ...good, signCount: 1 })
    const parts = ['authenticatorData', 'clientDataJson', 'signature'] as const
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...parts),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (part, at, flip) => {
          const bytes = assertion[part].slice()
          const index = at % bytes.length
          bytes[index] = (bytes[index] as number) ^ flip
          const changed = { ...assertion, [part]: bytes }
          const isTaken = ours(changed)
          if (isTaken) accepted++
          expect(isTaken && !(await theirs(changed))).toBe(false)
        },
      ),
      { numRuns: 150 },
    )
    // Every byte is signed, or is the signature.
    expect(accepted).toBe(0)
  })
})

describe('whatever bytes come', () => {
  it('authenticator data is read or refused by name', () => {
    const real = testAuthenticator().register()
    const object = decodeCbor(new Uint8Array(Buffer.from(real.attestationObject, 'base64url'))) as Map<
      string,
      Uint8Array
    >
    const whole = object.get('authData')!
    const mutated = fc
      .tuple(fc.nat(), fc.nat(255), fc.nat(), fc.uint8Array({ maxLength: 40 }))
      .map(([at, value, cut, more]) => {
        const bytes = concatBytes(whole.slice(0, whole.length - (cut % 60)), more)
        bytes[at % bytes.length] = value
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        const code = codeOf(() => parseAuthenticatorData(bytes))
        expect(['none', 'WIRE_PASSKEY_MALFORMED', 'WIRE_PUBLIC_KEY_INVALID']).toContain(code)
      }),
      { numRuns: 5_000 },
    )
  })

  it('client data is read or refused by name, and only the right text is taken', () => {
    const wanted = { type: 'webauthn.get', challenge: new Uint8Array(32), origins: [testOrigin] } as const
    const good = { type: 'webauthn.get', challenge: encodeBase64Url(new Uint8Array(32)), origin: testOrigin }
    const text = JSON.stringify(good)
    const change = fc
      .tuple(fc.nat(text.length - 1), fc.string({ maxLength: 4 }))
      .map(([at, more]) => text.slice(0, at) + more + text.slice(at + 1))
    fc.assert(
      fc.property(fc.oneof(change, fc.json(), fc.string()), (one) => {
        const code = codeOf(() => checkClientData(new TextEncoder().encode(one), wanted))
        const known = ['none', 'WIRE_PASSKEY_MALFORMED', 'WIRE_PASSKEY_CHALLENGE', 'WIRE_PASSKEY_ORIGIN']
        expect(known).toContain(code)
        if (code === 'none') expect(JSON.parse(one)).toMatchObject(good)
      }),
      { numRuns: 5_000 },
    )
  })

  it('a signature’s value is read or refused by name, and is written again as it was', () => {
    const real = encodePasskeySignature(testAuthenticator().assert({ challenge: new Uint8Array(32) }))
    const mutated = fc.tuple(fc.nat(), fc.nat(255)).map(([at, value]) => {
      const bytes = real.slice()
      bytes[at % 12] = value
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 400 })), (bytes) => {
        const passkey = { passkeyId: 'AA', rpId: testRpId, origins: [testOrigin], backupEligible: false }
        const code = codeOf(() =>
          checkPasskeySignature(bytes, { algorithm: 'webauthn-p256', base: bytes, passkey }),
        )
        expect(code).toMatch(/^WIRE_PASSKEY_/)
        expect(encodeHex(bytes)).toBeDefined()
      }),
      { numRuns: 3_000 },
    )
  })
})
