import { connect, type Socket } from 'node:net'
import type { SignedRequest } from '@countersign/wire'
import { openSignerChannel } from '../engine/src/signer-channel.ts'

export interface LoadResult {
  readonly inFlight: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly requests: number
}

/** Sends every request over one channel of the signer's socket, as the engine does, `inFlight` at a time. */
export async function loadSigner(
  socketPath: string,
  requests: readonly SignedRequest[],
  inFlight: number,
): Promise<LoadResult> {
  const channel = openSignerChannel(socketPath)
  const result = await runLoad(requests, inFlight, () => (request) => channel.forward({ request }))
  channel.close()
  return result
}

/** Sends every request to the public API over `inFlight` connections, one at a time on each. */
export async function loadApi(
  url: string,
  requests: readonly SignedRequest[],
  inFlight: number,
): Promise<LoadResult> {
  const { hostname, port } = new URL(url)
  const open = () => openHttpLane(connect(Number(port), hostname).setNoDelay(), `${hostname}:${port}`)
  return runLoad(requests, inFlight, open)
}

interface Answered {
  readonly status: number
  readonly text: string
}

type Lane = ((request: SignedRequest) => Promise<Answered>) & { close?: () => void }

/** Refuses to count a request that was not answered with 200. */
async function runLoad(
  requests: readonly SignedRequest[],
  inFlight: number,
  openLane: () => Lane,
): Promise<LoadResult> {
  const latenciesMs: number[] = []
  let next = 0
  const lanes = Array.from({ length: inFlight }, openLane)
  const startMs = performance.now()
  const work = async (lane: Lane) => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      const sentMs = performance.now()
      const { status, text } = await lane(request)
      if (status !== 200)
        throw new Error(`a benchmark request was answered with ${status}: ${text.slice(0, 500)}`)
      latenciesMs.push(performance.now() - sentMs)
    }
  }
  await Promise.all(lanes.map(work))
  const elapsedMs = performance.now() - startMs
  for (const lane of lanes) lane.close?.()
  return {
    inFlight,
    requests: requests.length,
    perSecond: (requests.length / elapsedMs) * 1000,
    ...percentiles(latenciesMs),
  }
}

const headEnd = Buffer.from('\r\n\r\n')

/** HTTP/1.1 with one request at a time, and answers that state their length: all that a load generator needs. */
function openHttpLane(socket: Socket, host: string): Lane {
  let received: Buffer = Buffer.alloc(0)
  let waiting: { resolve: (answer: Answered) => void; reject: (error: Error) => void } | undefined
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the service closed a connection of the benchmark')))
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const bodyAt = received.indexOf(headEnd) + headEnd.length
    if (bodyAt < headEnd.length) return
    const head = received.toString('latin1', 0, bodyAt)
    const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]
    if (length === undefined) throw new Error(`no length in ${head}`)
    const end = bodyAt + Number(length)
    if (received.length < end) return
    const answer = { status: Number(head.slice(9, 12)), text: received.toString('utf8', bodyAt, end) }
    received = received.subarray(end)
    waiting?.resolve(answer)
  })
  const lane: Lane = ({ method, path, headers, body }) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}`
    socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject }
    })
  }
  lane.close = () => {
    waiting = undefined
    socket.destroy()
  }
  return lane
}

export function percentiles(latenciesMs: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
