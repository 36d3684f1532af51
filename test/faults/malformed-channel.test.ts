import { request as openRequest } from 'node:http'
import type { Socket } from 'node:net'
import {
  type AnswerFrame,
  channelPath,
  channelProtocol,
  decodeAnswerFrame,
  encodeRequestFrame,
  type ForwardedRequest,
  FrameReader,
  signedHeaders,
} from '@countersign/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSignerChannel } from '../../engine/src/signer-channel.ts'
import { anyJson, anyPath, anyText, edit } from './malformed.ts'
import { paymentPolicy } from './payment.ts'
import {
  createSignerHome,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

const frameBytesMax = 4_500_000
/** Ten thousand in all. */
const runs = { streams: 2_000, edits: 5_000, requests: 3_000 }
/** Long enough for an answer on a busy machine. */
const patienceMs = 60

describe('broken frames at the real socket', () => {
  let home: SignerHome
  let running: SignerProcess
  let walletId: string
  let good: ForwardedRequest
  beforeAll(async () => {
    home = createSignerHome({ backend: 'env' })
    await initHome(home)
    running = await startSigner(home)
    walletId = (await setUp(running, home, paymentPolicy('test'))).id
    good = await signed()
  })
  afterAll(async () => {
    await running.kill()
    home.remove()
  })

  const signed = () =>
    running.signed('POST', `/v1/wallets/${walletId}/sign-message`, { message: 'hello' }, { by: home.agent })

  async function connect(): Promise<Socket> {
    const headers = { connection: 'Upgrade', upgrade: channelProtocol }
    const request = openRequest({
      socketPath: running.socket,
      path: channelPath,
      headers,
      agent: false,
    }).end()
    const socket = await new Promise<Socket>((resolve, reject) => {
      request.on('upgrade', (_response, upgraded) => resolve(upgraded as Socket))
      request.on('response', ({ statusCode }) => reject(new Error(`no channel: ${statusCode}`)))
      request.on('error', reject)
    })
    return socket.on('error', () => undefined)
  }

  /** @returns what was answered until the signer closed the channel, or until patience ended. */
  async function exchange(bytes: Uint8Array): Promise<AnswerFrame[]> {
    const socket = await connect()
    const reader = new FrameReader(16_000_000)
    const answers: AnswerFrame[] = []
    const closed = new Promise((done) => socket.once('close', done).once('end', done))
    socket.on('data', (chunk) => {
      for (const frame of reader.read(chunk)) answers.push(decodeAnswerFrame(frame))
    })
    socket.write(bytes)
    await Promise.race([closed, new Promise((late) => setTimeout(late, patienceMs))])
    socket.destroy()
    return answers
  }

  function expectRefused({ status, text }: { status: number; text: string }) {
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    expect(JSON.parse(text).error.code).toMatch(/^[A-Z]+_[A-Z_]+$/)
  }

  /** Some at a time, below the signer's limit of channels. */
  async function onManyChannels(streams: readonly Uint8Array[]) {
    const queue = [...streams]
    const worker = async () => {
      for (let bytes = queue.pop(); bytes !== undefined; bytes = queue.pop())
        for (const answer of await exchange(bytes)) expectRefused(answer)
    }
    await Promise.all(Array.from({ length: 12 }, worker))
  }

  it('random streams', async () => {
    const frame = fc
      .tuple(fc.nat(40), fc.uint8Array({ minLength: 6, maxLength: 60 }))
      .map(([number, bytes]) => {
        const whole = Buffer.concat([
          Buffer.from([0, 0, 0, bytes.length, 0, 0, 0, number]),
          bytes.subarray(4),
        ])
        return new Uint8Array(whole)
      })
    const stream = fc.array(fc.oneof(frame, fc.uint8Array({ maxLength: 50 })), { minLength: 1, maxLength: 5 })
    const streams = fc.sample(stream, runs.streams / 5)
    await onManyChannels(streams.map((parts) => Buffer.concat(parts)))
    await onManyChannels(
      Array.from({ length: (runs.streams / 5) * 4 }, (_, i) =>
        Uint8Array.of(i >> 8, i & 0xff, (i * 7) & 0xff, 0xff),
      ).filter(([first]) => first !== 0),
    )
  }, 120_000)

  it('good frames with a few bytes changed, cut out or doubled', async () => {
    const bytes = encodeRequestFrame(0, good, frameBytesMax)
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(3))
    const changed = fc.sample(fc.array(change, { minLength: 1, maxLength: 3 }), runs.edits)
    const broken = changed.map((edits) => {
      let result = bytes
      for (const [at, flip, how] of edits) {
        const i = at % result.length
        const [before, after] = [result.subarray(0, i), result.subarray(i)]
        if (how === 0) result = Buffer.concat([before, after.subarray(1)])
        else if (how === 1) result = Buffer.concat([before, Uint8Array.of(flip), after])
        else if (how === 2) result = Buffer.concat([before, after, after])
        else result = Buffer.concat([before, Uint8Array.of((after[0] as number) ^ flip), after.subarray(1)])
      }
      return result
    })
    // The whole frame is good, whatever comes after it: where its last two bytes are doubled it may be answered.
    const isBroken = (result: Uint8Array) => Buffer.compare(result.subarray(0, bytes.length), bytes) !== 0
    // Many start alike, so each on a channel of its own.
    await onManyChannels(broken.slice(0, 600).filter(isBroken))
    // The rest with the length put right: what is inside is then for the decoder, and for the signer behind it.
    for (const result of broken.slice(600))
      new DataView(result.buffer, result.byteOffset).setUint32(0, result.length - 4)
    await onManyChannels(broken.slice(600).filter(isBroken))
  }, 300_000)

  it('well-framed requests that are not good, on one channel, with the codes of the plain route', async () => {
    const channel = openSignerChannel(running.socket)
    const { request } = good
    const headers = fc.oneof(
      fc.constant(request.headers),
      fc.tuple(fc.constantFrom(...signedHeaders), edit).map(([name, change]) => ({
        ...request.headers,
        [name]: change(request.headers[name] ?? ''),
      })),
      fc.dictionary(fc.constantFrom(...signedHeaders), fc.string({ maxLength: 40 }), { maxKeys: 6 }),
    )
    const path = fc.oneof(
      anyPath,
      edit.map((change) => change(request.path)),
    )
    const body = fc.oneof(
      anyText,
      edit.map((change) => change(request.body)),
    )
    const prepared = fc.oneof(
      fc.constant({}),
      anyJson.map((json) => ({ preparedTransaction: String(JSON.stringify(json)) })),
    )
    const broken = fc.sample(
      fc.tuple(fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'), path, headers, body, prepared),
      runs.requests,
    )
    let compared = 0
    const queue = broken.filter(([, ...parts]) => JSON.stringify(parts).isWellFormed())
    const worker = async () => {
      for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
        const [method, path, headers, body, prepared] = one
        const forwarded = { request: { method, path, headers, body }, ...prepared } as ForwardedRequest
        const texts = [path, body, ...Object.values(headers)]
        if (!texts.every((text) => text.isWellFormed())) continue
        const answer = await channel.forward(forwarded)
        expectRefused(answer)
        if (compared++ % 10 === 0) {
          const plain = await running.post('/v1/forward', forwarded)
          expect([answer.status, JSON.parse(answer.text)]).toEqual([plain.status, plain.body])
        }
      }
    }
    await Promise.all(Array.from({ length: 32 }, worker))
    expect(compared).toBeGreaterThan(runs.requests * 0.6)
    channel.close()
  }, 120_000)

  it('and the signer still signs, has not halted, and has logged no bug', async () => {
    const channel = openSignerChannel(running.socket)
    expect((await channel.forward(await signed())).status).toBe(200)
    channel.close()
    expect((await running.get('/v1/health')).body).toEqual({ phase: 'ready' })
    expect(running.output()).not.toMatch(/"level":"(error|fatal)"/)
  })
})
