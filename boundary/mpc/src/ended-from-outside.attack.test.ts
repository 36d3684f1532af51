import { expect, it } from 'vitest'
import { drive } from './driver.ts'
import { Epoch } from './epoch.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { platformRandom, type RandomSource } from './random-source.ts'
import { nobleSecp256k1Group as group } from './secp256k1-noble.ts'
import { openSignature } from './sign.ts'
import { dealShares, runNetwork } from './testing/index.ts'

/** A peer that says nothing more, or a source that fails, while something outside ends the session. */
const deal = () => dealShares({ group, threshold: 2, indices: [1, 2], random: platformRandom })
const digest = new Uint8Array(32).fill(1)
const input = () => ({ signers: [1, 2], path: [], digest, instance: platformRandom(32) })

it.each<[string, (epoch: Epoch) => void, string]>([
  [
    'its pair is burned',
    (epoch) => epoch.applyBurns([{ epochId: epoch.share.epochId, own: 1, peer: 2 }]),
    'pair-burned',
  ],
  ['its share is replaced', (epoch) => epoch.retire(), 'epoch-retired'],
])('a driver whose peer is silent does not wait on when %s', async (_title, endIt, problem) => {
  const epoch = new Epoch({ share: deal().get(1) as EcdsaKeyShare, burned: [] })
  const inbox = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<never>>(() => undefined) }),
  }
  const driven = drive(openSignature({ epoch, ...input() }), {
    inbox,
    send: async () => undefined,
    persist: async () => undefined,
    persistBurns: async () => undefined,
  })
  // It has sent, and waits for a frame.
  await new Promise((resolve) => setTimeout(resolve, 10))
  endIt(epoch)
  const late = new Promise((resolve) => setTimeout(resolve, 2000, 'still waiting'))
  expect(await Promise.race([driven, late])).toMatchObject({ status: 'aborted', abort: { problem } })
})

it('a driver that is stopped while it sends says nothing to the next', async () => {
  const shares = dealShares({ group, threshold: 3, indices: [1, 2, 3], random: platformRandom })
  const epochs = new Map([...shares].map(([own, share]) => [own, new Epoch({ share, burned: [] })]))
  const common = { ...input(), signers: [1, 2, 3] }
  const others = new Map(
    [2, 3].map((own) => [own, openSignature({ epoch: epochs.get(own) as Epoch, ...common })]),
  )
  const said: unknown[] = []
  async function* inbox() {
    for (const [from, session] of others) {
      for (const { bytes } of session.takeOutbox()) yield { from, bytes }
    }
    await new Promise(() => undefined)
  }
  await drive(openSignature({ epoch: epochs.get(1) as Epoch, ...common }), {
    inbox: inbox(),
    send: async ({ to }) => {
      said.push(to)
      // While the first frame of round 2 is on its way, another session burns a pair.
      if (to === 2)
        epochs.get(1)?.applyBurns([{ epochId: shares.get(1)?.epochId as Uint8Array, own: 1, peer: 3 }])
    },
    persist: async () => undefined,
    persistBurns: async () => undefined,
  })
  expect(said).toEqual(['all', 2])
})

it('a source that fails at any draw of any round leaves nothing running and nothing half said', async () => {
  for (let fails = 1; fails <= 8; fails++) {
    const shares = deal()
    let draws = 0
    const failing: RandomSource = (length) => {
      if (++draws === fails) throw new Error('no entropy')
      return platformRandom(length)
    }
    const epochs = [1, 2].map((own) => new Epoch({ share: shares.get(own) as EcdsaKeyShare, burned: [] }))
    const common = input()
    const [one, two] = epochs as [Epoch, Epoch]
    const running = (async () => {
      const sessions = new Map([
        [1, openSignature({ epoch: one, ...common, random: failing })],
        [2, openSignature({ epoch: two, ...common })],
      ])
      await runNetwork(sessions)
      return sessions.get(1)?.outcome?.status
    })()
    const end = await running.catch((error: Error) => error.message)
    expect(end).toBe(fails <= draws && draws === fails ? 'no entropy' : 'done')
    expect(one.size).toBe(0)
    expect(one.burned).toEqual([])
  }
})
