import { abort } from './abort.ts'
import { mpcError } from './catalogue.ts'
import { epochMembersMax, Membership } from './epoch.ts'
import { frostSuiteOf } from './frost-suites.ts'
import { checkGroup } from './key-checks.ts'
import type { KeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'

/**
 * A key share of FROST in use, and the sessions that live on it. FROST has no pairs, so nothing is ever burned; what
 * ends all sessions at once is the share's replacement. There is one per share and process. */
export class FrostEpoch {
  readonly share: KeyShare
  readonly #members = new Set<Membership>()
  #isRetired = false

  /** @throws {CountersignError} MPC_INPUT_INVALID for a share that signs otherwise. */
  constructor({ share }: { readonly share: KeyShare }) {
    frostSuiteOf(share.suite)
    checkGroup(share.suite, share.group)
    this.share = share
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  /** Sessions that are alive. */
  get size(): number {
    return this.#members.size
  }

  /** Takes part in the epoch until `leave`. @throws {CountersignError} MPC_EPOCH_RETIRED, MPC_LIMIT_REACHED */
  enter(signers: readonly PartyIndex[]): Membership {
    if (this.#isRetired) throw mpcError('MPC_EPOCH_RETIRED', 'This key share was replaced.')
    if (this.#members.size >= epochMembersMax) {
      throw mpcError('MPC_LIMIT_REACHED', `${epochMembersMax} sessions are alive.`)
    }
    const membership = new Membership(signers, (gone) => this.#members.delete(gone))
    this.#members.add(membership)
    return membership
  }

  /** After a refresh or reshare: ends everything, for good. */
  retire(): void {
    this.#isRetired = true
    const ending = abort({ problem: 'epoch-retired', message: 'The key share was replaced.' })
    for (const member of [...this.#members]) member.end(ending)
  }
}
