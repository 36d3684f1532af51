import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCsv } from './csv.ts'

const cell = (value: string) => encodeCsv([[value]]).slice(0, -2)

describe('a table', () => {
  it('is RFC 4180', () => {
    expect(
      encodeCsv([
        ['a', 'b c', ''],
        ['say "x"', '1,2', 'two\nlines'],
      ]),
    ).toBe('a,"b c",\r\n"say ""x""","1,2","two\nlines"\r\n')
  })

  it.each([
    ['=1+1', `"'=1+1"`],
    ['=cmd|"/c calc"!A1', `"'=cmd|""/c calc""!A1"`],
    ['+49 30', `"'+49 30"`],
    ['-2+3', `"'-2+3"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['\t=1', `"'\t=1"`],
    ['\r=1', `"'\r=1"`],
    ['  =1', `"'  =1"`],
    ['\u0000=1', `"'\u0000=1"`],
    ['＝1', `"'＝1"`],
    ['＠x', `"'＠x"`],
    ['\u00a0-1', `"'\u00a0-1"`],
  ])('does not let a spreadsheet run %j', (value, expected) => expect(cell(value)).toBe(expected))

  it('leaves amounts, hashes and times as they are', () => {
    for (const plain of [
      '0.000000000000000001',
      '115792089237316195423570985008687907853269984665640564039457584007913129639935',
      '0xabc',
      'eip155:1/erc20:0xaa',
      '2026-01-31T00:00:00.000Z',
    ])
      expect(cell(plain)).toBe(plain)
  })

  it('is read back as what it was, in one cell, by every separator', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 4 }), (row) => {
        const text = encodeCsv([row])
        for (const separator of [',', ';', '\t']) {
          const cells = readRow(text, separator)
          if (separator === ',') expect(cells.map((value, i) => undo(value, row[i] as string))).toEqual(row)
          for (const value of cells) expect(/^[=+\-@]/.test(value)).toBe(false)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function undo(value: string, original: string): string {
  return value === `'${original}` ? original : value
}

/** Another reader, written from RFC 4180. */
function readRow(text: string, separator: string): string[] {
  const cells: string[] = []
  let value = ''
  let quoted = false
  for (let i = 0; i < text.length - 2; i++) {
    const char = text[i] as string
    if (quoted && char === '"' && text[i + 1] === '"') value += text[++i]
    else if (char === '"') quoted = !quoted
    else if (!quoted && char === separator) {
      cells.push(value)
      value = ''
    } else value += char
  }
  return [...cells, value]
}
