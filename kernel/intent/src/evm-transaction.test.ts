import { concatBytes, decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import {
  decodeEvmTransaction,
  encodeUnsignedEvmTransaction,
  serializeSignedEvmTransaction,
} from './evm-transaction.ts'
import type { EvmTransaction } from './intent.ts'
import { encodeRlp, type RlpItem } from './rlp.ts'

const h = (hex: string) => decodeHex(`0x${hex}`)
const none = new Uint8Array(0)
const to = h('22'.repeat(20))
const max256 = h('ff'.repeat(32))

/** nonce, gasPrice, gas, to, value, data, chainId, '', '' */
const legacy: RlpItem[] = [h('07'), h('09'), h('5208'), to, h('01'), none, h('01'), none, none]
/** chainId, nonce, tip, price, gas, to, value, data, accessList */
const dynamic: RlpItem[] = [h('01'), h('07'), h('08'), h('09'), h('5208'), to, h('01'), none, []]
const access: RlpItem[] = [h('01'), h('07'), h('09'), h('5208'), to, h('01'), none, []]
const blob: RlpItem[] = [...dynamic, h('0a'), [h(`01${'33'.repeat(31)}`)]]
const authorization: RlpItem[] = [h('01'), h('44'.repeat(20)), h('05'), h('01'), h('77'), h('66')]
const setCode: RlpItem[] = [...dynamic, [authorization]]

function typed(type: number, fields: RlpItem): Uint8Array {
  return concatBytes(Uint8Array.of(type), encodeRlp(fields))
}

function changed(fields: readonly RlpItem[], changes: Readonly<Record<number, RlpItem>>): RlpItem[] {
  return fields.map((field, i) => changes[i] ?? field)
}

function refusal(code: string) {
  return expect.objectContaining({ code })
}

describe('decodeEvmTransaction', () => {
  it('reads the example of EIP-155', () => {
    const bytes = h(
      'ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080',
    )
    expect(decodeEvmTransaction(bytes)).toEqual({
      type: 0,
      chainId: 1n,
      nonce: 9n,
      gasPrice: 20_000_000_000n,
      gasLimit: 21_000n,
      to: `0x${'35'.repeat(20)}`,
      value: 10n ** 18n,
      data: '0x',
    })
  })

  it.each<[string, Uint8Array]>([
    ['legacy', encodeRlp(legacy)],
    ['access list', typed(1, access)],
    ['dynamic fee', typed(2, dynamic)],
    ['blob', typed(3, blob)],
    ['set code', typed(4, setCode)],
    ['highest nonce', typed(2, changed(dynamic, { 1: h('fffffffffffffffe') }))],
    ['highest gas limit', typed(2, changed(dynamic, { 4: h('ff'.repeat(8)) }))],
    ['highest prices and value', typed(2, changed(dynamic, { 2: max256, 3: max256, 6: max256 }))],
    ['highest chain id', typed(2, changed(dynamic, { 0: h('1fffffffffffff') }))],
    ['deployment', typed(2, changed(dynamic, { 5: none }))],
    [
      'authorization for every chain',
      typed(4, changed(setCode, { 9: [changed(authorization, { 0: none })] })),
    ],
  ])('reads a %s transaction and writes the same bytes', (_, bytes) => {
    expect(encodeHex(encodeUnsignedEvmTransaction(decodeEvmTransaction(bytes)))).toBe(encodeHex(bytes))
  })

  it.each<[string, Uint8Array]>([
    ['an empty payload', none],
    ['a nonce with a leading zero', typed(2, changed(dynamic, { 1: h('0007') }))],
    ['a zero that is written', typed(2, changed(dynamic, { 6: h('00') }))],
    ['nonce 2^64 - 1', typed(2, changed(dynamic, { 1: h('ff'.repeat(8)) }))],
    ['gas limit 2^64', typed(2, changed(dynamic, { 4: h(`01${'00'.repeat(8)}`) }))],
    ['value 2^256', typed(2, changed(dynamic, { 6: h(`01${'00'.repeat(32)}`) }))],
    ['a legacy gas price of 2^256', encodeRlp(changed(legacy, { 1: h(`01${'00'.repeat(32)}`) }))],
    ['chain id 0', typed(2, changed(dynamic, { 0: none }))],
    ['legacy chain id 0', encodeRlp(changed(legacy, { 6: none }))],
    ['chain id 2^53', typed(2, changed(dynamic, { 0: h('20000000000000') }))],
    ['a tip over the price', typed(2, changed(dynamic, { 2: h('0a') }))],
    ['a recipient of 19 bytes', typed(2, changed(dynamic, { 5: h('22'.repeat(19)) }))],
    ['a recipient of 21 bytes', encodeRlp(changed(legacy, { 3: h('22'.repeat(21)) }))],
    ['a recipient of one zero byte', encodeRlp(changed(legacy, { 3: h('00') }))],
    ['a list where a string belongs', typed(2, changed(dynamic, { 6: [] }))],
    ['a string where a list belongs', typed(2, changed(dynamic, { 8: none }))],
    ['a missing field', typed(2, dynamic.slice(0, 8))],
    ['an extra field', typed(2, [...dynamic, none])],
    ['two extra fields', typed(2, [...dynamic, none, none])],
    ['a legacy list of 7', encodeRlp(legacy.slice(0, 7))],
    ['a legacy list of 8', encodeRlp(legacy.slice(0, 8))],
    ['a legacy list of 10', encodeRlp([...legacy, none])],
    ['a string as a transaction', typed(2, h('8899'))],
    ['an access list entry with one field', typed(1, changed(access, { 7: [[to]] }))],
    ['an access list entry with three fields', typed(1, changed(access, { 7: [[to, [], []]] }))],
    ['an access list address of 19 bytes', typed(1, changed(access, { 7: [[h('11'.repeat(19)), []]] }))],
    ['a storage key of 31 bytes', typed(1, changed(access, { 7: [[to, [h('11'.repeat(31))]]] }))],
    ['a blob deployment', typed(3, changed(blob, { 5: none }))],
    ['no blobs', typed(3, changed(blob, { 10: [] }))],
    ['a versioned hash of version 2', typed(3, changed(blob, { 10: [h(`02${'33'.repeat(31)}`)] }))],
    ['a versioned hash of 31 bytes', typed(3, changed(blob, { 10: [h(`01${'33'.repeat(30)}`)] }))],
    ['a blob transaction with its blobs', typed(3, [blob, [], [], []])],
    ['no authorizations', typed(4, changed(setCode, { 9: [] }))],
    ['a set-code deployment', typed(4, changed(setCode, { 5: none }))],
    ['an authorization of 5 fields', typed(4, changed(setCode, { 9: [authorization.slice(0, 5)] }))],
    ['an authorization of 7 fields', typed(4, changed(setCode, { 9: [[...authorization, none]] }))],
    [
      'an authorization with y parity 2',
      typed(4, changed(setCode, { 9: [changed(authorization, { 3: h('02') })] })),
    ],
    [
      'an authorization with r of 33 bytes',
      typed(4, changed(setCode, { 9: [changed(authorization, { 4: h('11'.repeat(33)) })] })),
    ],
    [
      'an authorization for no address',
      typed(4, changed(setCode, { 9: [changed(authorization, { 1: none })] })),
    ],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeEvmTransaction(bytes)).toThrow(refusal('INTENT_TRANSACTION_INVALID'))
  })

  it('refuses what is signed', () => {
    for (const bytes of [
      encodeRlp(changed(legacy, { 6: h('25'), 7: h('77'), 8: h('66') })),
      encodeRlp(changed(legacy, { 6: h('1b'), 7: h('77') })),
      typed(1, [...access, none, h('77'), h('66')]),
      typed(2, [...dynamic, h('01'), h('77'), h('66')]),
      typed(3, [...blob, h('01'), h('77'), h('66')]),
      typed(4, [...setCode, h('01'), h('77'), h('66')]),
    ]) {
      expect(() => decodeEvmTransaction(bytes)).toThrow(refusal('INTENT_TRANSACTION_SIGNED'))
    }
  })

  it('refuses a legacy transaction that is valid on every chain', () => {
    expect(() => decodeEvmTransaction(encodeRlp(legacy.slice(0, 6)))).toThrow(
      refusal('INTENT_TRANSACTION_WITHOUT_CHAIN'),
    )
  })

  it.each([0x00, 0x05, 0x06, 0x19, 0x7e, 0x7f, 0x80, 0xbf])('refuses type byte %i', (type) => {
    expect(() => decodeEvmTransaction(typed(type, dynamic))).toThrow(
      refusal('INTENT_TRANSACTION_TYPE_UNKNOWN'),
    )
  })

  it('refuses bytes after the end and RLP that is not canonical', () => {
    const bytes = typed(2, dynamic)
    expect(() => decodeEvmTransaction(concatBytes(bytes, none, h('00')))).toThrow(
      refusal('INTENT_RLP_INVALID'),
    )
    expect(() => decodeEvmTransaction(concatBytes(h('02f8'), h('25'), bytes.subarray(2)))).toThrow(
      refusal('INTENT_RLP_INVALID'),
    )
    expect(() => decodeEvmTransaction(concatBytes(encodeRlp(legacy), h('00')))).toThrow(
      refusal('INTENT_RLP_INVALID'),
    )
  })

  it('admits 128 KiB and not a byte more', () => {
    const withData = (bytes: number) => typed(2, changed(dynamic, { 7: new Uint8Array(bytes).fill(1) }))
    const overhead = withData(131_000).length - 131_000
    expect(() => decodeEvmTransaction(withData(131_072 - overhead))).not.toThrow()
    expect(() => decodeEvmTransaction(withData(131_073 - overhead))).toThrow(refusal('INTENT_TOO_LARGE'))
    const data = encodeHex(new Uint8Array(131_073 - overhead))
    const transaction: EvmTransaction = { ...decodeEvmTransaction(typed(2, dynamic)), data }
    expect(() => encodeUnsignedEvmTransaction(transaction)).toThrow(refusal('INTENT_TOO_LARGE'))
  })

  it('refuses more blobs or authorizations than a block could hold', () => {
    const hashes = Array(65).fill(h(`01${'33'.repeat(31)}`))
    expect(() => decodeEvmTransaction(typed(3, changed(blob, { 10: hashes.slice(1) })))).not.toThrow()
    expect(() => decodeEvmTransaction(typed(3, changed(blob, { 10: hashes })))).toThrow(
      refusal('INTENT_TOO_LARGE'),
    )
    const list = Array(257).fill(authorization)
    expect(() => decodeEvmTransaction(typed(4, changed(setCode, { 9: list.slice(1) })))).not.toThrow()
    expect(() => decodeEvmTransaction(typed(4, changed(setCode, { 9: list })))).toThrow(
      refusal('INTENT_TOO_LARGE'),
    )
  })
})

describe('encodeUnsignedEvmTransaction', () => {
  const good = decodeEvmTransaction(typed(2, dynamic))
  const cases: [string, Partial<EvmTransaction>][] = [
    ['a negative value', { value: -1n }],
    ['value 2^256', { value: 1n << 256n }],
    ['chain id 0', { chainId: 0n }],
    ['nonce 2^64 - 1', { nonce: (1n << 64n) - 1n }],
    ['a recipient that is too short', { to: '0x11' }],
    ['data that is no hex', { data: '0x1' as Hex }],
    ['a tip over the price', { maxPriorityFeePerGas: 10n }],
    ['a price that its type does not have', { gasPrice: 1n }],
    ['blobs that its type does not have', { blobVersionedHashes: [] }],
    ['authorizations that its type does not have', { authorizationList: [] }],
    [
      'an access list that its type does not have',
      { ...decodeEvmTransaction(encodeRlp(legacy)), accessList: [] },
    ],
  ]
  it.each(cases)('refuses %s', (_, change) => {
    expect(() => encodeUnsignedEvmTransaction({ ...good, ...change })).toThrow(
      expect.objectContaining({ name: 'CountersignError' }),
    )
  })

  it('refuses a missing price', () => {
    const { maxFeePerGas: _, maxPriorityFeePerGas: __, ...rest } = good
    expect(() => encodeUnsignedEvmTransaction(rest)).toThrow(refusal('INTENT_TRANSACTION_INVALID'))
  })
})

describe('serializeSignedEvmTransaction', () => {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const good = decodeEvmTransaction(encodeRlp(legacy))

  it('gives the example of EIP-155', () => {
    const transaction = decodeEvmTransaction(
      h('ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080'),
    )
    const signed = serializeSignedEvmTransaction(transaction, {
      r: 0x28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276n,
      s: 0x67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83n,
      yParity: 0,
    })
    expect(encodeHex(signed)).toBe(
      '0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83',
    )
  })

  it.each([
    ['r of 0', { r: 0n, s: 1n, yParity: 0 }],
    ['r of the order', { r: order, s: 1n, yParity: 0 }],
    ['s of 0', { r: 1n, s: 0n, yParity: 0 }],
    ['s in the upper half', { r: 1n, s: order / 2n + 1n, yParity: 0 }],
    ['y parity 27', { r: 1n, s: 1n, yParity: 27 }],
    ['r of 31 bytes', { r: new Uint8Array(31).fill(1), s: 1n, yParity: 0 }],
  ])('refuses %s', (_, signature) => {
    expect(() => serializeSignedEvmTransaction(good, signature)).toThrow(refusal('INTENT_SIGNATURE_INVALID'))
  })
})
