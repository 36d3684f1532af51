import { concatBytes, encodeHex, sha256 } from '@countersign/bytes'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { Transaction } from '@scure/btc-signer'
import { describe, expect, it } from 'vitest'
import {
  bitcoinMain,
  bitcoinTest,
  keys,
  otherScripts,
  otherSecret,
  ownScripts,
  previousTransaction,
  psbtOf,
  publicKey,
  type Spend,
  secret,
  sign,
} from '../../testing/bitcoin-psbts.ts'
import { uintBytes, vector } from './bitcoin-bytes.ts'
import { bitcoinWalletAddress, p2trScript, p2wpkhScript } from './bitcoin-script.ts'
import { type BitcoinTransactionInput, bitcoinTransactionIntent } from './bitcoin-transaction-intent.ts'
import { derivationIndexMax, derivationsMax, deriveChild } from './own-keys.ts'
import { decodePsbt, encodePsbt, fieldValue, type PsbtField } from './psbt.ts'
import { finalizePsbt } from './signed-psbt.ts'
import { encodeTransaction } from './transaction-bytes.ts'

const { p2wpkh, p2tr } = ownScripts
const refusal = (code: string) => expect.objectContaining({ code })
const intentOf = (psbt: Uint8Array, more: Partial<BitcoinTransactionInput> = {}) =>
  bitcoinTransactionIntent({ psbt, chain: bitcoinMain, keys, ...more })
const spend = (script: Uint8Array, more: Partial<Spend> = {}): Spend => ({
  script,
  amount: 100_000n,
  proof: 'both',
  ...more,
})
const pay = (amount = 60_000n, script = otherScripts.p2wpkh) => ({ script, amount })

/** The PSBT with a field put into one of its maps, in place of any of its type, or taken out. */
function changed(
  psbt: Uint8Array,
  map: 'inputs' | 'outputs',
  index: number,
  field: PsbtField | { readonly without: number },
): Uint8Array {
  const decoded = decodePsbt(psbt)
  const maps = decoded[map].map((fields, i) => {
    if (i !== index) return fields
    if ('without' in field) return fields.filter(({ type }) => type !== field.without)
    return [...fields.filter(({ type }) => type !== field.type), field]
  })
  return encodePsbt({ ...decoded, [map]: maps })
}
const field = (type: number, value: Uint8Array, keyData: Uint8Array = new Uint8Array(0)): PsbtField => ({
  type,
  keyData,
  value,
})

describe('bitcoinTransactionIntent', () => {
  it('outputs are transfers, what is proven to come back is none, and the rest is the fee', () => {
    for (const version of [0, 2] as const) {
      const { psbt } = psbtOf([spend(p2wpkh)], [pay(60_000n), pay(39_000n, p2wpkh)], { version })
      const intent = intentOf(psbt)
      expect(intent).toMatchObject({ operation: 'sign-transaction', chain: bitcoinMain })
      const asset = `${bitcoinMain}/slip44:0`
      expect(intent.effects).toEqual([
        {
          kind: 'native-transfer',
          chain: bitcoinMain,
          asset,
          recipient: expect.stringMatching(/^bc1q/),
          amountMinor: 60_000n,
        },
        { kind: 'fee', chain: bitcoinMain, asset, amountMinor: 1_000n },
      ])
      expect(intent.bitcoin).toMatchObject({
        psbtVersion: version,
        lockTime: 0,
        inputs: [{ index: 0, algorithm: 'ecdsa', publicKey, path: [], amountMinor: 100_000n }],
        change: [{ index: 1, amountMinor: 39_000n }],
        notes: [],
      })
      expect(intent.toSign).toBe(intent.bitcoin?.inputs[0]?.toSign)
      const unsigned = Transaction.fromPSBT(psbt).unsignedTx
      expect(intent.payloadDigest).toBe(encodeHex(sha256(unsigned)))
    }
  })

  it('addresses are those of the network', () => {
    const scripts = [otherScripts.p2wpkh, otherScripts.p2tr]
    const { psbt } = psbtOf(
      [spend(p2tr)],
      scripts.map((script) => pay(1n, script)),
    )
    const recipients = (chain: typeof bitcoinMain) =>
      intentOf(psbt, { chain }).effects.flatMap((one) =>
        one.kind === 'native-transfer' ? [one.recipient.slice(0, 4)] : [],
      )
    expect(recipients(bitcoinMain)).toEqual(['bc1q', 'bc1p'])
    expect(recipients(bitcoinTest)).toEqual(['tb1q', 'tb1p'])
    expect(recipients('bip122:0f9188f13cb7b2c71f2a335e3a4fc328' as typeof bitcoinMain)).toEqual([
      'bcrt',
      'bcrt',
    ])
    expect(intentOf(psbt, { chain: bitcoinTest }).effects[0]).toMatchObject({
      asset: `${bitcoinTest}/slip44:1`,
    })
    expect(() => recipients(`bip122:${'0'.repeat(32)}` as typeof bitcoinMain)).toThrow(
      refusal('INTENT_PSBT_INVALID'),
    )
  })

  it('the wallet’s own addresses are those that its change goes to', () => {
    for (const form of ['p2wpkh', 'p2tr'] as const) {
      const { psbt } = psbtOf([spend(p2wpkh)], [pay(1n, ownScripts[form])])
      expect(intentOf(psbt).bitcoin?.change[0]?.address).toBe(
        bitcoinWalletAddress(publicKey, form, bitcoinMain),
      )
    }
  })

  it('every kind of address, and data', () => {
    const hash = new Uint8Array(20).fill(5)
    const outputs = [
      pay(1n, Uint8Array.of(0x76, 0xa9, 20, ...hash, 0x88, 0xac)),
      pay(2n, Uint8Array.of(0xa9, 20, ...hash, 0x87)),
      pay(3n, Uint8Array.of(0, 32, ...new Uint8Array(32).fill(7))),
      pay(4n, Uint8Array.of(0x51, 2, 0x4e, 0x73)),
      pay(0n, Uint8Array.of(0x6a, 3, 1, 2, 3)),
      pay(5n, Uint8Array.of(0x6a, 0x4c, 2, 8, 9)),
      pay(0n, Uint8Array.of(0x6a, 1, 1, 1, 2)),
      pay(0n, Uint8Array.of(0x6a)),
    ]
    const { effects } = intentOf(psbtOf([spend(p2wpkh)], outputs).psbt)
    expect(
      effects.map((one) => (one.kind === 'native-transfer' ? one.recipient.slice(0, 4) : one.kind)),
    ).toEqual([
      expect.stringMatching(/^1/),
      expect.stringMatching(/^3/),
      'bc1q',
      'bc1p',
      ...Array(4).fill('data-output'),
      'fee',
    ])
    expect(effects.slice(4, -1)).toMatchObject([
      { data: '0x010203', amountMinor: 0n },
      { data: '0x0809', amountMinor: 5n },
      { data: '0x01010102' },
      { data: '0x' },
    ])
  })

  it('refuses outputs to scripts without an address', () => {
    for (const script of [
      Uint8Array.of(0x51),
      new Uint8Array(0),
      Uint8Array.of(0, 21, ...new Uint8Array(21)),
      Uint8Array.of(33, ...publicKey, 0xac),
    ]) {
      const { psbt } = psbtOf([spend(p2wpkh)], [pay()], { version: 2 })
      const other = changed(psbt, 'outputs', 0, field(4, script))
      expect(() => intentOf(other)).toThrow(refusal('INTENT_PSBT_INVALID'))
    }
  })

  it('refuses to pay more than comes in, by one', () => {
    expect(intentOf(psbtOf([spend(p2wpkh)], [pay(100_000n)]).psbt).effects.at(-1)).toMatchObject({
      kind: 'fee',
      amountMinor: 0n,
    })
    expect(() => intentOf(psbtOf([spend(p2wpkh)], [pay(100_001n)]).psbt)).toThrow(
      refusal('INTENT_PSBT_INVALID'),
    )
  })

  it('refuses a PSBT without an input of the wallet', () => {
    const { psbt } = psbtOf([spend(otherScripts.p2wpkh)], [pay()])
    expect(() => intentOf(psbt)).toThrow(refusal('INTENT_PSBT_NOT_OWN'))
    expect(() => intentOf(psbt, { keys: { publicKey: publicKey.slice(1) } })).toThrow(
      refusal('INTENT_PSBT_INVALID'),
    )
    expect(() => intentOf(psbt, { keys: { publicKey: new Uint8Array(33).fill(2) } })).not.toThrow(TypeError)
  })

  it('says that others must sign, and when it is valid', () => {
    const { psbt } = psbtOf([spend(otherScripts.p2wpkh), spend(p2wpkh)], [pay()], { lockTime: 800_000 })
    const intent = intentOf(psbt)
    expect(intent.bitcoin?.inputs.map(({ index }) => index)).toEqual([1])
    expect(intent.bitcoin?.notes).toEqual([
      "1 of 2 inputs are not this wallet's; others must sign too.",
      'It is valid only from lock time 800000.',
    ])
    expect(intent.effects.at(-1)).toMatchObject({ kind: 'fee', amountMinor: 140_000n })
  })
})

describe('amounts that are only stated', () => {
  const stated = (script: Uint8Array, more: Partial<Spend> = {}) =>
    spend(script, { proof: 'stated', ...more })
  const unproven = refusal('INTENT_PSBT_AMOUNT_UNPROVEN')

  it('one P2WPKH input commits to its own amount', () => {
    expect(() => intentOf(psbtOf([stated(p2wpkh)], [pay()]).psbt)).not.toThrow()
    expect(() => intentOf(psbtOf([stated(p2wpkh), spend(otherScripts.p2wpkh)], [pay()]).psbt)).not.toThrow()
  })

  it('P2TR inputs commit to all amounts', () => {
    const foreign = stated(otherScripts.p2wpkh)
    expect(() => intentOf(psbtOf([stated(p2tr), stated(p2tr), foreign], [pay()]).psbt)).not.toThrow()
  })

  it('a P2WPKH input beside any input whose amount is only stated is refused', () => {
    for (const other of [p2wpkh, p2tr, otherScripts.p2wpkh, otherScripts.p2tr]) {
      expect(() => intentOf(psbtOf([spend(p2wpkh), stated(other)], [pay()]).psbt)).toThrow(unproven)
      expect(() => intentOf(psbtOf([stated(other), stated(p2wpkh)], [pay()]).psbt)).toThrow(unproven)
    }
  })

  it('the fee cannot be lied about in two requests for one transaction', () => {
    // Two inputs of 100,000 and one output of 60,000: 140,000 would be burned, and each request shows 40,001.
    const lies = [
      [spend(p2wpkh), stated(p2wpkh, { lie: 1n })],
      [stated(p2wpkh, { lie: 1n }), spend(p2wpkh)],
      [stated(p2wpkh), stated(p2wpkh, { lie: 1n })],
      [stated(p2wpkh, { lie: 1n }), stated(p2wpkh)],
    ]
    for (const spends of lies) expect(() => intentOf(psbtOf(spends, [pay()]).psbt)).toThrow(unproven)
    // With a P2TR input the lie is in the digest: it is not the one of the true transaction.
    const digestOf = (spends: Spend[]) => intentOf(psbtOf(spends, [pay()]).psbt).bitcoin!.inputs[0]!.toSign
    expect(digestOf([stated(p2tr), stated(otherScripts.p2wpkh, { lie: 1n })])).not.toEqual(
      digestOf([stated(p2tr), stated(otherScripts.p2wpkh)]),
    )
    expect(digestOf([stated(p2wpkh, { lie: 99_999n })])).not.toEqual(digestOf([stated(p2wpkh)]))
  })

  it('refuses previous transactions that are not the one, or that are contradicted', () => {
    const { psbt } = psbtOf([spend(p2wpkh)], [pay()])
    const other = encodeTransaction(previousTransaction(3, p2wpkh, 900_000n))
    const swapped = changed(psbt, 'inputs', 0, field(0, other))
    expect(() => intentOf(swapped)).toThrow(refusal('INTENT_PSBT_INVALID'))
    const lie = concatBytes(uintBytes(100_001n, 8), vector(p2wpkh))
    const contradicted = changed(psbt, 'inputs', 0, field(1, lie))
    expect(() => intentOf(contradicted)).toThrow(refusal('INTENT_PSBT_INVALID'))
    const nothing = changed(changed(psbt, 'inputs', 0, { without: 0 }), 'inputs', 0, { without: 1 })
    expect(() => intentOf(nothing)).toThrow(unproven)
    const longer = changed(
      psbt,
      'inputs',
      0,
      field(1, concatBytes(uintBytes(100_000n, 8), vector(p2wpkh), Uint8Array.of(0))),
    )
    expect(() => intentOf(longer)).toThrow(refusal('INTENT_PSBT_INVALID'))
  })

  it('refuses amounts over all the coins', () => {
    const most = 2_100_000_000_000_000n
    expect(() => intentOf(psbtOf([stated(p2wpkh, { amount: most })], [pay()]).psbt)).not.toThrow()
    expect(() => intentOf(psbtOf([stated(p2wpkh, { amount: most + 1n })], [pay()]).psbt)).toThrow(
      refusal('INTENT_PSBT_INVALID'),
    )
  })
})

describe('sighash types', () => {
  const asking = (script: Uint8Array, sighashType: number) => () =>
    intentOf(psbtOf([spend(script, { sighashType })], [pay()]).psbt)

  it('only those that commit to everything', () => {
    expect(asking(p2wpkh, 1)).not.toThrow()
    expect(asking(p2tr, 1)).not.toThrow()
    for (const type of [2, 3, 0x81, 0x82, 0x83]) {
      expect(asking(p2wpkh, type)).toThrow(refusal('INTENT_PSBT_SIGHASH'))
      expect(asking(p2tr, type)).toThrow(refusal('INTENT_PSBT_SIGHASH'))
    }
    const { psbt } = psbtOf([spend(p2wpkh)], [pay()])
    const zero = changed(psbt, 'inputs', 0, field(3, new Uint8Array(4)))
    expect(() => intentOf(zero)).toThrow(refusal('INTENT_PSBT_SIGHASH'))
    const short = changed(psbt, 'inputs', 0, field(3, Uint8Array.of(1)))
    expect(() => intentOf(short)).toThrow(refusal('INTENT_PSBT_SIGHASH'))
    const taproot = changed(psbtOf([spend(p2tr)], [pay()]).psbt, 'inputs', 0, field(3, new Uint8Array(4)))
    expect(() => intentOf(taproot)).not.toThrow()
  })
})

describe('what is the wallet’s own', () => {
  const account = { publicKey, chainCode: new Uint8Array(32).fill(4) }
  const childAt = (branch: number, index: number) =>
    deriveChild(deriveChild(account, branch)!, index)!.publicKey
  /** Fingerprint and path m/84'/0'/0'/branch/index. */
  const hintOf = (branch: number, index: number) =>
    concatBytes(
      new Uint8Array(4),
      ...[84 + 2 ** 31, 2 ** 31, 2 ** 31, branch, index].map((step) => uintBytes(step, 4)),
    )
  const withHint = (script: Uint8Array, hint: PsbtField) =>
    changed(psbtOf([spend(p2wpkh)], [pay(60_000n, script)]).psbt, 'outputs', 0, hint)
  const isChange = (psbt: Uint8Array, walletKeys: BitcoinTransactionInput['keys'] = account) =>
    intentOf(psbt, { keys: walletKeys }).bitcoin?.change.length === 1

  it('change below an extended key is proven by deriving it', () => {
    const child = childAt(1, 7)
    expect(isChange(withHint(p2wpkhScript(child), field(2, hintOf(1, 7), child)))).toBe(true)
    const taproot = field(7, concatBytes(Uint8Array.of(0), hintOf(1, 7)), child.slice(1))
    expect(isChange(withHint(p2trScript(child), taproot))).toBe(true)
  })

  it('and is a transfer like any other if it does not derive', () => {
    const child = childAt(1, 7)
    const script = p2wpkhScript(child)
    const hint = field(2, hintOf(1, 7), child)
    // No extended key, another place, another key's script, a hint that only names the key.
    expect(isChange(withHint(script, hint), keys)).toBe(false)
    expect(isChange(withHint(script, field(2, hintOf(1, 8), child)))).toBe(false)
    expect(isChange(withHint(script, field(2, hintOf(2, 7), child)))).toBe(false)
    expect(isChange(withHint(otherScripts.p2wpkh, field(2, hintOf(1, 7), publicKey)))).toBe(false)
    expect(isChange(withHint(otherScripts.p2wpkh, hint))).toBe(false)
    expect(isChange(withHint(script, field(2, new Uint8Array(4), child)))).toBe(false)
    const other = { ...account, chainCode: new Uint8Array(32).fill(5) }
    expect(isChange(withHint(script, hint), other)).toBe(false)
  })

  it('not at an index where no wallet would look for it', () => {
    const at = (index: number) => {
      const child = childAt(1, index)
      return isChange(withHint(p2wpkhScript(child), field(2, hintOf(1, index), child)))
    }
    expect(at(derivationIndexMax)).toBe(true)
    expect(at(derivationIndexMax + 1)).toBe(false)
  })

  it('not in a form that the backend cannot sign for', () => {
    const { psbt } = psbtOf([spend(p2wpkh)], [pay(60_000n, p2tr)])
    expect(isChange(psbt, keys)).toBe(true)
    expect(isChange(psbt, { ...keys, forms: ['p2wpkh'] })).toBe(false)
    expect(() => isChange(psbt, { ...keys, forms: ['p2tr'] })).toThrow(refusal('INTENT_PSBT_NOT_OWN'))
  })

  it('a PSBT cannot have any number of keys derived', () => {
    const hinted = (count: number) => {
      const outputs = Array.from({ length: count }, () => pay(1n, otherScripts.p2wpkh))
      const decoded = decodePsbt(psbtOf([spend(p2wpkh)], outputs).psbt)
      const maps = decoded.outputs.map((_, i) => [field(2, hintOf(0, i), publicKey)])
      return encodePsbt({ ...decoded, outputs: maps })
    }
    // The branch is one more.
    expect(() => intentOf(hinted(derivationsMax - 1), { keys: account })).not.toThrow()
    expect(() => intentOf(hinted(derivationsMax), { keys: account })).toThrow(refusal('INTENT_TOO_LARGE'))
    expect(() => intentOf(hinted(derivationsMax))).not.toThrow()
  })

  it('inputs below it are signed by that key', () => {
    const child = childAt(0, 3)
    const { psbt } = psbtOf([spend(p2wpkhScript(child))], [pay()])
    const hinted = changed(psbt, 'inputs', 0, field(6, hintOf(0, 3), child))
    const intent = intentOf(hinted, { keys: account })
    expect(intent.bitcoin?.inputs).toMatchObject([{ publicKey: child, path: [0, 3] }])
    expect(() => intentOf(psbt, { keys: account })).toThrow(refusal('INTENT_PSBT_NOT_OWN'))
    expect(() => intentOf(hinted)).toThrow(refusal('INTENT_PSBT_NOT_OWN'))
  })
})

describe('finalizePsbt', () => {
  const finalized = (psbt: Uint8Array) => {
    const input = { psbt, chain: bitcoinMain, keys }
    const { bitcoin } = bitcoinTransactionIntent(input)
    return finalizePsbt(
      input,
      bitcoin!.inputs.map((one) => ({ index: one.index, signature: sign(one) })),
    )
  }

  it('makes what @scure/btc-signer makes', () => {
    for (const version of [0, 2] as const) {
      const { psbt, transaction } = psbtOf([spend(p2wpkh), spend(p2tr)], [pay(), pay(5n, p2wpkh)], {
        version,
      })
      transaction.sign(secret, undefined, new Uint8Array(32))
      transaction.finalize()
      const ours = finalized(psbt)
      expect(encodeHex(ours.transaction!)).toBe(encodeHex(transaction.extract()))
      const theirs = Transaction.fromPSBT(ours.psbt)
      expect(encodeHex(theirs.extract())).toBe(encodeHex(transaction.extract()))
      expect(intentIdOf(psbt)).toBe(transaction.id)
    }
  })
  const intentIdOf = (psbt: Uint8Array) => intentOf(psbt).bitcoin?.transactionId

  it('writes the sighash type of Taproot where it was asked for', () => {
    const { psbt } = psbtOf([spend(p2tr, { sighashType: 1 })], [pay()])
    const witness = fieldValue(decodePsbt(finalized(psbt).psbt).inputs[0]!, 8)!
    expect(witness.length).toBe(2 + 65)
    expect(witness.at(-1)).toBe(1)
  })

  it('leaves inputs of others, which then finish it', () => {
    const { psbt } = psbtOf([spend(otherScripts.p2wpkh), spend(p2wpkh)], [pay()])
    const ours = finalized(psbt)
    expect(ours.transaction).toBeUndefined()
    const theirs = Transaction.fromPSBT(ours.psbt)
    theirs.signIdx(otherSecret, 0)
    theirs.finalizeIdx(0)
    expect(theirs.extract().length).toBeGreaterThan(200)
    // And the other way round: theirs first.
    const first = Transaction.fromPSBT(psbt)
    first.signIdx(otherSecret, 0)
    first.finalizeIdx(0)
    expect(encodeHex(finalized(first.toPSBT(0)).transaction!)).toBe(encodeHex(theirs.extract()))
  })

  it('closes a PSBT of version 2 to further inputs and outputs', () => {
    const { psbt } = psbtOf([spend(p2wpkh)], [pay()], { version: 2 })
    const decoded = decodePsbt(psbt)
    const global = [...decoded.global.filter(({ type }) => type !== 6), field(6, Uint8Array.of(7))]
    const ours = finalized(encodePsbt({ ...decoded, global }))
    expect(fieldValue(decodePsbt(ours.psbt).global, 6)).toEqual(Uint8Array.of(4))
  })

  it('refuses signatures that are wrong, missing, or too many', () => {
    const { psbt } = psbtOf([spend(p2wpkh), spend(p2tr)], [pay()])
    const input = { psbt, chain: bitcoinMain, keys }
    const [first, second] = bitcoinTransactionIntent(input).bitcoin!.inputs.map((one) => ({
      index: one.index,
      signature: sign(one),
    })) as [{ index: number; signature: Uint8Array }, { index: number; signature: Uint8Array }]
    const order = secp256k1.Point.Fn.ORDER
    const { r, s } = secp256k1.Signature.fromBytes(first.signature, 'compact')
    const high = new secp256k1.Signature(r, order - s).toBytes('compact')
    const bad = refusal('INTENT_SIGNATURE_INVALID')
    for (const signatures of [
      [first],
      [first, second, second],
      [first, first],
      [first, { index: 2, signature: second.signature }],
      [{ ...first, signature: second.signature }, second],
      [first, { ...second, signature: first.signature }],
      [{ ...first, signature: high }, second],
      [{ ...first, signature: first.signature.slice(1) }, second],
    ]) {
      expect(() => finalizePsbt(input, signatures)).toThrow(bad)
    }
    expect(() => finalizePsbt(input, [second, first])).not.toThrow()
  })

  it('an own input that is signed already is not signed again', () => {
    const signed = finalized(psbtOf([spend(p2wpkh)], [pay()]).psbt).psbt
    expect(() => intentOf(signed)).toThrow(refusal('INTENT_TRANSACTION_SIGNED'))
    const { psbt } = psbtOf([spend(p2tr)], [pay()])
    const partly = changed(psbt, 'inputs', 0, field(0x13, new Uint8Array(64)))
    expect(() => intentOf(partly)).toThrow(refusal('INTENT_TRANSACTION_SIGNED'))
  })
})
