import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import {
  channelProtocol,
  decodeRequestFrame,
  encodeAnswerFrame,
  FrameReader,
  type RequestFrame,
  type SignedRequest,
} from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openMetrics } from './metrics.ts'
import { type ChannelTimes, openSignerChannel, type SignerChannel } from './signer-channel.ts'
import { openSignerClient } from './signer-client.ts'

const requestWith = (body: string): SignedRequest => ({ method: 'POST', path: '/v1/x', headers: {}, body })
const times: ChannelTimes = { connectMs: 1_000, answerMs: 5_000, idleMs: 5_000 }

describe('the engine’s channel to the signer', () => {
  let folder: string
  let path: string
  let server: Server | undefined
  let connections: Duplex[]
  /** Each request frame that the signer's double received, on any connection. */
  let received: RequestFrame[]
  let channel: SignerChannel | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-channel-'))
    path = join(folder, 'signer.sock')
    connections = []
    received = []
  })
  afterEach(async () => {
    channel?.close()
    channel = undefined
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })

  type Answer = (frame: RequestFrame, connection: Duplex) => void
  const echo: Answer = ({ number, forwarded }, connection) =>
    connection.write(encodeAnswerFrame({ number, status: 200, text: forwarded.request.body }))
  async function start(answer: Answer = echo) {
    server = createServer((_request, response) => response.writeHead(503).end())
    server.on('upgrade', (_request, connection, head) => {
      const reader = new FrameReader(5_000_000)
      connections.push(connection)
      const read = (chunk: Uint8Array) => {
        for (const bytes of reader.read(chunk)) {
          const frame = decodeRequestFrame(bytes)
          received.push(frame)
          answer(frame, connection)
        }
      }
      connection.on('error', () => undefined).on('data', read)
      connection.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${channelProtocol}\r\n\r\n`,
      )
      read(head)
    })
    await new Promise<void>((done) => server?.listen(path, done))
  }
  async function stop() {
    for (const connection of connections.splice(0)) connection.destroy()
    server?.closeAllConnections()
    await new Promise((done) => (server === undefined ? done(undefined) : server.close(done)))
    server = undefined
  }
  const open = (change: Partial<ChannelTimes> = {}) => {
    channel = openSignerChannel(path, { ...times, ...change })
    return channel
  }
  const ask = (body: string) => (channel as SignerChannel).forward({ request: requestWith(body) })

  it('keeps many requests apart on one connection, whatever the order of their answers', async () => {
    const late: (() => void)[] = []
    await start((frame, connection) => {
      if (frame.number % 2 === 0) late.push(() => echo(frame, connection))
      else echo(frame, connection)
      if (late.length === 50) for (const answer of late.reverse()) answer()
    })
    open()
    const bodies = Array.from({ length: 100 }, (_, i) => `{"i":${i},"text":"é"}`)
    const answers = await Promise.all(bodies.map(ask))
    expect(answers.map(({ text }) => text)).toEqual(bodies)
    expect(connections).toHaveLength(1)
    expect(received.map(({ number }) => number)).toEqual(bodies.map((_, i) => i))
  })

  it('fails what is in flight when the signer goes away, sends none of it again, and connects anew', async () => {
    await start(({ number, forwarded }, connection) => {
      if (forwarded.request.body === 'die') connection.destroy()
      else if (forwarded.request.body !== 'hold') echo({ number, forwarded }, connection)
    })
    open()
    const lost = [ask('hold'), ask('hold'), ask('die')]
    for (const result of await Promise.allSettled(lost)) expect(result.status).toBe('rejected')
    expect((await ask('after')).text).toBe('after')
    expect(received.map(({ forwarded }) => forwarded.request.body)).toEqual(['hold', 'hold', 'die', 'after'])
    await stop()
    await expect(ask('while it is down')).rejects.toThrow()
    await start()
    expect((await ask('restarted')).text).toBe('restarted')
    expect(received.at(-1)?.number).toBe(0)
  })

  it.each([
    ['an answer to what was not asked', encodeAnswerFrame({ number: 9, status: 200, text: '{}' })],
    ['a status that is none', encodeAnswerFrame({ number: 0, status: 7, text: '{}' })],
    [
      'text that is no UTF-8',
      Buffer.from(encodeAnswerFrame({ number: 0, status: 200, text: 'aa' })).fill(0xff, 10),
    ],
    ['a length over every limit', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['HTTP', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
  ])('takes %s for the end of the channel, not for an answer', async (_name, bytes) => {
    await start((_frame, connection) => connection.write(bytes))
    const client = openSignerClient(path, openMetrics())
    // Never the code of the reader's own error: the signer may have signed.
    await expect(client.forward(requestWith('a'))).rejects.toMatchObject({ code: 'WIRE_SIGNER_UNAVAILABLE' })
    await client.close()
  })

  it('says that the signer is unavailable where there is none, or where it opens no channel', async () => {
    const client = openSignerClient(path, openMetrics())
    await expect(client.forward(requestWith('a'))).rejects.toMatchObject({
      code: 'WIRE_SIGNER_UNAVAILABLE',
      message: expect.stringContaining('ENOENT'),
    })
    await start()
    server?.removeAllListeners('upgrade')
    await expect(client.forward(requestWith('a'))).rejects.toMatchObject({ code: 'WIRE_SIGNER_UNAVAILABLE' })
    await client.close()
  })

  it('gives up on one answer without giving it to another, or giving up on the others', async () => {
    let answerLate = () => {}
    await start((frame, connection) => {
      if (frame.forwarded.request.body === 'late') answerLate = () => echo(frame, connection)
      else echo(frame, connection)
    })
    open({ answerMs: 300 })
    await expect(ask('late')).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    answerLate()
    expect((await ask('next')).text).toBe('next')
    expect(connections).toHaveLength(1)
  })

  it('closes a connection that nobody uses, and opens another when it is needed', async () => {
    await start()
    open({ idleMs: 100 })
    expect((await ask('a')).text).toBe('a')
    await expect.poll(() => connections[0]?.readableEnded).toBe(true)
    expect((await ask('b')).text).toBe('b')
    expect(connections).toHaveLength(2)
  })

  it('refuses by itself what no frame has a form for, and sends nothing', async () => {
    await start()
    open()
    await expect(ask('\ud800')).rejects.toMatchObject({ code: 'WIRE_INVALID_BODY' })
    await expect(ask('a'.repeat(4_600_000))).rejects.toMatchObject({ code: 'WIRE_BODY_TOO_LARGE' })
    expect((await ask('a')).text).toBe('a')
    expect(received).toHaveLength(1)
  })

  it('fails what is in flight when it is closed', async () => {
    await start(() => undefined)
    open()
    const waiting = ask('a')
    await expect.poll(() => received.length).toBe(1)
    channel?.close()
    await expect(waiting).rejects.toThrow()
    await expect(ask('b')).rejects.toThrow()
  })
})
