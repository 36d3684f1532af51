import { copyBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { Group, Point } from './group.ts'

/** Reads a message field by field. Anything short, long or not canonical is refused; nothing is skipped. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** A copy, so that the message can be erased or reused. @throws {CountersignError} MPC_MALFORMED */
  take(length: number): Uint8Array {
    return copyBytes(this.view(length))
  }

  /** The bytes in place: cheaper for the large fields, valid as long as the message is. */
  view(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) {
      throw mpcError(
        'MPC_MALFORMED',
        `The message of ${this.#bytes.length} bytes ends before its last field.`,
      )
    }
    const field = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return field
  }

  u8(): number {
    return this.view(1)[0] as number
  }

  u16(): number {
    const [high, low] = this.view(2) as unknown as [number, number]
    return (high << 8) | low
  }

  u32(): number {
    const high = this.u16()
    return high * 0x10000 + this.u16()
  }

  /** @throws {CountersignError} MPC_SCALAR_INVALID */
  scalar(group: Group): bigint {
    return group.scalars.decode(this.view(32))
  }

  /** @throws {CountersignError} MPC_POINT_INVALID, also for the identity. */
  point(group: Group): Point {
    return group.decode(this.view(group.pointBytes))
  }

  /** @throws {CountersignError} MPC_MALFORMED if bytes are left over. */
  end(): void {
    const left = this.#bytes.length - this.#at
    if (left !== 0) throw mpcError('MPC_MALFORMED', `The message has ${left} bytes after its last field.`)
  }
}

/** Reads all of `bytes`, to the last. */
export function decodeExactly<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader(bytes)
  const value = read(reader)
  reader.end()
  return value
}
