import { type CountersignError, type Hex, isHex } from '@countersign/bytes'
import { createClient, decodeErrorResult, http } from 'viem'
import { engineError } from '../catalogue.ts'
import type { ChainConfig } from '../config.ts'

/** One EVM chain over JSON-RPC. What it says is never trusted for more than nonces, fees and following. */
export interface Chain {
  readonly config: ChainConfig
  readonly id: string
  readonly number: number
  /** @throws {CountersignError} ENGINE_CHAIN_UNAVAILABLE where the endpoint is down or serves another chain */
  check(): Promise<void>
  nonce(address: Hex, at: 'latest' | 'pending'): Promise<number>
  balance(address: Hex): Promise<bigint>
  fees(): Promise<ChainFees>
  blobFee(): Promise<bigint>
  /** @throws {CountersignError} ENGINE_WOULD_REVERT, ENGINE_INSUFFICIENT_FUNDS */
  estimateGas(call: Readonly<Record<string, unknown>>): Promise<bigint>
  /** `known`: the node has it, or had it. `nonce-used`: this or another transaction with its nonce is mined. */
  broadcast(raw: Hex): Promise<BroadcastResult>
  receipt(hash: Hex): Promise<ChainReceipt | undefined>
  head(): Promise<Head>
  blockHash(number: bigint): Promise<Hex | undefined>
}

export interface ChainFees {
  /** Undefined: a chain without EIP-1559. */
  readonly baseFee: bigint | undefined
  readonly tip: bigint
  readonly gasPrice: bigint
}

export interface ChainReceipt {
  readonly block: { readonly number: bigint; readonly hash: Hex }
  readonly succeeded: boolean
}

export interface Head {
  readonly number: bigint
  readonly hash: Hex
}

export type BroadcastResult =
  | { readonly kind: 'accepted' | 'known' | 'nonce-used' }
  | { readonly kind: 'failed'; readonly reason: string }

const rpcTimeoutMs = 10_000
const rpcRetries = 2
const feesTtlMs = 250
const reasonCharsMax = 300

export function openChain(config: ChainConfig): Chain {
  const { request } = createClient({
    transport: http(config.rpc, { timeout: rpcTimeoutMs, retryCount: rpcRetries, retryDelay: 100 }),
  })
  const number = Number(config.id.slice('eip155:'.length))
  const raw = request as unknown as (call: { method: string; params: readonly unknown[] }) => Promise<unknown>
  const call = async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
    try {
      return await raw({ method, params })
    } catch (error) {
      throw unavailable(config.id, error)
    }
  }
  const quantity = async (method: string, ...params: readonly unknown[]) =>
    BigInt((await call(method, ...params)) as string)
  let cachedFees: { readonly at: number; readonly fees: Promise<ChainFees> } | undefined

  async function fetchFees(): Promise<ChainFees> {
    const [block, gasPrice] = await Promise.all([
      call('eth_getBlockByNumber', 'latest', false),
      quantity('eth_gasPrice'),
    ])
    const { baseFeePerGas } = block as { baseFeePerGas?: string }
    if (baseFeePerGas === undefined) return { baseFee: undefined, tip: 0n, gasPrice }
    const baseFee = BigInt(baseFeePerGas)
    const above = gasPrice > baseFee ? gasPrice - baseFee : 0n
    // Not every node has the method; what eth_gasPrice adds to the base fee is the node's own idea of a tip.
    const tip = await quantity('eth_maxPriorityFeePerGas').catch(() => above)
    return { baseFee, tip, gasPrice }
  }

  return {
    config,
    id: config.id,
    number,
    async check() {
      const served = Number(await quantity('eth_chainId'))
      if (served !== number) {
        throw engineError(
          'ENGINE_CHAIN_UNAVAILABLE',
          `The endpoint of ${config.id} serves the chain ${served}.`,
          {
            fix: 'Correct the chain’s id or rpc in the engine’s configuration.',
          },
        )
      }
    },
    nonce: async (address, at) => Number(await quantity('eth_getTransactionCount', address, at)),
    balance: (address) => quantity('eth_getBalance', address, 'pending'),
    fees() {
      const now = Date.now()
      if (cachedFees === undefined || now - cachedFees.at > feesTtlMs) {
        const fees = fetchFees()
        cachedFees = { at: now, fees }
        fees.catch(() => {
          cachedFees = undefined
        })
      }
      return cachedFees.fees
    },
    blobFee: () => quantity('eth_blobBaseFee'),
    async estimateGas(wanted) {
      try {
        return BigInt((await raw({ method: 'eth_estimateGas', params: [wanted, 'pending'] })) as string)
      } catch (error) {
        throw estimateError(config.id, error)
      }
    },
    async broadcast(rawTransaction) {
      try {
        await raw({ method: 'eth_sendRawTransaction', params: [rawTransaction] })
        return { kind: 'accepted' }
      } catch (error) {
        const reason = reasonOf(error)
        if (/already known|already imported|known transaction|already exists|already in/i.test(reason))
          return { kind: 'known' }
        if (/nonce too low|nonce is too low|old nonce|invalid nonce/i.test(reason))
          return { kind: 'nonce-used' }
        return { kind: 'failed', reason }
      }
    },
    async receipt(hash) {
      const found = (await call('eth_getTransactionReceipt', hash)) as {
        blockNumber: string | null
        blockHash: Hex | null
        status?: string
      } | null
      if (found === null || found.blockNumber === null || found.blockHash === null) return undefined
      return {
        block: { number: BigInt(found.blockNumber), hash: found.blockHash },
        succeeded: found.status !== '0x0',
      }
    },
    async head() {
      const block = (await call('eth_getBlockByNumber', 'latest', false)) as { number: string; hash: Hex }
      return { number: BigInt(block.number), hash: block.hash }
    },
    async blockHash(blockNumber) {
      const block = (await call('eth_getBlockByNumber', `0x${blockNumber.toString(16)}`, false)) as {
        hash: Hex
      } | null
      return block?.hash
    },
  }
}

function estimateError(chain: string, error: unknown): CountersignError {
  const reason = reasonOf(error)
  if (/insufficient funds|insufficient balance|gas required exceeds allowance \(0\)/i.test(reason)) {
    return engineError('ENGINE_INSUFFICIENT_FUNDS', 'The wallet cannot pay for this transaction.', {
      details: { chain },
    })
  }
  const data = findInCauses(error, 'data', isHex)
  const { code } = rpcErrorOf(error)
  // EIP-1474 gives 3 to a revert; some nodes say it in words only.
  if (data === undefined && code !== 3 && !/revert|invalid opcode|out of gas|stack|execution/i.test(reason)) {
    return unavailable(chain, error)
  }
  const why = data === undefined ? reason : revertReason(data)
  return engineError('ENGINE_WOULD_REVERT', `The transaction would revert: ${why}.`, {
    details: { chain, reason: why, ...(data === undefined ? {} : { data }) },
  })
}

/** Solidity's Error(string) and Panic(uint256) in words; anything else by its selector. */
function revertReason(data: Hex): string {
  if (data === '0x') return 'no reason given'
  try {
    const { errorName, args } = decodeErrorResult({ abi: solidityErrors, data })
    return String(errorName === 'Error' ? args[0] : `panic 0x${args[0].toString(16)}`).slice(
      0,
      reasonCharsMax,
    )
  } catch {
    return `custom error ${data.slice(0, 10)}`
  }
}

const solidityErrors = [
  { type: 'error', name: 'Error', inputs: [{ type: 'string', name: 'reason' }] },
  { type: 'error', name: 'Panic', inputs: [{ type: 'uint256', name: 'code' }] },
] as const

/** The endpoint's URL can hold an API key, and viem's messages hold the URL: only the node's own words are shown. */
function unavailable(chain: string, cause: unknown): CountersignError {
  return engineError('ENGINE_CHAIN_UNAVAILABLE', `The endpoint of ${chain} failed: ${reasonOf(cause)}.`, {
    cause: reasonOf(cause),
    details: { chain },
  })
}

function reasonOf(error: unknown): string {
  const { message } = rpcErrorOf(error)
  if (message !== undefined) return message.slice(0, reasonCharsMax)
  const name = findInCauses(error, 'name', (value): value is string => typeof value === 'string')
  return name === 'TimeoutError' ? 'no answer in time' : 'no usable answer'
}

/** viem wraps the node's error object {code, message, data} as the innermost cause or as `details`. */
function rpcErrorOf(error: unknown): {
  readonly code?: number | undefined
  readonly message?: string | undefined
} {
  const code = findInCauses(error, 'code', (value): value is number => typeof value === 'number')
  if (code === undefined) return {}
  const message = findInCauses(
    error,
    'details',
    (value): value is string => typeof value === 'string' && value !== '',
  )
  return { code, message }
}

const causesMax = 8

function findInCauses<T>(error: unknown, key: string, fits: (value: unknown) => value is T): T | undefined {
  let at: unknown = error
  for (let depth = 0; depth < causesMax && typeof at === 'object' && at !== null; depth++) {
    const value = (at as Record<string, unknown>)[key]
    if (fits(value)) return value
    at = (at as { cause?: unknown }).cause
  }
  return undefined
}
