import { describe, expect, it } from 'vitest'
import { type Channel, drive, type Incoming } from './driver.ts'
import { startExport, startReceive } from './export.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { Session, type Storable } from './session.ts'
import {
  endOf,
  generateTestKey,
  resultOf,
  startTestKeyGeneration,
  testIdentities,
  testInstance,
} from './testing/ceremonies.ts'
import { runNetwork } from './testing/network.ts'

const committee = { suite: 2, threshold: 2, indices: [1, 2, 3] } as const

/** A queue that is read as it is filled. */
class Mailbox {
  readonly #waiting: Incoming[] = []
  #wake: (() => void) | undefined
  #isClosed = false
  put(incoming: Incoming): void {
    this.#waiting.push(incoming)
    this.#wake?.()
  }
  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Incoming> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next !== undefined) yield next
      else if (this.#isClosed) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

function channels(indices: readonly PartyIndex[], stored: string[] = []) {
  const boxes = new Map(indices.map((index) => [index, new Mailbox()]))
  const open = (own: PartyIndex, options: Partial<Channel> = {}): Channel => ({
    inbox: boxes.get(own) as Mailbox,
    send: async ({ to, bytes }) => {
      stored.push(`${own} sends ${bytes[2]?.toString(16)}`)
      for (const [index, box] of boxes)
        if (index !== own && (to === 'all' || to === index)) box.put({ from: own, bytes })
    },
    persist: async ({ kind }: Storable) => {
      stored.push(`${own} stores ${kind}`)
    },
    persistBurns: async () => undefined,
    ...options,
  })
  return { boxes, open }
}

describe('drive', () => {
  it('runs a ceremony over async channels, and stores before it speaks', async () => {
    const log: string[] = []
    const { open } = channels(committee.indices, log)
    const conclusions = await Promise.all(
      committee.indices.map((own) => drive(startTestKeyGeneration(committee, own), open(own))),
    )
    const shares = conclusions.map((one) => (one.status === 'done' ? one.result : undefined))
    expect(shares.map((share) => share?.index)).toEqual([1, 2, 3])
    for (const own of committee.indices) {
      const stores = log.indexOf(`${own} stores pending-share`)
      expect(stores).toBeGreaterThan(-1)
      expect(stores).toBeLessThan(log.indexOf(`${own} sends ${codes.dkg4.toString(16)}`))
    }
  })

  it('ends as a retry when the clock fires, the caller cancels, or the channel ends', async () => {
    const { open, boxes } = channels(committee.indices)
    const timed = await drive(
      startTestKeyGeneration(committee, 1),
      open(1, { signal: AbortSignal.abort(new DOMException('late', 'TimeoutError')) }),
    )
    expect(timed).toMatchObject({ status: 'aborted', abort: { problem: 'timeout', culprits: [2, 3] } })
    const cancelled = await drive(
      startTestKeyGeneration(committee, 2),
      open(2, { signal: AbortSignal.abort() }),
    )
    expect(cancelled).toMatchObject({ status: 'aborted', abort: { problem: 'cancelled', culprits: [] } })
    boxes.get(3)?.close()
    const ended = await drive(startTestKeyGeneration(committee, 3), open(3))
    expect(ended).toMatchObject({ status: 'aborted', abort: { kind: 'RETRY', problem: 'timeout' } })
  })

  it('fails with the channel, and the session is over', async () => {
    const { open } = channels([1, 2, 3])
    const session = startTestKeyGeneration(committee, 1)
    const send = async () => {
      throw new Error('no route')
    }
    await expect(drive(session, open(1, { send }))).rejects.toThrow('no route')
    expect(endOf(session.outcome)).toBe('RETRY cancelled')
    expect(session.takeOutbox()).toEqual([])
  })
})

describe('export', () => {
  const plan = {
    givers: [1, 3],
    recipient: 9,
    recipientIdentity: new TextEncoder().encode('the owner'),
    instance: testInstance,
  }

  async function shares() {
    const outcomes = await generateTestKey(committee)
    return new Map([...outcomes].map(([own, outcome]) => [own, resultOf(outcome)]))
  }

  function receiver(share: KeyShare) {
    const { suite, group, label, threshold, publicShares, publicKey, epochId } = share
    return {
      ...plan,
      suite,
      group,
      label,
      threshold,
      publicShares,
      publicKey,
      epochId,
      identities: testIdentities(committee.indices),
    }
  }

  it('gives the recipient the whole key, after every giver has stored that it did', async () => {
    const all = await shares()
    const share = all.get(1) as KeyShare
    const stored: string[] = []
    const sessions = new Map<PartyIndex, Session<unknown>>([
      [1, new Session<unknown>(startExport({ ...plan, share }))],
      [3, new Session<unknown>(startExport({ ...plan, share: all.get(3) as KeyShare }))],
      [9, new Session<unknown>(startReceive(receiver(share)))],
    ])
    await runNetwork(sessions, {
      persist: async ({ kind }) => {
        stored.push(kind)
      },
    })
    const secret = resultOf(sessions.get(9)?.outcome) as bigint
    expect(share.group.equals(share.group.multiplyBase(secret), share.publicKey)).toBe(true)
    expect(stored).toEqual(['exported-epoch', 'exported-epoch'])
  })

  it('names a giver whose share is not its own', async () => {
    const all = await shares()
    const share = all.get(1) as KeyShare
    const forged = { ...(all.get(3) as KeyShare), secret: 5n }
    const sessions = new Map<PartyIndex, Session<unknown>>([
      [1, new Session<unknown>(startExport({ ...plan, share }))],
      [3, new Session<unknown>(startExport({ ...plan, share: forged }))],
      [9, new Session<unknown>(startReceive(receiver(share)))],
    ])
    await runNetwork(sessions)
    expect(endOf(sessions.get(9)?.outcome)).toBe('ABORT share-invalid 3')
  })

  it('needs exactly the threshold, and a recipient who is none of the givers', async () => {
    const share = (await shares()).get(1) as KeyShare
    expect(() => startExport({ ...plan, share, givers: [1] })).toThrow('Exactly 2')
    expect(() => startExport({ ...plan, share, givers: [1, 2, 3] })).toThrow('Exactly 2')
    expect(() => startExport({ ...plan, share, givers: [2, 3] })).toThrow('not of this session')
    expect(() => startExport({ ...plan, share, recipient: 3 })).toThrow('named twice')
  })
})
