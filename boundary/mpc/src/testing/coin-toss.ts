import { abort, done, type Step } from '../abort.ts'
import { decodeExactly } from '../byte-reader.ts'
import { concatBytes, encodeU16, equalBytes } from '../byte-writer.ts'
import { mpcError } from '../catalogue.ts'
import { broadcast, encodeFrame, wireSessionId } from '../frame.ts'
import { Inbox } from '../inbox.ts'
import type { PartyIndex } from '../parties.ts'
import { drawBytes, type RandomSource } from '../random-source.ts'
import type { Progress, Round } from '../session.ts'
import { taggedHash } from '../tagged-hash.ts'

/**
 * The smallest protocol of the shape that all have: commit, then open; the coin is the XOR.
 * It shows where each thing belongs, and is what the tests of Session and Inbox drive.
 * Borrows the tags of key generation, which it never meets. */
export const coinCodes = { commit: 0xf1, open: 0xf2 } as const
const suite = 1

interface CoinInput {
  readonly own: PartyIndex
  readonly peers: readonly PartyIndex[]
  /** 32 bytes. */
  readonly start: Uint8Array
  readonly random: RandomSource
}

/** Draws and says everything of round 1; what comes back waits for the others. */
export function startCoinToss(input: CoinInput): Progress<Uint8Array> {
  const { own, start, random } = input
  const share = drawBytes(random, 16)
  const blind = drawBytes(random, 32)
  const commitment = commitmentOf(start, own, { share, blind })
  const bytes = encodeFrame({
    suite,
    code: coinCodes.commit,
    sender: own,
    receiver: broadcast,
    session: start,
    payload: commitment,
  })
  return { outbox: [{ to: 'all', bytes }], next: new Committed(input, { share, blind, commitment }) }
}

interface Secrets {
  readonly share: Uint8Array
  readonly blind: Uint8Array
  readonly commitment: Uint8Array
}

class Committed implements Round<Uint8Array> {
  readonly inbox: Inbox<'commitments'>
  readonly #input: CoinInput
  #secrets: Secrets | undefined

  constructor(input: CoinInput, secrets: Secrets) {
    this.#input = input
    this.#secrets = secrets
    const { own, peers, start } = input
    const commitments = { code: coinCodes.commit, cast: 'broadcast', from: peers, payloadBytes: 32 } as const
    this.inbox = new Inbox({
      suite,
      own,
      peers,
      session: start,
      wrongLength: 'RETRY',
      expects: { commitments },
    })
  }

  finish(): Step<Progress<Uint8Array>> {
    const secrets = this.#secrets
    this.#secrets = undefined
    if (secrets === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { own, start } = this.#input
    const commitments = new Map(this.inbox.take().commitments).set(own, secrets.commitment)
    const session = wireSessionId(start, sessionOf(start, commitments))
    const payload = concatBytes(secrets.share, secrets.blind)
    const bytes = encodeFrame({
      suite,
      code: coinCodes.open,
      sender: own,
      receiver: broadcast,
      session,
      payload,
    })
    const next = new Opened(this.#input, { share: secrets.share, commitments, session })
    return done({ outbox: [{ to: 'all', bytes }], next })
  }

  discard(): void {
    this.#secrets?.share.fill(0)
    this.#secrets?.blind.fill(0)
    this.#secrets = undefined
  }
}

interface Opening {
  readonly share: Uint8Array
  readonly commitments: ReadonlyMap<PartyIndex, Uint8Array>
  readonly session: Uint8Array
}

class Opened implements Round<Uint8Array> {
  readonly inbox: Inbox<'openings'>
  readonly #input: CoinInput
  #opening: Opening | undefined

  constructor(input: CoinInput, opening: Opening) {
    this.#input = input
    this.#opening = opening
    const { own, peers } = input
    const openings = { code: coinCodes.open, cast: 'broadcast', from: peers, payloadBytes: 48 } as const
    this.inbox = new Inbox({
      suite,
      own,
      peers,
      session: opening.session,
      wrongLength: 'ABORT',
      expects: { openings },
    })
  }

  finish(): Step<Progress<Uint8Array>> {
    const opening = this.#opening
    this.#opening = undefined
    if (opening === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const coin = opening.share.slice()
    const culprits: PartyIndex[] = []
    for (const [index, payload] of this.inbox.take().openings) {
      const opened = decodeExactly(payload, (reader) => ({ share: reader.take(16), blind: reader.take(32) }))
      const commitment = commitmentOf(this.#input.start, index, opened)
      if (!equalBytes(commitment, opening.commitments.get(index) as Uint8Array)) culprits.push(index)
      for (let i = 0; i < coin.length; i++) coin[i] = (coin[i] as number) ^ (opened.share[i] as number)
    }
    if (culprits.length > 0) {
      return abort({ problem: 'commitment-mismatch', culprits, message: 'A commitment does not open.' })
    }
    return done({ outbox: [], result: coin })
  }

  discard(): void {
    this.#opening?.share.fill(0)
    this.#opening = undefined
  }
}

function commitmentOf(
  start: Uint8Array,
  index: PartyIndex,
  { share, blind }: Pick<Secrets, 'share' | 'blind'>,
): Uint8Array {
  return taggedHash('dkg/com', start, encodeU16(index), share, blind)
}

function sessionOf(start: Uint8Array, commitments: ReadonlyMap<PartyIndex, Uint8Array>): Uint8Array {
  const sorted = [...commitments].sort(([a], [b]) => a - b)
  return taggedHash(
    'dkg/sid',
    start,
    encodeU16(sorted.length),
    ...sorted.flatMap(([index, commitment]) => [encodeU16(index), commitment]),
  )
}
