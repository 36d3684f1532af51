import type { Address, ChainId, Hex } from '@countersign/bytes'
import { parseAbiFunction } from '../abi-signature.ts'
import type { Batch } from '../account-effect.ts'
import type { Effect } from '../effect.ts'
import { acting, batchItemsMax, decodeParameters, type InnerCall, type Unroll, zeroAddress } from './call.ts'

/** What an account executes, as `execute` of ERC-7579 and ERC-7821 and redeemed delegations have it. */
export interface Execution {
  readonly chain: ChainId
  /** The contract that unrolls the calls. */
  readonly contract: Address
  /** Whose calls they are. */
  readonly account: Address | undefined
  /** The contract that is `address(this)` while they are made: ERC-7821 puts it for the zero address. */
  readonly self: Address | undefined
  readonly mode: Hex
  readonly data: Hex
}

export interface Executed {
  readonly form: Extract<Batch['form'], 'erc7579' | 'erc7821'>
  readonly calls: number
  readonly effects: readonly Effect[]
}

export interface CallItem {
  readonly to: Address
  readonly value: bigint
  readonly data: Hex
}

const calls = '(address to, uint256 value, bytes data)[] calls'
const batchOnly = parseAbiFunction(`batch(${calls})`)
const batchWithData = parseAbiFunction(`batchWithData(${calls}, bytes opData)`)
const batches = parseAbiFunction('batches(bytes[] batches)')

/** ERC-7821, "Specification": a batch of batches; 78210001 is a batch with opData. */
const nestedMode = '78210002'

/**
 * Unrolls an execution by its mode: call type, execution type (failures revert, or are skipped), four unused bytes,
 * four of a selector, 22 of payload (ERC-7579, "Execution behavior"). Modes that neither standard defines say nothing.
 * @returns a sentence where the mode or the data is none that is known.
 * @throws {CountersignError} INTENT_CALLDATA_INVALID, INTENT_TOO_LARGE */
export function unrollExecution(execution: Execution, unroll: Unroll): Executed | string {
  const { account, mode, data } = execution
  const [callType, execType, rest] = [mode.slice(2, 4), mode.slice(4, 6), mode.slice(6)]
  const selector = rest.slice(8, 16)
  const plain = /^0+$/.test(rest)
  if (execType !== '00' && execType !== '01') return 'Its execution type is unknown.'
  if (callType === '01' && !plain) {
    if (!/^0{8}7821000[12]0+$/.test(rest)) return 'Its mode is unknown.'
    return selector === nestedMode ? nestedBatches(execution, unroll) : batchOf(execution, data, true, unroll)
  }
  if (!plain) return 'Its mode is unknown.'
  switch (callType) {
    case '01':
      return batchOf(execution, data, false, unroll)
    case '00':
    // A static call changes nothing; no standard says how it is packed, so it is read as the single call it resembles.
    // falls through
    case 'fe': {
      const call = packedCall(data)
      if (call === undefined) return 'Its execution is shorter than an address and a value.'
      return { form: 'erc7579', calls: 1, effects: unroll({ account, ...call }) }
    }
    case 'ff': {
      if (data.length < 2 + 40) return 'Its execution is shorter than an address.'
      const to = data.slice(0, 42) as Address
      const code = `0x${data.slice(42)}` as Hex
      const effects = unroll({ account, to, valueMinor: 0n, data: code, delegatecall: true })
      return { form: 'erc7579', calls: 1, effects }
    }
    default:
      return 'Its call type is unknown.'
  }
}

/** Address, value and calldata without padding. */
function packedCall(data: Hex): Omit<InnerCall, 'account'> | undefined {
  if (data.length < 2 + 40 + 64) return undefined
  return {
    to: data.slice(0, 42) as Address,
    valueMinor: BigInt(`0x${data.slice(42, 106)}`),
    data: `0x${data.slice(106)}`,
  }
}

function batchOf(execution: Execution, data: Hex, erc7821: boolean, unroll: Unroll): Executed | string {
  // The canonical encoding with opData starts with the offset 0x40, that without with 0x20.
  const hasOpData = erc7821 && /^0x0{62}40/.test(data)
  const args = decodeParameters(hasOpData ? batchWithData : batchOnly, data)
  const items = args.calls as unknown as readonly CallItem[]
  const effects = effectsOfItems(execution, items, unroll)
  if (typeof effects === 'string') return effects
  const opData = (args.opData ?? '0x') as Hex
  if (opData.length > 2) {
    const { chain, contract, account } = execution
    // A signature as a rule, but what the account makes of it is its own affair.
    const reason = 'What opData means is for the account to say.'
    effects.push({ kind: 'unknown-calldata', ...acting(account), chain, contract, calldata: opData, reason })
  }
  return { form: erc7821 ? 'erc7821' : 'erc7579', calls: items.length, effects }
}

function nestedBatches(execution: Execution, unroll: Unroll): Executed | string {
  const args = decodeParameters(batches, execution.data)
  const parts = args.batches as readonly Hex[]
  if (parts.length > batchItemsMax) return `It has more than ${batchItemsMax} batches.`
  const effects: Effect[] = []
  let count = 0
  for (const part of parts) {
    const executed = batchOf(execution, part, true, unroll)
    if (typeof executed === 'string') return executed
    effects.push(...executed.effects)
    count += executed.calls
  }
  return { form: 'erc7821', calls: count, effects }
}

/**
 * The calls of a batch, one after the other. The zero address stands for the account itself with some accounts
 * (ERC-7821) and for nobody with others: both readings count.
 * @returns a sentence for a batch that is too long. */
export function effectsOfItems(
  execution: Pick<Execution, 'account' | 'self'>,
  items: readonly CallItem[],
  unroll: Unroll,
): Effect[] | string {
  const { account, self } = execution
  if (items.length > batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
  const effects: Effect[] = []
  for (const { to, value, data } of items) {
    effects.push(...unroll({ account, to, valueMinor: value, data }))
    if (to !== zeroAddress || data.length <= 2) continue
    if (self === undefined) return 'A call goes to an account that the bytes do not name.'
    effects.push(...unroll({ account, to: self, valueMinor: value, data }))
  }
  return effects
}
