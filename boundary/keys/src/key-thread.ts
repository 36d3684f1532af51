/**
 * Secret keys on another thread, which does nothing but sign and verify: the thread that reads what strangers send
 * holds no key for longer than it takes to hand it over, and is free for them while a signature is made.
 */
import { isEqual } from '@countersign/bytes'
import type { CheckedSignature, PublicKey, Signature } from './backend.ts'
import { keysError } from './catalogue.ts'
import { LocalKey } from './local-key.ts'
import { recoveryIdOf } from './recovery-id.ts'
import { checkDigest, checkSecretKey } from './secp256k1-interface.ts'
import type { TaskResult, Work } from './task-ring.ts'
import type { TaskThread, TaskWork } from './task-thread.ts'

export const keyWork: TaskWork = {
  open: openKeys,
  refusal: () => keysError('KEYS_CLOSED', 'The thread that holds the keys has ended.'),
}

const operations = { open: 1, close: 2, publicKey: 3, sign: 4, signChecked: 5, signTaproot: 6 } as const
const headBytes = 5
const signatureBytes = 64

/** What the thread answers; `failed` is also what an error comes to. */
const codes = { failed: 0, done: 1, recovery0: 2, recovery1: 3, wrong: 4 } as const

export interface KeyThread {
  /** @param secretKey Of secp256k1, 32 bytes; copied, the caller zeroes its own.
   * @throws {CountersignError} KEYS_SECRET_KEY_INVALID */
  open(secretKey: Uint8Array): ThreadKey
}

/** @param thread One that was started for `keyWork`. If it ends by itself its keys are gone, and the process should end too. */
export function keysOn(thread: TaskThread): KeyThread {
  let opened = 0
  return {
    open(secretKey) {
      checkSecretKey(secretKey)
      return new ThreadKey(thread, opened++, secretKey)
    },
  }
}

/** A key that only the key thread has. */
export class ThreadKey {
  readonly algorithm = 'secp256k1'
  readonly #thread: TaskThread
  readonly #id: number
  #isClosed = false

  constructor(thread: TaskThread, id: number, secretKey: Uint8Array) {
    this.#thread = thread
    this.#id = id
    const task = this.#task(operations.open, secretKey)
    // The thread works in order: whatever is asked of the key comes after this. If it ends, that is refused.
    thread.run(keyWork, task).catch(() => undefined)
    task.fill(0)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async publicKey(): Promise<PublicKey> {
    const { reply } = await this.#run(operations.publicKey)
    return { algorithm: 'secp256k1', bytes: reply.slice(0, 33) }
  }

  /** @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_CLOSED */
  async sign(digest: Uint8Array): Promise<Signature> {
    checkDigest(digest)
    const { code, reply } = await this.#run(operations.sign, digest)
    const recovery = recoveryOf(code)
    const bytes = reply.slice(0, signatureBytes)
    return recovery === undefined ? { bytes } : { bytes, recovery }
  }

  /** See `CheckingSigner`.
   * @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_CLOSED */
  async signChecked(digest: Uint8Array, publicKey: Uint8Array): Promise<CheckedSignature> {
    checkDigest(digest)
    const { code, reply } = await this.#run(operations.signChecked, digest, publicKey)
    // The digest that it was checked by comes back: an answer to another question would have another.
    const isOwn = isEqual(reply.subarray(signatureBytes, signatureBytes + 32), digest)
    return { bytes: reply.slice(0, signatureBytes), recovery: isOwn ? recoveryOf(code) : undefined }
  }

  /** See `SchnorrSigner`.
   * @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_CLOSED */
  async signTaproot(digest: Uint8Array): Promise<Uint8Array> {
    checkDigest(digest)
    return (await this.#run(operations.signTaproot, digest)).reply.slice(0, signatureBytes)
  }

  /** Zeroes the key on its thread, after what was asked before. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#thread.run(keyWork, this.#task(operations.close)).catch(() => undefined)
  }

  toJSON(): object {
    return { algorithm: this.algorithm }
  }

  async #run(operation: number, ...parts: readonly Uint8Array[]): Promise<TaskResult> {
    if (this.#isClosed) throw keysError('KEYS_CLOSED', 'The key was closed.')
    const result = await this.#thread.run(keyWork, this.#task(operation, ...parts))
    if (result.code === codes.failed) throw new Error('bug: the key thread could not do what it was asked')
    return result
  }

  /** The operation, the key's number, and what it needs. */
  #task(operation: number, ...parts: readonly Uint8Array[]): Uint8Array {
    const task = new Uint8Array(parts.reduce((bytes, { length }) => bytes + length, headBytes))
    task[0] = operation
    new DataView(task.buffer).setUint32(1, this.#id)
    let at = headBytes
    for (const part of parts) {
      task.set(part, at)
      at += part.length
    }
    return task
  }
}

function recoveryOf(code: number): 0 | 1 | undefined {
  if (code === codes.recovery0) return 0
  return code === codes.recovery1 ? 1 : undefined
}

function codeOfRecovery(recovery: 0 | 1 | undefined, otherwise: number): number {
  if (recovery === undefined) return otherwise
  return recovery === 0 ? codes.recovery0 : codes.recovery1
}

function openKeys(): Work {
  const keys = new Map<number, LocalKey>()
  const known = (id: number): LocalKey => {
    const key = keys.get(id)
    if (key === undefined) throw new Error(`bug: the key thread has no key ${id}`)
    return key
  }
  return (task, reply) => {
    const operation = task[0]
    const id = new DataView(task.buffer).getUint32(1)
    const rest = task.subarray(headBytes)
    switch (operation) {
      case operations.open:
        keys.set(id, new LocalKey({ algorithm: 'secp256k1', secretKey: rest }))
        task.fill(0)
        return codes.done
      case operations.close:
        keys.get(id)?.close()
        keys.delete(id)
        return codes.done
      case operations.publicKey:
        reply.set(known(id).publicKey().bytes)
        return codes.done
      case operations.sign: {
        const { bytes, recovery } = known(id).sign(rest)
        reply.set(bytes)
        return codeOfRecovery(recovery, codes.done)
      }
      case operations.signChecked: {
        const digest = rest.subarray(0, 32)
        const { bytes, recovery } = known(id).sign(digest)
        const checked = recoveryIdOf(rest.subarray(32), digest, bytes, recovery)
        // What does not verify is shown to nobody.
        if (checked !== undefined) reply.set(bytes)
        reply.set(digest, signatureBytes)
        return codeOfRecovery(checked, codes.wrong)
      }
      case operations.signTaproot:
        reply.set(known(id).signTaproot(rest))
        return codes.done
      default:
        throw new Error('bug: an operation that the key thread does not know')
    }
  }
}
