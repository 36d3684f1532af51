import { describe, expect, it } from 'vitest'
import { type DictionaryLimits, encodeDictionary, parseDictionary } from './structured-field.ts'
import { codeOf } from './testing/signed-request.ts'

const limits: DictionaryLimits = { textCharsMax: 400, membersMax: 3, itemsMax: 3, paramsMax: 2 }
const parse = (text: string) => parseDictionary(text, limits, 'Test')
const canonical = (text: string) => encodeDictionary(parse(text))

describe('dictionaries of RFC 8941', () => {
  it.each([
    '',
    'a=1',
    'a=-999999999999999',
    'a=?0',
    'a',
    'a;b',
    'a;b=?0',
    'a="x \\" \\\\ y"',
    'a=:AAEC:',
    'a=::',
    'a=token/x:y',
    'a=*t',
    'a=()',
    'a=("x" "y";p=1 tok);q="z";r',
    'a=1, b=2, *c.d-e_f=3',
  ])('keeps %s as it stands', (text) => expect(canonical(text)).toBe(text))

  it.each([
    ['  a=1', 'a=1'],
    ['a=1 ,\tb=2', 'a=1, b=2'],
    ['a=(  "x"   "y" )', 'a=("x" "y")'],
    ['a=1;  b=2', 'a=1;b=2'],
    ['a=?1', 'a'],
    ['a=01', 'a=1'],
    ['a=-0', 'a=0'],
  ])('reads %s as %s', (text, wanted) => expect(canonical(text)).toBe(wanted))

  it.each([
    ['a key twice', 'a=1, a=2'],
    ['a parameter twice', 'a;b;b'],
    ['a key in upper case', 'A=1'],
    ['a trailing comma', 'a=1,'],
    ['no comma', 'a=1 b=2'],
    ['no value', 'a='],
    ['a decimal', 'a=1.5'],
    ['an integer of 16 digits', 'a=1234567890123456'],
    ['a lone minus', 'a=-'],
    ['a string that does not end', 'a="x'],
    ['a string that ends in a backslash', 'a="x\\'],
    ['a bad escape', 'a="\\n"'],
    ['a control character in a string', 'a="\u0001"'],
    ['a string outside of ASCII', 'a="é"'],
    ['bytes that do not end', 'a=:AAAA'],
    ['bytes without padding', 'a=:AA:'],
    ['bytes with padding bits that are not zero', 'a=:AB==:'],
    ['bytes in base64url', 'a=:-_-_:'],
    ['a bad boolean', 'a=?2'],
    ['a date of RFC 9651', 'a=@1659578233'],
    ['a list that does not end', 'a=("x"'],
    ['items without a space', 'a=("x""y")'],
    ['a list in a list', 'a=(("x"))'],
    ['a tab in a list', 'a=("x"\t"y")'],
    ['too many members', 'a, b, c, d'],
    ['too many items', 'a=(1 2 3 4)'],
    ['too many parameters', 'a;b;c;d'],
    ['too many characters', `a="${'x'.repeat(400)}"`],
    ['a key that is too long', `${'a'.repeat(65)}=1`],
  ])('refuses %s', (_, text) => expect(codeOf(() => parse(text))).toBe('WIRE_SIGNATURE_MALFORMED'))

  it('refuses to write what has no form', () => {
    const write = (value: string | number) => () => encodeDictionary([['a', { value, params: new Map() }]])
    expect(codeOf(write('é'))).toBe('WIRE_SIGNATURE_MALFORMED')
    expect(codeOf(write(1.5))).toBe('WIRE_SIGNATURE_MALFORMED')
    expect(codeOf(write(1e15))).toBe('WIRE_SIGNATURE_MALFORMED')
  })
})
