import { wireError } from '@countersign/wire'
import { signerError } from './catalogue.ts'

/** Fresh nonces held at once: about an hour of 300 requests a second at the longest ordinary lifetime. */
const noncesMax = 1_000_000
const sweepEveryS = 5

/**
 * Remembers nonces until the signatures that they stand in have expired. In memory: after a restart the request
 * records, which live longer than any signature, still answer for what was asked before.
 */
export class NonceMemory {
  readonly #seen = new Map<string, number>()
  #sweptS = 0

  /** @throws {CountersignError} WIRE_NONCE_REPLAYED, SIGNER_BUSY */
  take(credentialId: string, nonce: string, expiresS: number, nowS: number): void {
    this.#sweep(nowS)
    const key = `${credentialId} ${nonce}`
    if (this.#seen.has(key)) throw replayed()
    if (this.#seen.size >= noncesMax)
      throw signerError('SIGNER_BUSY', 'Too many fresh nonces are remembered at once.')
    this.#seen.set(key, expiresS)
  }

  #sweep(nowS: number): void {
    if (nowS - this.#sweptS < sweepEveryS) return
    this.#sweptS = nowS
    for (const [key, expiresS] of this.#seen) if (expiresS < nowS) this.#seen.delete(key)
  }
}

export function replayed() {
  return wireError('WIRE_NONCE_REPLAYED', 'A request with this signature has been seen before.')
}
