/**
 * A statistical test of timing in the manner of dudect (Reparaz, Balasch, Verbauwhede, "Dude, is my code constant
 * time?", DATE 2017): an operation runs on two classes of secret input in random order; Welch's t compares the two sets
 * of times. |t| above 4.5 is taken there as evidence of a difference; it grows with the number of samples if there is
 * one. It asserts nothing: machines, engines and loads differ. `multiply` of BigInt is here as the control that
 * must show a difference, or the test could see none.
 */
import { randomBytes } from 'node:crypto'
import { equalBytes, nobleSecp256k1Group, sha256Kernel } from '@countersign/mpc'
import { loadNativeSecp256k1Group } from '@countersign/mpc/native'
import { bitMask, transpose } from '../boundary/mpc/src/bit-matrix.ts'
import { combineBlocks } from '../boundary/mpc/src/gf128.ts'
import { extendAsAlice, extendAsBob } from '../boundary/mpc/src/ot-extension.ts'
import { bigintRowAlgebra, gadgetOf, type RowAlgebra } from '../boundary/mpc/src/row-algebra.ts'
import { loadWasmRowAlgebra } from '../boundary/mpc/src/row-algebra-wasm.ts'
import type { BenchOptions, BenchOutcome } from './bench.ts'

interface Operation {
  readonly name: string
  /** Calls per sample: enough that the clock sees them. */
  readonly repeat: number
  /** An input of the class that is fixed (zeros, ones, small), or of the random one. */
  readonly input: (isFixed: boolean) => unknown
  readonly run: (input: never) => unknown
}

interface Row {
  readonly name: string
  readonly samples: number
  readonly t: number
  /** Of the means: fixed over random, less one. */
  readonly difference: number
}

/** Above: the two classes differ, says dudect. */
const threshold = 4.5

export async function benchDudect({ full, say }: BenchOptions): Promise<BenchOutcome> {
  const samples = full ? 10_000 : 300
  const results: Row[] = []
  for (const operation of await listOperations()) {
    const row = { name: operation.name, samples, ...measure(operation, samples) }
    results.push(row)
    const shown = `t = ${row.t.toFixed(2).padStart(8)}, means ${(100 * row.difference).toFixed(2).padStart(6)} % apart`
    say(`${row.name.padEnd(52)} ${shown}${Math.abs(row.t) > threshold ? '  differs' : ''}`)
  }
  return { results, differing: results.filter(({ t }) => Math.abs(t) > threshold).map(({ name }) => name) }
}

function measure({ repeat, input, run }: Operation, samples: number): Pick<Row, 't' | 'difference'> {
  const times: [number[], number[]] = [[], []]
  const order = randomBytes(samples)
  let sink: unknown
  for (let i = -Math.ceil(samples / 10); i < samples; i++) {
    const isFixed = ((order[Math.max(i, 0)] as number) & 1) === 1
    // Both classes are made the same way, before the clock starts.
    const value = input(isFixed) as never
    const before = process.hrtime.bigint()
    for (let k = 0; k < repeat; k++) sink = run(value)
    const elapsed = Number(process.hrtime.bigint() - before)
    if (i >= 0) times[isFixed ? 0 : 1].push(elapsed)
  }
  if (sink === undefined) throw new Error('an operation of the benchmark returned nothing')
  const [fixed, random] = cropped(times)
  return { t: welch(fixed, random), difference: mean(fixed) / mean(random) - 1 }
}

/** dudect crops: what the scheduler and the collector did to the slowest samples says nothing about the operation. */
function cropped(times: readonly [number[], number[]]): [number[], number[]] {
  const all = times.flat().sort((a, b) => a - b)
  const limit = all[Math.floor(all.length * 0.9)] ?? 0
  return [times[0].filter((time) => time <= limit), times[1].filter((time) => time <= limit)]
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function welch(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)]
  const variance = (values: readonly number[], around: number) =>
    values.reduce((sum, value) => sum + (value - around) ** 2, 0) / (values.length - 1)
  return (meanA - meanB) / Math.sqrt(variance(a, meanA) / a.length + variance(b, meanB) / b.length)
}

/** The fixed bytes or random ones, made alike: random bytes are drawn and a copy is made either way, so that caches and
 * the heap are the same when the clock starts. */
function bytes(fixed: Uint8Array): (isFixed: boolean) => Uint8Array<ArrayBuffer> {
  return (isFixed) => {
    const drawn = randomBytes(fixed.length)
    const made = new Uint8Array(fixed.length)
    made.set(isFixed ? fixed : drawn)
    return made
  }
}

async function listOperations(): Promise<readonly Operation[]> {
  const native = await loadNativeSecp256k1Group()
  const { order } = native.scalars
  const words = (length: number) => {
    const make = bytes(new Uint8Array(4 * length))
    return (isFixed: boolean) => new Uint32Array(make(isFixed).buffer)
  }
  const reference = Uint8Array.from(randomBytes(32))
  const column = new Uint32Array(randomBytes(80).buffer.slice(0, 80))
  const target = new Uint32Array(20)
  const factors = [1, 2, 3, 4].map(() => Uint8Array.from(randomBytes(16)))
  const kernel = sha256Kernel()
  const midstate = kernel.midstate(new Uint8Array(64))
  const out = new Uint8Array(64 * 32)
  const vsid = new Uint8Array(32)
  const keys = Uint8Array.from(randomBytes(4096))
  const point = native.multiplyBase(5n)
  const noblePoint = nobleSecp256k1Group.multiplyBase(5n)
  /** Few bits set, or half of them; both of full length, below the order. */
  const sparse = new Uint8Array(32)
  sparse[0] = 0x40
  sparse[31] = 1
  const half = bytes(sparse)
  const scalar = (isFixed: boolean) => {
    const made = half(isFixed)
    made[0] = ((made[0] as number) & 0x3f) | 0x40
    return native.scalars.decode(made)
  }
  const small = bytes(Uint8Array.of(...new Uint8Array(31), 3))
  const wide = (isFixed: boolean) => native.scalars.reduce(small(isFixed))

  return [
    {
      name: 'masked select of a column (choice bit)',
      repeat: 200,
      input: bytes(new Uint8Array(16)),
      run: (delta: Uint8Array) => {
        for (let o = 0; o < 128; o += 16) {
          const mask = bitMask(delta, o)
          for (let w = 0; w < 20; w++) target[w] = (target[w] as number) ^ ((column[w] as number) & mask)
        }
        return target
      },
    },
    {
      name: 'comparison (equal, or random)',
      repeat: 500,
      input: bytes(reference),
      run: (other: Uint8Array) => equalBytes(reference, other),
    },
    {
      name: 'GF(2^128), 128 elements (zeros, or random)',
      repeat: 1,
      input: words(640 * 4),
      run: (rows: Uint32Array) => combineBlocks(factors, rows),
    },
    {
      name: 'transpose 128 x 640',
      repeat: 5,
      input: words(128 * 20),
      run: (matrix: Uint32Array) => transpose(matrix, 128, 640),
    },
    {
      name: `SHA-256 tails (${kernel.name})`,
      repeat: 5,
      input: bytes(new Uint8Array(64 * 24)),
      run: (tails: Uint8Array) => {
        kernel.hashTails(midstate, tails, 24, out)
        return out
      },
    },
    {
      name: 'extension as bob (choices)',
      repeat: 1,
      input: bytes(new Uint8Array(80)),
      // A session of its own each time: the check's public factors must not be those of the class.
      run: (choices: Uint8Array) => extendAsBob({ vsid: Uint8Array.from(randomBytes(32)), keys, choices }),
    },
    {
      name: 'extension as alice (delta), check fails in both',
      repeat: 1,
      input: bytes(new Uint8Array(16)),
      run: (delta: Uint8Array) =>
        extendAsAlice({ vsid, delta, keys: keys.subarray(0, 2048), message: new Uint8Array(12_304) }),
    },
    ...rowOperations('wasm', loadWasmRowAlgebra() ?? bigintRowAlgebra),
    ...rowOperations('bigint', bigintRowAlgebra),
    {
      name: 'libsecp256k1 multiplyBase',
      repeat: 3,
      input: scalar,
      run: (k: bigint) => native.multiplyBase(k),
    },
    {
      name: 'libsecp256k1 multiply (ecdh)',
      repeat: 3,
      input: scalar,
      run: (k: bigint) => native.multiply(point, k),
    },
    {
      name: 'libsecp256k1 multiplyPublic (not for secrets)',
      repeat: 3,
      input: scalar,
      run: (k: bigint) => native.multiplyPublic(point, k),
    },
    {
      name: 'noble multiply (as constant as JavaScript allows)',
      repeat: 1,
      input: scalar,
      run: (k: bigint) => nobleSecp256k1Group.multiply(noblePoint, k),
    },
    {
      name: 'control: BigInt product of small or large numbers',
      repeat: 500,
      input: wide,
      run: (k: bigint) => (k * k) % order,
    },
  ]
}

/** Bob's rows by his choice bits: one choice, or random ones. All zeros would end in small numbers, which no run does. */
function rowOperations(name: string, algebra: RowAlgebra): Operation[] {
  const gadget = gadgetOf(new Uint8Array(32), 1, 2)
  const rows = Uint8Array.from(randomBytes(512 * 96))
  const at = Uint8Array.from(randomBytes(512 * 96))
  for (let i = 0; i < at.length; i += 32) at[i] = 0x7f
  const choice = new Uint8Array(64)
  choice[63] = 1
  const input = bytes(choice)
  return [
    {
      name: `rows as bob in ${name} (choice bits)`,
      repeat: 1,
      input,
      run: (beta: Uint8Array) => algebra.bob({ rows, beta, at, eta: 5n, challenges: [7n, 9n], gadget }),
    },
    {
      name: `sum of selected weights in ${name}`,
      repeat: 3,
      input,
      run: (beta: Uint8Array) => algebra.sumSelected(gadget, beta),
    },
  ]
}
