import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { drive, type Incoming } from './driver.ts'
import { Session } from './session.ts'
import { startCoinToss } from './testing/coin-toss.ts'
import { endOf } from './testing/index.ts'

/** A peer that sends and sends. What is refused must leave nothing behind: a session may be open for a long time. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedAfterCollection(): number {
  collect()
  return process.memoryUsage().heapUsed
}

it.each([
  ['without a deadline', undefined],
  ['with a deadline', new AbortController().signal],
])('a flood of refused frames does not grow the driver, %s', async (_title, signal) => {
  const session = new Session(
    startCoinToss({
      own: 1,
      peers: [2],
      start: new Uint8Array(32).fill(1),
      random: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
    }),
  )
  const frame: Incoming = { from: 2, bytes: Uint8Array.of(1) }
  const seen: number[] = []
  async function* flood(): AsyncGenerator<Incoming> {
    for (let i = 0; i < 50_000; i++) {
      if (i === 10_000) seen.push(usedAfterCollection())
      yield frame
    }
    seen.push(usedAfterCollection())
  }
  const channel = {
    inbox: flood(),
    send: async () => undefined,
    persist: async () => undefined,
    persistBurns: async () => undefined,
  }
  const conclusion = await drive(session, signal === undefined ? channel : { ...channel, signal })
  expect(conclusion.status).toBe('aborted')
  expect(endOf(session.outcome)).toBe('RETRY timeout 2')
  const [before, after] = seen as [number, number]
  expect(after - before).toBeLessThan(4_000_000)
})
