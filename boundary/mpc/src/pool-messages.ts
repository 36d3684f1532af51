import type { Abort, BurnMark, RetryAbort } from './abort.ts'
import type { PartyIndex } from './parties.ts'
import type { PoolChoice, PoolOptions } from './pool.ts'
import type { ConsumptionMark, EcdsaSignature } from './presignature.ts'
import type { Outgoing } from './session.ts'

/** What the main thread and the pool's thread tell each other. Neither secrets nor presignatures, but for the share
 * that the thread is started with. */
export interface PoolThreadData {
  readonly kind: 'countersign-mpc-pool'
  /** As `encodeKeyShare` wrote it; moved into the thread. */
  readonly share: Uint8Array
  readonly burned: readonly BurnMark[]
  readonly backend: 'noble' | 'native'
  readonly pool: PoolOptions
}

export interface PresignOrder {
  readonly signers: readonly PartyIndex[]
  readonly path: readonly number[]
  readonly instance: Uint8Array
}

export interface SignOrder {
  readonly digest: Uint8Array
  readonly choice: PoolChoice
}

export interface PoolStatus {
  /** Ids of what waits, the oldest first. */
  readonly ids: readonly Uint8Array[]
  readonly room: number
  readonly burned: readonly PartyIndex[]
}

/** To the thread. Sessions and requests have numbers of the main thread's. */
export type PoolRequest =
  | {
      readonly kind: 'presign'
      readonly session: number
      readonly nowMs: number
      readonly order: PresignOrder
    }
  | { readonly kind: 'sign'; readonly session: number; readonly nowMs: number; readonly order: SignOrder }
  | {
      readonly kind: 'frame'
      readonly session: number
      readonly nowMs: number
      readonly from: PartyIndex
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'expire'; readonly session: number; readonly problem: RetryAbort['problem'] }
  | { readonly kind: 'burn'; readonly marks: readonly BurnMark[] }
  | { readonly kind: 'retire' }
  | { readonly kind: 'status'; readonly request: number; readonly nowMs: number }
  /** The main thread has stored what it was asked to, or could not. */
  | { readonly kind: 'stored'; readonly request: number; readonly isStored: boolean }

export type PoolResult =
  | { readonly status: 'presigned'; readonly presignatureId: Uint8Array }
  | { readonly status: 'signed'; readonly signature: EcdsaSignature }
  | { readonly status: 'aborted'; readonly abort: Abort }
  /** Code of the catalogue, or none for what is a bug. */
  | { readonly status: 'failed'; readonly code: string | undefined; readonly message: string }

/** From the thread. */
export type PoolAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'frames'; readonly session: number; readonly frames: readonly Outgoing[] }
  | { readonly kind: 'started'; readonly session: number; readonly presignatureId?: Uint8Array }
  | { readonly kind: 'ended'; readonly session: number; readonly result: PoolResult }
  | { readonly kind: 'store-mark'; readonly request: number; readonly mark: ConsumptionMark }
  | { readonly kind: 'store-burns'; readonly request: number; readonly marks: readonly BurnMark[] }
  | { readonly kind: 'status'; readonly request: number; readonly status: PoolStatus }
