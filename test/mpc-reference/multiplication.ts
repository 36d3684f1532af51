import { bigEndian, fromBigEndian, mod, secp256k1 } from './curves.ts'
import { BH, bit, HS, TH, u16, u32 } from './protocol.ts'

/**
 * Oblivious transfer extension and multiplication, row by row and bit by bit: docs/mpc-protocol.md,
 * "Oblivious transfer extension" and "Multiplication".
 */
const columns = 640
const rows = 512
const transfers = 128
const q = secp256k1.order

function prg(vsid: Uint8Array, key: Uint8Array, o: number): Buffer {
  const blocks = [0, 1, 2].map((counter) => BH('ote/prg', vsid, Buffer.concat([key, u32(o), u32(counter)])))
  return Buffer.concat(blocks).subarray(0, columns / 8)
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)))
}

/** GF(2^128): bit j of the bytes (lowest first) is the coefficient of x^j; modulo x^128 + x^7 + x^2 + x + 1. */
function fieldProduct(a: Uint8Array, b: Uint8Array): Buffer {
  const toPolynomial = (bytes: Uint8Array) => fromBigEndian(Buffer.from(bytes).reverse())
  const x = toPolynomial(a)
  let product = 0n
  for (let j = 127; j >= 0; j--) {
    product <<= 1n
    if (product >> 128n) product ^= (1n << 128n) | 0x87n
    if (bit(b, j)) product ^= x
  }
  return bigEndian(product, 16).reverse()
}

const block = (row: Uint8Array, k: number) => row.subarray(16 * (k - 1), 16 * k)

function checkSum(chi: readonly Buffer[], row: Uint8Array): Buffer {
  let sum: Buffer = Buffer.from(block(row, 5))
  chi.forEach((factor, k) => {
    sum = xor(sum, fieldProduct(factor, block(row, k + 1)))
  })
  return sum
}

function challenges(vsid: Uint8Array, u: readonly Buffer[]): Buffer[] {
  const h = TH('ote/chi', vsid, Buffer.concat(u))
  return [1, 2, 3, 4].map((k) => TH('ote/chi-k', h, u32(k)).subarray(0, 16))
}

/** Row j of the transposed columns, for j = 1..512. */
function rowOf(column: readonly Buffer[], j: number): Buffer {
  const row = Buffer.alloc(16)
  for (let o = 1; o <= transfers; o++) {
    if (bit(column[o - 1] as Buffer, j - 1))
      row[(o - 1) >> 3] = (row[(o - 1) >> 3] as number) | (1 << ((o - 1) & 7))
  }
  return row
}

function rowOracle(vsid: Uint8Array, j: number, l: number, row: Uint8Array): bigint {
  return mod(fromBigEndian(BH('ote/row', vsid, Buffer.concat([row, u32(j), u32(l)]))), q)
}

export interface BobExtension {
  /** 12,304 bytes: u, xhat, that. */
  readonly message: Buffer
  readonly beta: Buffer
  readonly t: readonly Buffer[]
}

export function bobExtends(
  vsid: Uint8Array,
  keys: readonly (readonly [Buffer, Buffer])[],
  x: Buffer,
): BobExtension {
  const t = keys.map(([k0], i) => prg(vsid, k0, i + 1))
  const u = keys.map(([, k1], i) => xor(xor(t[i] as Buffer, prg(vsid, k1, i + 1)), x))
  const chi = challenges(vsid, u)
  const message = Buffer.concat([...u, checkSum(chi, x), ...t.map((row) => checkSum(chi, row))])
  return { message, beta: x.subarray(0, 64), t }
}

export function gadget(epochId: Uint8Array, alice: number, bob: number): bigint[] {
  return Array.from({ length: rows }, (_, i) =>
    HS(q, 'rvole/gadget', epochId, u16(alice), u16(bob), u32(i + 1)),
  )
}

export function bobFactor(g: readonly bigint[], beta: Uint8Array): bigint {
  return mod(
    g.reduce((sum, gj, i) => sum + (bit(beta, i) ? gj : 0n), 0n),
    q,
  )
}

interface AliceInputs {
  readonly vsid: Uint8Array
  readonly delta: Buffer
  readonly keys: readonly Buffer[]
  readonly g: readonly bigint[]
  readonly extension: Buffer
  readonly inputs: readonly [bigint, bigint]
  readonly ahat: bigint
}

/** Checks the extension, then multiplies: at, eta, mu, and alice's shares of both products. */
export function aliceMultiplies(options: AliceInputs): {
  payload: Buffer
  shares: [bigint, bigint]
} {
  const { vsid, delta, keys, g, extension, inputs, ahat } = options
  const u = keys.map((_, i) => extension.subarray(80 * i, 80 * (i + 1)))
  const xhat = extension.subarray(10_240, 10_256)
  const columnsOfAlice = keys.map((key, i) => {
    const row = prg(vsid, key, i + 1)
    return bit(delta, i) ? xor(row, u[i] as Buffer) : row
  })
  const chi = challenges(vsid, u)
  columnsOfAlice.forEach((column, i) => {
    const that = extension.subarray(10_256 + 16 * i, 10_256 + 16 * (i + 1))
    const expected = bit(delta, i) ? xor(that, xhat) : that
    if (!checkSum(chi, column).equals(expected)) throw new Error('the extension does not check')
  })
  const a0: bigint[][] = []
  const at: bigint[][] = []
  for (let j = 1; j <= rows; j++) {
    const row = rowOf(columnsOfAlice, j)
    const first = [1, 2, 3].map((l) => rowOracle(vsid, j, l, row))
    const second = [1, 2, 3].map((l) => rowOracle(vsid, j, l, xor(row, delta)))
    a0.push(first)
    at.push([...inputs, ahat].map((a, l) => mod((first[l] as bigint) - (second[l] as bigint) + a, q)))
  }
  const atBytes = Buffer.concat(at.flat().map((value) => bigEndian(value, 32)))
  const [theta1, theta2] = thetas(vsid, atBytes)
  const eta = mod(ahat + theta1 * inputs[0] + theta2 * inputs[1], q)
  const mu = a0.map(([x = 0n, y = 0n, z = 0n]) => bigEndian(mod(z + theta1 * x + theta2 * y, q), 32))
  const shares = [0, 1].map((l) =>
    mod(-a0.reduce((sum, row, j) => sum + (g[j] as bigint) * (row[l] as bigint), 0n), q),
  )
  return {
    payload: Buffer.concat([atBytes, bigEndian(eta, 32), TH('rvole/mu', vsid, Buffer.concat(mu))]),
    shares: shares as [bigint, bigint],
  }
}

function thetas(vsid: Uint8Array, at: Uint8Array): [bigint, bigint] {
  const tr = TH('rvole/tr', vsid, at)
  return [HS(q, 'rvole/theta', tr, u32(1)), HS(q, 'rvole/theta', tr, u32(2))]
}

/** Bob's shares of both products. */
export function bobFinishes(
  vsid: Uint8Array,
  { beta, t }: BobExtension,
  g: readonly bigint[],
  payload: Buffer,
): [bigint, bigint] {
  const at = (j: number, l: number) => fromBigEndian(payload.subarray(96 * j + 32 * l, 96 * j + 32 * (l + 1)))
  const eta = fromBigEndian(payload.subarray(49_152, 49_184))
  const [theta1, theta2] = thetas(vsid, payload.subarray(0, 49_152))
  const d: bigint[][] = []
  for (let j = 1; j <= rows; j++) {
    const row = rowOf(t, j)
    d.push(
      [0, 1, 2].map((l) => mod(rowOracle(vsid, j, l + 1, row) + (bit(beta, j - 1) ? at(j - 1, l) : 0n), q)),
    )
  }
  const mu = d.map(([x = 0n, y = 0n, z = 0n], j) =>
    bigEndian(mod(z + theta1 * x + theta2 * y - (bit(beta, j) ? eta : 0n), q), 32),
  )
  if (!TH('rvole/mu', vsid, Buffer.concat(mu)).equals(payload.subarray(49_184, 49_216)))
    throw new Error('the multiplication does not check')
  return [0, 1].map((l) =>
    mod(
      d.reduce((sum, row, j) => sum + (g[j] as bigint) * (row[l] as bigint), 0n),
      q,
    ),
  ) as [bigint, bigint]
}
