import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { paymentPolicy } from './payment.ts'
import {
  createSignerHome,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

/** Long enough for an answer on a busy machine; a connection that says nothing by then is left waiting. */
const patienceMs = 150

describe('broken HTTP at the real socket', () => {
  let home: SignerHome
  let running: SignerProcess
  let walletId: string
  beforeAll(async () => {
    home = createSignerHome({ backend: 'env' })
    await initHome(home)
    running = await startSigner(home)
    walletId = (await setUp(running, home, paymentPolicy('test'))).id
  })
  afterAll(async () => {
    await running.kill()
    home.remove()
  })

  async function open(): Promise<Socket> {
    const socket = connect({ path: running.socket, allowHalfOpen: true })
    socket.on('error', () => undefined)
    await new Promise((connected) => socket.once('connect', connected))
    return socket
  }

  /** @returns all that came back until the signer closed, or until patience ended. */
  async function exchange(bytes: string | Buffer, { end = false } = {}): Promise<string> {
    const socket = await open()
    let text = ''
    const closed = new Promise((done) => socket.once('close', done).once('end', done))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.write(bytes)
    if (end) socket.end()
    await Promise.race([closed, new Promise((late) => setTimeout(late, patienceMs))])
    socket.destroy()
    return text
  }

  /** Nothing, or answers each of which blames the caller; with a code unless it is Node's own, to what is no HTTP. */
  function expectClientErrors(text: string): void {
    for (const answer of text.split(/(?=HTTP\/1\.1 )/).filter((part) => part !== '')) {
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
      const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
      if (body !== '' && body !== '0\r\n\r\n') expect(body).toMatch(/"code":"[A-Z]+_[A-Z_]+"/)
    }
  }
  const signMessage = () =>
    running.ask('POST', `/v1/wallets/${walletId}/sign-message`, { message: 'hello' }, { by: home.agent })

  const host = 'Host: signer\r\n'
  const post = (headers: string, body = '') => `POST /v1/forward HTTP/1.1\r\n${host}${headers}\r\n\r\n${body}`
  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
    ['another version', `GET /v1/health HTTP/9.9\r\n${host}\r\n`],
    ['no host', 'POST /v1/forward HTTP/1.1\r\n\r\n'],
    ['line feeds only', 'POST /v1/forward HTTP/1.1\nHost: x\n\n'],
    ['a body length that is none', post('Content-Length: many', '{}')],
    ['a negative body length', post('Content-Length: -1', '{}')],
    ['two body lengths', post('Content-Length: 2\r\nContent-Length: 3', '{}}')],
    ['length and chunks', post('Content-Length: 2\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
    ['chunks that are none', post('Transfer-Encoding: chunked', 'zz\r\n{}\r\n0\r\n\r\n')],
    ['a zero in a header', post('X: a\0b', '')],
    ['a header of 100,000 characters', post(`X: ${'a'.repeat(100_000)}`)],
    ['10,000 headers', post(Array.from({ length: 10_000 }, (_, i) => `x${i}: 1`).join('\r\n'))],
    ['a path of 100,000 characters', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${host}\r\n`],
    ['an upgrade', `GET /v1/forward HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
    ['CONNECT', `CONNECT /v1/forward HTTP/1.1\r\n${host}\r\n`],
    ['an absolute path', `GET http://signer/v1/policies HTTP/1.1\r\n${host}\r\n`],
    ['several at once', `${post('Content-Length: 2', '{}')}${post('Content-Length: 4', 'null')}`],
    ['bytes that are no UTF-8', Buffer.from(post('Content-Length: 4', '\xff\xfe\xc0\x80'), 'latin1')],
    ['an unknown expectation', post('Expect: a-miracle\r\nContent-Length: 2', '{}')],
  ])('%s', async (_name, bytes) => {
    expectClientErrors(await exchange(bytes))
    expectClientErrors(await exchange(bytes, { end: true }))
  })

  it('an upgrade or a tunnel is never granted', async () => {
    for (const method of ['GET', 'CONNECT']) {
      const head = `${method} /v1/health HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`
      expect(await exchange(head)).not.toMatch(/ 101 /)
    }
  })

  it('hundreds of random ones', async () => {
    const line = fc.oneof(
      fc.constantFrom('POST /v1/forward HTTP/1.1', 'GET / HTTP/1.1', 'Host: x', 'Content-Length: 5', ''),
      fc.constantFrom('Transfer-Encoding: chunked', 'Connection: close', '5', '0', '{"request":{}}'),
      fc.string({ unit: 'binary', maxLength: 60 }),
    )
    const messages = fc.sample(
      fc.tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('\r\n', '\n', '\r')),
      { numRuns: 400 },
    )
    const queue = messages.map(([lines, between]) => `${lines.join(between)}${between}${between}`)
    const worker = async () => {
      for (let text = queue.pop(); text !== undefined; text = queue.pop())
        expectClientErrors(await exchange(text, { end: text.length % 2 === 0 }))
    }
    await Promise.all(Array.from({ length: 40 }, worker))
  })

  it('a body that is too large is answered with 413, whether it says so or not', async () => {
    const chunk = 'a'.repeat(100_000)
    const chunked = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(50)
    const large = [
      post('Content-Length: 5000000', chunk.repeat(50)),
      post('Transfer-Encoding: chunked', `${chunked}0\r\n\r\n`),
    ]
    for (const bytes of large) {
      const answer = await exchange(bytes)
      expect(answer).toMatch(/^HTTP\/1\.1 413 /)
      expect(answer).toContain('WIRE_BODY_TOO_LARGE')
    }
  })

  it('callers that go away, stop half way or never finish keep nobody waiting', async () => {
    const slow: Socket[] = []
    for (let i = 0; i < 200; i++) {
      const socket = await open()
      socket.write(post('Content-Length: 1000', '{"request":'))
      if (i % 3 === 0) socket.destroy()
      else if (i % 3 === 1) socket.end()
      slow.push(socket)
    }
    expect((await signMessage()).status).toBe(200)
    for (const socket of slow) socket.destroy()
    expect((await signMessage()).status).toBe(200)
  })

  it('and the signer has neither halted nor logged a bug', async () => {
    expect((await signMessage()).status).toBe(200)
    expect((await running.get('/v1/health')).body).toEqual({ phase: 'ready' })
    expect(running.output()).not.toMatch(/"level":"(error|fatal)"/)
  })
})
