import { canonicalJson } from '@countersign/bytes'
import { parseDuration } from './duration.ts'
import type { ConditionsDocument, DuringDocument, RuleDocument } from './schema.ts'

/**
 * Whether one part of a rule, as written, surely matches no more than another. It is read from the documents, so that
 * a condition which this file does not know counts as a difference: what cannot be shown is denied.
 *
 * The two actions are not alike. A permit rule matches where a condition is true, a forbid rule also where it cannot
 * be judged; so a narrower permit must never be true where the wider is not, and a narrower forbid must be false
 * wherever the wider is.
 */
export type Action = RuleDocument['action']

type When = Partial<ConditionsDocument>
type ConditionName = keyof ConditionsDocument

/** @returns the first condition by which `narrow` may match what `wide` does not; `undefined`: there is none. */
export function wideningCondition(
  narrow: When,
  wide: When,
  { action, limitsValues }: { readonly action: Action; readonly limitsValues: boolean },
): string | undefined {
  for (const name of Object.keys(wide) as ConditionName[]) {
    if (narrow[name] === undefined || !isNarrower(name, narrow, wide, action)) return name
  }
  for (const name of Object.keys(narrow) as ConditionName[]) {
    if (wide[name] !== undefined || action === 'forbid') continue
    if (!narrowing.has(name)) return name
    // The reading of an amount depends on which assets are listed: with a list, one of two readings may be left out.
    const isRead = wide.amount !== undefined || wide.value !== undefined || wide.minReceived !== undefined
    if (name === 'asset' && (isRead || limitsValues)) return name
  }
  return undefined
}

/**
 * Conditions that only take away from a permit rule which lacks them. Not so `account`, `from` and `owner`, without
 * which a rule covers only what is the wallet's own; nor `typedData`, whose list of types names unreadable permits.
 */
const narrowing: ReadonlySet<ConditionName> = new Set<ConditionName>([
  'chain',
  'asset',
  'recipient',
  'contract',
  'spender',
  'delegate',
  'delegator',
  'program',
  'instruction',
  'entryPoint',
  'sender',
  'paymaster',
  'factory',
  'safe',
  'address',
  'mint',
  'authority',
  'newAuthority',
  'action',
  'counterparty',
  'selector',
  'function',
  'amount',
  'value',
  'received',
  'minReceived',
  'expiresWithin',
  'text',
  'digest',
  'field',
])

function isNarrower(name: ConditionName, narrow: When, wide: When, action: Action): boolean {
  if (isSame(narrow[name], wide[name])) return true
  switch (name) {
    case 'amount':
      return isRangeWithin(narrow.amount ?? {}, wide.amount ?? {}, BigInt)
    case 'value':
      return (
        narrow.value?.currency === wide.value?.currency &&
        isRangeWithin(narrow.value ?? {}, wide.value ?? {}, microsOf)
      )
    case 'expiresWithin':
      return isDurationWithin(narrow.expiresWithin, wide.expiresWithin)
    case 'text':
      return isFieldNarrower(narrow.text, wide.text, action)
    case 'field':
      return areFieldsNarrower(narrow.field, wide.field, action)
    case 'function':
      return (
        narrow.function?.abi === wide.function?.abi &&
        areFieldsNarrower(narrow.function?.args, wide.function?.args, action)
      )
    case 'typedData': {
      const a = narrow.typedData ?? {}
      const b = wide.typedData ?? {}
      // Without a list of types no unreadable permit is covered: a list where there was none opens some.
      return (
        (isSame(a.primaryType, b.primaryType) || isSubset(a.primaryType, b.primaryType)) &&
        areFieldsNarrower(a.domain, b.domain, action) &&
        areFieldsNarrower(a.message, b.message, action)
      )
    }
    case 'minReceived':
    case 'enforcers':
      return false
    default:
      return isSubset(narrow[name] as unknown, wide[name] as unknown)
  }
}

type FieldDocument = NonNullable<ConditionsDocument['text']>

/** More fields to satisfy is narrower; each that the wide one has must be there, and no wider. */
function areFieldsNarrower(
  narrow: Readonly<Record<string, FieldDocument>> | undefined,
  wide: Readonly<Record<string, FieldDocument>> | undefined,
  action: Action,
): boolean {
  return Object.entries(wide ?? {}).every(([path, test]) => {
    const own = narrow !== undefined && Object.hasOwn(narrow, path) ? narrow[path] : undefined
    return own !== undefined && isFieldNarrower(own, test, action)
  })
}

function isFieldNarrower(
  narrow: FieldDocument | undefined,
  wide: FieldDocument | undefined,
  action: Action,
): boolean {
  if (isSame(narrow, wide)) return true
  if (narrow === undefined || wide === undefined) return false
  if (isRange(narrow) && isRange(wide)) return isRangeWithin(narrow, wide, BigInt)
  // A longer list can turn "cannot be judged" into "no": on a forbid rule that lets something through.
  if (action === 'forbid') return false
  const a = valuesOf(narrow)
  const b = valuesOf(wide)
  // Texts only: a number beside a text changes as what a value is compared. And to the letter: a text that happens to
  // be hexadecimal is another one in other case.
  return a !== undefined && b !== undefined && [...a, ...b].every(isText) && a.every((one) => b.includes(one))
}

function isRange(test: FieldDocument): boolean {
  return Object.keys(test).every((key) => key === 'min' || key === 'max')
}

function valuesOf(test: FieldDocument): readonly unknown[] | undefined {
  const keys = Object.keys(test)
  if (keys.length !== 1) return undefined
  if (test.in !== undefined) return test.in
  return test.equals === undefined ? undefined : [test.equals]
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

interface Range {
  readonly min?: string
  readonly max?: string
}

function isRangeWithin(narrow: Range, wide: Range, read: (text: string) => bigint): boolean {
  const isMin = wide.min === undefined || (narrow.min !== undefined && read(narrow.min) >= read(wide.min))
  const isMax = wide.max === undefined || (narrow.max !== undefined && read(narrow.max) <= read(wide.max))
  return isMin && isMax
}

const valueDecimals = 6

/** "12.5" -> 12500000n. The schema has seen to the form. */
export function microsOf(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(`${whole}${fraction.padEnd(valueDecimals, '0')}`)
}

export function isDurationWithin(narrow: string | undefined, wide: string | undefined): boolean {
  if (narrow === wide) return true
  const a = narrow === undefined ? undefined : parseDuration(narrow)
  const b = wide === undefined ? undefined : parseDuration(wide)
  return a !== undefined && b !== undefined && a <= b
}

/** Same rules for both actions: there is always a clock to judge by. */
export function isDuringWithin(
  narrow: DuringDocument | undefined,
  wide: DuringDocument | undefined,
): boolean {
  if (wide === undefined || isSame(narrow, wide)) return true
  if (narrow === undefined) return false
  const { days, hours, timeZone, notBefore, until, ...others } = narrow
  const {
    days: wideDays,
    hours: wideHours,
    timeZone: wideZone,
    notBefore: wideStart,
    until: wideEnd,
    ...wideOthers
  } = wide
  if (Object.keys(others).length > 0 || Object.keys(wideOthers).length > 0) return false
  const isLocal = wideDays !== undefined || wideHours !== undefined
  if (isLocal && timeZone !== wideZone) return false
  if (wideHours !== undefined && !isSame(hours, wideHours)) return false
  // Where the hours are new, an interval over midnight reaches into a day that is not listed.
  if (wideDays !== undefined && (!isSame(hours, wideHours) || !isSubset(days, wideDays))) return false
  if (wideStart !== undefined && !(notBefore !== undefined && Date.parse(notBefore) >= Date.parse(wideStart)))
    return false
  return wideEnd === undefined || (until !== undefined && Date.parse(until) <= Date.parse(wideEnd))
}

/** Lists as sets. An absent wide list means everything; an absent narrow one then means more. */
export function isListWithin(
  narrow: readonly unknown[] | undefined,
  wide: readonly unknown[] | undefined,
): boolean {
  return wide === undefined || (narrow !== undefined && isSubset(narrow, wide))
}

function isSubset(narrow: unknown, wide: unknown): boolean {
  if (!Array.isArray(narrow) || !Array.isArray(wide)) return false
  const known = new Set(wide.map(normal))
  return narrow.every((entry) => known.has(normal(entry)))
}

/** One EVM address has many spellings; everything else is compared as it is written. */
function normal(entry: unknown): unknown {
  return typeof entry === 'string' && /^0x[0-9a-fA-F]*$/.test(entry) ? entry.toLowerCase() : entry
}

export function isSame(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}
