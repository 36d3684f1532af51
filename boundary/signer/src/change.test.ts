import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestKey,
  errorCode,
  openTestSigner,
  policyFor,
  type TestKey,
  type TestSigner,
} from '../../../test/signer/test-signer.ts'

const nothing = policyFor([{ id: 'no', action: 'forbid', effects: ['raw-digest'] }])

describe('changes, with two of three admins', () => {
  let test: TestSigner
  let first: TestKey
  let second: TestKey
  let third: TestKey
  beforeAll(async () => {
    test = await openTestSigner({ admins: 3, quorum: 2 })
    ;[first, second, third] = test.admins as [TestKey, TestKey, TestKey]
  })
  afterAll(() => test.close())

  const put = (
    id: string,
    by: readonly TestKey[],
    options: { expected?: string | null; requestId?: string; lifetimeS?: number } = {},
  ) => {
    const { expected = null, ...more } = options
    return test.ask('PUT', `/v1/policies/${id}`, { policy: { ...nothing, id }, expected }, { by, ...more })
  }

  it('take the quorum, and no fewer', async () => {
    expect(errorCode(await put('one', [first]))).toBe('WIRE_QUORUM_NOT_MET')
    expect((await put('one', [first, third])).status).toBe(200)
    expect(errorCode(await test.ask('GET', '/v1/policies/none', undefined, { by: first }))).toBe(
      'SIGNER_POLICY_UNKNOWN',
    )
  })

  it('count different active admins only', async () => {
    expect(errorCode(await put('twice', [first, test.agent]))).toBe('WIRE_QUORUM_NOT_MET')
    expect(errorCode(await put('twice', [test.agent]))).toBe('WIRE_QUORUM_NOT_MET')
    expect(errorCode(await put('twice', [first, createTestKey('stranger')]))).toBe('WIRE_UNKNOWN_CREDENTIAL')
    // One key under two labels: refused where the signatures are read.
    const doubled = await put('twice', [first, first]).catch((error: { code: string }) => ({
      status: 400,
      body: { error },
    }))
    expect(doubled.status).toBeGreaterThanOrEqual(400)
    expect(await test.signer.ledger.get('policy', 'twice')).toBeUndefined()
  })

  it('replace only the version that they name', async () => {
    const made = await put('versions', [first, second])
    const { hash } = made.body as { hash: string }
    expect(errorCode(await put('versions', [first, second]))).toBe('SIGNER_CHANGE_CONFLICT')
    expect((await put('versions', [first, second], { expected: hash })).body).toMatchObject({ version: 2 })
  })

  it('are carried out once, whatever is sent again', async () => {
    const options = { requestId: 'once-and-only-once' }
    const made = await put('once', [first, second], options)
    expect(await put('once', [first, second], options)).toEqual(made)
    const size = test.signer.journal.size()
    await put('once', [first, second], options)
    expect(test.signer.journal.size()).toBe(size)
  })

  it('may be signed over a day, requests of agents over minutes only', async () => {
    expect((await put('slow', [first, second], { lifetimeS: 86_400 })).status).toBe(200)
    expect(errorCode(await put('slower', [first, second], { lifetimeS: 86_401 }))).toBe(
      'WIRE_LIFETIME_TOO_LONG',
    )
    const slow = await test.ask('GET', '/v1/journal/checkpoint', undefined, {
      by: test.agent,
      lifetimeS: 301,
    })
    expect(errorCode(slow)).toBe('WIRE_LIFETIME_TOO_LONG')
  })

  it('never leave fewer admins than the quorum', async () => {
    const revoke = (id: string, by: readonly TestKey[]) =>
      test.ask('POST', `/v1/credentials/${id}/revoke`, {}, { by })
    expect((await revoke(third.id, [first, second])).body).toMatchObject({ status: 'revoked' })
    expect(errorCode(await revoke(second.id, [first, second]))).toBe('SIGNER_QUORUM_LOST')
    expect(errorCode(await put('by-revoked', [first, third]))).toBe('WIRE_CREDENTIAL_REVOKED')
    const again = { algorithm: 'p256', publicKey: third.publicKey, role: 'admin', name: 'back' }
    expect(errorCode(await test.ask('POST', '/v1/credentials', again, { by: [first, second] }))).toBe(
      'SIGNER_CREDENTIAL_EXISTS',
    )
  })

  it('stop a revoked agent at once, also one whose request waits', async () => {
    const policy = policyFor([{ id: 'hi', action: 'permit', effects: ['message'] }], 'greet')
    await test.ask('PUT', '/v1/policies/greet', { policy, expected: null }, { by: [first, second] })
    const made = await test.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'greet' }, { by: first })
    const { id } = made.body as { id: string }
    const agent = createTestKey('short-lived')
    const credential = { algorithm: 'p256', publicKey: agent.publicKey, role: 'agent', name: 'short-lived' }
    await test.ask('POST', '/v1/credentials', credential, { by: [first, second] })
    const hello = () => test.ask('POST', `/v1/wallets/${id}/sign-message`, { message: 'hi' }, { by: agent })
    expect((await hello()).status).toBe(200)
    const revoke = test.ask('POST', `/v1/credentials/${agent.id}/revoke`, {}, { by: [first, second] })
    await revoke
    expect(errorCode(await hello())).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('leave their signers in the journal', async () => {
    const entries = (await test.signer.journal.leaves(0, 1_000)).map((leaf) => JSON.parse(leaf))
    expect(entries[0]).toMatchObject({ type: 'init', quorum: 2 })
    const change = entries.find((entry) => entry.type === 'policy' && entry.policy === 'one')
    expect(change.credentials).toEqual([first.id, third.id])
  })
})

describe('what only reads', () => {
  let test: TestSigner
  beforeAll(async () => {
    test = await openTestSigner()
  })
  afterAll(() => test.close())

  it('is for readers and admins, but proofs are for everybody with a credential', async () => {
    const [admin] = test.admins as [TestKey]
    const get = (path: string, by: TestKey) => test.ask('GET', path, undefined, { by })
    for (const path of ['/v1/credentials', '/v1/policies', '/v1/journal/entries?start=0']) {
      expect(errorCode(await get(path, test.agent)), path).toBe('WIRE_NOT_PERMITTED')
      expect((await get(path, admin)).status, path).toBe(200)
    }
    expect((await get('/v1/journal/checkpoint', test.agent)).status).toBe(200)
    expect((await get('/v1/journal/proof?index=0&size=1', test.agent)).body).toMatchObject({ hashes: [] })
    expect(errorCode(await get('/v1/journal/proof?index=9&size=10', test.agent))).toBe('SIGNER_ENTRY_UNKNOWN')
  })

  it('pages through credentials', async () => {
    const [admin] = test.admins as [TestKey]
    const all = (await test.ask('GET', '/v1/credentials', undefined, { by: admin })).body as {
      items: { id: string }[]
      nextCursor: string | null
    }
    expect(all.items.map(({ id }) => id).sort()).toEqual([admin.id, test.agent.id].sort())
    expect(all.nextCursor).toBeNull()
  })

  it('makes no wallet for a credential without the power', async () => {
    expect(errorCode(await test.ask('POST', '/v1/wallets', { type: 'EVM' }, { by: test.agent }))).toBe(
      'WIRE_NOT_PERMITTED',
    )
  })
})
