import { concatBytes, decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { decodeArguments, encodeArguments } from './abi.ts'
import { parseAbiFunction } from './abi-signature.ts'

const transfer = parseAbiFunction('function transfer(address to, uint256 amount)')
const one = `0x${'11'.repeat(20)}`

function word(hex: string): string {
  return hex.padStart(64, '0')
}

function call(selector: Hex, ...words: string[]): Uint8Array {
  return decodeHex(`${selector}${words.join('')}`)
}

describe('parseAbiFunction', () => {
  it.each([
    ['function transfer(address to, uint256 amount)', 'transfer(address,uint256)', '0xa9059cbb'],
    ['transfer(address,uint)', 'transfer(address,uint256)', '0xa9059cbb'],
    ['  function  f ( ) ', 'f()', '0x26121ff0'],
    [
      'function f(tuple(address a, uint8[2][] b)[] orders) external payable returns (bool ok)',
      undefined,
      undefined,
    ],
  ])('reads %s', (signature, canonical, selector) => {
    const fn = parseAbiFunction(signature)
    expect(fn.signature).toBe(canonical ?? 'f((address,uint8[2][])[])')
    if (selector !== undefined) expect(fn.selector).toBe(selector)
  })

  it('names what has no name by its place', () => {
    expect(parseAbiFunction('f(address, uint256 amount, bool)').inputs.map((input) => input.name)).toEqual([
      'arg0',
      'amount',
      'arg2',
    ])
  })

  it.each([
    '',
    'function',
    'transfer',
    'f(address',
    'f(address,)',
    'f(uint7)',
    'f(uint264)',
    'f(uint08)',
    'f(bytes33)',
    'f(bytes0)',
    'f(int0)',
    'f(fixed128x18)',
    'f(function)',
    'f(Order order)',
    'f(())',
    'f(uint256[0])',
    'f(uint256[-1])',
    'f(uint256[99999])',
    'f(uint256[4096][4096])',
    'f(uint256 a, address a)',
    'f(uint256, address arg0)',
    'f(uint256 __proto__)',
    'f(uint256 a b)',
    'f(uint256) nonsense',
    'f(uint256);f(uint256)',
    'f(uint256‮)',
    `f(${'('.repeat(20)}uint256${')'.repeat(20)})`,
    `f(uint256${'[]'.repeat(20)})`,
    `f(${Array(100).fill('uint256').join(',')})`,
    `f(${' '.repeat(5000)})`,
  ])('refuses %j', (signature) => {
    expect(() => parseAbiFunction(signature)).toThrow(
      expect.objectContaining({ code: 'INTENT_ABI_SIGNATURE_INVALID' }),
    )
  })
})

describe('decodeArguments', () => {
  const good = [word('11'.repeat(20)), word('0a')]

  it('gives the arguments by name', () => {
    expect(decodeArguments(transfer, call(transfer.selector, ...good))).toEqual({ to: one, amount: 10n })
  })

  it('works on a view into a larger buffer', () => {
    const padded = concatBytes(new Uint8Array(13).fill(0xff), call(transfer.selector, ...good))
    expect(decodeArguments(transfer, padded.subarray(13))).toEqual({ to: one, amount: 10n })
  })

  it.each<[string, Uint8Array]>([
    ['another selector', call('0x12345678', ...good)],
    ['no arguments', call(transfer.selector)],
    ['nothing', new Uint8Array(0)],
    ['one byte too few', call(transfer.selector, ...good).subarray(0, 67)],
    ['one byte too many', concatBytes(call(transfer.selector, ...good), Uint8Array.of(0))],
    ['a word too many', call(transfer.selector, ...good, word(''))],
    ['an address with dirty padding', call(transfer.selector, word(`01${'11'.repeat(20)}`), word('0a'))],
  ])('refuses %s', (_, calldata) => {
    expect(() => decodeArguments(transfer, calldata)).toThrow(
      expect.objectContaining({ code: 'INTENT_CALLDATA_INVALID' }),
    )
  })

  it.each<[string, string[]]>([
    ['f(bool)', [word('02')]],
    ['f(uint8)', [word('0100')]],
    ['f(int8)', [word('80')]],
    ['f(int8)', [`${'ff'.repeat(31)}7f`]],
    ['f(bytes4)', [`12345678${'00'.repeat(27)}01`]],
    // Offsets: out of bounds, into the head, past a gap, huge.
    ['f(bytes)', [word('40'), word('')]],
    ['f(bytes)', [word('00'), word('')]],
    ['f(bytes)', [word('40'), word(''), word('')]],
    ['f(bytes)', ['ff'.repeat(32), word('')]],
    // Two arguments share one tail.
    ['f(bytes,bytes)', [word('40'), word('40'), word('')]],
    // Tails in the wrong order.
    ['f(bytes,bytes)', [word('60'), word('40'), word(''), word('')]],
    // Lengths: over what there is, huge, unpadded.
    ['f(bytes)', [word('20'), word('21'), word('')]],
    ['f(bytes)', [word('20'), 'ff'.repeat(32)]],
    ['f(bytes)', [word('20'), word('01'), '00ff'.padEnd(64, '0')]],
    ['f(bytes)', [word('20'), word('01'), '00']],
    ['f(string)', [word('20'), word('01'), 'ff'.padEnd(64, '0')]],
    ['f(uint256[])', [word('20'), word('02'), word('01')]],
    ['f(uint256[])', [word('20'), word('010000000000')]],
    ['f(uint256[][])', [word('20'), word('02'), word('40'), word('40'), word('')]],
  ])('refuses %s from %j', (signature, words) => {
    const fn = parseAbiFunction(signature)
    expect(() => decodeArguments(fn, call(fn.selector, ...words))).toThrow(
      expect.objectContaining({ code: 'INTENT_CALLDATA_INVALID' }),
    )
  })

  it('admits the ends of each range and not one more', () => {
    const fn = parseAbiFunction('f(uint8 a, int8 b, bool c)')
    expect(decodeArguments(fn, call(fn.selector, word('ff'), `${'ff'.repeat(31)}80`, word('01')))).toEqual({
      a: 255n,
      b: -128n,
      c: true,
    })
  })

  it('refuses calldata over its limit', () => {
    expect(() => decodeArguments(transfer, new Uint8Array(131_073))).toThrow(
      expect.objectContaining({ code: 'INTENT_TOO_LARGE' }),
    )
  })
})

describe('encodeArguments', () => {
  it('is what compilers make', () => {
    const encoded = encodeArguments(transfer, { to: one, amount: 10n })
    expect(encodeHex(encoded)).toBe(`0xa9059cbb${word('11'.repeat(20))}${word('0a')}`)
  })

  it.each([
    ['f(uint8 a)', { a: 256n }],
    ['f(uint8 a)', { a: -1n }],
    ['f(int8 a)', { a: 128n }],
    ['f(bool a)', { a: 1n }],
    ['f(address a)', { a: '0x11' }],
    ['f(bytes4 a)', { a: '0x1122334455' }],
    ['f(bytes a)', { a: '0x1' }],
    ['f(string a)', { a: '\ud800' }],
    ['f(uint256[2] a)', { a: [1n] }],
    ['f(uint256[] a)', { a: 1n }],
    ['f((uint256 b) a)', { a: [1n] }],
    ['f((uint256 b) a)', { a: { c: 1n } }],
    ['f(uint256 a)', {}],
    ['f(uint256 toString)', {}],
    ['f(uint256 a)', { a: 1n, b: 1n }],
  ])('refuses %s with %j'.replace('%j', 'a value that does not fit'), (signature, args) => {
    expect(() => encodeArguments(parseAbiFunction(signature as string), args as never)).toThrow(
      expect.objectContaining({ code: 'INTENT_ARGUMENTS_INVALID' }),
    )
  })
})
