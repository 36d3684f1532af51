/**
 * The server's end of a channel: one connection of the engine with many requests in flight, answered in any order.
 * What a channel can hold is bounded: requests by number and bytes, answers by not reading on while they are not read.
 */
import type { Duplex } from 'node:stream'
import { isCountersignError } from '@countersign/bytes'
import {
  type AnswerFrame,
  answerHeaderBytes,
  decodeRequestFrame,
  type ForwardedRequest,
  FrameReader,
  requestNumberMax,
  wireError,
  writeAnswerHeader,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type Answer, textOf } from './signer.ts'

export interface ChannelLimits {
  readonly channelsMax: number
  readonly frameBytesMax: number
  /** In one channel; more are answered with SIGNER_BUSY. */
  readonly inFlightMax: number
  /** Of the requests in flight; while there are more, nothing is read. */
  readonly requestBytesMax: number
  /** That the peer has not read yet; while there are more, nothing is read. */
  readonly answerBytesMax: number
  /** For a frame from its first byte to its last, and for the peer to read its answers. */
  readonly patienceMs: number
  /** Longer than the engine keeps a channel that it does not use. */
  readonly idleMs: number
}

export const channelLimits: ChannelLimits = {
  channelsMax: 16,
  frameBytesMax: 4_500_000,
  inFlightMax: 1_536,
  requestBytesMax: 64_000_000,
  answerBytesMax: 8_000_000,
  patienceMs: 30_000,
  idleMs: 60_000,
}

/** Counts the requests of all doors together. */
export interface Load {
  /** @returns false where there is no room; otherwise `leave` must follow. */
  enter(): boolean
  leave(): void
}

interface ChannelParts {
  readonly load: Load
  readonly forward: (forwarded: ForwardedRequest) => Promise<Answer>
  /** The answer to a request that failed. */
  readonly failed: (error: unknown) => Answer
  readonly onBug: (error: unknown) => void
  readonly limits?: ChannelLimits
}

export interface Channels {
  isFull(): boolean
  /** @param head What the peer has sent after the upgrade already. */
  open(socket: Duplex, head: Uint8Array): void
  /** Answers what is in flight, then ends every channel. */
  close(): Promise<void>
}

export function openChannels(parts: ChannelParts): Channels {
  const limits = parts.limits ?? channelLimits
  const channels = new Set<Channel>()
  let sweeper: NodeJS.Timeout | undefined
  return {
    isFull: () => channels.size >= limits.channelsMax,
    open(socket, head) {
      const channel = new Channel(socket, parts, limits)
      channels.add(channel)
      sweeper ??= setInterval(() => {
        for (const open of channels) open.checkPatience()
      }, limits.patienceMs / 10).unref()
      void channel.closed.then(() => {
        channels.delete(channel)
        if (channels.size > 0) return
        clearInterval(sweeper)
        sweeper = undefined
      })
      channel.start(head)
    },
    async close() {
      await Promise.all([...channels].map((channel) => channel.end()))
    },
  }
}

class Channel {
  readonly closed: Promise<void>
  readonly #socket: Duplex
  readonly #parts: ChannelParts
  readonly #limits: ChannelLimits
  readonly #reader: FrameReader
  #ready: AnswerFrame[] = []
  #nextNumber = 0
  #inFlight = 0
  #requestBytes = 0
  #isEnding = false
  #heardAtMs = performance.now()
  #frameSinceMs: number | undefined
  #unreadSinceMs: number | undefined

  constructor(socket: Duplex, parts: ChannelParts, limits: ChannelLimits) {
    this.#socket = socket
    this.#parts = parts
    this.#limits = limits
    this.#reader = new FrameReader(limits.frameBytesMax)
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  start(head: Uint8Array): void {
    const socket = this.#socket
    socket.on('error', () => socket.destroy())
    // A peer that has no more to ask still gets its answers.
    socket.on('end', () => this.end())
    socket.on('drain', () => {
      this.#unreadSinceMs = undefined
      this.#readOrWait()
    })
    socket.on('data', (chunk: Uint8Array) => this.#receive(chunk))
    if (head.length > 0) this.#receive(head)
  }

  /** Takes no further request; resolves when what was in flight has been answered. */
  end(): Promise<void> {
    this.#isEnding = true
    this.#socket.pause()
    this.#endWhenAnswered()
    return this.closed
  }

  checkPatience(): void {
    const { patienceMs, idleMs } = this.#limits
    const nowMs = performance.now()
    const isOver = (sinceMs: number | undefined) => sinceMs !== undefined && nowMs - sinceMs > patienceMs
    // A frame goes on only while it is read: where this end has stopped reading, the peer has no say in it.
    const isFrameLate = !this.#socket.isPaused() && isOver(this.#frameSinceMs)
    if (isFrameLate || isOver(this.#unreadSinceMs)) this.#socket.destroy()
    else if (this.#inFlight === 0 && nowMs - this.#heardAtMs > idleMs) void this.end()
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isEnding || this.#socket.destroyed) return
    this.#heardAtMs = performance.now()
    let isFrameEnded = false
    try {
      for (const frame of this.#reader.read(chunk)) {
        isFrameEnded = true
        this.#take(frame)
      }
    } catch (error) {
      // Where the next frame starts is not known any more, and a peer that errs here may mean anything.
      if (!isCountersignError(error)) this.#parts.onBug(error)
      this.#socket.destroy()
      return
    }
    if (!this.#reader.isInFrame) this.#frameSinceMs = undefined
    else if (isFrameEnded || this.#frameSinceMs === undefined) this.#frameSinceMs = this.#heardAtMs
    this.#readOrWait()
  }

  #take(frame: Uint8Array): void {
    const { number, forwarded } = decodeRequestFrame(frame)
    if (number !== this.#nextNumber)
      throw wireError('WIRE_INVALID_REQUEST', 'A channel skips a request number.')
    this.#nextNumber = number === requestNumberMax ? 0 : number + 1
    const { load, failed } = this.#parts
    if (this.#inFlight >= this.#limits.inFlightMax || !load.enter()) {
      this.#answer(frameOf(number, failed(signerError('SIGNER_BUSY', 'Too many requests are in flight.'))))
      return
    }
    this.#inFlight++
    this.#requestBytes += frame.length
    void this.#work(number, forwarded, frame.length)
  }

  async #work(number: number, forwarded: ForwardedRequest, frameBytes: number): Promise<void> {
    const { load, forward, failed, onBug } = this.#parts
    let answer: AnswerFrame
    try {
      answer = frameOf(number, await forward(forwarded))
    } catch (error) {
      if (!isCountersignError(error)) onBug(error)
      answer = frameOf(number, failed(error))
    }
    load.leave()
    this.#inFlight--
    this.#requestBytes -= frameBytes
    this.#answer(answer)
    if (this.#isEnding) this.#endWhenAnswered()
    else this.#readOrWait()
  }

  #answer(answer: AnswerFrame): void {
    if (this.#socket.destroyed) return
    // Answers become ready in bursts, as commits and verifications come in batches: one write for each burst.
    if (this.#ready.length === 0) process.nextTick(() => this.#flush())
    this.#ready.push(answer)
  }

  #flush(): void {
    const answers = this.#ready
    if (answers.length === 0 || this.#socket.destroyed) return
    this.#ready = []
    const isRead = this.#socket.write(encodeAnswers(answers))
    if (!isRead) this.#unreadSinceMs ??= performance.now()
    this.#readOrWait()
  }

  #readOrWait(): void {
    if (this.#isEnding) return
    const { requestBytesMax, answerBytesMax } = this.#limits
    const socket = this.#socket
    if (this.#requestBytes > requestBytesMax || socket.writableLength > answerBytesMax) {
      socket.pause()
    } else if (socket.isPaused()) {
      // The time in which nothing was read is not the peer's.
      if (this.#frameSinceMs !== undefined) this.#frameSinceMs = performance.now()
      socket.resume()
    }
  }

  #endWhenAnswered(): void {
    if (this.#inFlight > 0 || this.#socket.writableEnded) return
    this.#flush()
    this.#socket.end(() => this.#socket.destroy())
    // A peer that does not read its last answers must not keep the signer from stopping.
    setTimeout(() => this.#socket.destroy(), this.#limits.patienceMs).unref()
  }
}

function frameOf(number: number, answer: Answer): AnswerFrame {
  return { number, status: answer.status, text: textOf(answer) }
}

/** One buffer for all of them, so that they leave in one write. */
function encodeAnswers(answers: readonly AnswerFrame[]): Buffer {
  let bytes = 0
  const sizes = answers.map(({ text }) => {
    const frameBytes = answerHeaderBytes + Buffer.byteLength(text)
    bytes += frameBytes
    return frameBytes
  })
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const [i, { number, status, text }] of answers.entries()) {
    const frameBytes = sizes[i] as number
    writeAnswerHeader(whole, at, { number, status, frameBytes })
    // As many bytes as characters: ASCII, which is copied as it is.
    const isAscii = frameBytes === answerHeaderBytes + text.length
    whole.write(text, at + answerHeaderBytes, isAscii ? 'latin1' : 'utf8')
    at += frameBytes
  }
  return whole
}
