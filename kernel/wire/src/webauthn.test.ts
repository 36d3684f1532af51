import { concatBytes, decodeHex, encodeBase64Url, encodeUtf8, type Hex, sha256 } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { checkPasskeyScope, passkeyOriginsMax } from './client-data.ts'
import { isPasskeyAlgorithm, passkeyAlgorithms } from './request.ts'
import { addSignature, parseRequestSignatures } from './request-signature.ts'
import { type Ceremony, flags, testAuthenticator, testOrigin, testRpId } from './testing/authenticator.ts'
import { codeOf, codeOfError, testKey, testRequest, testSigner } from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'
import {
  checkPasskeySignature,
  checkSignCount,
  encodePasskeySignature,
  type PasskeyFacts,
  parsePasskeySignature,
  passkeyChallenge,
  passkeySignatureBytesMax,
} from './webauthn.ts'

const base = encodeUtf8('"@method": POST')
const authenticator = testAuthenticator()
const passkey: PasskeyFacts = {
  passkeyId: encodeBase64Url(authenticator.passkeyId),
  rpId: testRpId,
  origins: [testOrigin, 'https://example.org:8443'],
  backupEligible: false,
}

function signed(ceremony: Ceremony = {}, by = authenticator): Uint8Array {
  return encodePasskeySignature(by.assert({ challenge: passkeyChallenge(base), ...ceremony }))
}

function check(signature: Uint8Array, change: Partial<PasskeyFacts> = {}, by = authenticator) {
  return checkPasskeySignature(signature, {
    algorithm: by.algorithm,
    base,
    passkey: { ...passkey, ...change },
  })
}

const problem = (ceremony: Ceremony) => codeOf(() => check(signed(ceremony)))

describe('checkPasskeySignature', () => {
  it.each(passkeyAlgorithms)('%s: gives what is left to verify, and it verifies', (algorithm) => {
    const by = testAuthenticator(algorithm)
    const checked = check(signed({ signCount: 7, flags: flags.up | flags.uv }, by), {}, by)
    expect(checked).toMatchObject({ signCount: 7, backedUp: false })
    const key = { algorithm: checked.algorithm, publicKey: by.publicKey }
    expect(verifySignature(key, checked.base, checked.signature)).toBe(true)
    expect(verifySignature(key, concatBytes(checked.base, new Uint8Array(1)), checked.signature)).toBe(false)
    const other = testAuthenticator(algorithm, new Uint8Array(32).fill(0x55))
    expect(verifySignature({ ...key, publicKey: other.publicKey }, checked.base, checked.signature)).toBe(
      false,
    )
  })

  it('takes low s and high s alike', () => {
    for (let i = 0; i < 8; i++) {
      const checked = check(signed({ signCount: i, lowS: i % 2 === 0 }))
      const key = { algorithm: 'p256' as const, publicKey: authenticator.publicKey }
      expect(verifySignature(key, checked.base, checked.signature)).toBe(true)
    }
  })

  it('any pinned origin will do', () => {
    expect(() => check(signed({ origin: 'https://example.org:8443' }))).not.toThrow()
  })

  it('passes over what browsers add', () => {
    const clientData = { other_keys_can_be_added_here: 'do not compare clientDataJSON against a template' }
    expect(() => check(signed({ clientData }))).not.toThrow()
    expect(() => check(signed({ extensions: new Map([['uvm', [[1, 2, 3]]]]) }))).not.toThrow()
  })

  it('says whether the passkey is backed up', () => {
    const backedUp = flags.up | flags.uv | flags.be | flags.bs
    expect(check(signed({ flags: backedUp }), { backupEligible: true })).toMatchObject({ backedUp: true })
  })

  it.each<[string, Ceremony, string]>([
    ['another challenge', { challenge: sha256(encodeUtf8('other')) }, 'WIRE_PASSKEY_CHALLENGE'],
    ['the base itself as challenge', { challenge: base }, 'WIRE_PASSKEY_CHALLENGE'],
    ['no challenge', { clientData: { challenge: undefined } }, 'WIRE_PASSKEY_CHALLENGE'],
    ['a challenge that is no text', { clientData: { challenge: 5 } }, 'WIRE_PASSKEY_CHALLENGE'],
    [
      'a padded challenge',
      { clientData: { challenge: `${encodeBase64Url(passkeyChallenge(base))}=` } },
      'WIRE_PASSKEY_CHALLENGE',
    ],
    ['another origin', { origin: 'https://console.example.com' }, 'WIRE_PASSKEY_ORIGIN'],
    [
      'the origin of the relying party itself, not pinned',
      { origin: 'https://example.org' },
      'WIRE_PASSKEY_ORIGIN',
    ],
    ['a pinned origin without its port', { origin: 'https://example.org:8444' }, 'WIRE_PASSKEY_ORIGIN'],
    ['a pinned origin over http', { origin: 'http://console.example.org' }, 'WIRE_PASSKEY_ORIGIN'],
    ['a pinned origin with a slash', { origin: `${testOrigin}/` }, 'WIRE_PASSKEY_ORIGIN'],
    ['an origin that starts like a pinned one', { origin: `${testOrigin}.evil.test` }, 'WIRE_PASSKEY_ORIGIN'],
    ['no origin', { clientData: { origin: undefined } }, 'WIRE_PASSKEY_ORIGIN'],
    ['a list of origins', { clientData: { origin: [testOrigin] } }, 'WIRE_PASSKEY_ORIGIN'],
    ['a page of another origin around it', { clientData: { crossOrigin: true } }, 'WIRE_PASSKEY_ORIGIN'],
    ['a crossOrigin that is no boolean', { clientData: { crossOrigin: 'false' } }, 'WIRE_PASSKEY_ORIGIN'],
    ['a top origin', { clientData: { topOrigin: testOrigin } }, 'WIRE_PASSKEY_ORIGIN'],
    ['another relying party', { rpId: 'example.com' }, 'WIRE_PASSKEY_RP'],
    ['a subdomain as relying party', { rpId: 'console.example.org' }, 'WIRE_PASSKEY_RP'],
    ['no user verification', { flags: flags.up }, 'WIRE_PASSKEY_NOT_VERIFIED'],
    ['no user presence', { flags: flags.uv }, 'WIRE_PASSKEY_NOT_VERIFIED'],
    ['neither', { flags: 0 }, 'WIRE_PASSKEY_NOT_VERIFIED'],
    ['a registration', { type: 'webauthn.create' }, 'WIRE_PASSKEY_MALFORMED'],
    ['a payment', { type: 'payment.get' }, 'WIRE_PASSKEY_MALFORMED'],
    ['a credential that became copyable', { flags: flags.up | flags.uv | flags.be }, 'WIRE_PASSKEY_CLONED'],
    [
      'a backup of what cannot be backed up',
      { flags: flags.up | flags.uv | flags.bs },
      'WIRE_PASSKEY_MALFORMED',
    ],
    [
      'an announced credential that is not there',
      { flags: flags.up | flags.uv | flags.at },
      'WIRE_PASSKEY_MALFORMED',
    ],
    [
      'announced extensions that are not there',
      { flags: flags.up | flags.uv | flags.ed },
      'WIRE_PASSKEY_MALFORMED',
    ],
    ['extensions that are no map of names', { extensions: new Map([[1, 2]]) }, 'WIRE_PASSKEY_MALFORMED'],
    ['client data that is no JSON', { clientDataText: '{' }, 'WIRE_PASSKEY_MALFORMED'],
    ['client data that is no object', { clientDataText: '[]' }, 'WIRE_PASSKEY_MALFORMED'],
    ['client data that is null', { clientDataText: 'null' }, 'WIRE_PASSKEY_MALFORMED'],
    ['client data with a byte order mark', { clientDataText: '\uFEFF{}' }, 'WIRE_PASSKEY_MALFORMED'],
    ['client data with a prototype', { clientDataText: '{"__proto__":{}}' }, 'WIRE_PASSKEY_MALFORMED'],
  ])('refuses %s', (_what, ceremony, code) => {
    expect(problem(ceremony)).toBe(code)
  })

  it('refuses client data in which a member stands twice', () => {
    const text = (origins: string) =>
      `{"type":"webauthn.get","challenge":"${encodeBase64Url(passkeyChallenge(base))}",${origins}}`
    expect(problem({ clientDataText: text(`"origin":"${testOrigin}"`) })).toBe('none')
    expect(problem({ clientDataText: text(`"origin":"https://evil.test","origin":"${testOrigin}"`) })).toBe(
      'WIRE_PASSKEY_MALFORMED',
    )
  })

  it('refuses client data that is not UTF-8', () => {
    const assertion = authenticator.assert({ challenge: passkeyChallenge(base) })
    const clientDataJson = assertion.clientDataJson.slice()
    clientDataJson[2] = 0xff
    expect(codeOf(() => check(encodePasskeySignature({ ...assertion, clientDataJson })))).toBe(
      'WIRE_PASSKEY_MALFORMED',
    )
  })

  it('refuses an attested credential in an assertion', () => {
    const registered = authenticator.register()
    expect(registered.attestationObject).not.toBe('')
    const attested = concatBytes(new Uint8Array(16), Uint8Array.of(0, 1, 7))
    const cose = decodeHex(`0xa4010103272006215820${'00'.repeat(32)}` as Hex)
    const assertion = authenticator.assert({ challenge: passkeyChallenge(base), flags: 0x45 })
    const authenticatorData = concatBytes(assertion.authenticatorData, attested, cose)
    // The key in it is not even one; a good one is refused all the same.
    expect(codeOf(() => check(encodePasskeySignature({ ...assertion, authenticatorData })))).toBe(
      'WIRE_PUBLIC_KEY_INVALID',
    )
    const ed = testAuthenticator('webauthn-ed25519')
    const good = concatBytes(cose.subarray(0, cose.length - 32), ed.publicKey)
    const whole = concatBytes(assertion.authenticatorData, attested, good)
    expect(codeOf(() => check(encodePasskeySignature({ ...assertion, authenticatorData: whole })))).toBe(
      'WIRE_PASSKEY_MALFORMED',
    )
  })

  it('refuses signatures that are not in the form of the algorithm', () => {
    const assertion = authenticator.assert({ challenge: passkeyChallenge(base) })
    const raw = new Uint8Array(64).fill(1)
    expect(codeOf(() => check(encodePasskeySignature({ ...assertion, signature: raw })))).toBe(
      'WIRE_PASSKEY_MALFORMED',
    )
    const ed = testAuthenticator('webauthn-ed25519')
    const der = encodePasskeySignature({
      ...ed.assert({ challenge: passkeyChallenge(base) }),
      signature: assertion.signature,
    })
    expect(codeOf(() => check(der, {}, ed))).toBe('WIRE_PASSKEY_MALFORMED')
  })
})

describe('the value in the Signature header', () => {
  it('is read back as it was written', () => {
    const assertion = authenticator.assert({ challenge: passkeyChallenge(base) })
    const bytes = encodePasskeySignature(assertion)
    expect(parsePasskeySignature(bytes)).toEqual(assertion)
    expect(bytes.length).toBeLessThan(passkeySignatureBytesMax)
  })

  it('is refused in any other form', () => {
    const bytes = signed()
    const changed = (at: number, value: number) => {
      const copy = bytes.slice()
      copy[at] = value
      return copy
    }
    const forms = [
      new Uint8Array(),
      bytes.subarray(0, 4),
      bytes.subarray(0, 100),
      changed(0, 0),
      changed(0, 2),
      changed(1, 0xff),
      changed(3, 0xff),
      concatBytes(bytes, new Uint8Array(80)),
      new Uint8Array(64),
    ]
    for (const form of forms) expect(codeOf(() => parsePasskeySignature(form))).toBe('WIRE_PASSKEY_MALFORMED')
  })

  it('has limits for each part', () => {
    const assertion = authenticator.assert({ challenge: passkeyChallenge(base) })
    for (const change of [
      { authenticatorData: new Uint8Array(2_049) },
      { clientDataJson: new Uint8Array(1_025) },
      { signature: new Uint8Array(73) },
      { signature: new Uint8Array(7) },
    ]) {
      expect(codeOf(() => encodePasskeySignature({ ...assertion, ...change }))).toBe('WIRE_PASSKEY_MALFORMED')
    }
  })
})

describe('checkSignCount', () => {
  const credentialId = authenticator.id
  it.each([
    [0, 0],
    [0, 1],
    [5, 6],
    [5, 4_294_967_295],
  ])('%d may be followed by %d', (stored, stated) => {
    expect(() => checkSignCount({ credentialId, stored, stated })).not.toThrow()
  })
  it.each([
    [1, 0],
    [5, 5],
    [6, 5],
    [4_294_967_295, 0],
  ])('%d may not be followed by %d', (stored, stated) => {
    expect(codeOf(() => checkSignCount({ credentialId, stored, stated }))).toBe('WIRE_PASSKEY_CLONED')
  })
})

describe('checkPasskeyScope', () => {
  it.each([
    ['example.org', ['https://example.org']],
    ['example.org', ['https://a.b.example.org:8443', 'https://example.org']],
    ['localhost', ['http://localhost:3000', 'https://localhost', 'http://app.localhost:1']],
    ['xn--bcher-kva.example', ['https://xn--bcher-kva.example']],
  ])('takes %s at %j', (rpId, origins) => {
    expect(() => checkPasskeyScope({ rpId, origins })).not.toThrow()
  })

  it.each<[string, string, string[]]>([
    ['another domain', 'example.org', ['https://example.com']],
    ['a domain that ends like it', 'example.org', ['https://evilexample.org']],
    ['a parent', 'console.example.org', ['https://example.org']],
    ['http', 'example.org', ['http://example.org']],
    ['a path', 'example.org', ['https://example.org/']],
    ['a user', 'example.org', ['https://a@example.org']],
    ['capitals', 'example.org', ['https://Example.org']],
    ['the default port', 'example.org', ['https://example.org:443']],
    ['a port that is none', 'example.org', ['https://example.org:65536']],
    ['a leading zero', 'example.org', ['https://example.org:0443']],
    ['none', 'example.org', []],
    ['one twice', 'example.org', ['https://example.org', 'https://example.org']],
    [
      'too many',
      'example.org',
      Array.from({ length: passkeyOriginsMax + 1 }, (_, i) => `https://a${i}.example.org`),
    ],
    ['one good and one bad', 'example.org', ['https://example.org', 'null']],
    ['localhost in front', 'example.org', ['http://localhost.example.org']],
  ])('refuses as origin: %s', (_what, rpId, origins) => {
    expect(codeOf(() => checkPasskeyScope({ rpId, origins }))).toBe('WIRE_PASSKEY_ORIGIN')
  })

  it.each([
    '',
    'org',
    'Example.org',
    'example.org.',
    '.example.org',
    'a..b',
    '127.0.0.1',
    '[::1]',
    'a b.org',
    'ex*.org',
  ])('refuses %j as relying party', (rpId) => {
    expect(codeOf(() => checkPasskeyScope({ rpId, origins: [`https://${rpId}`] }))).toBe('WIRE_PASSKEY_RP')
  })
})

describe('a request signed by a passkey', () => {
  it.each(passkeyAlgorithms)(
    '%s: the challenge is the hash of the same signature base',
    async (algorithm) => {
      const by = testAuthenticator(algorithm)
      const request = await addSignature(testRequest(), by.signer())
      const [signature] = parseRequestSignatures(request).signatures
      expect(signature).toMatchObject({ algorithm, credentialId: by.id })
      const { base: over, signature: value } = signature!
      const checked = checkPasskeySignature(value, { algorithm, base: over, passkey })
      const key = { algorithm: checked.algorithm, publicKey: by.publicKey }
      expect(verifySignature(key, checked.base, checked.signature)).toBe(true)
    },
  )

  it('of another body has another challenge', async () => {
    const request = await addSignature(testRequest(), authenticator.signer())
    const other = testRequest({ body: '{"message":"hello!"}' })
    const { signature, 'signature-input': input } = request.headers
    const forged = {
      ...other,
      headers: { ...other.headers, signature: signature!, 'signature-input': input! },
    }
    const [parsed] = parseRequestSignatures(forged).signatures
    const { base: over, signature: value } = parsed!
    const checking = () => checkPasskeySignature(value, { algorithm: 'webauthn-p256', base: over, passkey })
    expect(codeOf(checking)).toBe('WIRE_PASSKEY_CHALLENGE')
  })

  it('stands beside other signatures, and fills one header with eight', async () => {
    let request = testRequest()
    for (let i = 0; i < 7; i++) {
      const by = testAuthenticator('webauthn-p256', new Uint8Array(32).fill(i + 1))
      request = await addSignature(request, by.signer({ origin: testOrigin }))
    }
    request = await addSignature(request, testSigner(testKey('ed25519')))
    const { signatures } = parseRequestSignatures(request)
    expect(signatures.map(({ algorithm }) => isPasskeyAlgorithm(algorithm))).toEqual([
      ...Array(7).fill(true),
      false,
    ])
  })

  it('an algorithm that the value does not fit is refused', async () => {
    const plain = testKey('p256')
    await expect(
      addSignature(testRequest(), { ...testSigner(plain), credential: authenticator.signer().credential }),
    ).rejects.toMatchObject({ code: 'WIRE_PASSKEY_MALFORMED' })
    const wrong = addSignature(testRequest(), { ...authenticator.signer(), credential: plain })
    await expect(wrong.catch(codeOfError)).resolves.toBe('WIRE_SIGNATURE_MALFORMED')
  })
})
