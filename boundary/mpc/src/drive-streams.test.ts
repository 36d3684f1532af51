import { expect, it } from 'vitest'
import { driveStreams } from './drive-streams.ts'
import type { Incoming } from './driver.ts'
import type { PartyIndex } from './parties.ts'
import { startTestKeyGeneration } from './testing/ceremonies.ts'

const committee = { suite: 2, threshold: 2, indices: [1, 2, 3] } as const
const silent: AsyncIterable<Incoming> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Incoming>>(() => undefined) }),
}
const stores = { persist: async () => undefined, persistBurns: async () => undefined }

function inboxes() {
  const open = (own: PartyIndex) => {
    const { readable, writable } = new TransformStream<Incoming, Incoming>(
      undefined,
      { highWaterMark: 100 },
      { highWaterMark: 100 },
    )
    return [
      own,
      { inbox: readable as unknown as AsyncIterable<Incoming>, put: writable.getWriter() },
    ] as const
  }
  return new Map(committee.indices.map(open))
}

it('reads one stream and is read as another, to the end', async () => {
  const boxes = inboxes()
  const frames: number[] = []
  const conclusions = await Promise.all(
    [...boxes].map(async ([own, { inbox }]) => {
      const { outbox, conclusion } = driveStreams(startTestKeyGeneration(committee, own), {
        inbox,
        ...stores,
      })
      let count = 0
      for await (const { to, bytes } of outbox) {
        count++
        for (const [index, { put }] of boxes)
          if (index !== own && (to === 'all' || to === index)) await put.write({ from: own, bytes })
      }
      frames.push(count)
      return conclusion
    }),
  )
  expect(conclusions.map(({ status }) => status)).toEqual(['done', 'done', 'done'])
  // The reader was given all of it, also what was said last.
  expect(new Set(frames).size).toBe(1)
})

it('hands out nothing of a session that has ended, and ends with it', async () => {
  const cancel = new AbortController()
  const { outbox, conclusion } = driveStreams(startTestKeyGeneration(committee, 1), {
    inbox: silent,
    signal: cancel.signal,
    ...stores,
  })
  cancel.abort()
  expect(await conclusion).toMatchObject({
    status: 'aborted',
    abort: { kind: 'RETRY', problem: 'cancelled' },
  })
  expect(await outbox.next()).toEqual({ done: true, value: undefined })
})

it('ends the session whose reader has left', async () => {
  const { outbox, conclusion } = driveStreams(startTestKeyGeneration(committee, 1), {
    inbox: silent,
    ...stores,
  })
  for await (const frame of outbox) {
    expect(frame.to).toBe('all')
    break
  }
  expect(await conclusion).toMatchObject({
    status: 'aborted',
    abort: { kind: 'RETRY', problem: 'cancelled' },
  })
})

it('gives the error of what could not be stored, and ends the outbox', async () => {
  const { outbox, conclusion } = driveStreams(startTestKeyGeneration(committee, 1), {
    inbox: (async function* () {
      yield* []
      throw new Error('the line is dead')
    })(),
    ...stores,
  })
  await expect(conclusion).rejects.toThrow('the line is dead')
  expect((await outbox.next()).done).toBe(true)
})
