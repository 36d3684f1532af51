import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientRequest, request as openRequest } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AnswerFrame,
  channelPath,
  channelProtocol,
  decodeAnswerFrame,
  encodeRequestFrame,
  type ForwardedRequest,
  FrameReader,
  wireError,
} from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ChannelLimits, channelLimits } from './channel.ts'
import { listen } from './server.ts'
import type { Answer } from './signer.ts'

const frameOf = (number: number, body = '', path = '/v1/x') =>
  encodeRequestFrame(
    number,
    { request: { method: 'POST', path, headers: {}, body } },
    channelLimits.frameBytesMax,
  )

/** A peer that reads what it is sent only when a test lets it. */
class Peer {
  readonly answers: AnswerFrame[] = []
  readonly socket: Socket
  readonly closed: Promise<void>
  readonly #reader = new FrameReader(16_000_000)

  constructor(socket: Socket, head: Uint8Array) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    const read = (chunk: Uint8Array) => {
      for (const frame of this.#reader.read(chunk)) this.answers.push(decodeAnswerFrame(frame))
    }
    socket.on('error', () => undefined)
    socket.on('data', read)
    read(head)
  }

  async until(answers: number): Promise<readonly AnswerFrame[]> {
    await expect.poll(() => this.answers.length, { timeout: 5_000 }).toBeGreaterThanOrEqual(answers)
    return this.answers
  }
}

describe('a channel', () => {
  let folder: string
  let path: string
  let door: { close(): Promise<void> } | undefined
  let bugs: unknown[]
  let forwarded: ForwardedRequest[]
  /** What a test answers by hand, in the order in which it was asked. */
  let held: ((answer: Answer) => void)[]
  const peers: Peer[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-channel-'))
    path = join(folder, 'run', 'signer.sock')
    bugs = []
    forwarded = []
    held = []
  })
  afterEach(async () => {
    for (const { socket } of peers.splice(0)) socket.destroy()
    for (const release of held) release({ status: 200, body: {} })
    await door?.close()
    door = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  async function answer(request: ForwardedRequest): Promise<Answer> {
    forwarded.push(request)
    const { body } = request.request
    if (body === 'hold') return new Promise((resolve) => held.push(resolve))
    if (body === 'large') return { status: 200, body: { large: 'y'.repeat(50_000) } }
    if (body === 'refuse') throw wireError('WIRE_STALE', 'It is old.')
    if (body === 'bug') throw new TypeError('a secret')
    if (body === 'unwritable') return { status: 200, body: { money: 1n } }
    return { status: 200, body: { echo: body.length < 100 ? body : body.length } }
  }
  async function open(limits: Partial<ChannelLimits> = {}) {
    const handle = async () => ({ status: 200, body: { plain: true } })
    const options = { path, group: undefined, channelLimits: { ...channelLimits, ...limits } }
    door = await listen(options, { handle, forward: answer }, (error) => bugs.push(error))
  }
  const upgrade = (
    headers: Record<string, string> = { connection: 'Upgrade', upgrade: channelProtocol },
    asked = channelPath,
  ): ClientRequest => openRequest({ socketPath: path, path: asked, headers, agent: false }).end()
  const connect = () =>
    new Promise<Peer>((resolve, reject) => {
      const request = upgrade()
      request.on('upgrade', (_response, socket, head) => {
        peers.push(new Peer(socket as Socket, head))
        resolve(peers.at(-1) as Peer)
      })
      request.on('response', (response) => reject(new Error(`not upgraded: ${response.statusCode}`)))
      request.on('error', reject)
    })
  const plain = (request: ClientRequest) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      request.on('error', reject).on('upgrade', () => reject(new Error('upgraded')))
      request.on('response', async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode, text })
      })
    })

  it('answers many requests, those first that are ready first', async () => {
    await open()
    const peer = await connect()
    peer.socket.write(
      Buffer.concat([frameOf(0, 'hold'), frameOf(1, 'a'), frameOf(2, 'hold'), frameOf(3, 'é')]),
    )
    await peer.until(2)
    held[1]?.({ status: 201, body: { late: 2 } })
    await peer.until(3)
    held[0]?.({ status: 403, body: { late: 0 } })
    expect(await peer.until(4)).toEqual([
      { number: 1, status: 200, text: '{"echo":"a"}' },
      { number: 3, status: 200, text: '{"echo":"é"}' },
      { number: 2, status: 201, text: '{"late":2}' },
      { number: 0, status: 403, text: '{"late":0}' },
    ])
    expect(forwarded[1]).toEqual({ request: { method: 'POST', path: '/v1/x', headers: {}, body: 'a' } })
  })

  it('gives refusals their code, and bugs none of their text', async () => {
    await open()
    const peer = await connect()
    peer.socket.write(Buffer.concat([frameOf(0, 'refuse'), frameOf(1, 'bug'), frameOf(2, 'unwritable')]))
    const answers = (await peer.until(3)).toSorted((a, b) => a.number - b.number)
    expect(answers.map(({ status }) => status)).toEqual([401, 500, 500])
    expect(answers[0]?.text).toContain('WIRE_STALE')
    for (const { text } of answers.slice(1)) {
      expect(text).toContain('SIGNER_BUG')
      expect(text).not.toContain('secret')
    }
    expect(bugs).toHaveLength(2)
  })

  it('reads frames in whatever pieces they come', async () => {
    await open()
    const peer = await connect()
    const bytes = Buffer.concat([frameOf(0, 'a'), frameOf(1, 'b'.repeat(200_000)), frameOf(2, 'c')])
    for (const byte of bytes.subarray(0, 80)) peer.socket.write(Uint8Array.of(byte))
    peer.socket.write(bytes.subarray(80))
    const texts = (await peer.until(3)).map(({ text }) => text)
    expect(texts).toEqual(['{"echo":"a"}', '{"echo":200000}', '{"echo":"c"}'])
  })

  it('is granted for its own path and protocol only', async () => {
    await open({ channelsMax: 1 })
    for (const headers of [{}, { upgrade: 'websocket' }, { upgrade: `${channelProtocol}, x` }]) {
      expect(await plain(upgrade({ connection: 'Upgrade', ...headers }))).toMatchObject({ status: 200 })
    }
    expect(
      await plain(upgrade({ connection: 'Upgrade', upgrade: channelProtocol }, '/v1/health')),
    ).toMatchObject({ text: '{"plain":true}' })
    await connect()
    const full = await plain(upgrade())
    expect(full.status).toBe(503)
    expect(full.text).toContain('SIGNER_BUSY')
    peers[0]?.socket.destroy()
    await expect.poll(() => connect().then(() => 'open')).toBe('open')
  })

  it.each([
    ['a number again', Buffer.concat([frameOf(0), frameOf(0)])],
    ['a number that is not the next', frameOf(1)],
    ['the last number first', frameOf(0xffff_ffff)],
    ['a length over the limit', Buffer.from([0x00, 0x50, 0, 0, 0])],
    ['the largest length', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['no length', Buffer.from([0, 0, 0, 0])],
    ['HTTP', Buffer.from('GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['no UTF-8', Buffer.from(frameOf(0, 'aaaa')).fill(0xff, -2 + frameOf(0, 'aaaa').length)],
    ['another method', Buffer.from(frameOf(0)).fill(9, 8, 9)],
  ])('is closed by %s, and no other channel is', async (_name, bytes) => {
    await open()
    const [bad, good] = [await connect(), await connect()]
    good.socket.write(frameOf(0, 'hold'))
    bad.socket.write(bytes)
    await bad.closed
    held.at(-1)?.({ status: 200, body: {} })
    good.socket.write(frameOf(1, 'a'))
    await good.until(2)
    expect(bugs).toEqual([])
  })

  it('takes so many requests at once and answers the next with SIGNER_BUSY', async () => {
    await open({ inFlightMax: 3 })
    const peer = await connect()
    for (let number = 0; number < 4; number++) peer.socket.write(frameOf(number, 'hold'))
    const [busy] = await peer.until(1)
    expect(busy).toMatchObject({ number: 3, status: 503 })
    expect(busy?.text).toContain('SIGNER_BUSY')
    expect(forwarded).toHaveLength(3)
    held[0]?.({ status: 200, body: {} })
    await peer.until(2)
    peer.socket.write(frameOf(4, 'a'))
    expect((await peer.until(3)).at(-1)).toMatchObject({ number: 4, status: 200 })
  })

  it('shares the limit of the whole signer with every other door', async () => {
    await open({ inFlightMax: 5_000 })
    const peer = await connect()
    const many = Array.from({ length: 2_049 }, (_, number) => frameOf(number, 'hold'))
    peer.socket.write(Buffer.concat(many))
    expect((await peer.until(1))[0]).toMatchObject({ number: 2_048, status: 503 })
    expect((await plain(upgrade({}, '/v1/health'))).status).toBe(503)
    for (const release of held) release({ status: 200, body: {} })
    await peer.until(2_049)
    expect((await plain(upgrade({}, '/v1/health'))).status).toBe(200)
  })

  it('does not read on while its requests in flight are too large', async () => {
    await open({ requestBytesMax: 200_000, patienceMs: 100 })
    const peer = await connect()
    for (let number = 0; number < 40; number++)
      peer.socket.write(frameOf(number, 'hold', `/${'x'.repeat(60_000)}`))
    await expect.poll(() => forwarded.length).toBeGreaterThanOrEqual(4)
    // Longer than a frame may take: that nothing is read is not the peer's fault.
    await new Promise((later) => setTimeout(later, 400))
    expect(forwarded.length).toBeLessThan(10)
    for (let done = 0; done < 40; done++) {
      await expect.poll(() => held.length).toBeGreaterThan(done)
      held[done]?.({ status: 200, body: {} })
    }
    await peer.until(40)
  })

  it('does not read on while its answers are not read, and ends when they never are', async () => {
    await open({ answerBytesMax: 100_000, patienceMs: 500 })
    const peer = await connect()
    peer.socket.pause()
    for (let number = 0; number < 200; number++)
      peer.socket.write(frameOf(number, 'large', `/${'x'.repeat(40_000)}`))
    await expect.poll(() => forwarded.length).toBeGreaterThan(0)
    await new Promise((later) => setTimeout(later, 1_500))
    expect(forwarded.length).toBeLessThan(50)
    // The other end is gone: what was answered can still be read, then the end.
    peer.socket.resume()
    await peer.closed
    expect(peer.answers.length).toBeLessThan(50)
  })

  it('ends where a frame is never finished, and where nothing is asked', async () => {
    await open({ patienceMs: 200, idleMs: 600 })
    const [slow, idle, busy] = [await connect(), await connect(), await connect()]
    busy.socket.write(frameOf(0, 'hold'))
    // Of so many bytes that no drip ends it.
    slow.socket.write(frameOf(0, 'abc'.repeat(10_000)).subarray(0, 20))
    const drip = setInterval(() => slow.socket.write(Uint8Array.of(0)), 50)
    await slow.closed
    clearInterval(drip)
    await idle.closed
    held[0]?.({ status: 200, body: {} })
    await busy.until(1)
  })

  it('answers a peer that has nothing more to ask, then ends', async () => {
    await open()
    const peer = await connect()
    peer.socket.write(frameOf(0, 'hold'))
    peer.socket.end()
    await expect.poll(() => held.length).toBe(1)
    await new Promise((later) => setTimeout(later, 50))
    held[0]?.({ status: 200, body: { last: true } })
    await peer.closed
    expect(peer.answers).toEqual([{ number: 0, status: 200, text: '{"last":true}' }])
  })

  it('forgets a peer that goes away in the middle', async () => {
    await open({ channelsMax: 1 })
    const peer = await connect()
    peer.socket.write(frameOf(0, 'hold'))
    await expect.poll(() => held.length).toBe(1)
    peer.socket.destroy()
    // Until this is answered it looks like a peer that only has nothing more to ask.
    held[0]?.({ status: 200, body: {} })
    await expect.poll(() => connect().then(() => 'open')).toBe('open')
    const next = peers.at(-1) as Peer
    next.socket.write(frameOf(0, 'a'))
    expect(await next.until(1)).toHaveLength(1)
  })

  it('is ended by a stop only once what is in flight has been answered', async () => {
    await open()
    const peer = await connect()
    peer.socket.write(frameOf(0, 'hold'))
    await expect.poll(() => held.length).toBe(1)
    let isClosed = false
    const closing = door?.close().then(() => {
      isClosed = true
    })
    peer.socket.write(frameOf(1, 'a'))
    await new Promise((later) => setTimeout(later, 100))
    expect(isClosed).toBe(false)
    expect(forwarded).toHaveLength(1)
    held[0]?.({ status: 200, body: {} })
    await closing
    door = undefined
    await peer.closed
    expect(peer.answers.map(({ number }) => number)).toEqual([0])
  })
})
