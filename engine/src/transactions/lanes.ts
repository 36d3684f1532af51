import { engineError } from '../catalogue.ts'
import type { Metrics } from '../metrics.ts'
import type { Lane, Store } from '../store/store.ts'

/** Orders the work of one wallet on one chain: here by a queue, among engines by the store's lock. */
export interface Lanes {
  /** @throws {CountersignError} ENGINE_BUSY, and what `work` throws */
  run<T>(lane: Lane, work: () => Promise<T>): Promise<T>
}

const waitingInLaneMax = 500

export function openLanes(store: Pick<Store, 'withLane'>, metrics: Pick<Metrics, 'laneDepth'>): Lanes {
  const tails = new Map<string, { last: Promise<unknown>; waiting: number }>()
  return {
    async run(lane, work) {
      const key = `${lane.walletId} ${lane.chain}`
      const tail = tails.get(key) ?? { last: Promise.resolve(), waiting: 0 }
      if (tail.waiting >= waitingInLaneMax) {
        throw engineError(
          'ENGINE_BUSY',
          `${waitingInLaneMax} transactions of this wallet wait for their turn.`,
        )
      }
      tail.waiting++
      metrics.laneDepth.inc()
      tails.set(key, tail)
      const turn = tail.last.then(() => store.withLane(lane, work))
      tail.last = turn.catch(() => undefined)
      try {
        return await turn
      } finally {
        tail.waiting--
        metrics.laneDepth.dec()
        if (tail.waiting === 0) tails.delete(key)
      }
    },
  }
}
