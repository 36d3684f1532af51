import { describe, expect, it } from 'vitest'
import {
  address,
  alice,
  amountLimit,
  bob,
  coin,
  countLimit,
  document,
  type LooseRule,
  nft,
  token,
} from './fixtures.ts'
import { loosens } from './loosens.ts'
import { type Policy, parsePolicy } from './policy.ts'

const policy = (rules: readonly LooseRule[], more: object = {}): Policy =>
  parsePolicy({ ...document(...rules), ...more })

const pay = { effects: ['native-transfer'] }
const payTo = (...recipients: string[]) => ({ ...pay, when: { recipient: recipients } })
const forbidTo = (...recipients: string[]) => ({ ...payTo(...recipients), action: 'forbid' })
const groups = (...credentials: string[]) => ({ groups: { board: { credentials } } })
const board = (count: number, more: object = {}) => ({
  ...pay,
  approvals: [{ group: 'board', count, ...more }],
})

type Case = readonly [what: string, before: LooseRule, after: LooseRule]

const tightenings: readonly Case[] = [
  ['the same rule', payTo(alice), payTo(alice)],
  ['other words about it', payTo(alice), { ...payTo(alice), description: 'rent' }],
  ['fewer recipients', payTo(alice, bob), payTo(bob)],
  ['another spelling of an address', payTo(alice), payTo(alice.toUpperCase().replace('0X', '0x'))],
  ['one more condition', pay, payTo(alice)],
  [
    'a lower maximum',
    { ...pay, when: { amount: { max: '10' } } },
    { ...pay, when: { amount: { max: '9' } } },
  ],
  [
    'a higher minimum',
    { ...pay, when: { amount: { max: '10' } } },
    { ...pay, when: { amount: { min: '1', max: '10' } } },
  ],
  ['a lower limit', { ...pay, limits: [amountLimit(10n)] }, { ...pay, limits: [amountLimit(9n)] }],
  ['a limit where there was none', pay, { ...pay, limits: [amountLimit(9n)] }],
  [
    'a count beside an amount',
    { ...pay, limits: [amountLimit(9n)] },
    { ...pay, limits: [amountLimit(9n), countLimit(3)] },
  ],
  [
    'fewer credentials',
    { ...pay, who: { credentials: ['cred_1', 'cred_2'] } },
    { ...pay, who: { credentials: ['cred_1'] } },
  ],
  ['a role where there was none', pay, { ...pay, who: { roles: ['agent'] } }],
  ['fewer effects', { effects: ['native-transfer', 'fee'] }, pay],
  ['fewer operations', pay, { ...pay, operations: ['sign-transaction'] }],
  [
    'a shorter time',
    { ...pay, during: { until: '2027-01-02T00:00:00Z' } },
    { ...pay, during: { until: '2027-01-01T00:00:00Z' } },
  ],
  [
    'hours where there were none',
    pay,
    { ...pay, during: { timeZone: 'UTC', hours: [{ from: '08:00', to: '09:00' }] } },
  ],
  [
    'fewer days',
    { ...pay, during: { timeZone: 'UTC', days: ['mon', 'tue'] } },
    { ...pay, during: { timeZone: 'UTC', days: ['mon'] } },
  ],
  ['a sooner expiry', approveWithin('2h'), approveWithin('30m')],
  ['one text of two', say({ in: ['a', 'b'] }), say({ equals: 'a' })],
  ['a narrower range of an argument', call({ min: '1', max: '9' }), call({ min: '2', max: '8' })],
  ['a forbid rule more', payTo(alice), forbidTo(bob)],
]

const loosenings: readonly Case[] = [
  ['another recipient', payTo(alice), payTo(alice, bob)],
  ['one condition less', payTo(alice), pay],
  [
    'a higher maximum',
    { ...pay, when: { amount: { max: '10' } } },
    { ...pay, when: { amount: { max: '11' } } },
  ],
  ['no maximum', { ...pay, when: { amount: { max: '10' } } }, { ...pay, when: { amount: { min: '1' } } }],
  ['a higher limit', { ...pay, limits: [amountLimit(10n)] }, { ...pay, limits: [amountLimit(11n)] }],
  ['no limit', { ...pay, limits: [amountLimit(10n)] }, pay],
  [
    'a shorter window',
    { ...pay, limits: [amountLimit(10n)] },
    { ...pay, limits: [amountLimit(10n, coin, '12h')] },
  ],
  [
    'a longer window, which starts empty',
    { ...pay, limits: [amountLimit(10n)] },
    { ...pay, limits: [amountLimit(1n, coin, '7d')] },
  ],
  [
    'a renamed limit, which starts empty',
    { ...pay, limits: [amountLimit(10n)] },
    { ...pay, limits: [amountLimit(9n, coin, '24h', 'other')] },
  ],
  [
    'a limit on one more asset, which lets it in',
    { effects: ['token-transfer'], limits: [amountLimit(9n, token)] },
    { effects: ['token-transfer'], limits: [amountLimit(9n, token), amountLimit(1n, nft, '24h', 'nft')] },
  ],
  [
    'an asset list, which decides how an amount is read',
    { effects: ['token-transfer'], when: { amount: { max: '1' } } },
    { effects: ['token-transfer'], when: { amount: { max: '1' }, asset: [nft] } },
  ],
  ['others’ tokens', { effects: ['token-transfer'] }, { effects: ['token-transfer'], when: { from: [bob] } }],
  [
    'a type of permit that cannot be read',
    { effects: ['typed-data'] },
    { effects: ['typed-data'], when: { typedData: { primaryType: ['PermitOfMine'] } } },
  ],
  ['more credentials', { ...pay, who: { credentials: ['cred_1'] } }, pay],
  ['API keys', pay, { ...pay, who: { bearer: true } }],
  ['more effects', pay, { effects: ['native-transfer', 'fee'] }],
  [
    'a longer time',
    { ...pay, during: { until: '2027-01-01T00:00:00Z' } },
    { ...pay, during: { until: '2027-01-02T00:00:00Z' } },
  ],
  ['no time', { ...pay, during: { until: '2027-01-01T00:00:00Z' } }, pay],
  [
    'another time zone',
    { ...pay, during: { timeZone: 'UTC', days: ['mon'] } },
    { ...pay, during: { timeZone: 'Asia/Tokyo', days: ['mon'] } },
  ],
  [
    'hours that reach into the next day',
    { ...pay, during: { timeZone: 'UTC', days: ['mon'] } },
    { ...pay, during: { timeZone: 'UTC', days: ['mon'], hours: [{ from: '22:00', to: '06:00' }] } },
  ],
  ['a later expiry', approveWithin('30m'), approveWithin('2h')],
  ['another text', say({ equals: 'a' }), say({ in: ['a', 'b'] })],
  ['a wider range of an argument', call({ min: '1', max: '9' }), call({ max: '9' })],
  ['a rule that forbids less', forbidTo(alice, bob), forbidTo(alice)],
  ['a rule that forbids under one more condition', { ...pay, action: 'forbid' }, forbidTo(alice)],
  [
    'a longer list of texts that are forbidden, which can turn “cannot be judged” into “no”',
    { ...say({ in: ['a'] }), action: 'forbid' },
    { ...say({ in: ['a', 'b'] }), action: 'forbid' },
  ],
]

function approveWithin(expiresWithin: string): LooseRule {
  return { effects: ['approval'], when: { expiresWithin } }
}

function say(text: object): LooseRule {
  return { effects: ['message'], when: { text } }
}

function call(test: object): LooseRule {
  return {
    effects: ['contract-call'],
    when: { function: { abi: 'function set(uint256 x)', args: { x: test } } },
  }
}

describe('what a change of a policy may let through', () => {
  it.each(tightenings)('nothing: %s', (_what, before, after) => {
    const rules = after.action === 'forbid' ? [before, after] : [after]
    expect(loosens(policy([before]), policy(rules))).toEqual([])
  })

  it.each(loosenings)('something: %s', (_what, before, after) => {
    const reasons = loosens(policy([before]), policy([after]))
    expect(reasons).toHaveLength(1)
    expect(reasons[0]).toMatchObject({ rule: 'r0', why: expect.stringMatching(/\w{3}/) })
  })

  it('a forbid rule that forbids more lets nothing through', () => {
    const pairs: readonly (readonly [LooseRule, LooseRule])[] = [
      [forbidTo(alice), forbidTo(alice, bob)],
      [forbidTo(alice), { ...pay, action: 'forbid' }],
      [{ ...forbidTo(alice), who: { bearer: true } }, forbidTo(alice)],
    ]
    for (const [before, after] of pairs) expect(loosens(policy([before]), policy([after]))).toEqual([])
    expect(loosens(policy([pairs[2]![1]]), policy([pairs[2]![0]]))).toHaveLength(1)
  })

  it('a forbid rule that becomes a permit rule does both', () => {
    const why = loosens(policy([forbidTo(alice)]), policy([pay])).map((reason) => reason.why)
    expect(why).toEqual(['a forbid rule is gone', 'a permit rule is new'])
  })

  it('no policy permits nothing', () => {
    const some = policy([payTo(alice)])
    expect(loosens(undefined, undefined)).toEqual([])
    expect(loosens(some, undefined)).toEqual([])
    expect(loosens(undefined, policy([forbidTo(alice)]))).toEqual([])
    expect(loosens(undefined, some)).toEqual([{ rule: 'r0', why: expect.any(String) }])
  })

  it('a rule less, a new rule, a moved rule', () => {
    const two = policy([payTo(alice), payTo(bob)])
    expect(loosens(two, policy([payTo(alice)]))).toEqual([])
    expect(loosens(policy([payTo(alice)]), two)).toEqual([{ rule: 'r1', why: 'a permit rule is new' }])
    // Under another id, as nothing is counted by it.
    expect(loosens(two, policy([payTo(bob)]))).toEqual([])
    const counted = policy([payTo(alice), { ...payTo(bob), limits: [countLimit(1)] }])
    expect(loosens(counted, policy([{ ...payTo(bob), limits: [countLimit(1)] }]))).toHaveLength(1)
  })

  it('the same limits in another policy start anew', () => {
    const rules = [{ ...pay, limits: [amountLimit(10n)] }]
    expect(loosens(policy(rules), policy(rules, { id: 'other' }))).toHaveLength(1)
    expect(loosens(policy([payTo(alice)]), policy([payTo(alice)], { id: 'other' }))).toEqual([])
  })

  it('approvals: more of them by fewer tighten, and the reverse loosens', () => {
    const two = groups('cred_1', 'cred_2')
    const three = groups('cred_1', 'cred_2', 'cred_3')
    const of = (rule: LooseRule, group = two) => policy([rule], group)
    expect(loosens(of(board(1)), of(board(2)))).toEqual([])
    expect(loosens(of(pay, {} as never), of(board(1)))).toEqual([])
    expect(loosens(of(board(1), three), of(board(1), two))).toEqual([])
    expect(loosens(of(board(1)), of(board(1, { excludeProposer: true })))).toEqual([])
    expect(loosens(of(board(1)), of(board(1, { within: '1h' })))).toEqual([])
    expect(loosens(of(board(2)), of(board(1)))).toHaveLength(1)
    expect(loosens(of(board(1)), of(pay))).toHaveLength(1)
    expect(loosens(of(board(1), two), of(board(1), three))).toHaveLength(1)
    expect(loosens(of(board(1, { excludeProposer: true })), of(board(1)))).toHaveLength(1)
    expect(loosens(of(board(1, { within: '1h' })), of(board(1)))).toHaveLength(1)
    expect(loosens(of(board(1, { within: '1h' })), of(board(1, { within: '2h' })))).toHaveLength(1)
  })

  it('other prices are another measure', () => {
    const prices = (by: string) => ({ prices: { currency: 'USD', by: [by], maxAge: '10m' } })
    const rule = { ...pay, when: { value: { currency: 'USD', max: '10' } } }
    expect(loosens(policy([rule], prices('cred_1')), policy([rule], prices('cred_2')))).toHaveLength(1)
    expect(loosens(policy([pay]), policy([rule], prices('cred_2')))).toEqual([])
    const narrower = { ...pay, when: { value: { currency: 'USD', max: '9.99' } } }
    expect(loosens(policy([rule], prices('cred_1')), policy([narrower], prices('cred_1')))).toEqual([])
    expect(loosens(policy([narrower], prices('cred_1')), policy([rule], prices('cred_1')))).toHaveLength(1)
  })

  it('says every rule that it lies in', () => {
    const reasons = loosens(policy([payTo(alice), forbidTo(address(3))]), policy([pay, pay]))
    expect(reasons.map(({ rule }) => rule).sort()).toEqual(['r0', 'r1', 'r1'])
  })
})
