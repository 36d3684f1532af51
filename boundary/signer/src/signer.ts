import type { CountersignError } from '@countersign/bytes'
import { decodeHex, isEqual } from '@countersign/bytes'
import type { KeyBackend, Signature } from '@countersign/keys'
import { secp256k1, verifyEd25519 } from '@countersign/keys'
import { wireError } from '@countersign/wire'
import type { AuthenticationContext } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { Journal } from './journal.ts'
import type { Ledger } from './ledger.ts'
import type { PolicyCache } from './policies.ts'
import type { WalletRecord } from './records.ts'

export type Phase = 'sealed' | 'ready' | 'halted'

/** What the signer answers to one request. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** An open signer: everything that the main path works with. */
export interface Signer {
  readonly journal: Journal
  readonly ledger: Ledger
  readonly backend: KeyBackend
  readonly policies: PolicyCache
  readonly authentication: AuthenticationContext
  /** True where the engine can only run as the signer's own user: see the custody statement. */
  readonly sharesUserWithEngine: boolean
  readonly load: Load
  phase(): Phase
  /** Nothing is signed any more in this process. */
  halt(why: unknown): void
  /** @throws {CountersignError} SIGNER_HALTED */
  checkReady(): void
  revoked(credentialId: string): CountersignError
  /** @returns undefined where the signature is not this wallet's over these bytes. */
  checkSignature(
    wallet: WalletRecord,
    payload: Uint8Array,
    signature: Signature,
  ): { bytes: Uint8Array; recovery: 0 | 1 | undefined } | undefined
  /** Does nothing, but in tests that stop the process at a named point. */
  at(point: string): Promise<void>
  close(): Promise<void>
}

/** How much is being worked on; the ledger waits a moment for requests that are on their way to it. */
export interface Load {
  inFlight: number
}

export interface SignerParts {
  readonly load: Load
  readonly journal: Journal
  readonly ledger: Ledger
  readonly backend: KeyBackend
  readonly policies: PolicyCache
  readonly authentication: AuthenticationContext
  readonly sharesUserWithEngine: boolean
  readonly phase: PhaseSwitch
  readonly at?: (point: string) => Promise<void> | void
  readonly close: () => Promise<void>
}

export function assembleSigner(parts: SignerParts): Signer {
  const { journal, ledger, backend, policies, authentication, phase, at } = parts
  return {
    journal,
    ledger,
    backend,
    policies,
    authentication,
    load: parts.load,
    sharesUserWithEngine: parts.sharesUserWithEngine,
    phase: () => phase.now,
    halt: (why) => phase.halt(why),
    checkReady: () => phase.check(),
    revoked: (id) => wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${id} was revoked.`),
    checkSignature,
    at: async (point) => {
      phase.check()
      if (at !== undefined) await at(point)
    },
    close: parts.close,
  }
}

/** Ready, until something impossible is seen: then halted for the rest of the process. */
export class PhaseSwitch {
  #why: string | undefined
  readonly #onHalt: (why: unknown) => void

  constructor(onHalt: (why: unknown) => void) {
    this.#onHalt = onHalt
  }

  get now(): Phase {
    return this.#why === undefined ? 'ready' : 'halted'
  }

  halt(why: unknown): void {
    if (this.#why !== undefined) return
    this.#why = why instanceof Error ? why.message : 'an unknown cause'
    this.#onHalt(why)
  }

  check(): void {
    if (this.#why !== undefined) throw signerError('SIGNER_HALTED', `The signer has halted: ${this.#why}`)
  }
}

/**
 * For secp256k1 by recovering the key from the signature, which also tells the recovery id that the wire format
 * needs; a backend's own hint only says which of the two to try first.
 */
function checkSignature(wallet: WalletRecord, payload: Uint8Array, signature: Signature) {
  const publicKey = decodeHex(wallet.publicKey)
  const { bytes } = signature
  if (bytes.length !== 64) return undefined
  if (wallet.algorithm === 'ed25519') {
    return verifyEd25519(payload, bytes, publicKey) ? { bytes, recovery: undefined } : undefined
  }
  if (payload.length !== 32 || isHighS(bytes)) return undefined
  const first = signature.recovery ?? 0
  for (const recovery of first === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
    const recovered = secp256k1.recover(payload, bytes, recovery)
    if (recovered !== undefined && isEqual(recovered, publicKey)) return { bytes, recovery }
  }
  return undefined
}

// Half of the order of secp256k1, rounded down (SEC 2 section 2.4.1); EIP-2 asks for s not above it.
const halfOrder = decodeHex('0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')

function isHighS(signature: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = (signature[32 + i] as number) - (halfOrder[i] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}
