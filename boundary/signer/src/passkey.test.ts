import { randomBytes } from 'node:crypto'
import { encodeBase64Url } from '@countersign/bytes'
import { addSignature, prepareRequest, type SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Ceremony,
  flags,
  type TestAuthenticator,
  testAuthenticator,
  testOrigin,
  testRpId,
} from '../../../kernel/wire/src/testing/authenticator.ts'
import {
  errorCode,
  openTestSigner,
  policyFor,
  type TestKey,
  type TestSigner,
} from '../../../test/signer/test-signer.ts'
import type { Answer } from './signer.ts'

let test: TestSigner
let admin: TestKey
beforeAll(async () => {
  test = await openTestSigner()
  admin = test.admins[0] as TestKey
})
afterAll(() => test.close())

let count = 0
const fresh = (algorithm: TestAuthenticator['algorithm'] = 'webauthn-p256') =>
  testAuthenticator(algorithm, new Uint8Array(32).fill(++count))

type Body = Readonly<Record<string, unknown>>

function bodyFor(
  by: TestAuthenticator,
  change: Body = {},
  ceremony: Parameters<TestAuthenticator['register']>[0] = {},
) {
  return {
    algorithm: by.algorithm,
    registration: by.register({ audience: test.audience, ...ceremony }),
    rpId: testRpId,
    origins: [testOrigin],
    role: 'approver',
    name: 'Alice’s passkey',
    ...change,
  }
}

const add = (body: Body) => test.ask('POST', '/v1/credentials', body, { by: admin })

async function addPasskey(by: TestAuthenticator, change: Body = {}): Promise<TestAuthenticator> {
  const answer = await add(bodyFor(by, change))
  expect(answer).toMatchObject({ status: 201, body: { id: by.id } })
  return by
}

interface Asking extends Ceremony {
  readonly nonce?: string
  readonly requestId?: string
  readonly also?: readonly TestKey[]
  readonly lifetimeS?: number
}

async function signed(
  by: TestAuthenticator,
  method: SignedRequest['method'],
  path: string,
  body?: unknown,
  { nonce, requestId, lifetimeS = 120, ...ceremony }: Asking = {},
): Promise<SignedRequest> {
  const request = prepareRequest({
    method,
    path,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    audience: test.audience,
    requestId: requestId ?? randomBytes(12).toString('hex'),
  })
  const created = Math.floor(Date.now() / 1000)
  const change = {
    created,
    expires: created + lifetimeS,
    nonce: nonce ?? randomBytes(16).toString('base64url'),
  }
  return addSignature(request, by.signer(ceremony, change))
}

const ask = async (
  by: TestAuthenticator,
  asking: Asking = {},
  [method, path, body]: [SignedRequest['method'], string, unknown?] = ['GET', '/v1/journal/checkpoint'],
): Promise<Answer> => test.send({ request: await signed(by, method, path, body, asking) })

const alarms = async () => {
  const page = await test.ask('GET', '/v1/journal/entries?start=0&limit=500', undefined, { by: admin })
  const { entries } = page.body as { entries: { entry: Body }[] }
  return entries.map(({ entry }) => entry).filter(({ type }) => type === 'alarm')
}

describe('adding a passkey', () => {
  it.each(['webauthn-p256', 'webauthn-ed25519'] as const)(
    '%s: takes its registration, and it can ask',
    async (algorithm) => {
      const by = fresh(algorithm)
      const made = await add(bodyFor(by, { role: 'admin', powers: ['read'] }))
      expect(made).toMatchObject({
        status: 201,
        body: {
          id: by.id,
          algorithm,
          role: 'admin',
          status: 'active',
          passkey: {
            passkeyId: encodeBase64Url(by.passkeyId),
            rpId: testRpId,
            origins: [testOrigin],
            backupEligible: false,
          },
        },
      })
      expect(await ask(by, {}, ['GET', '/v1/credentials'])).toMatchObject({ status: 200 })
      expect(errorCode(await add(bodyFor(by)))).toBe('SIGNER_CREDENTIAL_EXISTS')
    },
  )

  it.each<[string, (by: TestAuthenticator) => Body, string]>([
    [
      'a bare key',
      (by) => ({ algorithm: by.algorithm, publicKey: admin.publicKey, role: 'agent', name: 'x' }),
      'WIRE_INVALID_BODY',
    ],
    ['a key and a registration', (by) => bodyFor(by, { publicKey: admin.publicKey }), 'WIRE_INVALID_BODY'],
    ['no origin', (by) => bodyFor(by, { origins: [] }), 'WIRE_INVALID_BODY'],
    [
      'another algorithm than its key’s',
      (by) => bodyFor(by, { algorithm: 'webauthn-ed25519' }),
      'SIGNER_CREDENTIAL_FORM',
    ],
    [
      'a registration for another signer',
      (by) => bodyFor(by, {}, { audience: `sgn_${'0'.repeat(32)}` }),
      'WIRE_PASSKEY_CHALLENGE',
    ],
    [
      'one from another origin',
      (by) => bodyFor(by, {}, { origin: 'https://evil.test' }),
      'WIRE_PASSKEY_ORIGIN',
    ],
    [
      'a foreign origin to pin',
      (by) => bodyFor(by, { origins: [testOrigin, 'https://evil.test'] }),
      'WIRE_PASSKEY_ORIGIN',
    ],
    ['another relying party', (by) => bodyFor(by, { rpId: 'org' }), 'WIRE_PASSKEY_RP'],
    [
      'one without verification',
      (by) => bodyFor(by, {}, { flags: flags.up | flags.at }),
      'WIRE_PASSKEY_NOT_VERIFIED',
    ],
    [
      'an end in the past',
      (by) => bodyFor(by, { expiresAt: '2020-01-01T00:00:00Z' }),
      'SIGNER_CREDENTIAL_FORM',
    ],
    [
      'an end that is no day',
      (by) => bodyFor(by, { expiresAt: '2099-19-39T00:00:00Z' }),
      'SIGNER_CREDENTIAL_FORM',
    ],
  ])('refuses %s', async (_what, body, code) => {
    expect(errorCode(await add(body(fresh())))).toBe(code)
  })

  it('refuses an admin that would end by itself', async () => {
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString()
    expect(errorCode(await add(bodyFor(fresh(), { role: 'admin', expiresAt })))).toBe(
      'SIGNER_CREDENTIAL_FORM',
    )
    expect((await add(bodyFor(fresh(), { role: 'approver', expiresAt }))).status).toBe(201)
  })

  it('takes the quorum', async () => {
    expect(errorCode(await test.ask('POST', '/v1/credentials', bodyFor(fresh()), { by: test.agent }))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
  })
})

describe('asking with a passkey', () => {
  it('is refused by name where it is not what it must be', async () => {
    const by = await addPasskey(fresh())
    expect(await ask(by)).toMatchObject({ status: 200 })
    const cases: [Ceremony, string][] = [
      [{ origin: 'https://evil.test' }, 'WIRE_PASSKEY_ORIGIN'],
      [{ rpId: 'evil.test' }, 'WIRE_PASSKEY_RP'],
      [{ flags: flags.up }, 'WIRE_PASSKEY_NOT_VERIFIED'],
      [{ challenge: new Uint8Array(32) }, 'WIRE_PASSKEY_CHALLENGE'],
      [{ clientData: { crossOrigin: true } }, 'WIRE_PASSKEY_ORIGIN'],
      [{ flags: flags.up | flags.uv | flags.be }, 'WIRE_PASSKEY_CLONED'],
    ]
    for (const [ceremony, code] of cases) expect(errorCode(await ask(by, ceremony))).toBe(code)
    // Nobody has proven to be anybody: none of this may write into the journal.
    expect(await alarms()).toEqual([])
  })

  it('another key under its id is refused', async () => {
    const by = await addPasskey(fresh())
    const thief = fresh()
    const request = await signed(
      { ...thief, signer: (c, p) => ({ ...thief.signer(c, p), credential: by.signer().credential }) },
      'GET',
      '/v1/journal/checkpoint',
    )
    expect(errorCode(await test.send({ request }))).toBe('WIRE_BAD_SIGNATURE')
  })

  it('the same signed request again is a replay', async () => {
    const by = await addPasskey(fresh())
    const request = await signed(by, 'GET', '/v1/journal/checkpoint', undefined, { signCount: 4 })
    expect(await test.send({ request })).toMatchObject({ status: 200 })
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
  })

  it('an altered body or path has another challenge', async () => {
    const by = await addPasskey(fresh())
    const request = await signed(by, 'GET', '/v1/journal/checkpoint')
    const moved = { ...request, path: '/v1/credentials' }
    expect(errorCode(await test.send({ request: moved }))).toBe('WIRE_PASSKEY_CHALLENGE')
  })

  it('lives five minutes unless it is an admin’s, like any other', async () => {
    const by = await addPasskey(fresh())
    expect(errorCode(await ask(by, { lifetimeS: 301 }))).toBe('WIRE_LIFETIME_TOO_LONG')
  })

  it('signs where a policy permits it', async () => {
    const by = await addPasskey(fresh(), { role: 'agent', attribution: { operator: 'alice' } })
    const wallet = await test.walletUnder(
      policyFor(
        [{ id: 'messages', action: 'permit', who: { credentials: [by.id] }, effects: ['message'] }],
        'passkeys',
      ),
    )
    const path = `/v1/wallets/${wallet.id}/sign-message`
    const answer = await ask(by, {}, ['POST', path, { message: 'hello' }])
    expect(answer).toMatchObject({
      status: 200,
      body: { receipt: { entry: { credential: by.id, attribution: { operator: 'alice' } } } },
    })
    expect(errorCode(await test.ask('POST', path, { message: 'hello' }, { by: test.agent }))).toBe(
      'POLICY_REFUSED',
    )
  })
})

describe('the counter', () => {
  it('must grow once it counts; a counter that does not is an alarm in the journal', async () => {
    const by = await addPasskey(fresh())
    for (const signCount of [0, 0, 1, 2, 9])
      expect(await ask(by, { signCount })).toMatchObject({ status: 200 })
    for (const signCount of [9, 8, 0]) {
      const before = await alarms()
      expect(errorCode(await ask(by, { signCount }))).toBe('WIRE_PASSKEY_CLONED')
      const after = await alarms()
      expect(after).toHaveLength(before.length + 1)
      expect(after.at(-1)).toMatchObject({
        alarm: 'passkey-cloned',
        credential: by.id,
        stored: 9,
        stated: signCount,
      })
    }
    expect(await ask(by, { signCount: 10 })).toMatchObject({ status: 200 })
  })

  it('starts where the registration says', async () => {
    const by = fresh()
    expect((await add(bodyFor(by, {}, { signCount: 100 }))).status).toBe(201)
    expect(errorCode(await ask(by, { signCount: 100 }))).toBe('WIRE_PASSKEY_CLONED')
    expect(await ask(by, { signCount: 101 })).toMatchObject({ status: 200 })
  })

  it('of two requests at once with one count, one passes', async () => {
    const by = await addPasskey(fresh())
    const both = await Promise.all([ask(by, { signCount: 5 }), ask(by, { signCount: 5 })])
    expect(both.map(errorCode).sort()).toEqual(['WIRE_PASSKEY_CLONED', undefined])
  })

  it('is not moved by what was not signed', async () => {
    const by = await addPasskey(fresh())
    expect(errorCode(await ask(by, { signCount: 50, challenge: new Uint8Array(32) }))).toBe(
      'WIRE_PASSKEY_CHALLENGE',
    )
    expect(await ask(by, { signCount: 1 })).toMatchObject({ status: 200 })
  })

  it('survives a restart', async () => {
    const durable = await openTestSigner({ backend: 'file' })
    const before = test
    test = durable
    const kept = admin
    admin = durable.admins[0] as TestKey
    try {
      const by = await addPasskey(fresh())
      expect(await ask(by, { signCount: 7 })).toMatchObject({ status: 200 })
      test = await durable.reopen()
      expect(errorCode(await ask(by, { signCount: 7 }))).toBe('WIRE_PASSKEY_CLONED')
      expect(await ask(by, { signCount: 8 })).toMatchObject({ status: 200 })
    } finally {
      await test.close()
      test = before
      admin = kept
    }
  })
})

describe('a passkey as admin', () => {
  it('signs changes with others, and its counter moves with the change', async () => {
    const two = await openTestSigner({ admins: 2, quorum: 2 })
    const before = test
    const kept = admin
    test = two
    admin = two.admins[0] as TestKey
    try {
      const by = fresh()
      const added = await test.ask('POST', '/v1/credentials', bodyFor(by, { role: 'admin' }), {
        by: two.admins,
      })
      expect(added.status).toBe(201)
      const policy = {
        version: 1,
        id: 'by-passkey',
        rules: [{ id: 'm', action: 'permit', effects: ['message'] }],
      }
      const put = async (requestId: string, signCount: number, alone: boolean) => {
        const request = await signed(
          by,
          'PUT',
          '/v1/policies/by-passkey',
          { policy, expected: null },
          { requestId, signCount, lifetimeS: 3_600 },
        )
        if (alone) return test.send({ request })
        const { by: key } = { by: two.admins[0] as TestKey }
        const other = await test.signed(
          'PUT',
          '/v1/policies/by-passkey',
          { policy, expected: null },
          { by: key, requestId },
        )
        // The two signatures were made apart, over one request.
        const join = (name: 'signature' | 'signature-input') =>
          `${request.headers[name]}, ${other.request.headers[name]?.replace('sig1=', 'sig2=')}`
        const headers = {
          ...request.headers,
          signature: join('signature'),
          'signature-input': join('signature-input'),
        }
        return test.send({ request: { ...request, headers } })
      }
      expect(errorCode(await put('alone-request', 3, true))).toBe('WIRE_QUORUM_NOT_MET')
      // It was not carried out, so neither nonce nor counter is spent.
      expect(await put('both-request', 3, false)).toMatchObject({ status: 200 })
      expect(errorCode(await put('again-request', 3, false))).toBe('WIRE_PASSKEY_CLONED')
      const page = await test.ask('GET', '/v1/journal/entries?start=0', undefined, { by: admin })
      expect(JSON.stringify(page.body)).toContain('"passkey-cloned"')
    } finally {
      await two.close()
      test = before
      admin = kept
    }
  })
})
