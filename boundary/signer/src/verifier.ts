/**
 * Verification on another thread: it is most of what a signature costs. Without `verifyOn` (tests, tools) the same
 * functions run where they are called.
 */
import { decodeHex, encodeHex } from '@countersign/bytes'
import { type TaskThread, type TaskWork, taskBytesMax } from '@countersign/keys'
import { signerError } from './catalogue.ts'
import { isRequestSigned, type MadeSignature, type RequestCheck, recoveryOf } from './verify.ts'

type Task = { readonly request: RequestCheck } | { readonly made: MadeSignature }
type Result = boolean | 0 | 1 | undefined

export const verifierWork: TaskWork = {
  open: () => (packed) => codeOf(work(unpackTask(packed))),
  refusal: () => signerError('SIGNER_HALTED', 'The thread that verifies signatures has ended.'),
}
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

/** @param started For `verifierWork`; `undefined`: from now on verification runs where it is called. */
export function verifyOn(started: TaskThread | undefined): void {
  thread = started
}

async function run(task: Task): Promise<Result> {
  // Whatever a key backend gave for a signature: what is no bytes cannot be sent, and is not valid.
  if (!bytesOf(task).every((part) => part instanceof Uint8Array)) return undefined
  const packed = thread === undefined ? undefined : packTask(task)
  // What is too long for the ring, or of no usual form, is rare, and no less verified here.
  if (thread === undefined || packed === undefined) return work(task)
  return resultOf((await thread.run(verifierWork, packed)).code)
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
const algorithms = ['p256', 'ed25519', 'secp256k1', 'bip340'] as const
const hexForm = /^0x(?:[0-9a-f]{2}){1,80}$/
/** Kind, algorithm, recovery hint, length of the key, lengths of the two bytes. */
const headBytes = 8
const noHint = 255

/**
 * Numbers at fixed places, then the key and the two byte arrays: nothing in one of them can be taken for another.
 * @returns undefined where it does not fit, or is not of the usual form. */
function packTask(task: Task): Uint8Array | undefined {
  const [first, second] = bytesOf(task)
  const isRequest = 'request' in task
  const { algorithm, publicKey } = isRequest ? task.request : task.made
  const algorithmCode = algorithms.indexOf(algorithm as (typeof algorithms)[number])
  if (algorithmCode === -1 || !hexForm.test(publicKey)) return undefined
  const key = decodeHex(publicKey)
  const length = headBytes + key.length + first.length + second.length
  if (length > taskBytesMax) return undefined
  const hint = isRequest ? undefined : task.made.recovery
  scratch[0] = isRequest ? 1 : 0
  scratch[1] = algorithmCode
  scratch[2] = hint === 0 || hint === 1 ? hint : noHint
  scratch[3] = key.length
  scratch.writeUInt16LE(first.length, 4)
  scratch.writeUInt16LE(second.length, 6)
  scratch.set(key, headBytes)
  scratch.set(first, headBytes + key.length)
  scratch.set(second, headBytes + key.length + first.length)
  return scratch.subarray(0, length)
}

function unpackTask(packed: Uint8Array): Task {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  const keyEnd = headBytes + view.getUint8(3)
  const firstEnd = keyEnd + view.getUint16(4, true)
  const secondEnd = firstEnd + view.getUint16(6, true)
  const algorithm = algorithms[view.getUint8(1)]
  if (secondEnd !== packed.length || algorithm === undefined)
    throw new Error('bug: a task that cannot be read')
  const publicKey = encodeHex(packed.subarray(headBytes, keyEnd))
  const first = packed.subarray(keyEnd, firstEnd)
  const second = packed.subarray(firstEnd)
  if (view.getUint8(0) === 1)
    return { request: { algorithm, publicKey, base: first, signature: second } as RequestCheck }
  const hint = view.getUint8(2)
  const recovery = hint === 0 || hint === 1 ? hint : undefined
  return { made: { algorithm, publicKey, recovery, payload: first, bytes: second } as MadeSignature }
}

/** What cannot be checked is not valid: an error counts as a no, here as on the thread. */
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
