import { describe, expect, it } from 'vitest'
import {
  alice,
  amountLimit,
  coin,
  countLimit,
  type LooseRule,
  otherChain,
  otherCoin,
  policy,
  policyWith,
  token,
} from './fixtures.ts'
import { type LintCode, lintCodes, lintPolicy } from './lint.ts'

const fees = { id: 'fees', effects: ['fee'], limits: [amountLimit(5n)] }
const pay = { effects: ['native-transfer'], when: { recipient: [alice] }, limits: [amountLimit(5n)] }
const codesOf = (...rules: LooseRule[]) => lintPolicy(policy(...rules)).map(({ code }) => code)

const swap = {
  effects: ['swap'],
  when: { contract: [alice], recipient: ['wallet'], received: [token], minReceived: { amount: '1' } },
  limits: [amountLimit(5n)],
}
const staff = { staff: { credentials: ['ann', 'ben'] } }
const prices = { currency: 'USD', by: ['oracle'], maxAge: '10m' }
const approved = (more: object) => ({ ...pay, approvals: [{ group: 'staff', ...more }] })
const careful = (rules: LooseRule[]) => policyWith({ groups: staff, prices }, ...rules)

const cases: readonly [LintCode, LooseRule[]][] = [
  ['no-permit', []],
  ['no-fee', [pay]],
  ['any-recipient', [fees, { effects: ['native-transfer'], limits: [amountLimit(5n)] }]],
  ['any-contract', [fees, { effects: ['contract-call'] }]],
  [
    'any-spender',
    [{ effects: ['approval'], operations: ['sign-transaction'], limits: [amountLimit(5n, token)] }],
  ],
  ['any-delegate', [{ effects: ['delegation'] }]],
  [
    'any-chain',
    [fees, { ...pay, when: { recipient: [alice], amount: { max: '5' } }, limits: [countLimit(3)] }],
  ],
  ['no-amount-cap', [fees, { ...pay, limits: [countLimit(3)] }]],
  [
    'no-window',
    [
      fees,
      { effects: ['native-transfer'], when: { recipient: [alice], asset: [coin], amount: { max: '5' } } },
    ],
  ],
  [
    'approval-without-limit',
    [{ effects: ['approval'], operations: ['sign-transaction'], when: { spender: [alice] } }],
  ],
  [
    'approval-without-end',
    [{ effects: ['approval'], when: { spender: [alice] }, limits: [amountLimit(5n, token)] }],
  ],
  ['no-fee-cap', [{ effects: ['fee'] }]],
  ['any-program', [fees, { effects: ['program-call'] }]],
  ['any-safe', [{ effects: ['safe-transaction'] }]],
  ['any-sender', [{ effects: ['user-operation'] }]],
  ['any-enforcer', [{ effects: ['delegation-grant'], when: { delegate: [alice] } }]],
  ['any-authority', [fees, { effects: ['token-authority'] }]],
  ['any-counterparty', [fees, { effects: ['stake'], limits: [amountLimit(5n)] }]],
  ['delegatecall', [fees, { effects: ['delegatecall'], when: { contract: [alice] } }]],
  ['swap-for-anything', [fees, { ...swap, when: { contract: [alice], recipient: ['wallet'] } }]],
  [
    'swap-without-minimum',
    [fees, { ...swap, when: { contract: [alice], recipient: ['wallet'], received: [token] } }],
  ],
  [
    'bearer-without-limit',
    [{ effects: ['message'], who: { bearer: true }, when: { text: { equals: 'a' } } }],
  ],
  ['approver-alone', [fees, approved({ count: 1 })]],
  ['approvals-unreachable', [fees, approved({ count: 2, excludeProposer: true })]],
  ['approvals-avoidable', [fees, approved({ count: 2 }), { effects: ['native-transfer'] }]],
  [
    'unbound-by-asset',
    [fees, { ...pay, limits: [{ id: 'day', value: '5', currency: 'USD', window: { rolling: '24h' } }] }],
  ],
  ['raw-digest', [{ effects: ['raw-digest'] }]],
  ['unknown-calldata', [fees, { effects: ['unknown-calldata'] }]],
  ['any-typed-data', [{ effects: ['typed-data'] }]],
  ['any-message', [{ effects: ['message'] }]],
  ['never-asked', [fees, { ...pay, operations: ['sign-message'] }]],
  [
    'asset-off-chain',
    [
      fees,
      {
        ...pay,
        when: { recipient: [alice], asset: [coin, otherCoin], chain: [otherChain] },
        limits: [amountLimit(5n, otherCoin, '24h', 'a')],
      },
    ],
  ],
  ['asset-without-limit', [fees, { ...pay, when: { recipient: [alice], asset: [coin, otherCoin] } }]],
  ['shadowed', [fees, pay, { action: 'forbid', effects: ['native-transfer'] }]],
]

describe('lintPolicy', () => {
  it.each(cases)('%s', (code, rules) => {
    const warnings = lintPolicy(careful(rules))
    expect(warnings.map((warning) => warning.code)).toContain(code)
    for (const { message, rule } of warnings) {
      expect(message).toMatch(/\.$/)
      if (rule !== undefined) expect(message).toContain(`Rule ${rule} `)
    }
  })

  it('every code has a case', () => {
    expect(new Set(cases.map(([code]) => code))).toEqual(new Set(Object.keys(lintCodes)))
  })

  it('has nothing to say of a careful policy', () => {
    expect(codesOf(pay, fees)).toEqual([])
    expect(lintPolicy(careful([swap, fees, approved({ count: 1, excludeProposer: true })]))).toEqual([])
    expect(
      codesOf(
        {
          effects: ['approval'],
          when: { spender: [alice], expiresWithin: '1h' },
          limits: [amountLimit(5n, token)],
        },
        { effects: ['typed-data'], when: { contract: [alice], typedData: { primaryType: ['Permit'] } } },
        { effects: ['message'], when: { text: { equals: 'hello' } } },
        { effects: ['raw-digest'], when: { digest: [`0x${'11'.repeat(32)}`] } },
        { action: 'forbid', effects: ['native-transfer'] },
      ),
    ).toEqual([])
  })
})
