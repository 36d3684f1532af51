import { encodeHex } from '@countersign/bytes'
import { apiKeyForm, apiKeyHash, credentialId, type SignedRequest } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { createApiKey } from './api-key.ts'
import { type ClientOptions, createCountersignClient } from './client.ts'
import { createCredentialKey } from './credential-key.ts'
import { createProvingSigner } from './testing/proving-signer.ts'
import type { Fetch } from './transport.ts'

const proving = createProvingSigner()
const { audience } = proving
const { apiKey, id } = createApiKey()

function engine(
  change: (answer: Record<string, unknown>, request: SignedRequest) => unknown = (answer) => answer,
) {
  const seen: SignedRequest[] = []
  const fetch: Fetch = async (url, init) => {
    const { pathname, search } = new URL(url)
    const method = init.method as SignedRequest['method']
    const headers = init.headers as Record<string, string>
    const request = {
      method,
      path: pathname + search,
      headers,
      body: (init.body as string | undefined) ?? '',
    }
    seen.push(request)
    const answer = (await proving.answer(request)) as Record<string, unknown>
    return new Response(JSON.stringify(change(answer, request)))
  }
  return { fetch, seen }
}

const clientWith = (change: Partial<ClientOptions>) =>
  createCountersignClient({ url: 'http://127.0.0.1:1', apiKey, audience, ...change })

describe('createApiKey', () => {
  it('makes a key, its hash and its id, and no two alike', () => {
    const made = createApiKey()
    expect(made.apiKey).toMatch(apiKeyForm)
    expect(made.credential).toEqual({ algorithm: 'bearer', publicKey: encodeHex(apiKeyHash(made.apiKey)) })
    expect(made.id).toBe(credentialId('bearer', apiKeyHash(made.apiKey)))
    expect(createApiKey().apiKey).not.toBe(made.apiKey)
  })
})

describe('a client with an API key', () => {
  it('sends the key and a request id, signs nothing, and has its answers proven all the same', async () => {
    const { fetch, seen } = engine()
    await clientWith({ fetch }).signMessage(
      { walletId: 'wal_1', message: 'hello' },
      { requestId: 'request-0001' },
    )
    expect(seen[0]?.headers).toEqual({
      'x-api-key': apiKey,
      'idempotency-key': 'request-0001',
      'countersign-audience': audience,
      'content-type': 'application/json',
    })
  })

  it('takes no answer that the signer has not given for this key and this request', async () => {
    const other = createApiKey().apiKey
    const forgers: ((answer: Record<string, unknown>) => unknown)[] = [
      ({ receipt: _receipt, ...rest }) => rest,
      (answer) => ({ ...answer, signature: `0x${'02'.repeat(64)}1b` }),
    ]
    for (const forge of forgers) {
      const { fetch } = engine(forge)
      const asked = clientWith({ fetch }).signMessage({ walletId: 'wal_1', message: 'hello' })
      await expect(asked).rejects.toMatchObject({ code: 'SDK_ANSWER_UNPROVEN' })
    }
    const replay: Fetch = async (url, init) => {
      const headers = { ...(init.headers as Record<string, string>), 'x-api-key': other }
      const answer = await proving.answer({
        method: 'POST',
        path: new URL(url).pathname,
        headers,
        body: init.body as string,
      })
      return new Response(JSON.stringify(answer))
    }
    const asked = clientWith({ fetch: replay }).signMessage({ walletId: 'wal_1', message: 'hello' })
    await expect(asked).rejects.toMatchObject({ code: 'SDK_ANSWER_UNPROVEN' })
  })

  it('sends no change: an API key is never enough', async () => {
    const { fetch, seen } = engine()
    const client = clientWith({ fetch })
    const changes = [
      client.credentials.revoke(id),
      client.policies.put({ id: 'p', policy: {}, expected: null }),
      client.credentials.create({ algorithm: 'p256', publicKey: '0x', role: 'admin', name: 'me' }),
      client.prepare({ method: 'GET', path: '/v1/policies', body: undefined, admin: false }),
    ]
    for (const change of changes) await expect(change).rejects.toMatchObject({ code: 'SDK_INPUT_INVALID' })
    expect(seen).toEqual([])
  })

  it.each<[string, Partial<ClientOptions>]>([
    ['over http to another machine', { url: 'http://engine.example.org' }],
    ['a key of another form', { apiKey: 'sk_live_1' }],
    ['neither key nor credential', { apiKey: undefined as never }],
  ])('is not made: %s', (_what, change) => {
    expect(() => clientWith(change)).toThrow(expect.objectContaining({ code: 'SDK_INPUT_INVALID' }))
  })

  it('is not made with a credential beside the key, and is over https', async () => {
    const { signer } = await createCredentialKey()
    expect(() => clientWith({ credential: signer })).toThrow(
      expect.objectContaining({ code: 'SDK_INPUT_INVALID' }),
    )
    expect(() => clientWith({ url: 'https://engine.example.org' })).not.toThrow()
  })

  it('no error shows the key', async () => {
    const fetch: Fetch = async () => {
      throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
    }
    const asked = clientWith({ fetch, retries: 0 }).signMessage({ walletId: 'wal_1', message: 'hello' })
    const error = await asked.catch((thrown: Error) => thrown)
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(apiKey.slice(4, 30))
  })
})

describe('rotating', () => {
  it('is signed by the old key, then the new one, then the cosigners, and its answer is proven', async () => {
    const [old, next, admin] = await Promise.all([
      createCredentialKey(),
      createCredentialKey(),
      createCredentialKey(),
    ])
    const { fetch, seen } = engine()
    const client = createCountersignClient({
      url: 'http://127.0.0.1:1',
      audience,
      credential: old.signer,
      cosigners: [admin.signer],
      fetch,
    })
    const rotation = { algorithm: 'p256', publicKey: next.signer.publicKey, overlapS: 60 } as const
    const answer = await client.credentials.rotate(next.signer, rotation)
    expect(answer.replaced.status).toBe('revoked')
    expect(seen[0]?.path).toBe(`/v1/credentials/${old.signer.id}/rotate`)
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual(rotation)
    const ids = [...(seen[0]?.headers['signature-input'] ?? '').matchAll(/keyid="(\w+)"/g)].map(
      ([, one]) => one,
    )
    expect(ids).toEqual([old.signer.id, next.signer.id, admin.signer.id])
    const lying = engine((given) => ({
      ...given,
      replaced: { ...(given.replaced as object), status: 'active' },
    }))
    const other = createCountersignClient({
      url: 'http://127.0.0.1:1',
      audience,
      credential: old.signer,
      fetch: lying.fetch,
    })
    await expect(other.credentials.rotate(next.signer, rotation)).rejects.toMatchObject({
      code: 'SDK_ANSWER_UNPROVEN',
    })
  })
})
