/**
 * Verification on a thread of its own: it is most of what a signature costs. Receipts are signed there too, by a key
 * object that both threads of this process share. Without `startVerifier` (tests, tools) the same functions run where
 * they are called.
 */
import { type KeyObject, sign as signWithNode } from 'node:crypto'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { signerError } from './catalogue.ts'
import { isRequestSigned, type MadeSignature, type RequestCheck, recoveryOf } from './verify.ts'

type Task =
  | { readonly request: RequestCheck }
  | { readonly made: MadeSignature }
  | { readonly receipt: Uint8Array; readonly key: KeyObject }
type Result = boolean | 0 | 1 | Uint8Array | undefined

interface Waiting {
  readonly task: Task
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

let thread: Worker | undefined
let queue: Waiting[] = []
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

/** Ed25519 with the journal's key. */
export async function signReceipt(key: KeyObject, receipt: Uint8Array): Promise<Uint8Array> {
  const signature = await run({ receipt, key })
  if (signature instanceof Uint8Array) return signature
  throw new Error('bug: the journal key signed no receipt')
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
  return new Promise((resolve, reject) => {
    // What arrives in one turn of the event loop travels in one message.
    if (queue.length === 0) setImmediate(send)
    queue.push({ task, resolve, reject })
  })
}

function send(): void {
  const batch = queue
  queue = []
  if (batch.length === 0) return
  sent.push(batch)
  thread?.postMessage(batch.map(({ task }) => task))
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
  if ('request' in task) return isRequestSigned(task.request)
  if ('made' in task) return recoveryOf(task.made)
  return new Uint8Array(signWithNode(null, task.receipt, task.key))
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  port.on('message', (tasks: readonly Task[]) => port.postMessage(tasks.map(work)))
}
