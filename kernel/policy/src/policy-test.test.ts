import { encodeBase64, encodeHex } from '@countersign/bytes'
import { address } from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import { describe, expect, it } from 'vitest'
import { keys, otherScripts, ownScripts, psbtOf } from '../../intent/testing/bitcoin-psbts.ts'
import { kitMessage, solanaAccount, wallet as solanaWallet } from '../../intent/testing/solana-messages.ts'
import { alice, amountLimit, bitcoin, bob, chain, coin, nowMs, policyWith, token } from './fixtures.ts'
import { runPolicyTests } from './policy-test.ts'

const parsed = policyWith(
  {
    groups: { staff: { credentials: ['ann', 'ben'] } },
    prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' },
  },
  { id: 'pay', effects: ['native-transfer'], when: { recipient: ['@payees'] }, limits: [amountLimit(1000n)] },
  {
    id: 'large',
    effects: ['native-transfer'],
    when: { recipient: ['@payees'], value: { currency: 'USD', max: '100' } },
    approvals: [{ group: 'staff', count: 1 }],
    during: { timeZone: 'UTC', days: ['mon'] },
  },
  { id: 'hello', effects: ['message'], when: { text: { equals: 'hello' } } },
  { id: 'swap', effects: ['swap'], requires: { simulation: { by: ['sim'] } } },
)

const books = [{ version: 1, id: 'payees', addresses: [{ address: alice }] }]
const pay = (amountMinor: string, recipient: string = alice) => ({
  effects: [{ kind: 'native-transfer', chain, asset: coin, recipient, amountMinor }],
})
const swap = {
  effects: [
    {
      kind: 'swap',
      chain,
      contract: bob,
      selector: '0x414BF389',
      asset: coin,
      amountMinor: '5',
      receivedAsset: token,
      receivedMinor: '7',
      recipient: alice,
    },
  ],
}
const price = { by: 'oracle', asset: coin, currency: 'USD', price: '1', decimals: 1 }
/** Of any account. */
const ruleOf = (kind: string) => ({
  effects: [kind],
  ...(['user-operation', 'fee'].includes(kind) ? { when: { account: ['wallet', bob] } } : {}),
})
const solanaNetwork = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const run = (...cases: object[]) => runPolicyTests(parsed, { version: 1, books, cases }, { nowMs })

describe('runPolicyTests', () => {
  it('decides every case', () => {
    const report = run(
      { name: 'pays', request: pay('1000'), expect: 'permitted', rules: ['pay'] },
      {
        name: 'not more',
        request: pay('1'),
        used: { 'pay|day': '1000' },
        at: '2026-11-24T12:00:00Z',
        expect: 'refused',
        reasons: ['POLICY_WINDOW', 'POLICY_TIME', 'POLICY_PRICE'],
      },
      { name: 'nobody else', request: pay('1', bob), expect: 'refused', reasons: ['POLICY_RECIPIENT'] },
      {
        name: 'waits',
        request: pay('1000'),
        used: { 'pay|day': '1' },
        at: '2026-11-23T12:00:00Z',
        prices: [price],
        expect: 'needs-approval',
        rules: ['large'],
      },
      {
        name: 'approved',
        request: pay('1000'),
        used: { 'pay|day': '1' },
        at: '2026-11-23T12:00:00Z',
        prices: [price],
        approvals: ['ben'],
        expect: 'permitted',
      },
      {
        name: 'stale',
        request: pay('1000'),
        used: { 'pay|day': '1' },
        at: '2026-11-23T12:00:00Z',
        prices: [{ ...price, ageS: 601 }],
        approvals: ['ben'],
        expect: 'refused',
        reasons: ['POLICY_PRICE'],
      },
      { name: 'hello', request: { message: 'hello' }, expect: 'permitted' },
      { name: 'goodbye', request: { message: 'goodbye' }, as: { role: 'admin' }, expect: 'refused' },
      {
        name: 'a digest',
        request: { raw: `0x${'11'.repeat(32)}` },
        expect: 'refused',
        reasons: ['POLICY_NO_RULE'],
      },
      {
        name: 'simulated',
        request: swap,
        wallet: { address: `0x${'0a'.repeat(20)}` },
        simulations: [{ by: 'sim', outcome: 'success' }],
        expect: 'permitted',
      },
      { name: 'not simulated', request: swap, expect: 'refused', reasons: ['POLICY_SIMULATION'] },
    )
    expect(report.cases.filter(({ passed }) => !passed)).toEqual([])
    expect(report).toMatchObject({ passed: 11, failed: 0 })
  })

  it('decodes whatever wallets sign, as the signer does', () => {
    const transfer = getTransferSolInstruction({
      source: { address: address(solanaWallet) } as never,
      destination: address(solanaAccount(0xaa)),
      amount: 5n,
    })
    const spend = { script: ownScripts.p2wpkh, amount: 9_000n, proof: 'both' } as const
    const { psbt } = psbtOf([spend], [{ script: otherScripts.p2wpkh, amount: 8_000n }])
    const operation = {
      ...{ sender: bob, nonce: '1', callData: '0x', callGasLimit: '1', verificationGasLimit: '1' },
      ...{ preVerificationGas: '1', maxFeePerGas: '1', maxPriorityFeePerGas: '1' },
    }
    const entryPoint = '0x0000000071727De22E5E9d8BAf0edAc6f37da032'
    const solana = { message: encodeBase64(kitMessage([transfer])), chain: solanaNetwork }
    const publicKey = encodeHex(keys.publicKey)
    const bitcoinRequest = { psbt: encodeBase64(psbt), chain: bitcoin, publicKey, form: 'p2wpkh' }
    const requests: [object, string[], object?][] = [
      [{ authorization: { contractAddress: alice, chainId: 1, nonce: 0 } }, ['delegation']],
      [{ userOperation: { entryPoint, chainId: 8453, operation } }, ['user-operation', 'fee']],
      [{ solana }, ['native-transfer', 'fee'], { address: solanaWallet }],
      [{ bitcoin: bitcoinRequest }, ['native-transfer', 'fee']],
    ]
    for (const [request, kinds, wallet] of requests) {
      // Each effect by a rule that is about its kind alone, so that the rules name what was decoded.
      const permissive = policyWith({}, ...[...new Set(kinds)].map((kind) => ({ id: kind, ...ruleOf(kind) })))
      const decided = (more: object) =>
        runPolicyTests(permissive, { version: 1, cases: [{ name: 'a', request, ...more }] }, { nowMs })
      const right = { ...(wallet === undefined ? {} : { wallet }), expect: 'permitted', rules: kinds }
      expect(decided(right).cases.flatMap(({ problems }) => problems)).toEqual([])
      expect(decided({ ...right, rules: ['pay'] }).failed).toBe(1)
    }
    expect(() => run({ name: 'a', request: { solana }, expect: 'refused' })).toThrow(
      'the address of the wallet',
    )
  })

  it('says what is not as expected', () => {
    const report = run(
      { name: 'a', request: pay('1'), expect: 'refused', reasons: ['POLICY_TEXT'], rules: ['large'] },
      { name: 'b', request: pay('1'), used: { 'fees|day': '1' }, expect: 'permitted' },
    )
    expect(report).toMatchObject({ passed: 0, failed: 2 })
    expect(report.cases[0]?.problems).toEqual([
      'it is permitted, not refused',
      'POLICY_TEXT is not among the reasons',
      'its effects are permitted by pay, not by large',
    ])
    expect(report.cases[0]?.decision[0]).toBe('Permitted.')
    expect(report.cases[1]?.problems).toEqual(['"used" names fees|day, which no rule that fits counts in'])
  })

  const one = (more: object) => ({ name: 'a', request: pay('1'), expect: 'permitted', ...more })
  it.each<[string, unknown, string]>([
    ['no object', null, ''],
    ['no cases', { version: 1, cases: [] }, 'cases'],
    ['an outcome that is none', { version: 1, cases: [one({ expect: 'allowed' })] }, 'cases[0].expect'],
    [
      'two forms of a request',
      { version: 1, cases: [one({ request: { ...pay('1'), message: 'a' } })] },
      'cases[0].request',
    ],
    [
      'an operation beside what says it',
      { version: 1, cases: [one({ request: { message: 'a', operation: 'sign-raw' } })] },
      'cases[0].request.operation',
    ],
    [
      'bytes that do not decode',
      { version: 1, cases: [one({ request: { transaction: '0x02ff' } })] },
      'cases[0].request',
    ],
    [
      'an effect that is none',
      { version: 1, cases: [one({ request: { effects: [{ kind: 'x' }] } })] },
      'cases[0].request.effects[0].kind',
    ],
    [
      'a field that the effect does not have',
      { version: 1, cases: [one({ request: { effects: [{ ...pay('1').effects[0], to: alice }] } })] },
      'cases[0].request.effects[0].to',
    ],
    [
      'a field that is missing',
      { version: 1, cases: [one({ request: { effects: [{ kind: 'fee', chain }] } })] },
      'cases[0].request.effects[0].asset',
    ],
    [
      'an amount as a number',
      { version: 1, cases: [one({ request: { effects: [{ ...pay('1').effects[0], amountMinor: 1 }] } })] },
      'cases[0].request.effects[0].amountMinor',
    ],
    [
      'an address that is none',
      { version: 1, cases: [one({ request: pay('1', 'alice') })] },
      'cases[0].request',
    ],
    [
      'a price that is none',
      { version: 1, cases: [one({ prices: [{ ...price, price: 'high' }] })] },
      'cases[0].prices',
    ],
    [
      'a simulation by nobody',
      { version: 1, cases: [one({ simulations: [{ by: 'sim', outcome: 'success' }] })] },
      'cases[0].wallet',
    ],
  ])('refuses %s', (_name, file, path) => {
    expect(() => runPolicyTests(parsed, file, { nowMs })).toThrow(
      expect.objectContaining({ code: 'POLICY_TEST_INVALID', details: expect.objectContaining({ path }) }),
    )
  })
})
