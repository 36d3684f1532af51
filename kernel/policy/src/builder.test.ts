import { describe, expect, it } from 'vitest'
import { calendar, policy, rolling } from './builder.ts'
import { alice, coin, token } from './fixtures.ts'
import { parsePolicy, policyHash } from './policy.ts'

describe('the builder', () => {
  const payroll = policy('payroll', { name: 'Payroll' })
    .group('treasurers', ['ann', 'ben'], 'Who pays')
    .prices({ currency: 'USD', by: ['oracle'], maxAge: '10m' })
    .permit('pay', 'native-transfer', {
      when: { recipient: [alice], amount: { max: 10n ** 18n }, value: { currency: 'USD', max: '5000' } },
      limits: [
        { id: 'daily', amount: 10n ** 18n, asset: coin, window: rolling('24h') },
        {
          id: 'monthly',
          value: '50000',
          currency: 'USD',
          window: calendar('month', 'Europe/Berlin'),
          per: 'recipient',
        },
      ],
      approvals: [{ group: 'treasurers', count: 1, excludeProposer: true }],
    })
    .permit('swap', ['swap'], {
      when: { asset: [coin], received: [token], minReceived: { rate: { received: 3000n, spent: 1n } } },
    })
    .forbid('no-digests', ['raw-digest', 'raw-message'])

  it('writes the JSON that the signer reads', () => {
    expect(JSON.parse(JSON.stringify(payroll))).toEqual({
      version: 1,
      id: 'payroll',
      name: 'Payroll',
      groups: { treasurers: { credentials: ['ann', 'ben'], description: 'Who pays' } },
      prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' },
      rules: [
        {
          id: 'pay',
          action: 'permit',
          effects: ['native-transfer'],
          when: {
            recipient: [alice],
            amount: { max: '1000000000000000000' },
            value: { currency: 'USD', max: '5000' },
          },
          limits: [
            { id: 'daily', amount: '1000000000000000000', asset: coin, window: { rolling: '24h' } },
            {
              id: 'monthly',
              value: '50000',
              currency: 'USD',
              window: { calendar: 'month', timeZone: 'Europe/Berlin' },
              per: 'recipient',
            },
          ],
          approvals: [{ group: 'treasurers', count: 1, excludeProposer: true }],
        },
        {
          id: 'swap',
          action: 'permit',
          effects: ['swap'],
          when: { asset: [coin], received: [token], minReceived: { rate: { received: '3000', spent: '1' } } },
        },
        { id: 'no-digests', action: 'forbid', effects: ['raw-digest', 'raw-message'] },
      ],
    })
    expect(parsePolicy(payroll.build()).hash).toBe(policyHash(payroll.build()))
  })

  it('leaves each beginning as it was', () => {
    const base = policy('a').permit('fees', 'fee')
    base.permit('more', 'message')
    expect(base.build().rules).toHaveLength(1)
  })

  it('refuses what the signer would refuse', () => {
    expect(() =>
      policy('a')
        .permit('x', 'fee', { when: { recipient: [alice] } })
        .build(),
    ).toThrow('has no recipient')
    expect(() => policy('a').permit('x', 'fee').permit('x', 'fee').build()).toThrow('each its own')
    // @ts-expect-error a forbid rule has no limits
    expect(() => policy('a').forbid('x', 'fee', { limits: [] }).build()).toThrow()
    // @ts-expect-error a kind that there is not
    expect(() => policy('a').permit('x', 'transfer').build()).toThrow('one of native-transfer')
  })
})
