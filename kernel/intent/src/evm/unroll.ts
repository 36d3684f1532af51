import { type ChainId, decodeHex, type Hex, isCountersignError, nativeAsset } from '@countersign/bytes'
import { decodeArguments } from '../abi.ts'
import type { Effect } from '../effect.ts'
import { accountCalls } from './account-calls.ts'
import {
  acting,
  type Call,
  callDepthMax,
  callsMax,
  effectsMax,
  type InnerCall,
  type KnownCall,
} from './call.ts'
import { delegationCalls } from './delegations.ts'
import { handleOpsCalls } from './handle-ops.ts'
import { multicall3Calls } from './multicall3.ts'
import { effectsOfDelegatecall, multiSendCalls } from './multisend.ts'
import { permitCalls } from './permit-calls.ts'
import { routerCalls } from './router-calls.ts'
import { safeCalls } from './safe.ts'
import { tokenCalls } from './token-calls.ts'
import { universalRouterCalls } from './universal-router.ts'
import { vaultCalls } from './vault-calls.ts'
import { wrapCalls } from './wrapped-coins.ts'

/** What is decoded further than to a contract-call, by selector. No selector has two meanings here; a test says so. */
const decodedCalls: ReadonlyMap<string, KnownCall> = new Map(
  [
    tokenCalls,
    permitCalls,
    accountCalls,
    safeCalls,
    multiSendCalls,
    multicall3Calls,
    delegationCalls,
    handleOpsCalls,
    routerCalls,
    universalRouterCalls,
    vaultCalls,
    wrapCalls,
  ]
    .flat()
    .map((known) => [known.fn.selector, known]),
)

/**
 * Whether calls with this selector are decoded at every contract, so that a condition on a contract-call's function
 * would as good as never see one. (A router's call that is only partly understood stays a contract-call.) */
export function isDecodedEverywhere(selector: Hex): boolean {
  const known = decodedCalls.get(selector)
  return known !== undefined && known.at === undefined
}

/**
 * Every effect of one call: its coins, and whatever its calldata can do. What is inside other calls follows the
 * envelope that it stands in, with the innermost account that acts. Whatever cannot be read, because its form is
 * unknown or over a limit, is unknown-calldata (or delegatecall): nothing is left out.
 */
export function effectsOfCall(chain: ChainId, call: InnerCall): Effect[] {
  if (call.data.length <= 2 && call.delegatecall === undefined) return [transferOf(chain, call)]
  const decoding: Decoding = { chain, callsLeft: callsMax }
  const effects = unroll(decoding, call, 0)
  if (decoding.callsLeft < 0) return unreadable(chain, call, `It makes more than ${callsMax} calls.`)
  if (effects.length > effectsMax) return unreadable(chain, call, `It has more than ${effectsMax} effects.`)
  return effects
}

interface Decoding {
  readonly chain: ChainId
  /** Below zero: too many, and what was decoded so far is void. */
  callsLeft: number
}

function unroll(decoding: Decoding, call: InnerCall, depth: number): Effect[] {
  const { chain } = decoding
  if (--decoding.callsLeft < 0) return []
  if (depth > callDepthMax) return unreadable(chain, call, `It is nested in more than ${callDepthMax} calls.`)
  if (call.delegatecall !== undefined) {
    return effectsOfDelegatecall(chain, call, (inner) => unroll(decoding, inner, depth + 1))
  }
  if (call.data.length <= 2) return [transferOf(chain, call)]
  const called = effectsOfCalldata(decoding, call, depth)
  return call.valueMinor === 0n ? called : [transferOf(chain, call), ...called]
}

function effectsOfCalldata(decoding: Decoding, call: InnerCall, depth: number): Effect[] {
  const { chain } = decoding
  const { account, to: contract, data: calldata, valueMinor } = call
  const unknown = (reason: string): Effect[] => [
    { kind: 'unknown-calldata', ...acting(account), chain, contract, calldata, reason },
  ]
  if (calldata.length < 2 + 8) return unknown('It is shorter than a function selector.')
  const selector = selectorOf(calldata)
  const known = decodedCalls.get(selector)
  if (known !== undefined && (known.at === undefined || known.at(chain, contract))) {
    const decoded: Call = {
      ...{ chain, contract, selector, calldata, valueMinor, account },
      unroll: (inner) => unroll(decoding, inner, depth + 1),
      again: (data) => againOf(decoding, { ...call, data }, depth + 1),
    }
    try {
      const effects = known.effects(decodeArguments(known.fn, decodeHex(calldata)), decoded)
      if (typeof effects === 'string') return unknown(effects)
      if (effects !== undefined) return effects
    } catch (error) {
      if (!isCountersignError(error)) throw error
      return unknown(error.message)
    }
  }
  return [{ kind: 'contract-call', ...acting(account), chain, contract, selector, calldata }]
}

/** The coins stand beside the outer call already. */
function againOf(decoding: Decoding, call: InnerCall, depth: number): Effect[] {
  if (--decoding.callsLeft < 0) return []
  if (depth <= callDepthMax) return effectsOfCalldata(decoding, call, depth)
  return unreadable(
    decoding.chain,
    { ...call, valueMinor: 0n },
    `It is nested in more than ${callDepthMax} calls.`,
  )
}

function unreadable(chain: ChainId, call: InnerCall, reason: string): Effect[] {
  const { account, to: contract, data: calldata, valueMinor } = call
  const place = { ...acting(account), chain, contract, calldata }
  if (call.delegatecall !== undefined) return [{ kind: 'delegatecall', ...place }]
  const effects: Effect[] = []
  if (valueMinor > 0n || calldata.length <= 2) effects.push(transferOf(chain, call))
  if (calldata.length > 2) effects.push({ kind: 'unknown-calldata', ...place, reason })
  return effects
}

function transferOf(chain: ChainId, { account, to, valueMinor }: InnerCall): Effect {
  return {
    kind: 'native-transfer',
    ...acting(account),
    chain,
    asset: nativeAsset(chain),
    recipient: to,
    amountMinor: valueMinor,
  }
}

export function selectorOf(calldata: Hex): Hex {
  return calldata.slice(0, 10) as Hex
}
