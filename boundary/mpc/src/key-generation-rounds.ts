import { abort, done, type Step } from './abort.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { wireSessionId } from './frame.ts'
import type { Point } from './group.ts'
import { Inbox, type Payloads } from './inbox.ts'
import { areTransfersDecodable } from './key-checks.ts'
import {
  type JoinedKey,
  joinShares,
  type OpenedPeer,
  type OpenedState,
  readPeer,
} from './key-generation-joining.ts'
import {
  type Ceremony,
  codeOf,
  erasePolynomial,
  exponentsOf,
  frame,
  type OwnPolynomial,
  othersOf,
  sidOf,
  transferGroup,
} from './key-generation-setting.ts'
import { coefficientProofContext, confirmationOf, shareProofContext } from './key-proofs.ts'
import type { EcdsaKeyShare, KeyShare, Pair } from './key-share.ts'
import { payloadBytes } from './messages.ts'
import { drawAnswer, drawPair, type PairDraws, PairTransfers } from './pair-transfers.ts'
import type { PartyIndex } from './parties.ts'
import { Failures } from './peer-failures.ts'
import { evaluate } from './polynomial.ts'
import { isProofValid, proveSecret } from './schnorr-proof.ts'
import type { Progress, Round } from './session.ts'
import { taggedHash } from './tagged-hash.ts'

/** Round 1 is sent: every C_j is awaited. */
export class Committed implements Round<KeyShare> {
  readonly inbox: Inbox<'commitments'>
  readonly #ceremony: Ceremony
  #own: OwnPolynomial | undefined

  constructor(ceremony: Ceremony, own: OwnPolynomial) {
    this.#ceremony = ceremony
    this.#own = own
    const from = othersOf(ceremony)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: ceremony.ctx0,
      wrongLength: 'RETRY',
      expects: {
        commitments: { code: codeOf(ceremony, 1), cast: 'broadcast', from, payloadBytes: payloadBytes.dkg1 },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const own = this.#own
    this.#own = undefined
    if (own === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { group, random } = ceremony
    const { scalars } = group
    const transfers = transferGroup(ceremony)
    const exponents = exponentsOf(ceremony)

    const nonces = exponents.map(() => scalars.random(random))
    const draws = new Map<PartyIndex, PairDraws>()
    if (transfers !== undefined) {
      for (const peer of othersOf(ceremony)) draws.set(peer, drawPair(transfers, random))
    }

    const round1 = new Map(this.inbox.take().commitments)
    round1.set(ceremony.own, concatBytes(own.sidShare, own.commitment))
    const sid = sidOf(ceremony, round1)
    const session = wireSessionId(ceremony.ctx0, sid)
    const proofs = exponents.map((k, at) =>
      proveSecret(coefficientProofContext(group, { sid, prover: ceremony.own, k }), {
        secret: own.coefficients[at] as bigint,
        point: own.commitments[at] as Point,
        nonce: nonces[at] as bigint,
      }),
    )
    const opening = concatBytes(
      ...own.commitments.map((point) => group.encode(point)),
      own.chainCodeShare,
      own.blind,
      ...proofs,
    )
    const outbox = [frame(ceremony, { round: 2, session, to: 'all', payload: opening })]
    const pairs = new Map<PartyIndex, PairTransfers>()
    for (const peer of othersOf(ceremony)) {
      const value = scalars.encode(evaluate(scalars, own.coefficients, peer, ceremony.firstExponent))
      const parts = [value]
      const drawn = draws.get(peer)
      if (transfers !== undefined && drawn !== undefined) {
        const pair = new PairTransfers(transfers, { sid, own: ceremony.own, peer }, drawn)
        pairs.set(peer, pair)
        parts.push(pair.opening)
      }
      outbox.push(frame(ceremony, { round: 2, session, to: peer, payload: concatBytes(...parts) }))
      value.fill(0)
    }
    const next = new Opened(ceremony, { sid, session, own, opening, round1, pairs })
    return done({ outbox, next })
  }

  discard(): void {
    erasePolynomial(this.#own)
    this.#own = undefined
  }
}

/** Round 2 is sent: openings, shares and first transfer messages are awaited. */
export class Opened implements Round<KeyShare> {
  readonly inbox: Inbox<'openings' | 'shares'>
  readonly #ceremony: Ceremony
  #state: OpenedState | undefined

  constructor(ceremony: Ceremony, state: OpenedState) {
    this.#ceremony = ceremony
    this.#state = state
    const { group, suite, own, firstExponent } = ceremony
    const from = othersOf(ceremony)
    const code = codeOf(ceremony, 2)
    const coefficients = exponentsOf(ceremony).length
    this.inbox = new Inbox({
      suite,
      own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        openings: {
          code,
          cast: 'broadcast',
          from,
          payloadBytes: payloadBytes.dkg2Broadcast(group, coefficients, firstExponent === 0),
        },
        shares: { code, cast: 'direct', from, payloadBytes: payloadBytes.dkg2Direct(group, suite === 1) },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { own, random } = ceremony
    const transfers = transferGroup(ceremony)
    const others = othersOf(ceremony)
    const draws = new Map<PartyIndex, bigint[]>()
    if (transfers !== undefined) {
      for (const peer of others) draws.set(peer, drawAnswer(transfers, random))
    }

    // Everybody is judged before anybody is named.
    const { openings, shares } = this.inbox.take()
    const failures = new Failures()
    const opened = new Map<PartyIndex, OpenedPeer>()
    for (const peer of others) {
      const result = readPeer(ceremony, state, { peer, openings, shares })
      if (typeof result === 'string') failures.add(result, peer)
      else opened.set(peer, result)
    }
    if (failures.any) return failures.abort()

    const answers = new Map<PartyIndex, Uint8Array>()
    for (const [peer, pair] of state.pairs) {
      const opening = opened.get(peer)?.transfers as Uint8Array
      const answer = pair.answer(opening, draws.get(peer) as bigint[])
      if (answer === undefined) failures.add('identity-point', peer)
      else answers.set(peer, answer)
    }
    if (failures.any) return failures.abort()
    const joined = joinShares(ceremony, state, opened)
    if ('problem' in joined) return abort(joined)

    const broadcasts = new Map(openings).set(own, state.opening)
    const echo = taggedHash(
      'dkg/echo',
      state.sid,
      encodeU16(ceremony.parties.length),
      ...ceremony.parties.flatMap((index) => [encodeU16(index), broadcasts.get(index) as Uint8Array]),
    )
    const { session } = state
    const outbox = [frame(ceremony, { round: 3, session, to: 'all', payload: echo })]
    for (const [peer, answer] of answers) {
      outbox.push(frame(ceremony, { round: 3, session, to: peer, payload: answer }))
    }
    erasePolynomial(state.own)
    const { sid, pairs } = state
    return done({ outbox, next: new Echoed(ceremony, { sid, session, echo, key: joined, pairs }) })
  }

  discard(): void {
    erasePolynomial(this.#state?.own)
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

interface EchoedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly echo: Uint8Array
  readonly key: JoinedKey
  readonly pairs: ReadonlyMap<PartyIndex, PairTransfers>
}

/** Round 3 is sent: echoes and the answers to the own transfers are awaited. */
class Echoed implements Round<KeyShare> {
  readonly inbox: Inbox<'echoes' | 'answers'>
  readonly #ceremony: Ceremony
  #state: EchoedState | undefined

  constructor(ceremony: Ceremony, state: EchoedState) {
    this.#ceremony = ceremony
    this.#state = state
    const from = othersOf(ceremony)
    const code = codeOf(ceremony, 3)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        echoes: { code, cast: 'broadcast', from, payloadBytes: payloadBytes.dkg3Broadcast },
        answers: {
          code,
          cast: 'direct',
          from: ceremony.suite === 1 ? from : [],
          payloadBytes: payloadBytes.dkg3Direct(ceremony.group),
        },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { group, own, random } = ceremony
    const nonce = group.scalars.random(random)

    const { echoes, answers } = this.inbox.take()
    // Two honest parties whose echoes differ were told two stories by a third: nobody can say by whom.
    if ([...echoes.values()].some((echo) => !equalBytes(echo, state.echo))) {
      return abort({ problem: 'echo-mismatch', message: 'Not all parties have seen the same second round.' })
    }
    const failures = new Failures()
    const transfers = transferGroup(ceremony)
    if (transfers !== undefined) {
      for (const [peer, answer] of answers) {
        if (!areTransfersDecodable(transfers, answer)) failures.add('malformed', peer)
      }
      if (failures.any) return failures.abort()
    }
    const epochId = taggedHash('dkg/epoch', state.sid, state.echo)
    const share = shareOf(ceremony, state, { epochId, answers })
    const ok = confirmationOf(ceremony, { ...state.key, epochId })
    const proof = proveSecret(shareProofContext(group, epochId, own), {
      secret: state.key.secret,
      point: state.key.publicShares.get(own) as Point,
      nonce,
    })
    const payload = concatBytes(ok, proof)
    const outbox = [frame(ceremony, { round: 4, session: state.session, to: 'all', payload })]
    const next = new Confirmed(ceremony, { session: state.session, ok, share })
    return done({ outbox, next, store: { kind: 'pending-share', share } })
  }

  discard(): void {
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

function shareOf(
  ceremony: Ceremony,
  state: EchoedState,
  { epochId, answers }: { epochId: Uint8Array; answers: Payloads },
): KeyShare {
  const { suite, group, label, own, threshold, identities } = ceremony
  const share: KeyShare = {
    suite,
    group,
    label,
    index: own,
    threshold,
    identities,
    epochId,
    ...state.key,
  }
  const transfers = transferGroup(ceremony)
  if (transfers === undefined) return share
  const pairs = new Map<PartyIndex, Pair>(
    [...state.pairs].map(([peer, pair]) => [peer, pair.finish(answers.get(peer) as Uint8Array)]),
  )
  const ecdsa: EcdsaKeyShare = { ...share, suite: 1, group: transfers, pairs }
  return ecdsa
}

interface ConfirmedState {
  readonly session: Uint8Array
  readonly ok: Uint8Array
  readonly share: KeyShare
}

/** Round 4 is sent, the share is stored as pending: it is usable once everybody has confirmed the same. */
class Confirmed implements Round<KeyShare> {
  readonly inbox: Inbox<'confirmations'>
  readonly #ceremony: Ceremony
  #state: ConfirmedState | undefined

  constructor(ceremony: Ceremony, state: ConfirmedState) {
    this.#ceremony = ceremony
    this.#state = state
    const from = othersOf(ceremony)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        confirmations: {
          code: codeOf(ceremony, 4),
          cast: 'broadcast',
          from,
          payloadBytes: payloadBytes.dkg4(ceremony.group),
        },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { group } = this.#ceremony
    const { ok, share } = state
    const { confirmations } = this.inbox.take()
    if ([...confirmations.values()].some((payload) => !equalBytes(payload.subarray(0, 32), ok))) {
      return abort({
        problem: 'confirmation-mismatch',
        message: 'Not all parties have made the same key.',
      })
    }
    const failures = new Failures()
    for (const [peer, payload] of confirmations) {
      const context = shareProofContext(group, share.epochId, peer)
      const isKnown = isProofValid(context, share.publicShares.get(peer) as Point, payload.subarray(32))
      if (!isKnown) failures.add('proof-invalid', peer)
    }
    return failures.any ? failures.abort() : done({ outbox: [], result: share })
  }

  discard(): void {
    this.#state = undefined
  }
}
