import type { Address, AssetId, ChainId } from '@countersign/bytes'
import type { Effect, Intent } from '@countersign/intent'
import { describe, expect, it } from 'vitest'
import { evidenceOf } from './evidence.ts'

const chain = 'eip155:8453' as ChainId
const [payee, account] = [
  '0x00000000000000000000000000000000000000aa',
  '0x00000000000000000000000000000000000000bb',
]
const coin = `${chain}/slip44:60` as AssetId

const intentOf = (more: object, effects: readonly object[]) => ({ effects, ...more }) as unknown as Intent
const pay = (amountMinor: bigint, more: object = {}) =>
  ({ kind: 'native-transfer', asset: coin, recipient: payee, amountMinor, ...more }) as unknown as Effect

describe('what the journal says of a signature in fields', () => {
  it('is each payment with the effect that it is, exact to the last digit', () => {
    const large = 123_456_789_012_345_678_901_234_567_890n
    const fee = { kind: 'fee', asset: coin, amountMinor: 7n }
    const evidence = evidenceOf(
      intentOf({ operation: 'sign-transaction', chain, transaction: { nonce: 4n } }, [
        fee,
        pay(0n),
        pay(large),
        { kind: 'contract-call', contract: payee },
        { kind: 'token-transfer', assets: ['a', 'b'], recipient: payee, amountMinor: 5n, from: account },
      ]),
    )
    expect(evidence).toEqual({
      transaction: { chain, nonce: 4 },
      payments: [
        { kind: 'native-transfer', effect: 2, asset: coin, recipient: payee, amountMinor: String(large) },
        {
          kind: 'token-transfer',
          effect: 4,
          asset: 'a or b',
          recipient: payee,
          amountMinor: '5',
          from: account,
        },
      ],
      fees: [{ asset: coin, maxMinor: '7' }],
    })
  })

  it('is the smart account of a user operation, the outer one', () => {
    const operation = (sender: string) => ({
      kind: 'user-operation',
      chain,
      entryPoint: payee as Address,
      sender,
      userOpHash: '0x',
    })
    const effects = [operation(account), pay(1n, { account }), operation(payee)]
    expect(evidenceOf(intentOf({ operation: 'sign-user-operation', chain }, effects))).toEqual({
      userOperation: { chain, entryPoint: payee, sender: account },
      payments: [
        {
          kind: 'native-transfer',
          effect: 1,
          asset: coin,
          recipient: payee,
          amountMinor: '1',
          from: account,
        },
      ],
    })
    // handleOps that a bundler sends: its own transaction, and nobody's signature as a user operation.
    const bundled = evidenceOf(intentOf({ operation: 'sign-transaction' }, [operation(account)]))
    expect(bundled.userOperation).toBeUndefined()
  })

  it('is nothing where nothing is paid', () => {
    expect(evidenceOf(intentOf({ operation: 'sign-message' }, [{ kind: 'message' }]))).toEqual({})
  })
})
