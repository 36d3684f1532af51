import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from './testing/signed-request.ts'
import {
  bundleEntryBytesMax,
  decodeEntryBundle,
  decodeHashTile,
  encodeEntryBundle,
  encodeTilePath,
  parseTilePath,
  tilesOf,
} from './tile.ts'

describe('the path of a tile', () => {
  it.each([
    ['/tile/0/000', { level: 0, index: 0, width: 256 }],
    ['/tile/0/x001/067', { level: 0, index: 1067, width: 256 }],
    ['/tile/2/x001/x234/067.p/8', { level: 2, index: 1_234_067, width: 8 }],
    ['/tile/entries/x001/067.p/255', { level: 'entries', index: 1067, width: 255 }],
    ['/tile/entries/999', { level: 'entries', index: 999, width: 256 }],
    ['/tile/6/000.p/1', { level: 6, index: 0, width: 1 }],
  ] as const)('%s', (path, tile) => {
    expect(parseTilePath(path)).toEqual(tile)
    expect(encodeTilePath(tile)).toBe(path)
  })

  it.each([
    '/tile/0/0',
    '/tile/0/00',
    '/tile/00/000',
    '/tile/0/1067',
    '/tile/0/x000/067',
    '/tile/0/001/067',
    '/tile/0/x001/x067',
    '/tile/0/000.p/0',
    '/tile/0/000.p/256',
    '/tile/0/000.p/01',
    '/tile/0/000.p/',
    '/tile/0/000.p/1/',
    '/tile/7/000',
    '/tile/-1/000',
    '/tile/entries/',
    '/tile/data/000',
    '/tile/0/000?x=1',
    '/tile/0/000/',
    '//tile/0/000',
    '/tile/0/x999/x999/x999/x999/x999/999',
    '/tile/0/%30%30%30',
    '/tile/0/٠٠٠',
  ])('%s is none', (path) => expect(parseTilePath(path)).toBeUndefined())

  it('is one for each tile', () => {
    const tile = fc.record({
      level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 6 })),
      index: fc.integer({ min: 0, max: 2 ** 44 }),
      width: fc.integer({ min: 1, max: 256 }),
    })
    fc.assert(
      fc.property(tile, (one) => {
        expect(parseTilePath(encodeTilePath(one))).toEqual(one)
      }),
    )
  })

  it('is made of the tiles of the specification’s example, a tree of 70,000', () => {
    const tiles = [...tilesOf(70_000)]
    const of = (level: number | 'entries') => tiles.filter((tile) => tile.level === level)
    expect(of(0)).toHaveLength(274)
    expect(of(0).at(-1)?.width).toBe(112)
    expect(of(1).map(({ width }) => width)).toEqual([256, 17])
    expect(of(2).map(({ width }) => width)).toEqual([1])
    expect(of(3)).toEqual([])
    expect(of('entries').at(-1)).toEqual({ level: 'entries', index: 273, width: 112 })
    expect([...tilesOf(256)].map(encodeTilePath)).toEqual([
      '/tile/0/000',
      '/tile/1/000.p/1',
      '/tile/entries/000',
    ])
    expect([...tilesOf(0)]).toEqual([])
  })
})

describe('an entry bundle', () => {
  it('gives back what went in, up to the longest entry', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 })
    fc.assert(
      fc.property(entries, (some) => {
        expect(decodeEntryBundle(encodeEntryBundle(some), some.length)).toEqual(some)
      }),
    )
    const longest = new Uint8Array(bundleEntryBytesMax).fill(7)
    expect(decodeEntryBundle(encodeEntryBundle([longest]), 1)).toEqual([longest])
    expect(codeOf(() => encodeEntryBundle([new Uint8Array(bundleEntryBytesMax + 1)]))).toBe(
      'WIRE_TILE_INVALID',
    )
  })

  it('is big-endian', () => {
    expect(
      [...encodeEntryBundle([Uint8Array.of(1, 2), new Uint8Array(0), new Uint8Array(258)])].slice(0, 8),
    ).toEqual([0, 2, 1, 2, 0, 0, 1, 2])
  })

  it.each([
    ['cut short', (bytes: Uint8Array) => bytes.slice(0, -1), 2],
    ['cut within a length', (bytes: Uint8Array) => bytes.slice(0, 4), 2],
    ['longer', (bytes: Uint8Array) => Uint8Array.of(...bytes, 0), 2],
    ['of more entries', (bytes: Uint8Array) => bytes, 1],
    ['of fewer entries', (bytes: Uint8Array) => bytes, 3],
  ] as const)('that is %s is refused', (_name, change, width) => {
    const bytes = encodeEntryBundle([Uint8Array.of(1), Uint8Array.of(2, 3)])
    expect(codeOf(() => decodeEntryBundle(change(bytes), width))).toBe('WIRE_TILE_INVALID')
  })
})

it('reads hashes of the stated width only', () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i)
  expect(decodeHashTile(bytes, 2)).toEqual([bytes.slice(0, 32), bytes.slice(32)])
  for (const width of [1, 3]) expect(codeOf(() => decodeHashTile(bytes, width))).toBe('WIRE_TILE_INVALID')
})
