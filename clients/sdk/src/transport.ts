import { type CountersignError, parseJson } from '@countersign/bytes'
import type { SignedRequest } from '@countersign/wire'
import { sdkError } from './catalogue.ts'
import { errorFromAnswer } from './refused.ts'

/** How often a request is repeated after a network failure or 503, always with the same request id. */
export const retriesMax = 4
export const backoffFirstMs = 100
export const backoffMaxMs = 3_000
export const answerTimeoutMs = 30_000
const answerJsonLimits = { textCharsMax: 16_000_000, depthMax: 64 }

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface Transport {
  readonly url: string
  readonly fetch: Fetch
  readonly retries: number
  readonly timeoutMs: number
}

export interface SendOptions {
  /** Stops waiting and repeating. What the signer already did stays done: ask again with the same request id. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request until somebody answers, a bounded number of times.
 * @param sign Makes a fresh signature for each attempt: nonces are used once, the request id stays.
 * @throws {CountersignError} the answer's own error, SDK_UNREACHABLE, SDK_ANSWER_INVALID */
export async function sendSigned(
  transport: Transport,
  sign: () => Promise<SignedRequest>,
  options: SendOptions = {},
): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    const request = await sign()
    const outcome = await sendOnce(transport, request, options.signal)
    if ('answer' in outcome) return outcome.answer
    options.signal?.throwIfAborted()
    if (!outcome.repeatable || attempt >= transport.retries) throw outcome.error
    await pause(backoffMs(attempt), options.signal)
  }
}

/** An unsigned GET of public facts. */
export async function getPublic(transport: Transport, path: string): Promise<unknown> {
  return sendSigned(transport, async () => ({ method: 'GET', path, headers: {}, body: '' }))
}

type Outcome = { answer: unknown } | { error: CountersignError; repeatable: boolean }

async function sendOnce(
  transport: Transport,
  request: SignedRequest,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(transport.timeoutMs)
  let status: number
  let text: string
  try {
    const response = await transport.fetch(transport.url + request.path, {
      method: request.method,
      headers: request.headers,
      ...(request.body === '' ? {} : { body: request.body }),
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    status = response.status
    text = await response.text()
  } catch (cause) {
    const requestId = request.headers['idempotency-key']
    const error = sdkError('SDK_UNREACHABLE', `${transport.url} did not answer: ${reasonOf(cause)}.`, {
      cause,
      details: requestId === undefined ? {} : { requestId },
    })
    return { error, repeatable: true }
  }
  return readAnswer(transport, status, text)
}

function readAnswer(transport: Transport, status: number, text: string): Outcome {
  let answer: unknown
  try {
    answer = parseJson(text, answerJsonLimits)
  } catch (cause) {
    const message = `${transport.url} answered ${status} with something that is not JSON.`
    return { error: sdkError('SDK_ANSWER_INVALID', message, { cause }), repeatable: status === 503 }
  }
  if (status >= 200 && status < 300) return { answer }
  const error =
    errorFromAnswer(status, answer) ??
    sdkError('SDK_ANSWER_INVALID', `${transport.url} answered ${status} without an error code.`)
  // The earlier attempt may have arrived although its answer did not: wait for that one's outcome.
  return { error, repeatable: status === 503 || error.code === 'WIRE_REQUEST_IN_FLIGHT' }
}

/** Full jitter: callers that failed together do not come back together. */
function backoffMs(attempt: number): number {
  const ceiling = Math.min(backoffMaxMs, backoffFirstMs * 2 ** attempt)
  return ceiling / 2 + (Math.random() * ceiling) / 2
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** fetch hides the reason one level down. */
function reasonOf(cause: unknown): string {
  const inner = (cause as { cause?: { code?: string; message?: string } }).cause
  return inner?.code ?? inner?.message ?? (cause as Error).name
}
