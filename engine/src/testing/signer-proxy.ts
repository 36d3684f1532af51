import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  channelPath,
  channelProtocol,
  decodeRequestFrame,
  encodeAnswerFrame,
  FrameReader,
  type RequestFrame,
} from '@countersign/wire'
import { Pool } from 'undici'

/** Stands between engine and signer and loses, delays or answers what a test says. */
export interface SignerProxy {
  /** `lose`: the signer works, but its answer never arrives. `block`: the request does not arrive either. */
  mode: 'pass' | 'lose' | 'block'
  readonly forwarded: string[]
  close(): Promise<void>
}

export async function openSignerProxy(path: string, signerSocket: string): Promise<SignerProxy> {
  const pool = new Pool('http://signer', { socketPath: signerSocket, connections: 16 })
  const channels = new Set<Duplex>()
  const proxy: SignerProxy = {
    mode: 'pass',
    forwarded: [],
    async close() {
      for (const channel of channels) channel.destroy()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await pool.close()
    },
  }
  async function ask(method: 'GET' | 'POST', askedPath: string, body: string) {
    const json = body === '' ? {} : { body, headers: { 'content-type': 'application/json' } }
    const answer = await pool.request({ method, path: askedPath, ...json })
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  const server = createServer(async (request, response) => {
    const { status, text } = await ask('GET', request.url as string, '')
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(text)
  })
  async function pass(channel: Duplex, { number, forwarded }: RequestFrame) {
    const body = JSON.stringify(forwarded)
    proxy.forwarded.push(body)
    if (proxy.mode === 'block') return void channel.destroy()
    const answer = await ask('POST', '/v1/forward', body)
    if (proxy.mode === 'lose') return void channel.destroy()
    channel.write(encodeAnswerFrame({ number, ...answer }))
  }
  server.on('upgrade', (request, channel, head) => {
    if (request.url !== channelPath) return void channel.destroy()
    const reader = new FrameReader(16_000_000)
    const read = (chunk: Uint8Array) => {
      for (const frame of reader.read(chunk)) void pass(channel, decodeRequestFrame(frame))
    }
    channels.add(channel)
    channel.on('close', () => channels.delete(channel)).on('error', () => undefined)
    channel.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${channelProtocol}\r\n\r\n`,
    )
    channel.on('data', read)
    read(head)
  })
  await new Promise<void>((done) => server.listen(path, done))
  return proxy
}
