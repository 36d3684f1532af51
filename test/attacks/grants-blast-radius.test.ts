import type { PolicyDocument } from '@countersign/policy'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { payee } from '../faults/payment.ts'
import { type GrantingSigner, hourMs, openGrantingSigner } from '../signer/granting-signer.ts'
import { errorCode, type TestKey } from '../signer/test-signer.ts'

const chain = 'eip155:31337'
const coin = `${chain}/slip44:60`
/** Of one payment of the tests: gas times price. */
const feeMinor = 21_000n * 1_000_000_000n

let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner()
})
afterAll(() => test.close())

/** Every way out has its limit: payments and fees. */
function boundedRules(payments: bigint, fees: bigint, per?: 'grant' | 'credential'): object {
  const limit = (amount: bigint) => ({
    id: 'day',
    amount: String(amount),
    asset: coin,
    window: { rolling: '24h' },
    ...(per === undefined ? {} : { per }),
  })
  const rules: PolicyDocument['rules'] = [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [payee] },
      limits: [limit(payments)],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] }, limits: [limit(fees)] },
  ]
  return { version: 1, rules }
}

interface Radius {
  readonly bounded: boolean
  readonly assets: readonly { asset: string; bounds: readonly { amountMinor: string; rules: object[] }[] }[]
  readonly lines: readonly string[]
}

async function radius(owned: readonly TestKey[], walletId = test.walletId): Promise<Radius> {
  const ids = owned.map(({ id }) => id).join()
  const path = `/v1/blast-radius?owned=${encodeURIComponent(ids)}&walletId=${walletId}`
  const { status, body } = await test.ask('GET', path, undefined, { by: test.admins[0] as TestKey })
  expect({ status, body }).toMatchObject({ status: 200 })
  return (body as { wallets: [Radius] }).wallets[0]
}
const mostOf = ({ assets }: Radius) => BigInt(assets[0]?.bounds[0]?.amountMinor ?? 0)

/** Whoever has the keys asks for the largest payment that passes, under every grant, until nothing passes. */
async function loot(by: TestKey, grants: readonly string[], wallets: readonly string[]): Promise<bigint> {
  let gone = 0n
  for (const grant of grants) {
    for (const wallet of wallets) {
      for (let step = 1n << 12n; step > 0n; ) {
        if ((await test.pay(step, grant, { by, wallet })) === 'signed') gone += step + feeMinor
        else step /= 2n
      }
    }
  }
  return gone
}

describe('a compromised grantee', () => {
  it('moves nothing without a grant, and under one exactly what all layers leave', async () => {
    const thief = await test.credential('grantee', 'thief')
    const walletId = await test.wallet(test.owner)
    const none = await radius([thief], walletId)
    expect(none).toMatchObject({ bounded: true, assets: [] })
    expect(none.lines[0]).toMatch(/^Nothing/)
    const grant = await test.granted({
      to: thief.id,
      wallets: [walletId],
      rules: boundedRules(1_000n, 20n * feeMinor),
    })
    const found = await radius([thief], walletId)
    expect(found).toMatchObject({ bounded: true, assets: [{ asset: coin }] })
    expect(found.lines.join('\n')).toContain(`${grant}:pay (grant)`)
    const gone = await loot(thief, [grant], [walletId])
    expect(gone).toBeLessThanOrEqual(mostOf(found))
    // Six payments make up 1,000, and the fees of the other fourteen are left.
    expect(gone).toBe(1_000n + 6n * feeMinor)
    expect(mostOf(found)).toBe(1_000n + 20n * feeMinor)
  })

  it('reaches the figure exactly where the fees are as tight as the payments', async () => {
    const thief = await test.credential('grantee', 'exact thief')
    const walletId = await test.wallet(test.owner)
    const grant = await test.granted({
      to: thief.id,
      wallets: [walletId],
      rules: boundedRules(448n, 3n * feeMinor, 'credential'),
    })
    const found = await radius([thief], walletId)
    expect(await loot(thief, [grant], [walletId])).toBe(mostOf(found))
  })

  it('adds up its grants, and is held by the wallet’s own limits all the same', async () => {
    const thief = await test.credential('grantee', 'thief of two')
    const walletId = await test.wallet(test.owner)
    const make = (payments: bigint) =>
      test.granted({
        to: thief.id,
        wallets: [walletId],
        rules: boundedRules(payments, 64n * feeMinor, 'grant'),
      })
    const grants = [await make(512n), await make(256n)]
    const both = await radius([thief], walletId)
    expect(mostOf(both)).toBe(512n + 256n + 128n * feeMinor)
    expect(await loot(thief, grants, [walletId])).toBe(512n + 256n + 2n * feeMinor)
    // The fees have a limit in the grants alone, and the wallet counts all payments.
    grants.push(await make(10_000_000n))
    const wide = await radius([thief], walletId)
    expect(wide.bounded).toBe(true)
    expect(await loot(thief, grants, [walletId])).toBeLessThanOrEqual(mostOf(wide))
    await test.ask('POST', `/v1/grants/${grants[2]}/revoke`, {}, { by: test.owner })
    expect(mostOf(await radius([thief], walletId))).toBe(mostOf(both))
  })

  it('has one total for all wallets of a grant, and each wallet’s figure covers it', async () => {
    const thief = await test.credential('grantee', 'thief of many')
    const wallets = [await test.wallet(test.owner), await test.wallet(test.owner)]
    const rules = boundedRules(64n, 3n * feeMinor, 'grant')
    const grant = await test.granted({ to: thief.id, wallets, rules })
    const most = mostOf(await radius([thief], wallets[0]))
    expect(mostOf(await radius([thief], wallets[1]))).toBe(most)
    expect(await loot(thief, [grant], wallets)).toBeLessThanOrEqual(most)
  })

  it('with the owner’s key may ask freely, for the owner can grant to it', async () => {
    const owner = await test.credential('grantee', 'robbed owner')
    const thief = await test.credential('grantee', 'accomplice')
    const walletId = await test.wallet(owner)
    expect((await radius([thief], walletId)).assets).toEqual([])
    for (const has of [[owner], [owner, thief]]) {
      const found = await radius(has, walletId)
      expect(found).toMatchObject({ bounded: false })
      expect(found.lines.join('\n')).toContain('owns this wallet')
    }
    // Of another owner it gains nothing.
    expect((await radius([thief, test.owner], walletId)).assets).toEqual([])
  })

  it('counts a grant that begins later, and none that has ended', async () => {
    const thief = await test.credential('grantee', 'patient thief')
    const walletId = await test.wallet(test.owner)
    const rules = boundedRules(7n, feeMinor)
    const grant = { to: thief.id, wallets: [walletId], rules }
    await test.granted({ ...grant, notBefore: test.timeIn(hourMs), expires: test.timeIn(2 * hourMs) })
    expect(mostOf(await radius([thief], walletId))).toBe(7n + feeMinor)
    test.advance(2 * hourMs)
    expect((await radius([thief], walletId)).assets).toEqual([])
    const spent = await test.granted({ ...grant, maxUses: 1 })
    expect(mostOf(await radius([thief], walletId))).toBe(7n + feeMinor)
    expect(await test.pay(1n, spent, { by: thief, wallet: walletId })).toBe('signed')
    expect((await radius([thief], walletId)).assets).toEqual([])
  })

  it('together with an agent is held by what they share', async () => {
    const thief = await test.credential('grantee', 'thief with an agent')
    const walletId = await test.wallet(test.owner)
    await test.granted({ to: thief.id, wallets: [walletId], rules: boundedRules(7n, feeMinor) })
    const agent = await radius([test.test.agent], walletId)
    const both = await radius([test.test.agent, thief], walletId)
    // The agent's own fees have no limit, and that is said.
    expect([agent.bounded, both.bounded]).toEqual([false, false])
    expect(mostOf(both)).toBe(mostOf(agent))
  })

  it('of very many grants is taken to ask freely; and over one wallet there are not very many', async () => {
    const thief = await test.credential('grantee', 'thief of a thousand')
    const [walletId, ...others] = [
      await test.wallet(test.owner),
      await test.wallet(test.owner),
      await test.wallet(test.owner),
    ] as const
    const grant = { to: thief.id, rules: boundedRules(1n, feeMinor) }
    const asked = Array.from({ length: 251 }, () => test.grant({ ...grant, wallets: [walletId] }))
    const answers = await Promise.all(asked)
    const made = answers.filter(({ status }) => status === 201)
    expect(made).toHaveLength(250)
    expect(errorCode(answers.find(({ status }) => status !== 201) as never)).toBe('SIGNER_GRANTS_FULL')
    expect(mostOf(await radius([thief], walletId))).toBe(250n * (1n + feeMinor))
    const [first] = made as [Answer]
    const { id } = first.body as { id: string }
    await test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: test.owner })
    await test.granted({ ...grant, wallets: [walletId] })
    expect(errorCode(await test.grant({ ...grant, wallets: [others[0], walletId] }))).toBe(
      'SIGNER_GRANTS_FULL',
    )
    const more = others.flatMap((wallet) =>
      Array.from({ length: 126 }, () => ({ ...grant, wallets: [wallet] })),
    )
    await Promise.all(more.map((one) => test.granted(one)))
    // The wallet's own policy has no limit on fees, and now nothing else is counted.
    expect((await radius([thief], walletId)).bounded).toBe(false)
  })
})
