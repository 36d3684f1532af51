import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'

const walletLimit = 100n
const organisationLimit = 60n
const wallets = 4

/** Hundreds of requests at once, over several wallets, under two layers whose windows are counted for each wallet. */
describe('many requests at once', () => {
  let test: TestSigner
  const ids: string[] = []
  beforeAll(async () => {
    test = await openTestSigner()
    await test.putPolicy(paymentPolicy('organisation', organisationLimit))
    const body = { policy: 'organisation', expected: null }
    const set = await test.ask('PUT', '/v1/organisation/policy', body, { by: test.admins })
    expect(set.status).toBe(200)
    await test.putPolicy(paymentPolicy('test', walletLimit))
    for (let i = 0; i < wallets; i++) {
      const wallet = { type: 'EVM', policy: 'test' }
      const made = await test.ask('POST', '/v1/wallets', wallet, { by: test.admins })
      ids.push((made.body as { id: string }).id)
    }
  })
  afterAll(() => test.close())
  const pay = (wallet: number, value: bigint, requestId: string, nonce = 0) =>
    test.ask('POST', `/v1/wallets/${ids[wallet]}/sign-transaction`, payment(value, nonce), {
      by: test.agent,
      requestId,
    })

  it('spend exactly the tighter layer of each wallet, whatever the order', async () => {
    const asked = Array.from({ length: 400 }, (_, i) => {
      const value = BigInt(1 + ((i * 7) % 13))
      return { wallet: i % wallets, value, answer: pay(i % wallets, value, `spend-request-${i}`, i) }
    })
    const spent = Array.from({ length: wallets }, () => 0n)
    const smallestRefused = Array.from({ length: wallets }, () => 1_000n)
    for (const { wallet, value, answer } of asked) {
      const code = errorCode(await answer)
      if (code === undefined) spent[wallet] = (spent[wallet] as bigint) + value
      else if (value < (smallestRefused[wallet] as bigint)) smallestRefused[wallet] = value
      expect([undefined, 'POLICY_REFUSED']).toContain(code)
    }
    for (let wallet = 0; wallet < wallets; wallet++) {
      const left = organisationLimit - (spent[wallet] as bigint)
      expect(left).toBeGreaterThanOrEqual(0n)
      expect(left).toBeLessThan(smallestRefused[wallet] as bigint)
      if (left > 0n) expect((await pay(wallet, left, `the-rest-of-${wallet}`)).status).toBe(200)
      expect(errorCode(await pay(wallet, 1n, `one-over-of-${wallet}`))).toBe('POLICY_REFUSED')
    }
    for (const layer of ['organisation', 'wallet']) {
      const windows = await test.signer.ledger.range('window', '', '\uffff', 100)
      const ofLayer = windows.filter(({ key }) => key.includes(`|${layer}|`))
      expect(ofLayer.map(({ value }) => value.sumMinor)).toEqual(
        Array(wallets).fill(String(organisationLimit)),
      )
    }
  })

  it('sign once for each request id, however often it is asked', async () => {
    const fresh = await test.walletUnder(paymentPolicy('test', walletLimit))
    ids.push(fresh.id)
    const times = 12
    const asked = Array.from({ length: 20 * times }, async (_, i) => {
      const requestId = `asked-often-${i % 20}`
      return { requestId, answer: await pay(wallets, 2n, requestId) }
    })
    const signed = new Map<string, string>()
    for (const { requestId, answer } of await Promise.all(asked)) {
      if (answer.status !== 200) {
        expect(errorCode(answer)).toBe('WIRE_REQUEST_IN_FLIGHT')
        continue
      }
      const text = JSON.stringify(answer.body)
      expect(signed.get(requestId) ?? text).toBe(text)
      signed.set(requestId, text)
    }
    expect(signed.size).toBe(20)
    const leaves = await test.signer.journal.leaves(0, 10_000)
    const entries = leaves
      .map((leaf) => JSON.parse(leaf))
      .filter(({ requestId }) => /^asked-often/.test(requestId))
    expect(entries.filter(({ type }) => type === 'permit')).toHaveLength(20)
    expect(entries.filter(({ type }) => type === 'signed')).toHaveLength(20)
    expect((await pay(wallets, organisationLimit - 40n, 'fill-it-up')).status).toBe(200)
    expect(errorCode(await pay(wallets, 1n, 'one-over-now'))).toBe('POLICY_REFUSED')
  })

  it('of one id with different bodies: one is answered, the others are refused', async () => {
    const fresh = await test.walletUnder(paymentPolicy('test', walletLimit))
    ids.push(fresh.id)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => pay(ids.length - 1, BigInt(i + 1), 'one-id-many-bodies')),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const codes = answers.map((answer) => errorCode(answer) ?? 'signed')
    expect(new Set(codes)).toEqual(new Set(['signed', 'WIRE_REQUEST_ID_REUSED']))
  })

  it('make one wallet of one request id, and keep the journal whole', async () => {
    const requestId = 'one-new-wallet'
    const body = { type: 'EVM', policy: 'test' }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => test.ask('POST', '/v1/wallets', body, { by: test.admins, requestId })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(answers.map((answer) => (answer.body as { id: string }).id)).size).toBe(1)
    expect(test.signer.phase()).toBe('ready')
  })
})
