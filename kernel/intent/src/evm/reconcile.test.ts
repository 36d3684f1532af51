import { encodeHex, type Hex, keccak256 } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authorizationIntent } from '../authorization.ts'
import { evmChainReader } from './chain-reader.ts'
import {
  type ChainOperation,
  type ChainTransaction,
  type EvmChainReader,
  type JournalledSignature,
  journalledSignature,
  type Reconciled,
  reconcileOperations,
  reconcileTransactions,
} from './reconcile.ts'

const wallet: Hex = '0x00000000000000000000000000000000000000A1'
const other: Hex = '0x00000000000000000000000000000000000000b2'
const hashOf = (text: string): Hex => encodeHex(keccak256(new TextEncoder().encode(text)))

function transaction(nonce: number, more: Partial<ChainTransaction> = {}): ChainTransaction {
  return { hash: hashOf(`${nonce}`), from: wallet, nonce, authorizations: [], ...more }
}

function signed(index: number, more: Partial<JournalledSignature>): JournalledSignature {
  const none = { payloadDigest: undefined, chain: 'eip155:1', nonce: undefined, sender: undefined }
  return { index, operation: 'sign-transaction', hash: undefined, ...none, ...more }
}

/** @param used Nonces that a block uses up without a transaction of the wallet. */
function chainOf(
  blocks: readonly (readonly ChainTransaction[])[],
  { used = new Map<number, number>(), operations = [] as readonly ChainOperation[], pruned = false } = {},
): EvmChainReader & { readonly read: number[] } {
  const read: number[] = []
  return {
    read,
    head: async () => blocks.length - 1,
    async nonceAt(address, block) {
      if (pruned && block < blocks.length - 1) throw new Error('missing trie node')
      const own = blocks.slice(0, block + 1).flat()
      let count = own.filter(({ from }) => from === address).length
      for (const [at, extra] of used) if (at <= block) count += extra
      return count
    },
    async block(number) {
      read.push(number)
      return blocks[number] ?? []
    },
    userOperations: async (accounts, { from, to }) =>
      operations.filter(({ sender, block }) => accounts.includes(sender) && block >= from && block <= to),
  }
}

async function look(
  chain: EvmChainReader,
  known: readonly JournalledSignature[],
  { from = 0, chainNumber = 1n } = {},
): Promise<Reconciled> {
  const range = { from, to: await chain.head() }
  return reconcileTransactions(wallet, { chain, chainNumber, range, signatures: async () => known })
}

describe('transactions', () => {
  it.each([false, true])(
    'are matched by their hashes, and others are alarms (pruned: %s)',
    async (pruned) => {
      const blocks = [
        [],
        [transaction(0)],
        [transaction(7, { from: other })],
        [transaction(1, { hash: hashOf('copied') }), transaction(2)],
        [],
      ]
      const chain = chainOf(blocks, { pruned })
      const known = [0, 2].map((nonce) => signed(nonce + 10, { hash: hashOf(`${nonce}`), nonce }))
      const found = await look(chain, known)
      expect(found.method).toBe(pruned ? 'blocks' : 'nonces')
      expect(found.matched).toEqual([
        { index: 10, hash: hashOf('0'), block: 1 },
        { index: 12, hash: hashOf('2'), block: 3 },
      ])
      expect(found.unmatched).toMatchObject([{ block: 3, nonce: 1, hash: hashOf('copied') }])
      expect(found.unseen).toEqual([])
      if (!pruned) expect(chain.read).toEqual([1, 3])
    },
  )

  it('that were signed and are not there are listed, with what became of the nonce', async () => {
    const chain = chainOf([[], [transaction(0)], [transaction(1)], [transaction(2)]])
    const known = [
      signed(1, { hash: hashOf('before'), nonce: 0 }),
      signed(2, { hash: hashOf('1'), nonce: 1 }),
      signed(3, { hash: hashOf('2'), nonce: 2 }),
      signed(4, { hash: hashOf('outbid'), nonce: 2 }),
      signed(5, { hash: hashOf('later'), nonce: 3 }),
      signed(6, { hash: hashOf('elsewhere'), nonce: 3, chain: 'eip155:10' }),
      signed(7, { hash: hashOf('no nonce') }),
      signed(8, { operation: 'sign-message' }),
    ]
    const { unseen, unmatched } = await look(chain, known, { from: 2 })
    expect(unmatched).toEqual([])
    expect(unseen.map(({ index, state }) => [index, state])).toEqual([
      [1, 'earlier'],
      [4, 'replaced'],
      [5, 'pending'],
      [7, 'unknown'],
    ])
  })

  it('find every hidden one, wherever it is: random chains', async () => {
    const plan = fc.array(fc.array(fc.boolean(), { maxLength: 3 }), { minLength: 1, maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(plan, fc.boolean(), async (journalled, pruned) => {
        let nonce = 0
        const known: JournalledSignature[] = []
        const hidden: Hex[] = []
        const blocks = journalled.map((block) =>
          block.map((isKnown) => {
            const one = transaction(nonce++)
            if (isKnown) known.push(signed(one.nonce, { hash: one.hash, nonce: one.nonce }))
            else hidden.push(one.hash)
            return one
          }),
        )
        const found = await look(chainOf(blocks, { pruned }), known)
        expect(found.unmatched.map(({ hash }) => hash)).toEqual(hidden)
        expect(found.matched).toHaveLength(known.length)
      }),
      { numRuns: 150 },
    )
  })

  describe('that use a nonce by EIP-7702', () => {
    const authorization = { chainId: 1n, address: other, nonce: 1 }
    const carrier = transaction(9, { from: other, authorizations: [authorization] })
    const blocks = [[transaction(0)], [carrier], []]
    const used = new Map([[1, 1]])
    const digest = authorizationIntent({ chainId: 1n, contractAddress: other, nonce: 1 }).payloadDigest
    const zero = signed(0, { hash: hashOf('0'), nonce: 0 })
    const delegated = signed(1, { operation: 'sign-authorization', payloadDigest: digest })

    it.each([false, true])('are matched by their digest (pruned: %s)', async (pruned) => {
      expect((await look(chainOf(blocks, { used, pruned }), [zero, delegated])).unmatched).toEqual([])
      const { unmatched } = await look(chainOf(blocks, { used, pruned }), [zero])
      expect(unmatched).toMatchObject([{ nonce: 1, hash: null }])
    })

    it.each([
      ['another nonce', { ...authorization, nonce: 2 }],
      ['another contract', { ...authorization, address: wallet }],
      ['another chain', { ...authorization, chainId: 10n }],
    ])('of %s are alarms', async (_name, changed) => {
      const forged = [[transaction(0)], [{ ...carrier, authorizations: [changed] }], []]
      const { unmatched } = await look(chainOf(forged, { used }), [zero, delegated])
      expect(unmatched).toMatchObject([{ nonce: 1, hash: null }])
    })
  })

  it('are not believed from an endpoint whose counts fall or explode', async () => {
    const chain = chainOf([[], [], [], []])
    const code = async (nonceAt: EvmChainReader['nonceAt'], head = 3) => {
      const lying = { ...chain, head: async () => head, nonceAt }
      return look(lying, []).then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
    }
    expect(await code(async (_, block) => (block >= 3 ? 2 ** 50 : 0))).toBe('INTENT_CHAIN_UNREADABLE')
    expect(await code(async (_, block) => (block === 1_000_000 ? 1 : 5), 1_000_000)).toBe(
      'INTENT_CHAIN_UNREADABLE',
    )
    // Hiding a use behind counts that fall: read block by block instead, and still found.
    const falling = { ...chainOf([[transaction(0)], [transaction(1)], [], []]) }
    const found = await look({ ...falling, nonceAt: async (_, block) => [1, 5, 3, 2][block] ?? 0 }, [])
    expect(found.unmatched).toHaveLength(2)
  })
})

describe('user operations', () => {
  const [safe, second]: Hex[] = [other, '0x00000000000000000000000000000000000000c3']
  const operations = ['a', 'b', 'c'].map((name, i) => ({
    hash: hashOf(name),
    sender: (i === 2 ? second : safe) as Hex,
    block: i,
  }))
  const chain = chainOf([[], [], []], { operations })
  const operation = (index: number, name: string, more: Partial<JournalledSignature> = {}) =>
    signed(index, { operation: 'sign-user-operation', hash: hashOf(name), sender: safe, ...more })
  const lookAt = (known: readonly JournalledSignature[], chainNumber = 1n) =>
    reconcileOperations([safe as Hex, second as Hex], {
      chain,
      chainNumber,
      range: { from: 0, to: 2 },
      signatures: async ({ hashes }) => {
        expect(hashes).toEqual(operations.map(({ hash }) => hash))
        return known
      },
    })

  it('are matched by their hashes, for each account', async () => {
    const [first, other2] = await lookAt([operation(4, 'a'), operation(5, 'never'), operation(6, 'c')])
    expect(first).toMatchObject({
      method: 'events',
      matched: [{ index: 4, hash: hashOf('a') }],
      unmatched: [{ hash: hashOf('b'), nonce: null }],
      unseen: [
        { index: 5, hash: hashOf('never'), state: 'unknown' },
        { index: 6, state: 'unknown' },
      ],
    })
    expect(other2).toMatchObject({ matched: [{ index: 6 }], unmatched: [], unseen: [] })
  })

  it('are none that was signed as something else, or for another chain', async () => {
    const [first] = await lookAt([operation(4, 'a', { operation: 'sign-transaction' }), operation(5, 'b')])
    expect(first?.unmatched.map(({ hash }) => hash)).toEqual([hashOf('a')])
    const [elsewhere] = await lookAt([operation(5, 'never', { chain: 'eip155:10' })])
    expect(elsewhere?.unseen).toEqual([])
  })
})

describe('an entry', () => {
  it('says what it is matched by', () => {
    const entry = {
      type: 'signed',
      operation: 'sign-transaction',
      transactionHash: hashOf('0'),
      payloadDigest: hashOf('1'),
      transaction: { chain: 'eip155:1', nonce: 4 },
    }
    expect(journalledSignature(3, entry)).toEqual(
      signed(3, { hash: hashOf('0'), payloadDigest: hashOf('1'), nonce: 4 }),
    )
    const operation = {
      operation: 'sign-user-operation',
      userOpHash: hashOf('2'),
      userOperation: { chain: 'eip155:1', entryPoint: other, sender: wallet },
    }
    expect(journalledSignature(4, operation)).toEqual(
      signed(4, { operation: 'sign-user-operation', hash: hashOf('2'), sender: wallet }),
    )
    expect(journalledSignature(5, { transaction: { nonce: '4' }, transactionHash: 5 })).toEqual(
      signed(5, { operation: 'undefined', chain: undefined }),
    )
  })
})

describe('a chain’s endpoint', () => {
  it('is asked for events of all accounts at once, in smaller parts where it refuses', async () => {
    const asked: number[] = []
    const reader = evmChainReader(async (method, [filter]) => {
      expect(method).toBe('eth_getLogs')
      const { fromBlock, toBlock, topics } = filter as Record<'fromBlock' | 'toBlock', Hex> & {
        topics: readonly unknown[]
      }
      const count = Number(toBlock) - Number(fromBlock) + 1
      asked.push(count)
      if (count > 3_000) throw new Error('too many results')
      expect(topics[2]).toHaveLength(2)
      const topic = (topics[2] as Hex[])[0]
      return Number(fromBlock) === 0 ? [{ topics: ['0x1', hashOf('a'), topic], blockNumber: '0x5' }] : []
    })
    const found = await reader.userOperations([wallet, other], { from: 0, to: 5_999 })
    expect(found).toEqual([{ hash: hashOf('a'), sender: wallet.toLowerCase(), block: 5 }])
    // Every block once, whatever was refused.
    const given = asked.filter((count) => count <= 3_000)
    expect(given.reduce((sum, count) => sum + count, 0)).toBe(6_000)
    expect(asked.length).toBeGreaterThan(given.length)
  })

  it.each([
    ['eth_blockNumber', 'ten'],
    ['eth_blockNumber', '0xffffffffffffffff'],
    ['eth_getBlockByNumber', null],
    ['eth_getBlockByNumber', { transactions: [hashOf('a')] }],
    ['eth_getBlockByNumber', { transactions: [{ hash: hashOf('a'), from: wallet, nonce: -1 }] }],
    ['eth_getLogs', {}],
    ['eth_getLogs', [{ topics: [hashOf('a'), '0x12', hashOf('b')], blockNumber: '0x1' }]],
    ['eth_getLogs', [{ topics: [hashOf('a'), hashOf('b')], blockNumber: '0x1' }]],
  ])('that answers %s with %j is not believed', async (method, answer) => {
    const reader = evmChainReader(async () => answer)
    const asked = {
      eth_blockNumber: () => reader.head(),
      eth_getBlockByNumber: () => reader.block(1),
      eth_getLogs: () => reader.userOperations([wallet], { from: 1, to: 1 }),
    }[method]
    await expect(asked?.()).rejects.toMatchObject({ code: 'INTENT_CHAIN_UNREADABLE' })
  })
})
