import type { Effect } from '@countersign/intent'
import { type AddressConditionName, addressConditionNames, readAddressField } from './address-condition.ts'
import { collectionOf } from './asset-set.ts'
import type { IndexField } from './condition.ts'
import type { Facts } from './decision.ts'
import { assetsOf } from './effect-fields.ts'
import { type ListConditionName, listConditionNames, readListField } from './list-condition.ts'
import type { Rule } from './policy.ts'

/** Rules of one kind of effect; with so few, looking each up costs more than matching it. */
const indexedFrom = 9

const listNames: ReadonlySet<string> = new Set(listConditionNames)
const addressNames: ReadonlySet<string> = new Set(addressConditionNames)

/**
 * Finds the rules of one kind of effect and one action that an effect could match, without looking at the others:
 * each rule stands under the values of one of its conditions, the one by which fewest others stand beside it. What
 * is found is matched in full afterwards; what is not found surely does not match.
 */
export class RuleIndex {
  readonly all: readonly Rule[]
  /** Rules that nothing can be looked up by. */
  readonly #rest: readonly Rule[]
  readonly #fields: readonly {
    readonly field: IndexField
    readonly rules: Map<string, Rule[]>
    readonly all: Rule[]
  }[]
  /** A permit rule whose field cannot be read does not match; a forbid rule does. */
  readonly #isPermit: boolean

  constructor(all: readonly Rule[], isPermit: boolean) {
    this.all = all
    this.#isPermit = isPermit
    if (all.length < indexedFrom) {
      this.#rest = all
      this.#fields = []
      return
    }
    const crowds = crowdsOf(all)
    const rest: Rule[] = []
    const fields = new Map<IndexField, { field: IndexField; rules: Map<string, Rule[]>; all: Rule[] }>()
    for (const rule of all) {
      const best = leastCrowded(rule, crowds)
      if (best === undefined) {
        rest.push(rule)
        continue
      }
      const known = fields.get(best.field)
      const entry = known ?? { field: best.field, rules: new Map<string, Rule[]>(), all: [] }
      if (known === undefined) fields.set(best.field, entry)
      entry.all.push(rule)
      for (const value of best.values) {
        const beside = entry.rules.get(value)
        if (beside === undefined) entry.rules.set(value, [rule])
        else beside.push(rule)
      }
    }
    this.#rest = rest
    this.#fields = [...fields.values()]
  }

  /** In the order of the file. */
  candidates(effect: Effect, facts: Facts): readonly Rule[] {
    if (this.#fields.length === 0) return this.#rest
    let found: readonly Rule[] = this.#rest
    let isOwn = false
    const add = (more: readonly Rule[] | undefined) => {
      if (more === undefined || more.length === 0) return
      if (found.length === 0) {
        found = more
        return
      }
      found = isOwn ? found : [...found]
      isOwn = true
      ;(found as Rule[]).push(...more)
    }
    for (const { field, rules, all } of this.#fields) {
      if (field === 'asset') {
        for (const asset of assetsOf(effect)) {
          add(rules.get(asset))
          const collection = collectionOf(asset)
          if (collection !== undefined) add(rules.get(collection))
        }
        continue
      }
      const value = readIndexField(field, effect, facts)
      if (value !== undefined) add(rules.get(value))
      else if (!this.#isPermit) add(all)
    }
    return isOwn ? inOrder(found as Rule[]) : found
  }
}

/** Sorted by their place in the file, each once. */
function inOrder(rules: Rule[]): Rule[] {
  rules.sort((a, b) => a.order - b.order)
  return rules.filter((rule, i) => rule !== rules[i - 1])
}

type Crowds = ReadonlyMap<IndexField, ReadonlyMap<string, number>>

/** By how many rules each value of each field is named. */
function crowdsOf(rules: readonly Rule[]): Crowds {
  const crowds = new Map<IndexField, Map<string, number>>()
  for (const rule of rules) {
    for (const { field, values } of indexesOf(rule)) {
      let counts = crowds.get(field)
      if (counts === undefined) {
        counts = new Map()
        crowds.set(field, counts)
      }
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
    }
  }
  return crowds
}

function leastCrowded(rule: Rule, crowds: Crowds): RuleKey | undefined {
  let best: RuleKey | undefined
  let least = Number.POSITIVE_INFINITY
  for (const key of indexesOf(rule)) {
    let most = 0
    for (const value of key.values) most = Math.max(most, crowds.get(key.field)?.get(value) ?? 0)
    if (most < least) {
      least = most
      best = key
    }
  }
  return best
}

interface RuleKey {
  readonly field: IndexField
  readonly values: Iterable<string>
}

function indexesOf({ conditions, credentials }: Rule): RuleKey[] {
  const keys: RuleKey[] = []
  if (credentials !== undefined) keys.push({ field: 'credential', values: credentials })
  for (const { index } of conditions) if (index !== undefined) keys.push(index)
  return keys
}

function readIndexField(field: IndexField, effect: Effect, facts: Facts): string | undefined {
  if (field === 'credential') return facts.credentialId
  if (listNames.has(field)) return readListField(field as ListConditionName, effect)
  if (addressNames.has(field)) return readAddressField(field as AddressConditionName, effect, facts)
  throw new Error(`bug: rules are not looked up by ${field}`)
}
