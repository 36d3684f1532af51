import { abort, done, type Step } from './abort.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { wireSessionId } from './frame.ts'
import { type Point, type Secp256k1Group, sumPoints } from './group.ts'
import type { Inbox, Payloads } from './inbox.ts'
import { areTransfersDecodable } from './key-checks.ts'
import { coefficientProofContext, confirmationOf, shareProofContext } from './key-proofs.ts'
import type { EcdsaKeyShare, KeyShare, Pair } from './key-share.ts'
import { codes, payloadBytes } from './messages.ts'
import { drawAnswer, drawPair, type PairDraws, PairTransfers } from './pair-transfers.ts'
import type { PartyIndex } from './parties.ts'
import { Failures } from './peer-failures.ts'
import { evaluate } from './polynomial.ts'
import { type JoinedKey, joinShares, type OpenedState, readGiver } from './reshare-joining.ts'
import { type GiverState, openInbox, type Reshared, type Setting, send, without } from './reshare-setting.ts'
import { isProofValid, proveSecret } from './schnorr-proof.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import { taggedHash } from './tagged-hash.ts'

interface CommittedState {
  readonly giver: GiverState | undefined
  /** Of a new member. */
  readonly nonce: Uint8Array | undefined
}

/** Round 1 is sent: commitments of the old and nonces of the new members are awaited. */
export class Committed implements Round<Reshared> {
  readonly inbox: Inbox<'commitments' | 'nonces'>
  readonly #setting: Setting
  #state: CommittedState | undefined

  constructor(setting: Setting, state: CommittedState) {
    this.#setting = setting
    this.#state = state
    const { givers, takers, own, ctx0 } = setting
    this.inbox = openInbox(setting, ctx0, 'RETRY', {
      commitments: {
        code: codes.reshare1,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.dkg1,
      },
      nonces: {
        code: codes.reshareNew1,
        cast: 'broadcast',
        from: without(takers, own),
        payloadBytes: payloadBytes.reshareNew1,
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, givers, takers, ctx0, random, suite, isTaker } = setting
    const { scalars } = group
    const { giver } = state

    const proofNonces = giver?.coefficients.map(() => scalars.random(random)) ?? []
    const draws = new Map<PartyIndex, PairDraws>()
    if (suite === 1 && isTaker) {
      for (const peer of without(takers, own)) draws.set(peer, drawPair(group as Secp256k1Group, random))
    }

    const taken = this.inbox.take()
    const round1 = new Map(taken.commitments)
    if (giver !== undefined) round1.set(own, giver.payload)
    const nonces = new Map(taken.nonces)
    if (state.nonce !== undefined) nonces.set(own, state.nonce)
    const sid = taggedHash(
      'reshare/sid',
      ctx0,
      encodeU16(givers.length),
      ...givers.flatMap((index) => {
        const payload = round1.get(index) as Uint8Array
        return [encodeU16(index), payload.subarray(0, 32), payload.subarray(32)]
      }),
      encodeU16(takers.length),
      ...takers.flatMap((index) => [encodeU16(index), nonces.get(index) as Uint8Array]),
    )
    const session = wireSessionId(ctx0, sid)
    const outbox: Outgoing[] = []
    let opening: Uint8Array | undefined
    if (giver !== undefined) {
      const proofs = giver.coefficients.map((secret, k) =>
        proveSecret(coefficientProofContext(group, { sid, prover: own, k }), {
          secret,
          point: giver.commitments[k] as Point,
          nonce: proofNonces[k] as bigint,
        }),
      )
      opening = concatBytes(...giver.commitments.map((point) => group.encode(point)), giver.blind, ...proofs)
      outbox.push(send(setting, { code: codes.reshare2, session, to: 'all', payload: opening }))
      for (const to of without(takers, own)) {
        const payload = scalars.encode(evaluate(scalars, giver.coefficients, to))
        outbox.push(send(setting, { code: codes.reshare2, session, to, payload }))
      }
    }
    const pairs = new Map<PartyIndex, PairTransfers>()
    for (const [peer, drawn] of draws) {
      const pair = new PairTransfers(group as Secp256k1Group, { sid, own, peer }, drawn)
      pairs.set(peer, pair)
      outbox.push(send(setting, { code: codes.reshareNew2, session, to: peer, payload: pair.opening }))
    }
    return done({ outbox, next: new Opened(setting, { sid, session, giver, opening, round1, pairs }) })
  }

  discard(): void {
    this.#state?.giver?.blind.fill(0)
    this.#state = undefined
  }
}

/** Round 2 is sent. */
class Opened implements Round<Reshared> {
  readonly inbox: Inbox<'openings' | 'shares' | 'transfers'>
  readonly #setting: Setting
  #state: OpenedState | undefined

  constructor(setting: Setting, state: OpenedState) {
    this.#setting = setting
    this.#state = state
    const { group, givers, takers, own, suite, isTaker, threshold } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      openings: {
        code: codes.reshare2,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.dkg2Broadcast(group, threshold, false),
      },
      shares: {
        code: codes.reshare2,
        cast: 'direct',
        from: isTaker ? without(givers, own) : [],
        payloadBytes: 32,
      },
      transfers: {
        code: codes.reshareNew2,
        cast: 'direct',
        from: suite === 1 && isTaker ? without(takers, own) : [],
        payloadBytes: payloadBytes.reshareNew2(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, givers, random, isTaker, old } = setting
    const draws = new Map<PartyIndex, bigint[]>()
    for (const peer of state.pairs.keys()) draws.set(peer, drawAnswer(group as Secp256k1Group, random))

    const { openings, shares, transfers } = this.inbox.take()
    const failures = new Failures()
    const commitments = new Map<PartyIndex, readonly Point[]>()
    const { giver, opening } = state
    let secret = giver === undefined || !isTaker ? 0n : evaluate(group.scalars, giver.coefficients, own)
    if (giver !== undefined) commitments.set(own, giver.commitments)
    for (const peer of without(givers, own)) {
      const read = readGiver(setting, state, { peer, openings, share: shares.get(peer) })
      if (typeof read === 'string') {
        failures.add(read, peer)
        continue
      }
      commitments.set(peer, read.commitments)
      secret = group.scalars.add(secret, read.share)
    }
    for (const [peer, payload] of transfers) {
      if (!areTransfersDecodable(group as Secp256k1Group, payload.subarray(32)))
        failures.add('malformed', peer)
    }
    if (failures.any) return failures.abort()
    const constants = givers.map((index) => commitments.get(index)?.[0] as Point)
    if (!group.equals(sumPoints(group, constants), old.publicKey)) {
      return abort({ problem: 'key-mismatch', message: 'The old committee does not hand over this key.' })
    }
    const joined = joinShares(setting, commitments, isTaker ? secret : undefined)
    if ('problem' in joined) return abort(joined)

    const broadcasts = new Map(openings)
    if (opening !== undefined) broadcasts.set(own, opening)
    const echo = taggedHash(
      'dkg/echo',
      state.sid,
      encodeU16(givers.length),
      ...givers.flatMap((index) => [encodeU16(index), broadcasts.get(index) as Uint8Array]),
    )
    const { session } = state
    const outbox: Outgoing[] = []
    if (setting.isGiver)
      outbox.push(send(setting, { code: codes.reshare3, session, to: 'all', payload: echo }))
    if (isTaker) outbox.push(send(setting, { code: codes.reshareNew3, session, to: 'all', payload: echo }))
    for (const [peer, pair] of state.pairs) {
      const answer = pair.answer(transfers.get(peer) as Uint8Array, draws.get(peer) as bigint[])
      if (answer === undefined) failures.add('identity-point', peer)
      else outbox.push(send(setting, { code: codes.reshareNew3, session, to: peer, payload: answer }))
    }
    if (failures.any) return failures.abort()
    giver?.blind.fill(0)
    return done({ outbox, next: new Echoed(setting, { ...state, echo, key: joined }) })
  }

  discard(): void {
    this.#state?.giver?.blind.fill(0)
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

interface EchoedState extends OpenedState {
  readonly echo: Uint8Array
  readonly key: JoinedKey
}

/** Round 3 is sent: echoes, and the answers to the own transfers. */
class Echoed implements Round<Reshared> {
  readonly inbox: Inbox<'oldEchoes' | 'newEchoes' | 'answers'>
  readonly #setting: Setting
  #state: EchoedState | undefined

  constructor(setting: Setting, state: EchoedState) {
    this.#setting = setting
    this.#state = state
    const { group, givers, takers, own, suite, isTaker } = setting
    const echo = { cast: 'broadcast', payloadBytes: payloadBytes.dkg3Broadcast } as const
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      oldEchoes: { ...echo, code: codes.reshare3, from: without(givers, own) },
      newEchoes: { ...echo, code: codes.reshareNew3, from: without(takers, own) },
      answers: {
        code: codes.reshareNew3,
        cast: 'direct',
        from: suite === 1 && isTaker ? without(takers, own) : [],
        payloadBytes: payloadBytes.dkg3Direct(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, isTaker, random, old, takers } = setting
    const nonce = isTaker ? group.scalars.random(random) : undefined

    const { oldEchoes, newEchoes, answers } = this.inbox.take()
    const echoes = [...oldEchoes.values(), ...newEchoes.values()]
    if (echoes.some((echo) => !equalBytes(echo, state.echo))) {
      return abort({ problem: 'echo-mismatch', message: 'Not all parties have seen the same second round.' })
    }
    const failures = new Failures()
    for (const [peer, answer] of answers) {
      if (!areTransfersDecodable(group as Secp256k1Group, answer)) failures.add('malformed', peer)
    }
    if (failures.any) return failures.abort()
    const epochId = taggedHash('dkg/epoch', state.sid, state.echo)
    const { publicKey, chainCode } = old
    const { publicShares, secret } = state.key
    const ok = confirmationOf({ group, parties: takers }, { epochId, publicKey, publicShares, chainCode })
    const { session } = state
    const after = { session, ok, epochId, publicShares }
    if (secret === undefined || nonce === undefined) {
      return done({
        outbox: [],
        next: new Confirmed(setting, { ...after, share: undefined, confirmation: undefined }),
      })
    }
    const share = shareOf(setting, state, { epochId, answers, secret })
    const proof = proveSecret(shareProofContext(group, epochId, own), {
      secret,
      point: publicShares.get(own) as Point,
      nonce,
    })
    const confirmation = concatBytes(ok, proof)
    const outbox = [send(setting, { code: codes.reshareNew4, session, to: 'all', payload: confirmation })]
    return done({
      outbox,
      next: new Confirmed(setting, { ...after, share, confirmation }),
      store: { kind: 'pending-share', share },
    })
  }

  discard(): void {
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

function shareOf(
  { suite, group, label, own, threshold, identities, old }: Setting,
  state: EchoedState,
  { epochId, answers, secret }: { epochId: Uint8Array; answers: Payloads; secret: bigint },
): KeyShare {
  const share: KeyShare = {
    suite,
    group,
    label,
    index: own,
    threshold,
    identities,
    secret,
    publicShares: state.key.publicShares,
    publicKey: old.publicKey,
    chainCode: old.chainCode,
    epochId,
  }
  if (suite !== 1) return share
  const pairs = new Map<PartyIndex, Pair>(
    [...state.pairs].map(([peer, pair]) => [peer, pair.finish(answers.get(peer) as Uint8Array)]),
  )
  const ecdsa: EcdsaKeyShare = { ...share, suite: 1, group: group as Secp256k1Group, pairs }
  return ecdsa
}

interface ConfirmedState {
  readonly session: Uint8Array
  readonly ok: Uint8Array
  readonly epochId: Uint8Array
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly share: KeyShare | undefined
  /** Own payload of round 4. */
  readonly confirmation: Uint8Array | undefined
}

/** Round 4 is sent: the confirmations of all new members are awaited, by both committees. */
class Confirmed implements Round<Reshared> {
  readonly inbox: Inbox<'confirmations'>
  readonly #setting: Setting
  #state: ConfirmedState | undefined

  constructor(setting: Setting, state: ConfirmedState) {
    this.#setting = setting
    this.#state = state
    const { group, takers, own } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      confirmations: {
        code: codes.reshareNew4,
        cast: 'broadcast',
        from: without(takers, own),
        payloadBytes: payloadBytes.dkg4(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, takers, old, isGiver } = setting
    const { confirmations } = this.inbox.take()
    if ([...confirmations.values()].some((payload) => !equalBytes(payload.subarray(0, 32), state.ok))) {
      return abort({
        problem: 'confirmation-mismatch',
        message: 'Not all new members have made the same key.',
      })
    }
    const failures = new Failures()
    for (const [peer, payload] of confirmations) {
      const context = shareProofContext(group, state.epochId, peer)
      const point = state.publicShares.get(peer) as Point
      if (!isProofValid(context, point, payload.subarray(32))) failures.add('proof-invalid', peer)
    }
    if (failures.any) return failures.abort()
    const all = new Map(confirmations)
    if (state.confirmation !== undefined) all.set(own, state.confirmation)
    const retire = taggedHash(
      'reshare/retire',
      old.epochId,
      state.epochId,
      encodeU16(takers.length),
      ...takers.flatMap((index) => [encodeU16(index), all.get(index) as Uint8Array]),
    )
    const { session, share } = state
    const next = new Retired(setting, { session, retire, share })
    if (!isGiver) return done({ outbox: [], next })
    const outbox = [send(setting, { code: codes.reshare5, session, to: 'all', payload: retire })]
    // From here on this party signs no more with the old share, whatever becomes of the others' messages.
    const store = { kind: 'retired-epoch', epochId: old.epochId, successor: state.epochId } as const
    return done({ outbox, next, store })
  }

  discard(): void {
    this.#state = undefined
  }
}

interface RetiredState {
  readonly session: Uint8Array
  readonly retire: Uint8Array
  readonly share: KeyShare | undefined
}

/** Round 5: the retirements of all old members are awaited. */
class Retired implements Round<Reshared> {
  readonly inbox: Inbox<'retirements'>
  readonly #setting: Setting
  #state: RetiredState | undefined

  constructor(setting: Setting, state: RetiredState) {
    this.#setting = setting
    this.#state = state
    const { givers, own } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      retirements: {
        code: codes.reshare5,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.reshareRetire,
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { retirements } = this.inbox.take()
    // A new member can confirm in two ways, both valid: whose view is the odd one cannot be told.
    if ([...retirements.values()].some((payload) => !equalBytes(payload, state.retire))) {
      return abort({
        problem: 'confirmation-mismatch',
        message: 'Not all old members have seen the same confirmations.',
      })
    }
    return done({ outbox: [], result: { share: state.share, retired: this.#setting.isGiver } })
  }

  discard(): void {
    this.#state = undefined
  }
}
