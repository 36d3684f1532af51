import { jsSha256Kernel, roundConstants, type Sha256Kernel } from './sha256-kernel.ts'
import { assemble, type Code, i32, instantiate, type Local, type Scope, v128 } from './wasm-assembler.ts'

/**
 * SHA-256 in WebAssembly: of four short messages at once, one in each 32-bit lane of a vector, and of one long message
 * (FIPS 180-4 section 6.2.2). Additions, rotations and selections only: the time depends on lengths, never on data.
 */
const layout = {
  constants: 0,
  state: 256,
  /** The schedule of four messages: 64 vectors. */
  laneSchedule: 512,
  /** The schedule of one: 64 words. */
  schedule: 1536,
  input: 2048,
} as const
const pages = 2
/** Short messages per call. With tails of at most 52 bytes, tails and hashes fit the memory. */
const batchMax = 1024
const hashes = layout.input + batchMax * 52
/** Blocks of a long message per call. */
const blocksMax = 1024

const zero = i32.const(0)
/** Big-endian words on a little-endian machine. */
const byteSwap = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]

/** What a word of SHA-256 is here: one, or four side by side. */
interface Words {
  readonly type: 'i32' | 'v128'
  /** Of a word in the schedule, as a power of two. */
  readonly sizeLog2: 2 | 4
  readonly schedule: number
  add(a: Code, b: Code): Code
  and(a: Code, b: Code): Code
  or(a: Code, b: Code): Code
  xor(a: Code, b: Code): Code
  shiftRight(x: Code, bits: number): Code
  rotateRight(x: Local, bits: number): Code
  load(address: Code, offset: number): Code
  store(address: Code, value: Code, offset: number): Code
  /** One word of memory, in every lane. */
  loadOne(address: Code, offset: number): Code
}

const one: Words = {
  type: 'i32',
  sizeLog2: 2,
  schedule: layout.schedule,
  add: i32.add,
  and: i32.and,
  or: i32.or,
  xor: i32.xor,
  shiftRight: (x, bits) => i32.shiftRight(x, i32.const(bits)),
  rotateRight: (x, bits) => i32.rotateRight(x.get, i32.const(bits)),
  load: i32.load,
  store: i32.store,
  loadOne: i32.load,
}

const four: Words = {
  type: 'v128',
  sizeLog2: 4,
  schedule: layout.laneSchedule,
  add: v128.add,
  and: v128.and,
  or: v128.or,
  xor: v128.xor,
  shiftRight: v128.shiftRight,
  rotateRight: (x, bits) => v128.or(v128.shiftRight(x.get, bits), v128.shiftLeft(x.get, 32 - bits)),
  load: v128.load,
  store: v128.store,
  loadOne: v128.loadSplat,
}

type State = readonly [Local, Local, Local, Local, Local, Local, Local, Local]

/** One compression: the first 16 words are in the schedule; the state goes from `before` through its locals. */
function compression(scope: Scope, words: Words, state: readonly Local[]): Code {
  const [x, y, address] = [scope.local(words.type), scope.local(words.type), scope.local('i32')]
  const { add, and, or, xor, rotateRight: rotate, shiftRight, sizeLog2 } = words
  const xor3 = (a: Code, b: Code, c: Code) => xor(xor(a, b), c)
  const word = (i: number) => words.schedule + (i << sizeLog2)
  const back = (distance: number) => words.load(address.get, word(16 - distance))

  const extend = (i: Local): Code => [
    address.set(i32.shiftLeft(i.get, i32.const(sizeLog2))),
    x.set(back(15)),
    y.set(back(2)),
    words.store(
      address.get,
      add(
        add(back(16), xor3(rotate(x, 7), rotate(x, 18), shiftRight(x.get, 3))),
        add(back(7), xor3(rotate(y, 17), rotate(y, 19), shiftRight(y.get, 10))),
      ),
      word(16),
    ),
  ]

  // Eight rounds, after which every variable is back in its place.
  const eightRounds = (i: Local): Code =>
    Array.from({ length: 8 }, (_, k) => {
      const turned = state.map((_local, at) => state[(at - k + 8) % 8])
      const [a, b, c, d, e, f, g, h] = turned as unknown as State
      const choice = xor(g.get, and(e.get, xor(f.get, g.get)))
      const majority = or(and(a.get, b.get), and(c.get, or(a.get, b.get)))
      const constant = words.loadOne(i32.shiftLeft(i.get, i32.const(5)), layout.constants + 4 * k)
      const scheduled = words.load(i32.shiftLeft(i.get, i32.const(sizeLog2 + 3)), word(k))
      return [
        x.set(
          add(
            add(add(h.get, xor3(rotate(e, 6), rotate(e, 11), rotate(e, 25))), choice),
            add(constant, scheduled),
          ),
        ),
        d.set(add(d.get, x.get)),
        h.set(add(add(x.get, xor3(rotate(a, 2), rotate(a, 13), rotate(a, 22))), majority)),
      ]
    })

  return [
    scope.repeat(i32.const(48), extend),
    state.map((local, i) => local.set(words.loadOne(zero, layout.state + 4 * i))),
    scope.repeat(i32.const(8), eightRounds),
    state.map((local, i) => local.set(add(local.get, words.loadOne(zero, layout.state + 4 * i)))),
  ]
}

/** Groups of four tails of a multiple of 4 bytes; the words of the padding are in the schedule already. */
function hashTails(scope: Scope): Code {
  const [groups, tailBytes] = scope.parameters as [Local, Local]
  const [from, to, address] = [scope.local('i32'), scope.local('i32'), scope.local('i32')]
  const vector = scope.local('v128')
  const state = Array.from({ length: 8 }, () => scope.local('v128'))
  const lanes = [0, 1, 2, 3]
  const loadWord = (i: Local): Code => [
    address.set(i32.add(from.get, i32.shiftLeft(i.get, i32.const(2)))),
    vector.set(v128.zero),
    lanes.map((lane) => [
      vector.set(v128.loadLane(address.get, vector.get, lane)),
      address.set(i32.add(address.get, tailBytes.get)),
    ]),
    v128.store(i32.shiftLeft(i.get, i32.const(4)), v128.permute(vector, byteSwap), layout.laneSchedule),
  ]
  return [
    from.set(i32.const(layout.input)),
    to.set(i32.const(hashes)),
    scope.repeat(groups.get, () => [
      scope.repeat(i32.shiftRight(tailBytes.get, i32.const(2)), loadWord),
      compression(scope, four, state),
      state.map(
        (local, i): Code => [
          vector.set(local.get),
          vector.set(v128.permute(vector, byteSwap)),
          lanes.map((lane) => v128.storeLane(to.get, vector.get, lane, 32 * lane + 4 * i)),
        ],
      ),
      from.set(i32.add(from.get, i32.shiftLeft(tailBytes.get, i32.const(2)))),
      to.set(i32.add(to.get, i32.const(128))),
    ]),
  ]
}

/** Whole blocks of one message, one after the other; the state stays in memory. */
function compressBlocks(scope: Scope): Code {
  const [blocks] = scope.parameters as [Local]
  const [from, value] = [scope.local('i32'), scope.local('i32')]
  const state = Array.from({ length: 8 }, () => scope.local('i32'))
  const swapped = i32.or(
    i32.and(i32.rotateLeft(value.get, i32.const(8)), i32.const(0x00ff00ff)),
    i32.and(i32.rotateRight(value.get, i32.const(8)), i32.const(0xff00ff00)),
  )
  return [
    from.set(i32.const(layout.input)),
    scope.repeat(blocks.get, () => [
      scope.repeat(i32.const(16), (i) => [
        value.set(i32.load(i32.add(from.get, i32.shiftLeft(i.get, i32.const(2))))),
        i32.store(i32.shiftLeft(i.get, i32.const(2)), swapped, layout.schedule),
      ]),
      compression(scope, one, state),
      state.map((local, i) => i32.store(zero, local.get, layout.state + 4 * i)),
      from.set(i32.add(from.get, i32.const(64))),
    ]),
  ]
}

/** Undefined where WebAssembly or its vectors are missing, or where it does not compute SHA-256. */
export function loadSimdSha256Kernel(): Sha256Kernel | undefined {
  const instance = instantiate(
    assemble({
      pages,
      functions: [
        { name: 'hashTails', parameters: 2, body: hashTails },
        { name: 'compressBlocks', parameters: 1, body: compressBlocks },
      ],
    }),
  )
  if (instance === undefined) return undefined
  const { memory } = instance
  const run = instance.functions as Readonly<
    Record<'hashTails' | 'compressBlocks', (...args: number[]) => void>
  >
  const view = new DataView(memory.buffer)
  for (const [i, constant] of roundConstants.entries())
    view.setInt32(layout.constants + 4 * i, constant, true)

  function setState(state: Uint32Array): void {
    for (let i = 0; i < 8; i++) view.setUint32(layout.state + 4 * i, state[i] as number, true)
  }

  /** Words of the block behind the tail, the same in all lanes. */
  function pad(tailBytes: number): void {
    for (let i = tailBytes / 4; i < 16; i++) {
      const value = i === tailBytes / 4 ? 0x80000000 : i === 15 ? 8 * (64 + tailBytes) : 0
      for (let lane = 0; lane < 4; lane++)
        view.setUint32(layout.laneSchedule + 16 * i + 4 * lane, value, true)
    }
  }

  const kernel: Sha256Kernel = {
    name: 'wasm-simd',
    midstate: jsSha256Kernel.midstate,

    hashTails(midstate, tails, tailBytes, out) {
      const count = out.length / 32
      const isWhole = tailBytes > 0 && tailBytes <= 52 && tailBytes % 4 === 0
      if (!isWhole || tails.length !== count * tailBytes) {
        jsSha256Kernel.hashTails(midstate, tails, tailBytes, out)
        return
      }
      setState(midstate)
      pad(tailBytes)
      for (let done = 0; done < count; done += batchMax) {
        const batch = Math.min(batchMax, count - done)
        memory.set(tails.subarray(done * tailBytes, (done + batch) * tailBytes), layout.input)
        run.hashTails(Math.ceil(batch / 4), tailBytes)
        out.set(memory.subarray(hashes, hashes + 32 * batch), 32 * done)
      }
      const used = Math.min(batchMax, count)
      memory.fill(0, layout.state, layout.input + used * tailBytes)
      memory.fill(0, hashes, hashes + 128 * Math.ceil(used / 4))
    },

    finish(midstate, rest, before = 64) {
      const blocks = Math.floor(rest.length / 64)
      // Below that, going there and back costs more than it saves.
      if (blocks < 2) return jsSha256Kernel.finish(midstate, rest, before)
      setState(midstate)
      for (let done = 0; done < blocks; done += blocksMax) {
        const batch = Math.min(blocksMax, blocks - done)
        memory.set(rest.subarray(64 * done, 64 * (done + batch)), layout.input)
        run.compressBlocks(batch)
      }
      const state = new Uint32Array(8)
      for (let i = 0; i < 8; i++) state[i] = view.getUint32(layout.state + 4 * i, true)
      memory.fill(0, layout.state, layout.input + 64 * Math.min(blocksMax, blocks))
      return jsSha256Kernel.finish(state, rest.subarray(64 * blocks), before + 64 * blocks)
    },
  }
  return isSha256(kernel) ? kernel : undefined
}

/** A machine that computes something else must not get as far as a key. */
function isSha256(kernel: Sha256Kernel): boolean {
  const block = Uint8Array.from({ length: 64 }, (_, i) => 7 * i)
  const bytes = Uint8Array.from({ length: 7 * 24 }, (_, i) => 31 * i)
  const [made, wanted] = [kernel, jsSha256Kernel].map((each) => {
    const out = new Uint8Array(7 * 32)
    each.hashTails(each.midstate(block), bytes, 24, out)
    return [...out, ...each.finish(each.midstate(block), bytes)]
  }) as [number[], number[]]
  return made.every((byte, i) => byte === wanted[i])
}
