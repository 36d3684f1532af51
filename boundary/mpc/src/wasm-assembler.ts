/**
 * Writes WebAssembly modules from expressions in TypeScript, so that the kernels are readable source and no binary is
 * in the repository. Only the instructions that they use. WebAssembly Core Specification 2.0, sections 5 and 7.3.
 */
export type Code = readonly (number | Code)[]
type ValueType = 'i32' | 'i64' | 'v128'

const typeBytes: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, v128: 0x7b }

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return bytes
}

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ; ) {
    const low = Number(BigInt.asUintN(7, rest))
    rest >>= 7n
    const isLast = rest === ((low & 0x40) === 0 ? 0n : -1n)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)]
/** Alignment 1: addresses need not be multiples of anything. */
const at = (offset: number): number[] => [0, ...unsigned(offset)]
const two =
  (opcode: number | number[]) =>
  (a: Code, b: Code): Code => [a, b, ...[opcode].flat()]

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(BigInt(value | 0))],
  load: (address: Code, offset = 0): Code => [address, 0x28, ...at(offset)],
  load8: (address: Code, offset = 0): Code => [address, 0x2d, ...at(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, ...at(offset)],
  lessUnsigned: two(0x49),
  add: two(0x6a),
  multiply: two(0x6c),
  and: two(0x71),
  or: two(0x72),
  xor: two(0x73),
  shiftLeft: two(0x74),
  shiftRight: two(0x76),
  rotateLeft: two(0x77),
  rotateRight: two(0x78),
} as const

export const i64 = {
  const: (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))],
  load: (address: Code, offset = 0): Code => [address, 0x29, ...at(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x37, ...at(offset)],
  add: two(0x7c),
  subtract: two(0x7d),
  multiply: two(0x7e),
  and: two(0x83),
  or: two(0x84),
  shiftLeft: two(0x86),
  /** Copies of the sign come in from above. */
  shiftRightSigned: two(0x87),
  shiftRight: two(0x88),
  extend: (value: Code): Code => [value, 0xad],
} as const

/** Four lanes of 32 bits. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, ...simd(0), ...at(offset)],
  loadSplat: (address: Code, offset = 0): Code => [address, ...simd(9), ...at(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, ...simd(11), ...at(offset)],
  loadLane: (address: Code, into: Code, lane: number, offset = 0): Code => [
    address,
    into,
    ...simd(0x56),
    ...at(offset),
    lane,
  ],
  storeLane: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    ...simd(0x5a),
    ...at(offset),
    lane,
  ],
  zero: [...simd(12), ...new Array<number>(16).fill(0)] as Code,
  /** Bytes of one vector in another order. */
  permute: (value: Local, order: readonly number[]): Code => [value.get, value.get, ...simd(13), ...order],
  and: two(simd(0x4e)),
  or: two(simd(0x50)),
  xor: two(simd(0x51)),
  shiftLeft: (value: Code, bits: number): Code => [value, i32.const(bits), ...simd(0xab)],
  shiftRight: (value: Code, bits: number): Code => [value, i32.const(bits), ...simd(0xad)],
  add: two(simd(0xae)),
} as const

export interface Local {
  readonly get: Code
  set(value: Code): Code
  tee(value: Code): Code
}

interface FunctionSource {
  /** Callable from JavaScript under this name. */
  readonly name?: string
  /** All parameters are i32; nothing returns a value. */
  readonly parameters: number
  readonly body: (scope: Scope) => Code
}

export interface Scope {
  readonly parameters: readonly Local[]
  local(type: ValueType): Local
  /** The body with i = 0, 1, .. below count, at least once. */
  repeat(count: Code, body: (i: Local) => Code): Code
}

/** Calls a function of the module by its place. */
export function call(index: number, ...args: readonly Code[]): Code {
  return [...args, 0x10, ...unsigned(index)]
}

interface ModuleSource {
  readonly pages: number
  readonly functions: readonly FunctionSource[]
}

/** The bytes of a module that exports its memory as `memory`. */
export function assemble({ pages, functions }: ModuleSource): Uint8Array<ArrayBuffer> {
  const section = (id: number, items: readonly number[][]) => {
    const content = [...unsigned(items.length), ...items.flat()]
    return [id, ...unsigned(content.length), ...content]
  }
  const arities = [...new Set(functions.map(({ parameters }) => parameters))]
  const types = arities.map((arity) => [
    0x60,
    ...unsigned(arity),
    ...new Array<number>(arity).fill(typeBytes.i32),
    0,
  ])
  const exported = functions.flatMap(({ name }, i) => (name === undefined ? [] : [exportOf(name, 0, i)]))
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(
      3,
      functions.map(({ parameters }) => unsigned(arities.indexOf(parameters))),
    ),
    ...section(5, [[0x01, ...unsigned(pages), ...unsigned(pages)]]),
    ...section(7, [exportOf('memory', 2, 0), ...exported]),
    ...section(10, functions.map(encodeFunction)),
  ])
}

function exportOf(name: string, kind: number, index: number): number[] {
  const bytes = [...new TextEncoder().encode(name)]
  return [...unsigned(bytes.length), ...bytes, kind, ...unsigned(index)]
}

function encodeFunction({ parameters, body }: FunctionSource): number[] {
  const locals: ValueType[] = []
  const localAt = (index: number): Local => ({
    get: [0x20, ...unsigned(index)],
    set: (value) => [value, 0x21, ...unsigned(index)],
    tee: (value) => [value, 0x22, ...unsigned(index)],
  })
  const scope: Scope = {
    parameters: Array.from({ length: parameters }, (_, i) => localAt(i)),
    local: (type) => localAt(parameters + locals.push(type) - 1),
    repeat(count, inner) {
      const i = this.local('i32')
      const next = i32.lessUnsigned(i.tee(i32.add(i.get, i32.const(1))), count)
      return [i.set(i32.const(0)), 0x03, 0x40, inner(i), next, 0x0d, 0x00, 0x0b]
    },
  }
  const code = flatten(body(scope))
  const declared = locals.flatMap((type) => [1, typeBytes[type]])
  const content = [...unsigned(locals.length), ...declared, ...code, 0x0b]
  return [...unsigned(content.length), ...content]
}

function flatten(code: Code): number[] {
  return code.flatMap((part) => (typeof part === 'number' ? [part] : flatten(part)))
}

export interface Instance {
  readonly memory: Uint8Array
  readonly functions: Readonly<Record<string, (...args: number[]) => void>>
}

/** Undefined where the platform has no WebAssembly, no SIMD, or a content policy that forbids it. */
export function instantiate(module: Uint8Array<ArrayBuffer>): Instance | undefined {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module))
    const { memory, ...functions } = exports
    return {
      memory: new Uint8Array((memory as WebAssembly.Memory).buffer),
      functions: functions as Record<string, (...args: number[]) => void>,
    }
  } catch {
    return undefined
  }
}
