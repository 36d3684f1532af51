import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { routes } from '@countersign/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, type RunningEngine } from './engine.ts'
import { type Child, startNode } from './testing/child.ts'
import { makeCredential, sendRequest, signRequest } from './testing/client.ts'
import { eventually, friend, openWorld, type World } from './testing/world.ts'

let world: World
let engine: RunningEngine

beforeAll(async () => {
  world = await openWorld()
  engine = await openEngine({ config: world.config() })
  world.use(engine.url)
  await world.furnish()
})
afterAll(async () => {
  await engine?.close()
  await world?.close()
})

describe('wallets', () => {
  it('makes one wallet per user, however often and in whatever spelling it is asked', async () => {
    const spellings = ['Bob@Example.com', 'bob@example.com', ' BOB@EXAMPLE.COM ']
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        world.call('POST', '/v1/wallets', {
          type: 'EVM',
          userIdentifier: spellings[i % 3],
          userIdentifierType: 'EMAIL',
        }),
      ),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, ['ENGINE_WALLET_EXISTS', 'WIRE_REQUEST_IN_FLIGHT'].includes(body.error.code)]).toEqual([
        409,
        true,
      ])
    }
    const found = await world.call(
      'GET',
      '/v1/wallets?userIdentifier=bob%40example.com&userIdentifierType=EMAIL',
    )
    expect(found.body.items).toHaveLength(1)
    const other = await world.call('POST', '/v1/wallets', {
      type: 'SOLANA',
      userIdentifier: '@bob_tg',
      userIdentifierType: 'TELEGRAM',
    })
    expect(other).toMatchObject({ status: 201, body: { scheme: 'ED25519' } })
  })

  it('answers the same creation the same, and finishes one that another engine left half done', async () => {
    const wanted = { type: 'EVM', userIdentifier: '+15550001111', userIdentifierType: 'PHONE' }
    const first = await world.call('POST', '/v1/wallets', wanted, { requestId: 'make-phone-wallet' })
    const again = await world.call('POST', '/v1/wallets', wanted, { requestId: 'make-phone-wallet' })
    expect(again).toMatchObject({ status: 201, body: { id: first.body.id } })
    // An engine with an empty directory: the signer's record heals it, by id and by the same request.
    const other = await openEngine({ config: world.config({ name: 'other-engine' }) })
    world.use(other.url)
    expect(await world.call('GET', `/v1/wallets/${first.body.id}`)).toMatchObject({
      status: 200,
      body: { address: first.body.address },
    })
    expect(await world.call('POST', '/v1/wallets', wanted, { requestId: 'make-phone-wallet' })).toMatchObject(
      { status: 201 },
    )
    expect(await world.call('POST', '/v1/wallets', wanted)).toMatchObject({
      status: 409,
      body: { error: { code: 'ENGINE_WALLET_EXISTS' } },
    })
    world.use(engine.url)
    await other.close()
  })

  it('shows the directory to those who may read it only', async () => {
    const outsider = makeCredential()
    const { algorithm, publicKey } = outsider
    await world.call('POST', '/v1/credentials', { algorithm, publicKey, role: 'agent', name: 'outsider' })
    const { id } = await world.newWallet({ userIdentifier: 'secret-user', userIdentifierType: 'CUSTOM_ID' })
    expect(await world.call('GET', '/v1/wallets', undefined, { as: outsider })).toMatchObject({ status: 403 })
    expect(await world.call('GET', '/v1/transactions', undefined, { as: outsider })).toMatchObject({
      status: 403,
    })
    const one = await world.call('GET', `/v1/wallets/${id}`, undefined, { as: outsider })
    expect(one.status).toBe(200)
    expect(one.body).not.toHaveProperty('userIdentifier')
    const sent = await world.call('POST', `/v1/wallets/${id}/transactions`, {
      transaction: { chainId: world.anvil.chainNumber, to: friend, value: '1' },
    })
    expect(sent.status).toBe(202)
    expect(
      await world.call('GET', `/v1/transactions/${sent.body.id}`, undefined, { as: outsider }),
    ).toMatchObject({
      status: 404,
    })
    expect(await world.call('POST', '/v1/wallets', { type: 'EVM' }, { as: outsider })).toMatchObject({
      status: 403,
      body: { error: { code: 'WIRE_NOT_PERMITTED' } },
    })
  })

  it('stops listening to a revoked credential within seconds', async () => {
    const passing = makeCredential()
    const { algorithm, publicKey } = passing
    await world.call('POST', '/v1/credentials', {
      algorithm,
      publicKey,
      role: 'agent',
      name: 'passing',
      powers: ['read'],
    })
    expect(await world.call('GET', '/v1/wallets', undefined, { as: passing })).toMatchObject({ status: 200 })
    await world.call('POST', `/v1/credentials/${passing.id}/revoke`, {})
    const refused = await eventually(async () => {
      const answer = await world.call('GET', '/v1/wallets', undefined, { as: passing })
      return answer.status === 401 && answer
    }, 3_000)
    expect(refused.body.error.code).toBe('WIRE_CREDENTIAL_REVOKED')
  })
})

describe('reads that the engine answers itself', () => {
  it('are refused when replayed, stale, unsigned, altered or for another signer', async () => {
    const call = { method: 'GET', path: '/v1/wallets?limit=1' } as const
    const request = await signRequest(world.admin, world.audience, call)
    expect(await sendRequest(engine.url, request)).toMatchObject({ status: 200 })
    const codeOf = async (changed: typeof request) => (await sendRequest(engine.url, changed)).body.error.code
    expect(await codeOf(request)).toBe('WIRE_NONCE_REPLAYED')
    const fresh = () => signRequest(world.admin, world.audience, call)
    expect(await codeOf({ ...(await fresh()), path: '/v1/wallets?limit=2' })).toBe('WIRE_BAD_SIGNATURE')
    expect(await codeOf({ ...(await fresh()), headers: {} })).toBe('WIRE_INVALID_REQUEST')
    const { signature: _signature, ...unsigned } = (await fresh()).headers
    expect(await codeOf({ ...(await fresh()), headers: unsigned })).toBe('WIRE_SIGNATURE_MISSING')
    expect(await codeOf(await signRequest(world.admin, `sgn_${'0'.repeat(32)}`, call))).toBe(
      'WIRE_WRONG_AUDIENCE',
    )
    expect(await codeOf(await signRequest(makeCredential(), world.audience, call))).toBe(
      'WIRE_UNKNOWN_CREDENTIAL',
    )
    expect(await codeOf(await signRequest(world.admin, world.audience, call, { created: 1_000 }))).toBe(
      'WIRE_STALE',
    )
    const impostor = { ...makeCredential(), id: world.admin.id }
    expect(await codeOf(await signRequest(impostor, world.audience, call))).toBe('WIRE_BAD_SIGNATURE')
  })

  it('page through everything with cursors that cannot be made up', async () => {
    const bad = await world.call('GET', '/v1/wallets?cursor=AAAA')
    expect(bad).toMatchObject({ status: 400, body: { error: { code: 'ENGINE_CURSOR_INVALID' } } })
    const seen = new Set<string>()
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await world.call('GET', `/v1/wallets?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
      for (const { id } of page.body.items) seen.add(id)
      cursor = page.body.nextCursor
    }
    expect(seen.size).toBeGreaterThanOrEqual(3)
  })
})

/** A small size for every day; `COUNTERSIGN_HOSTILE_RUNS=10000` for real. */
const hostileRuns = Number(process.env.COUNTERSIGN_HOSTILE_RUNS ?? 500)

describe('hostile requests', () => {
  const word = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('..', '%00', '%2e%2e', 'wal_', "'--", 'é', '{{', '\\'),
  )
  const path = fc.oneof(
    fc.constantFrom(...routes.map(({ pattern }) => pattern.replace(/\{\w+\}/, `wal_${'0'.repeat(24)}`))),
    fc.array(word, { maxLength: 4 }).map((words) => `/v1/${words.map(encodeURIComponent).join('/')}`),
  )
  const header = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab:;=,"()?0-'), maxLength: 60 }),
    fc.constantFrom('sig1=:AAAA:', 'sig1=("@method");created=1', `sgn_${'0'.repeat(32)}`, 'sha-256=:x:'),
  )
  const malformed = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
    path,
    query: fc.oneof(
      fc.constant(''),
      fc.webQueryParameters().map((text) => `?${text}`),
    ),
    headers: fc.dictionary(
      fc.constantFrom(
        'signature',
        'signature-input',
        'content-digest',
        'countersign-audience',
        'idempotency-key',
        'content-type',
      ),
      header,
    ),
    body: fc.oneof(
      fc.constant(''),
      fc.string(),
      fc.json(),
      fc.constantFrom('{"a":1,"a":2}', '{"__proto__":{}}', '['.repeat(5_000), '{"transaction":{}}'),
    ),
  })

  it('get a 4xx with a code, every one of them', async () => {
    await fc.assert(
      fc.asyncProperty(malformed, async ({ method, path, query, headers, body }) => {
        const hasBody = !['GET', 'HEAD', 'OPTIONS'].includes(method) && body !== ''
        const response = await fetch(`${engine.url}${path}${query}`, {
          method,
          headers,
          ...(hasBody ? { body } : {}),
        })
        const text = await response.text()
        const isPublic =
          method === 'GET' && ['/v1/identity', '/v1/health', '/v1/journal/checkpoint'].includes(path)
        if (isPublic && response.status === 200) return
        expect(response.status, text).toBeGreaterThanOrEqual(400)
        expect(response.status, text).toBeLessThan(500)
        expect(JSON.parse(text).error.code).toMatch(/^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/)
      }),
      { numRuns: hostileRuns },
    )
    expect((await fetch(`${engine.url}/readyz`)).status).toBe(200)
  })

  it('get a 4xx with a code also when they are signed', async () => {
    const { id } = await world.newWallet()
    const operations = [
      'sign-message',
      'sign-typed-data',
      'sign-transaction',
      'sign-authorization',
      'sign-raw',
      'transactions',
    ]
    const member = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('0x', '0xzz', '-1', 1e21, -1))
    const body = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'transaction',
          'unsignedTransaction',
          'message',
          'typedData',
          'digest',
          'maxFeeMinor',
        ),
        member,
      ),
      fc.record({
        transaction: fc.dictionary(
          fc.constantFrom('chainId', 'to', 'value', 'data', 'type', 'nonce', 'gas'),
          member,
        ),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...operations), body, async (operation, value) => {
        const answer = await world.call('POST', `/v1/wallets/${id}/${operation}`, value, { as: world.agent })
        // A message of any text is a message; everything else here is malformed.
        if (operation === 'sign-message' && answer.status === 200) return
        expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(400)
        expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500)
        expect(answer.body.error.code).toMatch(/_/)
      }),
      { numRuns: Math.ceil(hostileRuns / 2) },
    )
  })

  it('are answered in our form also when they are no HTTP, too large, or of another method', async () => {
    const { port, hostname } = new URL(engine.url)
    const raw = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write('GARBAGE\r\n\r\n'))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
    })
    expect(raw).toContain('"code":"WIRE_INVALID_REQUEST"')
    const large = await fetch(`${engine.url}/v1/wallets`, { method: 'POST', body: 'x'.repeat(1_100_000) })
    expect([large.status, (await large.json()).error.code]).toEqual([413, 'WIRE_BODY_TOO_LARGE'])
    const wrong = await fetch(`${engine.url}/v1/wallets`, { method: 'PUT', body: '{}' })
    expect([wrong.status, (await wrong.json()).error.code, wrong.headers.get('allow')]).toEqual([
      405,
      'WIRE_METHOD_NOT_ALLOWED',
      'POST,GET',
    ])
  })
})

describe('the service', () => {
  it('documents every route', async () => {
    const document = await (await fetch(`${engine.url}/openapi.json`)).json()
    expect(document.openapi).toBe('3.1.0')
    for (const { method, pattern, operation } of routes) {
      expect(document.paths[pattern]?.[method.toLowerCase()]?.operationId).toBe(operation)
    }
  })

  it('counts without naming anybody', async () => {
    const text = await (await fetch(`${engine.url}/metrics`)).text()
    expect(text).toContain('countersign_requests_total{route="createWallet",status="201"}')
    expect(text).toContain('countersign_refusals_total{code="ENGINE_WALLET_EXISTS"}')
    expect(text).toContain('countersign_signer_seconds_bucket')
    expect(text).not.toMatch(/wal_|cred_|tx_|example\.com|0x[0-9a-f]{40}/)
  })

  it('is not ready when a chain or the signer is away', async () => {
    const half = await openEngine({
      config: world.config({
        name: 'half',
        socket: join(world.dir, 'nobody.sock'),
        chain: { rpc: 'http://127.0.0.1:1' },
      }),
    })
    const response = await fetch(`${half.url}/readyz`)
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { ready: false, signer: 'unreachable', database: 'ready', chains: { 'eip155:31337': 'unreachable' } },
    ])
    expect((await fetch(`${half.url}/healthz`)).status).toBe(200)
    const request = await signRequest(world.agent, world.audience, {
      method: 'POST',
      path: '/v1/wallets',
      body: { type: 'EVM' },
    })
    expect(await sendRequest(half.url, request)).toMatchObject({
      status: 503,
      body: { error: { code: 'WIRE_SIGNER_UNAVAILABLE', retry: 'later' } },
    })
    await half.close()
  })
})

describe('the process', () => {
  const main = join(import.meta.dirname, 'main.ts')
  const write = async (name: string, more: object = {}) => {
    const { listen, signerSocket, dataDir, chains } = world.config({ name })
    const file = join(world.dir, `${name}.json`)
    await writeFile(
      file,
      JSON.stringify({ listen, signerSocket, dataDir, chains, logLevel: 'debug', ...more }),
    )
    return file
  }

  it('helps, refuses a wrong configuration, and stops cleanly', async () => {
    expect(execFileSync(process.execPath, [main, '--help']).toString()).toContain('--config FILE')
    const wrong = await write('wrong', { surprise: true })
    await expect(startNode(main, ['--config', wrong])).rejects.toThrow(/ENGINE_CONFIG_INVALID/)
    const child = await startNode(main, ['--config', await write('process')])
    expect(child.ready).toEqual({ ready: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) })
    await expect(startNode(main, ['--config', await write('process')])).rejects.toThrow(
      /ENGINE_DATA_DIR_IN_USE/,
    )
    expect(await child.kill('SIGTERM')).toBe(0)
  })

  it('comes back after kill -9, and logs nothing that a caller sent', async () => {
    const file = await write('killed')
    let child: Child = await startNode(main, ['--config', file])
    world.use(child.ready.url as string)
    const user = 'very-private-user'
    const made = await world.call('POST', '/v1/wallets', {
      type: 'EVM',
      userIdentifier: user,
      userIdentifierType: 'CUSTOM_ID',
    })
    expect(made.status).toBe(201)
    expect(await child.kill('SIGKILL')).toBe('SIGKILL')
    const log = child.log()
    child = await startNode(main, ['--config', file])
    world.use(child.ready.url as string)
    const found = await world.call('GET', `/v1/wallets?userIdentifier=${user}&userIdentifierType=CUSTOM_ID`)
    expect(found.body.items).toMatchObject([{ id: made.body.id }])
    await child.kill()
    for (const text of [log, child.log()]) {
      expect(text).not.toMatch(/very-private-user|sig1=|sha-256=|postgres(ql)?:\/\//)
    }
    world.use(engine.url)
  })
})
