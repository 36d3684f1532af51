import { signFact } from '@countersign/sdk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { payee, payment } from '../faults/payment.ts'
import {
  type ApprovingSigner,
  chain,
  minuteMs,
  native,
  openApprovingSigner,
} from '../signer/approving-signer.ts'
import { credentialOf } from '../signer/client-of.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

let signer: ApprovingSigner
let oracle: TestKey
let simulator: TestKey
let wallet: { id: string; address: string }
beforeEach(async () => {
  signer = await openApprovingSigner()
  oracle = createTestKey('oracle')
  simulator = createTestKey('simulator')
  for (const key of [oracle, simulator]) await signer.addCredential(key, 'agent')
})
afterEach(() => signer.close())

/** At most 100 dollars at a time, 150 a day, by the oracle’s prices of the last five minutes. */
const priced = () => ({
  version: 1,
  id: 'priced',
  prices: { currency: 'USD', by: [oracle.id], maxAge: '5m' },
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [payee], value: { currency: 'USD', max: '100' } },
      limits: [{ id: 'daily', value: '150', currency: 'USD', window: { rolling: '24h' } }],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] } },
  ],
})
const simulated = () => ({
  version: 1,
  id: 'simulated',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [payee], amount: { max: '100' } },
      requires: { simulation: { by: [simulator.id], maxAge: '5m' } },
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] } },
  ],
})
const walletUnder = async (policy: object) => {
  const { id } = policy as { id: string }
  const known = await signer.test.signer.ledger.get('policy', id)
  if (known === undefined) expect((await signer.putPolicy(policy as never)).status).toBe(200)
  const made = await signer.ask(
    'POST',
    '/v1/wallets',
    { type: 'EVM', policy: id },
    {
      by: signer.test.admins[0] as TestKey,
    },
  )
  expect(made.status).toBe(201)
  return made.body as { id: string; address: string }
}

/** One coin is 10^18; `price` is for one of 10^`decimals`: with 0 decimals one wei is worth it. */
const price = (text: string, more: object = {}) =>
  ({ type: 'price', asset: native, currency: 'USD', price: text, decimals: 0, ...more }) as const
const add = async (by: TestKey, input: object, signedBy: TestKey = by) => {
  const { fact, signature } = await signFact(credentialOf(signedBy), {
    atMs: signer.nowMs(),
    lifetimeMs: 10 * minuteMs,
    ...input,
  } as never)
  return signer.ask('POST', '/v1/facts', { fact, signature }, { by })
}
const pay = (value: bigint, nonce = 0, from = wallet) =>
  signer.ask('POST', `/v1/wallets/${from.id}/sign-transaction`, payment(value, nonce), {
    by: signer.test.agent,
  })
const outcome = async (answer: ReturnType<typeof pay>) => {
  const found = await answer
  return found.status === 200 ? 'signed' : errorCode(found)
}

describe('a price', () => {
  beforeEach(async () => {
    wallet = await walletUnder(priced())
  })

  it('counts by whom the policy names, to the unit, and the signed fact stands in the permit', async () => {
    expect(await outcome(pay(1n))).toBe('POLICY_REFUSED')
    expect((await add(oracle, price('10'))).status).toBe(200)
    expect(await outcome(pay(11n))).toBe('POLICY_REFUSED')
    expect(await outcome(pay(10n))).toBe('signed')
    const [permit] = await signer.entries('permit')
    expect(permit).toMatchObject({
      facts: [{ fact: { credentialId: oracle.id, price: '10' }, signature: expect.any(String) }],
      values: [expect.objectContaining({ currency: 'USD' })],
    })
    // 150 a day.
    expect(await outcome(pay(6n, 1))).toBe('POLICY_REFUSED')
    expect(await outcome(pay(5n, 1))).toBe('signed')
    expect(await outcome(pay(1n, 2))).toBe('POLICY_REFUSED')
  })

  it('is of no use from anybody else, however well signed', async () => {
    for (const by of [signer.test.agent, simulator, signer.test.admins[0] as TestKey])
      expect((await add(by, price('0.000001'))).status).toBe(200)
    expect(await outcome(pay(1n))).toBe('POLICY_REFUSED')
    await add(oracle, price('10'))
    expect(await outcome(pay(11n))).toBe('POLICY_REFUSED')
  })

  it('is not taken in another’s name, altered, or without its own signature', async () => {
    const agent = signer.test.agent
    expect(errorCode(await add(agent, price('1'), oracle))).toBe('SIGNER_FACT_REFUSED')
    const { fact, signature } = await signFact(credentialOf(oracle), {
      ...price('10'),
      atMs: signer.nowMs(),
    })
    const forged = await signFact(credentialOf({ ...agent, id: oracle.id }), {
      ...price('1'),
      atMs: signer.nowMs(),
    })
    for (const [body, by] of [
      [{ fact, signature }, agent],
      [{ fact: { ...fact, price: '1' }, signature }, oracle],
      [{ fact: { ...fact, currency: 'EUR' }, signature }, oracle],
      [{ fact, signature: forged.signature }, oracle],
      [{ fact: forged.fact, signature: forged.signature }, oracle],
      [{ fact: forged.fact, signature: forged.signature }, agent],
    ] as const) {
      expect(errorCode(await signer.ask('POST', '/v1/facts', body, { by }))).toBe('SIGNER_FACT_REFUSED')
    }
    expect(await outcome(pay(1n))).toBe('POLICY_REFUSED')
  })

  it('is not taken from the future, from the past, or for longer than a day', async () => {
    for (const input of [
      { atMs: signer.nowMs() + 1 },
      { atMs: signer.nowMs() - minuteMs, lifetimeMs: minuteMs },
      { lifetimeMs: 24 * 60 * minuteMs + 1 },
    ]) {
      expect(errorCode(await add(oracle, { ...price('1'), ...input })), JSON.stringify(input)).toBe(
        'SIGNER_FACT_REFUSED',
      )
    }
    expect(await outcome(pay(1n))).toBe('POLICY_REFUSED')
  })

  it('is refused once it is stale, by the policy’s age or by its own end', async () => {
    await add(oracle, price('10'))
    signer.advance(5 * minuteMs)
    expect(await outcome(pay(1n, 1))).toBe('signed')
    signer.advance(1)
    expect(await outcome(pay(1n, 2))).toBe('POLICY_REFUSED')
    await add(oracle, { ...price('10'), lifetimeMs: minuteMs })
    signer.advance(minuteMs - 1)
    expect(await outcome(pay(1n, 3))).toBe('signed')
    signer.advance(1)
    expect(await outcome(pay(1n, 4))).toBe('POLICY_REFUSED')
  })

  it('cannot be taken back to an older one, nor changed at the same time', async () => {
    const low = await signFact(credentialOf(oracle), { ...price('1'), atMs: signer.nowMs() })
    expect((await signer.ask('POST', '/v1/facts', low, { by: oracle })).status).toBe(400)
    const { digest: _, ...sent } = low
    expect((await signer.ask('POST', '/v1/facts', sent, { by: oracle })).status).toBe(200)
    expect(errorCode(await add(oracle, price('0.5')))).toBe('SIGNER_FACT_OLDER')
    signer.advance(1_000)
    expect((await add(oracle, price('50'))).status).toBe(200)
    // The old, low price once more, word for word: by a carrier that has kept it.
    expect(errorCode(await signer.ask('POST', '/v1/facts', sent, { by: oracle }))).toBe('SIGNER_FACT_OLDER')
    expect(await outcome(pay(3n))).toBe('POLICY_REFUSED')
    expect(await outcome(pay(2n))).toBe('signed')
  })

  it('does not outlive its credential', async () => {
    await add(oracle, price('10'))
    const revoked = await signer.ask(
      'POST',
      `/v1/credentials/${oracle.id}/revoke`,
      {},
      {
        by: signer.test.admins,
      },
    )
    expect(revoked.status).toBe(200)
    expect(await outcome(pay(1n))).toBe('POLICY_REFUSED')
    expect(errorCode(await add(oracle, price('10')))).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('must hold when the last approval comes, not only when it was asked', async () => {
    const { rules, ...rest } = priced()
    const asking = {
      ...rest,
      id: 'priced-and-approved',
      groups: { board: { credentials: [signer.approvers[0].id] } },
      rules: rules.map((rule) =>
        rule.id === 'pay' ? { ...rule, approvals: [{ group: 'board', count: 1 }] } : rule,
      ),
    }
    wallet = await walletUnder(asking)
    await add(oracle, price('10'))
    const { approval } = (await pay(10n)).body as { approval: { id: string } }
    await add(oracle, { ...price('10.1'), atMs: signer.nowMs() }).catch(() => undefined)
    signer.advance(1_000)
    await add(oracle, price('10.1'))
    expect(errorCode(await signer.approve(approval.id, signer.approvers[0]))).toBe('SIGNER_APPROVAL_SETTLED')
    expect(await signer.entries('signed')).toHaveLength(0)
  })
})

describe('a simulation', () => {
  const digestOf = async (value: bigint, nonce = 0, from = wallet) => {
    await pay(value, nonce, from)
    const refused = await signer.entries('refused')
    return refused.at(-1)?.payloadDigest as unknown as string
  }
  const found = (payloadDigest: string, more: object = {}) => ({
    ...{ type: 'simulation', payloadDigest, account: wallet.address, outcome: 'success' },
    ...more,
  })
  beforeEach(async () => {
    wallet = await walletUnder(simulated())
  })

  it('lets these bytes of this wallet through, and no others', async () => {
    const payloadDigest = await digestOf(10n)
    expect((await add(simulator, found(payloadDigest))).status).toBe(200)
    expect(await outcome(pay(11n))).toBe('POLICY_REFUSED')
    expect(await outcome(pay(10n, 1))).toBe('POLICY_REFUSED')
    // Unsigned bytes do not name their sender: those of another wallet are the same.
    const other = await walletUnder(simulated())
    expect(await digestOf(10n, 0, other)).toBe(payloadDigest)
    expect(await outcome(pay(10n, 0, other))).toBe('POLICY_REFUSED')
    expect(await outcome(pay(10n))).toBe('signed')
  })

  /** The payment and the highest fee. */
  const accounted = 10n + 21_000n * 1_000_000_000n

  it('only tightens: it permits nothing that no rule permits, and a bad one forbids', async () => {
    const over = await digestOf(101n)
    await add(simulator, found(over))
    expect(await outcome(pay(101n))).toBe('POLICY_REFUSED')
    const payloadDigest = await digestOf(10n)
    await add(simulator, found(payloadDigest))
    signer.advance(1)
    await add(simulator, found(payloadDigest, { outcome: 'revert' }))
    expect(await outcome(pay(10n))).toBe('POLICY_REFUSED')
    signer.advance(1)
    await add(
      simulator,
      found(payloadDigest, { maxOutflows: [{ asset: native, amount: String(accounted + 1n) }] }),
    )
    expect(await outcome(pay(10n))).toBe('POLICY_REFUSED')
    signer.advance(1)
    await add(
      simulator,
      found(payloadDigest, { maxOutflows: [{ asset: native, amount: String(accounted) }] }),
    )
    expect(await outcome(pay(10n))).toBe('signed')
  })

  it('is of no use from another credential, stale, or from the future', async () => {
    const payloadDigest = await digestOf(10n)
    await add(oracle, found(payloadDigest))
    expect(await outcome(pay(10n))).toBe('POLICY_REFUSED')
    expect(errorCode(await add(simulator, { ...found(payloadDigest), atMs: signer.nowMs() + 1 }))).toBe(
      'SIGNER_FACT_REFUSED',
    )
    await add(simulator, found(payloadDigest))
    signer.advance(5 * minuteMs + 1)
    expect(await outcome(pay(10n))).toBe('POLICY_REFUSED')
  })
})
