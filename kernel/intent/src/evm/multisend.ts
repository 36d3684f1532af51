import {
  type Address,
  type ChainId,
  decodeHex,
  encodeHex,
  type Hex,
  isCountersignError,
} from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import { decodeArguments } from '../abi.ts'
import { parseAbiFunction } from '../abi-signature.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import {
  acting,
  batchItemsMax,
  type Call,
  type InnerCall,
  knownCalls,
  type Unroll,
  zeroAddress,
} from './call.ts'

/**
 * Safe's MultiSend and MultiSendCallOnly 1.3.0 (both deployers), 1.4.1 and 1.5.0. Their addresses come from their code
 * (CREATE2), so whatever stands there on any chain is the same code; 1.1.1's does not, and is not among them.
 * @see safe-global/safe-deployments, src/assets */
const multiSends: ReadonlySet<string> = new Set([
  '0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761',
  '0x998739bfdaadde7c933b942a68053933098f9eda',
  '0x40a2accbd92bca938b02010e17a5b8929b49130d',
  '0xa1dabef33b3b82c7814b6d82a79e50f4ac44102b',
  '0x38869bf66a61cf6bdb996a6ae40d5853fd43b526',
  '0x9641d764fc13c8b624c04430c7356c1c7c8102e2',
  '0x218543288004cd07832472d464648173c77d7eb7',
  '0xa83c336b20401af773b6219ba5027174338d1836',
])

const multiSend = parseAbiFunction('multiSend(bytes transactions)')

/** A plain call: MultiSendCallOnly then makes the calls as itself, MultiSend refuses. */
export const multiSendCalls = knownCalls([['multiSend(bytes transactions)', called]], (_, contract) =>
  multiSends.has(contract),
)

function called(args: AbiArguments, call: Call): Effect[] | string {
  const items = itemsOf(args.transactions as Hex)
  if (typeof items === 'string') return items
  const effects = effectsOfItems(items, call.contract, call.contract, call.unroll)
  return [batchOf(call, 'multisend', items.length), ...effects]
}

/**
 * Code that runs as the account can do anything there, but for MultiSend's, which makes the calls that its calldata
 * lists, as the account. */
export function effectsOfDelegatecall(chain: ChainId, call: InnerCall, unroll: Unroll): Effect[] {
  const { account, to: contract, data: calldata } = call
  const items = multiSends.has(contract) ? multiSendItems(calldata) : undefined
  if (items === undefined) return [{ kind: 'delegatecall', ...acting(account), chain, contract, calldata }]
  const selector = multiSend.selector
  return [
    { kind: 'batch', ...acting(account), chain, contract, form: 'multisend', calls: items.length, selector },
    ...effectsOfItems(items, account, account, unroll),
  ]
}

type Item = Omit<InnerCall, 'account'>

function effectsOfItems(
  items: readonly Item[],
  account: Address | undefined,
  self: Address | undefined,
  unroll: Unroll,
): Effect[] {
  return items.flatMap((item) => {
    const effects = unroll({ ...item, account })
    // MultiSend 1.5.0 reads the zero address as the account itself; earlier ones as nobody.
    if (item.to !== zeroAddress || self === undefined || item.data.length <= 2) return effects
    return [...effects, ...unroll({ ...item, account, to: self })]
  })
}

/** @returns undefined for calldata that is not MultiSend's. */
function multiSendItems(calldata: Hex): readonly Item[] | undefined {
  try {
    const args = decodeArguments(multiSend, decodeHex(calldata))
    const items = itemsOf(args.transactions as Hex)
    return typeof items === 'string' ? undefined : items
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}

const itemHeadBytes = 1 + 20 + 32 + 32

/** One after the other without padding: operation, address, value, length, calldata. */
function itemsOf(transactions: Hex): readonly Item[] | string {
  const bytes = decodeHex(transactions)
  const items: Item[] = []
  let at = 0
  while (at < bytes.length) {
    if (items.length === batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
    if (bytes.length < at + itemHeadBytes) return 'Its list ends within a call.'
    const operation = bytes[at]
    if (operation !== 0 && operation !== 1)
      return 'One of its operations is neither a call nor a delegatecall.'
    const to = encodeHex(bytes.subarray(at + 1, at + 21)) as Address
    const valueMinor = BigInt(encodeHex(bytes.subarray(at + 21, at + 53)))
    const length = BigInt(encodeHex(bytes.subarray(at + 53, at + 85)))
    at += itemHeadBytes
    if (length > BigInt(bytes.length - at)) return 'Its list ends within a call.'
    const end = at + Number(length)
    const data = encodeHex(bytes.subarray(at, end))
    items.push(operation === 0 ? { to, valueMinor, data } : { to, valueMinor, data, delegatecall: true })
    at = end
  }
  return items
}
