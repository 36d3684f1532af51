import { xi } from './messages.ts'
import { bigintRowAlgebra, type Challenges, type Gadget, gadgetOf, type RowAlgebra } from './row-algebra.ts'
import { readUint256, secp256k1Scalars } from './scalar-field.ts'
import {
  assemble,
  type Code,
  call,
  type Instance,
  i32,
  i64,
  instantiate,
  type Local,
  type Scope,
  v128,
} from './wasm-assembler.ts'

/**
 * The rows' arithmetic in WebAssembly: numbers of nine limbs of 29 bits, each in 64 bits, so that a column of products
 * needs no carry. Every step is the same for every value: no branch, no table, no early exit. (WebAssembly's integer
 * instructions compile to the machine's; engines do not promise it.)
 */
const { order } = secp256k1Scalars
const limbs = 9
const limbBits = 29n
const limbMask = (1n << limbBits) - 1n
const limbBytes = 8 * limbs
/** Of a product, lowest first. */
const columns = 2 * limbs - 1
/** One more than a product has: a sum of many needs it. */
const accumulatorColumns = columns + 1
const numbers = 3 * xi

/** 2^256 mod order: what a bit above the 256th is worth. */
const excess = (1n << 256n) - order
/** 2^261 mod order, which is below 2^135: five limbs. */
const limbExcess = excess << 5n
const limbOf = (value: bigint, k: number) => (value >> (BigInt(k) * limbBits)) & limbMask
const excessLimbs = Array.from({ length: 5 }, (_, k) => limbOf(excess, k))
const limbExcessLimbs = Array.from({ length: 5 }, (_, k) => limbOf(limbExcess, k))

/** Addresses. */
const scratch = 0
const accumulator = 64
/** a + 2 order for each of three; -eta; theta. In limbs. */
const parameters = 256
const spilled = 1024
const zeroSet = 2048
const oneSet = zeroSet + 32 * numbers
const atSet = oneSet
const result = oneSet + 32 * numbers
const limbSet = result + 32 * numbers
const temporary = limbSet + limbBytes * numbers
const gadgetSet = temporary + 128
const bits = gadgetSet + limbBytes * xi
const end = bits + xi / 8
const pages = Math.ceil(end / 65_536)
const parameter = (k: number) => parameters + limbBytes * k

/** Places in the module. */
const functions = { split: 0, multiplyAdd: 1, finish: 2, reduce: 3, spill: 4 } as const
const reversed = Array.from({ length: 16 }, (_, i) => 15 - i)
const constant = (address: number) => i32.const(address)
const times = (i: Local, bytes: number) => i32.multiply(i.get, i32.const(bytes))
const bit29 = i64.const(29n)
const mask29 = i64.const(limbMask)

/** Locals that carry: each keeps 29 bits, the rest goes to the next. */
function carry(values: readonly Local[], carryFrom = 0): Code {
  return values.slice(carryFrom, -1).map((value, k) => {
    const next = values[carryFrom + k + 1] as Local
    return [
      next.set(i64.add(next.get, i64.shiftRightSigned(value.get, bit29))),
      value.set(i64.and(value.get, mask29)),
    ]
  })
}

const load = (values: readonly Local[], from: Code): Code =>
  values.map((value, k) => value.set(i64.load(from, 8 * k)))

/** 32 bytes big endian at `from` to limbs at `to`. */
function split(scope: Scope): Code {
  const [from, to] = scope.parameters as [Local, Local]
  const [high, low] = [scope.local('v128'), scope.local('v128')]
  const zero = constant(0)
  return [
    high.set(v128.load(from.get)),
    low.set(v128.load(from.get, 16)),
    v128.store(zero, v128.permute(low, reversed), scratch),
    v128.store(zero, v128.permute(high, reversed), scratch + 16),
    ...Array.from({ length: limbs }, (_, k): Code => {
      const bit = 29 * k
      const word = i64.shiftRight(i64.load(zero, scratch + (bit >> 3)), i64.const(BigInt(bit & 7)))
      return i64.store(to.get, i64.and(word, mask29), 8 * k)
    }),
  ]
}

/** accumulator += a b, column by column. */
function multiplyAdd(scope: Scope): Code {
  const [a, b] = scope.parameters as [Local, Local]
  const left = Array.from({ length: limbs }, () => scope.local('i64'))
  const right = Array.from({ length: limbs }, () => scope.local('i64'))
  const zero = constant(0)
  const column = (k: number): Code => {
    let sum = i64.load(zero, accumulator + 8 * k)
    for (let i = 0; i < limbs; i++) {
      const [x, y] = [left[i], right[k - i]]
      if (x !== undefined && y !== undefined) sum = i64.add(sum, i64.multiply(x.get, y.get))
    }
    return i64.store(zero, sum, accumulator + 8 * k)
  }
  return [load(left, a.get), load(right, b.get), Array.from({ length: columns }, (_, k) => column(k))]
}

/** Nine limbs at `from`, together 0 <= V < 2^262, single ones of any sign, to V mod order, 32 bytes big endian. */
function finish(scope: Scope): Code {
  const [from, to] = scope.parameters as [Local, Local]
  const v = Array.from({ length: limbs }, () => scope.local('i64'))
  const w = Array.from({ length: limbs }, () => scope.local('i64'))
  const top = scope.local('i64')
  const last = v[8] as Local
  const bit24 = i64.const(24n)
  const mask24 = i64.const((1n << 24n) - 1n)
  // Limb 8 begins at bit 232: what lies above bit 256 is its upper part.
  const fold: Code = [
    top.set(i64.shiftRight(last.get, bit24)),
    last.set(i64.and(last.get, mask24)),
    excessLimbs.map((limb, k) => {
      const value = v[k] as Local
      return value.set(i64.add(value.get, i64.multiply(top.get, i64.const(limb))))
    }),
    carry(v),
  ]
  // V + 2^256 - order reaches 2^256 exactly if V is not below the order; then that, less 2^256, is V mod order.
  const subtract: Code = [
    w.map((value, k) => value.set(i64.add((v[k] as Local).get, i64.const(excessLimbs[k] ?? 0n)))),
    carry(w),
    top.set(i64.subtract(i64.const(0n), i64.shiftRight((w[8] as Local).get, bit24))),
    (w[8] as Local).set(i64.and((w[8] as Local).get, mask24)),
    v.map((value, k) => {
      const flip = i64.subtract((w[k] as Local).get, value.get)
      return value.set(i64.add(value.get, i64.and(flip, top.get)))
    }),
  ]
  const zero = constant(0)
  /** 64 bits of V from bit 64 n. */
  const word = (n: number): Code => {
    let joined: Code | undefined
    for (const [k, value] of v.entries()) {
      const shift = 29 * k - 64 * n
      if (shift <= -29 || shift >= 64) continue
      const part =
        shift < 0
          ? i64.shiftRight(value.get, i64.const(BigInt(-shift)))
          : i64.shiftLeft(value.get, i64.const(BigInt(shift)))
      joined = joined === undefined ? part : i64.or(joined, part)
    }
    return joined as Code
  }
  const [high, low] = [scope.local('v128'), scope.local('v128')]
  return [
    load(v, from.get),
    carry(v),
    fold,
    fold,
    subtract,
    [0, 1, 2, 3].map((n) => i64.store(zero, word(n), scratch + 8 * n)),
    low.set(v128.load(zero, scratch)),
    high.set(v128.load(zero, scratch + 16)),
    v128.store(to.get, v128.permute(high, reversed)),
    v128.store(to.get, v128.permute(low, reversed), 16),
  ]
}

/** The accumulator mod order, 32 bytes big endian, to `to`. Columns are unsigned; the accumulator is emptied. */
function reduce(scope: Scope): Code {
  const [to] = scope.parameters as [Local]
  // Columns below 2^64 make 19 limbs; folding everything above 2^261 leaves 15, then 11, then 9.
  const v = Array.from({ length: 19 }, () => scope.local('i64'))
  const zero = constant(0)
  const carryUnsigned = v.slice(0, 18).map((value, k): Code => {
    const next = v[k + 1] as Local
    return [
      next.set(i64.add(next.get, i64.shiftRight(value.get, bit29))),
      value.set(i64.and(value.get, mask29)),
    ]
  })
  const fold = (count: number, left: number): Code => {
    const high = v.slice(limbs, count)
    // From the lowest: the products of a limb reach limbs that are folded after it, which the next pass takes.
    const taken = high.map(() => scope.local('i64'))
    return [
      high.map((value, i) => [(taken[i] as Local).set(value.get), value.set(i64.const(0n))]),
      taken.map((value, i) =>
        limbExcessLimbs.map((limb, k) => {
          const target = v[i + k] as Local
          return target.set(i64.add(target.get, i64.multiply(value.get, i64.const(limb))))
        }),
      ),
      carry(v.slice(0, left)),
    ]
  }
  return [
    load(v.slice(0, accumulatorColumns), constant(accumulator)),
    (v[18] as Local).set(i64.const(0n)),
    carryUnsigned,
    fold(19, 15),
    fold(15, 11),
    fold(11, 10),
    // Limb 9 is 0 or 1 now; finish takes it as bit 29 of limb 8.
    (v[8] as Local).set(i64.add((v[8] as Local).get, i64.shiftLeft((v[9] as Local).get, bit29))),
    v.slice(0, limbs).map((value, k) => i64.store(zero, value.get, accumulator + 8 * k)),
    call(functions.finish, constant(accumulator), to.get),
    clearAccumulator,
  ]
}

const clearAccumulator: Code = Array.from({ length: accumulatorColumns }, (_, k) =>
  i64.store(constant(0), i64.const(0n), accumulator + 8 * k),
)

/** Adds the accumulator's halves of 32 bits to `spilled`, and empties it. */
function spill(scope: Scope): Code {
  const column = scope.local('i64')
  const zero = constant(0)
  const add = (value: Code, address: number) =>
    i64.store(zero, i64.add(i64.load(zero, address), value), address)
  return [
    Array.from(
      { length: columns },
      (_, k): Code => [
        column.set(i64.load(zero, accumulator + 8 * k)),
        add(i64.and(column.get, i64.const(0xffff_ffffn)), spilled + 16 * k),
        add(i64.shiftRight(column.get, i64.const(32n)), spilled + 16 * k + 8),
      ],
    ),
    clearAccumulator,
  ]
}

/** at = zero - one + a. */
function alice(scope: Scope): Code {
  const [at, lane, from] = [scope.local('i32'), scope.local('i32'), scope.local('i32')]
  const row = (l: number): Code => [
    at.set(i32.add(times(lane, 96), constant(32 * l))),
    from.set(i32.add(times(lane, 3 * limbBytes), constant(limbSet + l * limbBytes))),
    call(functions.split, i32.add(at.get, constant(zeroSet)), from.get),
    call(functions.split, i32.add(at.get, constant(oneSet)), constant(temporary)),
    Array.from({ length: limbs }, (_, k) => {
      const difference = i64.subtract(i64.load(from.get, 8 * k), i64.load(constant(temporary), 8 * k))
      return i64.store(
        constant(temporary),
        i64.add(difference, i64.load(constant(parameter(l)), 8 * k)),
        8 * k,
      )
    }),
    call(functions.finish, constant(temporary), i32.add(at.get, constant(result))),
  ]
  return scope.repeat(constant(xi), (j) => [lane.set(j.get), [0, 1, 2].map(row)])
}

/** d = row + beta at, and for the third value - beta eta too. */
function bob(scope: Scope): Code {
  const [at, lane, to] = [scope.local('i32'), scope.local('i32'), scope.local('i32')]
  const mask = scope.local('i64')
  const addMasked = (from: Code) =>
    Array.from({ length: limbs }, (_, k) =>
      i64.store(to.get, i64.add(i64.load(to.get, 8 * k), i64.and(i64.load(from, 8 * k), mask.get)), 8 * k),
    )
  const row = (l: number): Code => [
    at.set(i32.add(times(lane, 96), constant(32 * l))),
    to.set(i32.add(times(lane, 3 * limbBytes), constant(limbSet + l * limbBytes))),
    call(functions.split, i32.add(at.get, constant(zeroSet)), to.get),
    call(functions.split, i32.add(at.get, constant(atSet)), constant(temporary)),
    addMasked(constant(temporary)),
    l === 2 ? addMasked(constant(parameter(3))) : [],
  ]
  return scope.repeat(constant(xi), (j) => [lane.set(j.get), mask.set(maskOf(lane)), [0, 1, 2].map(row)])
}

/** mu = third + theta_1 first + theta_2 second of every row. */
function mus(scope: Scope): Code {
  const from = scope.local('i32')
  return scope.repeat(constant(xi), (j) => [
    from.set(i32.add(times(j, 3 * limbBytes), constant(limbSet))),
    Array.from({ length: limbs }, (_, k) =>
      i64.store(constant(0), i64.load(from.get, 2 * limbBytes + 8 * k), accumulator + 8 * k),
    ),
    call(functions.multiplyAdd, constant(parameter(4)), from.get),
    call(functions.multiplyAdd, constant(parameter(5)), i32.add(from.get, constant(limbBytes))),
    call(functions.reduce, i32.add(times(j, 32), constant(zeroSet))),
  ])
}

/** sum of g_j times the first (or second) value of row j, mod order, to `temporary`; two products fit a column.
 * The offset says which value. */
function weigh(scope: Scope): Code {
  const [offset] = scope.parameters as [Local]
  const [from, weight] = [scope.local('i32'), scope.local('i32')]
  const product = (next: number) =>
    call(
      functions.multiplyAdd,
      i32.add(weight.get, constant(next * limbBytes)),
      i32.add(from.get, constant(3 * next * limbBytes)),
    )
  // A half above 32 bits of column k is worth 2^3 in column k + 1, whose limb is 29 bits further.
  const collect = Array.from({ length: accumulatorColumns }, (_, k): Code => {
    const low = k < columns ? i64.load(constant(0), spilled + 16 * k) : i64.const(0n)
    const high = k > 0 ? i64.load(constant(0), spilled + 16 * (k - 1) + 8) : i64.const(0n)
    return i64.store(constant(0), i64.add(low, i64.shiftLeft(high, i64.const(3n))), accumulator + 8 * k)
  })
  return [
    scope.repeat(constant(xi / 2), (j) => [
      from.set(i32.add(i32.add(times(j, 6 * limbBytes), constant(limbSet)), offset.get)),
      weight.set(i32.add(times(j, 2 * limbBytes), constant(gadgetSet))),
      product(0),
      product(1),
      call(functions.spill),
    ]),
    collect,
    call(functions.reduce, constant(temporary)),
  ]
}

/** sum of g_j over the set bits, mod order, to `temporary`. */
function select(scope: Scope): Code {
  const [from, mask] = [scope.local('i32'), scope.local('i64')]
  return [
    scope.repeat(constant(xi), (j) => [
      from.set(i32.add(times(j, limbBytes), constant(gadgetSet))),
      mask.set(maskOf(j)),
      Array.from({ length: limbs }, (_, k) => {
        const sum = i64.add(
          i64.load(constant(0), accumulator + 8 * k),
          i64.and(i64.load(from.get, 8 * k), mask.get),
        )
        return i64.store(constant(0), sum, accumulator + 8 * k)
      }),
    ]),
    call(functions.reduce, constant(temporary)),
  ]
}

/** All ones if bit i of `bits` is set. */
function maskOf(i: Local): Code {
  const byte = i32.load8(i32.shiftRight(i.get, constant(3)), bits)
  const bit = i32.and(i32.shiftRight(byte, i32.and(i.get, constant(7))), constant(1))
  return i64.subtract(i64.const(0n), i64.extend(bit))
}

function rowModule(): Uint8Array<ArrayBuffer> {
  return assemble({
    pages,
    functions: [
      { parameters: 2, body: split },
      { parameters: 2, body: multiplyAdd },
      { parameters: 2, body: finish },
      { parameters: 1, body: reduce },
      { parameters: 0, body: spill },
      { name: 'alice', parameters: 0, body: alice },
      { name: 'bob', parameters: 0, body: bob },
      { name: 'mus', parameters: 0, body: mus },
      { name: 'weigh', parameters: 1, body: weigh },
      { name: 'select', parameters: 0, body: select },
    ],
  })
}

/** Undefined where WebAssembly or its vectors are missing, or where it computes something else than BigInt. */
export function loadWasmRowAlgebra(): RowAlgebra | undefined {
  const instance = instantiate(rowModule())
  if (instance === undefined) return undefined
  const algebra = algebraOf(instance)
  return isCorrect(algebra) ? algebra : undefined
}

/** A machine that computes wrong rows would make honest parties burn each other. */
function isCorrect(algebra: RowAlgebra): boolean {
  const gadget = gadgetOf(new Uint8Array(32), 1, 2)
  const zero = Uint8Array.from({ length: 32 * numbers }, (_, i) => (i * i * 7 + (i >> 3)) & 0xff)
  const one = zero.toReversed()
  const [first, second, third] = gadget.values as [bigint, bigint, bigint]
  const challenges = [second, third] as const
  const [made, wanted] = [algebra, bigintRowAlgebra].map((each) => {
    const sent = each.alice({
      zero,
      one,
      inputs: [first, second, third],
      gadget,
      challenge: () => challenges,
    })
    const beta = one.subarray(0, xi / 8)
    const got = each.bob({ rows: zero, beta, at: sent.at, eta: first, challenges, gadget })
    return [sent.at, sent.mus, got.mus, [...sent.shares, ...got.shares]].map(String)
  }) as [string[], string[]]
  return made.every((text, i) => text === wanted[i])
}

function algebraOf({ memory, functions: run }: Instance): RowAlgebra {
  const view = new DataView(memory.buffer)
  const gadgets = new WeakMap<Gadget, Uint8Array>()

  function setNumber(address: number, value: bigint): void {
    for (let k = 0; k < limbs; k++) view.setBigUint64(address + 8 * k, limbOf(value, k), true)
  }

  function setGadget(gadget: Gadget): void {
    const known = gadgets.get(gadget)
    if (known !== undefined) {
      memory.set(known, gadgetSet)
      return
    }
    for (const [j, value] of gadget.values.entries()) setNumber(gadgetSet + limbBytes * j, value)
    gadgets.set(gadget, memory.slice(gadgetSet, gadgetSet + limbBytes * xi))
  }

  function finishRows(
    gadget: Gadget,
    [theta1, theta2]: Challenges,
  ): { mus: Uint8Array; sums: [bigint, bigint] } {
    setNumber(parameter(4), theta1)
    setNumber(parameter(5), theta2)
    setGadget(gadget)
    run.mus?.()
    const sums = [0, 1].map((l) => {
      run.weigh?.(l * limbBytes)
      memory.fill(0, spilled, spilled + 16 * columns)
      return readUint256(memory.subarray(temporary, temporary + 32), false)
    })
    return { mus: memory.slice(zeroSet, zeroSet + 32 * xi), sums: sums as [bigint, bigint] }
  }

  /** All of it is secret or was computed from secrets. */
  const erase = () => memory.fill(0)

  return {
    name: 'wasm',
    areCanonical: bigintRowAlgebra.areCanonical,

    sumSelected(gadget, selected) {
      setGadget(gadget)
      memory.set(selected, bits)
      run.select?.()
      const sum = readUint256(memory.subarray(temporary, temporary + 32), false)
      memory.fill(0, 0, parameters)
      memory.fill(0, temporary, temporary + 32)
      memory.fill(0, bits, end)
      return sum
    },

    alice({ zero, one, inputs, gadget, challenge }) {
      memory.set(zero, zeroSet)
      memory.set(one, oneSet)
      // Twice the order keeps the difference of two unreduced numbers above zero.
      for (const [l, input] of inputs.entries()) setNumber(parameter(l), input + 2n * order)
      run.alice?.()
      const at = memory.slice(result, result + 32 * numbers)
      const challenges = challenge(at)
      const { mus: made, sums } = finishRows(gadget, challenges)
      erase()
      const shares = [secp256k1Scalars.mod(-sums[0]), secp256k1Scalars.mod(-sums[1])] as const
      return { at, challenges, mus: made, shares }
    },

    bob({ rows, beta, at, eta, challenges, gadget }) {
      memory.set(rows, zeroSet)
      memory.set(at, atSet)
      memory.set(beta, bits)
      setNumber(parameter(3), secp256k1Scalars.mod(-eta))
      run.bob?.()
      const { mus: made, sums } = finishRows(gadget, challenges)
      erase()
      return { mus: made, shares: sums }
    },
  }
}
