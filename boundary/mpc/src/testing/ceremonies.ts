import { ed25519Group } from '../ed25519-group.ts'
import { startKeyGeneration } from '../key-generation.ts'
import type { KeyShare } from '../key-share.ts'
import type { PartyIndex } from '../parties.ts'
import type { RandomSource } from '../random-source.ts'
import { nobleSecp256k1Group } from '../secp256k1-noble.ts'
import { type Outcome, Session } from '../session.ts'
import type { SuiteId } from '../suites.ts'
import { type NetworkOptions, runNetwork } from './network.ts'

export const testLabel = 'test'
export const testInstance = new Uint8Array(32).fill(7)

export function testIdentities(indices: readonly PartyIndex[]): Map<PartyIndex, Uint8Array> {
  return new Map(indices.map((index) => [index, new TextEncoder().encode(`party ${index}`)]))
}

export function testGroup(suite: SuiteId) {
  return suite === 2 ? ed25519Group : nobleSecp256k1Group
}

export interface TestCommittee {
  readonly suite: SuiteId
  readonly threshold: number
  readonly indices: readonly PartyIndex[]
  readonly randoms?: ReadonlyMap<PartyIndex, RandomSource>
}

export function startTestKeyGeneration(
  { suite, threshold, indices, randoms }: TestCommittee,
  own: PartyIndex,
): Session<KeyShare> {
  const random = randoms?.get(own)
  const input = {
    suite,
    group: testGroup(suite),
    label: testLabel,
    instance: testInstance,
    own,
    threshold,
    identities: testIdentities(indices),
  }
  return new Session(startKeyGeneration(random === undefined ? input : { ...input, random }))
}

/** Runs a key generation to its end, whatever that is. */
export async function generateTestKey(
  committee: TestCommittee,
  options: NetworkOptions = {},
): Promise<Map<PartyIndex, Outcome<KeyShare>>> {
  const sessions = new Map(
    committee.indices.map((own) => [own, startTestKeyGeneration(committee, own)] as const),
  )
  await runNetwork(sessions, options)
  return endAll(sessions)
}

/** The outcome of every session; whoever still waits runs into its timeout. */
export function endAll<Result>(
  sessions: ReadonlyMap<PartyIndex, Session<Result>>,
): Map<PartyIndex, Outcome<Result>> {
  return new Map([...sessions].map(([own, session]) => [own, session.outcome ?? session.expire()]))
}

export function resultOf<Result>(outcome: Outcome<Result> | undefined): Result {
  if (outcome?.status === 'done') return outcome.result
  const abort = outcome?.status === 'stopped' ? outcome.abort : outcome?.status
  throw new Error(`not done but ${JSON.stringify(abort)}`)
}

/** Kind, problem and culprits of an abort, or what came instead. */
export function endOf(outcome: Outcome<unknown> | undefined): string {
  if (outcome?.status !== 'stopped') return outcome?.status ?? 'running'
  const { kind, problem, culprits } = outcome.abort
  return [kind, problem, ...culprits].join(' ')
}
