import { isCountersignError, parseAccountAddress } from '@countersign/bytes'
import { type Effect, quoteText } from '@countersign/intent'
import { AddressSet } from './address-set.ts'
import type { Facts } from './decision.ts'
import type { FieldConditionDocument, FieldValue } from './schema.ts'

/** What a field or an argument is compared as; `any` where only the data tells (EIP-712). */
export type FieldType = 'integer' | 'boolean' | 'address' | 'bytes' | 'text' | 'any'

/** A condition on one value. `undefined`: it cannot be judged (missing, or of a type that does not compare). */
export interface FieldTest {
  judge(actual: unknown, effect: Effect, facts: Facts): boolean | undefined
  /** Completes "field x …" where the judgement is not true. */
  explain(actual: unknown, facts: Facts): string
  /** Address books that it looks into. */
  readonly books: readonly string[]
}

const integerForm = /^(?:0|-?[1-9][0-9]{0,77})$/
const hexForm = /^0x[0-9a-fA-F]*$/
const evmForm = /^0x[0-9a-fA-F]{40}$/

/** @throws {FieldConditionError} with what is wrong, for the caller to add where. */
export function compileFieldCondition(condition: FieldConditionDocument, type: FieldType): FieldTest {
  const hasRange = condition.min !== undefined || condition.max !== undefined
  const forms = [condition.in, condition.equals, condition.addresses, condition.startsWith]
  if (forms.filter((form) => form !== undefined).length + Number(hasRange) !== 1) {
    throw new FieldConditionError(
      'needs exactly one of "in", "equals", "addresses", "startsWith", or a range of "min" and "max"',
    )
  }
  if (condition.addresses !== undefined) return compileAddresses(condition.addresses, type)
  if (condition.startsWith !== undefined) return compilePrefix(condition.startsWith, type)
  if (!hasRange) return compileValues(condition.in ?? [condition.equals as FieldValue], type)
  if (type !== 'integer' && type !== 'any') {
    throw new FieldConditionError(`compares ${nouns[type]} with "min" or "max"; only integers have a range`)
  }
  return compileRange(condition)
}

export class FieldConditionError extends Error {}

export function showValue(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'bigint' || typeof value === 'boolean' || typeof value === 'number')
    return String(value)
  if (typeof value !== 'string') return Array.isArray(value) ? 'a list' : 'a struct'
  if (hexForm.test(value) && value.length <= 66) return value
  return quoteText(value)
}

const nouns: Record<FieldType, string> = {
  integer: 'an integer',
  boolean: 'a boolean',
  address: 'an address',
  bytes: 'bytes',
  text: 'a text',
  any: 'a value',
}

function compileRange(condition: FieldConditionDocument): FieldTest {
  const min = condition.min === undefined ? undefined : BigInt(condition.min)
  const max = condition.max === undefined ? undefined : BigInt(condition.max)
  if (min !== undefined && max !== undefined && min > max) {
    throw new FieldConditionError('has a "min" above its "max"')
  }
  return {
    books: [],
    judge(actual) {
      const value = asInteger(actual)
      if (value === undefined) return undefined
      return (min === undefined || value >= min) && (max === undefined || value <= max)
    },
    explain(actual) {
      const value = asInteger(actual)
      if (value === undefined) return `is ${showValue(actual)}, not an integer`
      if (max !== undefined && value > max) return `is ${value}, over max ${max} by ${value - max}`
      if (min !== undefined && value < min) return `is ${value}, under min ${min} by ${min - value}`
      return `is ${value}`
    },
  }
}

function compileAddresses(entries: readonly string[], type: FieldType): FieldTest {
  if (type !== 'address' && type !== 'any') {
    throw new FieldConditionError(`compares ${nouns[type]} with addresses`)
  }
  const listed = new AddressSet(entries, (i, parse) => readAddress(entries[i] ?? '', parse))
  return {
    books: listed.books,
    judge: (actual, effect, facts) => {
      const address = asAddress(actual)
      return address === undefined ? undefined : listed.has(address, effect, facts)
    },
    explain: (actual, facts) => {
      if (asAddress(actual) === undefined) return `is ${showValue(actual)}, not an address`
      const missing = listed.missingBook(facts)
      return missing === undefined
        ? `is ${showValue(actual)}, which is not listed`
        : `is ${showValue(actual)}, which is not listed as far as that is known: the address book @${missing} is missing`
    },
  }
}

function compilePrefix(prefix: string, type: FieldType): FieldTest {
  const isHex = hexForm.test(prefix) && prefix.length % 2 === 0
  if (type === 'bytes' ? !isHex : type !== 'text' && type !== 'any') {
    throw new FieldConditionError(`compares ${nouns[type]} with the beginning ${showValue(prefix)}`)
  }
  const folds = isHex && type !== 'text'
  const wanted = folds ? prefix.toLowerCase() : prefix
  return {
    books: [],
    judge: (actual) =>
      typeof actual === 'string' ? (folds ? folded(actual) : actual).startsWith(wanted) : undefined,
    explain: (actual) => `is ${showValue(actual)}, which does not begin with ${showValue(prefix)}`,
  }
}

function compileValues(wanted: readonly FieldValue[], type: FieldType): FieldTest {
  const strings = new Set<string>()
  const integers = new Set<bigint>()
  const booleans = new Set<boolean>()
  for (const value of wanted) addWanted(value, type, { strings, integers, booleans })
  const shown = wanted.length === 1 ? showValue(wanted[0]) : `one of the ${wanted.length} listed values`
  return {
    books: [],
    judge(actual) {
      if (typeof actual === 'string') {
        if (strings.size > 0) return strings.has(type === 'text' ? actual : folded(actual))
        // A string field that holds a number still compares with one.
        const value = integers.size > 0 ? asInteger(actual) : undefined
        return value === undefined ? undefined : integers.has(value)
      }
      if (typeof actual === 'boolean') return booleans.size > 0 ? booleans.has(actual) : undefined
      const value = asInteger(actual)
      return value === undefined || integers.size === 0 ? undefined : integers.has(value)
    },
    explain: (actual) =>
      actual === undefined ? `is missing where ${shown} is needed` : `is ${showValue(actual)}, not ${shown}`,
  }
}

interface Wanted {
  readonly strings: Set<string>
  readonly integers: Set<bigint>
  readonly booleans: Set<boolean>
}

function addWanted(value: FieldValue, type: FieldType, into: Wanted): void {
  if (typeof value === 'boolean') {
    if (type !== 'boolean' && type !== 'any') throw mistyped(value, type)
    into.booleans.add(value)
    return
  }
  if (typeof value === 'number') {
    if (type !== 'integer' && type !== 'any') throw mistyped(value, type)
    into.integers.add(BigInt(value))
    return
  }
  switch (type) {
    case 'boolean':
      throw mistyped(value, type)
    case 'integer':
      if (!integerForm.test(value)) throw mistyped(value, type)
      into.integers.add(BigInt(value))
      return
    case 'address':
      into.strings.add(readAddress(value, () => parseAccountAddress(value), type))
      return
    case 'bytes':
      if (!hexForm.test(value) || value.length % 2 !== 0) throw mistyped(value, type)
      into.strings.add(value.toLowerCase())
      return
    case 'text':
      into.strings.add(value)
      return
    case 'any':
      into.strings.add(
        evmForm.test(value) ? readAddress(value, () => parseAccountAddress(value)) : folded(value),
      )
      if (integerForm.test(value)) into.integers.add(BigInt(value))
  }
}

/** Hexadecimal compares without regard to case, any other text exactly. */
function folded(text: string): string {
  return hexForm.test(text) ? text.toLowerCase() : text
}

function readAddress<T>(value: string, parse: () => T, type: FieldType = 'address'): T {
  try {
    return parse()
  } catch (error) {
    if (!isCountersignError(error)) throw error
    if (!evmForm.test(value)) throw mistyped(value, type)
    throw new FieldConditionError(
      `names the address ${value}, whose EIP-55 checksum is wrong; a character may be mistyped`,
    )
  }
}

/** Decoders give EVM addresses in lower case and all others in their one form. */
function asAddress(actual: unknown): ReturnType<typeof parseAccountAddress> | undefined {
  if (typeof actual !== 'string' || actual === '') return undefined
  return folded(actual) as ReturnType<typeof parseAccountAddress>
}

function mistyped(value: FieldValue, type: FieldType): FieldConditionError {
  return new FieldConditionError(`compares ${nouns[type]} with ${showValue(value)}`)
}

function asInteger(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  return typeof value === 'string' && integerForm.test(value) ? BigInt(value) : undefined
}
