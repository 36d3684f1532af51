import { encodeHex } from '@countersign/bytes'
import { apiKeyHash, encodeApiKey } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment } from '../faults/payment.ts'
import {
  dayMs,
  type GrantingSigner,
  hourMs,
  openGrantingSigner,
  paymentRules,
} from '../signer/granting-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

let hold: ((point: string) => Promise<void> | void) | undefined
let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner({ at: (point) => hold?.(point) })
})
afterAll(() => test.close())

const signPath = () => `/v1/wallets/${test.walletId}/sign-transaction`
const shown = async (id: string) => {
  const { body } = await test.ask('GET', `/v1/grants/${id}`, undefined, { by: test.admins[0] as TestKey })
  return body as { uses: number; unusable: string | null; expires: string; state: string }
}
const keepAlive = (id: string, by = test.grantee) =>
  test.ask('POST', `/v1/grants/${id}/keep-alive`, {}, { by })
const revoke = (id: string, by: TestKey, reason?: string) =>
  test.ask('POST', `/v1/grants/${id}/revoke`, reason === undefined ? {} : { reason }, { by })
/** @returns the code, or the status where there is none. */
const outcome = async (answer: Promise<{ status: number; body: unknown }>) =>
  errorCode(await answer) ?? (await answer).status

describe('a grant in other hands', () => {
  it('is of no use to another credential, not even an agent or an admin', async () => {
    const id = await test.granted()
    const thief = await test.credential('grantee', 'thief')
    for (const by of [thief, test.test.agent, test.owner, test.admins[0] as TestKey])
      expect(await test.pay(1n, id, { by })).toBe('SIGNER_GRANT_FOREIGN')
    for (const unknown of ['grt_000000000000000000000000', `grt_${'f'.repeat(24)}`])
      expect(await test.pay(1n, unknown)).toBe('SIGNER_GRANT_UNKNOWN')
    for (const malformed of ['', 'grt_1', id.toUpperCase(), `${id} `, '../x'])
      expect(await test.pay(1n, malformed)).toBe('WIRE_INVALID_BODY')
  })

  it('does not open another wallet, nor does one for that wallet open this one', async () => {
    const other = await test.wallet(test.owner)
    const [here, there] = [await test.granted(), await test.granted({ wallets: [other] })]
    expect(await test.pay(1n, here, { wallet: other })).toBe('SIGNER_GRANT_WALLET')
    expect(await test.pay(1n, there)).toBe('SIGNER_GRANT_WALLET')
    expect(await test.pay(1n, there, { wallet: other })).toBe('signed')
  })

  it('is needed by a grantee on every route that signs', async () => {
    const bodies: [string, object][] = [
      ['sign-message', { message: 'hello' }],
      ['sign-transaction', payment(1n)],
      ['sign-raw', { digest: `0x${'11'.repeat(32)}` }],
      ['sign-authorization', { contractAddress: `0x${'22'.repeat(20)}`, chainId: 1, nonce: 0 }],
      [
        'sign-typed-data',
        {
          typedData: {
            domain: { name: 'a' },
            types: { A: [{ name: 'a', type: 'uint8' }] },
            primaryType: 'A',
            message: { a: 1 },
          },
        },
      ],
    ]
    for (const [verb, body] of bodies) {
      const answer = test.ask('POST', `/v1/wallets/${test.walletId}/${verb}`, body, { by: test.grantee })
      expect([verb, await outcome(answer)]).toEqual([verb, 'SIGNER_GRANT_NEEDED'])
    }
  })

  it('cannot be handed on, prolonged or revoked by others', async () => {
    const id = await test.granted({ keepAlive: { extendBy: '1h', hardEnd: test.timeIn(2 * dayMs) } })
    const friend = await test.credential('grantee', 'friend')
    expect(await outcome(test.grant({ to: friend.id }, test.grantee))).toBe('WIRE_QUORUM_NOT_MET')
    expect(await outcome(test.grant({ to: friend.id, grant: id }, test.grantee))).toBe('WIRE_INVALID_BODY')
    expect(await outcome(test.grant({ to: friend.id }, test.admins[0] as TestKey))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(await outcome(test.grant({ to: friend.id }, [test.owner, test.grantee]))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(await outcome(keepAlive(id, friend))).toBe('SIGNER_GRANT_UNKNOWN')
    expect(await outcome(keepAlive(id, test.owner))).toBe('SIGNER_GRANT_FOREIGN')
    expect(await outcome(keepAlive(id, test.admins[0] as TestKey))).toBe('SIGNER_GRANT_FOREIGN')
    expect(await outcome(revoke(id, friend))).toBe('SIGNER_GRANT_UNKNOWN')
    expect(await outcome(revoke(id, test.test.agent))).toBe('SIGNER_GRANT_UNKNOWN')
    expect((await shown(id)).state).toBe('active')
  })

  it('reaches only over wallets that are the owner’s own, all of them', async () => {
    const neighbour = await test.credential('agent', 'neighbour')
    const theirs = await test.wallet(neighbour)
    const nobodys = await test.wallet()
    for (const wallets of [[theirs], [nobodys], [test.walletId, theirs], [theirs, test.walletId]])
      expect(await outcome(test.grant({ wallets }))).toBe('WIRE_QUORUM_NOT_MET')
    expect(await outcome(test.grant({ wallets: [theirs] }, neighbour))).toBe(201)
  })

  it('cannot be made, listed or revoked with an API key', async () => {
    const apiKey = encodeApiKey(new Uint8Array(32).fill(7))
    const publicKey = encodeHex(apiKeyHash(apiKey))
    const body = { algorithm: 'bearer', publicKey, role: 'agent', name: 'key', powers: ['read'] }
    expect((await test.change('POST', '/v1/credentials', body)).status).toBe(201)
    const id = await test.granted()
    const asked: ['GET' | 'POST' | 'PUT', string, object?][] = [
      [
        'POST',
        '/v1/grants',
        { to: test.grantee.id, wallets: [test.walletId], rules: paymentRules(), expires: test.timeIn(dayMs) },
      ],
      ['GET', '/v1/grants'],
      ['GET', `/v1/grants/${id}`],
      ['POST', `/v1/grants/${id}/revoke`, {}],
      ['POST', `/v1/grants/${id}/keep-alive`, {}],
      ['PUT', `/v1/wallets/${test.walletId}/owner`, { owner: null, expected: test.owner.id }],
    ]
    for (const [method, path, sent] of asked) {
      const headers = { 'x-api-key': apiKey, 'idempotency-key': `with-an-api-key-${asked.length}` }
      const request = { method, path, headers, body: sent === undefined ? '' : JSON.stringify(sent) }
      expect([path, await outcome(test.test.send({ request }))]).toEqual([path, 'WIRE_BEARER_NOT_ENOUGH'])
    }
  })
})

describe('a grant in time', () => {
  it('holds from its first millisecond to its last, and not one longer', async () => {
    const id = await test.granted({ notBefore: test.timeIn(2_000), expires: test.timeIn(5_000) })
    test.advance(1_999)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_EARLY')
    test.advance(1)
    expect(await test.pay(1n, id)).toBe('signed')
    test.advance(2_999)
    expect(await test.pay(1n, id)).toBe('signed')
    test.advance(1)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_EXPIRED')
    expect(await shown(id)).toMatchObject({ uses: 2, unusable: 'SIGNER_GRANT_EXPIRED' })
  })

  it('does not come back when the clock is set back', async () => {
    const id = await test.granted({ expires: test.timeIn(1_000) })
    test.advance(1_000)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_EXPIRED')
    test.setClock(-10_000)
    expect(['SIGNER_CLOCK_BACKWARDS', 'SIGNER_GRANT_EXPIRED']).toContain(await test.pay(1n, id))
    test.setClock(10_000)
  })

  it('is prolonged by its grantee while it holds, up to its hard end and no further', async () => {
    const hardEnd = test.timeIn(149 * 60_000)
    const id = await test.granted({ expires: test.timeIn(hourMs), keepAlive: { extendBy: '1h', hardEnd } })
    test.advance(hourMs / 2)
    const once = await keepAlive(id)
    expect(once).toMatchObject({
      status: 200,
      body: {
        expires: test.timeIn(hourMs),
        receipt: { entry: { type: 'grant', change: 'kept-alive', grant: id } },
      },
    })
    test.advance(hourMs - 1)
    expect(await outcome(keepAlive(id))).toBe(200)
    expect((await shown(id)).expires).toBe(hardEnd)
    for (let i = 0; i < 3; i++) expect(await outcome(keepAlive(id))).toBe(200)
    expect((await shown(id)).expires).toBe(hardEnd)
    test.advance(hourMs + 1)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_EXPIRED')
    expect(await outcome(keepAlive(id))).toBe('SIGNER_GRANT_EXPIRED')
  })

  it('is not prolonged where nobody said so, nor before it begins, nor once it is spent', async () => {
    expect(await outcome(keepAlive(await test.granted()))).toBe('SIGNER_GRANT_FIXED')
    const terms = { keepAlive: { extendBy: '1h', hardEnd: test.timeIn(2 * dayMs) } }
    const early = await test.granted({ ...terms, notBefore: test.timeIn(hourMs) })
    expect(await outcome(keepAlive(early))).toBe('SIGNER_GRANT_EARLY')
    const spent = await test.granted({ ...terms, maxUses: 1 })
    expect(await test.pay(1n, spent)).toBe('signed')
    expect(await outcome(keepAlive(spent))).toBe('SIGNER_GRANT_USED_UP')
  })

  it('gains an engine nothing that holds requests back, or sends them twice', async () => {
    const hardEnd = test.timeIn(10 * 60_000)
    const id = await test.granted({ expires: test.timeIn(60_000), keepAlive: { extendBy: '5m', hardEnd } })
    const createdS = Math.floor(test.nowMs() / 1000)
    const signed = (path: string, body: object) =>
      test.test.signed('POST', path, body, { by: test.grantee, createdS, lifetimeS: 300 })
    const [first, late, prolong] = [
      await signed(signPath(), { ...payment(1n), grant: id }),
      await signed(signPath(), { ...payment(2n), grant: id }),
      await signed(`/v1/grants/${id}/keep-alive`, {}),
    ]
    expect((await test.test.send(first)).status).toBe(200)
    expect(errorCode(await test.test.send(first))).toBe('WIRE_NONCE_REPLAYED')
    expect((await shown(id)).uses).toBe(1)
    test.advance(60_000)
    expect(errorCode(await test.test.send(prolong))).toBe('SIGNER_GRANT_EXPIRED')
    expect(errorCode(await test.test.send(late))).toBe('SIGNER_GRANT_EXPIRED')
  })
})

describe('uses', () => {
  it('raced by hundreds of requests at once are exactly as many as granted', async () => {
    const maxUses = 17
    const id = await test.granted({ maxUses })
    const asked = Array.from({ length: 300 }, (_, i) => test.pay(i % 3 === 0 ? 5_000n : 1n, id))
    const results = await Promise.all(asked)
    expect(results.filter((result) => result === 'signed')).toHaveLength(maxUses)
    expect(new Set(results)).toEqual(new Set(['signed', 'POLICY_REFUSED', 'SIGNER_GRANT_USED_UP']))
    expect(await shown(id)).toMatchObject({ uses: maxUses, unusable: 'SIGNER_GRANT_USED_UP' })
    const permits = (await test.entries('permit')).filter((entry) => entry.grant === (id as never))
    expect(permits).toHaveLength(maxUses)
  })

  it('are not spent by refused requests, and once by a request that is repeated', async () => {
    const id = await test.granted({ maxUses: 2 })
    for (let i = 0; i < 3; i++) expect(await test.pay(1_001n, id)).toBe('POLICY_REFUSED')
    const again = { requestId: 'the-same-payment' }
    const answers = [await test.payment(1n, id, again), await test.payment(1n, id, again)]
    expect(answers[1]).toEqual(answers[0])
    expect((await shown(id)).uses).toBe(1)
    expect(await test.pay(1n, id)).toBe('signed')
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_USED_UP')
    // An answer that was given is given again, also when nothing is left.
    expect(await test.payment(1n, id, again)).toEqual(answers[0])
  })

  it('are not spent by requests whose signature never left the signer', async () => {
    const id = await test.granted({ maxUses: 1 })
    const by = test.grantee
    hold = (point) => {
      if (point === 'signed') throw new Error('the backend fails')
    }
    const body = { ...payment(1n), grant: id }
    const forwarded = await test.test.signed('POST', signPath(), body, {
      by,
      createdS: Math.floor(test.nowMs() / 1000),
    })
    await expect(test.test.send(forwarded)).rejects.toThrow('the backend fails')
    hold = undefined
    expect((await shown(id)).uses).toBe(0)
    expect(await test.pay(1n, id)).toBe('signed')
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_USED_UP')
  })

  it('are no more for one who makes the same grant again: it is another one', async () => {
    const id = await test.granted({ maxUses: 1 })
    expect(await test.pay(1n, id)).toBe('signed')
    const wider = await test.granted({ maxUses: 5, rules: paymentRules(5_000n) })
    expect(wider).not.toBe(id)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_USED_UP')
    for (const method of ['PUT', 'POST'] as const)
      expect(await outcome(test.ask(method, `/v1/grants/${id}`, {}, { by: test.owner }))).toBe(
        'WIRE_METHOD_NOT_ALLOWED',
      )
  })
})

describe('the end of a grant', () => {
  it.each(['grantee', 'owner', 'admin'] as const)(
    'is brought about by the %s alone, at once',
    async (who) => {
      const by = who === 'admin' ? (test.admins[2] as TestKey) : test[who]
      const id = await test.granted()
      expect(await test.pay(1n, id)).toBe('signed')
      expect(await revoke(id, by, 'no longer needed')).toMatchObject({
        status: 200,
        body: { state: 'revoked', revoked: { by: by.id, reason: 'no longer needed' } },
      })
      expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_REVOKED')
      expect(await outcome(revoke(id, by))).toBe('SIGNER_GRANT_REVOKED')
      expect(await shown(id)).toMatchObject({ state: 'revoked', unusable: 'SIGNER_GRANT_REVOKED' })
    },
  )

  it('leaves what was permitted before it, and nothing after it', async () => {
    const id = await test.granted()
    let isRevoked = false
    hold = async (point) => {
      if (point !== 'permitted' || isRevoked) return
      isRevoked = true
      expect((await revoke(id, test.owner)).status).toBe(200)
    }
    expect(await test.pay(1n, id)).toBe('signed')
    hold = undefined
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_REVOKED')
    const order = (await test.entries())
      .filter((entry) => entry.grant === (id as never))
      .map(({ type, change }) => change ?? type)
    expect(order).toEqual(['made', 'permit', 'revoked', 'signed'])
  })

  it('comes with that of the grantee’s credential, not with its rotation', async () => {
    const old = await test.credential('grantee', 'old key')
    const id = await test.granted({ to: old.id, maxUses: 3 })
    expect(await test.pay(1n, id, { by: old })).toBe('signed')
    const fresh = createTestKey('fresh key')
    const body = { algorithm: 'p256', publicKey: fresh.publicKey }
    const rotated = await test.ask('POST', `/v1/credentials/${old.id}/rotate`, body, { by: [old, fresh] })
    expect(rotated.status).toBe(201)
    expect(await test.pay(1n, id, { by: old })).toBe('WIRE_CREDENTIAL_REVOKED')
    expect(await test.pay(1n, id, { by: fresh })).toBe('signed')
    expect((await shown(id)).uses).toBe(2)
    expect((await test.change('POST', `/v1/credentials/${old.id}/revoke`, {})).status).toBe(200)
    expect(await test.pay(1n, id, { by: fresh })).toBe('WIRE_CREDENTIAL_REVOKED')
    expect((await shown(id)).unusable).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('comes when its owner hands the wallet over, rotates or is revoked', async () => {
    const ways: ((owner: TestKey, walletId: string) => Promise<{ status: number }>)[] = [
      (owner, id) =>
        test.ask(
          'PUT',
          `/v1/wallets/${id}/owner`,
          { owner: test.owner.id, expected: owner.id },
          { by: owner },
        ),
      (owner, id) =>
        test.ask('PUT', `/v1/wallets/${id}/owner`, { owner: null, expected: owner.id }, { by: owner }),
      (owner) => test.change('POST', `/v1/credentials/${owner.id}/revoke`, {}),
      (owner) => {
        const fresh = createTestKey('fresh')
        const body = { algorithm: 'p256', publicKey: fresh.publicKey }
        return test.ask('POST', `/v1/credentials/${owner.id}/rotate`, body, { by: [owner, fresh] })
      },
    ]
    for (const end of ways) {
      const owner = await test.credential('agent', 'owner for a while')
      const walletId = await test.wallet(owner)
      const id = await test.granted({ wallets: [walletId] }, owner)
      expect(await test.pay(1n, id, { wallet: walletId })).toBe('signed')
      expect([200, 201]).toContain((await end(owner, walletId)).status)
      expect(await test.pay(1n, id, { wallet: walletId })).toBe('SIGNER_GRANT_ORPHANED')
      expect((await shown(id)).unusable).toBe('SIGNER_GRANT_ORPHANED')
    }
  })

  it('is possible while everything is frozen, when nothing else is', async () => {
    const terms = { keepAlive: { extendBy: '1h', hardEnd: test.timeIn(2 * dayMs) } }
    const id = await test.granted(terms)
    const [admin] = test.admins as [TestKey]
    const { body } = await test.ask('POST', '/v1/freeze', { reason: 'drill' }, { by: admin })
    expect(await test.pay(1n, id)).toBe('SIGNER_FROZEN')
    expect(await outcome(test.grant())).toBe('SIGNER_FROZEN')
    expect(await outcome(keepAlive(id))).toBe('SIGNER_FROZEN')
    const handOver = { owner: test.grantee.id, expected: test.owner.id }
    const put = test.ask('PUT', `/v1/wallets/${test.walletId}/owner`, handOver, { by: test.owner })
    expect(await outcome(put)).toBe('SIGNER_FROZEN')
    expect(await outcome(revoke(id, test.grantee))).toBe(200)
    const { frozen } = body as { frozen: { at: string } }
    expect((await test.change('POST', '/v1/thaw', { expected: frozen.at })).status).toBe(200)
  })
})
