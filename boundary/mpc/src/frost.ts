/**
 * Threshold Schnorr signatures: the two rounds of RFC 9591 among exactly t parties, without a coordinator. Everybody
 * sends everything to everybody, and everybody aggregates (docs/mpc-protocol.md, "FROST signature").
 */
import { abort, done, type Step } from './abort.ts'
import { encodePath } from './bip32.ts'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, copyBytes, encodeU8, encodeU16 } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { checkInstance, parseSigners } from './context.ts'
import type { Membership } from './epoch.ts'
import { failuresOf } from './failures.ts'
import { broadcast, encodeFrame, wireSessionId } from './frame.ts'
import type { FrostEpoch } from './frost-epoch.ts'
import { chooseFrostKey, type FrostKey, type FrostKeyChoice } from './frost-key.ts'
import { type FrostSuite, type FrostSuiteId, frostSuiteOf } from './frost-suites.ts'
import { type Group, type Point, sumPoints } from './group.ts'
import { Inbox, type Payloads } from './inbox.ts'
import type { KeyShare } from './key-share.ts'
import { codes, payloadBytes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { lagrange } from './polynomial.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import { type Outgoing, type Progress, type Round, Session } from './session.ts'
import { taggedHash } from './tagged-hash.ts'
import { protocolVersion } from './tags.ts'

/** A message is hashed by every signer several times; nothing that is signed comes near this. */
export const frostMessageBytesMax = 1 << 20

/** Equal at every signer, agreed by authenticated means. */
export interface FrostInput extends FrostKeyChoice {
  readonly epoch: FrostEpoch
  /** Exactly as many as the threshold. */
  readonly signers: Iterable<PartyIndex>
  /** Signed as it is; on suite 4 ordinarily a 32-byte digest. */
  readonly message: Uint8Array
  /** 32 bytes, fresh for every session and not all zero. */
  readonly instance: Uint8Array
  readonly random?: RandomSource
}

export interface FrostSignature {
  readonly suite: FrostSuiteId
  /** 64 bytes on suites 2 (RFC 8032) and 4 (BIP-340), 65 on suite 3 (compressed R || z). */
  readonly bytes: Uint8Array
  /** The key under which it verifies, as the suite's verifiers know it: 32 bytes, 33 on suite 3. */
  readonly publicKey: Uint8Array
}

/** Draws nonces and commits to them. The session is `openFrostSignature`'s; this is for those who drive rounds
 * themselves. @throws {CountersignError} MPC_EPOCH_RETIRED, MPC_LIMIT_REACHED, MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startFrostSignature(input: FrostInput): Progress<FrostSignature> {
  return begin(input).progress
}

/** A session that ends at once when the epoch ends it.
 * @throws {CountersignError} MPC_EPOCH_RETIRED, MPC_LIMIT_REACHED, MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function openFrostSignature(input: FrostInput): Session<FrostSignature> {
  const { setting, progress } = begin(input)
  const session = new Session(progress)
  setting.membership.onEnd((ending) => session.end(ending))
  return session
}

/** What both rounds of one session know. */
interface Setting {
  readonly suite: FrostSuite
  readonly share: KeyShare
  readonly group: Group
  readonly own: PartyIndex
  /** Sorted. */
  readonly signers: readonly PartyIndex[]
  readonly peers: readonly PartyIndex[]
  readonly membership: Membership
  readonly key: FrostKey
  readonly message: Uint8Array
  /** 32 bytes. */
  readonly start: Uint8Array
}

function begin(input: FrostInput): {
  readonly setting: Setting
  readonly progress: Progress<FrostSignature>
} {
  const { epoch, instance, random = platformRandom } = input
  const { share } = epoch
  const { group, index: own, threshold } = share
  const suite = frostSuiteOf(share.suite)
  const signers = parseSigners(input.signers, { parties: [...share.publicShares.keys()], threshold, own })
  checkInstance(instance)
  if (input.message.length > frostMessageBytesMax) {
    throw mpcError('MPC_INPUT_INVALID', `A message has ${frostMessageBytesMax} bytes at most.`)
  }
  const message = copyBytes(input.message)
  const path = [...(input.path ?? [])]
  const key = chooseFrostKey(share, { ...input, path })
  const start = startId({ share, key, path, signers, message, instance })
  const peers = signers.filter((index) => index !== own)
  const membership = epoch.enter(signers)
  const setting = { suite, share, group, own, signers, peers, membership, key, message, start }
  try {
    const hiding = drawNonce(setting, random)
    const binding = drawNonce(setting, random)
    const payload = concatBytes(
      group.encode(group.multiplyBase(hiding)),
      group.encode(group.multiplyBase(binding)),
    )
    const outbox = [frameOf(setting, { code: codes.frost1, session: start, payload })]
    return { setting, progress: { outbox, next: new FrostRound1(setting, { hiding, binding, payload }) } }
  } catch (error) {
    membership.leave()
    throw error
  }
}

interface StartFields {
  readonly share: KeyShare
  readonly key: FrostKey
  readonly path: readonly number[]
  readonly signers: readonly PartyIndex[]
  readonly message: Uint8Array
  readonly instance: Uint8Array
}

/** Everything that the signers agreed on: who differs in any of it is in another family and is never heard. */
function startId({ share, key, path, signers, message, instance }: StartFields): Uint8Array {
  const text = new TextEncoder()
  return taggedHash(
    'frost/start',
    text.encode(protocolVersion),
    encodeU8(share.suite),
    text.encode(share.label),
    share.epochId,
    key.encoded,
    encodePath(path),
    ...(share.suite === 4 ? [key.taproot] : []),
    encodeU16(signers.length),
    ...signers.map(encodeU16),
    message,
    instance,
  )
}

/** RFC 9591, section 4.1, nonce_generate: a bad source of randomness alone does not make the nonce guessable. */
function drawNonce({ suite, share, group }: Setting, random: RandomSource): bigint {
  const fresh = drawBytes(random, 32)
  const secret = group.scalars.encode(share.secret)
  const input = concatBytes(fresh, secret)
  const nonce = suite.hashNonce(input)
  for (const bytes of [fresh, secret, input]) bytes.fill(0)
  return nonce
}

interface RoundOptions<Secrets> {
  readonly secrets: Secrets
  readonly session: Uint8Array
  readonly code: number
  readonly payloadBytes: number
  readonly wrongLength: 'RETRY' | 'ABORT'
}

/** A round that waits for one broadcast of each peer. What it holds leaves it on entry, whatever happens then: a
 * nonce that met two lists of commitments would give the share away (RFC 9591, section 7.3). */
abstract class FrostRound<Secrets> implements Round<FrostSignature> {
  readonly inbox: Inbox<'messages'>
  protected readonly setting: Setting
  #secrets: Secrets | undefined

  constructor(setting: Setting, options: RoundOptions<Secrets>) {
    this.setting = setting
    this.#secrets = options.secrets
    const { suite, own, peers } = setting
    const { session, code, wrongLength } = options
    const messages = { code, cast: 'broadcast', from: peers, payloadBytes: options.payloadBytes } as const
    this.inbox = new Inbox({ suite: suite.id, own, peers, session, wrongLength, expects: { messages } })
  }

  finish(): Step<Progress<FrostSignature>> {
    const secrets = this.#secrets
    this.#secrets = undefined
    const { membership } = this.setting
    if (membership.ending !== undefined) {
      this.inbox.close()
      return membership.ending
    }
    if (secrets === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    let step: Step<Progress<FrostSignature>> | undefined
    try {
      step = this.enter(secrets, this.inbox.take().messages)
      return step
    } finally {
      if (step?.status !== 'done' || 'result' in step.value) membership.leave()
    }
  }

  /** Numbers of JavaScript cannot be erased, only dropped. */
  discard(): void {
    this.#secrets = undefined
    this.setting.membership.leave()
  }

  protected abstract enter(secrets: Secrets, messages: Payloads): Step<Progress<FrostSignature>>
}

interface Nonces {
  readonly hiding: bigint
  readonly binding: bigint
  /** D_i, E_i. */
  readonly payload: Uint8Array
}

/** Waits for commitments; then computes this party's share of the signature. */
class FrostRound1 extends FrostRound<Nonces> {
  constructor(setting: Setting, secrets: Nonces) {
    super(setting, {
      secrets,
      session: setting.start,
      code: codes.frost1,
      payloadBytes: payloadBytes.frost1(setting.group),
      wrongLength: 'RETRY',
    })
  }

  protected enter({ hiding, binding, payload }: Nonces, messages: Payloads): Step<Progress<FrostSignature>> {
    const { setting } = this
    const { suite, share, group, own, peers, signers, key, message } = setting
    const { scalars } = group
    const { values: committed, culprits } = failuresOf(messages, (bytes) =>
      decodeExactly(bytes, (reader) => [reader.point(group), reader.point(group)] as const),
    )
    if (culprits.length > 0) {
      return abort({ problem: 'malformed', culprits, message: 'A commitment does not decode.' })
    }
    const commitments = new Map(messages).set(own, payload)
    const session = sessionOf(setting, commitments)
    const factors = bindingFactors(setting, commitments)
    const factorOf = (index: PartyIndex) => factors.get(index) as bigint
    // The secret behind this party's part of the nonce: used here once, as z's own part and as a point.
    const ownNonce = scalars.mod(hiding + binding * factorOf(own))
    const nonces = new Map<PartyIndex, Point>([[own, group.multiplyBase(ownNonce)]])
    for (const peer of peers) {
      const [hidingPoint, bindingPoint] = committed.get(peer) as readonly [Point, Point]
      nonces.set(peer, group.add(hidingPoint, group.multiplyPublic(bindingPoint, factorOf(peer))))
    }
    const nonce = sumPoints(group, nonces.values())
    if (group.isIdentity(nonce)) {
      return abort({ problem: 'zero-value', message: 'The nonce is the identity.' })
    }
    const encodedNonce = group.encode(nonce)
    const isFlipped = suite.isXOnly && encodedNonce[0] === 3
    const challenge = suite.challenge(encodedNonce, key.encoded, message)
    // Subtracted from the order, not from 0: no sign depends on a secret.
    const { order } = scalars
    const secret = (key.isNegated ? order - share.secret : share.secret) + key.offset
    const weight = scalars.multiply(lagrange(scalars, signers, own), challenge)
    const z = scalars.mod((isFlipped ? order - ownNonce : ownNonce) + weight * secret)
    const outbox = [frameOf(setting, { code: codes.frost2, session, payload: scalars.encode(z) })]
    const next = new FrostRound2(setting, session, { z, nonces, encodedNonce, isFlipped, challenge })
    return done({ outbox, next })
  }
}

/** As it is on the wire: who saw other commitments is in another session. */
function sessionOf({ start, signers }: Setting, commitments: Payloads): Uint8Array {
  const fields = signers.flatMap((index) => {
    const payload = commitments.get(index) as Uint8Array
    const half = payload.length / 2
    return [encodeU16(index), payload.subarray(0, half), payload.subarray(half)]
  })
  return wireSessionId(start, taggedHash('frost/id', start, encodeU16(signers.length), ...fields))
}

/** RFC 9591, section 4.4, compute_binding_factors. */
function bindingFactors(
  { suite, group, signers, key, message }: Setting,
  commitments: Payloads,
): ReadonlyMap<PartyIndex, bigint> {
  const identifiers = new Map(signers.map((index) => [index, group.scalars.encode(BigInt(index))]))
  const identifierOf = (index: PartyIndex) => identifiers.get(index) as Uint8Array
  const list = concatBytes(
    ...signers.flatMap((index) => [identifierOf(index), commitments.get(index) as Uint8Array]),
  )
  const prefix = concatBytes(key.encoded, suite.hashMessage(message), suite.hashCommitments(list))
  return new Map(signers.map((index) => [index, suite.hashBinding(concatBytes(prefix, identifierOf(index)))]))
}

/** Nothing here is secret: z goes to everybody. */
interface SignatureParts {
  /** z_i of this party. */
  readonly z: bigint
  /** D_j + rho_j E_j of every signer. */
  readonly nonces: ReadonlyMap<PartyIndex, Point>
  /** R, before it is known by x alone. */
  readonly encodedNonce: Uint8Array
  /** Suite 4: R has an odd y, and every nonce counts negated. */
  readonly isFlipped: boolean
  readonly challenge: bigint
}

/** Waits for the peers' shares of the signature; adds them up, and finds out who lied if the sum does not verify. */
class FrostRound2 extends FrostRound<SignatureParts> {
  constructor(setting: Setting, session: Uint8Array, secrets: SignatureParts) {
    super(setting, {
      secrets,
      session,
      code: codes.frost2,
      payloadBytes: payloadBytes.frost2,
      wrongLength: 'ABORT',
    })
  }

  protected enter(parts: SignatureParts, messages: Payloads): Step<Progress<FrostSignature>> {
    const { suite, group, own, key, message } = this.setting
    const { scalars } = group
    const { values, culprits } = failuresOf(messages, (bytes) => scalars.decode(bytes))
    if (culprits.length > 0) {
      return abort({ problem: 'malformed', culprits, message: 'A share of the signature does not decode.' })
    }
    const shares = new Map(values).set(own, parts.z)
    const z = [...shares.values()].reduce((sum, share) => scalars.add(sum, share))
    const bytes = concatBytes(suite.encodeKey(parts.encodedNonce), scalars.encode(z))
    const publicKey = suite.encodeKey(key.encoded).slice()
    if (!suite.verify({ publicKey, message, signature: bytes })) {
      return abort({
        problem: 'signature-invalid',
        culprits: this.#findWrong(parts, shares),
        message: 'The signature does not verify.',
      })
    }
    return done({ outbox: [], result: { suite: suite.id, bytes, publicKey } })
  }

  /**
   * RFC 9591, section 5.4, verify_signature_share, for the key that signs: z_j G = R_j + c lambda_j X_j, with X_j moved
   * as the key was. The own share is checked as the others are: a damaged one must not hide. */
  #findWrong(
    { nonces, isFlipped, challenge }: SignatureParts,
    shares: ReadonlyMap<PartyIndex, bigint>,
  ): PartyIndex[] {
    const { share, group, signers, key } = this.setting
    const { scalars } = group
    return signers.filter((index) => {
      const weight = scalars.multiply(lagrange(scalars, signers, index), challenge)
      const nonce = nonces.get(index) as Point
      const publicShare = share.publicShares.get(index) as Point
      const left = scalars.mod((shares.get(index) as bigint) - weight * key.offset)
      const right = group.add(
        isFlipped ? group.negate(nonce) : nonce,
        group.multiplyPublic(key.isNegated ? group.negate(publicShare) : publicShare, weight),
      )
      return !group.equals(group.multiplyPublic(group.generator, left), right)
    })
  }
}

interface Message {
  readonly code: number
  readonly session: Uint8Array
  readonly payload: Uint8Array
}

function frameOf({ suite, own }: Setting, { code, session, payload }: Message): Outgoing {
  const frame = { suite: suite.id, code, sender: own, receiver: broadcast, session, payload } as const
  return { to: 'all', bytes: encodeFrame(frame) }
}
