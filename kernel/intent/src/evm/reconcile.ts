import type { Hex, JsonObject } from '@countersign/bytes'
import { authorizationIntent } from '../authorization.ts'
import { intentError } from '../catalogue.ts'

/** What the reconciliation asks a chain. Whoever reads for it decides how; nothing is taken from it but what is shown. */
export interface EvmChainReader {
  /** Number of the latest block. */
  head(): Promise<number>
  /** How many nonces the account has used up to and with the block. Throws where the node has no such history. */
  nonceAt(address: Hex, block: number): Promise<number>
  block(number: number): Promise<readonly ChainTransaction[]>
  /** User operations of these accounts, by the entry points' events. */
  userOperations(
    accounts: readonly Hex[],
    blocks: { readonly from: number; readonly to: number },
  ): Promise<readonly ChainOperation[]>
}

export interface ChainTransaction {
  readonly hash: Hex
  readonly from: Hex
  readonly nonce: number
  /** EIP-7702. */
  readonly authorizations: readonly {
    readonly chainId: bigint
    readonly address: Hex
    readonly nonce: number
  }[]
}

export interface ChainOperation {
  readonly hash: Hex
  readonly sender: Hex
  readonly block: number
}

/** A signature, as the journal has it. */
export interface JournalledSignature {
  /** Of its entry. */
  readonly index: number
  readonly operation: string
  /** Of the transaction or the user operation. */
  readonly hash: string | undefined
  readonly payloadDigest: string | undefined
  /** Where it can be seen, if the entry says so. */
  readonly chain: string | undefined
  readonly nonce: number | undefined
  /** Of a user operation: the smart account. */
  readonly sender: string | undefined
}

/** Out of a journal entry of type `signed`. */
export function journalledSignature(index: number, entry: JsonObject): JournalledSignature {
  const { operation, transactionHash, userOpHash, payloadDigest } = entry
  const transaction = (entry.transaction ?? {}) as { nonce?: unknown; chain?: unknown }
  const userOperation = (entry.userOperation ?? {}) as { sender?: unknown; chain?: unknown }
  const { nonce } = transaction
  return {
    index,
    operation: String(operation),
    hash: textOf(transactionHash ?? userOpHash),
    payloadDigest: textOf(payloadDigest),
    chain: textOf(transaction.chain ?? userOperation.chain),
    nonce: typeof nonce === 'number' ? nonce : undefined,
    sender: textOf(userOperation.sender),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export interface Unmatched {
  readonly block: number
  readonly nonce: number | null
  /** `null`: the nonce is used, but no transaction of the account used it. */
  readonly hash: Hex | null
  readonly why: string
}

export interface Unseen {
  readonly index: number
  readonly hash: string
  /**
   * `pending`: its nonce is not used yet. `replaced`: another transaction has used it. `earlier`: its nonce was used
   * before the first block that was looked at. `unknown`: nonces do not say it, as of user operations.
   */
  readonly state: 'pending' | 'replaced' | 'earlier' | 'unknown'
}

export interface Reconciled {
  readonly address: Hex
  readonly fromBlock: number
  readonly toBlock: number
  /** How the chain was read: by the account's nonces (exact), or block by block where the node has no history. */
  readonly method: 'nonces' | 'blocks' | 'events'
  readonly matched: readonly { readonly index: number; readonly hash: Hex; readonly block: number }[]
  /** Each is an alarm: the account moved, and the journal does not know. */
  readonly unmatched: readonly Unmatched[]
  /** Signed, and not on the chain. */
  readonly unseen: readonly Unseen[]
}

interface Range {
  readonly from: number
  readonly to: number
}

interface Used {
  readonly nonce: number
  readonly block: number
}

/** What was found on the chain, for which the journal's signatures are wanted. */
export interface Wanted {
  readonly hashes: readonly Hex[]
  /** Some nonce was used by no transaction of the account: also the signed EIP-7702 authorizations are wanted. */
  readonly authorizations: boolean
}

interface Sources {
  readonly chain: EvmChainReader
  readonly range: Range
  /** Asked for after the chain was read: what is on the chain by then was in the journal before. */
  readonly signatures: (wanted: Wanted) => Promise<readonly JournalledSignature[]>
}

/** Compares the transactions of an account with what the journal says was signed for it. */
export async function reconcileTransactions(
  address: Hex,
  { chain, chainNumber, range, signatures }: Sources & { readonly chainNumber: bigint },
): Promise<Reconciled> {
  const found = await findNonces(address, chain, range)
  const uses = found.used.map((used) => ({
    ...used,
    own: used.transactions.find((one) => isSame(one.from, address) && one.nonce === used.nonce),
  }))
  const known = await signatures({
    hashes: uses.flatMap(({ own }) => (own === undefined ? [] : [own.hash])),
    authorizations: uses.some(({ own }) => own === undefined),
  })
  const byHash = hashesOf(known)
  const digests = new Set(
    known.flatMap(({ operation, payloadDigest }) =>
      operation === 'sign-authorization' ? [payloadDigest] : [],
    ),
  )
  const matched: { index: number; hash: Hex; block: number }[] = []
  const unmatched: Unmatched[] = []
  for (const { nonce, block, transactions, own } of uses) {
    const entry = own === undefined ? undefined : byHash.get(own.hash.toLowerCase())
    if (own !== undefined && entry !== undefined) {
      matched.push({ index: entry.index, hash: own.hash, block })
    } else if (own !== undefined) {
      unmatched.push({ block, nonce, hash: own.hash, why: 'The journal has no entry of this transaction.' })
    } else if (!transactions.some((one) => isAuthorized(one, { nonce, chainNumber, digests }))) {
      const why =
        'The nonce was used without a transaction of the account: by an EIP-7702 authorization that the journal does not have, by code that the account runs, or in a block that could not be found.'
      unmatched.push({ block, nonce, hash: null, why })
    }
  }
  const seen = new Set(matched.map(({ index }) => index))
  const unseen = known.flatMap((one): Unseen[] => {
    if (one.hash === undefined || one.operation !== 'sign-transaction' || seen.has(one.index)) return []
    if (one.chain !== undefined && one.chain !== `eip155:${chainNumber}`) return []
    return [{ index: one.index, hash: one.hash, state: stateOf(one.nonce, found) }]
  })
  const { method } = found
  return { address, fromBlock: range.from, toBlock: range.to, method, matched, unmatched, unseen }
}

/**
 * Compares the user operations of smart accounts with what the journal says was signed for them: also of wallets' own
 * accounts, which EIP-7702 makes smart without using a nonce for what they do then. */
export async function reconcileOperations(
  accounts: readonly Hex[],
  { chain, chainNumber, range, signatures }: Sources & { readonly chainNumber: bigint },
): Promise<readonly Reconciled[]> {
  if (accounts.length === 0) return []
  const operations = await chain.userOperations(accounts, range)
  const asked = await signatures({ hashes: operations.map(({ hash }) => hash), authorizations: false })
  const known = asked.filter(({ operation }) => operation === 'sign-user-operation')
  const byHash = hashesOf(known)
  return accounts.map((address): Reconciled => {
    const matched: { index: number; hash: Hex; block: number }[] = []
    const unmatched: Unmatched[] = []
    for (const { hash, block, sender } of operations) {
      if (!isSame(sender, address)) continue
      const entry = byHash.get(hash.toLowerCase())
      if (entry !== undefined) matched.push({ index: entry.index, hash, block })
      else
        unmatched.push({ block, nonce: null, hash, why: 'The journal has no entry of this user operation.' })
    }
    const seen = new Set(matched.map(({ index }) => index))
    const unseen = known.flatMap((one): Unseen[] => {
      const isHere = isSame(one.sender ?? '', address) && one.chain === `eip155:${chainNumber}`
      if (one.hash === undefined || !isHere || seen.has(one.index)) return []
      return [{ index: one.index, hash: one.hash, state: 'unknown' }]
    })
    return { address, fromBlock: range.from, toBlock: range.to, method: 'events', matched, unmatched, unseen }
  })
}

function hashesOf(known: readonly JournalledSignature[]): ReadonlyMap<string, JournalledSignature> {
  return new Map(known.flatMap((one) => (one.hash === undefined ? [] : [[one.hash.toLowerCase(), one]])))
}

/** The authorization names no account; but its digest is in the journal only where this wallet has signed it. */
function isAuthorized(
  { authorizations }: ChainTransaction,
  {
    nonce,
    chainNumber,
    digests,
  }: {
    readonly nonce: number
    readonly chainNumber: bigint
    readonly digests: ReadonlySet<string | undefined>
  },
): boolean {
  return authorizations.some((one) => {
    if (one.nonce !== nonce || (one.chainId !== 0n && one.chainId !== chainNumber)) return false
    const { payloadDigest } = authorizationIntent({
      chainId: one.chainId,
      contractAddress: one.address,
      nonce: one.nonce,
    })
    return digests.has(payloadDigest)
  })
}

interface FoundNonces {
  readonly method: 'nonces' | 'blocks'
  /** The first nonce that is looked at, and the first that is not used yet. */
  readonly first: number
  readonly next: number
  readonly used: readonly (Used & { readonly transactions: readonly ChainTransaction[] })[]
}

function stateOf(nonce: number | undefined, { first, next }: FoundNonces): Unseen['state'] {
  if (nonce === undefined) return 'unknown'
  if (nonce >= next) return 'pending'
  return nonce < first ? 'earlier' : 'replaced'
}

/** Where a node has no history, every block is read. */
const scannedBlocksMax = 100_000
/** Of one account, in one look. */
const noncesMax = 100_000

async function findNonces(address: Hex, chain: EvmChainReader, range: Range): Promise<FoundNonces> {
  const next = await chain.nonceAt(address, range.to)
  let blocks: readonly Used[]
  let first = 0
  try {
    first = range.from === 0 ? 0 : await chain.nonceAt(address, range.from - 1)
    blocks = await bisect(address, chain, {
      from: { block: range.from - 1, count: first },
      to: { block: range.to, count: next },
    })
  } catch (cause) {
    // The node has pruned its history: every block is read.
    if (range.to - range.from < scannedBlocksMax) return scan(address, chain, { ...range, next })
    throw intentError(
      'INTENT_CHAIN_UNREADABLE',
      `The endpoint has no history of ${address}, and ${range.to - range.from + 1} blocks are too many to read one by one.`,
      { cause },
    )
  }
  const used: (Used & { transactions: readonly ChainTransaction[] })[] = []
  const read = new Map<number, readonly ChainTransaction[]>()
  for (const one of blocks) {
    const transactions = read.get(one.block) ?? (await chain.block(one.block))
    read.set(one.block, transactions)
    used.push({ ...one, transactions })
  }
  return { method: 'nonces', first, next, used }
}

interface Counted {
  readonly block: number
  /** Nonces used up to and with the block. */
  readonly count: number
}

/** The block of each nonce: the number of used ones never falls from block to block. */
async function bisect(
  address: Hex,
  chain: EvmChainReader,
  { from, to }: { readonly from: Counted; readonly to: Counted },
): Promise<readonly Used[]> {
  if (from.count === to.count) return []
  if (from.count > to.count || to.count - from.count > noncesMax) throw notCounting(address)
  if (to.block - from.block === 1) {
    return Array.from({ length: to.count - from.count }, (_, i) => ({
      nonce: from.count + i,
      block: to.block,
    }))
  }
  const block = Math.floor((from.block + to.block) / 2)
  const middle = { block, count: await chain.nonceAt(address, block) }
  return [
    ...(await bisect(address, chain, { from, to: middle })),
    ...(await bisect(address, chain, { from: middle, to })),
  ]
}

async function scan(
  address: Hex,
  chain: EvmChainReader,
  { from, to, next }: Range & { readonly next: number },
): Promise<FoundNonces> {
  const used: (Used & { transactions: readonly ChainTransaction[] })[] = []
  const carriers: { block: number; transactions: readonly ChainTransaction[] }[] = []
  for (let block = from; block <= to; block++) {
    const transactions = await chain.block(block)
    for (const { from: sender, nonce } of transactions)
      if (isSame(sender, address)) used.push({ nonce, block, transactions })
    if (transactions.some(({ authorizations }) => authorizations.length > 0))
      carriers.push({ block, transactions })
  }
  const first = from === 0 ? 0 : used.reduce((least, { nonce }) => Math.min(least, nonce), next)
  if (next - first > noncesMax) throw notCounting(address)
  const found = new Set(used.map(({ nonce }) => nonce))
  for (let nonce = first; nonce < next; nonce++) {
    if (found.has(nonce)) continue
    const carrier = carriers.find(({ transactions }) =>
      transactions.some((one) => one.authorizations.some((authorization) => authorization.nonce === nonce)),
    )
    used.push({
      nonce,
      block: carrier?.block ?? to,
      transactions: carriers.flatMap((one) => one.transactions),
    })
  }
  used.sort((a, b) => a.nonce - b.nonce)
  return { method: 'blocks', first, next, used }
}

function notCounting(address: Hex) {
  const message = `The endpoint’s counts of nonces of ${address} fall, or are beyond what is read at once.`
  return intentError('INTENT_CHAIN_UNREADABLE', message)
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
