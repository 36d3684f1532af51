import { nobleSecp256k1Group, type Secp256k1Group, Session, startKeyGeneration } from '@countersign/mpc'
import { runNetwork } from '@countersign/mpc/testing'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { median } from './mpc-signing.ts'

export interface DkgMeasure {
  /** CPU time of all parties together, milliseconds, median of the runs. */
  readonly totalMs: number
  /** The same in units: each run over the plain signatures before and after it, median. */
  readonly totalUnits: number
  /** Plain signature by noble, milliseconds, median. */
  readonly unitMs: number
  readonly runs: number
  /** Bytes from one party to its peer, headers included. */
  readonly bytesPerParty: number
}

const unitSignatures = 100

/** Distributed key generation 2-of-2 with every party in this process: the sum of all their work. */
export async function measureDkg(options: {
  readonly runs: number
  readonly group?: Secp256k1Group
}): Promise<DkgMeasure> {
  const { runs, group = nobleSecp256k1Group } = options
  const secretKey = secp256k1.utils.randomSecretKey()
  const digest = new Uint8Array(32).fill(7)
  const unit = () => {
    const before = cpuMs()
    for (let i = 0; i < unitSignatures; i++) secp256k1.sign(digest, secretKey, { prehash: false })
    return (cpuMs() - before) / unitSignatures
  }
  unit()
  const totals: number[] = []
  const totalUnits: number[] = []
  const units: number[] = []
  let bytesPerParty = 0
  for (let run = 0; run < runs; run++) {
    const unitBefore = unit()
    const before = cpuMs()
    bytesPerParty = await generate(group)
    const totalMs = cpuMs() - before
    const unitMs = (unitBefore + unit()) / 2
    totals.push(totalMs)
    units.push(unitMs)
    totalUnits.push(totalMs / unitMs)
  }
  return {
    totalMs: median(totals),
    totalUnits: median(totalUnits),
    unitMs: median(units),
    runs,
    bytesPerParty,
  }
}

/** @returns the bytes that party 1 sent. */
async function generate(group: Secp256k1Group): Promise<number> {
  const instance = crypto.getRandomValues(new Uint8Array(32))
  const identities = new Map([1, 2].map((index) => [index, Uint8Array.of(index)]))
  const sessions = new Map(
    [1, 2].map((own) => {
      const input = { suite: 1, group, label: 'bench', instance, own, threshold: 2, identities } as const
      return [own, new Session(startKeyGeneration(input))] as const
    }),
  )
  const sent = await runNetwork(sessions)
  for (const session of sessions.values()) {
    if (session.outcome?.status !== 'done') throw new Error('a key generation of the benchmark failed')
  }
  return sent.reduce((sum, { from, bytes }) => (from === 1 ? sum + bytes.length : sum), 0)
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
