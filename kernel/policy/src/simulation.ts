import { type AssetId, parseAmountMinor, parseAssetId } from '@countersign/bytes'
import type { Intent } from '@countersign/intent'
import { normalTokenId } from './asset-set.ts'
import type { Asked } from './condition.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { amountOf, assetsOf, isUnbounded } from './effect-fields.ts'
import type { SimulationFact } from './fact.ts'
import type { SimulationDocument } from './schema.ts'

/** A simulation without which a rule does not match. */
export interface SimulationRequirement {
  readonly by: ReadonlySet<string>
  readonly maxAgeMs: number | undefined
  /** What may leave beyond what the effects say. */
  readonly beyond: ReadonlyMap<AssetId, bigint> | undefined
}

interface Compiling {
  invalid(path: string, message: string): never
  parsed<T>(path: string, parse: () => T): T
}

export function compileSimulation(
  { by, maxAge, maxOutflows }: SimulationDocument,
  { invalid, parsed }: Compiling,
): SimulationRequirement {
  const at = 'requires.simulation'
  const maxAgeMs = maxAge === undefined ? undefined : parseDuration(maxAge)
  if (maxAge !== undefined && maxAgeMs === undefined) {
    return invalid(`${at}.maxAge`, 'the duration is longer than 366d')
  }
  const beyond = new Map<AssetId, bigint>()
  maxOutflows?.forEach(({ asset, amount }, i) => {
    const id = parsed(`${at}.maxOutflows[${i}].asset`, () => normalTokenId(parseAssetId(asset, 'The asset')))
    if (beyond.has(id)) invalid(`${at}.maxOutflows[${i}].asset`, 'the asset stands in the list already')
    beyond.set(
      id,
      parsed(`${at}.maxOutflows[${i}].amount`, () => parseAmountMinor(amount, 'The amount')),
    )
  })
  return { by: new Set(by), maxAgeMs, beyond: maxOutflows === undefined ? undefined : beyond }
}

/** @returns half a sentence, or undefined where a simulation says what the requirement asks for, and none says worse. */
export function simulationProblem(
  requirement: SimulationRequirement,
  { intent, facts }: Asked,
): string | undefined {
  const { by, maxAgeMs } = requirement
  let good = false
  for (const fact of facts.simulations ?? []) {
    if (fact.payloadDigest !== intent.payloadDigest || !by.has(fact.credentialId)) continue
    if (fact.account !== facts.walletAddress) continue
    const isOld =
      facts.nowMs >= fact.expiresAtMs ||
      fact.atMs > facts.nowMs ||
      (maxAgeMs !== undefined && facts.nowMs - fact.atMs > maxAgeMs)
    // An old failure is no reason to sign either; it only is no news.
    if (isOld) continue
    const problem = problemOf(fact, requirement, intent)
    if (problem !== undefined) return problem
    good = true
  }
  if (good) return undefined
  const age = maxAgeMs === undefined ? '' : ` of the last ${formatDuration(maxAgeMs)}`
  return `it needs a successful simulation of these bytes from this wallet${age} by ${[...by].join(' or ')}, and there is none that counts`
}

function problemOf(
  { outcome, maxOutflows, credentialId }: SimulationFact,
  { beyond }: SimulationRequirement,
  intent: Intent,
): string | undefined {
  if (outcome !== 'success') return `the simulation by ${credentialId} says that the transaction fails`
  if (maxOutflows === undefined) {
    return beyond === undefined
      ? undefined
      : `the simulation by ${credentialId} does not list what leaves, and the rule needs that`
  }
  const said = saidOf(intent)
  const found = new Map<AssetId, bigint>()
  for (const { asset, amountMinor } of maxOutflows) {
    found.set(asset, (found.get(asset) ?? 0n) + amountMinor)
  }
  for (const [asset, amountMinor] of found) {
    const known = said.get(asset)
    if (known === 'unbounded') continue
    const most = (known ?? 0n) + (beyond?.get(asset) ?? 0n)
    if (amountMinor > most) {
      return `the simulation by ${credentialId} says that ${amountMinor} of ${asset} leave, and the effects and the rule account for ${most}`
    }
  }
  return undefined
}

type Said = ReadonlyMap<AssetId, bigint | 'unbounded'>

const saidByIntent = new WeakMap<Intent, Said>()

/** What the decoded effects say can leave: whatever policies permit of it, they have permitted knowingly. */
function saidOf(intent: Intent): Said {
  const known = saidByIntent.get(intent)
  if (known !== undefined) return known
  const said = new Map<AssetId, bigint | 'unbounded'>()
  for (const effect of intent.effects) {
    const amountMinor = amountOf(effect)
    for (const asset of assetsOf(effect)) {
      const before = said.get(asset) ?? 0n
      if (before === 'unbounded' || isUnbounded(effect)) said.set(asset, 'unbounded')
      else said.set(asset, before + (amountMinor ?? 0n))
    }
  }
  saidByIntent.set(intent, said)
  return said
}
