import { abort, done, type Step } from './abort.ts'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, copyBytes, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { failuresOf } from './failures.ts'
import type { Point, Secp256k1Group } from './group.ts'
import type { Payloads } from './inbox.ts'
import { codes, payloadBytes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { type Outgoing, type Progress, Session } from './session.ts'
import { frameOf, SigningRound, type SigningScope } from './signing-round.ts'

export interface EcdsaSignature {
  /** r || s, 64 bytes, low s. */
  readonly bytes: Uint8Array
  /** 0..3: which of the points with this r. */
  readonly recovery: number
  /** The derived key under which it verifies, 33 bytes. */
  readonly publicKey: Uint8Array
}

/** What round 4 of docs/mpc-protocol.md leaves: everything but the digest. */
export interface PresignatureParts {
  readonly scope: SigningScope
  /** sigid, 32 bytes. */
  readonly id: Uint8Array
  /** The id on the wire. */
  readonly session: Uint8Array
  readonly path: readonly number[]
  /** Y'. */
  readonly publicKey: Point
  /** Y', 33 bytes. */
  readonly encodedKey: Uint8Array
  readonly r: bigint
  /** Of R: parity of y, plus 2 if x is not below the order. */
  readonly recovery: number
  readonly u: bigint
  readonly v: bigint
  readonly phi: bigint
}

export interface ConsumptionMark {
  /** 32 bytes; no two presignatures share it. */
  readonly presignatureId: Uint8Array
  readonly epochId: Uint8Array
  readonly digest: Uint8Array
}

/**
 * Stores the mark durably, and refuses (rejects) one whose presignature is already marked with another digest. Only
 * after it has resolved does anything leave. It sees the same mark again when a caller repeats itself. */
export type WriteAhead = (mark: ConsumptionMark) => Promise<void>

interface Released {
  readonly digest: Uint8Array
  readonly shares: OnlineShares
  readonly stored: Promise<void>
}

/**
 * The shares of a nonce and of the key under it, waiting for a digest. Two digests under one give away the key, so it
 * moves: the first `sign` takes the secrets out, and what is left can only say the same thing again. It exists in
 * this memory alone: nothing writes it out, a restart loses it. */
export class Presignature {
  readonly id: Uint8Array
  readonly epochId: Uint8Array
  readonly signers: readonly PartyIndex[]
  readonly path: readonly number[]
  /** The key under which it signs, 33 bytes. */
  readonly publicKey: Uint8Array
  #parts: PresignatureParts | undefined
  #released: Released | undefined

  constructor(parts: PresignatureParts) {
    const { scope, id, path, encodedKey } = parts
    this.id = copyBytes(id)
    this.epochId = copyBytes(scope.share.epochId)
    this.signers = scope.signers
    this.path = [...path]
    this.publicKey = copyBytes(encodedKey)
    this.#parts = parts
    scope.membership.onEnd(() => this.#erase())
  }

  /** True until `sign` or `discard`, or until the epoch takes it away. */
  get isFresh(): boolean {
    return this.#parts !== undefined && this.#released === undefined
  }

  /**
   * The online round: gives the one message to send and the round that combines. The same digest may be asked for
   * again; any other is refused for good, also when the first call failed: its mark may have reached the disk.
   * @param digest 32 bytes, the hash that is signed.
   * @throws {CountersignError} MPC_SPENT, MPC_INPUT_INVALID, MPC_PAIR_BURNED, MPC_EPOCH_RETIRED; what `writeAhead`
   * rejects with. */
  async sign(digest: Uint8Array, writeAhead: WriteAhead): Promise<Progress<EcdsaSignature>> {
    // No await before the presignature has moved: of two callers at once only one gets it.
    const { released, parts } = this.#release(copyBytes(digest), writeAhead)
    await released.stored
    if (this.#parts === undefined) throw spent()
    return startOnline(parts, released.digest, released.shares)
  }

  /** `sign` with its session: it ends when the epoch ends it. */
  async openSession(digest: Uint8Array, writeAhead: WriteAhead): Promise<Session<EcdsaSignature>> {
    const progress = await this.sign(digest, writeAhead)
    const { membership } = (this.#parts as PresignatureParts).scope
    const session = new Session(progress)
    membership.onEnd((ending) => session.end(ending))
    return session
  }

  /** Erases it unused. */
  discard(): void {
    this.#parts?.scope.membership.leave()
    this.#erase()
  }

  /** @throws {CountersignError} MPC_NOT_SERIALISABLE: a second copy could sign a second digest. */
  toJSON(): never {
    throw mpcError('MPC_NOT_SERIALISABLE', 'A presignature is not written out.')
  }

  #release(digest: Uint8Array, writeAhead: WriteAhead): { released: Released; parts: PresignatureParts } {
    if (digest.length !== 32) throw mpcError('MPC_INPUT_INVALID', 'A digest is 32 bytes long.')
    const parts = this.#parts
    if (parts === undefined) throw spent()
    // Also after its session has ended and the epoch no longer watches it.
    parts.scope.epoch.checkUsable(parts.scope.signers)
    const before = this.#released
    if (before !== undefined && !equalBytes(before.digest, digest)) throw spent()
    const shares = before?.shares ?? onlineShares(parts, digest)
    const mark = {
      presignatureId: copyBytes(parts.id),
      epochId: copyBytes(parts.scope.share.epochId),
      digest: copyBytes(digest),
    }
    // Again for each call: a mark that failed is tried again, one that is stored is stored again.
    const stored = Promise.resolve().then(() => writeAhead(mark))
    // A rejection is the caller's to see; a second caller has a promise of its own.
    stored.catch(() => undefined)
    const released = { digest, shares, stored }
    this.#released = released
    // phi and v are gone; with u, w and r alone nothing else can be signed.
    this.#parts = { ...parts, u: 0n, v: 0n, phi: 0n }
    return { released, parts: this.#parts }
  }

  #erase(): void {
    this.#parts = undefined
    this.#released = undefined
  }
}

function spent() {
  return mpcError('MPC_SPENT', 'This presignature is used, discarded or of a burned pair.')
}

interface OnlineShares {
  readonly w: bigint
  readonly u: bigint
}

/** w_i = m phi_i + r v_i. */
export function onlineShares({ scope, r, u, v, phi }: PresignatureParts, digest: Uint8Array): OnlineShares {
  const { scalars } = scope.group
  return { w: scalars.mod(scalars.reduce(digest) * phi + r * v), u }
}

type PublicParts = Omit<PresignatureParts, 'u' | 'v' | 'phi'>

/** Sends the shares and waits for those of the others. */
export function startOnline(
  { scope, id, session, path, publicKey, encodedKey, r, recovery }: PublicParts,
  digest: Uint8Array,
  shares: OnlineShares,
): Progress<EcdsaSignature> {
  // Named one by one: v and phi do not come along.
  const parts = { scope, id, session, path, publicKey, encodedKey, r, recovery }
  const { encode } = scope.group.scalars
  const payload = concatBytes(encode(shares.w), encode(shares.u))
  const outbox: readonly Outgoing[] = [frameOf(scope, { code: codes.sign4, to: 'all', session, payload })]
  return { outbox, next: new SigningRound4(parts, { digest, ...shares }) }
}

interface Online extends OnlineShares {
  readonly digest: Uint8Array
}

/** Waits for w_j and u_j, and combines. */
class SigningRound4 extends SigningRound<Online, EcdsaSignature> {
  readonly #parts: PublicParts

  constructor(parts: PublicParts, online: Online) {
    super({
      scope: parts.scope,
      secrets: online,
      session: parts.session,
      wrongLength: 'ABORT',
      expects: { code: codes.sign4, cast: 'broadcast', payloadBytes: payloadBytes.sign4 },
    })
    this.#parts = parts
  }

  protected enter(online: Online, messages: Payloads): Step<Progress<EcdsaSignature>> {
    const { group, membership } = this.scope
    const { scalars } = group
    let { w, u } = online
    const { values, culprits } = failuresOf(messages, (payload) =>
      decodeExactly(payload, (reader) => ({ w: reader.scalar(group), u: reader.scalar(group) })),
    )
    if (culprits.length > 0) {
      return abort({ problem: 'malformed', culprits, message: 'A share of the signature is no scalar.' })
    }
    for (const share of values.values()) {
      w = scalars.add(w, share.w)
      u = scalars.add(u, share.u)
    }
    const combined = combine(group, { ...this.#parts, digest: online.digest, w, u })
    if (combined.status === 'done') membership.leave()
    return combined.status === 'done' ? done({ outbox: [], result: combined.value }) : combined
  }

  protected erase(): void {}
}

interface Sums extends Pick<PresignatureParts, 'r' | 'recovery' | 'publicKey' | 'encodedKey'> {
  readonly digest: Uint8Array
  readonly w: bigint
  readonly u: bigint
}

/** s = sum w / sum u, low, with its recovery id; returned only if an ordinary verifier accepts it. */
function combine(
  group: Secp256k1Group,
  { r, recovery, publicKey, encodedKey, digest, w, u }: Sums,
): Step<EcdsaSignature> {
  const { scalars } = group
  if (u === 0n) return abort({ problem: 'zero-value', message: 'The sum of the u shares is zero.' })
  const high = scalars.multiply(w, scalars.invert(u))
  const isHigh = high > scalars.order / 2n
  const s = isHigh ? scalars.order - high : high
  const bytes = concatBytes(scalars.encode(r), scalars.encode(s))
  // The backend's own ECDSA verifier (libsecp256k1 or noble): no code of this protocol.
  if (!group.verify(digest, bytes, publicKey)) {
    return abort({ problem: 'signature-invalid', message: 'The combined signature does not verify.' })
  }
  // The other s belongs to the negative of R.
  return done({ bytes, recovery: isHigh ? recovery ^ 1 : recovery, publicKey: copyBytes(encodedKey) })
}
