import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

export interface Anvil {
  readonly url: string
  readonly chainNumber: number
  rpc<T = unknown>(method: string, ...params: readonly unknown[]): Promise<T>
  close(): Promise<void>
}

const startTimeoutMs = 20_000

/** A real chain. `blockTimeS` undefined: a block for each transaction; otherwise `evm_mine` must not be used. */
export async function openAnvil({
  chainNumber = 31_337,
  args = [] as readonly string[],
} = {}): Promise<Anvil> {
  const port = await freePort()
  const file = new URL('../../../node_modules/.bin/anvil', import.meta.url).pathname
  const child = spawn(
    process.execPath,
    [file, '--port', String(port), '--chain-id', String(chainNumber), '--silent', ...args],
    {
      stdio: 'ignore',
      // anvil is a child of its launcher: as a group of their own both end together.
      detached: true,
    },
  )
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const rpc = async <T>(method: string, ...params: readonly unknown[]): Promise<T> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }
  const deadline = Date.now() + startTimeoutMs
  for (;;) {
    try {
      await rpc('eth_chainId')
      break
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((done) => setTimeout(done, 50))
    }
  }
  return {
    url,
    chainNumber,
    rpc,
    async close() {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
      await exited
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}
