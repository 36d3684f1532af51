import { Pool } from 'undici'

export interface LoadResult {
  readonly inFlight: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly requests: number
}

export interface Call {
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body: string
}

/** Sends every call, `inFlight` at a time, and refuses to count one that was not answered with 200. */
export async function runLoad(
  target: { origin: string; socketPath?: string },
  calls: readonly Call[],
  inFlight: number,
): Promise<LoadResult> {
  const { origin, socketPath } = target
  const pool = new Pool(origin, {
    connections: inFlight,
    pipelining: 1,
    ...(socketPath === undefined ? {} : { socketPath }),
  })
  const latenciesMs: number[] = []
  let next = 0
  const startMs = performance.now()
  const lane = async () => {
    for (;;) {
      const call = calls[next++]
      if (call === undefined) return
      const sentMs = performance.now()
      const answer = await pool.request({
        path: call.path,
        method: call.method,
        headers: call.headers,
        body: call.body,
      })
      const text = await answer.body.text()
      if (answer.statusCode !== 200)
        throw new Error(`a benchmark request was answered with ${answer.statusCode}: ${text.slice(0, 500)}`)
      latenciesMs.push(performance.now() - sentMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  const elapsedMs = performance.now() - startMs
  await pool.close()
  return {
    inFlight,
    requests: calls.length,
    perSecond: (calls.length / elapsedMs) * 1000,
    ...percentiles(latenciesMs),
  }
}

export function percentiles(latenciesMs: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
