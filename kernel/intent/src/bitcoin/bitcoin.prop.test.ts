import { encodeHex } from '@countersign/bytes'
import { SigHash, Transaction } from '@scure/btc-signer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bitcoinMain,
  keys,
  otherScripts,
  ownScripts,
  psbtOf,
  type Spend,
  sign,
} from '../../testing/bitcoin-psbts.ts'
import { mutationsOf, unlessRefused } from '../../testing/mutations.ts'
import { bitcoinTransactionIntent } from './bitcoin-transaction-intent.ts'
import { decodePsbt, encodePsbt } from './psbt.ts'
import { finalizePsbt } from './signed-psbt.ts'
import { encodeWithoutWitness } from './transaction-bytes.ts'

/** COUNTERSIGN_FUZZ_RUNS=100000 for the long run. */
const fuzzRuns = Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 1_500)
const fuzzTimeoutMs = 1_800_000

const scripts = fc.constantFrom(ownScripts.p2wpkh, ownScripts.p2tr, otherScripts.p2wpkh, otherScripts.p2tr)
const amounts = fc.bigInt({ min: 1n, max: 1_000_000_000n })
const spends: fc.Arbitrary<Spend> = fc.record({
  script: scripts,
  amount: amounts,
  proof: fc.constantFrom('previous' as const, 'both' as const),
  sequence: fc.constantFrom(0, 1, 0xfffffffd, 0xfffffffe, 0xffffffff),
})
const outputs = fc.record({
  script: fc.oneof(
    scripts,
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => Uint8Array.of(0, 32, ...hash)),
    fc.uint8Array({ minLength: 1, maxLength: 70 }).map((data) => Uint8Array.of(0x6a, data.length, ...data)),
  ),
  amount: fc.bigInt({ min: 0n, max: 1_000_000n }),
})
const cases = fc.record({
  spends: fc
    .array(spends, { minLength: 1, maxLength: 4 })
    .filter((list) => list.some(({ script }) => script === ownScripts.p2wpkh || script === ownScripts.p2tr)),
  outputs: fc.array(outputs, { minLength: 1, maxLength: 4 }),
  version: fc.constantFrom(0 as const, 2 as const),
  lockTime: fc.constantFrom(0, 1, 800_000, 1_700_000_000),
})
const sum = (list: readonly { amount: bigint }[]) => list.reduce((total, { amount }) => total + amount, 0n)
const intentOf = (psbt: Uint8Array) => bitcoinTransactionIntent({ psbt, chain: bitcoinMain, keys })

describe('against @scure/btc-signer', () => {
  it('reads the same transaction, and signs what it would sign', () => {
    fc.assert(
      fc.property(cases, ({ spends, outputs, version, lockTime }) => {
        const { psbt, transaction } = psbtOf(spends, outputs, { version, lockTime })
        const decoded = decodePsbt(psbt)
        expect(encodeHex(encodePsbt(decoded))).toBe(encodeHex(psbt))
        expect(encodeHex(encodeWithoutWitness(decoded.transaction))).toBe(encodeHex(transaction.unsignedTx))
        const intent = unlessRefused(() => intentOf(psbt))
        if (sum(spends) < sum(outputs)) {
          expect(intent).toBeUndefined()
          return
        }
        expect(intent?.effects.at(-1)).toMatchObject({ kind: 'fee', amountMinor: transaction.fee })
        for (const { index, algorithm, toSign } of intent?.bitcoin?.inputs ?? []) {
          const { script, amount } = spends[index]!
          const theirs =
            algorithm === 'ecdsa'
              ? transaction.preimageWitnessV0(index, scriptCodeOf(script), SigHash.ALL, amount)
              : transaction.preimageWitnessV1(
                  index,
                  spends.map((one) => one.script),
                  SigHash.DEFAULT,
                  spends.map((one) => one.amount),
                )
          expect(encodeHex(toSign)).toBe(encodeHex(theirs))
        }
        // Nothing is lost: transfers, data, change and fee are all that comes in.
        const seen = intent!.effects.reduce(
          (total, effect) => total + ('amountMinor' in effect ? (effect.amountMinor ?? 0n) : 0n),
          intent!.bitcoin!.change.reduce((total, { amountMinor }) => total + amountMinor, 0n),
        )
        expect(seen).toBe(sum(spends))
        const foreign = spends.some(({ script }) => !Object.values(ownScripts).includes(script))
        const input = { psbt, chain: bitcoinMain, keys }
        const signatures = intent!.bitcoin!.inputs.map((one) => ({ index: one.index, signature: sign(one) }))
        const signed = finalizePsbt(input, signatures)
        expect(signed.transaction === undefined).toBe(foreign)
        if (signed.transaction !== undefined) {
          const raw = Transaction.fromRaw(signed.transaction, { allowUnknownOutputs: true })
          expect(raw.id).toBe(intent!.bitcoin!.transactionId)
        }
      }),
      { numRuns: 60 },
    )
  })
})

/** BIP-143: for P2WPKH that of P2PKH. */
function scriptCodeOf(script: Uint8Array): Uint8Array {
  return Uint8Array.of(0x76, 0xa9, 0x14, ...script.subarray(2), 0x88, 0xac)
}

describe('hostile bytes', () => {
  // Making a PSBT takes far longer than reading one: many mutations of few.
  const valid = fc
    .sample(cases, { numRuns: 200, seed: 7 })
    .map(({ spends, outputs, version, lockTime }) => psbtOf(spends, outputs, { version, lockTime }).psbt)

  it('near a PSBT: refused, or read as exactly those bytes, with every output an effect or change', {
    timeout: fuzzTimeoutMs,
  }, () => {
    let taken = 0
    fc.assert(
      fc.property(fc.constantFrom(...valid).chain(mutationsOf), (bytes) => {
        const intent = unlessRefused(() => intentOf(bytes))
        if (intent === undefined) return
        taken++
        const decoded = decodePsbt(bytes)
        expect(encodeHex(encodePsbt(decoded))).toBe(encodeHex(bytes))
        const { change, inputs } = intent.bitcoin!
        expect(intent.effects.length - 1 + change.length).toBe(decoded.transaction.outputs.length)
        expect(intent.effects.filter(({ kind }) => kind === 'fee')).toHaveLength(1)
        expect(inputs.length).toBeGreaterThan(0)
      }),
      { numRuns: fuzzRuns },
    )
    expect(taken).toBeGreaterThan(fuzzRuns / 50)
  })

  it('noise: only its own errors', () => {
    const noise = fc
      .uint8Array({ maxLength: 200 })
      .map((rest) => Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff, ...rest))
    fc.assert(
      fc.property(noise, (bytes) => {
        unlessRefused(() => intentOf(bytes))
      }),
      { numRuns: fuzzRuns },
    )
  })
})
