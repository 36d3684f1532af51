import { type Address, type ChainId, concatBytes, decodeHex, type Hex } from '@countersign/bytes'
import { type AbiArguments, decodeArguments } from '../abi.ts'
import { type AbiFunction, parseAbiFunction } from '../abi-signature.ts'
import type { Acting, Effect } from '../effect.ts'

/** Calls within calls within calls: deeper ones are unreadable. */
export const callDepthMax = 8
/** Calls of one transaction together, on all levels: with more, all of its calldata is unreadable. */
export const callsMax = 512
/** Effects of one call together. */
export const effectsMax = 1_024
/** A batch with more is not worth a decision per item: it is unknown-calldata. */
export const batchItemsMax = 256

/** A call that the bytes make some account do. */
export interface InnerCall {
  /** Who calls; `undefined`: the wallet itself. */
  readonly account: Address | undefined
  readonly to: Address
  readonly valueMinor: bigint
  readonly data: Hex
  /** `to`'s code runs as the account. */
  readonly delegatecall?: true
}

export type Unroll = (call: InnerCall) => Effect[]

/** A call with a selector, as those who decode it see it. */
export interface Call {
  readonly chain: ChainId
  readonly contract: Address
  readonly selector: Hex
  readonly calldata: Hex
  /** Coins that go along; a native-transfer beside whatever the call is decoded to. */
  readonly valueMinor: bigint
  /** Who calls; `undefined`: the wallet itself. */
  readonly account: Address | undefined
  /** Every effect of a call that this one makes. */
  readonly unroll: Unroll
  /** Every effect of other calldata for the same contract by the same account, with the same coins. */
  readonly again: (calldata: Hex) => Effect[]
}

export interface KnownCall {
  readonly fn: AbiFunction
  /** The contracts at which the selector means this, where not all. */
  readonly at?: (chain: ChainId, contract: Address) => boolean
  /**
   * @returns a sentence where the arguments say nothing sensible (then all of it is unknown-calldata); undefined where
   * the call is a contract-call after all.
   */
  readonly effects: CallEffects
}

export type CallEffects = (args: AbiArguments, call: Call) => Effect[] | string | undefined

type Row = readonly [signature: string, effects: CallEffects]

export function knownCalls(rows: readonly Row[], at?: KnownCall['at']): KnownCall[] {
  return rows.map(([signature, effects]) => {
    const fn = parseAbiFunction(signature)
    return at === undefined ? { fn, effects } : { fn, effects, at }
  })
}

/** The member that tells who acts, where that is not the wallet itself. */
export function acting(account: Address | undefined): { readonly account?: Address } {
  return account === undefined ? {} : { account }
}

/** What most effects of a call say of it. */
export function placeOf(call: Call): Acting & Pick<Call, 'chain' | 'contract' | 'selector'> {
  const { chain, contract, selector, account } = call
  return { ...acting(account), chain, contract, selector }
}

/**
 * Parameters that stand in bytes without a selector, as `abi.encode` makes them.
 * @throws {CountersignError} INTENT_CALLDATA_INVALID, INTENT_TOO_LARGE */
export function decodeParameters(parameters: AbiFunction, data: Hex): AbiArguments {
  return decodeArguments(parameters, concatBytes(decodeHex(parameters.selector), decodeHex(data)))
}

export const zeroAddress = `0x${'00'.repeat(20)}` as Address
