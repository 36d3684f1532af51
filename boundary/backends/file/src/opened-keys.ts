import type { KeyUri, LocalKey, ThreadKey } from '@countersign/keys'

/** In this thread's memory, or in that of the key thread. */
export type OpenedKey = LocalKey | ThreadKey

export const openedKeysMax = 10_000

/** Keys that were opened lately; the one unused for longest is zeroed when there is no more room. */
export class OpenedKeys {
  readonly #keys = new Map<KeyUri, OpenedKey>()
  readonly #max: number

  constructor(max = openedKeysMax) {
    this.#max = max
  }

  get size(): number {
    return this.#keys.size
  }

  get(uri: KeyUri): OpenedKey | undefined {
    const key = this.#keys.get(uri)
    if (key !== undefined) {
      // A Map keeps the order of insertion, so the first entry is always the one unused for longest.
      this.#keys.delete(uri)
      this.#keys.set(uri, key)
    }
    return key
  }

  put(uri: KeyUri, key: OpenedKey): void {
    this.#keys.get(uri)?.close()
    this.#keys.delete(uri)
    this.#keys.set(uri, key)
    if (this.#keys.size <= this.#max) return
    for (const [oldest, unused] of this.#keys) {
      unused.close()
      this.#keys.delete(oldest)
      break
    }
  }

  close(): void {
    for (const key of this.#keys.values()) key.close()
    this.#keys.clear()
  }
}
