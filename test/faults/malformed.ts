import { routes } from '@countersign/wire'
import fc from 'fast-check'

/** Requests as somebody sends them who wants to break the reader, not to be served. */

const names = [
  '__proto__',
  'constructor',
  'toString',
  'request',
  'headers',
  'body',
  'signature',
  '\u0000',
  '',
]

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('0x', '0xzz', '-1', '1e999', '\ud800', '\u202e', ' '.repeat(50), '0x'.padEnd(5_000, 'f')),
  fc.integer(),
  fc.double(),
  fc.constantFrom(null, true, false, 2 ** 53, -0, 1e308),
)

export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom(...names)), tie('value'), {
      maxKeys: 4,
    }),
  ),
})).value

const nested = fc
  .tuple(fc.constantFrom('[', '{"a":', '{"request":{"headers":'), fc.constantFrom(9, 33, 1_000, 100_000))
  .map(([open, depth]) => open.repeat(depth))

const brokenJson = fc.constantFrom(
  '',
  'null',
  '"',
  '{"__proto__":{"role":"admin"}}',
  '{"request":1,"request":2}',
  '{"a":1}{"b":2}',
  '\ufeff{}',
  '[1,]',
  '{"n":9007199254740993}',
  '{"n":1.5}',
  'NaN',
  "{'a':1}",
  '{"a":"\u0000"}',
  '{"\\ud800":"\\udfff"}',
)

export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  anyJson.map((value) => JSON.stringify(value) ?? ''),
  nested,
  brokenJson,
)

const segment = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%',
    '%00',
    'wal_0',
    `wal_${'0'.repeat(24)}`,
    'a'.repeat(3_000),
    'é',
    ' ',
  ),
  fc.string({ maxLength: 20 }),
)
const query = fc.constantFrom(
  '',
  '?',
  '?a=1',
  '?limit=0',
  '?limit=999999',
  '?start=-1&start=2',
  '?cursor=%00',
  '#x',
  '?size=1e9',
)

/** Paths made from the real routes with other parameters, and paths of no route. */
export const anyPath: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...routes.map(({ pattern }) => pattern)), segment, query)
    .map(([pattern, text, tail]) => pattern.replace(/\{\w+\}/, text) + tail),
  fc.tuple(fc.array(segment, { maxLength: 4 }), query).map(([parts, tail]) => `/${parts.join('/')}${tail}`),
  fc.string({ maxLength: 30 }),
)

export const anyMethod = fc.constantFrom(
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'post',
  '',
  'CONNECT',
  '__proto__',
)

/** One change of a text: a character put in, taken out or replaced, a part doubled, or the end cut off. */
export const edit: fc.Arbitrary<(text: string) => string> = fc
  .tuple(
    fc.nat(),
    fc.constantFrom('insert', 'remove', 'replace', 'double', 'cut'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
  )
  .map(([at, how, piece]) => (text: string) => {
    const i = text.length === 0 ? 0 : at % text.length
    if (how === 'insert') return text.slice(0, i) + piece + text.slice(i)
    if (how === 'remove') return text.slice(0, i) + text.slice(i + 1)
    if (how === 'replace') return text.slice(0, i) + piece + text.slice(i + 1)
    if (how === 'double') return text.slice(0, i) + text.slice(Math.floor(i / 2))
    return text.slice(0, i)
  })

/** A valid value with one thing in it, at whatever depth, taken out, renamed or replaced by nonsense. */
export const spoil: fc.Arbitrary<(value: unknown) => unknown> = fc
  .tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), anyJson, fc.nat(9), fc.constantFrom(...names))
  .map(
    ([steps, nonsense, how, name]) =>
      (value: unknown) =>
        spoilAt(value, steps, { nonsense, how, name }),
  )

function spoilAt(
  value: unknown,
  [step, ...deeper]: readonly number[],
  change: { nonsense: unknown; how: number; name: string },
): unknown {
  const { nonsense, how, name } = change
  if (typeof value !== 'object' || value === null || step === undefined) return nonsense
  const entries = Object.entries(value)
  const [key, member] = entries[step % Math.max(1, entries.length)] ?? ['', undefined]
  if (Array.isArray(value)) {
    if (how === 0) return [...value, nonsense]
    return value.map((item, i) => (String(i) === key ? spoilAt(item, deeper, change) : item))
  }
  const others = entries.filter(([other]) => other !== key)
  if (how === 0) return Object.fromEntries(others)
  if (how === 1) return Object.fromEntries([...others, [name, member]])
  if (how === 2) return Object.fromEntries([...entries, [name, nonsense]])
  return { ...value, [key]: spoilAt(member, deeper, change) }
}
