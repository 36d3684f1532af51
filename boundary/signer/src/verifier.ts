/**
 * Verification on a thread of its own: it is most of what a signature costs. The thread has no key. Without
 * `startVerifier` (tests, tools) the same functions run where they are called.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { concatBytes } from '@countersign/bytes'
import { signerError } from './catalogue.ts'
import { isRequestSigned, type MadeSignature, type RequestCheck, recoveryOf } from './verify.ts'

type Task = { readonly request: RequestCheck } | { readonly made: MadeSignature }
type Result = boolean | 0 | 1 | undefined

interface Waiting {
  readonly task: Task
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

let thread: Worker | undefined
let queue: Waiting[] = []
/** In one message: the thread answers each message when it is done with all of it. */
const tasksPerMessage = 8
/** Batches that the thread has, in order: it answers them in order. */
const sent: Waiting[][] = []

/** @returns whether the credential has signed these bytes. */
export async function verifyRequest(request: RequestCheck): Promise<boolean> {
  return (await run({ request })) === true
}

/** @returns the recovery id, or undefined where the signature must not leave. */
export async function verifyMade(made: MadeSignature): Promise<0 | 1 | undefined> {
  const recovery = await run({ made })
  return recovery === 0 || recovery === 1 ? recovery : undefined
}

/** @param onDeath Called if the thread ends by itself; everything that waits for it is refused. */
export function startVerifier(onDeath: (error: unknown) => void): void {
  if (thread !== undefined) return
  const worker = new Worker(new URL(import.meta.url), { env: {}, stdin: false })
  thread = worker
  worker.on('message', (results: Result[]) => {
    const batch = sent.shift() ?? []
    if (results.length !== batch.length)
      throw new Error('bug: the verification thread answered another batch')
    for (const [i, { resolve }] of batch.entries()) resolve(results[i])
  })
  worker.on('error', onDeath)
  // It must not keep a process alive that has failed to start.
  worker.unref()
  worker.on('exit', () => {
    if (thread !== worker) return
    thread = undefined
    const refusal = signerError('SIGNER_HALTED', 'The thread that verifies signatures has ended.')
    for (const batch of [...sent.splice(0), queue]) for (const { reject } of batch) reject(refusal)
    queue = []
    onDeath(refusal)
  })
}

export async function stopVerifier(): Promise<void> {
  const worker = thread
  thread = undefined
  await worker?.terminate()
}

function run(task: Task): Promise<Result> {
  if (thread === undefined) return Promise.resolve().then(() => work(task))
  // Whatever a key backend gave for a signature: what is no bytes cannot be sent, and is not valid.
  if (!bytesOf(task).every((part) => part instanceof Uint8Array)) return Promise.resolve(undefined)
  return new Promise((resolve, reject) => {
    // What arrives in one turn of the event loop travels in one message.
    if (queue.length === 0) setImmediate(send)
    queue.push({ task, resolve, reject })
  })
}

function send(): void {
  const waiting = queue
  queue = []
  for (let at = 0; at < waiting.length; at += tasksPerMessage) {
    const batch = waiting.slice(at, at + tasksPerMessage)
    sent.push(batch)
    thread?.postMessage(packTasks(batch.map(({ task }) => task)))
  }
}

function bytesOf(task: Task): readonly [Uint8Array, Uint8Array] {
  return 'request' in task
    ? [task.request.base, task.request.signature]
    : [task.made.payload, task.made.bytes]
}

/** Many small byte arrays are dear to clone: all of a message travel as one, with their lengths beside it. */
interface Packed {
  /** For each task: kind, algorithm, public key, recovery id, and the lengths of its two byte arrays. */
  readonly facts: readonly (string | number | undefined)[]
  readonly bytes: Uint8Array
}
const factsPerTask = 6

function packTasks(tasks: readonly Task[]): Packed {
  const facts: (string | number | undefined)[] = []
  const parts: Uint8Array[] = []
  for (const task of tasks) {
    const [first, second] = bytesOf(task)
    const [kind, asked] =
      'request' in task ? (['request', task.request] as const) : (['made', task.made] as const)
    const recovery = 'made' in task ? task.made.recovery : undefined
    facts.push(kind, asked.algorithm, asked.publicKey, recovery, first.length, second.length)
    parts.push(first, second)
  }
  return { facts, bytes: concatBytes(...parts) }
}

function unpackTasks({ facts, bytes }: Packed): Task[] {
  const tasks: Task[] = []
  let offset = 0
  const take = (length: number) => {
    offset += length
    return bytes.subarray(offset - length, offset)
  }
  for (let at = 0; at < facts.length; at += factsPerTask) {
    const [kind, algorithm, publicKey, recovery, firstLength, secondLength] = facts.slice(at)
    const first = take(firstLength as number)
    const second = take(secondLength as number)
    const key = { algorithm, publicKey }
    tasks.push(
      kind === 'request'
        ? { request: { ...key, base: first, signature: second } as RequestCheck }
        : { made: { ...key, recovery, payload: first, bytes: second } as MadeSignature },
    )
  }
  return tasks
}

/** What cannot be checked is not valid: an error counts as a no, and ends neither the thread nor the batch. */
function work(task: Task): Result {
  try {
    return workOn(task)
  } catch {
    return undefined
  }
}

function workOn(task: Task): Result {
  return 'request' in task ? isRequestSigned(task.request) : recoveryOf(task.made)
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  port.on('message', (packed: Packed) => port.postMessage(unpackTasks(packed).map(work)))
}
