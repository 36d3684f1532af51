import type { PolicyDocument } from '@countersign/policy'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payee, payment } from '../faults/payment.ts'
import {
  createTestKey,
  errorCode,
  openTestSigner,
  policyFor,
  type TestKey,
  type TestSigner,
  type TestSignerOptions,
} from '../signer/test-signer.ts'

const chain = 'eip155:31337'
const asset = `${chain}/slip44:60`
const limitMinor = 1_000n
/** No multiple of it is the limit: the last that fits is known to the unit. */
const each = 7n
const asks = 200

type Limit = NonNullable<PolicyDocument['rules'][number]['limits']>[number]

function paying(
  id: string,
  limit: { readonly window: Limit['window']; readonly per?: Limit['per'] | undefined },
): PolicyDocument {
  return policyFor(
    [
      {
        id: 'pay',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [payee, `0x${'22'.repeat(20)}`] },
        limits: [{ id: 'total', amount: String(limitMinor), asset, ...limit } as Limit],
      },
      { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] } },
    ],
    id,
  )
}

interface World {
  test: TestSigner
  readonly time: { wallMs: number; monotonicMs: number }
  to(iso: string): void
  ask(
    wallet: string,
    value: bigint,
    more?: { by?: TestKey; to?: `0x${string}`; grant?: string },
  ): Promise<string>
}

async function openWorld(options: TestSignerOptions = {}): Promise<World> {
  const time = { wallMs: Date.now() + 60_000, monotonicMs: 1_000 }
  const clockSource = { wallMs: () => time.wallMs, monotonicMs: () => time.monotonicMs }
  let nonce = 0
  const world: World = {
    test: await openTestSigner({ clockSource, ...options }),
    time,
    to(iso) {
      const aheadMs = Date.parse(iso) - time.wallMs
      if (aheadMs < 0) throw new Error(`${iso} is over`)
      time.wallMs += aheadMs
      time.monotonicMs += aheadMs
    },
    async ask(wallet, value, { by = world.test.agent, to, grant } = {}) {
      const body = { ...payment(value, nonce++, to), ...(grant === undefined ? {} : { grant }) }
      const createdS = Math.floor(time.wallMs / 1000)
      const path = `/v1/wallets/${wallet}/sign-transaction`
      const answer = await world.test.ask('POST', path, body, { by, createdS })
      return answer.status === 200 ? 'signed' : (errorCode(answer) ?? String(answer.status))
    },
  }
  return world
}

async function signedOf(answers: readonly Promise<string>[]): Promise<bigint> {
  const outcomes = await Promise.all(answers)
  const signed = outcomes.filter((one) => one === 'signed').length
  expect(outcomes.filter((one) => one !== 'signed' && one !== 'POLICY_REFUSED')).toEqual([])
  return BigInt(signed)
}

const many = (ask: (i: number) => Promise<string>) => Array.from({ length: asks }, (_, i) => ask(i))
const most = limitMinor / each

describe('a total of the calendar, under hundreds of requests at once', () => {
  let world: World
  let wallet: string
  beforeAll(async () => {
    world = await openWorld({ backend: 'file' })
    for (const calendar of ['day', 'month'] as const) {
      const window = { calendar, timeZone: 'Europe/Berlin' }
      const put = await world.test.ask(
        'PUT',
        `/v1/policies/${calendar}`,
        { policy: paying(calendar, { window }), expected: null },
        { by: world.test.admins, createdS: Math.floor(world.time.wallMs / 1000) },
      )
      expect(put.status).toBe(200)
    }
  })
  afterAll(() => world.test.close())

  async function newWallet(policy: string): Promise<void> {
    const made = await world.test.ask(
      'POST',
      '/v1/wallets',
      { type: 'EVM', policy },
      { by: world.test.admins, createdS: Math.floor(world.time.wallMs / 1000) },
    )
    expect(made.status).toBe(201)
    wallet = (made.body as { id: string }).id
  }

  /** Spends all of it, to the last unit. */
  async function spendAll(): Promise<void> {
    expect(await signedOf(many(() => world.ask(wallet, each)))).toBe(most)
    expect(await world.ask(wallet, limitMinor - most * each + 1n)).toBe('POLICY_REFUSED')
    expect(await world.ask(wallet, limitMinor - most * each)).toBe('signed')
    await expectNothingLeft()
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await world.ask(wallet, 1n)).toBe('POLICY_REFUSED')
  }

  // Years ahead, as the clock must never be behind the real one, which founds the signer.
  it.each([
    // Berlin’s months end an hour, or two, before UTC’s.
    ['month', '2040-11-30T22:00:00Z', ['2040-11-30T22:59:59.999Z'], '2040-11-30T23:00:00Z'],
    ['month', '2041-02-01T00:00:00Z', ['2041-02-28T22:59:59.999Z'], '2041-02-28T23:00:00Z'],
    // The day of 23 hours: it ends an hour early.
    ['day', '2041-03-30T23:00:00Z', ['2041-03-31T21:59:59.999Z'], '2041-03-31T22:00:00Z'],
    ['month', '2041-04-30T12:00:00Z', ['2041-04-30T21:59:59.999Z'], '2041-04-30T22:00:00Z'],
    // The day of 25 hours: after 24 of them it is not over, and the hour that comes twice is one day’s.
    [
      'day',
      '2041-10-26T22:00:00Z',
      ['2041-10-27T00:30:00Z', '2041-10-27T01:30:00Z', '2041-10-27T22:00:00Z', '2041-10-27T22:59:59.999Z'],
      '2041-10-27T23:00:00Z',
    ],
  ] as const)('%s from %s', async (policy, from, meanwhile, end) => {
    world.to(from)
    await newWallet(policy)
    await spendAll()
    for (const at of meanwhile) {
      world.to(at)
      await expectNothingLeft()
    }
    world.test = await world.test.reopen()
    await expectNothingLeft()
    world.to(end)
    await spendAll()
    // Somebody sets the clock back to the period before, or before that.
    for (const backMs of [3_600_000, 40 * 86_400_000]) {
      world.time.wallMs -= backMs
      expect(await world.ask(wallet, 1n)).not.toBe('signed')
      world.time.wallMs += backMs
    }
  })
})

describe('one total for', () => {
  let world: World
  const wallets: string[] = []
  const agents: TestKey[] = []
  beforeAll(async () => {
    world = await openWorld()
    const { test } = world
    agents.push(test.agent, createTestKey('second'))
    const { publicKey, name } = agents[1] as TestKey
    await admin('POST', '/v1/credentials', { algorithm: 'p256', publicKey, role: 'agent', name })
    for (let i = 0; i < 2; i++) {
      wallets.push(((await admin('POST', '/v1/wallets', { type: 'EVM' })) as { id: string }).id)
    }
    await admin('PUT', '/v1/wallet-groups/both', { wallets, policy: null, expected: null })
  })
  afterAll(() => world.test.close())

  async function admin(method: 'POST' | 'PUT', path: string, body: object): Promise<unknown> {
    const createdS = Math.floor(world.time.wallMs / 1000)
    const answer = await world.test.ask(method, path, body, { by: world.test.admins, createdS })
    if (answer.status > 201) throw new Error(JSON.stringify(answer.body))
    return answer.body
  }

  let before: string | null = null
  async function assign(per: Limit['per'], use = wallets): Promise<string> {
    const policy = `per-${per}`
    const document = paying(policy, { per, window: { rolling: '24h' } })
    await admin('PUT', `/v1/policies/${policy}`, { policy: document, expected: null })
    for (const id of use) await admin('PUT', `/v1/wallets/${id}/policy`, { policy, expected: before })
    before = policy
    return policy
  }

  const spread = (more: (i: number) => object = () => ({})) =>
    many((i) => world.ask(wallets[i % 2] as string, each, more(i)))

  it('each wallet', async () => {
    await assign('wallet')
    const here = many(() => world.ask(wallets[0] as string, each))
    const there = many(() => world.ask(wallets[1] as string, each, { by: agents[1] as TestKey }))
    expect(await signedOf(here)).toBe(most)
    expect(await signedOf(there)).toBe(most)
  })

  it('each credential, over all wallets', async () => {
    await assign('credential')
    expect(await signedOf(spread())).toBe(most)
    expect(await signedOf(spread(() => ({ by: agents[1] })))).toBe(most)
  })

  it('each recipient, over all wallets and credentials', async () => {
    await assign('recipient')
    const other = `0x${'22'.repeat(20)}`
    expect(await signedOf(spread((i) => ({ by: agents[i % 2] })))).toBe(most)
    expect(await signedOf(spread((i) => ({ by: agents[i % 2], to: other })))).toBe(most)
  })

  it.each(['group', 'organisation'] as const)('the %s', async (per) => {
    await assign(per)
    const more = (i: number) => ({
      by: agents[i % 2],
      ...(i % 3 === 0 ? { to: `0x${'22'.repeat(20)}` } : {}),
    })
    expect(await signedOf(spread(more))).toBe(most)
    expect(await signedOf(spread(more))).toBe(0n)
  })

  it('each grant, over its wallets; none without one', async () => {
    await assign('grant')
    expect(await signedOf(spread())).toBe(0n)
    const { id: _, ...rules } = paying('any', { window: { rolling: '24h' }, per: 'organisation' })
    const expires = new Date(world.time.wallMs + 3_600_000).toISOString()
    for (let i = 0; i < 2; i++) {
      const wide = { ...rules, rules: rules.rules.map(({ limits: _limits, ...rule }) => rule) }
      const body = { to: world.test.agent.id, wallets, rules: wide, expires }
      const { id } = (await admin('POST', '/v1/grants', body)) as { id: string }
      expect(await signedOf(spread(() => ({ grant: id })))).toBe(most)
    }
  })
})
