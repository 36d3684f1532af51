import type { JsonObject } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { listPayments, type PaymentSources } from './payments.ts'

const coin = 'eip155:1/slip44:60'
const token = `eip155:1/erc20:0x${'a'.repeat(40)}`
const nothing: PaymentSources = { rpcs: new Map(), decimals: new Map() }

const signed = (more: object): JsonObject => ({
  v: 1,
  at: '2026-01-31T10:00:00.000Z',
  type: 'signed',
  wallet: 'wal_1',
  address: '0x01',
  requestId: 'r-1',
  credential: 'cred_a',
  attribution: { agent: '=HYPERLINK("x")', workflow: 'payroll', operator: 'ops' },
  operation: 'sign-transaction',
  transactionHash: '0xfeed',
  transaction: { chain: 'eip155:1', nonce: 3 },
  ...more,
})
const pay = (effect: number, amountMinor: string, asset = coin) => ({
  kind: asset === coin ? 'native-transfer' : 'token-transfer',
  effect,
  asset,
  recipient: '0xbb',
  amountMinor,
})
const rowsOf = (entry: JsonObject, more: Partial<PaymentSources> = {}, permit?: JsonObject) =>
  listPayments([{ index: 7, entry, permit }], { ...nothing, ...more })

describe('payments', () => {
  it('are a line each, exact to the last digit, with one fee for a transaction', async () => {
    const huge = '115792089237316195423570985008687907853269984665640564039457584007913129639935'
    const fees = [{ asset: coin, maxMinor: '21000000000000' }]
    const rows = await rowsOf(signed({ payments: [pay(0, '1'), pay(1, huge)], fees }))
    expect(rows).toMatchObject([
      {
        time: '2026-01-31T10:00:00.000Z',
        journal_index: '7',
        wallet: 'wal_1',
        chain: 'eip155:1',
        amount: '0.000000000000000001',
        amount_unit: 'decimal',
        amount_minor: '1',
        fee_asset: coin,
        fee_cap: '0.000021',
        fee_paid: '',
        status: '',
        transaction_hash: '0xfeed',
        workflow: 'payroll',
        fiat_value: '',
      },
      { amount_minor: huge, fee_cap: '', fee_asset: '' },
    ])
    expect(rows[1]?.amount).toBe(
      '115792089237316195423570985008687907853269984665640564039457.584007913129639935',
    )
  })

  it('of tokens whose decimals nobody says are in the smallest unit, and say so', async () => {
    const entry = signed({ payments: [pay(0, '2500000', token)] })
    expect(await rowsOf(entry)).toMatchObject([{ amount: '2500000', amount_unit: 'minor' }])
    const told = await rowsOf(entry, { decimals: new Map([[token, 6]]) })
    expect(told).toMatchObject([{ amount: '2.5', amount_unit: 'decimal' }])
    const answers = (decimals: string) => new Map([['eip155:1', async () => decimals]])
    const word = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}`
    expect(await rowsOf(entry, { rpcs: decimalsOnly(answers(word(6n))) })).toMatchObject([{ amount: '2.5' }])
    for (const lie of ['0x', word(78n), word(2n ** 255n), 'six'])
      expect(await rowsOf(entry, { rpcs: decimalsOnly(answers(lie)) })).toMatchObject([
        { amount: '2500000', amount_unit: 'minor' },
      ])
  })

  it('have the worth that the decision counted, and whose price that was', async () => {
    const price = (more: object) => ({
      fact: {
        type: 'price',
        asset: coin,
        currency: 'EUR',
        price: '3012.45',
        atMs: 1_769_850_000_000,
        credentialId: 'cred_oracle',
        ...more,
      },
      signature: 'x',
    })
    const permit = { type: 'permit', facts: [price({}), price({ asset: token }), price({ currency: 'USD' })] }
    const values = [{ effect: 1, currency: 'EUR', amount: '6024.9' }]
    const entry = signed({ payments: [pay(0, '5'), pay(1, '2000000000000000000')], values })
    const [first, second] = await rowsOf(entry, {}, permit)
    expect(first).toMatchObject({ fiat_currency: '', fiat_value: '', fiat_price_by: '' })
    expect(second).toMatchObject({
      amount: '2',
      fiat_currency: 'EUR',
      fiat_value: '6024.9',
      fiat_price: '3012.45',
      fiat_price_at: '2026-01-31T09:00:00.000Z',
      fiat_price_by: 'cred_oracle',
    })
  })

  it('show what the chain took, and what did not come about', async () => {
    const fees = [{ asset: coin, maxMinor: '30000' }]
    const entry = signed({ payments: [pay(0, '1')], fees })
    const chain = (receipt: unknown) => ({ rpcs: new Map([['eip155:1', async () => receipt]]) })
    const receipt = { gasUsed: '0x5208', effectiveGasPrice: '0x1', status: '0x1', l1Fee: '0x7' }
    expect(await rowsOf(entry, chain(receipt))).toMatchObject([
      { fee_paid: '0.000000000000021007', status: 'mined' },
    ])
    expect(await rowsOf(entry, chain({ ...receipt, status: '0x0' }))).toMatchObject([{ status: 'reverted' }])
    expect(await rowsOf(entry, chain(null))).toMatchObject([{ fee_paid: '', status: 'not mined' }])
  })

  it('are none where nothing was paid; a transaction that only costs its fee is a line', async () => {
    expect(await rowsOf(signed({ transactionHash: null }))).toEqual([])
    const call = await rowsOf(signed({ fees: [{ asset: coin, maxMinor: '9' }] }))
    expect(call).toMatchObject([{ kind: 'call', amount: '', fee_cap: '0.000000000000000009' }])
  })
})

/** Everything but `decimals()` is not known to this chain. */
function decimalsOnly(rpcs: ReadonlyMap<string, () => Promise<string>>): PaymentSources['rpcs'] {
  return new Map(
    [...rpcs].map(([chain, answer]) => [
      chain,
      async (method: string) => (method === 'eth_call' ? answer() : null),
    ]),
  )
}
