import { type PolicyDocument, policyError } from '@countersign/policy'
import type { LedgerTx } from './ledger.ts'

/**
 * Policies go by the first id of a credential. Under the id of a key that came by rotation a rule would never match
 * anybody: a permit rule would do nothing, and a forbid rule would forbid nothing.
 * @throws {CountersignError} POLICY_INVALID */
export async function checkNamedCredentials(
  tx: Pick<LedgerTx, 'get'>,
  document: PolicyDocument,
): Promise<void> {
  const seen = new Set<string>()
  for (const [path, ids] of namedIn(document)) {
    for (const id of ids) {
      if (seen.has(id)) continue
      seen.add(id)
      const first = (await tx.get('credential', id))?.subject
      if (first === undefined || first === id) continue
      throw policyError(
        'POLICY_INVALID',
        `At ${path}: ${id} is a key that came by rotation; policies go by the first id, which is ${first}.`,
        { details: { path } },
      )
    }
  }
}

function* namedIn({ rules, groups, prices }: PolicyDocument): Generator<[string, readonly string[]]> {
  for (const [i, { who, requires }] of rules.entries()) {
    yield [`rules[${i}].who.credentials`, who?.credentials ?? []]
    yield [`rules[${i}].requires.simulation.by`, requires?.simulation.by ?? []]
  }
  for (const [name, { credentials }] of Object.entries(groups ?? {})) {
    yield [`groups.${name}.credentials`, credentials]
  }
  yield ['prices.by', prices?.by ?? []]
}
