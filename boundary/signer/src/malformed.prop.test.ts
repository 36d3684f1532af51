import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '@countersign/bytes'
import { type ForwardedRequest, routes, type SignedRequest } from '@countersign/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anyJson, anyMethod, anyPath, anyText, edit, spoil } from '../../../test/faults/malformed.ts'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { signRequest } from '../../../test/faults/signer-process.ts'
import { createTestKey, errorCode } from '../../../test/signer/test-signer.ts'
import { parseSignerConfig } from './config.ts'
import { errorAnswer } from './server.ts'
import { openService, type Service } from './service.ts'
import type { Answer } from './signer.ts'

/** Ten thousand in all. */
const runs = { doors: 1_500, forwarded: 3_000, bodies: 4_000, paths: 700, transactions: 1_000 }

describe('a signer that is sent nonsense', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-malformed-'))
  const admin = createTestKey('admin')
  let service: Service
  let halts: unknown[]
  let walletId: string
  let message: SignedRequest
  let sent = 0

  async function handle(method: string, path: string, text: string): Promise<Answer> {
    sent++
    return service.handle(method, path, text).catch(errorAnswer)
  }
  const ask = async (method: SignedRequest['method'], path: string, body: unknown, requestId?: string) => {
    const id = requestId === undefined ? {} : { requestId }
    const forwarded = await signRequest({
      method,
      path,
      body,
      audience: service.audience(),
      by: admin,
      ...id,
    })
    return handle('POST', '/v1/forward', JSON.stringify(forwarded))
  }
  const signMessage = () => ask('POST', `/v1/wallets/${walletId}/sign-message`, { message: 'hello' })

  beforeAll(async () => {
    halts = []
    const admins = [{ algorithm: 'p256', publicKey: admin.publicKey, name: admin.name }]
    const config = parseSignerConfig({ dataDir: folder, backend: 'memory', quorum: 1, admins }, {}, folder)
    const onHalt = (why: unknown) => halts.push(why)
    service = await openService({ config, env: {}, secret: undefined, isSealed: false, onHalt })
    await ask('PUT', '/v1/policies/test', { policy: paymentPolicy('test'), expected: null })
    const made = await ask('POST', '/v1/wallets', { type: 'EVM', policy: 'test' })
    walletId = (made.body as { id: string }).id
    const path = `/v1/wallets/${walletId}/sign-message`
    const body = { message: 'hello' }
    const by = admin
    message = (await signRequest({ method: 'POST', path, body, audience: service.audience(), by })).request
    sent = 0
  })
  afterAll(async () => {
    await service.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function expectRefused(answer: Answer): void {
    expect([answer.status, errorCode(answer)]).toEqual([expect.toSatisfy(isClientError), expect.any(String)])
    expect(halts).toEqual([])
  }
  const isClientError = (status: number) => status >= 400 && status < 500

  it('at any of its doors: a code of the caller’s', async () => {
    // Those that answer whatever is said to them.
    const open = /^(GET \/v1\/(health|identity|journal\/checkpoint)|POST \/v1\/unseal)$/
    const paths = fc.oneof(
      anyPath,
      fc.constantFrom('/v1/forward', '/v1/outcomes/a/b', '/v1/credentials/__proto__'),
    )
    const door = fc.oneof(fc.tuple(anyMethod, paths), fc.constant(['POST', '/v1/forward'] as const))
    const property = fc.asyncProperty(door, anyText, async ([method, path], text) => {
      const answer = await handle(method, path, text)
      if (!open.test(`${method} ${path}`)) expectRefused(answer)
    })
    await fc.assert(property, { numRuns: runs.doors })
  })

  it('in envelopes and signed requests that somebody has changed', async () => {
    const headers = [
      'content-digest',
      'countersign-audience',
      'idempotency-key',
      'signature',
      'signature-input',
    ] as const
    type Change = (request: SignedRequest) => unknown
    const inHeader = fc.tuple(fc.constantFrom(...headers), edit).map(
      ([name, change]): Change =>
        (request) => {
          return {
            ...request,
            headers: { ...request.headers, [name]: change(request.headers[name] as string) },
          }
        },
    )
    const otherHeader = fc.tuple(fc.string(), anyJson).map(
      ([name, value]): Change =>
        (request) => {
          return { ...request, headers: { ...request.headers, [name]: value } }
        },
    )
    const withoutHeader = fc.constantFrom(...headers).map(
      (name): Change =>
        (request) => {
          const { [name]: _gone, ...rest } = request.headers
          return { ...request, headers: rest }
        },
    )
    const inMember = fc
      .tuple(fc.constantFrom('path' as const, 'body' as const), edit)
      .map(([name, change]): Change => {
        return (request) => ({ ...request, [name]: change(request[name]) })
      })
    const member = fc.tuple(fc.constantFrom('method', 'path', 'headers', 'body', 'more'), anyJson).map(
      ([name, value]): Change =>
        (request) => ({ ...request, [name]: value }),
    )
    const change = fc.oneof(inHeader, inHeader, otherHeader, withoutHeader, inMember, member)
    const original = JSON.stringify(message)
    const property = fc.asyncProperty(change, edit, fc.boolean(), async (apply, editText, asText) => {
      const request = apply(message)
      if (JSON.stringify(request) === original) return
      const text = JSON.stringify({ request })
      expectRefused(await handle('POST', '/v1/forward', asText ? editText(text) : text))
    })
    await fc.assert(property, { numRuns: runs.forwarded })
    // None of them was good, so the original has never been seen.
    expect((await handle('POST', '/v1/forward', JSON.stringify({ request: message }))).status).toBe(200)
  })

  it('in bodies that a credential has really signed', async () => {
    const word = [{ name: 'a', type: 'B[2]' }]
    const types = {
      A: word,
      B: [{ name: 'b', type: 'uint256' }],
      EIP712Domain: [{ name: 'name', type: 'string' }],
    }
    const typed = { domain: { name: 'd' }, types, primaryType: 'A', message: { a: [{ b: '1' }, { b: 2 }] } }
    const bodies: Record<string, unknown> = {
      signMessage: { message: { raw: '0x1234' }, attribution: { agent: 'a' } },
      signTypedData: { typedData: typed },
      signTransaction: payment(1n),
      sendTransaction: {
        transaction: { chainId: 1, to: `0x${'1'.repeat(40)}`, value: '1' },
        maxFeeMinor: '1',
      },
      signAuthorization: { contractAddress: `0x${'1'.repeat(40)}`, chainId: 1, nonce: 0 },
      signRaw: { digest: `0x${'1'.repeat(64)}` },
      createWallet: { type: 'EVM', name: 'n', policy: 'test' },
      putPolicy: { policy: paymentPolicy('other'), expected: null },
      setWalletPolicy: { policy: 'test', expected: 'other' },
      setOrganisationPolicy: { policy: 'none', expected: null },
      createCredential: { algorithm: 'p256', publicKey: admin.publicKey, role: 'agent', name: 'n' },
    }
    const route = fc.constantFrom(...routes.filter(({ operation }) => operation in bodies))
    const signable = anyText.filter((text) => text.isWellFormed() && text.length < 300_000)
    const change = fc.oneof({ arbitrary: spoil, weight: 4 }, { arbitrary: signable, weight: 1 })
    const property = fc.asyncProperty(route, change, async ({ method, pattern, operation }, spoiled) => {
      const path = pattern.replace('{walletId}', walletId).replace(/\{\w+\}/, 'other')
      const text = typeof spoiled === 'string' ? spoiled : (JSON.stringify(spoiled(bodies[operation])) ?? '')
      const answer = await ask(method, path, text)
      // Some are good by chance; the others are refused.
      if (answer.status >= 300) expectRefused(answer)
      else expect([200, 201, 202]).toContain(answer.status)
    })
    await fc.assert(property, { numRuns: runs.bodies })
  })

  it('in paths and queries that a credential has really signed', async () => {
    const path = anyPath.filter((text) => /^\/[!"$->@-~]*(?:\?[!"$-~]+)?$/.test(text) && text.length < 2_000)
    const property = fc.asyncProperty(path, async (text) => {
      const answer = await ask('GET', text, undefined)
      if (answer.status !== 200) expectRefused(answer)
    })
    await fc.assert(property, { numRuns: runs.paths })
  })

  it('in transactions, prepared or signed by the caller', async () => {
    const { unsignedTransaction } = payment(1n)
    const hex = fc.oneof(
      edit.map((change) => change(unsignedTransaction)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`),
      fc.constantFrom(
        '0x02f8',
        `0x02${'c0'.repeat(90_000)}`,
        `0xf9ffff${'00'.repeat(100)}`,
        `0x${'f9'.repeat(50_000)}`,
      ),
    )
    const path = `/v1/wallets/${walletId}/sign-transaction`
    const property = fc.asyncProperty(
      hex,
      anyJson,
      fc.integer({ min: 0, max: 2 }),
      async (text, json, how) => {
        if (text === unsignedTransaction) return
        const transaction = { chainId: 31337, to: `0x${'1'.repeat(40)}`, value: '1' }
        const body = how === 0 ? { unsignedTransaction: text } : { transaction }
        const signed = await signRequest({
          method: 'POST',
          path,
          body,
          audience: service.audience(),
          by: admin,
        })
        const prepared = how === 0 ? {} : { preparedTransaction: how === 1 ? text : json }
        const forwarded = { ...signed, ...prepared } as ForwardedRequest & { preparedTransaction?: Hex }
        const answer = await handle('POST', '/v1/forward', JSON.stringify(forwarded))
        if (answer.status !== 200) expectRefused(answer)
      },
    )
    await fc.assert(property, { numRuns: runs.transactions })
  })

  it('and still signs', async () => {
    expect(sent).toBeGreaterThan(9_500)
    expect((await signMessage()).status).toBe(200)
    expect(service.phase()).toBe('ready')
  })
})
