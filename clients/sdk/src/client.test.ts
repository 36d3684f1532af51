import type { JsonObject } from '@countersign/bytes'
import {
  audienceOf,
  parsePublicKey,
  parseRequestSignatures,
  type SignedRequest,
  verifySignature,
} from '@countersign/wire'
import { beforeEach, describe, expect, it } from 'vitest'
import { type ClientOptions, createCountersignClient } from './client.ts'
import { type CredentialSigner, createCredentialKey } from './credential-key.ts'
import { CountersignRefused } from './refused.ts'
import { cosignRequest } from './sign-request.ts'
import { createProvingSigner } from './testing/proving-signer.ts'
import type { Fetch } from './transport.ts'

const signer = createProvingSigner()
const { audience, journalKey } = signer
const identity = { audience, journalKey, origin: '', version: '0.1.0', phase: 'ready' }

interface Given {
  readonly status?: number
  readonly body: unknown
}
type Reply = (request: SignedRequest) => Given | Error | Promise<Given>

/** Answers like an engine, from a script; keeps what it was sent. */
function scriptedEngine(...replies: Reply[]) {
  const seen: SignedRequest[] = []
  const fetch: Fetch = async (url, init) => {
    const { pathname, search } = new URL(url)
    const request = {
      method: init.method as SignedRequest['method'],
      path: pathname + search,
      headers: init.headers as Record<string, string>,
      body: (init.body as string | undefined) ?? '',
    }
    seen.push(request)
    const identified: Reply = () => ({ body: identity })
    const reply =
      pathname === '/v1/identity' ? identified : replies[Math.min(seen.length, replies.length) - 1]
    const given = await reply?.(request)
    if (given instanceof Error) throw given
    const text = typeof given?.body === 'string' ? given.body : JSON.stringify(given?.body)
    return new Response(text, { status: given?.status ?? 200 })
  }
  return { fetch, seen }
}

const ok: Reply = async (request) => ({ body: await signer.answer(request) })
const networkDown: Reply = () => new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
const unavailable: Reply = () => ({
  status: 503,
  body: { error: { code: 'WIRE_SIGNER_UNAVAILABLE', message: 'm', fix: 'f', retry: 'later' } },
})

let agent: CredentialSigner
beforeEach(async () => {
  agent = (await createCredentialKey('p256')).signer
})

function clientOf(fetch: Fetch, options: Partial<ClientOptions> = {}) {
  return createCountersignClient({
    url: 'http://engine.test',
    credential: agent,
    audience,
    fetch,
    ...options,
  })
}

function nonceOf(request: SignedRequest): string | undefined {
  return parseRequestSignatures(request).signatures[0]?.nonce
}

describe('requests', () => {
  it('are signed as the signer verifies them', async () => {
    const { fetch, seen } = scriptedEngine(ok)
    await clientOf(fetch).signMessage({ walletId: 'wal_1', message: 'hello' }, { requestId: 'job-00001' })
    const [request] = seen
    const parsed = parseRequestSignatures(request!)
    expect(parsed).toMatchObject({ audience, requestId: 'job-00001' })
    const [signature] = parsed.signatures
    expect(signature).toMatchObject({ credentialId: agent.id, algorithm: 'p256' })
    const key = { algorithm: 'p256', publicKey: parsePublicKey('p256', agent.publicKey) } as const
    expect(verifySignature(key, signature!.base, signature!.signature)).toBe(true)
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v1/wallets/wal_1/sign-message',
      body: '{"message":"hello"}',
    })
  })

  it('carry bigints as decimal strings and no undefined field', async () => {
    const { fetch, seen } = scriptedEngine(ok)
    await clientOf(fetch).sendTransaction({
      walletId: 'wal_1',
      transaction: { chainId: 1, to: '0x0000000000000000000000000000000000000001', value: 10n ** 18n },
      maxFeeMinor: 5n,
    })
    expect(JSON.parse(seen[0]!.body)).toEqual({
      transaction: {
        chainId: 1,
        to: '0x0000000000000000000000000000000000000001',
        value: '1000000000000000000',
      },
      maxFeeMinor: '5',
    })
  })

  it('keep ids from becoming other paths', async () => {
    const { fetch, seen } = scriptedEngine(() => ({ body: {} }))
    await clientOf(fetch).wallets.get('../policies?x')
    expect(seen[0]?.path).toBe('/v1/wallets/..%2Fpolicies%3Fx')
  })

  it('have an id of their own each unless the caller gives one', async () => {
    const { fetch, seen } = scriptedEngine(ok)
    const client = clientOf(fetch)
    await client.wallets.create()
    await client.wallets.create()
    const ids = seen.map((request) => request.headers['idempotency-key'])
    expect(new Set(ids).size).toBe(2)
    expect(ids.every((id) => /^[0-9a-f]{32}$/.test(id ?? ''))).toBe(true)
  })

  it('to admin routes are signed by every cosigner, ordinary ones by the credential alone', async () => {
    const second = (await createCredentialKey('ed25519')).signer
    const { fetch, seen } = scriptedEngine(ok)
    const client = clientOf(fetch, { cosigners: [second] })
    await client.policies.put({ id: 'p', policy: {}, expected: null })
    await client.wallets.create()
    const signers = seen.map((request) =>
      parseRequestSignatures(request).signatures.map((s) => s.credentialId),
    )
    expect(signers).toEqual([[agent.id, second.id], [agent.id]])
  })

  it('can be signed one after another, and submitted as they are', async () => {
    const second = (await createCredentialKey('secp256k1')).signer
    const { fetch, seen } = scriptedEngine(ok)
    const client = clientOf(fetch)
    const { calls } = await import('./calls.ts')
    const prepared = await client.prepare(calls.putPolicy({ id: 'p', policy: {}, expected: null }))
    const [signature] = parseRequestSignatures(prepared).signatures
    expect(signature!.expires - signature!.created).toBe(86_400)
    const whole = await cosignRequest(JSON.parse(JSON.stringify(prepared)) as SignedRequest, second)
    await client.submit(whole)
    expect(seen[0]).toEqual(whole)
    expect(parseRequestSignatures(seen[0]!).signatures.map((s) => s.credentialId)).toEqual([
      agent.id,
      second.id,
    ])
  })
})

describe('repetition', () => {
  it('keeps the request id and the body, with a fresh nonce each time', async () => {
    const { fetch, seen } = scriptedEngine(networkDown, unavailable, ok)
    await clientOf(fetch).signMessage({ walletId: 'wal_1', message: 'hello' })
    expect(seen).toHaveLength(3)
    expect(new Set(seen.map((request) => request.headers['idempotency-key'])).size).toBe(1)
    expect(new Set(seen.map((request) => request.body)).size).toBe(1)
    expect(new Set(seen.map(nonceOf)).size).toBe(3)
  })

  it('waits for an earlier attempt that is still being worked on', async () => {
    const inFlight: Reply = () => ({
      status: 409,
      body: { error: { code: 'WIRE_REQUEST_IN_FLIGHT', message: 'm', fix: 'f', retry: 'later' } },
    })
    const { fetch, seen } = scriptedEngine(networkDown, inFlight, ok)
    await clientOf(fetch).signMessage({ walletId: 'wal_1', message: 'hello' })
    expect(seen).toHaveLength(3)
  })

  it('ends, and names the request id to go on with', async () => {
    const { fetch, seen } = scriptedEngine(networkDown)
    const failure = clientOf(fetch, { retries: 2 }).wallets.create({}, { requestId: 'job-00001' })
    await expect(failure).rejects.toMatchObject({
      code: 'SDK_UNREACHABLE',
      details: { requestId: 'job-00001' },
    })
    expect(seen).toHaveLength(3)
  })

  it.each([400, 401, 403, 404, 409, 422, 429, 500])('does not follow a %i', async (status) => {
    const body = {
      error: { code: 'SOME_CODE', message: 'what', fix: 'do', retry: 'after-fix', details: { a: 1 } },
    }
    const { fetch, seen } = scriptedEngine(() => ({ status, body }))
    await expect(clientOf(fetch).wallets.create()).rejects.toMatchObject({
      code: 'SOME_CODE',
      message: 'what',
      fix: 'do',
      retry: 'after-fix',
      status,
      details: { a: 1 },
    })
    expect(seen).toHaveLength(1)
  })

  it('stops when the caller aborts', async () => {
    const abort = new AbortController()
    const { fetch, seen } = scriptedEngine((request) => {
      abort.abort(new Error('enough'))
      return networkDown(request)
    })
    await expect(clientOf(fetch).wallets.create({}, { signal: abort.signal })).rejects.toThrow('enough')
    expect(seen).toHaveLength(1)
  })

  it('does not happen to a request that is submitted as signed', async () => {
    const { fetch, seen } = scriptedEngine(networkDown)
    const client = clientOf(fetch)
    const { calls } = await import('./calls.ts')
    const signed = await client.prepare(calls.createWallet({}))
    await expect(client.submit(signed)).rejects.toMatchObject({ code: 'SDK_UNREACHABLE' })
    expect(seen).toHaveLength(1)
  })
})

describe('answers', () => {
  it('that refuse carry the decision in words', async () => {
    const decision = {
      permitted: false,
      reservations: [],
      effects: [
        {
          effect: 0,
          kind: 'native-transfer',
          summary: '0.3 native coin to 0x1',
          permittedBy: [],
          reasons: [{ code: 'POLICY_RECIPIENT', layer: 'wallet', rule: 'pay', message: 'not listed' }],
        },
      ],
    }
    const error = {
      code: 'POLICY_REFUSED',
      message: 'no',
      fix: 'f',
      retry: 'after-fix',
      details: { decision },
    }
    const { fetch } = scriptedEngine(() => ({
      status: 403,
      body: { error, decision, journal: { index: 7 } },
    }))
    const refusal = await clientOf(fetch)
      .signMessage({ walletId: 'wal_1', message: 'x' })
      .catch((thrown) => thrown)
    expect(refusal).toBeInstanceOf(CountersignRefused)
    expect(refusal).toMatchObject({ code: 'POLICY_REFUSED', status: 403, journalIndex: 7, decision })
    expect(refusal.reasons()).toEqual(['0.3 native coin to 0x1: not listed'])
  })

  it.each([
    ['a page of HTML', { status: 502, body: '<html>' }],
    ['an error without a code', { status: 500, body: { error: 'oops' } }],
    ['an empty text', { status: 200, body: '' }],
    ['a key twice', { status: 200, body: '{"id":"a","id":"b"}' }],
  ])('that are %s are not taken for the engine’s', async (_name, reply) => {
    const { fetch } = scriptedEngine(() => reply)
    await expect(clientOf(fetch).wallets.create()).rejects.toMatchObject({ code: 'SDK_ANSWER_INVALID' })
  })

  it('come page by page', async () => {
    const pageOf = (request: SignedRequest) => new URL(request.path, 'http://x').searchParams.get('cursor')
    const pages: Record<string, JsonObject> = {
      start: { items: [{ id: 'a' }, { id: 'b' }], nextCursor: 'c1' },
      c1: { items: [{ id: 'c' }], nextCursor: null },
    }
    const { fetch, seen } = scriptedEngine((request) => ({ body: pages[pageOf(request) ?? 'start'] }))
    const ids: string[] = []
    for await (const wallet of clientOf(fetch).wallets.list({ limit: 2 })) ids.push(wallet.id)
    expect(ids).toEqual(['a', 'b', 'c'])
    expect(seen.map((request) => request.path)).toEqual([
      '/v1/wallets?limit=2',
      '/v1/wallets?limit=2&cursor=c1',
    ])
  })
})

describe('waiting for a transaction', () => {
  it('ends at a final state', async () => {
    const states = ['broadcast', 'broadcast', 'confirmed']
    const { fetch } = scriptedEngine(() => ({ body: { id: 'tx', status: states.shift(), hash: '0x' } }))
    const transaction = await clientOf(fetch).waitForTransaction('tx', { pollMs: 1 })
    expect(transaction.status).toBe('confirmed')
  })

  it('ends with an error that says not to send again', async () => {
    const { fetch } = scriptedEngine(() => ({ body: { id: 'tx', status: 'broadcast', hash: '0x01' } }))
    await expect(clientOf(fetch).waitForTransaction('tx', { pollMs: 1, timeoutMs: 5 })).rejects.toMatchObject(
      {
        code: 'SDK_WAIT_TIMED_OUT',
        details: { status: 'broadcast' },
      },
    )
  })
})

describe('the audience', () => {
  it('is asked for once and believed where none is pinned', async () => {
    const { fetch, seen } = scriptedEngine(ok)
    const client = createCountersignClient({ url: 'http://engine.test', credential: agent, fetch })
    await Promise.all([client.wallets.create(), client.wallets.create()])
    expect(seen.filter((request) => request.path === '/v1/identity')).toHaveLength(1)
    expect(seen.at(-1)?.headers['countersign-audience']).toBe(audience)
  })

  it('that is pinned is used without asking', async () => {
    const { fetch, seen } = scriptedEngine(ok)
    await clientOf(fetch).wallets.create()
    expect(seen.map((request) => request.path)).toEqual(['/v1/wallets'])
  })

  it('is refused where the identity is another signer, or names a key that is not its own', async () => {
    const other = audienceOf(new Uint8Array(32).fill(1))
    const { fetch } = scriptedEngine(ok)
    await expect(clientOf(fetch, { audience: other }).identity()).rejects.toMatchObject({
      code: 'SDK_AUDIENCE_MISMATCH',
    })
    const forged: Fetch = async () => new Response(JSON.stringify({ ...identity, audience: other }))
    await expect(clientOf(forged).identity()).rejects.toMatchObject({ code: 'SDK_AUDIENCE_MISMATCH' })
  })
})

describe('options', () => {
  it.each(['nonsense', 'http://host/path', 'http://host/?q', 'http://user:pw@host'])(
    'refuse the url %s',
    (url) => {
      expect(() => createCountersignClient({ url, credential: agent })).toThrow(
        expect.objectContaining({ code: 'SDK_INPUT_INVALID' }),
      )
    },
  )
})
