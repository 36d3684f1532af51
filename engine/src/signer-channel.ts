/**
 * The engine's end of a channel to the signer: one connection with many requests in flight. A request is sent once:
 * where its fate is unknown, whoever asked hears so, and decides by its request id.
 */
import { request as openRequest } from 'node:http'
import type { Socket } from 'node:net'
import {
  channelPath,
  channelProtocol,
  decodeAnswerFrame,
  encodeRequestFrame,
  type ForwardedRequest,
  FrameReader,
  requestNumberMax,
} from '@countersign/wire'
import { engineError } from './catalogue.ts'

export interface ChannelAnswer {
  readonly status: number
  /** JSON, as the signer wrote it. */
  readonly text: string
}

export interface SignerChannel {
  /**
   * Connects where there is no connection.
   * @throws {CountersignError} ENGINE_BUSY, WIRE_* for a request that no frame has a form for
   * @throws {Error} where no answer came: the signer may have received the request, or not */
  forward(forwarded: ForwardedRequest): Promise<ChannelAnswer>
  close(): void
}

export interface ChannelTimes {
  readonly connectMs: number
  readonly answerMs: number
  /** Shorter than the signer's, so that it is this end that closes a channel which nobody uses. */
  readonly idleMs: number
}

const defaultTimes: ChannelTimes = { connectMs: 10_000, answerMs: 30_000, idleMs: 30_000 }
const sweepMs = 500
const requestBytesMax = 4_500_000
const answerBytesMax = 16_000_000
/** Written, and not taken by the signer yet. */
const unsentBytesMax = 64_000_000
/** Requests that nobody waits for any more but that the signer may still answer. */
const overdueMax = 1_000

export function openSignerChannel(socketPath: string, times: ChannelTimes = defaultTimes): SignerChannel {
  let connection: Connection | undefined
  let isClosed = false
  return {
    forward(forwarded) {
      if (isClosed) return Promise.reject(new Error('The channel was closed.'))
      if (connection === undefined || connection.isOver) connection = new Connection(socketPath, times)
      return connection.send(forwarded)
    },
    close() {
      isClosed = true
      connection?.end(new Error('The channel was closed.'))
    },
  }
}

interface Waiting {
  readonly sentAtMs: number
  readonly resolve: (answer: ChannelAnswer) => void
  readonly reject: (error: Error) => void
  isOverdue: boolean
}

/** From one connect to one close; what happens to one connection never touches the next. */
class Connection {
  isOver = false
  readonly #times: ChannelTimes
  readonly #reader = new FrameReader(answerBytesMax)
  readonly #connecting: ReturnType<typeof openRequest>
  readonly #sweeper: NodeJS.Timeout
  /** In the order in which they were sent. */
  readonly #waiting = new Map<number, Waiting>()
  #socket: Socket | undefined
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #isFlushing = false
  #nextNumber = 0
  #overdue = 0
  #usedAtMs = performance.now()

  constructor(socketPath: string, times: ChannelTimes) {
    this.#times = times
    this.#connecting = openRequest({
      agent: false,
      socketPath,
      path: channelPath,
      headers: { connection: 'Upgrade', upgrade: channelProtocol },
      timeout: times.connectMs,
    })
    this.#connecting.on('upgrade', (_response, socket, head) => this.#start(socket as Socket, head))
    this.#connecting.on('response', (response) => {
      response.resume()
      this.end(failure(`the signer answers ${response.statusCode} instead of opening a channel`))
    })
    this.#connecting.on('timeout', () => this.end(failure('connecting took too long', 'ETIMEDOUT')))
    this.#connecting.on('error', (error) => this.end(error))
    this.#connecting.end()
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(sweepMs, times.idleMs)).unref()
  }

  send(forwarded: ForwardedRequest): Promise<ChannelAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#unsentBytes + (this.#socket?.writableLength ?? 0) > unsentBytesMax)
        throw engineError('ENGINE_BUSY', 'The signer takes requests more slowly than they come.')
      const number = this.#nextNumber
      const frame = encodeRequestFrame(number, forwarded, requestBytesMax)
      this.#nextNumber = number === requestNumberMax ? 0 : number + 1
      this.#usedAtMs = performance.now()
      this.#waiting.set(number, { sentAtMs: this.#usedAtMs, resolve, reject, isOverdue: false })
      this.#unsent.push(frame)
      this.#unsentBytes += frame.length
      this.#flushSoon()
    })
  }

  /** Everybody who still waits hears `why`. */
  end(why: Error): void {
    if (this.isOver) return
    this.isOver = true
    clearInterval(this.#sweeper)
    this.#connecting.destroy()
    this.#socket?.destroy()
    this.#unsent = []
    for (const { reject } of this.#waiting.values()) reject(why)
    this.#waiting.clear()
  }

  #start(socket: Socket, head: Uint8Array): void {
    this.#socket = socket
    if (this.isOver) {
      socket.destroy()
      return
    }
    socket.setTimeout(0)
    socket.on('error', (error) => this.end(error))
    socket.on('close', () => this.end(failure('the signer closed the channel', 'ECONNRESET')))
    socket.on('data', (chunk) => this.#receive(chunk))
    if (head.length > 0) this.#receive(head)
    this.#flushSoon()
  }

  /** Requests arrive on many connections in one turn of the event loop: they leave in one write. */
  #flushSoon(): void {
    if (this.#isFlushing || this.#socket === undefined) return
    this.#isFlushing = true
    setImmediate(() => {
      this.#isFlushing = false
      const frames = this.#unsent
      if (frames.length === 0 || this.isOver) return
      this.#unsent = []
      this.#unsentBytes = 0
      this.#socket?.write(frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames))
    })
  }

  #receive(chunk: Uint8Array): void {
    if (this.isOver) return
    try {
      for (const frame of this.#reader.read(chunk)) this.#take(frame)
    } catch (cause) {
      // Not the reader's own error: what became of the requests in flight is unknown, whatever is wrong with one answer.
      this.end(failure('the signer’s answer cannot be read', 'EPROTO', cause))
    }
  }

  #take(frame: Uint8Array): void {
    const { number, status, text } = decodeAnswerFrame(frame)
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) throw failure('the signer answers what was not asked')
    this.#waiting.delete(number)
    if (waiting.isOverdue) this.#overdue--
    waiting.resolve({ status, text })
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const waiting of this.#waiting.values()) {
      if (nowMs - waiting.sentAtMs < this.#times.answerMs) break
      if (waiting.isOverdue) continue
      // The number stays taken: the answer may still come, and must not be anybody else's.
      waiting.isOverdue = true
      this.#overdue++
      waiting.reject(failure('no answer in time', 'ETIMEDOUT'))
    }
    if (this.#overdue > overdueMax) this.end(failure('too many requests were not answered', 'ETIMEDOUT'))
    else if (this.#waiting.size === 0 && nowMs - this.#usedAtMs > this.#times.idleMs)
      this.end(failure('idle'))
  }
}

function failure(message: string, code?: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), code === undefined ? {} : { code })
}
