import {
  abort,
  type BurnAbort,
  type BurnMark,
  type BurnProblem,
  burn,
  type SessionAbort,
  type Stopped,
} from './abort.ts'
import { equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { burnPair, type EcdsaKeyShare, type PairState, peersOf } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import { type Gadget, gadgetOf } from './row-algebra.ts'

/** Running sessions and unused presignatures of one share. */
export const epochMembersMax = 4096

interface EpochInput {
  readonly share: EcdsaKeyShare
  /**
   * Every mark that `BurnDuty.settle` has ever stored. They are kept apart from the share and its backups: a share that
   * is restored from before its burn would otherwise sign again with the cheater. Marks of other epochs are ignored. */
  readonly burned: readonly BurnMark[]
}

/** Why a session or presignature was ended from outside. */
type Ending = Stopped<SessionAbort>

/**
 * A key share in use, and all that lives on it: running sessions and presignatures. What ends some of them at once
 * (a burned pair) or all of them (refresh, reshare) comes through here, so that none is forgotten.
 * There is one Epoch per share and process. */
export class Epoch {
  readonly share: EcdsaKeyShare
  readonly #members = new Set<Membership>()
  readonly #gadgets = new Map<string, Gadget>()
  #isRetired = false

  constructor({ share, burned }: EpochInput) {
    this.share = share
    const peers = peersOf(share)
    for (const { epochId, own, peer } of burned) {
      if (own === share.index && equalBytes(epochId, share.epochId) && peers.includes(peer))
        burnPair(share, peer)
    }
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  /** Sessions and presignatures that are alive. */
  get size(): number {
    return this.#members.size
  }

  /** Peers with whom this share signs no more, ascending. */
  get burned(): readonly PartyIndex[] {
    return peersOf(this.share).filter((peer) => this.share.pairs.get(peer)?.burned !== false)
  }

  /**
   * Takes part in the epoch until `leave`.
   * @throws {CountersignError} MPC_EPOCH_RETIRED, MPC_PAIR_BURNED, MPC_LIMIT_REACHED */
  enter(signers: readonly PartyIndex[]): Membership {
    this.checkUsable(signers)
    if (this.#members.size >= epochMembersMax) {
      throw mpcError('MPC_LIMIT_REACHED', `${epochMembersMax} sessions and presignatures are alive.`)
    }
    const membership = new Membership(signers, (gone) => this.#members.delete(gone))
    this.#members.add(membership)
    return membership
  }

  /** @throws {CountersignError} MPC_EPOCH_RETIRED, MPC_PAIR_BURNED */
  checkUsable(signers: readonly PartyIndex[]): void {
    if (this.#isRetired) throw mpcError('MPC_EPOCH_RETIRED', 'This key share was replaced.')
    const peer = this.burned.find((index) => signers.includes(index))
    if (peer === undefined) return
    throw mpcError('MPC_PAIR_BURNED', `Party ${this.share.index} does not sign with party ${peer} any more.`)
  }

  /** @throws {CountersignError} MPC_PAIR_BURNED */
  pair(peer: PartyIndex): PairState {
    const pair = this.share.pairs.get(peer)
    if (pair?.burned === false) return pair
    throw mpcError('MPC_PAIR_BURNED', `Party ${this.share.index} does not sign with party ${peer} any more.`)
  }

  gadget(alice: PartyIndex, bob: PartyIndex): Gadget {
    const name = `${alice}/${bob}`
    const known = this.#gadgets.get(name) ?? gadgetOf(this.share.epochId, alice, bob)
    this.#gadgets.set(name, known)
    return known
  }

  /**
   * Burns at once in memory: secrets erased, everything with a culprit ended. The durable mark is the duty's; what
   * happens before it cannot use the pair any more in this process.
   * @param finder The session that found it; it reports the burn itself. */
  burn(
    { problem, culprits, message }: Pick<BurnAbort, 'culprits' | 'message'> & { problem: BurnProblem },
    finder?: Membership,
  ): ReturnType<typeof burn> {
    const { epochId, index: own } = this.share
    for (const peer of culprits) this.#cut(peer, finder)
    return burn({ problem, epochId, own, culprits, message })
  }

  /** Burns that another process with the same share has found and stored. */
  applyBurns(marks: readonly BurnMark[]): void {
    const peers = peersOf(this.share)
    for (const { epochId, own, peer } of marks) {
      if (own !== this.share.index || !equalBytes(epochId, this.share.epochId)) continue
      if (peers.includes(peer)) this.#cut(peer)
    }
  }

  /** After a refresh or reshare: ends everything, for good. */
  retire(): void {
    this.#isRetired = true
    const ending = abort({ problem: 'epoch-retired', message: 'The key share was replaced.' })
    for (const member of [...this.#members]) member.end(ending)
    this.#gadgets.clear()
  }

  #cut(peer: PartyIndex, finder?: Membership): void {
    burnPair(this.share, peer)
    const message = `Another session has burned the pair with party ${peer}.`
    const ending = abort({ problem: 'pair-burned', culprits: [peer], message })
    for (const member of [...this.#members]) {
      if (member !== finder && member.signers.includes(peer)) member.end(ending)
    }
  }
}

/** One session or presignature in an epoch. */
export class Membership {
  readonly signers: readonly PartyIndex[]
  readonly #remove: (membership: Membership) => void
  #ending: Ending | undefined
  #onEnd: ((ending: Ending) => void)[] = []

  constructor(signers: readonly PartyIndex[], remove: (membership: Membership) => void) {
    this.signers = signers
    this.#remove = remove
  }

  /** Set once it was ended from outside. */
  get ending(): Ending | undefined {
    return this.#ending
  }

  /** What to erase and to end when it is ended from outside. */
  onEnd(listener: (ending: Ending) => void): void {
    if (this.#ending === undefined) this.#onEnd.push(listener)
    else listener(this.#ending)
  }

  /** It ended by itself. */
  leave(): void {
    this.#remove(this)
    this.#onEnd = []
  }

  end(ending: Ending): void {
    const first = this.#ending ?? ending
    this.#ending = first
    const listeners = this.#onEnd
    this.leave()
    for (const listener of listeners) listener(first)
  }
}
