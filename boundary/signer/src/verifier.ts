/**
 * Verification on a thread of its own: it is most of what a signature costs. The thread has no key. Without
 * `startVerifier` (tests, tools) the same functions run where they are called.
 */
import { TaskThread, taskBytesMax, workOffTasks } from '@countersign/keys'
import { signerError } from './catalogue.ts'
import { isRequestSigned, type MadeSignature, type RequestCheck, recoveryOf } from './verify.ts'

type Task = { readonly request: RequestCheck } | { readonly made: MadeSignature }
type Result = boolean | 0 | 1 | undefined

const role = 'countersign-verifier'
let thread: TaskThread | undefined

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
  const refusal = () => signerError('SIGNER_HALTED', 'The thread that verifies signatures has ended.')
  thread ??= new TaskThread({ role, url: new URL(import.meta.url), onDeath, refusal })
}

export async function stopVerifier(): Promise<void> {
  const stopped = thread
  thread = undefined
  await stopped?.stop()
}

async function run(task: Task): Promise<Result> {
  // Whatever a key backend gave for a signature: what is no bytes cannot be sent, and is not valid.
  if (!bytesOf(task).every((part) => part instanceof Uint8Array)) return undefined
  const packed = thread === undefined ? undefined : packTask(task)
  // What is too long for the ring is rare, and no less verified here.
  if (thread === undefined || packed === undefined) return work(task)
  return resultOf((await thread.run(packed)).code)
}

const codes: readonly Result[] = [undefined, false, true, 0, 1]

function codeOf(result: Result): number {
  return Math.max(0, codes.indexOf(result))
}

/** A code that nobody has given is no yes. */
function resultOf(code: number): Result {
  return codes[code]
}

function bytesOf(task: Task): readonly [Uint8Array, Uint8Array] {
  return 'request' in task
    ? [task.request.base, task.request.signature]
    : [task.made.payload, task.made.bytes]
}

/** Its bytes are taken before the next task is packed. */
const scratch = Buffer.alloc(taskBytesMax)

/** Length of a line, the line (kind, recovery id, length of the first bytes, algorithm, public key), and both bytes. */
function packTask(task: Task): Uint8Array | undefined {
  const [first, second] = bytesOf(task)
  const [kind, asked, recovery] =
    'request' in task
      ? (['request', task.request, undefined] as const)
      : (['made', task.made, task.made.recovery] as const)
  const line = `${kind} ${recovery ?? '-'} ${first.length} ${asked.algorithm} ${asked.publicKey}`
  const length = 2 + line.length + first.length + second.length
  if (length > taskBytesMax) return undefined
  scratch.writeUInt16LE(line.length, 0)
  scratch.write(line, 2, 'latin1')
  scratch.set(first, 2 + line.length)
  scratch.set(second, 2 + line.length + first.length)
  return scratch.subarray(0, length)
}

function unpackTask(packed: Uint8Array): Task {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length)
  const lineEnd = 2 + bytes.readUInt16LE(0)
  const [kind, recovery, length, algorithm, publicKey] = bytes.toString('latin1', 2, lineEnd).split(' ')
  const firstEnd = lineEnd + Number(length)
  const key = { algorithm, publicKey }
  const first = packed.subarray(lineEnd, firstEnd)
  const second = packed.subarray(firstEnd)
  if (kind === 'request') return { request: { ...key, base: first, signature: second } as RequestCheck }
  const hint = recovery === '-' ? undefined : Number(recovery)
  return { made: { ...key, recovery: hint, payload: first, bytes: second } as MadeSignature }
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

workOffTasks(role, () => (packed) => codeOf(work(unpackTask(packed))))
