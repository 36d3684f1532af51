import { inspect } from 'node:util'
import { encodeUtf8 } from '@countersign/bytes'

/** A secret on its way through configuration: prints as nothing, so that a logged config gives nothing away. */
export class Secret {
  #bytes: Uint8Array

  constructor(value: string | Uint8Array) {
    this.#bytes = typeof value === 'string' ? encodeUtf8(value) : Uint8Array.from(value)
  }

  /** @returns a copy; the caller zeroes it. */
  reveal(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  close(): void {
    this.#bytes.fill(0)
    this.#bytes = new Uint8Array()
  }

  toJSON(): string {
    return '[secret]'
  }

  toString(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
