import { type Hex, isCountersignError } from '@countersign/bytes'
import { type Credential, type SignedRequest, wireError } from '@countersign/wire'
import { type Dispatcher, Pool } from 'undici'
import { engineError } from './catalogue.ts'
import type { Metrics } from './metrics.ts'
import { type ChannelAnswer, openSignerChannel } from './signer-channel.ts'

export type SignerAnswer = ChannelAnswer

export interface SignerIdentity {
  readonly audience: string
  readonly phase: string
}

/** What a request came to in the signer's books. */
export type Outcome =
  | { readonly state: 'unknown' | 'pending' | 'abandoned' }
  | { readonly state: 'waiting'; readonly approval: string }
  | { readonly state: 'done'; readonly status: number; readonly answer: unknown }

/** The engine's only way to the signer. Every verb throws WIRE_SIGNER_UNAVAILABLE when there is no answer. */
export interface SignerClient {
  /** @param preparedTransaction What the engine filled in; the signer checks it against the request. */
  forward(request: SignedRequest, preparedTransaction?: Hex): Promise<SignerAnswer>
  /** The signer's public facts, as it states them. */
  get(
    path: '/v1/identity' | '/v1/health' | '/v1/journal/checkpoint' | '/checkpoint' | `/tile/${string}`,
  ): Promise<SignerAnswer>
  /** Cached: the audience of a signer never changes. */
  audience(): Promise<string>
  phase(): Promise<string>
  outcome(credentialId: string, requestId: string): Promise<Outcome>
  /** @returns undefined for one that the signer does not know. */
  credential(id: string): Promise<Credential | undefined>
  close(): Promise<void>
}

/** For what is asked now and then; requests to forward have a channel of their own. */
const connectionsMax = 16
const inFlightMax = 1_500
const connectTimeoutMs = 2_000
const answerTimeoutMs = 30_000
const answerCharsMax = 16_000_000
/** A revoked credential may still cause RPC calls and reads of the directory for this long; a signature never. */
const credentialTtlMs = 1_000
const credentialsMax = 10_000

export function openSignerClient(socketPath: string, metrics: Metrics): SignerClient {
  const pool = new Pool('http://signer', {
    socketPath,
    connections: connectionsMax,
    pipelining: 1,
    connectTimeout: connectTimeoutMs,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    keepAliveTimeout: 30_000,
  })
  const channel = openSignerChannel(socketPath)
  const credentials = new Map<
    string,
    { readonly at: number; readonly found: Promise<Credential | undefined> }
  >()
  let audience: string | undefined
  let inFlight = 0

  async function counted(send: () => Promise<SignerAnswer>): Promise<SignerAnswer> {
    if (inFlight >= inFlightMax) throw engineError('ENGINE_BUSY', 'Too many requests wait for the signer.')
    inFlight++
    try {
      return await send()
    } catch (cause) {
      if (isCountersignError(cause)) throw cause
      const { code } = cause as { code?: string }
      throw wireError('WIRE_SIGNER_UNAVAILABLE', `The signer does not answer (${code ?? 'no connection'}).`, {
        cause,
      })
    } finally {
      inFlight--
    }
  }

  const get = (path: string) => counted(() => dispatch(pool, path))

  async function getJson(path: string): Promise<{ status: number; json: unknown }> {
    const { status, text } = await get(path)
    if (status >= 500) throw wireError('WIRE_SIGNER_UNAVAILABLE', `The signer answers with status ${status}.`)
    try {
      return { status, json: JSON.parse(text) }
    } catch (cause) {
      throw wireError('WIRE_SIGNER_UNAVAILABLE', 'The signer’s answer is not JSON.', { cause })
    }
  }

  async function fetchCredential(id: string): Promise<Credential | undefined> {
    const { status, json } = await getJson(`/v1/credentials/${id}`)
    return status === 200 ? (json as Credential) : undefined
  }

  return {
    async forward(request, preparedTransaction) {
      const startedAt = performance.now()
      const forwarded = preparedTransaction === undefined ? { request } : { request, preparedTransaction }
      const answer = await counted(() => channel.forward(forwarded))
      metrics.signerSeconds.observe((performance.now() - startedAt) / 1_000)
      return answer
    },
    get,
    async audience() {
      if (audience === undefined) audience = ((await getJson('/v1/identity')).json as SignerIdentity).audience
      return audience
    },
    async phase() {
      return ((await getJson('/v1/health')).json as { phase: string }).phase
    },
    async outcome(credentialId, requestId) {
      const { status, json } = await getJson(`/v1/outcomes/${credentialId}/${requestId}`)
      return status === 200 ? (json as Outcome) : { state: 'unknown' }
    },
    credential(id) {
      const now = Date.now()
      const known = credentials.get(id)
      if (known !== undefined && now - known.at < credentialTtlMs) return known.found
      if (credentials.size >= credentialsMax) credentials.clear()
      const found = fetchCredential(id)
      credentials.set(id, { at: now, found })
      found.catch(() => credentials.delete(id))
      return found
    },
    close() {
      channel.close()
      return pool.destroy()
    },
  }
}

function dispatch(pool: Pool, path: string): Promise<SignerAnswer> {
  return new Promise((resolve, reject) => {
    let status = 0
    let bytes = 0
    const chunks: Buffer[] = []
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData(controller, chunk) {
        bytes += chunk.length
        if (bytes > answerCharsMax) controller.abort(new Error('The signer’s answer is too large.'))
        else chunks.push(chunk)
      },
      onResponseEnd() {
        const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
        resolve({ status, text: whole.toString('utf8') })
      },
      onResponseError(_controller, error) {
        reject(error)
      },
    }
    pool.dispatch({ method: 'GET', path }, handler)
  })
}
