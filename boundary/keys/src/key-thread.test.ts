import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { schnorr } from '@noble/curves/secp256k1.js'
import { p2tr } from '@scure/btc-signer'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { secp256k1 } from './curve.ts'
import { keysOn, keyWork } from './key-thread.ts'
import { LocalKey } from './local-key.ts'
import { TaskThread } from './task-thread.ts'
import { startKeyThread } from './testing/key-thread.ts'
import { codeOf, spellings } from './testing.ts'

const deaths: unknown[] = []
let thread: TaskThread | undefined
let keys = keysOn(undefined as never)

function open(secretKey: Uint8Array = randomKey()) {
  if (thread === undefined) {
    thread = startKeyThread((error) => deaths.push(error))
    keys = keysOn(thread)
  }
  return { key: keys.open(secretKey), local: new LocalKey({ algorithm: 'secp256k1', secretKey }) }
}

function randomKey(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

const digest = () => new Uint8Array(randomBytes(32))

afterEach(async () => {
  await thread?.stop()
  thread = undefined
  vi.unstubAllGlobals()
  expect(deaths.splice(0)).toEqual([])
})

describe('keys on their own thread', () => {
  it('sign as they do in place, byte for byte', async () => {
    const { key, local } = open()
    expect(await key.publicKey()).toEqual(local.publicKey())
    for (let i = 0; i < 20; i++) {
      const payload = digest()
      const expected = local.sign(payload)
      expect(await key.sign(payload)).toEqual(expected)
      expect(await key.signChecked(payload, local.publicKey().bytes)).toEqual(expected)
    }
  })

  it('sign for Taproot', async () => {
    const { key, local } = open()
    const payload = digest()
    const signature = await key.signTaproot(payload)
    expect(schnorr.verify(signature, payload, p2tr(local.publicKey().bytes.slice(1)).tweakedPubkey)).toBe(
      true,
    )
  })

  it('show no signature that is not the caller’s key’s', async () => {
    const { key } = open()
    const other = secp256k1.publicKey(randomKey())
    const made = await key.signChecked(digest(), other)
    expect(made).toEqual({ bytes: new Uint8Array(64), recovery: undefined })
    for (const wrong of [other.slice(1), new Uint8Array(33), new Uint8Array(0)]) {
      expect((await key.signChecked(digest(), wrong)).recovery).toBeUndefined()
    }
  })

  it('answer each of very many in its own place, more than fit into the ring at once', async () => {
    const keys = Array.from({ length: 5 }, () => open())
    const asked = Array.from({ length: 1_000 }, (_, i) => ({
      ...(keys[i % 5] as (typeof keys)[0]),
      payload: digest(),
    }))
    const made = await Promise.all(asked.map(({ key, payload }) => key.sign(payload)))
    expect(made).toEqual(asked.map(({ local, payload }) => local.sign(payload)))
    // A key that comes while the ring is full is there when it is asked.
    const full = asked.map(({ key, payload }) => key.sign(payload))
    const late = open()
    const payload = digest()
    expect(await late.key.sign(payload)).toEqual(late.local.sign(payload))
    await Promise.all(full)
  })

  it('are gone when they are closed, and only they', async () => {
    const [one, two] = [open(), open()]
    const before = one.key.sign(digest())
    one.key.close()
    one.key.close()
    expect((await before).bytes).toHaveLength(64)
    expect(one.key.isClosed).toBe(true)
    expect(await codeOf(one.key.sign(digest()))).toBe('KEYS_CLOSED')
    expect(await codeOf(one.key.publicKey())).toBe('KEYS_CLOSED')
    expect((await two.key.sign(digest())).bytes).toHaveLength(64)
  })

  it('refuse what is not a digest, and what is not a key', async () => {
    const { key, local } = open()
    for (const payload of [new Uint8Array(31), new Uint8Array(33), new Uint8Array(5_000), 'text' as never]) {
      expect(await codeOf(key.sign(payload))).toBe('KEYS_PAYLOAD_INVALID')
      expect(await codeOf(key.signChecked(payload, local.publicKey().bytes))).toBe('KEYS_PAYLOAD_INVALID')
      expect(await codeOf(key.signTaproot(payload))).toBe('KEYS_PAYLOAD_INVALID')
    }
    expect(await codeOf(() => open(new Uint8Array(32)))).toBe('KEYS_SECRET_KEY_INVALID')
  })

  it('refuse what is on its way when the thread is stopped, and what comes later', async () => {
    const { key } = open()
    const waiting = Promise.allSettled(Array.from({ length: 600 }, () => key.sign(digest())))
    await thread?.stop()
    for (const result of await waiting) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'KEYS_CLOSED' })
    }
    expect((await waiting).some(({ status }) => status === 'rejected')).toBe(true)
    expect(await codeOf(key.sign(digest()))).toBe('KEYS_CLOSED')
  })

  it('leave no secret in the memory that the threads share, nor in what is printed', async () => {
    const memories: SharedArrayBuffer[] = []
    vi.stubGlobal(
      'SharedArrayBuffer',
      new Proxy(SharedArrayBuffer, {
        construct(target, args: [number]) {
          const made = new target(...args)
          memories.push(made)
          return made
        },
      }),
    )
    const holds = (secret: Uint8Array) =>
      memories.some((memory) => Buffer.from(memory).includes(Buffer.from(secret)))
    const secretKey = randomKey()
    const { key } = open(secretKey)
    expect(holds(secretKey)).toBe(true)
    const shown = `${inspect(key, { depth: 9, showHidden: true })} ${JSON.stringify(key)}`
    await key.sign(digest())
    expect(memories).toHaveLength(1)
    expect(holds(secretKey)).toBe(false)
    for (const spelling of spellings(secretKey)) expect(shown).not.toContain(spelling)
    // Nor one that was on its way when the thread was stopped.
    const late = randomKey()
    open(late)
    await thread?.stop()
    expect(holds(late)).toBe(false)
  })

  it('are forgotten by the thread when they are closed', async () => {
    const runs = vi.spyOn(TaskThread.prototype, 'run')
    const { key } = open()
    await key.sign(digest())
    const [open1, sign1] = runs.mock.calls.map(([, task]) => task)
    key.close()
    expect(runs.mock.calls).toHaveLength(3)
    const thread = runs.mock.contexts[0] as TaskThread
    runs.mockRestore()
    // The very task that was answered before.
    expect(open1).toHaveLength(37)
    expect((await thread.run(keyWork, sign1 as Uint8Array)).code).toBe(0)
  })

  it('give no answer for another digest than the one that was asked for', async () => {
    const { key, local } = open()
    const run = TaskThread.prototype.run
    const other = digest()
    vi.spyOn(TaskThread.prototype, 'run').mockImplementation(function (this: TaskThread, kind, task) {
      const changed = task.slice()
      changed.set(other, 5)
      return run.call(this, kind, changed)
    })
    expect((await key.signChecked(digest(), local.publicKey().bytes)).recovery).toBeUndefined()
    vi.restoreAllMocks()
  })
})
