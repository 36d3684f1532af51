/**
 * What the engine itself costs: POST sign-transaction with finished bytes, before a signer that answers at once.
 * Run: node engine/src/request.bench.ts [seconds]. Prints one JSON object; `perCore` is requests per second of the
 * engine's own CPU time, so that load generator and signer double beside it on the same cores do not count.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channelProtocol, decodeRequestFrame, encodeAnswerFrame, FrameReader } from '@countersign/wire'
import { Pool } from 'undici'
import { startNode } from './testing/child.ts'
import { makeCredential, signRequest } from './testing/client.ts'

const inFlight = 32
const ticksPerS = 100
const receipt = {
  version: 2,
  index: 7,
  entry: { type: 'signed', effects: ['x'.repeat(300)], rules: ['wallet:r'] },
  path: Array.from({ length: 17 }, () => 'x'.repeat(44)),
  checkpoint: 'x'.repeat(260),
}
const cannedAnswer = JSON.stringify({
  signature: `0x${'11'.repeat(65)}`,
  signedTransaction: `0x${'22'.repeat(110)}`,
  hash: `0x${'33'.repeat(32)}`,
  receipt,
})
const requestBytesMax = 4_500_000

if (process.argv[2] === 'double') serveDouble(process.argv[3] as string)
else await bench(Number(process.argv[2] ?? 5))

function serveDouble(socket: string): void {
  createServer()
    .on('upgrade', (_request, channel) => {
      const reader = new FrameReader(requestBytesMax)
      channel.on('error', () => channel.destroy())
      channel.on('data', (chunk: Uint8Array) => {
        const answers = [...reader.read(chunk)].map((frame) => {
          const { number } = decodeRequestFrame(frame)
          return encodeAnswerFrame({ number, status: 200, text: cannedAnswer })
        })
        channel.write(Buffer.concat(answers))
      })
      channel.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${channelProtocol}\r\n\r\n`,
      )
    })
    .listen(socket, () => process.stdout.write('{"ready":true}\n'))
}

async function bench(seconds: number): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-engine-bench-'))
  const socket = join(dir, 'signer.sock')
  const double = spawn(process.execPath, [import.meta.filename, 'double', socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => double.stdout.once('data', resolve))
  const configFile = join(dir, 'engine.json')
  await writeFile(
    configFile,
    JSON.stringify({
      listen: { port: 0 },
      signerSocket: socket,
      dataDir: join(dir, 'engine'),
      logLevel: 'info',
      chains: [],
    }),
  )
  const engine = await startNode(join(import.meta.dirname, 'main.ts'), ['--config', configFile])
  try {
    const { method, path, headers, body } = await signRequest(
      makeCredential('p256'),
      `sgn_${'0'.repeat(32)}`,
      {
        method: 'POST',
        path: `/v1/wallets/wal_${'0'.repeat(24)}/sign-transaction`,
        body: { unsignedTransaction: `0x02${'ab'.repeat(50)}`, attribution: { agent: 'bench' } },
      },
    )
    const pool = new Pool(engine.ready.url as string, { connections: inFlight, pipelining: 1 })
    const one = async () => {
      const answer = await pool.request({ method: method as 'POST', path, headers, body })
      await answer.body.dump()
      if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`)
    }
    const run = async (untilMs: number) => {
      let done = 0
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          for (; Date.now() < untilMs; done++) await one()
        }),
      )
      return done
    }
    await run(Date.now() + 2_000)
    const [cpuBefore, startedAt] = [cpuSeconds(engine.pid), performance.now()]
    const requests = await run(Date.now() + seconds * 1_000)
    const wallS = (performance.now() - startedAt) / 1_000
    const cpuS = cpuSeconds(engine.pid) - cpuBefore
    const round = (value: number) => Math.round(value * 100) / 100
    const result = {
      perSecond: Math.round(requests / wallS),
      perCore: Math.round(requests / cpuS),
      cpuMicros: round((cpuS / requests) * 1e6),
    }
    process.stdout.write(`${JSON.stringify({ name: 'engine-overhead', inFlight, requests, ...result })}\n`)
    await pool.close()
  } finally {
    await engine.kill()
    double.kill()
    await rm(dir, { recursive: true, force: true })
  }
}

/** User and system time of a process and its threads: fields 14 and 15 of /proc/PID/stat. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerS
}
