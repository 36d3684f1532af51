/**
 * Tasks from one thread to another, and their results, through memory that both share: a message between threads costs
 * as much as the smaller tasks themselves. One end offers, the other one works, in order.
 */

/** A power of two, so that the counters may wrap around. */
const slots = 256
/** More than almost every request's signature base has; what does not fit is not taken. */
export const taskBytesMax = 4_096
export const replyBytes = 96

/** Where in the words stands what. Counters only grow, modulo 2^32. */
const offeredAt = 0
const finishedAt = 1
const lengthsAt = 16
const resultsAt = lengthsAt + slots
const wordsCount = resultsAt + slots

/** What a ring takes of the memory. */
export const ringBytes = wordsCount * 4 + slots * (taskBytesMax + replyBytes)

/** What a task came to: a code of the work's own, and bytes. */
export interface TaskResult {
  readonly code: number
  /** `replyBytes` of them. */
  readonly reply: Uint8Array
}

/**
 * Takes bytes of its own, which it may overwrite, and may write a reply.
 * @returns the code of the result. An error counts as code 0. */
export type Work = (task: Uint8Array, reply: Uint8Array) => number

class Ring {
  protected readonly words: Int32Array
  protected readonly tasks: Uint8Array
  protected readonly replies: Uint8Array

  constructor(shared: SharedArrayBuffer, from: number) {
    const tasksFrom = from + wordsCount * 4
    this.words = new Int32Array(shared, from, wordsCount)
    this.tasks = new Uint8Array(shared, tasksFrom, slots * taskBytesMax)
    this.replies = new Uint8Array(shared, tasksFrom + slots * taskBytesMax, slots * replyBytes)
  }
}

export class OfferingEnd extends Ring {
  #offered = 0
  #collected = 0

  get isFull(): boolean {
    return ((this.#offered - this.#collected) | 0) >= slots
  }

  /** Where it is not full. */
  offer(task: Uint8Array): void {
    const slot = this.#offered & (slots - 1)
    this.tasks.set(task, slot * taskBytesMax)
    this.words[lengthsAt + slot] = task.length
    this.#offered = (this.#offered + 1) | 0
    // What was written before an atomic write is seen by whoever has seen that.
    Atomics.store(this.words, offeredAt, this.#offered)
  }

  /** Copies of the results that have not been collected, in order.
   * @throws {Error} where the other end counts what it was not given: nothing that it says belongs to anything. */
  collect(): TaskResult[] {
    const finished = Atomics.load(this.words, finishedAt)
    const count = (finished - this.#collected) | 0
    if (count < 0 || count > ((this.#offered - this.#collected) | 0))
      throw new Error('bug: a thread has finished tasks that it was not given')
    return Array.from({ length: count }, () => {
      const slot = this.#collected & (slots - 1)
      this.#collected = (this.#collected + 1) | 0
      const reply = this.replies.slice(slot * replyBytes, (slot + 1) * replyBytes)
      return { code: this.words[resultsAt + slot] as number, reply }
    })
  }

  /** Zeroes what nobody will work on any more. */
  clear(): void {
    this.tasks.fill(0)
  }
}

export class WorkingEnd extends Ring {
  #finished = 0

  /** Works off the oldest task. @returns false where there is none. */
  workOff(work: Work): boolean {
    const { words, tasks, replies } = this
    if (Atomics.load(words, offeredAt) === this.#finished) return false
    const slot = this.#finished & (slots - 1)
    const start = slot * taskBytesMax
    const end = start + (words[lengthsAt + slot] as number)
    // A copy: what is checked is what is used. Secrets do not stay in the ring.
    const task = new Uint8Array(end - start)
    task.set(tasks.subarray(start, end))
    tasks.fill(0, start, end)
    const reply = new Uint8Array(replyBytes)
    words[resultsAt + slot] = codeOf(work, task, reply)
    replies.set(reply, slot * replyBytes)
    this.#finished = (this.#finished + 1) | 0
    Atomics.store(words, finishedAt, this.#finished)
    return true
  }
}

function codeOf(work: Work, task: Uint8Array, reply: Uint8Array): number {
  try {
    return work(task, reply)
  } catch {
    return 0
  }
}
