import { decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { decodePsbt, encodePsbt } from './psbt.ts'

// Test vectors of BIP-174 (commit 00f9ce0) and BIP-370 (commit 0297db5) of github.com/bitcoin/bips, BSD-2-Clause,
// taken apart where they share pieces.
const magic = '70736274ff'
const previous =
  '0100000000010289a3c71eab4d20e0371bbba4cc698fa295c9463afa2e397f8533ccb62f9567e50100000017160014be18d152a9b012039daf3da7de4f53349eecb985ffffffff86f8aa43a71dff1448893a530a7237ef6b4608bbb2dd2d0171e63aec6a4890b40100000017160014fe3e9ef1a745e974d902c4355943abcb34bd5353ffffffff0200c2eb0b000000001976a91485cff1097fd9e008bb34af709c62197b38978a4888ac72fef84e2c00000017a914339725ba21efd62ac753a9bcd067d6c7a6a39d05870247304402202712be22e0270f394f568311dc7ca9a68970b8025fdd3b240229f07f8a5f3a240220018b38d7dcd314e734c9276bd6fb40f673325bc4baa144c800d2f2f02db2765c012103d2e15674941bad4a996372cb87e1856d3652606d98562fe39c5e9e7e413f210502483045022100d12b852d85dcd961d2f5f4ab660654df6eedcc794c0c33ce5cc309ffb5fce58d022067338a8e0e1725c197fb1a88af59f51e44e4255b20167c8684031c05d1f2592a01210223b72beef0965d10be0778efecd61fcac6f79a4ea169393380734464f84f2ab300000000'
const unsigned =
  '0200000001268171371edff285e937adeea4b37b78000c0566cbb3ad64641713ca42171bf60000000000feffffff02d3dff505000000001976a914d0c59903c5bac2868760e90fd521a4665aa7652088ac00e1f5050000000017a9143545e6e33b832c47050f24d3eeb93c9c03948bc787b32e1300'
const previousField = `0100fda501${previous}`
const transactionField = `010075${unsigned}`
const shortStart =
  '70736274ff0100730200000001301ae986e516a1ec8ac5b4bc6573d32f83b465e23ad76167d68b38e730b4dbdb0000000000ffffffff02747b01000000000017a91403aa17ae882b5d0d54b25d63104e4ffece7b9ea2876043993b0000000017a914b921b1ba6f722e4bfa83b6557a3139986a42ec8387000000000001011f00ca9a3b00000000160014d2d94b64ae08587eefc8eeb187c601e939f9037c'
const shortEnd = '00220020876bad832f1d168015ed41232a9ea65a1815d9ef13c0ef8759f64b5b2b278a65'
const redeem = '0016001462e9e982fff34dd8239610316b090cd2a3b747cb'

const decode = (hex: string) => decodePsbt(decodeHex(`0x${hex}`))
function codeOf(hex: string): string {
  try {
    decode(hex)
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'taken'
}
const roundTrip = (hex: string): Hex => encodeHex(encodePsbt(decode(hex)))

describe('BIP-174', () => {
  it('valid', () => {
    const valid = [
      `${magic}${transactionField}00${previousField}00${'00'.repeat(2)}`,
      `${magic}${transactionField}00${previousField}0103040100000000${'00'.repeat(2)}`,
      '70736274ff0100a00200000002ab0949a08c5af7c49b8212f417e2f15ab3f5c33dcf153821a8139f877a5b7be40000000000feffffffab0949a08c5af7c49b8212f417e2f15ab3f5c33dcf153821a8139f877a5b7be40100000000feffffff02603bea0b000000001976a914768a40bbd740cbe81d988e71de2a4d5c71396b1d88ac8e240000000000001976a9146f4620b553fa095e721b9ee0efe9fa039cca459788ac000000000001076a47304402204759661797c01b036b25928948686218347d89864b719e1f7fcf57d1e511658702205309eabf56aa4d8891ffd111fdf1336f3a29da866d7f8486d75546ceedaf93190121035cdc61fc7ba971c0b501a646a2a83b102cb43881217ca682dc86e2d73fa882920001012000e1f5050000000017a9143545e6e33b832c47050f24d3eeb93c9c03948bc787010416001485d13537f2e265405a34dbafa9e3dda01fb82308000000',
    ]
    for (const hex of valid) expect(roundTrip(hex)).toBe(`0x${hex}`)
    expect(decode(valid[0]!)).toMatchObject({ version: 0, transaction: { lockTime: 0x132eb3 } })
  })

  it('invalid', () => {
    const invalid = [
      // A network transaction.
      unsigned,
      // Outputs missing.
      `${magic}${transactionField}00${previousField}00`,
      // A filled scriptSig.
      '70736274ff0100fd0a010200000002ab0949a08c5af7c49b8212f417e2f15ab3f5c33dcf153821a8139f877a5b7be4000000006a47304402204759661797c01b036b25928948686218347d89864b719e1f7fcf57d1e511658702205309eabf56aa4d8891ffd111fdf1336f3a29da866d7f8486d75546ceedaf93190121035cdc61fc7ba971c0b501a646a2a83b102cb43881217ca682dc86e2d73fa88292feffffffab0949a08c5af7c49b8212f417e2f15ab3f5c33dcf153821a8139f877a5b7be40100000000feffffff02603bea0b000000001976a914768a40bbd740cbe81d988e71de2a4d5c71396b1d88ac8e240000000000001976a9146f4620b553fa095e721b9ee0efe9fa039cca459788ac00000000000001012000e1f5050000000017a9143545e6e33b832c47050f24d3eeb93c9c03948bc787010416001485d13537f2e265405a34dbafa9e3dda01fb82308000000',
      // No unsigned transaction.
      `${magic}00${previousField}00000000`,
      // A key twice.
      `${magic}${transactionField}00${previousField}${previousField}00${'00'.repeat(2)}`,
      // Typed keys of wrong length: sighash type, redeem script of an output, witness script of an output.
      `${shortStart}0203000100000000010016001462e9e982fff34dd8239610316b090cd2a3b747cb0100${shortEnd}00`,
      `${shortStart}00020000${redeem.slice(2)}0100${shortEnd}00`,
      `${shortStart}000100${redeem.slice(2)}0100${shortEnd}210100255121${'03'.repeat(33)}51ae00`,
      // The transaction in the form with witnesses.
      `${magic}01007802000000000101${unsigned.slice(10, -8)}00b32e1300${'00'}${previousField}00${'00'.repeat(2)}`,
    ]
    for (const hex of invalid) expect(codeOf(hex)).toBe('INTENT_PSBT_INVALID')
  })
})

describe('BIP-370', () => {
  const spent =
    '0100520200000001c1aa256e214b96a1822f93de42bff3b5f3ff8d0519306e3515d7515a5e805b120000000000ffffffff0118c69a3b00000000160014b0a3af144208412693ca7d166852b52db0aef06e0000000001011f18c69a3b00000000160014b0a3af144208412693ca7d166852b52db0aef06e'
  const outpoint = '010e200b0ad921419c1c8719735d72dc739f9ea9e0638d1fe4c1eef0f9944084815fc8010f0400000000'
  const outputs =
    '0103080008af2f000000000104160014c430f64c4756da310dbd1a085572ef299926272c000103088bbdeb0b0000000001041600144dd193ac964a56ac1b9e1cca8454fe2f474f851300'
  const global = '010204020000000104010101050102'
  const versionField = '01fb0402000000'
  const psbt = ({ more = '', input = '', start = global } = {}) =>
    `${magic}${start}${more}${versionField}00${spent}${outpoint}${input}00${outputs}`

  it('valid', () => {
    const required = `${magic}${global}${versionField}00${outpoint}00${outputs}`
    expect(roundTrip(required)).toBe(`0x${required}`)
    expect(decode(required)).toMatchObject({
      version: 2,
      transaction: { version: 2, lockTime: 0, inputs: [{ sequence: 0xffffffff }], outputs: [{}, {}] },
    })
    const valid: [string, object][] = [
      [psbt(), {}],
      [psbt({ input: '011004feffffff' }), { inputs: [{ sequence: 0xfffffffe }] }],
      [
        psbt({
          start: '0102040200000001030400000000010401010105010 2'.replace(' ', ''),
          input: '011004feffffff0111048c8dc46201120410270000',
        }),
        { lockTime: 10_000 },
      ],
      ...['01', '02', '04', '08', '03', '05', '0f'].map((flags): [string, object] => [
        psbt({ more: `010601${flags}` }),
        {},
      ]),
      [psbt({ more: '010304d2040000' }), { lockTime: 1234 }],
      [psbt({ input: '0111048c8dc462' }), { lockTime: 1657048460 }],
    ]
    for (const [hex, transaction] of valid) {
      expect(roundTrip(hex)).toBe(`0x${hex}`)
      expect(decode(hex).transaction).toMatchObject(transaction)
    }
  })

  it('invalid', () => {
    const version0 =
      '01007102000000010b0ad921419c1c8719735d72dc739f9ea9e0638d1fe4c1eef0f9944084815fc80000000000feffffff020008af2f00000000160014c430f64c4756da310dbd1a085572ef299926272c8bbdeb0b00000000160014a07dac8ab6ca942d379ed795f835ba71c9cc6885'.concat(
        '00000000',
      )
    const zero = ({ more = '', input = '', output = '' }) =>
      `${magic}${version0}${more}00${spent}${input}00${output}0000`
    expect(codeOf(zero({}))).toBe('taken')
    const invalid = [
      // Version 0 with what version 2 alone has.
      zero({ more: versionField }),
      zero({ more: '01020402000000' }),
      zero({ more: '01030402000000' }),
      zero({ more: '01040102' }),
      zero({ more: '01050102' }),
      zero({ more: '01060100' }),
      zero({ input: outpoint.slice(0, 70) }),
      zero({ input: '010f0400000000' }),
      zero({ input: '011004ffffffff' }),
      zero({ input: '0111048c8dc462' }),
      zero({ input: '01120410270000' }),
      zero({ output: '0103080008af2f00000000' }),
      zero({ output: '0104160014c430f64c4756da310dbd1a085572ef299926272c' }),
      // Version 2 without what it needs.
      psbt({ start: '0104010101050102' }),
      psbt({ start: '01020402000000010501 02'.replace(' ', '') }),
      psbt({ start: '01020402000000010401 01'.replace(' ', '') }),
      psbt({ start: version0 + global }),
      psbt().replace(outpoint, ''),
      psbt().replace(outpoint, outpoint.slice(70)),
      psbt().replace(outpoint, outpoint.slice(0, 70)),
      psbt().replace('0103080008af2f00000000', ''),
      psbt().replace('0104160014c430f64c4756da310dbd1a085572ef299926272c', ''),
      // Lock times out of their kinds.
      psbt({ input: '011104ff64cd1d' }),
      psbt({ input: '0112040065cd1d' }),
      psbt({ input: '01120400000000' }),
      // Versions that are none.
      psbt().replace(versionField, '01fb0401000000'),
      psbt().replace(versionField, '01fb0403000000'),
    ]
    for (const hex of invalid) expect(codeOf(hex)).toBe('INTENT_PSBT_INVALID')
  })

  it('lock times that inputs do not share', () => {
    const two = (first: string, second: string) =>
      `${magic}${global.replace('01040101', '01040102')}${versionField}00` +
      `${outpoint}${first}00${outpoint.replace('0400000000', '0401000000')}${second}00${outputs}`
    const [time, height] = ['0111048c8dc462', '01120410270000']
    const lockTimeOf = (first: string, second: string) => decode(two(first, second)).transaction.lockTime
    expect(codeOf(two(time, height))).toBe('INTENT_PSBT_INVALID')
    expect(lockTimeOf(time, `${time}${height}`)).toBe(1657048460)
    expect(lockTimeOf(height, `${time}${height}`)).toBe(10_000)
    expect(lockTimeOf(`${time}${height}`, `${time}${height}`)).toBe(10_000)
    expect(lockTimeOf('', time)).toBe(1657048460)
    expect(lockTimeOf('01120411270000', height)).toBe(10_001)
    // An output that is spent twice.
    expect(codeOf(two('', '').replace('0401000000', '0400000000'))).toBe('INTENT_PSBT_INVALID')
  })
})

describe('limits and lengths', () => {
  it('refuses every cut', () => {
    const bytes = decodeHex(`0x${shortStart}${redeem.slice(0, 0)}0000${'00'}`)
    expect(() => decodePsbt(bytes)).not.toThrow()
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodePsbt(bytes.subarray(0, end))).toThrow()
    }
  })

  it('refuses lengths that are not the shortest, and counts over what is there', () => {
    const whole = `00${previousField}00${'00'.repeat(2)}`
    expect(codeOf(`${magic}010075${unsigned}${whole}`)).toBe('taken')
    expect(codeOf(`${magic}0100fd7500${unsigned}${whole}`)).toBe('INTENT_PSBT_INVALID')
    expect(codeOf(`${magic}0100fe75000000${unsigned}${whole}`)).toBe('INTENT_PSBT_INVALID')
    expect(codeOf(`${magic}fd010000`)).toBe('INTENT_PSBT_INVALID')
    expect(codeOf(`${magic}ffffffffffffffffff`)).toBe('INTENT_PSBT_INVALID')
    const many = `${magic}01020402000000010405feffffff7f01050102${'01fb0402000000'}00`
    expect(codeOf(many)).toBe('INTENT_TOO_LARGE')
    expect(() => decodePsbt(new Uint8Array(1_000_001))).toThrow(
      expect.objectContaining({ code: 'INTENT_TOO_LARGE' }),
    )
    const fields = Array.from({ length: 1_001 }, (_, i) => `03f0${i.toString(16).padStart(4, '0')}00`).join(
      '',
    )
    expect(codeOf(`${magic}${transactionField}00${fields}00`)).toBe('INTENT_TOO_LARGE')
  })
})
