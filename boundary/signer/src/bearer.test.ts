import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { encodeHex } from '@countersign/bytes'
import type { PolicyDocument } from '@countersign/policy'
import { apiKeyHash, credentialId, encodeApiKey, routes, type SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
// Ahead of the moment at which the signer is founded, which goes by the system's clock.
let timeMs = Date.now() + 30_000
beforeAll(async () => {
  test = await openTestSigner({
    backend: 'file',
    clockSource: { wallMs: () => timeMs, monotonicMs: () => timeMs },
  })
  admin = test.admins[0] as TestKey
})
afterAll(() => test.close())

type Body = Readonly<Record<string, unknown>>

const newKey = () => encodeApiKey(new Uint8Array(randomBytes(32)))
const idOf = (apiKey: string) => credentialId('bearer', apiKeyHash(apiKey))
const add = (apiKey: string, change: Body = {}) =>
  test.ask(
    'POST',
    '/v1/credentials',
    {
      algorithm: 'bearer',
      publicKey: encodeHex(apiKeyHash(apiKey)),
      role: 'agent',
      name: 'script',
      ...change,
    },
    { by: admin },
  )

async function addKey(change: Body = {}): Promise<string> {
  const apiKey = newKey()
  expect((await add(apiKey, change)).status).toBe(201)
  return apiKey
}

function request(
  apiKey: string,
  method: SignedRequest['method'],
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): SignedRequest {
  return {
    method,
    path,
    headers: { 'x-api-key': apiKey, 'idempotency-key': randomBytes(12).toString('hex'), ...headers },
    body: body === undefined ? '' : JSON.stringify(body),
  }
}

const ask = (...asked: Parameters<typeof request>): Promise<Answer> =>
  test.send({ request: request(...asked) })

const grantsBearer = (id: string): PolicyDocument =>
  policyFor([{ id: 'messages', action: 'permit', who: { bearer: true }, effects: ['message'] } as never], id)

describe('adding an API key', () => {
  it('takes its hash only, and marks it', async () => {
    const apiKey = newKey()
    const made = await add(apiKey, { powers: ['create-wallet'], ratePerMinute: 5 })
    expect(made).toMatchObject({
      status: 201,
      body: { id: idOf(apiKey), algorithm: 'bearer', bearer: true, ratePerMinute: 5, role: 'agent' },
    })
    expect(JSON.stringify(made.body)).not.toContain(apiKey)
    expect(errorCode(await add(apiKey))).toBe('SIGNER_CREDENTIAL_EXISTS')
  })

  it.each<[string, Body]>([
    ['an admin', { role: 'admin' }],
    ['an approver', { role: 'approver' }],
    ['the key itself', { publicKey: newKey() }],
    ['a rate of nothing', { ratePerMinute: 0 }],
    ['a rate of everything', { ratePerMinute: 60_001 }],
    ['a registration', { registration: { clientDataJSON: 'AA', attestationObject: 'AA' } }],
  ])('refuses %s', async (_what, change) => {
    const answer = await add(newKey(), change)
    expect(errorCode(answer)).toBe('WIRE_INVALID_BODY')
    expect(JSON.stringify(answer.body)).not.toContain('csk_')
  })

  it('refuses hashes that everybody can undo, and policies that are not there', async () => {
    expect(errorCode(await add(newKey(), { publicKey: `0x${'00'.repeat(32)}` }))).toBe('WIRE_API_KEY_INVALID')
    expect(errorCode(await add(newKey(), { publicKey: encodeHex(apiKeyHash('')) }))).toBe(
      'WIRE_API_KEY_INVALID',
    )
    expect(errorCode(await add(newKey(), { walletPolicy: 'not-there' }))).toBe('SIGNER_POLICY_UNKNOWN')
  })

  it('takes the quorum', async () => {
    const apiKey = await addKey()
    const body = {
      algorithm: 'bearer',
      publicKey: encodeHex(apiKeyHash(newKey())),
      role: 'agent',
      name: 'own child',
    }
    expect(errorCode(await ask(apiKey, 'POST', '/v1/credentials', body))).toBe('WIRE_BEARER_NOT_ENOUGH')
  })
})

describe('asking with an API key', () => {
  it('signs only where a rule says bearer', async () => {
    const apiKey = await addKey()
    const open = await test.walletUnder(grantsBearer('for-bearers'))
    const closed = await test.walletUnder(
      policyFor(
        [
          { id: 'anybody', action: 'permit', effects: ['message'] },
          { id: 'agents', action: 'permit', who: { roles: ['agent'] }, effects: ['message'] },
          { id: 'named', action: 'permit', who: { credentials: [idOf(apiKey)] }, effects: ['message'] },
        ],
        'for-keys',
      ),
    )
    const sign = (wallet: string, key: string) =>
      ask(key, 'POST', `/v1/wallets/${wallet}/sign-message`, { message: 'hi' })
    const signed = await sign(open.id, apiKey)
    expect(signed).toMatchObject({
      status: 200,
      body: { receipt: { entry: { credential: idOf(apiKey), bearer: true } } },
    })
    expect(errorCode(await sign(closed.id, apiKey))).toBe('POLICY_REFUSED')
  })

  it('is refused with another key, a changed one, and none that is known', async () => {
    const apiKey = await addKey()
    const changed = apiKey.slice(0, -2) + (apiKey.at(-2) === 'A' ? 'B' : 'A') + apiKey.slice(-1)
    for (const key of [newKey(), changed]) {
      expect(errorCode(await ask(key, 'GET', '/v1/journal/checkpoint'))).toBe('WIRE_UNKNOWN_CREDENTIAL')
    }
    expect(errorCode(await ask(`${apiKey}A`, 'GET', '/v1/journal/checkpoint'))).toBe('WIRE_API_KEY_INVALID')
    expect((await ask(apiKey, 'GET', '/v1/journal/checkpoint')).status).toBe(200)
  })

  it('the hash is not the key: who reads the database or the journal cannot ask', async () => {
    const apiKey = await addKey()
    const hash = apiKeyHash(apiKey)
    for (const key of [encodeApiKey(hash), `csk_${Buffer.from(hash).toString('base64url')}`]) {
      expect(errorCode(await ask(key, 'GET', '/v1/journal/checkpoint'))).toBe('WIRE_UNKNOWN_CREDENTIAL')
    }
  })

  it('a signing key’s credential cannot be asked for with its id or key', async () => {
    const forged = {
      'x-api-key': `csk_${Buffer.from(test.agent.publicKey.slice(2, 66), 'hex').toString('base64url')}`,
    }
    const one = {
      ...request(newKey(), 'GET', '/v1/journal/checkpoint'),
      headers: { ...forged, 'idempotency-key': 'request-1' },
    }
    expect(errorCode(await test.send({ request: one }))).toBe('WIRE_UNKNOWN_CREDENTIAL')
  })

  it('a named audience must be this signer', async () => {
    const apiKey = await addKey()
    const other = { 'countersign-audience': `sgn_${'0'.repeat(32)}` }
    expect(errorCode(await ask(apiKey, 'GET', '/v1/journal/checkpoint', undefined, other))).toBe(
      'WIRE_WRONG_AUDIENCE',
    )
    const own = { 'countersign-audience': test.audience }
    expect((await ask(apiKey, 'GET', '/v1/journal/checkpoint', undefined, own)).status).toBe(200)
  })

  it('is enough for no route that changes who may do what, whatever its powers', async () => {
    const apiKey = await addKey({ powers: ['create-wallet', 'read'] })
    const size = test.signer.journal.size()
    for (const { method, pattern, auth } of routes) {
      if (auth !== 'quorum' && auth !== 'rotation') continue
      const path = pattern.replace('{policyId}', 'p').replaceAll(/\{\w+\}/g, idOf(apiKey))
      for (const body of [{}, { policy: {}, expected: null }, 'not even a body']) {
        expect(`${path} ${errorCode(await ask(apiKey, method, path, body))}`).toBe(
          `${path} WIRE_BEARER_NOT_ENOUGH`,
        )
      }
    }
    expect(test.signer.journal.size()).toBe(size)
  })

  it('is enough for no route at all that is not listed', async () => {
    const apiKey = await addKey({ powers: ['create-wallet', 'read'] })
    for (const path of ['/v1/credentials', '/v1/policies', '/v1/journal/entries?start=0']) {
      expect(errorCode(await ask(apiKey, 'GET', path))).toBe('WIRE_BEARER_NOT_ENOUGH')
    }
  })

  it('a signature beside the key is refused, not preferred', async () => {
    const apiKey = await addKey()
    const { request: signed } = await test.signed('GET', '/v1/journal/checkpoint', undefined, { by: admin })
    const both = { ...signed, headers: { ...signed.headers, 'x-api-key': apiKey } }
    expect(errorCode(await test.send({ request: both }))).toBe('WIRE_INVALID_REQUEST')
  })

  it('the same id and body is the same answer; the same id and another body an error', async () => {
    const apiKey = await addKey()
    const wallet = await test.walletUnder(grantsBearer('once'))
    const path = `/v1/wallets/${wallet.id}/sign-message`
    const id = { 'idempotency-key': 'bearer-request-1' }
    const first = await ask(apiKey, 'POST', path, { message: 'hi' }, id)
    const size = test.signer.journal.size()
    expect(await ask(apiKey, 'POST', path, { message: 'hi' }, id)).toEqual(first)
    expect(test.signer.journal.size()).toBe(size)
    expect(errorCode(await ask(apiKey, 'POST', path, { message: 'ho' }, id))).toBe('WIRE_REQUEST_ID_REUSED')
    // What nothing can prevent, and the documents say: under another id, the engine gets another signature.
    expect((await ask(apiKey, 'POST', path, { message: 'hi' })).status).toBe(200)
    expect(test.signer.journal.size()).toBe(size + 2)
  })
})

describe('its end', () => {
  it('comes when it is revoked', async () => {
    const apiKey = await addKey()
    expect((await ask(apiKey, 'GET', '/v1/journal/checkpoint')).status).toBe(200)
    const path = `/v1/credentials/${idOf(apiKey)}/revoke`
    expect((await test.ask('POST', path, {}, { by: admin })).status).toBe(200)
    expect(errorCode(await ask(apiKey, 'GET', '/v1/journal/checkpoint'))).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('comes at its time, to the millisecond', async () => {
    const endMs = timeMs + 5_000
    const apiKey = await addKey({ expiresAt: new Date(endMs).toISOString() })
    timeMs = endMs - 1
    expect((await ask(apiKey, 'GET', '/v1/journal/checkpoint')).status).toBe(200)
    timeMs = endMs
    expect(errorCode(await ask(apiKey, 'GET', '/v1/journal/checkpoint'))).toBe('WIRE_CREDENTIAL_EXPIRED')
  })
})

describe('its rate', () => {
  it('is refused over it with the seconds to wait, and one key does not spend another’s', async () => {
    const slow = await addKey({ ratePerMinute: 3 })
    const other = await addKey({ ratePerMinute: 3 })
    const look = (key: string) => ask(key, 'GET', '/v1/journal/checkpoint')
    for (let i = 0; i < 3; i++) expect((await look(slow)).status).toBe(200)
    const refused = await look(slow)
    expect(refused).toMatchObject({
      status: 429,
      body: { error: { code: 'WIRE_RATE_LIMITED', details: { retryAfterS: 20 } } },
    })
    expect((await look(other)).status).toBe(200)
    timeMs += 20_000
    expect((await look(slow)).status).toBe(200)
    expect((await look(slow)).status).toBe(429)
  })

  it('of many at once no more pass than it says', async () => {
    const apiKey = await addKey({ ratePerMinute: 10 })
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => ask(apiKey, 'GET', '/v1/journal/checkpoint')),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
    expect(answers.filter((answer) => errorCode(answer) === 'WIRE_RATE_LIMITED')).toHaveLength(40)
  })
})

describe('wallets', () => {
  it('that it makes without naming a policy get the one of its credential', async () => {
    await test.putPolicy(grantsBearer('of-its-wallets'))
    const apiKey = await addKey({ powers: ['create-wallet'], walletPolicy: 'of-its-wallets' })
    const made = await ask(apiKey, 'POST', '/v1/wallets', { type: 'EVM' })
    expect(made).toMatchObject({ status: 201, body: { policy: 'of-its-wallets' } })
    const { id } = made.body as { id: string }
    expect((await ask(apiKey, 'POST', `/v1/wallets/${id}/sign-message`, { message: 'hi' })).status).toBe(200)
    const plain = await addKey({ powers: ['create-wallet'] })
    expect(await ask(plain, 'POST', '/v1/wallets', { type: 'EVM' })).toMatchObject({
      status: 201,
      body: { policy: null },
    })
    expect(errorCode(await ask(await addKey(), 'POST', '/v1/wallets', { type: 'EVM' }))).toBe(
      'WIRE_NOT_PERMITTED',
    )
  })
})

describe('the custody statement', () => {
  it('counts the engine as holding every active API key', async () => {
    const lone = await openTestSigner()
    const before = test
    const kept = admin
    test = lone
    admin = lone.admins[0] as TestKey
    try {
      const wallet = await test.walletUnder(
        policyFor(
          [
            {
              id: 'coins',
              action: 'permit',
              who: { bearer: true },
              effects: ['native-transfer'],
              when: { chain: ['eip155:1'], recipient: [`0x${'11'.repeat(20)}`] },
              limits: [{ id: 'day', amount: '500', asset: 'eip155:1/slip44:60', window: { rolling: '24h' } }],
            } as never,
          ],
          'coins',
        ),
      )
      const engine = async () => {
        const { body } = await test.ask('GET', `/v1/custody/${wallet.id}`, undefined, { by: admin })
        const { statement } = body as {
          statement: { ifOwned: { what: string; canMove: string[]; bounds?: unknown }[] }
        }
        return statement.ifOwned.find(({ what }) => what.startsWith('engine: '))
      }
      expect(await engine()).toMatchObject({ canMove: [expect.stringMatching(/^Nothing: /)] })
      const apiKey = await addKey()
      const found = await engine()
      expect(found?.what).toContain(idOf(apiKey))
      expect(found?.canMove.join(' ')).toMatch(/Whoever sees an API key has it/)
      expect(found?.canMove.join(' ')).not.toMatch(/Nothing: /)
      expect(found?.bounds).toContainEqual(
        expect.objectContaining({ asset: 'eip155:1/slip44:60', amountMinor: '500' }),
      )
      await test.ask('POST', `/v1/credentials/${idOf(apiKey)}/revoke`, {}, { by: admin })
      expect(await engine()).toMatchObject({ canMove: [expect.stringMatching(/^Nothing: /)] })
    } finally {
      await lone.close()
      test = before
      admin = kept
    }
  })
})

describe('the key itself', () => {
  it('stands in no answer, record, journal entry or file', async () => {
    const apiKey = await addKey({ powers: ['create-wallet', 'read'], ratePerMinute: 30 })
    const wallet = await test.walletUnder(grantsBearer('secret'))
    const seen: string[] = []
    const look = async (answer: Promise<Answer>) => seen.push(JSON.stringify((await answer).body))
    await look(ask(apiKey, 'POST', '/v1/wallets', { type: 'EVM', name: 'made by a key' }))
    await look(ask(apiKey, 'POST', `/v1/wallets/${wallet.id}/sign-message`, { message: 'hi' }))
    await look(ask(apiKey, 'POST', `/v1/wallets/${wallet.id}/sign-raw`, { digest: `0x${'11'.repeat(32)}` }))
    await look(ask(apiKey, 'POST', `/v1/wallets/${wallet.id}/sign-message`, { message: 5 }))
    await look(ask(apiKey, 'POST', '/v1/credentials', {}))
    await look(ask(apiKey, 'GET', `/v1/custody/${wallet.id}`))
    await look(ask(`${apiKey}x`, 'GET', '/v1/journal/checkpoint'))
    await look(ask(apiKey, 'GET', '/nowhere'))
    for (let i = 0; i < 40; i++) await look(ask(apiKey, 'GET', '/v1/journal/checkpoint'))
    await look(test.ask('GET', '/v1/journal/entries?start=0&limit=500', undefined, { by: admin }))
    await look(test.ask('GET', '/v1/credentials?limit=500', undefined, { by: admin }))
    expect(seen.join('\n')).toContain('WIRE_RATE_LIMITED')
    const forms = formsOf(apiKey)
    for (const form of forms) expect(seen.some((text) => text.includes(form))).toBe(false)
    const files = filesBelow(test.directory)
    expect(files.length).toBeGreaterThan(2)
    for (const form of forms) expect(files.filter((bytes) => bytes.includes(form))).toEqual([])
    // The search does find what is there.
    expect(files.some((bytes) => bytes.includes(encodeHex(apiKeyHash(apiKey))))).toBe(true)
  })
})

function formsOf(apiKey: string): string[] {
  const secret = Buffer.from(apiKey.slice(4), 'base64url')
  return [
    apiKey,
    apiKey.slice(4),
    apiKey.slice(10, 34),
    secret.toString('hex'),
    secret.toString('base64').slice(0, 40),
  ]
}

function filesBelow(folder: string): Buffer[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    const found = statSync(path)
    return found.isDirectory() ? filesBelow(path) : found.isFile() ? [readFileSync(path)] : []
  })
}
