/**
 * Tasks for one thread, and their results, through memory that both threads share: a message between threads costs
 * as much as the smaller tasks themselves. One thread offers, the other one works, in order; neither waits for the
 * other while there is something to do. One thread can do several kinds of work: more of them than there are cores
 * only take the cores from one another.
 */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'

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
const worksAt = lengthsAt + slots
const resultsAt = worksAt + slots
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

/** A kind of work. */
export interface TaskWork {
  /** Exports `openWork`, an `OpenWork`: all that the thread loads for it. */
  readonly module: URL
  /** With which its tasks are refused where the thread has ended. */
  readonly refusal: () => Error
}

/**
 * Makes the work, on its thread alone. It takes bytes of its own, which it may overwrite, and may write a reply.
 * @returns the code of the result. An error counts as code 0. */
export type OpenWork = () => (task: Uint8Array, reply: Uint8Array) => number

interface Waiting {
  /** Its place among the thread's. */
  readonly work: number
  readonly resolve: (result: TaskResult) => void
  readonly reject: (error: unknown) => void
}

export interface TaskThreadOptions {
  readonly works: readonly TaskWork[]
  /** Called if the thread ends by itself, after everything that waits for it was refused. */
  readonly onDeath: (error: unknown) => void
}

const role = 'countersign-tasks'

interface Started {
  readonly role: typeof role
  readonly modules: readonly string[]
  readonly shared: SharedArrayBuffer
}

/** A thread that works off tasks, from the side of who has them. */
export class TaskThread {
  readonly #worker: Worker
  readonly #memory: Memory
  readonly #onDeath: (error: unknown) => void
  readonly #works: readonly TaskWork[]
  /** In the ring, in order. */
  readonly #offered: Waiting[] = []
  /** What waits for room in it. */
  readonly #queue: { readonly task: Uint8Array; readonly waiting: Waiting }[] = []
  #offeredCount = 0
  #collectedCount = 0
  #isStopped = false
  #error: unknown
  readonly #ended: Promise<void>

  constructor({ works, onDeath }: TaskThreadOptions) {
    const shared = new SharedArrayBuffer(wordsCount * 4 + slots * (taskBytesMax + replyBytes))
    this.#memory = viewOf(shared)
    this.#onDeath = onDeath
    this.#works = works
    const started: Started = { role, modules: works.map(({ module }) => module.href), shared }
    this.#worker = new Worker(new URL(import.meta.url), { env: {}, stdin: false, workerData: started })
    this.#worker.on('message', () => this.#collect())
    this.#worker.on('error', (error) => {
      this.#error = error
    })
    // It must not keep a process alive that has failed to start.
    this.#worker.unref()
    this.#worker.on('exit', () => this.#end())
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
  }

  /** @param kind One of those that the thread was started for.
   * @param task At most `taskBytesMax` bytes; not looked at after the call. */
  run(kind: TaskWork, task: Uint8Array): Promise<TaskResult> {
    const work = this.#works.indexOf(kind)
    if (work === -1 || task.length > taskBytesMax)
      return Promise.reject(new Error('bug: a task that the ring cannot take'))
    if (this.#isStopped) return Promise.reject(kind.refusal())
    return new Promise((resolve, reject) => {
      const waiting = { work, resolve, reject }
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
    words[worksAt + slot] = waiting.work
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
    const queued = this.#queue.splice(0).map(({ task, waiting }) => {
      task.fill(0)
      return waiting
    })
    for (const { work, reject } of [...this.#offered.splice(0), ...queued])
      reject((this.#works[work] as TaskWork).refusal())
  }

  #end(): void {
    if (this.#isStopped) return
    this.#refuseAll()
    this.#memory.tasks.fill(0)
    this.#onDeath(this.#error ?? new Error('A thread of the signer has ended by itself.'))
  }
}

/** The working thread's end: returns when it is stopped. */
async function workOffTasks({ modules, shared }: Started, port: MessagePort): Promise<void> {
  const { words, tasks, replies } = viewOf(shared)
  const works: ReturnType<OpenWork>[] = []
  for (const module of modules) works.push(((await import(module)) as { openWork: OpenWork }).openWork())
  for (let finished = 0; ; ) {
    if (Atomics.load(words, offeredAt) === finished) {
      if (Atomics.load(words, stoppedAt) === 1) return
      Atomics.wait(words, offeredAt, finished, idleMs)
      continue
    }
    const slot = finished & (slots - 1)
    const start = slot * taskBytesMax
    const end = start + (words[lengthsAt + slot] as number)
    const work = works[words[worksAt + slot] as number]
    // A copy: what is checked is what is used. Secrets do not stay in the ring.
    const task = new Uint8Array(end - start)
    task.set(tasks.subarray(start, end))
    tasks.fill(0, start, end)
    const reply = new Uint8Array(replyBytes)
    words[resultsAt + slot] = codeOf(work, task, reply)
    replies.set(reply, slot * replyBytes)
    finished = (finished + 1) | 0
    Atomics.store(words, finishedAt, finished)
    if (Atomics.exchange(words, toldAt, 1) === 0) port.postMessage(null)
  }
}

function codeOf(work: ReturnType<OpenWork> | undefined, task: Uint8Array, reply: Uint8Array): number {
  try {
    return work === undefined ? 0 : work(task, reply)
  } catch {
    return 0
  }
}

// Loaded by every thread that has tasks, too; only the one that was started for them works them off.
if (!isMainThread && parentPort !== null && (workerData as Partial<Started> | null)?.role === role)
  void workOffTasks(workerData as Started, parentPort)
