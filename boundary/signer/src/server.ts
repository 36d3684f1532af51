import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { isCountersignError } from '@countersign/bytes'
import { channelPath, channelProtocol, type ForwardedRequest, wireError } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type ChannelLimits, type Load, openChannels } from './channel.ts'
import { openDirectory } from './open-signer.ts'
import { type Answer, textOf } from './signer.ts'

/** A forwarded request carries a body of at most 1,000,000 characters as a JSON string, and a prepared transaction. */
export const bodyBytesMax = 4_500_000
/** Of all requests in flight together; what comes over a channel has limits of its own. */
export const bodiesBytesMax = 64_000_000
const inFlightMax = 2_048
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const keepAliveTimeoutMs = 60_000

/** @param text The body; empty where there is none. */
export type Handle = (method: string, path: string, text: string) => Promise<Answer>

/** Who answers behind the door: plain requests by `handle`, those of a channel by `forward`. */
export interface Answerer {
  readonly handle: Handle
  readonly forward: (forwarded: ForwardedRequest) => Promise<Answer>
}

export interface Door {
  readonly path: string
  /** Group whose members may connect; they can reach nothing else. Undefined: the signer's own user only. */
  readonly group: number | undefined
  /** Tests. */
  readonly channelLimits?: ChannelLimits
}

/**
 * The signer's only door: HTTP on a unix socket (directory 0700, socket 0600) that its own user alone can open, or a
 * named group too (0710, 0660). A connection can become a channel, which costs a fraction per request.
 * @throws {CountersignError} SIGNER_PERMISSIONS, SIGNER_STORE_LOCKED where a live signer listens there already */
export async function listen(
  { path, group, channelLimits }: Door,
  { handle, forward }: Answerer,
  onBug: (error: unknown) => void,
): Promise<{ close(): Promise<void> }> {
  await openDoorDirectory(dirname(path), group)
  await removeStale(path)
  const load = openLoad()
  const bodies: Bodies = { bytes: 0 }
  const limits = channelLimits === undefined ? {} : { limits: channelLimits }
  const channels = openChannels({ load, forward, failed: errorAnswer, onBug, ...limits })
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // Any other upgrade is served as the plain request that it is too.
    shouldUpgradeCallback: (request) => isForChannel(request) && !channels.isFull(),
  })
  server.on('upgrade', (_request, socket, head) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${channelProtocol}\r\n\r\n`,
    )
    channels.open(socket, head)
  })
  server.on('request', (request, response) => {
    if (isForChannel(request)) {
      send(response, errorAnswer(signerError('SIGNER_BUSY', 'Too many channels are open.')))
      return
    }
    if (!load.enter()) {
      send(
        response,
        errorAnswer(signerError('SIGNER_BUSY', `More than ${inFlightMax} requests are in flight.`)),
      )
      return
    }
    serve(request, response, { handle, onBug, bodies }).finally(() => load.leave())
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  // The socket is made under a mask that leaves it to this user, before anybody could connect.
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  } finally {
    process.umask(mask)
  }
  if (group === undefined) await chmod(path, 0o600)
  else {
    await chown(path, process.getuid?.() ?? 0, group)
    await chmod(path, 0o660)
  }
  return {
    async close() {
      const closed = closeServer(server)
      await channels.close()
      await closed
    },
  }
}

function openLoad(): Load {
  let inFlight = 0
  return {
    enter() {
      if (inFlight >= inFlightMax) return false
      inFlight++
      return true
    },
    leave() {
      inFlight--
    },
  }
}

function isForChannel({ method, url, headers }: IncomingMessage): boolean {
  return method === 'GET' && url === channelPath && headers.upgrade === channelProtocol
}

async function openDoorDirectory(path: string, group: number | undefined): Promise<void> {
  if (group === undefined) return openDirectory(path)
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chown(path, process.getuid?.() ?? 0, group)
  await chmod(path, 0o710)
}

/** What has come of the bodies of requests that have not been answered. */
interface Bodies {
  bytes: number
}

interface Serving {
  readonly handle: Handle
  readonly onBug: (error: unknown) => void
  readonly bodies: Bodies
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { handle, onBug, bodies }: Serving,
): Promise<void> {
  let held = 0
  const hold = (bytes: number) => {
    if (bodies.bytes + bytes > bodiesBytesMax)
      throw signerError('SIGNER_BUSY', `The requests in flight are of over ${bodiesBytesMax} bytes.`)
    bodies.bytes += bytes
    held += bytes
  }
  try {
    const text = await readBody(request, hold)
    send(response, await handle(request.method ?? 'GET', request.url ?? '/', text))
  } catch (error) {
    if (!isCountersignError(error)) onBug(error)
    send(response, errorAnswer(error))
  } finally {
    bodies.bytes -= held
  }
}

/** What is no typed error is a bug: its text could hold anything, so the caller does not see it. */
export function errorAnswer(error: unknown): Answer {
  if (isCountersignError(error)) return { status: error.status, body: { error: error.toJSON() } }
  return errorAnswer(
    signerError('SIGNER_BUG', 'The signer met an error that it does not know; nothing was signed.'),
  )
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

async function readBody(request: IncomingMessage, hold: (bytes: number) => void): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bodyBytesMax)
        throw wireError('WIRE_BODY_TOO_LARGE', `The body is over ${bodyBytesMax} bytes.`)
      hold(chunk.length)
      chunks.push(chunk)
    }
  } catch (cause) {
    if (isCountersignError(cause)) throw cause
    throw wireError('WIRE_INVALID_REQUEST', 'The caller went away before its request was complete.', {
      cause,
    })
  }
  try {
    return utf8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
  } catch (cause) {
    throw wireError('WIRE_INVALID_BODY', 'The body is not UTF-8.', { cause })
  }
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.writableEnded || response.destroyed) return
  const bytes = Buffer.from(textOf(answer))
  response.writeHead(answer.status, { 'content-type': 'application/json', 'content-length': bytes.length })
  response.end(bytes)
}

/** A socket file that a killed signer left behind goes; one that answers stays, and this start fails. */
async function removeStale(path: string): Promise<void> {
  const isAlive = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
  if (isAlive) throw signerError('SIGNER_STORE_LOCKED', `A signer is listening on ${path} already.`)
  await rm(path, { force: true })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}
