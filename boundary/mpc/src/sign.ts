import { derivePublic, encodePath } from './bip32.ts'
import { concatBytes, copyBytes, encodeU8, encodeU16 } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { checkInstance, parseSigners } from './context.ts'
import type { Epoch } from './epoch.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { type EcdsaSignature, onlineShares, Presignature, startOnline } from './presignature.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import { type Progress, Session } from './session.ts'
import { frameOf, type SigningScope, signingSuite } from './signing-round.ts'
import { type Conclude, commitmentOf, SigningRound1 } from './signing-rounds.ts'
import { taggedHash } from './tagged-hash.ts'
import { protocolVersion } from './tags.ts'

/** Equal at every signer, agreed by authenticated means; docs/mpc-protocol.md, "ECDSA signature". */
export interface PresignInput {
  readonly epoch: Epoch
  /** Exactly as many as the threshold. */
  readonly signers: Iterable<PartyIndex>
  /** BIP-32, non-hardened; empty for the key itself. Fixed before the nonce: never chosen afterwards. */
  readonly path: readonly number[]
  /** 32 bytes, fresh for every session and not all zero. */
  readonly instance: Uint8Array
  readonly random?: RandomSource
}

export interface SignInput extends PresignInput {
  /** 32 bytes, bound by the session from its first message. */
  readonly digest: Uint8Array
}

/** A signature in one go. The session is `openSignature`'s; this is for those who drive rounds themselves.
 * @throws {CountersignError} MPC_PAIR_BURNED, MPC_EPOCH_RETIRED, MPC_LIMIT_REACHED, MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startSignature(input: SignInput): Progress<EcdsaSignature> {
  return beginSignature(input).progress
}

/** All but the digest.
 * @throws {CountersignError} MPC_PAIR_BURNED, MPC_EPOCH_RETIRED, MPC_LIMIT_REACHED, MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startPresignature(input: PresignInput): Progress<Presignature> {
  return beginPresignature(input).progress
}

/** A session that ends at once when the epoch ends it: what it had not sent yet is not sent. */
export function openSignature(input: SignInput): Session<EcdsaSignature> {
  return openSession(beginSignature(input))
}

export function openPresignature(input: PresignInput): Session<Presignature> {
  return openSession(beginPresignature(input))
}

interface Begun<Result> {
  readonly scope: SigningScope
  readonly progress: Progress<Result>
}

function openSession<Result>({ scope, progress }: Begun<Result>): Session<Result> {
  const session = new Session(progress)
  scope.membership.onEnd((ending) => session.end(ending))
  return session
}

function beginSignature(input: SignInput): Begun<EcdsaSignature> {
  const digest = copyBytes(input.digest)
  if (digest.length !== 32) throw mpcError('MPC_INPUT_INVALID', 'A digest is 32 bytes long.')
  // Bound by sigid: these shares can answer no other digest, and they are never stored. So no durable mark.
  return begin(input, { mode: 0, digest }, (parts) => startOnline(parts, digest, onlineShares(parts, digest)))
}

function beginPresignature(input: PresignInput): Begun<Presignature> {
  return begin(input, { mode: 1, digest: new Uint8Array(0) }, (parts) => ({
    outbox: [],
    result: new Presignature(parts),
  }))
}

function begin<Result>(
  { epoch, signers: wanted, path: wantedPath, instance, random = platformRandom }: PresignInput,
  { mode, digest }: { readonly mode: 0 | 1; readonly digest: Uint8Array },
  conclude: Conclude<Result>,
): Begun<Result> {
  const { share } = epoch
  const { group, index: own, threshold, epochId } = share
  const path = [...wantedPath]
  const signers = parseSigners(wanted, { parties: [...share.publicShares.keys()], threshold, own })
  checkInstance(instance)
  const { publicKey: derived, tweak } = derivePublic(share, path)
  const encodedKey = group.encode(derived)
  // Through its encoding: an affine point is encoded and compared without an inversion later on.
  const publicKey = group.decode(encodedKey)
  const start = taggedHash(
    'sig/start',
    new TextEncoder().encode(protocolVersion),
    encodeU8(signingSuite),
    new TextEncoder().encode(share.label),
    epochId,
    encodedKey,
    encodePath(path),
    encodeU16(threshold),
    ...signers.map(encodeU16),
    encodeU8(mode),
    digest,
    instance,
  )
  const peers = signers.filter((index) => index !== own)
  const membership = epoch.enter(signers)
  const scope = { epoch, share, group, own, signers, peers, membership }
  try {
    const r = group.scalars.random(random)
    const phi = group.scalars.random(random)
    const freshness = drawBytes(random, 16)
    const blind = drawBytes(random, 32)
    const nonce = group.multiplyBase(r)
    const commitment = commitmentOf(scope, start, {
      index: own,
      freshness,
      nonce: group.encode(nonce),
      blind,
    })
    const payload = concatBytes(freshness, commitment)
    const setting = { ...scope, path, start, publicKey, encodedKey, tweak, random, conclude }
    const outbox = [frameOf(scope, { code: codes.sign1, to: 'all', session: start, payload })]
    return {
      scope,
      progress: { outbox, next: new SigningRound1(setting, { r, phi, blind, nonce, payload }) },
    }
  } catch (error) {
    membership.leave()
    throw error
  }
}
