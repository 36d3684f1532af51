import { concatBytes, encodeU32, equalBytes } from './byte-writer.ts'
import { xi } from './messages.ts'
import { extendAsBob, type Rows, rowOracle, shiftRows } from './ot-extension.ts'
import type { Challenges, Gadget } from './row-algebra.ts'
import { rowAlgebra } from './row-algebras.ts'
import { secp256k1Scalars } from './scalar-field.ts'
import { hashToScalar, taggedHash } from './tagged-hash.ts'

/**
 * Random vector oblivious linear evaluation (DKLs23, protocol 5.2 in shape): alice's two factors, bob's one random
 * factor, additive shares of both products. docs/mpc-protocol.md, "Multiplication".
 */
export const atBytes = xi * 96
/** at, eta, mu. */
export const multiplicationBytes = atBytes + 64

interface BobStart {
  readonly vsid: Uint8Array
  readonly keys: Uint8Array
  readonly choices: Uint8Array
  readonly gadget: Gadget
}

/** What bob keeps between his message and alice's. One use. */
export interface BobHalf {
  readonly vsid: Uint8Array
  readonly beta: Uint8Array
  readonly rows: Rows
  /** b, uniform. */
  readonly factor: bigint
}

export function startAsBob({ vsid, keys, choices, gadget }: BobStart): {
  message: Uint8Array
  half: BobHalf
} {
  const { message, beta, rows } = extendAsBob({ vsid, keys, choices })
  return { message, half: { vsid, beta, rows, factor: rowAlgebra().sumSelected(gadget, beta) } }
}

export function eraseHalf({ beta, rows }: BobHalf): void {
  beta.fill(0)
  rows.fill(0)
}

interface AliceInput {
  readonly vsid: Uint8Array
  readonly delta: Uint8Array
  readonly rows: Rows
  readonly gadget: Gadget
  readonly inputs: readonly [a1: bigint, a2: bigint]
  readonly ahat: bigint
}

export interface AliceOutput {
  /** 49,216 bytes: at, eta, mu. */
  readonly payload: Uint8Array
  /** c_1, c_2. */
  readonly shares: readonly [bigint, bigint]
}

/** @param input.rows Of an extension whose check has passed (`extendAsAlice`); erased here. */
export function multiplyAsAlice({ vsid, delta, rows, gadget, inputs, ahat }: AliceInput): AliceOutput {
  const shifted = shiftRows(rows, delta)
  const [zero, one] = rowOracle(vsid, rows, shifted) as [Uint8Array, Uint8Array]
  const output = rowAlgebra().alice({
    zero,
    one,
    inputs: [...inputs, ahat],
    gadget,
    challenge: (at) => challengesOf(vsid, at),
  })
  const [theta1, theta2] = output.challenges
  const eta = secp256k1Scalars.mod(ahat + theta1 * inputs[0] + theta2 * inputs[1])
  const mu = taggedHash('rvole/mu', vsid, output.mus)
  for (const secret of [rows, shifted, zero, one, output.mus]) secret.fill(0)
  return { payload: concatBytes(output.at, secp256k1Scalars.encode(eta), mu), shares: output.shares }
}

/** theta binds all of alice's payload: one that she can choose after theta lets wrong products pass. */
function challengesOf(vsid: Uint8Array, at: Uint8Array): Challenges {
  const transcript = taggedHash('rvole/tr', vsid, at)
  const theta = (k: number) => hashToScalar(secp256k1Scalars, 'rvole/theta', transcript, encodeU32(k))
  return [theta(1), theta(2)]
}

export interface BobOutput {
  /** False is a BURN of alice. */
  readonly isValid: boolean
  /** d_1, d_2: c_l + d_l = a_l b. */
  readonly shares: readonly [bigint, bigint]
}

/** True if at and eta are canonical scalars: public, and looked at before any secret is. */
export function isMultiplicationCanonical(payload: Uint8Array): boolean {
  if (payload.length !== multiplicationBytes) throw new Error('bug: a payload of another length')
  return rowAlgebra().areCanonical(payload.subarray(0, atBytes + 32))
}

/** @param half Erased here. @param payload Checked by `isMultiplicationCanonical`. */
export function finishAsBob(half: BobHalf, gadget: Gadget, payload: Uint8Array): BobOutput {
  if (payload.length !== multiplicationBytes) throw new Error('bug: a payload of another length')
  const { vsid, beta } = half
  const at = payload.subarray(0, atBytes)
  const [rows] = rowOracle(vsid, half.rows) as [Uint8Array]
  const output = rowAlgebra().bob({
    rows,
    beta,
    at,
    eta: secp256k1Scalars.decode(payload.subarray(atBytes, atBytes + 32)),
    challenges: challengesOf(vsid, at),
    gadget,
  })
  const mu = taggedHash('rvole/mu', vsid, output.mus)
  const isValid = equalBytes(mu, payload.subarray(atBytes + 32))
  for (const secret of [rows, output.mus]) secret.fill(0)
  eraseHalf(half)
  return { isValid, shares: output.shares }
}
