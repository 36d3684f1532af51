import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payee } from '../../../test/faults/payment.ts'
import {
  dayMs,
  type GrantingSigner,
  hourMs,
  openGrantingSigner,
  paymentRules,
  walletLimit,
} from '../../../test/signer/granting-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../../../test/signer/test-signer.ts'

let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner()
})
afterAll(() => test.close())

const admin = () => test.admins[0] as TestKey
const codeOf = async (answer: ReturnType<GrantingSigner['grant']>) => errorCode(await answer) ?? 'none'

describe('a grant', () => {
  it('lets a grantee ask, and narrows what the wallet’s policy permits', async () => {
    expect(await test.pay(1n, undefined)).toBe('SIGNER_GRANT_NEEDED')
    const id = await test.granted()
    expect(await test.pay(1_000n, id)).toBe('signed')
    expect(await test.pay(1n, id)).toBe('POLICY_REFUSED')
    // Its own totals: another one of the same rules begins at nothing, under what the wallet has left.
    const other = await test.granted()
    expect(await test.pay(1_000n, other)).toBe('signed')
    expect(await test.pay(1n, undefined, { by: test.test.agent })).toBe('signed')
  })

  it('permits nothing that the wallet’s policy does not', async () => {
    const wide = await test.granted({ rules: paymentRules(walletLimit * 10n) })
    const fresh = await test.wallet(test.owner)
    const both = await test.granted({ rules: paymentRules(walletLimit * 10n), wallets: [fresh] })
    expect(await test.pay(walletLimit + 1n, wide)).toBe('POLICY_REFUSED')
    expect(await test.pay(walletLimit + 1n, both, { wallet: fresh })).toBe('POLICY_REFUSED')
    expect(await test.pay(walletLimit, both, { wallet: fresh })).toBe('signed')
    const raw = { version: 1, rules: [{ id: 'raw', action: 'permit', effects: ['raw-digest'] }] }
    const id = await test.granted({ rules: raw })
    const body = { digest: `0x${'11'.repeat(32)}`, grant: id }
    const answer = await test.ask('POST', `/v1/wallets/${test.walletId}/sign-raw`, body, { by: test.grantee })
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
  })

  it('forbids by its own rules what all other layers permit', async () => {
    const { rules } = paymentRules()
    const forbid = {
      id: 'not-him',
      action: 'forbid',
      effects: ['native-transfer'],
      when: { recipient: [payee] },
    }
    const id = await test.granted({ rules: { version: 1, rules: [...rules, forbid] } })
    expect(await test.pay(1n, id)).toBe('POLICY_REFUSED')
  })

  it('keeps one total for all of its wallets where the rules say so', async () => {
    const [a, b] = [await test.wallet(test.owner), await test.wallet(test.owner)]
    const rules = paymentRules(10n)
    const [pay, ...others] = rules.rules as [(typeof rules.rules)[number]]
    const limits = (pay.limits ?? []).map((limit) => ({ ...limit, per: 'grant' as const }))
    const shared = { ...rules, rules: [{ ...pay, limits }, ...others] }
    const id = await test.granted({ wallets: [a, b], rules: shared })
    expect(await test.pay(6n, id, { wallet: a })).toBe('signed')
    expect(await test.pay(5n, id, { wallet: b })).toBe('POLICY_REFUSED')
    expect(await test.pay(4n, id, { wallet: b })).toBe('signed')
    expect(await test.pay(1n, id, { wallet: a })).toBe('POLICY_REFUSED')
  })

  it('stands in permit, signature and receipt', async () => {
    const id = await test.granted()
    const { body } = await test.payment(5n, id)
    const { receipt } = body as { receipt: { entry: Record<string, unknown> } }
    expect(receipt.entry).toMatchObject({ type: 'signed', grant: id, credential: test.grantee.id })
    expect(receipt.entry.rules).toEqual(expect.arrayContaining(['grant:pay', 'wallet:pay']))
    const permits = (await test.entries('permit')).filter((entry) => entry.grant === (id as never))
    expect(permits).toHaveLength(1)
    await test.pay(1_000n, id)
    expect((await test.entries('refused')).at(-1)).toMatchObject({ grant: id })
  })

  it('is shown to its parties with the rules and the receipt, and to nobody else', async () => {
    const id = await test.granted({ name: 'session', maxUses: 3 })
    await test.pay(1n, id)
    for (const by of [test.grantee, test.owner, admin()]) {
      const { body } = await test.ask('GET', `/v1/grants/${id}`, undefined, { by })
      expect(body).toMatchObject({
        id,
        name: 'session',
        to: test.grantee.id,
        grantedBy: { owner: test.owner.id },
        wallets: [{ id: test.walletId, type: 'EVM' }],
        maxUses: 3,
        uses: 1,
        unusable: null,
        state: 'active',
        rules: { id },
        receipt: { entry: { type: 'grant', change: 'made', grant: id } },
      })
    }
    const stranger = await test.ask('GET', `/v1/grants/${id}`, undefined, { by: test.test.agent })
    expect(errorCode(stranger)).toBe('SIGNER_GRANT_UNKNOWN')
  })

  it('is listed for its parties and its wallet', async () => {
    const fresh = await test.wallet(test.owner)
    const id = await test.granted({ wallets: [fresh] })
    const list = async (by: TestKey, query = '') => {
      const answer = await test.ask('GET', `/v1/grants${query}`, undefined, { by })
      const { items } = answer.body as { items?: { id: string }[] }
      return items?.map((item) => item.id) ?? errorCode(answer)
    }
    expect(await list(test.grantee)).toContain(id)
    expect(await list(test.owner)).toContain(id)
    expect(await list(test.owner, `?wallet=${fresh}`)).toEqual([id])
    expect(await list(admin(), `?wallet=${fresh}`)).toEqual([id])
    expect(await list(admin(), `?credential=${test.grantee.id}&limit=500`)).toContain(id)
    expect(await list(admin(), '?limit=500')).toContain(id)
    expect(await list(test.test.agent)).toEqual([])
    expect(await list(test.grantee, `?wallet=${fresh}`)).toBe('WIRE_NOT_PERMITTED')
    expect(await list(test.grantee, `?credential=${test.owner.id}`)).toBe('WIRE_NOT_PERMITTED')
    expect(await list(admin(), `?wallet=${fresh}&credential=${test.owner.id}`)).toBe('WIRE_INVALID_REQUEST')
    const all: string[] = []
    for (let cursor = ''; ; ) {
      const path = `/v1/grants?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { body } = await test.ask('GET', path, undefined, { by: test.grantee })
      const { items, nextCursor } = body as { items: { id: string }[]; nextCursor: string | null }
      all.push(...items.map((item) => item.id))
      if (nextCursor === null) break
      cursor = nextCursor
    }
    expect(all).toEqual(await list(test.grantee, '?limit=500'))
  })
})

describe('what a grant must be', () => {
  const wrong: readonly [string, () => Record<string, unknown>, string][] = [
    ['past', () => ({ expires: test.timeIn(-1) }), 'SIGNER_GRANT_FORM'],
    [
      'over before it begins',
      () => ({ notBefore: test.timeIn(dayMs), expires: test.timeIn(hourMs) }),
      'SIGNER_GRANT_FORM',
    ],
    ['for a day that there is not', () => ({ expires: '2027-02-30T00:00:00Z' }), 'SIGNER_GRANT_FORM'],
    ['for over five years', () => ({ expires: test.timeIn(6 * 365 * dayMs) }), 'SIGNER_GRANT_FORM'],
    [
      'prolonged beyond five years',
      () => ({ keepAlive: { extendBy: '1h', hardEnd: test.timeIn(6 * 365 * dayMs) } }),
      'SIGNER_GRANT_FORM',
    ],
    [
      'prolonged by nothing',
      () => ({ keepAlive: { extendBy: '0s', hardEnd: test.timeIn(2 * dayMs) } }),
      'SIGNER_GRANT_FORM',
    ],
    [
      'ended hard before it ends',
      () => ({ keepAlive: { extendBy: '1h', hardEnd: test.timeIn(hourMs) } }),
      'SIGNER_GRANT_FORM',
    ],
    ['never used', () => ({ maxUses: 0 }), 'WIRE_INVALID_BODY'],
    ['over no wallet', () => ({ wallets: [] }), 'WIRE_INVALID_BODY'],
    ['over a wallet twice', () => ({ wallets: [test.walletId, test.walletId] }), 'WIRE_INVALID_BODY'],
    ['without rules', () => ({ rules: { version: 1 } }), 'POLICY_INVALID'],
    ['under rules that are none', () => ({ rules: { version: 1, rules: [{ id: 'a' }] } }), 'POLICY_INVALID'],
    ['of an id of one’s choice', () => ({ id: 'grt_000000000000000000000000' }), 'WIRE_INVALID_BODY'],
    ['to nobody', () => ({ to: createTestKey('nobody').id }), 'SIGNER_CREDENTIAL_UNKNOWN'],
    ['over another’s wallet', () => ({ wallets: ['wal_000000000000000000000000'] }), 'SIGNER_WALLET_UNKNOWN'],
  ]
  it.each(wrong)('not %s', async (_what, change, code) =>
    expect(await codeOf(test.grant(change()))).toBe(code),
  )

  it('not of very long rules', async () => {
    const recipients = Array.from({ length: 1_000 }, (_, i) => `0x${String(i).padStart(40, '0')}`)
    const rules = {
      version: 1,
      rules: [{ id: 'pay', action: 'permit', effects: ['native-transfer'], when: { recipient: recipients } }],
    }
    expect(await codeOf(test.grant({ rules }))).toBe('SIGNER_GRANT_FORM')
  })

  it('to a credential that is active, and no API key', async () => {
    const gone = await test.credential('grantee')
    await test.change('POST', `/v1/credentials/${gone.id}/revoke`, {})
    expect(await codeOf(test.grant({ to: gone.id }))).toBe('SIGNER_GRANT_FORM')
    const key = { algorithm: 'bearer', publicKey: `0x${'5a'.repeat(32)}`, role: 'agent', name: 'api key' }
    const { body } = await test.change('POST', '/v1/credentials', key)
    const { id } = body as { id: string }
    expect(await codeOf(test.grant({ to: id }))).toBe('SIGNER_GRANT_FORM')
    const expected = { owner: id, expected: test.owner.id }
    const owned = await test.ask('PUT', `/v1/wallets/${test.walletId}/owner`, expected, { by: test.owner })
    expect(errorCode(owned)).toBe('SIGNER_CREDENTIAL_FORM')
    const made = { type: 'EVM', policy: 'wallets', owner: id }
    expect(errorCode(await test.ask('POST', '/v1/wallets', made, { by: admin() }))).toBe(
      'SIGNER_CREDENTIAL_FORM',
    )
  })

  it('the same for the same request, and another for another', async () => {
    const requestId = 'one-grant-only'
    const body = {
      to: test.grantee.id,
      wallets: [test.walletId],
      rules: paymentRules(),
      expires: test.timeIn(dayMs),
    }
    const asked = () => test.ask('POST', '/v1/grants', body, { by: test.owner, requestId })
    const [first, second] = [await asked(), await asked()]
    expect(second.body).toEqual(first.body)
    const other = await test.ask('POST', '/v1/grants', { ...body, maxUses: 1 }, { by: test.owner, requestId })
    expect(errorCode(other)).toBe('WIRE_REQUEST_ID_REUSED')
    expect((await test.grant()).body).not.toMatchObject({ id: (first.body as { id: string }).id })
  })
})

describe('the owner', () => {
  const set = (by: readonly TestKey[], walletId: string, owner: string | null, expected: string | null) =>
    test.ask('PUT', `/v1/wallets/${walletId}/owner`, { owner, expected }, { by })

  it('is named by the quorum where there is none, and hands over alone', async () => {
    const walletId = await test.wallet()
    const next = await test.credential('agent', 'next')
    expect(errorCode(await set([test.owner], walletId, test.owner.id, null))).toBe('WIRE_QUORUM_NOT_MET')
    const two = test.admins.slice(0, 2)
    expect(await set(two, walletId, test.owner.id, null)).toMatchObject({
      status: 200,
      body: { owner: test.owner.id, receipt: { entry: { type: 'wallet-owner', before: null } } },
    })
    expect(errorCode(await set(two, walletId, next.id, test.owner.id))).toBe('SIGNER_OWNER_NEEDED')
    expect(errorCode(await set(test.admins, walletId, null, test.owner.id))).toBe('SIGNER_OWNER_NEEDED')
    expect(errorCode(await set([next], walletId, next.id, test.owner.id))).toBe('SIGNER_OWNER_NEEDED')
    expect(errorCode(await set([test.owner, next], walletId, next.id, test.owner.id))).toBe(
      'SIGNER_OWNER_NEEDED',
    )
    expect(errorCode(await set([test.owner], walletId, next.id, null))).toBe('SIGNER_CHANGE_CONFLICT')
    expect((await set([test.owner], walletId, next.id, test.owner.id)).status).toBe(200)
    expect(errorCode(await set([test.owner], walletId, test.owner.id, next.id))).toBe('SIGNER_OWNER_NEEDED')
  })

  it('whose credential is revoked is followed by whom the quorum names', async () => {
    const lost = await test.credential('agent', 'lost')
    const walletId = await test.wallet(lost)
    const two = test.admins.slice(0, 2)
    expect(errorCode(await set(two, walletId, test.owner.id, lost.id))).toBe('SIGNER_OWNER_NEEDED')
    await test.change('POST', `/v1/credentials/${lost.id}/revoke`, {})
    expect(errorCode(await set([lost], walletId, lost.id, lost.id))).toBe('WIRE_CREDENTIAL_REVOKED')
    expect((await set(two, walletId, test.owner.id, lost.id)).status).toBe(200)
  })

  it('stands in the wallet’s entry and in the custody statement', async () => {
    const made = (await test.entries('wallet')).find(({ wallet }) => wallet === (test.walletId as never))
    expect(made).toMatchObject({ owner: test.owner.id })
    const id = await test.granted({ maxUses: 5 })
    await test.pay(1n, id)
    const early = await test.granted({ notBefore: test.timeIn(hourMs) })
    const idle = await test.credential('grantee', 'idle')
    const { body } = await test.ask('GET', `/v1/custody/${test.walletId}`, undefined, { by: admin() })
    const { statement } = body as {
      statement: { owner: string; grants: { id: string }[]; ifOwned: { what: string; canMove: string[] }[] }
    }
    expect(statement.owner).toBe(test.owner.id)
    expect(statement.grants).toContainEqual(expect.objectContaining({ id, uses: 1, maxUses: 5 }))
    expect(statement.grants.map((grant) => grant.id)).toContain(early)
    const line = (text: string) => statement.ifOwned.find(({ what }) => what.includes(text))
    const atMost = (limit: bigint) => expect.stringMatching(new RegExp(`At most .*${limit} smallest units`))
    expect(line(id)).toMatchObject({
      canMove: expect.arrayContaining([atMost(1_000n), 'In 4 signatures at most.']),
    })
    expect(line('grants together')?.canMove).toContainEqual(atMost(walletLimit))
    expect(line(idle.id)?.canMove).toEqual([expect.stringMatching(/^Nothing/)])
    // The owner can grant to itself, so it is no better off than an agent.
    expect(line(test.owner.id)?.canMove).toContainEqual(atMost(walletLimit))
  })
})
