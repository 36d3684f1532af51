/**
 * What engine and signer write to each other once a connection has become a channel: frames, many requests in flight,
 * answers in any order. docs/decisions/0011-channel.md has the layout and why it is this one.
 */
import { concatBytes, decodeUtf8, encodeUtf8, type Hex } from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { type ForwardedRequest, type SignedRequest, signedHeaders } from './request.ts'

/** A connection becomes a channel by an HTTP/1.1 upgrade (RFC 9110 section 7.8) of this path to this protocol. */
export const channelPath = '/v1/channel'
export const channelProtocol = 'countersign-channel/1'

/** Requests are numbered 0, 1, 2, … from the start of a channel, and 0 again after this one. */
export const requestNumberMax = 0xffff_ffff

export interface RequestFrame {
  readonly number: number
  readonly forwarded: ForwardedRequest
}

export interface AnswerFrame {
  readonly number: number
  readonly status: number
  /** JSON. */
  readonly text: string
}

export const lengthBytes = 4
export const answerHeaderBytes = 10

const methods = ['GET', 'POST', 'PUT', 'DELETE'] as const
/** Length, number, method, headers there are, bytes of head and prepared transaction, characters of path and headers. */
const charsAt = 18
const requestHeaderBytes = charsAt + 2 * (1 + signedHeaders.length)
const emptyHeader = '\0'.repeat(requestHeaderBytes)
const textCharsMax = 0xfffe
const absentText = 0xffff
const absentPrepared = 0xffff_ffff

/**
 * @returns the frame with its length.
 * @throws {CountersignError} WIRE_INVALID_REQUEST, WIRE_INVALID_BODY, WIRE_BODY_TOO_LARGE for a request that a frame
 *   has no form for; the signer would refuse it too */
export function encodeRequestFrame(
  number: number,
  { request, preparedTransaction }: ForwardedRequest,
  frameBytesMax: number,
): Uint8Array {
  const { method, path, headers, body } = request
  const methodIndex = methods.indexOf(method)
  if (methodIndex === -1) throw invalid('The method is not GET, POST, PUT or DELETE.')
  if (!body.isWellFormed()) {
    throw wireError('WIRE_INVALID_BODY', 'The body is not Unicode text.', { details: { path: '' } })
  }
  const texts = [path]
  for (const name of signedHeaders) texts.push(headers[name] ?? '')
  const head = texts.join('')
  if (!head.isWellFormed()) throw invalid('The path or a header is not Unicode text.')
  const prepared = preparedTransaction ?? ''
  // In one piece, the place of the header too: each buffer costs more than what is written into it.
  const frame = encodeUtf8(`${emptyHeader}${head}${prepared}${body}`)
  if (frame.length > frameBytesMax) {
    throw wireError('WIRE_BODY_TOO_LARGE', `The request is over ${frameBytesMax} bytes.`)
  }
  const isAscii = frame.length === requestHeaderBytes + head.length + prepared.length + body.length
  const headBytes = isAscii ? head.length : encodeUtf8(head).length
  const preparedBytes = isAscii ? prepared.length : encodeUtf8(prepared).length
  writeUint32(frame, 0, frame.length - lengthBytes)
  writeUint32(frame, 4, number)
  frame[8] = methodIndex
  frame[9] = signedHeaders.length
  writeUint32(frame, 10, headBytes)
  writeUint32(frame, 14, preparedTransaction === undefined ? absentPrepared : preparedBytes)
  for (let i = 0; i < texts.length; i++) {
    const { length } = texts[i] as string
    if (length > textCharsMax) throw invalid('The path or a header is too long.')
    const isAbsent = i > 0 && headers[signedHeaders[i - 1] as string] === undefined
    writeUint16(frame, charsAt + 2 * i, isAbsent ? absentText : length)
  }
  return frame
}

/**
 * @param frame One frame with its length, as `FrameReader` hands it out.
 * @throws {CountersignError} WIRE_INVALID_REQUEST where the bytes are no request frame: its sender speaks something else */
export function decodeRequestFrame(frame: Uint8Array): RequestFrame {
  if (frame.length < requestHeaderBytes) throw malformed('is shorter than its header')
  const method = methods[frame[8] as number]
  if (method === undefined) throw malformed('has no method')
  // Engine and signer of different versions must not take one header for another.
  if (frame[9] !== signedHeaders.length) throw malformed('has another number of headers')
  const headEnd = requestHeaderBytes + readUint32(frame, 10)
  const prepared = readUint32(frame, 14)
  const preparedEnd = headEnd + (prepared === absentPrepared ? 0 : prepared)
  if (preparedEnd > frame.length) throw malformed('is shorter than it says')
  const head = text(frame, requestHeaderBytes, headEnd)
  const pathEnd = readUint16(frame, charsAt)
  const path = head.slice(0, pathEnd)
  const headers = headersOf(frame, head, pathEnd)
  const body = text(frame, preparedEnd, frame.length)
  const request: SignedRequest = { method, path, headers, body }
  const number = readUint32(frame, 4)
  if (prepared === absentPrepared) return { number, forwarded: { request } }
  // The form of the transaction is checked where it is used, as that of every other part.
  const preparedTransaction = text(frame, headEnd, preparedEnd) as Hex
  return { number, forwarded: { request, preparedTransaction } }
}

/** @returns the frame with its length. */
export function encodeAnswerFrame({ number, status, text }: AnswerFrame): Uint8Array {
  const frame = concatBytes(new Uint8Array(answerHeaderBytes), encodeUtf8(text))
  writeAnswerHeader(frame, 0, { number, status, frameBytes: frame.length })
  return frame
}

/** For who writes many answers into one buffer. */
export function writeAnswerHeader(
  target: Uint8Array,
  at: number,
  { number, status, frameBytes }: { number: number; status: number; frameBytes: number },
): void {
  writeUint32(target, at, frameBytes - lengthBytes)
  writeUint32(target, at + 4, number)
  writeUint16(target, at + 8, status)
}

/** @throws {CountersignError} WIRE_INVALID_REQUEST where the bytes are no answer frame */
export function decodeAnswerFrame(frame: Uint8Array): AnswerFrame {
  if (frame.length < answerHeaderBytes) throw malformed('is shorter than its header')
  const status = readUint16(frame, 8)
  if (status < 200 || status > 599) throw malformed('has no HTTP status')
  return { number: readUint32(frame, 4), status, text: text(frame, answerHeaderBytes, frame.length) }
}

/** Cuts a stream of bytes into frames, whatever the pieces in which it arrives. */
export class FrameReader {
  readonly #frameBytesMax: number
  /** A frame, or a length, whose end has not arrived. Of its final size at once: many small pieces cost no more. */
  #partial: Uint8Array | undefined
  #filled = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Whether a frame has begun and not ended. */
  get isInFrame(): boolean {
    return this.#partial !== undefined
  }

  /**
   * The frames that end in `chunk`; one that lies in it whole shares its memory.
   * @throws {CountersignError} WIRE_INVALID_REQUEST, after which the stream cannot be followed any more */
  *read(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0
    while (at < chunk.length) {
      if (this.#partial === undefined) {
        const isLengthHere = chunk.length - at >= lengthBytes
        const wanted = isLengthHere ? this.#frameBytes(chunk, at) : lengthBytes
        if (isLengthHere && at + wanted <= chunk.length) {
          yield chunk.subarray(at, at + wanted)
          at += wanted
          continue
        }
        this.#partial = new Uint8Array(wanted)
        this.#filled = 0
      }
      const piece = chunk.subarray(at, at + this.#partial.length - this.#filled)
      this.#partial.set(piece, this.#filled)
      this.#filled += piece.length
      at += piece.length
      if (this.#filled < this.#partial.length) return
      const whole = this.#partial
      if (whole.length === lengthBytes) {
        this.#partial = new Uint8Array(this.#frameBytes(whole, 0))
        this.#partial.set(whole)
      } else {
        this.#partial = undefined
        yield whole
      }
    }
  }

  #frameBytes(bytes: Uint8Array, at: number): number {
    const frameBytes = lengthBytes + readUint32(bytes, at)
    if (frameBytes > this.#frameBytesMax) throw malformed(`is over ${this.#frameBytesMax} bytes`)
    if (frameBytes < answerHeaderBytes) throw malformed('is shorter than any header')
    return frameBytes
  }
}

/** The headers that travel: a frame has no place for another one. */
function headersOf(frame: Uint8Array, head: string, pathEnd: number): Record<string, string> {
  const headers: Record<string, string> = {}
  let at = pathEnd
  for (let i = 0; i < signedHeaders.length; i++) {
    const chars = readUint16(frame, charsAt + 2 + 2 * i)
    if (chars === absentText) continue
    headers[signedHeaders[i] as string] = head.slice(at, at + chars)
    at += chars
  }
  if (at !== head.length) throw malformed('has a head of another length than its parts')
  return headers
}

function text(frame: Uint8Array, from: number, to: number): string {
  if (from === to) return ''
  try {
    return decodeUtf8(frame.subarray(from, to))
  } catch (cause) {
    throw wireError('WIRE_INVALID_REQUEST', 'A frame of the channel is not UTF-8.', { cause })
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (readUint16(bytes, at) * 0x1_0000 + readUint16(bytes, at + 2)) >>> 0
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  writeUint16(bytes, at, value >>> 16)
  writeUint16(bytes, at + 2, value & 0xffff)
}

function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value & 0xff
}

function invalid(message: string) {
  return wireError('WIRE_INVALID_REQUEST', message)
}

function malformed(what: string) {
  return invalid(`A frame of the channel ${what}.`)
}
