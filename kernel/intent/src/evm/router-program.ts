import { type Address, type AssetId, nativeAsset, tokenAsset } from '@countersign/bytes'
import type { Swap } from '../defi-effect.ts'
import type { Effect } from '../effect.ts'
import { acting, type Call } from './call.ts'
import { permit2TransferOf } from './permit-calls.ts'
import { wrappedCoin } from './wrapped-coins.ts'

/** Whom a step pays: who called the router, the router itself, or an address. */
export type Recipient = 'user' | 'router' | Address

/** One step of what a router does for its caller. */
export type RouterStep =
  | {
      readonly kind: 'swap'
      readonly payer: 'user' | 'router'
      readonly assetIn: AssetId
      readonly amountInMax: bigint
      readonly assetOut: AssetId
      readonly amountOutMin: bigint
      readonly recipient: Recipient
    }
  /** Tokens that the caller's allowance moves into the router. */
  | { readonly kind: 'pull'; readonly token: Address; readonly amountMinor: bigint }
  /** What the router holds of an asset goes to the recipient: at least this much. */
  | {
      readonly kind: 'pay'
      readonly asset: AssetId
      readonly recipient: Recipient
      readonly amountMin: bigint
      /** Ten thousandths of what the router holds, where it is not all. */
      readonly bips?: bigint
    }
  /** Coins that came along and that the program uses. */
  | { readonly kind: 'fund'; readonly asset: AssetId; readonly amountMinor: bigint }
  /** Coins that stay in the router in another form, or come back to the caller. */
  | { readonly kind: 'keep' }
  | { readonly kind: 'effects'; readonly effects: readonly Effect[] }

export interface RouterProgram {
  readonly steps: readonly RouterStep[]
  readonly deadlineS: bigint | undefined
  /** Coins of the caller's that the steps can use, beside those that a step says it uses. */
  readonly coinsMinor: bigint
}

/** Assets spent times recipients, in one call. */
const flowsMax = 32

/**
 * What a router's program can do to its caller, as swaps: the assets that leave the caller, at most, and what each
 * recipient outside the router gets for them, at least. A step that takes from the caller and pays outside is a swap of
 * its own. What passes through the router's hands between steps is not told: it came from the caller's spending, which
 * is told in full, and counts as received only when it is paid out. There each swap names the whole spending, so
 * several recipients count it several times; with several spent assets what is received stands once. What nobody is
 * paid is the router's, and so anybody's.
 * @returns undefined where the program has more flows than a decision is worth. */
export function effectsOfProgram(program: RouterProgram, call: Call): Effect[] | undefined {
  const ledger: Ledger = {
    call,
    deadlineS: program.deadlineS,
    direct: [],
    swaps: new Map(),
    spent: new Map(),
    routerSpent: new Map(),
    paid: new Map(),
  }
  if (program.coinsMinor > 0n) add(ledger.spent, nativeAsset(call.chain), program.coinsMinor)
  let lastOut: AssetId | undefined
  for (const step of program.steps) {
    if (step.kind !== 'swap') {
      takeStep(ledger, step)
      continue
    }
    const toRouter = isRouter(step.recipient, call)
    if (step.payer === 'user' && !toRouter) {
      directSwap(ledger, step)
      continue
    }
    add(step.payer === 'user' ? ledger.spent : ledger.routerSpent, step.assetIn, step.amountInMax)
    if (toRouter) lastOut = step.assetOut
    else pay(ledger, step.assetOut, step.recipient, step.amountOutMin, undefined)
  }
  const mediated = mediatedEffects(ledger, lastOut)
  return mediated === undefined ? undefined : [...ledger.direct, ...ledger.swaps.values(), ...mediated]
}

/** Through the router's hands. */
function mediatedEffects(ledger: Ledger, lastOut: AssetId | undefined): Effect[] | undefined {
  const { call, spent, routerSpent, deadlineS } = ledger
  const recipients = withoutRefunds(ledger)
  const [anySpent] = spent.keys()
  const rest = lastOut ?? (recipients.length > 0 ? anySpent : undefined)
  // Shares alone leave the rest in the router.
  if (rest !== undefined && recipients.every(({ bips }) => bips !== undefined)) {
    recipients.push({ asset: rest, recipient: 'router', amountMin: 0n, bips: undefined })
  }
  if (spent.size === 0 && routerSpent.size === 0) return recipients.flatMap((paid) => dust(call, paid))
  // Where the caller spends nothing, it is the router's own holdings that are swapped.
  const isOwn = spent.size > 0
  const flows = isOwn ? spent : routerSpent
  if (flows.size * recipients.length > flowsMax) return undefined
  return recipients.flatMap((paid) =>
    [...flows].map(([asset, whole], i) =>
      swapOf(call, deadlineS, {
        account: isOwn ? call.account : call.contract,
        asset,
        amountMinor: portionOf(whole, paid.bips),
        receivedAsset: paid.asset,
        receivedMinor: i === 0 ? paid.amountMin : 0n,
        recipient: paid.recipient,
      }),
    ),
  )
}

interface Paid {
  readonly asset: AssetId
  readonly recipient: Recipient
  readonly amountMin: bigint
  readonly bips: bigint | undefined
}

interface Ledger {
  readonly call: Call
  readonly deadlineS: bigint | undefined
  readonly direct: Effect[]
  /** From the caller straight to whom they pay; by assets and recipient. */
  readonly swaps: Map<string, Swap>
  /** Of the caller's, into the router. */
  readonly spent: Map<AssetId, bigint>
  /** Of what the router holds, whoever it came from. */
  readonly routerSpent: Map<AssetId, bigint>
  readonly paid: Map<string, Paid>
}

function directSwap(
  { call, deadlineS, swaps }: Ledger,
  { assetIn, amountInMax, assetOut, amountOutMin, recipient }: Extract<RouterStep, { kind: 'swap' }>,
): void {
  const swap = swapOf(call, deadlineS, {
    account: call.account,
    asset: assetIn,
    amountMinor: amountInMax,
    receivedAsset: assetOut,
    receivedMinor: amountOutMin,
    recipient,
  })
  const key = `${assetIn} ${assetOut} ${swap.recipient}`
  const known = swaps.get(key)
  const amountMinor = swap.amountMinor + (known?.amountMinor ?? 0n)
  const receivedMinor = swap.receivedMinor + (known?.receivedMinor ?? 0n)
  swaps.set(key, { ...swap, amountMinor, receivedMinor })
}

function takeStep(ledger: Ledger, step: Exclude<RouterStep, { kind: 'swap' }>): void {
  const { call } = ledger
  switch (step.kind) {
    case 'effects':
      ledger.direct.push(...step.effects)
      break
    case 'pull': {
      const { token, amountMinor: amount } = step
      ledger.direct.push(permit2TransferOf(call, { from: undefined, to: call.contract, amount, token }))
      add(ledger.spent, tokenAsset(call.chain, 'erc20', token), amount)
      break
    }
    case 'fund':
      // Once: it is the same coins, however often they are wrapped.
      ledger.spent.set(step.asset, step.amountMinor)
      break
    case 'pay':
      if (!isRouter(step.recipient, call)) pay(ledger, step.asset, step.recipient, step.amountMin, step.bips)
  }
}

function pay(
  { call, paid }: Ledger,
  asset: AssetId,
  to: Recipient,
  amountMin: bigint,
  bips: bigint | undefined,
): void {
  const recipient = to === call.account ? 'user' : to
  const key = `${asset} ${recipient}`
  const known = paid.get(key)
  const share = known === undefined ? bips : shareOf(known.bips, bips)
  paid.set(key, { asset, recipient, amountMin: (known?.amountMin ?? 0n) + amountMin, bips: share })
}

/** Together they are at most the sum of the shares, or all. */
function shareOf(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || b === undefined ? undefined : a + b
}

/**
 * Without what is left of a spent asset and goes back to the caller, or along to whoever is paid for the whole spending
 * anyway; unless that is all there is. */
function withoutRefunds({ call, spent, swaps, paid }: Ledger): Paid[] {
  const all = [...paid.values()]
  const native = nativeAsset(call.chain)
  const wrapped = wrappedCoin(call.chain)
  const sameAsNative = wrapped === undefined ? native : tokenAsset(call.chain, 'erc20', wrapped)
  const isSpent = ({ asset }: Paid) =>
    spent.has(asset) ||
    (asset === native && spent.has(sameAsNative)) ||
    (asset === sameAsNative && spent.has(native))
  const known = new Set<Recipient>(['user'])
  for (const one of all) if (!isSpent(one) && one.bips === undefined) known.add(one.recipient)
  const kept = all.filter((one) => !isSpent(one) || !known.has(one.recipient))
  return kept.length === 0 && swaps.size === 0 ? all : kept
}

interface Flow extends Pick<Swap, 'asset' | 'amountMinor' | 'receivedAsset' | 'receivedMinor'> {
  readonly account: Address | undefined
  readonly recipient: Recipient
}

function swapOf(call: Call, deadlineS: bigint | undefined, flow: Flow): Swap {
  const { account, recipient, ...amounts } = flow
  const { chain, contract, selector } = call
  const place = { ...acting(account), chain, contract, selector }
  return { kind: 'swap', ...place, ...amounts, recipient: addressOf(recipient, call), deadlineS }
}

/** A share of what the router holds is at most that share of what was spent. */
function portionOf(amountMinor: bigint, bips: bigint | undefined): bigint {
  if (bips === undefined || bips >= 10_000n) return amountMinor
  return (amountMinor * bips + 9_999n) / 10_000n
}

/** What the router holds and the caller did not spend for: somebody's rest, swept. */
function dust(call: Call, { asset, recipient, amountMin }: Paid): Effect[] {
  const { chain, contract, selector } = call
  const to = addressOf(recipient, call)
  // Only a gain.
  if (to === undefined || to === call.account) return []
  const place = { account: contract, chain, recipient: to, amountMinor: amountMin }
  if (asset === nativeAsset(chain)) return [{ kind: 'native-transfer', ...place, asset }]
  const token = asset.slice(asset.lastIndexOf(':') + 1) as Address
  return [{ kind: 'token-transfer', ...place, contract: token, assets: [asset], from: undefined, selector }]
}

function isRouter(recipient: Recipient, call: Call): boolean {
  return recipient === 'router' || recipient === call.contract
}

function addressOf(recipient: Recipient, call: Call): Address | undefined {
  if (recipient === 'user') return call.account
  return recipient === 'router' ? call.contract : recipient
}

function add(amounts: Map<AssetId, bigint>, asset: AssetId, amountMinor: bigint): void {
  amounts.set(asset, (amounts.get(asset) ?? 0n) + amountMinor)
}
