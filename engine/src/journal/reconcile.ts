import { type Hex, type JsonObject, parseJson } from '@countersign/bytes'
import {
  evmChainReader,
  type JournalledSignature,
  journalledSignature,
  type Reconciled,
  reconcileOperations,
  reconcileTransactions,
  type Wanted,
} from '@countersign/intent'
import { createClient, http } from 'viem'
import type { ChainConfig, ReconcileConfig } from '../config.ts'
import { errorForLog, type Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { JournalStore } from '../store/journal.ts'
import { type Follower, repeat } from '../transactions/follow.ts'
import type { JournalCopy } from './journal-copy.ts'

interface ReconcileParts {
  readonly config: ReconcileConfig
  readonly chains: readonly ChainConfig[]
  readonly journal: JournalCopy
  readonly store: { readonly journal: JournalStore }
  readonly metrics: Metrics
  readonly log: Logger
}

const everyMsDefault = 60_000
const rpcTimeoutMs = 20_000
const rpcRetries = 2
const entriesPerPage = 500
/** Blocks that a reorganisation may still change are looked at again the next time. */
const unsettledBlocksExtra = 2

/** Looks, again and again, whether every transaction of every wallet stands in the journal. */
export function followReconciliation(parts: ReconcileParts): Follower {
  return repeat(
    parts.config.everyMs ?? everyMsDefault,
    () => reconcileAll(parts),
    (error) => parts.log.warn({ error: errorForLog(error) }, 'the reconciliation could not be made'),
  )
}

async function reconcileAll(parts: ReconcileParts): Promise<void> {
  for (const chain of parts.chains) {
    try {
      await reconcileChain(parts, chain)
    } catch (error) {
      // One chain's endpoint must not keep the others from being looked at.
      parts.log.warn({ chain: chain.id, error: errorForLog(error) }, 'a chain could not be reconciled')
    }
  }
  const counts = await parts.store.journal.countUnmatched()
  for (const { id } of parts.chains)
    parts.metrics.unmatchedTransactions.set({ chain: id }, counts.get(id) ?? 0)
}

async function reconcileChain(parts: ReconcileParts, config: ChainConfig): Promise<void> {
  const { store, journal } = parts
  const { request } = createClient({
    transport: http(config.rpc, { timeout: rpcTimeoutMs, retryCount: rpcRetries }),
  })
  const call = request as unknown as (call: {
    method: string
    params: readonly unknown[]
  }) => Promise<unknown>
  const chain = evmChainReader((method, params) => call({ method, params }))
  // The chain first, the journal after it: what a chain shows by then was in the journal before.
  const head = await chain.head()
  await journal.catchUp()
  const chainNumber = BigInt(config.id.slice('eip155:'.length))
  const settled = head - config.confirmations - unsettledBlocksExtra
  const { own, smart } = await accountsOf(parts)
  const rangeOf = async (key: string) => {
    const from = (await store.journal.nextBlock(config.id, key)) ?? parts.config.fromBlock?.[config.id] ?? 0
    return { from, to: head }
  }
  const done = async (key: string, from: number) => {
    if (settled > from) await store.journal.setNextBlock(config.id, key, settled)
  }
  for (const [address, wallet] of own) {
    const range = await rangeOf(address)
    if (range.from > head) continue
    const signatures = (wanted: Wanted) => signaturesOf(parts, wanted, wallet)
    const found = await reconcileTransactions(address, { chain, chainNumber, range, signatures })
    await raise(parts, { chain: config.id, wallet }, found)
    await done(address, range.from)
  }
  for (const [from, accounts] of await byFirstBlock([...smart.keys()], async (address) => {
    const range = await rangeOf(operationsOf(address))
    return range.from
  })) {
    if (from > head) continue
    const signatures = (wanted: Wanted) => signaturesOf(parts, wanted)
    const range = { from, to: head }
    for (const found of await reconcileOperations(accounts, { chain, chainNumber, range, signatures })) {
      await raise(parts, { chain: config.id, wallet: smart.get(found.address) ?? '' }, found)
      await done(operationsOf(found.address), from)
    }
  }
}

/** Events of accounts that were looked at equally far are asked for together. */
async function byFirstBlock(
  accounts: readonly Hex[],
  firstOf: (account: Hex) => Promise<number>,
): Promise<ReadonlyMap<number, readonly Hex[]>> {
  const groups = new Map<number, Hex[]>()
  for (const account of accounts) {
    const first = await firstOf(account)
    groups.set(first, [...(groups.get(first) ?? []), account])
  }
  return groups
}

/** An account’s user operations are looked at apart from its transactions. */
function operationsOf(address: Hex): string {
  return `${address} operations`
}

/** The alarm, once for each. */
async function raise(
  { store, log }: ReconcileParts,
  { chain, wallet }: { readonly chain: string; readonly wallet: string },
  { address, unmatched }: Reconciled,
): Promise<void> {
  const rows = unmatched.map(({ hash, nonce, block, why }) => {
    return { chain, wallet, address, what: hash ?? `nonce ${nonce}`, block, why }
  })
  for (const { what, block, why } of await store.journal.addUnmatched(rows)) {
    log.error(
      { event: 'unmatched-transaction', chain, wallet, address, transaction: what, block, why },
      'ALARM: a wallet’s transaction is on a chain and not in the journal',
    )
  }
}

/** Out of the journal: no wallet can be left out of it, and no account that one has signed for. */
async function accountsOf({
  config,
  store,
}: ReconcileParts): Promise<{ own: ReadonlyMap<Hex, string>; smart: ReadonlyMap<Hex, string> }> {
  const own = new Map<Hex, string>()
  for await (const { wallet, address } of entriesOf(store.journal, { type: 'wallet' }))
    if (typeof wallet === 'string' && isAddress(address)) own.set(lower(address), wallet)
  const smart = new Map(own)
  const named = [...(await store.journal.operationSenders()), ...(config.accounts ?? [])]
  for (const { wallet, address } of named)
    if (isAddress(address) && !smart.has(lower(address))) smart.set(lower(address), wallet)
  for (const address of config.sharedAccounts ?? []) smart.delete(lower(address as Hex))
  return { own, smart }
}

function isAddress(value: unknown): value is Hex {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value)
}

function lower(address: Hex): Hex {
  return address.toLowerCase() as Hex
}

async function signaturesOf(
  { store }: ReconcileParts,
  { hashes, authorizations }: Wanted,
  wallet?: string,
): Promise<JournalledSignature[]> {
  const found: JournalledSignature[] = []
  for (const { index, text } of await store.journal.signedWith(hashes)) {
    const entry = entryOf(text)
    if (wallet === undefined || entry.wallet === wallet) found.push(journalledSignature(index, entry))
  }
  if (!authorizations || wallet === undefined) return found
  for await (const { index, ...entry } of entriesOf(store.journal, { type: 'signed', wallet })) {
    const one = journalledSignature(index, entry)
    if (one.operation === 'sign-authorization') found.push(one)
  }
  return found
}

function entryOf(text: string): JsonObject {
  return parseJson(text, { textCharsMax: 65_536, depthMax: 64 }) as JsonObject
}

async function* entriesOf(
  store: JournalStore,
  filter: { readonly type: string; readonly wallet?: string },
): AsyncGenerator<JsonObject & { readonly index: number }> {
  for (let start = 0; ; ) {
    const page = await store.search(filter, { start, limit: entriesPerPage })
    for (const { index, text } of page) yield { ...entryOf(text), index }
    const last = page.at(-1)
    if (last === undefined || page.length < entriesPerPage) return
    start = last.index + 1
  }
}
