import type { Hex, JsonObject } from '@countersign/bytes'
import {
  evmChainReader,
  type JournalledSignature,
  journalledSignature,
  type Reconciled,
  reconcileOperations,
  reconcileTransactions,
} from '@countersign/intent'
import type { JournalEntryJson } from '@countersign/sdk'
import { checkChain, type RpcRequest } from './json-rpc.ts'

export interface ReconcileOptions {
  readonly rpcs: ReadonlyMap<string, RpcRequest>
  readonly fromBlock: number
  /** Only these; undefined: every EVM wallet of the journal. */
  readonly wallets: readonly string[] | undefined
  /** Smart accounts that the journal does not name yet, by the wallet that signs for them. */
  readonly accounts: readonly { readonly wallet: string; readonly address: Hex }[]
  /** Smart accounts that others sign for too: their user operations are not looked at. */
  readonly shared: readonly Hex[]
  /** The verified journal. It is asked for when the chains' heads are known. */
  readonly journal: () => Promise<readonly JournalEntryJson[]>
}

export interface AccountReconciled extends Reconciled {
  readonly chain: string
  readonly wallet: string
}

/** Compares the chains with the journal, for every account on every chain. */
export async function reconcileJournal(options: ReconcileOptions): Promise<readonly AccountReconciled[]> {
  const heads: { chain: string; reader: ReturnType<typeof evmChainReader>; head: number }[] = []
  for (const [chain, request] of options.rpcs) {
    await checkChain(chain, request)
    const reader = evmChainReader(request)
    heads.push({ chain, reader, head: await reader.head() })
  }
  // After the heads: what a chain shows up to them was in the journal before.
  const entries = await options.journal()
  const signed = signaturesOf(entries)
  const own = walletsOf(entries, options)
  const smart = smartAccountsOf({ signed, own }, options)
  const found: AccountReconciled[] = []
  for (const { chain, reader, head } of heads) {
    const chainNumber = BigInt(chain.slice('eip155:'.length))
    const range = { from: Math.min(options.fromBlock, head), to: head }
    for (const [address, wallet] of own) {
      const signatures = async () => signed.filter((one) => one.wallet === wallet)
      const account = { chain: reader, chainNumber, range, signatures }
      found.push({ chain, wallet, ...(await reconcileTransactions(address, account)) })
    }
    const operations = await reconcileOperations([...smart.keys()], {
      chain: reader,
      chainNumber,
      range,
      // Several wallets may own one account: whoever of them has signed, it is known.
      signatures: async () => signed,
    })
    for (const one of operations) {
      const isQuiet = one.matched.length + one.unmatched.length + one.unseen.length === 0
      // A wallet's own account is none that sends user operations, until it does.
      if (!isQuiet || !own.has(one.address))
        found.push({ chain, wallet: smart.get(one.address) ?? '', ...one })
    }
  }
  return found
}

type Signed = JournalledSignature & { readonly wallet: string }

function signaturesOf(entries: readonly JournalEntryJson[]): readonly Signed[] {
  return entries.flatMap((entry, index) =>
    entry.type === 'signed' && typeof entry.wallet === 'string'
      ? [{ ...journalledSignature(index, entry as unknown as JsonObject), wallet: entry.wallet }]
      : [],
  )
}

/** Wallets by their addresses. */
function walletsOf(
  entries: readonly JournalEntryJson[],
  { wallets }: ReconcileOptions,
): ReadonlyMap<Hex, string> {
  const found = new Map<Hex, string>()
  for (const { type, wallet, address } of entries) {
    const isWanted = typeof wallet === 'string' && (wallets === undefined || wallets.includes(wallet))
    if (type === 'wallet' && isWanted && isAddress(address)) found.set(lower(address), wallet)
  }
  return found
}

/** Whose user operations are looked for: accounts that were signed for, those that are named, and the wallets' own. */
function smartAccountsOf(
  { signed, own }: { readonly signed: readonly Signed[]; readonly own: ReadonlyMap<Hex, string> },
  { wallets, accounts, shared }: ReconcileOptions,
): ReadonlyMap<Hex, string> {
  const found = new Map(own)
  const named = signed.flatMap(({ wallet, sender }) =>
    isAddress(sender) ? [{ wallet, address: sender }] : [],
  )
  for (const { wallet, address } of [...named, ...accounts]) {
    const isWanted = wallets === undefined || wallets.includes(wallet)
    if (isWanted && !found.has(lower(address))) found.set(lower(address), wallet)
  }
  for (const address of shared) found.delete(lower(address))
  return found
}

function isAddress(value: unknown): value is Hex {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value)
}

function lower(address: Hex): Hex {
  return address.toLowerCase() as Hex
}
