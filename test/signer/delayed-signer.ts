import type { JournalEntry } from '../../boundary/signer/src/journal.ts'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import {
  type AskOptions,
  openTestSigner,
  type TestKey,
  type TestSigner,
  type TestSignerOptions,
} from './test-signer.ts'

/** A signer whose changes wait, and whose clock the test moves. */
export interface DelayedSigner {
  test: TestSigner
  readonly admins: readonly TestKey[]
  /** As the signer sees it. */
  nowMs(): number
  /** Time passes. */
  advance(ms: number): void
  /** Somebody sets the clock: the time does not pass. */
  setClock(ms: number): void
  ask(method: 'GET' | 'POST' | 'PUT', path: string, body: unknown, options: AskOptions): Promise<Answer>
  /** By two admins, or by those that are given. */
  change(
    method: 'POST' | 'PUT',
    path: string,
    body: unknown,
    by?: readonly TestKey[],
    more?: Partial<AskOptions>,
  ): Promise<Answer>
  entries(type?: string): Promise<(JournalEntry & Record<string, never>)[]>
  reopen(): Promise<void>
  close(): Promise<void>
}

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

export async function openDelayedSigner(
  options: TestSignerOptions & { readonly delay?: string } = {},
): Promise<DelayedSigner> {
  // The signer is founded by the real clock, which this one must not be behind.
  const time = { wallMs: Date.now() + 60_000, monotonicMs: 1_000 }
  const test = await openTestSigner({
    admins: 3,
    quorum: 2,
    clockSource: { wallMs: () => time.wallMs, monotonicMs: () => time.monotonicMs },
    ...options,
  })
  const delayed: DelayedSigner = {
    test,
    admins: test.admins,
    nowMs: () => time.wallMs,
    advance(ms) {
      time.wallMs += ms
      time.monotonicMs += ms
    },
    setClock(ms) {
      time.wallMs += ms
    },
    ask: (method, path, body, asked) =>
      delayed.test.ask(method, path, body, { createdS: Math.floor(time.wallMs / 1000), ...asked }),
    change: (method, path, body, by = test.admins.slice(0, 2), more = {}) =>
      delayed.ask(method, path, body, { by, ...more }),
    async entries(type) {
      const { journal } = delayed.test.signer
      const leaves = await journal.leaves(0, journal.size())
      const all = leaves.map((leaf) => JSON.parse(leaf))
      return type === undefined ? all : all.filter((entry) => entry.type === type)
    },
    async reopen() {
      delayed.test = await delayed.test.reopen()
    },
    close: () => delayed.test.close(),
  }
  const { delay = '24h' } = options
  const set = await delayed.change('PUT', '/v1/organisation/loosening-delay', { delay, expected: '0s' })
  if (set.status !== 200) throw new Error(`the delay was not set: ${JSON.stringify(set.body)}`)
  return delayed
}
