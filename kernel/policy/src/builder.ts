import type { EffectKind } from '@countersign/intent'
import { parsePolicy } from './policy.ts'
import type { PolicyDocument, PricesDocument, RuleDocument, WindowDocument } from './schema.ts'

/** Keys whose decimal strings the builder also takes as bigints. */
type AmountKey = 'amount' | 'min' | 'max' | 'received' | 'spent'

/** A part of the document as a program writes it: amounts are decimal strings or bigints. */
export type Written<T> = T extends readonly (infer Item)[]
  ? readonly Written<Item>[]
  : T extends object
    ? {
        readonly [Key in keyof T]: Key extends AmountKey
          ? T[Key] extends string | undefined
            ? T[Key] | bigint
            : Written<T[Key]>
          : Written<T[Key]>
      }
    : T

export type WrittenRule = Omit<Written<RuleDocument>, 'id' | 'action' | 'effects'>

/**
 * Writes a policy file in TypeScript: `policy('payroll').permit('pay', 'native-transfer', {…}).build()`. Each call
 * gives a new builder, so that a common beginning can be continued in several ways.
 */
export class PolicyBuilder {
  readonly #document: PolicyDocument

  constructor(document: PolicyDocument) {
    this.#document = document
  }

  /** Whose signed prices value conditions and value limits use. */
  prices(prices: PricesDocument): PolicyBuilder {
    return this.#with({ prices })
  }

  /** A group of approvers. */
  group(name: string, credentials: readonly string[], description?: string): PolicyBuilder {
    const group = { credentials: [...credentials], ...(description === undefined ? {} : { description }) }
    return this.#with({ groups: { ...this.#document.groups, [name]: group } })
  }

  permit(id: string, effects: EffectKind | readonly EffectKind[], rule: WrittenRule = {}): PolicyBuilder {
    return this.#add('permit', id, effects, rule)
  }

  forbid(
    id: string,
    effects: EffectKind | readonly EffectKind[],
    rule: Omit<WrittenRule, 'limits' | 'approvals' | 'requires'> = {},
  ): PolicyBuilder {
    return this.#add('forbid', id, effects, rule)
  }

  /** The document, as the signer would read it.
   * @throws {CountersignError} POLICY_INVALID, POLICY_TOO_LARGE */
  build(): PolicyDocument {
    return parsePolicy(this.#document).document
  }

  /** For JSON.stringify. */
  toJSON(): PolicyDocument {
    return this.build()
  }

  #add(
    action: RuleDocument['action'],
    id: string,
    effects: EffectKind | readonly EffectKind[],
    rule: WrittenRule,
  ): PolicyBuilder {
    const kinds = typeof effects === 'string' ? [effects] : [...effects]
    const written = { id, action, effects: kinds, ...(inDecimals(rule) as object) } as RuleDocument
    return this.#with({ rules: [...this.#document.rules, written] })
  }

  #with(more: Partial<PolicyDocument>): PolicyBuilder {
    return new PolicyBuilder({ ...this.#document, ...more })
  }
}

export function policy(
  id: string,
  about: { readonly name?: string; readonly description?: string } = {},
): PolicyBuilder {
  return new PolicyBuilder({ version: 1, id, ...about, rules: [] })
}

/** The window of a limit: `rolling('24h')`. */
export function rolling(length: string): WindowDocument {
  return { rolling: length }
}

/** The window of a limit: `calendar('month', 'Europe/Berlin')`. */
export function calendar(unit: NonNullable<WindowDocument['calendar']>, timeZone: string): WindowDocument {
  return { calendar: unit, timeZone }
}

function inDecimals(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(inDecimals)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, inDecimals(member)]),
  )
}
