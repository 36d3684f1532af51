import { clockSkewS, ordinaryLifetimeS, wireError } from '@countersign/wire'
import { signerError } from './catalogue.ts'

/** Fresh nonces held at once: 3,333 requests a second at the longest ordinary lifetime. */
const noncesMax = 1_000_000
/** Of one credential, of signatures that outlive an ordinary one: so that nobody can fill the memory for a day. */
const longLivedMax = 5_000
const sweepEveryS = 5

/**
 * Remembers nonces until the signatures that they stand in have expired. In memory: after a restart the request
 * records, which live longer than any signature, still answer for what was asked before.
 */
export class NonceMemory {
  readonly #seen = new Map<string, Map<string, number>>()
  #size = 0
  readonly #longLived = new Map<string, Map<string, number>>()
  #sweptS = 0

  /** @throws {CountersignError} WIRE_NONCE_REPLAYED, SIGNER_BUSY */
  take(credentialId: string, nonce: string, expiresS: number, nowS: number): void {
    this.#sweep(nowS)
    const seen = this.#seen.get(credentialId)
    const longLived = this.#longLived.get(credentialId)
    if (seen?.has(nonce) === true || longLived?.has(nonce) === true) throw replayed()
    if (expiresS > nowS + clockSkewS + ordinaryLifetimeS) {
      this.#takeLongLived(credentialId, longLived ?? new Map(), nonce, expiresS)
      return
    }
    if (this.#size >= noncesMax)
      throw signerError('SIGNER_BUSY', 'Too many fresh nonces are remembered at once.')
    this.#size++
    if (seen === undefined) this.#seen.set(credentialId, new Map([[nonce, expiresS]]))
    else seen.set(nonce, expiresS)
  }

  #takeLongLived(credentialId: string, own: Map<string, number>, nonce: string, expiresS: number): void {
    if (own.size >= longLivedMax) {
      throw signerError(
        'SIGNER_BUSY',
        `The credential ${credentialId} has made ${longLivedMax} long-lived signatures that have not expired.`,
        { fix: 'Let signatures expire after 300 seconds, or wait for those that were made to expire.' },
      )
    }
    own.set(nonce, expiresS)
    this.#longLived.set(credentialId, own)
  }

  #sweep(nowS: number): void {
    if (nowS - this.#sweptS < sweepEveryS) return
    this.#sweptS = nowS
    sweep(this.#longLived, nowS)
    this.#size -= sweep(this.#seen, nowS)
  }
}

/** @returns how many have expired. */
function sweep(byCredential: Map<string, Map<string, number>>, nowS: number): number {
  let expired = 0
  for (const [credentialId, own] of byCredential) {
    for (const [nonce, expiresS] of own) if (expiresS < nowS && own.delete(nonce)) expired++
    if (own.size === 0) byCredential.delete(credentialId)
  }
  return expired
}

export function replayed() {
  return wireError('WIRE_NONCE_REPLAYED', 'A request with this signature has been seen before.')
}
