import type { Address, Hex } from '@countersign/bytes'
import {
  type AbiFunction,
  decodeAbiParameters,
  decodeFunctionData,
  hexToBigInt,
  parseAbi,
  parseAbiParameters,
  size,
  sliceHex,
  toFunctionSelector,
} from 'viem'
import type { Effect } from '../src/effect.ts'

/**
 * What viem reads in a call, calls within calls included: a second opinion on what its effects must hold. It is made
 * apart from the decoders that it is compared with, and reads more loosely than they do.
 */
export interface Reading {
  readonly to: Address
  readonly data: Hex
  /** The coins that go along. */
  readonly coins: readonly object[]
  /** What must be among the effects, as far as it is told; as often as it is read. */
  readonly facts: readonly object[]
  readonly inner: readonly Reading[]
}

type Read = Pick<Reading, 'facts' | 'inner'>

export interface Places {
  readonly permit2: Address
  readonly multicall3: Address
  readonly entryPoint07: Address
  readonly multiSend: Address
}

/** As the signature says; so each fits wherever it is used. */
type Args = readonly [never, never, never, never, never, never, never, never, never, never]
type Reader = (args: Args, call: { to: Address; by: Address | undefined }, places: Places) => Read

const packedOp =
  '(address sender, uint256 nonce, bytes initCode, bytes callData, bytes32 accountGasLimits, uint256 preVerificationGas, bytes32 gasFees, bytes paymasterAndData, bytes signature)'

const readers: readonly (readonly [string, Reader, ((to: Address, places: Places) => boolean)?])[] = [
  [
    'transfer(address, uint256)',
    ([to, amount]) => fact({ kind: 'token-transfer', recipient: low(to), amountMinor: amount }),
  ],
  [
    'transferFrom(address, address, uint256)',
    ([from, to, amount]) =>
      fact({ kind: 'token-transfer', from: low(from), recipient: low(to), amountMinor: amount }),
  ],
  [
    'approve(address, uint256)',
    ([to, amount]) => fact({ kind: 'approval', spender: low(to), amountMinor: amount }),
  ],
  [
    'setApprovalForAll(address, bool)',
    ([to, on]) => fact({ kind: 'approval', spender: low(to), amountMinor: on ? undefined : 0n }),
  ],
  [
    'permit(address, address, uint256, uint256, uint8, bytes32, bytes32)',
    ([owner, to, amount]) =>
      fact({ kind: 'approval', account: low(owner), spender: low(to), amountMinor: amount }),
  ],
  [
    'transferWithAuthorization(address, address, uint256, uint256, uint256, bytes32, bytes)',
    ([from, to, amount]) =>
      fact({ kind: 'token-transfer', from: low(from), recipient: low(to), amountMinor: amount }),
  ],
  [
    'execute(address, uint256, bytes)',
    ([to, value, data], call, places) => calls(places, call.to, [[to, value, data]]),
  ],
  [
    'executeBatch(address[], uint256[], bytes[])',
    ([to, values, data], call, places) => {
      const targets = to as readonly Address[]
      return calls(
        places,
        call.to,
        targets.map((one, i) => [one, (values as bigint[])[i] ?? 0n, (data as Hex[])[i] ?? '0x']),
      )
    },
  ],
  [
    'executeBatch((address to, uint256 value, bytes data)[])',
    ([items], call, places) =>
      calls(
        places,
        call.to,
        (items as readonly Item[]).map(({ to, value, data }) => [to, value, data] as const),
      ),
  ],
  [
    'execute(bytes32, bytes)',
    ([mode, data], call, places) => {
      if (!/^0x01/.test(mode)) return { facts: [], inner: [] }
      const [items] = decodeAbiParameters(
        parseAbiParameters('(address to, uint256 value, bytes data)[]'),
        data,
      )
      return calls(
        places,
        call.to,
        items.map(({ to, value, data: inner }) => [to as Address, value, inner]),
      )
    },
  ],
  [
    'aggregate3((address target, bool allowFailure, bytes callData)[])',
    ([items], call, places) =>
      calls(
        places,
        call.to,
        (items as Item3[]).map(({ target, callData }) => [target, 0n, callData]),
      ),
    (to, { multicall3 }) => to === multicall3,
  ],
  [
    'aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData)[])',
    ([items], call, places) =>
      calls(
        places,
        call.to,
        (items as Item3[]).map(({ target, value, callData }) => [target, value, callData]),
      ),
    (to, { multicall3 }) => to === multicall3,
  ],
  [
    `handleOps(${packedOp}[], address)`,
    ([ops, beneficiary], _, places) => ({
      facts: [
        { kind: 'native-transfer', account: places.entryPoint07, recipient: low(beneficiary) },
        ...(ops as Op[]).flatMap(({ sender, nonce }) => [
          { kind: 'user-operation', sender: low(sender), nonce },
          { kind: 'fee', account: low(sender) },
        ]),
      ],
      inner: (ops as Op[]).flatMap(({ sender, callData }) =>
        callData === '0x'
          ? []
          : [readingOf(places, { to: low(sender), by: low(sender), value: 0n, data: callData })],
      ),
    }),
    (to, { entryPoint07 }) => to === entryPoint07,
  ],
  [
    'execTransaction(address, uint256, bytes, uint8, uint256, uint256, uint256, address, address, bytes)',
    ([to, value, data, operation, , , gasPrice, gasToken, receiver], call, places) => {
      const envelope = { kind: 'safe-transaction', safe: call.to, to: low(to) }
      const inner =
        Number(operation) === 0
          ? calls(places, call.to, [[to, value, data]])
          : delegated(places, call.to, low(to), data)
      const paid = Number(gasPrice) === 0 ? [] : [refundOf(call.to, gasToken, receiver)]
      return { facts: [envelope, ...inner.facts, ...paid], inner: inner.inner }
    },
  ],
  [
    'multicall(bytes[])',
    ([parts], call, places) => ({
      facts: [{ kind: 'batch', contract: call.to }],
      // A router's steps are told together.
      inner: (parts as Hex[])
        .filter((data) => bySelector.has(data.slice(0, 10) as Hex))
        .map((data) => readingOf(places, { ...call, value: 0n, data })),
    }),
  ],
]

interface Item {
  readonly to: Address
  readonly value: bigint
  readonly data: Hex
}
interface Item3 {
  readonly target: Address
  readonly value: bigint
  readonly callData: Hex
}
interface Op {
  readonly sender: Address
  readonly nonce: bigint
  readonly callData: Hex
}

const bySelector = new Map(
  readers.map(([signature, read, at]) => {
    const abi = parseAbi([`function ${signature}`] as never) as unknown as readonly [AbiFunction]
    return [toFunctionSelector(abi[0]), { abi, read, at }] as const
  }),
)

export function readingOf(
  places: Places,
  call: {
    readonly to: Address
    readonly by: Address | undefined
    readonly value: bigint
    readonly data: Hex
  },
): Reading {
  const { to, by, value, data } = call
  const coins =
    value > 0n || data === '0x'
      ? [{ kind: 'native-transfer', account: by, recipient: to, amountMinor: value }]
      : []
  const known = bySelector.get(data.slice(0, 10) as Hex)
  if (known === undefined || (known.at !== undefined && !known.at(to, places))) {
    // Permit2's effects name the token.
    const facts = data === '0x' || to === places.permit2 ? [] : [{ contract: to }]
    return { to, data, coins, facts, inner: [] }
  }
  try {
    const { args } = decodeFunctionData({ abi: known.abi, data })
    const { facts, inner } = known.read(args as Args, { to, by }, places)
    return { to, data, coins, facts: facts.map((one) => ({ ...actor(one, by), ...one })), inner }
  } catch {
    return { to, data, coins, facts: [{ calldata: data, contract: to }], inner: [] }
  }
}

/** Tokens are moved and given by whoever calls, where the reading says nobody else. */
function actor(one: object, by: Address | undefined): object {
  const { kind } = one as { kind?: string }
  return kind === 'token-transfer' || kind === 'approval' ? { account: by } : {}
}

function calls(
  places: Places,
  by: Address,
  items: readonly (readonly [to: Address, value: bigint, data: Hex])[],
): Read {
  return {
    facts: [],
    inner: items.map(([to, value, data]) => readingOf(places, { to: low(to), by, value, data })),
  }
}

/** MultiSend's calls, or code that nobody reads. */
function delegated(places: Places, by: Address, to: Address, data: Hex): Read {
  const unread: Reading = {
    to,
    data,
    coins: [],
    facts: [{ kind: 'delegatecall', account: by, calldata: data }],
    inner: [],
  }
  if (to !== places.multiSend || !data.startsWith('0x8d80ff0a')) return { facts: [], inner: [unread] }
  try {
    const [transactions] = decodeAbiParameters(parseAbiParameters('bytes'), sliceHex(data, 4))
    const inner: Reading[] = []
    for (let at = 0; at < size(transactions); ) {
      const part = (start: number, end: number) =>
        sliceHex(transactions, at + start, at + end, { strict: true })
      const length = Number(hexToBigInt(part(53, 85)))
      const [target, value] = [part(1, 21) as Address, hexToBigInt(part(21, 53))]
      const content = length === 0 ? '0x' : part(85, 85 + length)
      inner.push(
        Number(hexToBigInt(part(0, 1))) === 0
          ? readingOf(places, { to: low(target), by, value, data: content })
          : { to: low(target), data: content, coins: [], facts: [{ kind: 'delegatecall' }], inner: [] },
      )
      at += 85 + length
    }
    return { facts: [], inner: [{ ...unread, facts: [], inner }] }
  } catch {
    return { facts: [], inner: [unread] }
  }
}

function refundOf(safe: Address, gasToken: Address, receiver: Address): object {
  const asset = isZero(gasToken) ? 'slip44:60' : `erc20:${low(gasToken)}`
  return isZero(receiver)
    ? { kind: 'fee', account: safe, asset }
    : { account: safe, asset, recipient: low(receiver) }
}

function isZero(address: Address): boolean {
  return /^0x0{40}$/.test(address)
}

function fact(one: object): Read {
  return { facts: [one], inner: [] }
}

function low(address: Address): Address {
  return address.toLowerCase() as Address
}

/**
 * What of a reading is missing in the effects. Bytes that an effect holds as they are, whether as a call that a rule
 * must name or as unreadable, are not missing, nor is anything inside them.
 */
export function missingFacts(reading: Reading, effects: readonly Effect[]): readonly object[] {
  const free = [...effects]
  const missing: object[] = []
  const visit = ({ to, data, coins, facts, inner }: Reading): void => {
    const whole = free.find(
      (effect) => 'calldata' in effect && effect.calldata === data && effect.contract === to,
    )
    for (const one of coins) take(one)
    if (whole !== undefined) {
      free.splice(free.indexOf(whole), 1)
      return
    }
    for (const one of facts) take(one)
    for (const one of inner) visit(one)
  }
  const take = (one: object): void => {
    const found = free.findIndex((effect) => matches(one, effect))
    if (found < 0) missing.push(one)
    else free.splice(found, 1)
  }
  visit(reading)
  return missing
}

function matches(one: object, effect: Effect): boolean {
  return Object.entries(one).every(([name, value]) => {
    const actual = (effect as unknown as Record<string, unknown>)[name]
    if (name === 'asset')
      return String(actual ?? (effect as { assets?: unknown }).assets).includes(String(value))
    return actual === value
  })
}
