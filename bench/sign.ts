/**
 * Signatures per second, with the floor in the same run: (a) viem's local account in process, (b) the signer over
 * its socket with a durable journal, (c) the public REST API with request signatures. Then the cost of one
 * signature as the journal and the number of wallets grow.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { encodeHex } from '@countersign/bytes'
import { Secret } from '@countersign/keys'
import { type CountersignClient, calls } from '@countersign/sdk'
import type { SignedRequest } from '@countersign/wire'
import { serializeTransaction } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { addressOf } from '../boundary/signer/src/address.ts'
import { readSignerConfig } from '../boundary/signer/src/config.ts'
import { openSigner } from '../boundary/signer/src/open-signer.ts'
import type { Signer } from '../boundary/signer/src/signer.ts'
import { type Deployment, startDeployment } from '../test/deployment/deployment.ts'
import type { BenchOptions, BenchOutcome } from './bench.ts'
import { type LoadResult, loadApi, loadSigner, percentiles } from './load.ts'

const chainId = 31337
const chain = `eip155:${chainId}`
const payee = '0x1111111111111111111111111111111111111111'
const inFlights = [1, 8, 32] as const
const policy = {
  version: 1,
  id: 'bench',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [payee] },
      limits: [
        {
          id: 'daily',
          amount: '1000000000000000000000',
          asset: `${chain}/slip44:60`,
          window: { rolling: '24h' },
        },
      ],
    },
    {
      id: 'fee',
      action: 'permit',
      effects: ['fee'],
      when: { chain: [chain], amount: { max: '21000000000000' } },
      limits: [
        {
          id: 'daily',
          amount: '1000000000000000000000000',
          asset: `${chain}/slip44:60`,
          window: { rolling: '24h' },
        },
      ],
    },
  ],
}

export async function benchSign(options: BenchOptions): Promise<BenchOutcome> {
  const deployment = await startDeployment()
  try {
    const rates = await measureRates(deployment, options)
    const journal = await journalCurve(deployment, options)
    const wallets = await walletCurve(deployment, options)
    return {
      results: { ...rates.results, journal, wallets },
      ratios: rates.ratios,
      aloneMs: rates.aloneMs,
      journalSlope: slopeOf(journal),
      walletSlope: slopeOf(wallets),
    }
  } finally {
    await deployment.stop()
  }
}

const transaction = (nonce: number) =>
  ({
    type: 'eip1559',
    chainId,
    to: payee,
    value: 1n,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  }) as const

async function measureRates(deployment: Deployment, { full, say }: BenchOptions) {
  const rounds = full ? 5 : 1
  const count = full ? 6_000 : 200
  const wallet = await deployment.createWalletWith(policy)
  const target = { wallets: [wallet.id], client: deployment.agent }
  const { socket } = deployment.paths
  const floor: { perSecond: number; p50Ms: number; p99Ms: number }[] = []
  const bySigner: LoadResult[][] = []
  const byApi: LoadResult[][] = []
  await localSignatures(count)
  // Servers run for months: what the first seconds of just-in-time compilation cost is not the question.
  for (let warmUp = 0; warmUp < (full ? 3 : 1); warmUp++) {
    await loadSigner(socket, await signedRequests(target, count), 32)
    await loadApi(deployment.url, await signedRequests(target, count), 32)
  }
  for (let round = 1; round <= rounds; round++) {
    floor.push(await localSignatures(count))
    const b: LoadResult[] = []
    const c: LoadResult[] = []
    for (const inFlight of inFlights) {
      const n = inFlight === 1 ? Math.ceil(count / 4) : count
      b.push(await loadSigner(socket, await signedRequests(target, n), inFlight))
      c.push(await loadApi(deployment.url, await signedRequests(target, n), inFlight))
    }
    bySigner.push(b)
    byApi.push(c)
    say(
      `round ${round} of ${rounds}: (a) ${shown(floor.at(-1))}, (b) ${b.map(shown).join(', ')}, (c) ${c.map(shown).join(', ')} signatures/s`,
    )
  }
  const ratio = (loads: LoadResult[][]) =>
    median(loads.map((round, i) => (round[2]?.perSecond ?? 0) / (floor[i]?.perSecond ?? 1)))
  return {
    results: { a: floor, b: bySigner, c: byApi },
    ratios: { signer32: ratio(bySigner), api32: ratio(byApi) },
    aloneMs: median(byApi.map((round, i) => (round[0]?.p50Ms ?? 0) - (floor[i]?.p50Ms ?? 0))),
  }
}

/** (a): one core, no policy, no journal, no request signature. */
async function localSignatures(count: number): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const account = privateKeyToAccount(generatePrivateKey())
  const latenciesMs: number[] = []
  const startMs = performance.now()
  for (let i = 0; i < count; i++) {
    const beforeMs = performance.now()
    await account.signTransaction(transaction(i))
    latenciesMs.push(performance.now() - beforeMs)
  }
  return { perSecond: (count / (performance.now() - startMs)) * 1000, ...percentiles(latenciesMs) }
}

interface Target {
  readonly wallets: readonly string[]
  readonly client: CountersignClient
}

/** Requests are signed beforehand: what is measured is the service, not its caller. */
async function signedRequests({ wallets, client }: Target, count: number): Promise<SignedRequest[]> {
  const requests: SignedRequest[] = []
  for (let i = 0; i < count; i++) {
    const walletId = wallets[i % wallets.length] as string
    requests.push(
      await client.sign(
        calls.signTransaction({ walletId, unsignedTransaction: serializeTransaction(transaction(i)) }),
      ),
    )
  }
  return requests
}

interface CurvePoint {
  readonly size: number
  readonly workingSet: number
  readonly perSecond: number
  readonly p50Ms: number
  /** User and system time of the signer's process for one signature. */
  readonly cpuMicros: number
  readonly startMs: number
}

/** Fills the journal through the ledger itself, in process, then measures a signer that starts on it. */
async function journalCurve(deployment: Deployment, { full, say }: BenchOptions): Promise<CurvePoint[]> {
  const sizes = full ? [1, 1_000, 10_000, 100_000, 1_000_000] : [1, 500]
  const count = full ? 4_000 : 100
  const wallet = await deployment.createWalletWith({ ...policy, id: 'bench-journal' })
  const points: CurvePoint[] = []
  for (const size of sizes) {
    await offline(deployment, async (signer) => {
      const missing = size - signer.journal.size()
      const entry = { type: 'refused', filler: randomBytes(200).toString('hex') } as const
      for (let done = 0; done < missing; done += 2_000) {
        const jobs = Array.from({ length: Math.min(2_000, missing - done) }, () =>
          signer.ledger.submit(async (tx) => tx.append(entry)),
        )
        await Promise.all(jobs)
      }
    })
    points.push(await measurePoint(deployment, { size, wallets: [wallet.id], count }))
    say(
      `journal of ${size} entries: ${shown(points.at(-1))} signatures/s, ${points.at(-1)?.cpuMicros.toFixed(0)} µs of signer CPU each`,
    )
  }
  return points
}

/** Makes wallets through backend and ledger, in process; then asks for a few of them, and for all of them in turn. */
async function walletCurve(deployment: Deployment, { full, say }: BenchOptions): Promise<CurvePoint[]> {
  const sizes = full ? [1, 1_000, 10_000, 100_000] : [1, 50]
  const count = full ? 4_000 : 100
  await deployment.admin.policies.put({
    id: 'bench-wallets',
    policy: { ...policy, id: 'bench-wallets' },
    expected: null,
  })
  const ids: string[] = []
  const points: CurvePoint[] = []
  for (const size of sizes) {
    await offline(deployment, async (signer) => {
      while (ids.length < size) ids.push(...(await makeWallets(signer, Math.min(500, size - ids.length))))
    })
    const few = Math.min(size, 100)
    points.push(await measurePoint(deployment, { size, wallets: ids.slice(0, few), count }))
    // Every request another wallet: keys, records and windows come from disk.
    if (size > few) points.push(await measurePoint(deployment, { size, wallets: spread(ids, count), count }))
    for (const point of points.slice(size > few ? -2 : -1)) {
      say(
        `${size} wallets, ${point.workingSet} of them used: ${shown(point)} signatures/s, ${point.cpuMicros.toFixed(0)} µs of signer CPU each`,
      )
    }
  }
  return points
}

function spread(ids: readonly string[], count: number): string[] {
  const step = Math.max(1, Math.floor(ids.length / count))
  return Array.from({ length: Math.min(count, ids.length) }, (_, i) => ids[(i * step) % ids.length] as string)
}

async function makeWallets(signer: Signer, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const id = `wal_${randomBytes(12).toString('hex')}`
      const key = await signer.backend.createKey({ algorithm: 'secp256k1', name: id })
      const publicKey = await signer.backend.publicKey(key)
      await signer.ledger.submit(async (tx) => {
        tx.put('wallet', id, {
          id,
          type: 'EVM',
          algorithm: 'secp256k1',
          key,
          publicKey: encodeHex(publicKey.bytes),
          address: addressOf({ type: 'EVM' }, publicKey.bytes),
          name: null,
          policy: 'bench-wallets' as never,
          backend: 'file',
          createdAt: new Date().toISOString(),
        })
      })
      return id
    }),
  )
}

/** Stops the signer, works on its data in this process, and starts it again. */
async function offline(deployment: Deployment, work: (signer: Signer) => Promise<void>): Promise<void> {
  await deployment.process('signer').stop()
  const config = readSignerConfig(deployment.paths.signerConfig, {})
  const signer = await openSigner({
    config,
    env: {},
    secret: new Secret(deployment.secret),
    onHalt: () => undefined,
  })
  try {
    await work(signer)
  } finally {
    await signer.close()
  }
}

async function measurePoint(
  deployment: Deployment,
  { size, wallets, count }: { size: number; wallets: readonly string[]; count: number },
): Promise<CurvePoint> {
  const beforeMs = performance.now()
  await deployment.restart('signer')
  const startMs = performance.now() - beforeMs
  const target = { wallets, client: deployment.agent }
  const { socket } = deployment.paths
  await loadSigner(socket, await signedRequests(target, Math.ceil(count / 4)), 32)
  const requests = await signedRequests(target, count)
  const { pid } = deployment.process('signer')
  const cpuBefore = cpuMicrosOf(pid)
  const load = await loadSigner(socket, requests, 32)
  const cpuMicros = (cpuMicrosOf(pid) - cpuBefore) / count
  return {
    size,
    workingSet: new Set(wallets).size,
    perSecond: load.perSecond,
    p50Ms: load.p50Ms,
    cpuMicros,
    startMs,
  }
}

const clockTicksPerSecond = 100

/** proc(5): utime and stime are the 14th and 15th field; the second may contain spaces. */
function cpuMicrosOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond) * 1e6
}

/** CPU of a signature at the largest size over that at the smallest; 1 is flat. */
function slopeOf(points: readonly CurvePoint[]): number {
  const comparable = points.filter(({ workingSet }) => workingSet <= 100)
  return (comparable.at(-1)?.cpuMicros ?? 0) / (comparable[0]?.cpuMicros ?? 1)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function shown(load: { perSecond: number } | undefined): string {
  return load === undefined ? '?' : load.perSecond.toFixed(0)
}
