import { FrostEpoch, openFrostSignature, platformRandom } from '@countersign/mpc'
import { dealFrostShares } from '@countersign/mpc/testing'
import { ed25519_FROST as nobleFrost } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { median } from './mpc-signing.ts'

/** Runs in Node and in browsers: no built-in module here. */
export interface FrostOptions {
  readonly runs: number
  /** Milliseconds; the CPU's where the platform tells. */
  readonly clockMs: () => number
}

export interface FrostMeasure {
  /** Work of both signers for one signature of a 2-of-3 key of Ed25519, both aggregating; units, median. */
  readonly signUnits: number
  readonly signMs: number
  /** The same signature by noble's own FROST, of which one party aggregates. */
  readonly nobleUnits: number
  readonly nobleMs: number
  /** Plain secp256k1 signature by noble, milliseconds, median. */
  readonly unitMs: number
  /** From one party to its peer, headers included. */
  readonly signBytes: number
  readonly runs: number
}

const message = new Uint8Array(32).fill(7)
const unitSignatures = 20
const warmUps = 8
const signers = [1, 3]

/** FROST(Ed25519, SHA-512), 2 of 3, with every party in this process: the sum of all their work. */
export function measureFrost({ runs, clockMs }: FrostOptions): FrostMeasure {
  const shares = dealFrostShares({ suite: 2, threshold: 2, indices: [1, 2, 3], random: platformRandom })
  const epochs = [...shares.values()]
    .filter(({ index }) => signers.includes(index))
    .map((share) => new FrostEpoch({ share }))
  const noble = nobleSigner()
  const secretKey = secp256k1.utils.randomSecretKey()
  const timed = (work: () => void) => {
    const before = clockMs()
    work()
    return clockMs() - before
  }
  const unit = () => {
    const ms = timed(() => {
      for (let i = 0; i < unitSignatures; i++) secp256k1.sign(message, secretKey, { prehash: false })
    })
    return ms / unitSignatures
  }
  const measured = { unit: [] as number[], sign: [] as number[], noble: [] as number[] }
  const units = { sign: [] as number[], noble: [] as number[] }
  let signBytes = 0
  for (let run = -warmUps; run < runs; run++) {
    const unitBefore = unit()
    const signMs = timed(() => {
      signBytes = sign(epochs)
    })
    const nobleMs = timed(noble)
    if (run < 0) continue
    const unitMs = (unitBefore + unit()) / 2
    measured.unit.push(unitMs)
    measured.sign.push(signMs)
    measured.noble.push(nobleMs)
    units.sign.push(signMs / unitMs)
    units.noble.push(nobleMs / unitMs)
  }
  return {
    signUnits: median(units.sign),
    signMs: median(measured.sign),
    nobleUnits: median(units.noble),
    nobleMs: median(measured.noble),
    unitMs: median(measured.unit),
    signBytes,
    runs,
  }
}

/** @returns the bytes that the first signer sent. */
function sign([one, other]: readonly FrostEpoch[]): number {
  if (one === undefined || other === undefined) throw new Error('bug: two sign')
  const common = { signers, message, instance: platformRandom(32) }
  const [first, second] = [one, other].map((epoch) => openFrostSignature({ ...common, epoch }))
  if (first === undefined || second === undefined) throw new Error('bug: two sign')
  let bytesOfFirst = 0
  for (let round = 1; round <= 2; round++) {
    const [forth, back] = [first.takeOutbox(), second.takeOutbox()]
    for (const { bytes } of forth) {
      bytesOfFirst += bytes.length
      second.receive(one.share.index, bytes)
    }
    for (const { bytes } of back) first.receive(other.share.index, bytes)
  }
  for (const { outcome } of [first, second]) {
    if (outcome?.status !== 'done') throw new Error('a session of the benchmark failed')
  }
  return bytesOfFirst
}

/** commit and signShare by both signers, aggregate by one. */
function nobleSigner(): () => void {
  const identifiers = [1, 2, 3].map((index) => nobleFrost.Identifier.fromNumber(index))
  const { public: key, secretShares } = nobleFrost.trustedDealer({ min: 2, max: 3 }, identifiers)
  const secrets = signers.map((index) => {
    const secret = secretShares[nobleFrost.Identifier.fromNumber(index)]
    if (secret === undefined) throw new Error('bug: noble dealt no share')
    return secret
  })
  return () => {
    const drawn = secrets.map((secret) => ({ secret, ...nobleFrost.commit(secret) }))
    const list = drawn.map(({ commitments }) => commitments)
    const shares = drawn.map(({ secret, nonces }) => [
      secret.identifier,
      nobleFrost.signShare(secret, key, nonces, list, message),
    ])
    nobleFrost.aggregate(key, list, message, Object.fromEntries(shares))
  }
}
