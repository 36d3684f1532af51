import { boundedBody } from './bounded-body.ts'
import { cliError } from './catalogue.ts'

const timeoutMs = 20_000
const answerBytesMax = 50_000_000

export type RpcRequest = (method: string, params: readonly unknown[]) => Promise<unknown>

/** An endpoint's url can hold a key, so it stands in no message. */
export function openRpc(chain: string, url: string): RpcRequest {
  return async (method, params) => {
    let answer: { result?: unknown; error?: { message?: unknown } }
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      const body = await boundedBody(response, answerBytesMax)
      if (body === undefined) throw new Error('too large')
      answer = JSON.parse(body.toString('utf8')) as typeof answer
    } catch {
      throw cliError('CLI_CHAIN_UNAVAILABLE', `The endpoint of ${chain} gives no usable answer to ${method}.`)
    }
    if (answer.error !== undefined) {
      const why = String(answer.error.message ?? 'no reason').slice(0, 300)
      throw cliError('CLI_CHAIN_UNAVAILABLE', `The endpoint of ${chain} refuses ${method}: ${why}.`)
    }
    return answer.result
  }
}

/** `--rpc eip155:1=https://…`, several times. @throws {CountersignError} CLI_USAGE */
export function parseRpcs(options: readonly string[]): ReadonlyMap<string, RpcRequest> {
  const rpcs = new Map<string, RpcRequest>()
  for (const option of options) {
    const [, chain, url] = /^(eip155:[1-9][0-9]{0,15})=(https?:\/\/\S+)$/.exec(option) ?? []
    if (chain === undefined || url === undefined)
      throw cliError('CLI_USAGE', 'One --rpc is not of the form eip155:1=https://…')
    if (rpcs.has(chain)) throw cliError('CLI_USAGE', `--rpc names ${chain} twice.`)
    rpcs.set(chain, openRpc(chain, url))
  }
  return rpcs
}

/** @throws {CountersignError} CLI_CHAIN_UNAVAILABLE where the endpoint serves another chain */
export async function checkChain(chain: string, request: RpcRequest): Promise<void> {
  const served = Number(await request('eth_chainId', []))
  if (`eip155:${served}` === chain) return
  throw cliError('CLI_CHAIN_UNAVAILABLE', `The endpoint of ${chain} serves the chain ${served}.`)
}
