import { type Hex, isHex } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import type { ChainOperation, ChainTransaction, EvmChainReader } from './reconcile.ts'
import { entryPoints } from './user-operation.ts'

/** keccak256 of `UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)`, the same in 0.6 to 0.8. */
const userOperationTopic = '0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f'
/** Endpoints differ in how many blocks of events they give at once; a refusal halves it. */
const blocksOfEventsMax = 10_000
const transactionsMax = 100_000
/** In one question for events. */
const accountsAtOnceMax = 100

/** Reads a chain through JSON-RPC. @param request Sends a call and gives its result, or throws. */
export function evmChainReader(
  request: (method: string, params: readonly unknown[]) => Promise<unknown>,
): EvmChainReader {
  return {
    head: async () => countOf(await request('eth_blockNumber', [])),
    nonceAt: async (address, block) =>
      countOf(await request('eth_getTransactionCount', [address, quantity(block)])),
    async block(number) {
      const block = await request('eth_getBlockByNumber', [quantity(number), true])
      const transactions = (block as { transactions?: unknown } | null)?.transactions
      if (!Array.isArray(transactions) || transactions.length > transactionsMax)
        throw unreadable(`block ${number}`)
      return transactions.map(transactionOf)
    },
    async userOperations(accounts, { from, to }) {
      const found: ChainOperation[] = []
      for (let at = 0; at < accounts.length; at += accountsAtOnceMax) {
        const some = accounts.slice(at, at + accountsAtOnceMax)
        let step = blocksOfEventsMax
        for (let first = from; first <= to; ) {
          const last = Math.min(to, first + step - 1)
          try {
            found.push(...(await eventsOf(request, some, { first, last })))
            first = last + 1
          } catch (error) {
            if (step === 1) throw error
            step = Math.max(1, Math.floor(step / 2))
          }
        }
      }
      return found
    },
  }
}

async function eventsOf(
  request: (method: string, params: readonly unknown[]) => Promise<unknown>,
  accounts: readonly Hex[],
  { first, last }: { readonly first: number; readonly last: number },
): Promise<ChainOperation[]> {
  const filter = {
    fromBlock: quantity(first),
    toBlock: quantity(last),
    address: [...entryPoints.keys()],
    topics: [userOperationTopic, null, accounts.map(wordOf)],
  }
  const logs = await request('eth_getLogs', [filter])
  if (!Array.isArray(logs)) throw unreadable('events')
  return logs.map((log) => {
    const { topics, blockNumber } = log as { topics?: unknown[]; blockNumber?: unknown }
    const [, hash, sender] = topics ?? []
    if (!isHex(hash) || hash.length !== 66 || !isHex(sender) || sender.length !== 66)
      throw unreadable('an event')
    return { hash, sender: `0x${sender.slice(26)}`, block: countOf(blockNumber) }
  })
}

function wordOf(address: Hex): Hex {
  return `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
}

function transactionOf(value: unknown): ChainTransaction {
  const { hash, from, nonce, authorizationList } = (value ?? {}) as Record<string, unknown>
  if (!isHex(hash) || !isHex(from)) throw unreadable('a transaction')
  const list = Array.isArray(authorizationList) ? authorizationList : []
  return {
    hash,
    from,
    nonce: countOf(nonce),
    authorizations: list.map((one) => {
      const { chainId, address, nonce: authorized } = (one ?? {}) as Record<string, unknown>
      if (!isHex(address) || typeof chainId !== 'string') throw unreadable('an authorization')
      return { chainId: BigInt(chainId), address, nonce: countOf(authorized) }
    }),
  }
}

function quantity(value: number): Hex {
  return `0x${value.toString(16)}`
}

function countOf(value: unknown): number {
  const count = typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (Number.isSafeInteger(count)) return count
  throw unreadable('a number')
}

function unreadable(what: string) {
  return intentError('INTENT_CHAIN_UNREADABLE', `The endpoint gives ${what} that cannot be read.`)
}
