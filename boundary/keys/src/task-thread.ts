/**
 * A thread for several kinds of work: with more threads than there are cores they only take the cores from one another.
 * Each kind has a ring of its own, and the thread takes from them in turn, so that none waits for another's backlog.
 */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
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

/** A kind of work. */
export interface TaskWork {
  /** Exports `openWork`, an `OpenWork`: all that the thread loads for it. */
  readonly module: URL
  /** With which its tasks are refused where the thread has ended. */
  readonly refusal: () => Error
}

/** Makes the work, on its thread alone. */
export type OpenWork = () => Work

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
  readonly works: readonly TaskWork[]
  /** Called if the thread ends by itself, after everything that waits for it was refused. */
  readonly onDeath: (error: unknown) => void
}

interface Started {
  /** The module that shall work: another copy of it, loaded by the work, is not meant. */
  readonly entry: string
  readonly modules: readonly string[]
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

  constructor({ works, onDeath }: TaskThreadOptions) {
    const shared = new SharedArrayBuffer(headBytes + works.length * ringBytes)
    this.#head = headOf(shared)
    this.#lanes = works.map((work, i) => {
      return { work, ring: new OfferingEnd(shared, ringFrom(i)), offered: [], queue: [] }
    })
    this.#onDeath = onDeath
    const entry = import.meta.url
    const started: Started = { entry, modules: works.map(({ module }) => module.href), shared }
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

/** The working thread's end: returns when it is stopped. */
async function workOffTasks({ modules, shared }: Started, port: MessagePort): Promise<void> {
  const head = headOf(shared)
  const lanes: { ring: WorkingEnd; work: Work }[] = []
  for (const [i, module] of modules.entries()) {
    const { openWork } = (await import(module)) as { openWork: OpenWork }
    lanes.push({ ring: new WorkingEnd(shared, ringFrom(i)), work: openWork() })
  }
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

// Loaded by every thread that has tasks, too; only the one that was started for them works them off.
const started = workerData as Partial<Started> | null
if (!isMainThread && parentPort !== null && started?.entry === import.meta.url)
  void workOffTasks(started as Started, parentPort)
