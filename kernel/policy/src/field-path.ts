import type { Effect } from '@countersign/intent'
import type { Facts } from './decision.ts'
import type { FieldTest } from './field-condition.ts'

/** `order.maker`, `path.0`, `path.length`, and `path.*` for every element of a list. */
export interface FieldPath {
  readonly name: string
  readonly segments: readonly string[]
  readonly hasEvery: boolean
}

/** A test on what a path leads to. */
export interface PathTest {
  readonly path: FieldPath
  readonly test: FieldTest
}

export function parseFieldPath(name: string): FieldPath {
  const segments = name.split('.')
  return { name, segments, hasEvery: segments.includes('*') }
}

/** Walks through objects and arrays; `undefined` where there is nothing. For paths without `*`. */
export function fieldAt(root: unknown, segments: readonly string[]): unknown {
  let value = root
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[segment]
  }
  return value
}

export interface Judging {
  readonly isPermit: boolean
  readonly effect: Effect
  readonly facts: Facts
}

/**
 * With `*`: a permit needs every element to fit, a forbid matches where one does. `undefined`: it cannot be judged,
 * because something on the way is missing, or no list where one is needed. An empty list has no element that does
 * not fit: a permit that minds adds a condition on the length.
 */
export function judgePath(root: unknown, { path, test }: PathTest, judging: Judging): boolean | undefined {
  const { effect, facts } = judging
  if (!path.hasEvery) return test.judge(fieldAt(root, path.segments), effect, facts)
  return judgeFrom(root, path.segments, test, judging)
}

function judgeFrom(
  root: unknown,
  segments: readonly string[],
  test: FieldTest,
  judging: Judging,
): boolean | undefined {
  const star = segments.indexOf('*')
  if (star < 0) return test.judge(fieldAt(root, segments), judging.effect, judging.facts)
  const list = fieldAt(root, segments.slice(0, star))
  if (!Array.isArray(list)) return undefined
  const rest = segments.slice(star + 1)
  let verdict: boolean | undefined = judging.isPermit
  for (const element of list) {
    const judged = judgeFrom(element, rest, test, judging)
    if (judged === !judging.isPermit) return judged
    if (judged === undefined) verdict = undefined
  }
  return verdict
}

/** Completes "argument …" where the judgement for a permit rule was not true: the first value that does not fit. */
export function explainPath(root: unknown, { path, test }: PathTest, judging: Judging): string {
  if (!path.hasEvery) return `${path.name} ${test.explain(fieldAt(root, path.segments), judging.facts)}`
  const culprit = firstUnfit(root, path.segments, test, judging, '')
  if (culprit === undefined) return path.name
  return `${path.name} (at ${culprit.at}) ${test.explain(culprit.value, judging.facts)}`
}

function firstUnfit(
  root: unknown,
  segments: readonly string[],
  test: FieldTest,
  judging: Judging,
  at: string,
): { readonly at: string; readonly value: unknown } | undefined {
  const star = segments.indexOf('*')
  const here = (more: readonly string[]) => [...(at === '' ? [] : [at]), ...more].join('.')
  if (star < 0) {
    const value = fieldAt(root, segments)
    return test.judge(value, judging.effect, judging.facts) === true
      ? undefined
      : { at: here(segments), value }
  }
  const list = fieldAt(root, segments.slice(0, star))
  if (!Array.isArray(list)) return { at: here(segments.slice(0, star)), value: list }
  const rest = segments.slice(star + 1)
  for (const [i, element] of list.entries()) {
    const found = firstUnfit(element, rest, test, judging, here([...segments.slice(0, star), String(i)]))
    if (found !== undefined) return found
  }
  return undefined
}
