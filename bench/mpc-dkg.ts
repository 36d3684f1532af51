import { nobleSecp256k1Group, type Secp256k1Group, Session, startKeyGeneration } from '@countersign/mpc'
import { runNetwork } from '@countersign/mpc/testing'

export interface DkgMeasure {
  /** CPU time of all parties together, milliseconds, median of the runs. */
  readonly totalMs: number
  readonly runs: number
  /** Bytes from one party to its peer, headers included. */
  readonly bytesPerParty: number
}

/** Distributed key generation 2-of-2 with every party in this process: the sum of all their work. */
export async function measureDkg(options: {
  readonly runs: number
  readonly group?: Secp256k1Group
}): Promise<DkgMeasure> {
  const { runs, group = nobleSecp256k1Group } = options
  const totals: number[] = []
  let bytesPerParty = 0
  for (let run = 0; run < runs; run++) {
    const instance = crypto.getRandomValues(new Uint8Array(32))
    const identities = new Map([1, 2].map((index) => [index, Uint8Array.of(index)]))
    const before = process.cpuUsage()
    const sessions = new Map(
      [1, 2].map((own) => {
        const input = { suite: 1, group, label: 'bench', instance, own, threshold: 2, identities } as const
        return [own, new Session(startKeyGeneration(input))] as const
      }),
    )
    const sent = await runNetwork(sessions)
    const used = process.cpuUsage(before)
    for (const session of sessions.values()) {
      if (session.outcome?.status !== 'done') throw new Error('a key generation of the benchmark failed')
    }
    totals.push((used.user + used.system) / 1000)
    bytesPerParty = sent.reduce((sum, { from, bytes }) => (from === 1 ? sum + bytes.length : sum), 0)
  }
  return { totalMs: median(totals), runs, bytesPerParty }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}
