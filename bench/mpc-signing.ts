import {
  type EcdsaSignature,
  Epoch,
  openPresignature,
  openSignature,
  type Presignature,
  platformRandom,
  type Secp256k1Group,
  type Session,
} from '@countersign/mpc'
import { dealShares } from '@countersign/mpc/testing'
import { secp256k1 } from '@noble/curves/secp256k1.js'

/** Runs in Node and in browsers: no built-in module here. */
export interface SigningOptions {
  readonly group: Secp256k1Group
  readonly runs: number
  readonly threshold: number
  /** Milliseconds; the CPU's where the platform tells. */
  readonly clockMs: () => number
}

export interface SigningMeasure {
  /** Work of all parties for one signature in one go, milliseconds, median. */
  readonly signMs: number
  /** The same in units: each run over the unit next to it, median. */
  readonly signUnits: number
  readonly onlineMs: number
  readonly onlineUnits: number
  /** Plain signature by noble, milliseconds, median. */
  readonly unitMs: number
  /** From one party to one peer, headers included. */
  readonly signBytes: number
  readonly onlineBytes: number
  readonly runs: number
}

const digest = new Uint8Array(32).fill(7)
const unitSignatures = 10
const warmUps = 8

export async function measureSigning(options: SigningOptions): Promise<SigningMeasure> {
  const { group, runs, threshold, clockMs } = options
  const indices = Array.from({ length: threshold }, (_, i) => i + 1)
  const shares = dealShares({ group, threshold, indices, random: platformRandom })
  const epochs = new Map([...shares].map(([index, share]) => [index, new Epoch({ share, burned: [] })]))
  const secretKey = secp256k1.utils.randomSecretKey()
  const unit = () => {
    const before = clockMs()
    for (let i = 0; i < unitSignatures; i++) secp256k1.sign(digest, secretKey, { prehash: false })
    return (clockMs() - before) / unitSignatures
  }
  const units: number[] = []
  const sign: number[] = []
  const online: number[] = []
  const signUnits: number[] = []
  const onlineUnits: number[] = []
  let signBytes = 0
  let onlineBytes = 0
  for (let run = -warmUps; run < runs; run++) {
    const unitBefore = unit()
    const beforeSign = clockMs()
    signBytes = exchange(openSignatures(epochs))
    const signMs = clockMs() - beforeSign
    const presignatures = presign(epochs)
    const beforeOnline = clockMs()
    const sessions = new Map<number, Session<EcdsaSignature>>()
    for (const [index, one] of presignatures) {
      sessions.set(index, await one.openSession(digest, async () => undefined))
    }
    onlineBytes = exchange(sessions)
    const onlineMs = clockMs() - beforeOnline
    if (run < 0) continue
    const unitMs = (unitBefore + unit()) / 2
    units.push(unitMs)
    sign.push(signMs)
    online.push(onlineMs)
    signUnits.push(signMs / unitMs)
    onlineUnits.push(onlineMs / unitMs)
  }
  return {
    signMs: median(sign),
    signUnits: median(signUnits),
    onlineMs: median(online),
    onlineUnits: median(onlineUnits),
    unitMs: median(units),
    signBytes: signBytes / (threshold - 1),
    onlineBytes: onlineBytes / (threshold - 1),
    runs,
  }
}

function openSignatures(epochs: ReadonlyMap<number, Epoch>): Map<number, Session<EcdsaSignature>> {
  const common = { signers: [...epochs.keys()], path: [], digest, instance: platformRandom(32) }
  return new Map([...epochs].map(([index, epoch]) => [index, openSignature({ ...common, epoch })]))
}

function presign(epochs: ReadonlyMap<number, Epoch>): Map<number, Presignature> {
  const common = { signers: [...epochs.keys()], path: [], instance: platformRandom(32) }
  const sessions = new Map(
    [...epochs].map(([index, epoch]) => [index, openPresignature({ ...common, epoch })]),
  )
  exchange(sessions)
  return new Map([...sessions].map(([index, session]) => [index, resultOf(session)]))
}

function resultOf<Result>({ outcome }: Session<Result>): Result {
  if (outcome?.status !== 'done') throw new Error('a session of the benchmark failed')
  return outcome.result
}

/** @returns the bytes that party 1 sent to all. */
function exchange<Result>(sessions: ReadonlyMap<number, Session<Result>>): number {
  let bytesOfFirst = 0
  for (let isMoving = true; isMoving; ) {
    isMoving = false
    for (const [from, session] of sessions) {
      for (const { to, bytes } of session.takeOutbox()) {
        isMoving = true
        for (const [index, peer] of sessions) {
          if (index === from || (to !== 'all' && to !== index)) continue
          if (from === 1) bytesOfFirst += bytes.length
          peer.receive(from, bytes)
        }
      }
    }
  }
  for (const session of sessions.values()) resultOf(session)
  return bytesOfFirst
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
