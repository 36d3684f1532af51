import {
  type AliceChoice,
  answerTransfers,
  type BobAnswer,
  chooseTransfers,
  drawAnswer,
  drawChoice,
  finishTransfers,
  transferId,
} from './base-ot.ts'
import { concatBytes, encodeU16 } from './byte-writer.ts'
import type { Secp256k1Group } from './group.ts'
import type { PairState } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import { drawBytes, type RandomSource } from './random-source.ts'
import { taggedHash } from './tagged-hash.ts'

/** What one party draws for its pair with a peer: its part of the zero seed, its choices. */
export interface PairDraws {
  readonly zeroShare: Uint8Array
  readonly choice: ReturnType<typeof drawChoice>
}

export function drawPair(group: Secp256k1Group, random: RandomSource): PairDraws {
  const zeroShare = drawBytes(random, 32)
  return { zeroShare, choice: drawChoice(group, random) }
}

/**
 * Both directions of the base transfers between this party and one peer, and the seed of their zero shares.
 * In each direction the first message travels with the sender's part of the seed. */
export class PairTransfers {
  readonly #group: Secp256k1Group
  readonly #place: { readonly sid: Uint8Array; readonly own: PartyIndex; readonly peer: PartyIndex }
  readonly #zeroShare: Uint8Array
  readonly #choice: AliceChoice
  #bob: BobAnswer | undefined
  #zeroSeed: Uint8Array | undefined

  constructor(
    group: Secp256k1Group,
    place: { readonly sid: Uint8Array; readonly own: PartyIndex; readonly peer: PartyIndex },
    draws: PairDraws,
  ) {
    this.#group = group
    this.#place = place
    this.#zeroShare = draws.zeroShare
    const osid = transferId(place.sid, place.own, place.peer)
    this.#choice = chooseTransfers({ group, osid }, draws.choice)
  }

  /** Part of the zero seed, then message 1 as alice. */
  get opening(): Uint8Array {
    return concatBytes(this.#zeroShare, this.#choice.message)
  }

  /**
   * Answers the peer's opening, all of whose points decode.
   * @param scalars As `drawAnswer` gives them.
   * @returns message 2 as bob; undefined where the peer made a point the identity. */
  answer(opening: Uint8Array, scalars: readonly bigint[]): Uint8Array | undefined {
    const { sid, own, peer } = this.#place
    const theirs = opening.subarray(0, 32)
    const [low, high] = own < peer ? [own, peer] : [peer, own]
    const [lowShare, highShare] = own < peer ? [this.#zeroShare, theirs] : [theirs, this.#zeroShare]
    this.#zeroSeed = taggedHash('dkg/zero', sid, encodeU16(low), encodeU16(high), lowShare, highShare)
    const context = { group: this.#group, osid: transferId(sid, peer, own) }
    this.#bob = answerTransfers(context, opening.subarray(32), scalars)
    return this.#bob?.message
  }

  /** @param answer The peer's message 2, all of whose points decode. */
  finish(answer: Uint8Array): PairState {
    const { sid, own, peer } = this.#place
    if (this.#bob === undefined || this.#zeroSeed === undefined)
      throw new Error('bug: a pair is finished before it has answered')
    const context = { group: this.#group, osid: transferId(sid, own, peer) }
    return {
      burned: false,
      bobKeys: this.#bob.keys,
      delta: this.#choice.delta,
      aliceKeys: finishTransfers(context, this.#choice, answer),
      zeroSeed: this.#zeroSeed,
    }
  }

  erase(): void {
    for (const secret of [this.#zeroShare, this.#choice.delta, this.#bob?.keys, this.#zeroSeed])
      secret?.fill(0)
  }
}

export { drawAnswer }
