/**
 * A thread for several kinds of work: with more threads than there are cores they only take the cores from one another.
 * Each kind has a ring of its own, and the thread takes from them in turn, so that none waits for another's backlog.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { OfferingEnd, ringBytes, type TaskResult, taskBytesMax, type Work, WorkingEnd } from './task-ring.ts'

/** How often an idle worker looks whether it shall end. */
const idleMs = 250
/** For the longest task; after it the thread is torn off. */
const stopPatienceMs = 2_000

// Words of the thread's own, before its rings.
/** Counts what was offered, modulo 2^32: a worker that has found nothing sleeps until it changes. */
const bellAt = 0
/** 1: who offers has been told that there are results, and has not looked yet. */
const toldAt = 1
/** 1: the worker shall end after the tasks that it has. */
const stoppedAt = 2
const headBytes = 64

/** A kind of work: one object on each side, by the same name. */
export interface TaskWork {
  /** Called on the working thread alone. */
  readonly open: () => Work
  /** With which its tasks are refused where the thread has ended. */
  readonly refusal: () => Error
}

interface Waiting {
  readonly resolve: (result: TaskResult) => void
  readonly reject: (error: unknown) => void
}

/** One kind of work, from the side of who has the tasks. */
interface Lane {
  readonly work: TaskWork
  readonly ring: OfferingEnd
  /** In the ring, in order. */
  readonly offered: Waiting[]
  /** What waits for room in it. */
  readonly queue: (Waiting & { readonly task: Uint8Array })[]
}

export interface TaskThreadOptions {
  /** The URL of the module that calls `workOffTasks` for these works. */
  readonly entry: string
  readonly works: readonly TaskWork[]
  /** Called if the thread ends by itself, after everything that waits for it was refused. */
  readonly onDeath: (error: unknown) => void
}

interface Started {
  readonly entry: string
  readonly shared: SharedArrayBuffer
}

export class TaskThread {
  readonly #worker: Worker
  readonly #head: Int32Array
  readonly #lanes: readonly Lane[]
  readonly #onDeath: (error: unknown) => void
  #isStopped = false
  #error: unknown
  readonly #ended: Promise<void>

  constructor({ entry, works, onDeath }: TaskThreadOptions) {
    const shared = new SharedArrayBuffer(headBytes + works.length * ringBytes)
    this.#head = headOf(shared)
    this.#lanes = works.map((work, i) => {
      return { work, ring: new OfferingEnd(shared, ringFrom(i)), offered: [], queue: [] }
    })
    this.#onDeath = onDeath
    const started: Started = { entry, shared }
    this.#worker = new Worker(new URL(entry), { env: {}, stdin: false, workerData: started })
    this.#worker.on('message', () => this.#collect())
    this.#worker.on('error', (error) => {
      this.#error = error
    })
    // It must not keep a process alive that has failed to start.
    this.#worker.unref()
    this.#worker.on('exit', () => this.#end())
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
  }

  /** Tasks of one kind are worked off in the order in which they come.
   * @param kind One of those that the thread was started for.
   * @param task At most `taskBytesMax` bytes; not looked at after the call. */
  run(kind: TaskWork, task: Uint8Array): Promise<TaskResult> {
    const lane = this.#lanes.find(({ work }) => work === kind)
    if (lane === undefined || task.length > taskBytesMax)
      return Promise.reject(new Error('bug: a task that the thread cannot take'))
    if (this.#isStopped) return Promise.reject(kind.refusal())
    return new Promise((resolve, reject) => {
      if (lane.ring.isFull) lane.queue.push({ task: new Uint8Array(task), resolve, reject })
      else this.#offer(lane, task, { resolve, reject })
    })
  }

  /** Refuses what is on its way. Resolves when the thread has ended. */
  async stop(): Promise<void> {
    if (!this.#isStopped) this.#refuseAll()
    Atomics.store(this.#head, stoppedAt, 1)
    this.#ring()
    // By itself: a native call that is torn off in the middle can take the process with it.
    const timer = setTimeout(() => void this.#worker.terminate(), stopPatienceMs)
    await this.#ended
    clearTimeout(timer)
    for (const { ring } of this.#lanes) ring.clear()
  }

  #offer({ ring, offered }: Lane, task: Uint8Array, waiting: Waiting): void {
    ring.offer(task)
    offered.push(waiting)
    this.#ring()
  }

  #ring(): void {
    Atomics.add(this.#head, bellAt, 1)
    Atomics.notify(this.#head, bellAt, 1)
  }

  #collect(): void {
    // Before the look: what is finished after it is told anew.
    Atomics.store(this.#head, toldAt, 0)
    for (const lane of this.#lanes) {
      let results: TaskResult[]
      try {
        results = lane.ring.collect()
      } catch (error) {
        this.#error = error
        this.#end()
        return
      }
      // All of them are copied before anybody hears of one, who might offer the next and use its slot again.
      const done = lane.offered.splice(0, results.length)
      while (lane.queue.length > 0 && !lane.ring.isFull) {
        const { task, ...waiting } = lane.queue.shift() as Lane['queue'][0]
        this.#offer(lane, task, waiting)
        task.fill(0)
      }
      for (const [i, { resolve }] of done.entries()) resolve(results[i] as TaskResult)
    }
  }

  #refuseAll(): void {
    this.#isStopped = true
    for (const { work, offered, queue } of this.#lanes) {
      for (const { task } of queue) task.fill(0)
      for (const { reject } of [...offered.splice(0), ...queue.splice(0)]) reject(work.refusal())
    }
  }

  #end(): void {
    if (this.#isStopped) return
    this.#refuseAll()
    for (const { ring } of this.#lanes) ring.clear()
    this.#onDeath(this.#error ?? new Error('A thread of the signer has ended by itself.'))
  }
}

function headOf(shared: SharedArrayBuffer): Int32Array {
  return new Int32Array(shared, 0, headBytes / 4)
}

function ringFrom(place: number): number {
  return headBytes + place * ringBytes
}

/**
 * The working thread's end: called by every thread that loads the entry, and does nothing but on the one that was
 * started with it. There it returns when it is stopped.
 * @param entry The caller's `import.meta.url`: it tells a copy of the module, loaded by the work, from the entry. */
export function workOffTasks(entry: string, works: readonly TaskWork[]): void {
  const started = workerData as Partial<Started> | null
  if (isMainThread || parentPort === null || started?.entry !== entry) return
  const { shared } = started as Started
  const port = parentPort
  const head = headOf(shared)
  const lanes = works.map(({ open }, i) => ({ ring: new WorkingEnd(shared, ringFrom(i)), work: open() }))
  for (;;) {
    // Before the look: what is offered after it keeps this thread from sleeping.
    const bell = Atomics.load(head, bellAt)
    let isIdle = true
    for (const { ring, work } of lanes) {
      if (!ring.workOff(work)) continue
      isIdle = false
      if (Atomics.exchange(head, toldAt, 1) === 0) port.postMessage(null)
    }
    if (!isIdle) continue
    if (Atomics.load(head, stoppedAt) === 1) return
    Atomics.wait(head, bellAt, bell, idleMs)
  }
}
