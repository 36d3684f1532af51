import { decodeBase64Url, encodeBase64Url } from '@countersign/bytes'
import {
  addSignature,
  checkPasskeySignature,
  encodePasskeySignature,
  parseRequestSignatures,
  prepareRequest,
  verifyRegistration,
  verifySignature,
} from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { testAuthenticator } from '../../../kernel/wire/src/testing/authenticator.ts'
import { type PasskeyBrowser, passkeySigner, registerPasskey } from './passkey.ts'

const audience = `sgn_${'ab'.repeat(16)}`
const origin = 'https://console.example.org'

/** A browser whose authenticator lies in this process. The real one is in test/deployment. */
function fakeBrowser(change: Partial<PasskeyBrowser['credentials']> = {}) {
  const authenticator = testAuthenticator()
  const asked: unknown[] = []
  const buffer = (bytes: Uint8Array) => new Uint8Array(bytes).buffer
  const browser: PasskeyBrowser = {
    location: { hostname: 'console.example.org', origin },
    credentials: {
      async create(options) {
        asked.push(options?.publicKey)
        const { challenge, rp } = options!.publicKey!
        const made = authenticator.register({
          rpId: rp.id ?? '',
          origin,
          challenge: new Uint8Array(challenge as ArrayBuffer),
        })
        const response = {
          clientDataJSON: buffer(decodeBase64Url(made.clientDataJSON)),
          attestationObject: buffer(decodeBase64Url(made.attestationObject)),
        }
        return { type: 'public-key', response } as never
      },
      async get(options) {
        asked.push(options?.publicKey)
        const { challenge, rpId } = options!.publicKey!
        const made = authenticator.assert({
          rpId: rpId ?? '',
          origin,
          challenge: new Uint8Array(challenge as ArrayBuffer),
        })
        const response = {
          authenticatorData: buffer(made.authenticatorData),
          clientDataJSON: buffer(made.clientDataJson),
          signature: buffer(made.signature),
        }
        return { type: 'public-key', response } as never
      },
      ...change,
    },
  }
  return { browser, asked, authenticator }
}

const register = (browser: PasskeyBrowser, change = {}) =>
  registerPasskey({ audience, rpId: 'example.org', userName: 'alice', ...change }, browser)

describe('registerPasskey', () => {
  it('gives what the signer takes', async () => {
    const { browser, asked, authenticator } = fakeBrowser()
    const { reference, credential } = await register(browser)
    expect(reference).toMatchObject({ id: authenticator.id, algorithm: 'webauthn-p256', rpId: 'example.org' })
    const { registration, rpId, origins } = credential
    expect(verifyRegistration(registration, { audience, rpId, origins }).passkey.passkeyId).toBe(
      reference.passkeyId,
    )
    expect(asked[0]).toMatchObject({
      attestation: 'none',
      authenticatorSelection: { userVerification: 'required' },
      pubKeyCredParams: [{ alg: -7 }, { alg: -8 }],
    })
  })

  it('is for the page that it is made on, unless told otherwise', async () => {
    const { browser } = fakeBrowser()
    const made = await register(browser, { rpId: undefined })
    expect(made.credential).toMatchObject({ rpId: 'console.example.org', origins: [origin] })
  })

  it('refuses at once what the signer would refuse', async () => {
    const { browser } = fakeBrowser()
    await expect(register(browser, { rpId: 'org' })).rejects.toMatchObject({ code: 'WIRE_PASSKEY_RP' })
    await expect(register(browser, { origins: ['https://evil.test'] })).rejects.toMatchObject({
      code: 'WIRE_PASSKEY_ORIGIN',
    })
  })

  it.each<[string, () => Promise<unknown>]>([
    ['a refusal', () => Promise.reject(new DOMException('no', 'NotAllowedError'))],
    ['nothing', () => Promise.resolve(null)],
    ['a password', () => Promise.resolve({ type: 'password' })],
  ])('says so where the browser gives %s', async (_what, create) => {
    const { browser } = fakeBrowser({ create: create as never })
    await expect(register(browser)).rejects.toMatchObject({ code: 'SDK_PASSKEY_REFUSED' })
    const { browser: other, authenticator } = fakeBrowser({ get: create as never })
    const reference = {
      id: authenticator.id,
      algorithm: 'webauthn-p256' as const,
      publicKey: '0x' as const,
      passkeyId: encodeBase64Url(authenticator.passkeyId),
      rpId: 'example.org',
    }
    await expect(passkeySigner(reference, other).sign(new Uint8Array(1))).rejects.toMatchObject({
      code: 'SDK_PASSKEY_REFUSED',
    })
  })
})

describe('passkeySigner', () => {
  it('signs a request over the same signature base as any other credential', async () => {
    const { browser, asked, authenticator } = fakeBrowser()
    const { signer, reference, credential } = await register(browser)
    const prepared = prepareRequest({
      method: 'GET',
      path: '/v1/policies',
      audience,
      requestId: 'request-0001',
    })
    const now = { created: 1_795_000_000, expires: 1_795_000_100, nonce: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const request = await addSignature(prepared, { credential: signer, ...now, sign: signer.sign })
    const [parsed] = parseRequestSignatures(request).signatures
    const { base, signature } = parsed!
    const passkey = { ...credential, passkeyId: reference.passkeyId, backupEligible: false }
    const checked = checkPasskeySignature(signature, { algorithm: 'webauthn-p256', base, passkey })
    const key = { algorithm: checked.algorithm, publicKey: authenticator.publicKey }
    expect(verifySignature(key, checked.base, checked.signature)).toBe(true)
    expect(asked.at(-1)).toMatchObject({ userVerification: 'required', rpId: 'example.org' })
    expect(encodePasskeySignature(authenticator.assert({ challenge: new Uint8Array(32) }))[0]).toBe(
      signature[0],
    )
  })
})
