import { type Address, parseAddress } from '@countersign/bytes'
import { AddressSet } from './address-set.ts'
import type { CompileContext, Condition, Failure } from './condition.ts'
import type { ConditionsDocument } from './schema.ts'

interface Wanted {
  readonly enforcer: Address
  /** `undefined`: whatever its terms. */
  readonly terms: string | undefined
}

/** Caveats of a delegation: none but by listed enforcers, and every required one among them. */
export function enforcerCondition(
  { allowed, required }: NonNullable<ConditionsDocument['enforcers']>,
  context: CompileContext,
): Condition {
  const listed =
    allowed === undefined
      ? undefined
      : new AddressSet(allowed, (i, parse) => context.parsed(`when.enforcers.allowed[${i}]`, parse))
  for (const book of listed?.books ?? []) context.books.add(book)
  const wanted = (required ?? []).map(
    ({ enforcer, terms }, i): Wanted => ({
      enforcer: context.parsed(`when.enforcers.required[${i}].enforcer`, () =>
        parseAddress(enforcer, 'The enforcer'),
      ),
      terms: terms?.toLowerCase(),
    }),
  )
  return {
    name: 'enforcers',
    judge: (effect, facts) => {
      if (effect.kind !== 'delegation-grant') return undefined
      const { caveats } = effect
      if (!wanted.every((one) => caveats.some((caveat) => isWanted(one, caveat)))) return false
      if (listed === undefined) return true
      let verdict: boolean | undefined = true
      for (const { enforcer } of caveats) {
        const judged = listed.has(enforcer, effect, facts)
        if (judged === false) return false
        if (judged === undefined) verdict = undefined
      }
      return verdict
    },
    explain: (effect, facts) => {
      if (effect.kind !== 'delegation-grant') return []
      const { caveats } = effect
      const failures: Failure[] = []
      for (const one of wanted) {
        if (caveats.some((caveat) => isWanted(one, caveat))) continue
        const terms = one.terms === undefined ? '' : ' with the terms that the rule names'
        const message = `the delegation has no caveat by the enforcer ${one.enforcer}${terms}`
        failures.push({ code: 'POLICY_ENFORCER', message })
      }
      for (const { enforcer } of caveats) {
        if (listed === undefined || listed.has(enforcer, effect, facts) === true) continue
        const missing = listed.missingBook(facts)
        failures.push(
          missing === undefined
            ? { code: 'POLICY_ENFORCER', message: `enforcer ${enforcer} of a caveat is not listed` }
            : { code: 'POLICY_BOOK', message: `the address book @${missing} is missing or cannot be read` },
        )
      }
      return failures
    },
  }
}

function isWanted(
  { enforcer, terms }: Wanted,
  caveat: { readonly enforcer: string; readonly terms: string },
): boolean {
  return caveat.enforcer === enforcer && (terms === undefined || caveat.terms === terms)
}
