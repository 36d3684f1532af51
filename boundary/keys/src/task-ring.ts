/**
 * Tasks for one thread, and their results, through memory that both threads share: a message between threads costs
 * as much as the smaller tasks themselves. One thread offers, the other one works, in order; neither waits for the
 * other while there is something to do.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** A power of two, so that the counters may wrap around. */
const slots = 256
/** More than almost every request's signature base has; what does not fit is not taken. */
export const taskBytesMax = 4_096
export const replyBytes = 96
/** How often an idle worker looks whether it shall end. */
const idleMs = 250
/** For the longest task; after it the thread is torn off. */
const stopPatienceMs = 2_000

/** Where in the shared words stands what. Counters only grow, modulo 2^32. */
const offeredAt = 0
const finishedAt = 1
/** 1: the one who offers has been told that there are results, and has not looked yet. */
const toldAt = 2
/** 1: the worker shall end after the tasks that it has. */
const stoppedAt = 3
const lengthsAt = 16
const resultsAt = lengthsAt + slots
const wordsCount = resultsAt + slots

interface Memory {
  readonly words: Int32Array
  readonly tasks: Uint8Array
  readonly replies: Uint8Array
}

function viewOf(shared: SharedArrayBuffer): Memory {
  const tasksFrom = wordsCount * 4
  const repliesFrom = tasksFrom + slots * taskBytesMax
  return {
    words: new Int32Array(shared, 0, wordsCount),
    tasks: new Uint8Array(shared, tasksFrom, slots * taskBytesMax),
    replies: new Uint8Array(shared, repliesFrom, slots * replyBytes),
  }
}

/** What a task came to: a code of the work's own, and bytes. */
export interface TaskResult {
  readonly code: number
  /** `replyBytes` of them. */
  readonly reply: Uint8Array
}

interface Waiting {
  readonly resolve: (result: TaskResult) => void
  readonly reject: (error: unknown) => void
}

export interface TaskThreadOptions {
  readonly role: string
  /** The module that calls `workOffTasks` for this role when it is loaded. */
  readonly url: URL
  /** Called if the thread ends by itself, after everything that waits for it was refused. */
  readonly onDeath: (error: unknown) => void
  /** With which it is refused. */
  readonly refusal: () => Error
}

/** A thread that works off tasks, from the side of who has them. */
export class TaskThread {
  readonly #worker: Worker
  readonly #memory: Memory
  readonly #onDeath: (error: unknown) => void
  readonly #refusal: () => Error
  /** In the ring, in order. */
  readonly #offered: Waiting[] = []
  /** What waits for room in it. */
  readonly #queue: { readonly task: Uint8Array; readonly waiting: Waiting }[] = []
  #offeredCount = 0
  #collectedCount = 0
  #isStopped = false
  #error: unknown
  readonly #ended: Promise<void>

  constructor(options: TaskThreadOptions) {
    const shared = new SharedArrayBuffer(wordsCount * 4 + slots * (taskBytesMax + replyBytes))
    this.#memory = viewOf(shared)
    this.#onDeath = options.onDeath
    this.#refusal = options.refusal
    const { url, role } = options
    this.#worker = new Worker(url, { env: {}, stdin: false, workerData: { role, shared } })
    this.#worker.on('message', () => this.#collect())
    this.#worker.on('error', (error) => {
      this.#error = error
    })
    // It must not keep a process alive that has failed to start.
    this.#worker.unref()
    this.#worker.on('exit', () => this.#end())
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
  }

  /** @param task At most `taskBytesMax` bytes; not looked at after the call. */
  run(task: Uint8Array): Promise<TaskResult> {
    if (task.length > taskBytesMax) return Promise.reject(new Error('bug: a task that the ring cannot take'))
    if (this.#isStopped) return Promise.reject(this.#refusal())
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject }
      if (this.#offered.length < slots) this.#offer(task, waiting)
      else this.#queue.push({ task: new Uint8Array(task), waiting })
    })
  }

  /** Refuses what is on its way. Resolves when the thread has ended. */
  async stop(): Promise<void> {
    if (!this.#isStopped) this.#refuseAll()
    const { words, tasks } = this.#memory
    Atomics.store(words, stoppedAt, 1)
    Atomics.notify(words, offeredAt)
    // By itself: a native call that is torn off in the middle can take the process with it.
    const timer = setTimeout(() => void this.#worker.terminate(), stopPatienceMs)
    await this.#ended
    clearTimeout(timer)
    tasks.fill(0)
  }

  #offer(task: Uint8Array, waiting: Waiting): void {
    const { words, tasks } = this.#memory
    const slot = this.#offeredCount & (slots - 1)
    tasks.set(task, slot * taskBytesMax)
    words[lengthsAt + slot] = task.length
    this.#offered.push(waiting)
    this.#offeredCount = (this.#offeredCount + 1) | 0
    // What was written before an atomic write is seen by whoever has seen that.
    Atomics.store(words, offeredAt, this.#offeredCount)
    Atomics.notify(words, offeredAt, 1)
  }

  #collect(): void {
    const { words, replies } = this.#memory
    // Before the look: what is finished after it is told anew.
    Atomics.store(words, toldAt, 0)
    const finished = Atomics.load(words, finishedAt)
    const results: TaskResult[] = []
    // All of them are copied before anybody hears of one, who might offer the next and use its slot again.
    while (this.#collectedCount !== finished) {
      const slot = this.#collectedCount & (slots - 1)
      const reply = replies.slice(slot * replyBytes, (slot + 1) * replyBytes)
      results.push({ code: words[resultsAt + slot] as number, reply })
      this.#collectedCount = (this.#collectedCount + 1) | 0
    }
    const done = this.#offered.splice(0, results.length)
    for (const { task, waiting } of this.#queue.splice(0, slots - this.#offered.length)) {
      this.#offer(task, waiting)
      task.fill(0)
    }
    for (const [i, { resolve }] of done.entries()) resolve(results[i] as TaskResult)
  }

  #refuseAll(): void {
    this.#isStopped = true
    const refusal = this.#refusal()
    const queued = this.#queue.splice(0).map(({ task, waiting }) => {
      task.fill(0)
      return waiting
    })
    for (const { reject } of [...this.#offered.splice(0), ...queued]) reject(refusal)
  }

  #end(): void {
    if (this.#isStopped) return
    this.#refuseAll()
    this.#memory.tasks.fill(0)
    this.#onDeath(this.#error ?? this.#refusal())
  }
}

/**
 * The working thread's end: called by every thread that loads the module, and does nothing but on one that was started
 * for this role. There it returns when it is stopped.
 * @param open Makes the work, on its thread alone. The work takes bytes of its own, which it may overwrite, and may
 * write a reply. An error counts as code 0. */
export function workOffTasks(
  role: string,
  open: () => (task: Uint8Array, reply: Uint8Array) => number,
): void {
  if (isMainThread || parentPort === null) return
  const started = workerData as { readonly role?: unknown; readonly shared?: unknown } | null
  if (started?.role !== role || !(started.shared instanceof SharedArrayBuffer)) return
  const port = parentPort
  const { words, tasks, replies } = viewOf(started.shared)
  const work = open()
  for (let finished = 0; ; ) {
    if (Atomics.load(words, offeredAt) === finished) {
      if (Atomics.load(words, stoppedAt) === 1) return
      Atomics.wait(words, offeredAt, finished, idleMs)
      continue
    }
    const slot = finished & (slots - 1)
    const start = slot * taskBytesMax
    const end = start + (words[lengthsAt + slot] as number)
    // A copy: what is checked is what is used. Secrets do not stay in the ring.
    const task = new Uint8Array(end - start)
    task.set(tasks.subarray(start, end))
    tasks.fill(0, start, end)
    const reply = new Uint8Array(replyBytes)
    words[resultsAt + slot] = codeOf(() => work(task, reply))
    replies.set(reply, slot * replyBytes)
    finished = (finished + 1) | 0
    Atomics.store(words, finishedAt, finished)
    if (Atomics.exchange(words, toldAt, 1) === 0) port.postMessage(null)
  }
}

function codeOf(work: () => number): number {
  try {
    return work()
  } catch {
    return 0
  }
}
