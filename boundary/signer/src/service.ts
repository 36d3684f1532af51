import { isCountersignError, type JsonObject, parseJson } from '@countersign/bytes'
import { Secret } from '@countersign/keys'
import {
  type ForwardedRequest,
  journalOrigin,
  parseTilePath,
  type SignedRequest,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { answerForwarded } from './forward.ts'
import { type OpenOptions, openSigner, readAudience } from './open-signer.ts'
import { readCheckpoint } from './read.ts'
import { readTile } from './read-tiles.ts'
import { answerOf, findRequest } from './requests.ts'
import { type Answerer, bodyBytesMax } from './server.ts'
import type { Answer, Phase, Signer } from './signer.ts'

export const signerVersion = '0.1.0'
/** The envelope is an object around the request's text; what is inside has its own limits. */
const envelopeLimits = { textCharsMax: bodyBytesMax, depthMax: 8 }
const secretCharsMax = 10_000

/** The signer as a process: sealed until it has its secret, then the open signer behind one door. */
export interface Service extends Answerer {
  phase(): Phase
  audience(): string
  close(): Promise<void>
}

/** @param options With `secret` undefined the service starts sealed, unless the backend keeps nothing. */
export async function openService(options: OpenOptions & { readonly isSealed: boolean }): Promise<Service> {
  let signer: Signer | undefined
  let unsealing = false
  if (!options.isSealed) signer = await openSigner(options)
  const sealedAudience = signer === undefined ? await readAudience(options.config) : undefined
  const audience = () => signer?.journal.audience ?? (sealedAudience as string)
  const phase = (): Phase => signer?.phase() ?? 'sealed'

  async function unseal(text: string): Promise<Answer> {
    if (signer !== undefined) return { status: 200, body: { phase: phase() } }
    const { secret } = parseObject(text)
    if (typeof secret !== 'string' || secret.length > secretCharsMax) {
      throw wireError('WIRE_INVALID_BODY', 'The body must be {"secret": "…"}.')
    }
    // One at a time: each costs the memory and the time of a key derivation, which also bounds guessing.
    if (unsealing) throw signerError('SIGNER_BUSY', 'The signer is being unsealed already.')
    unsealing = true
    try {
      signer = await openSigner({ ...options, secret: new Secret(secret) })
    } finally {
      unsealing = false
    }
    return { status: 200, body: { phase: phase() } }
  }

  function opened(): Signer {
    if (signer === undefined)
      throw signerError('SIGNER_SEALED', 'The signer is sealed: it has not been given its secret.')
    signer.checkReady()
    return signer
  }

  function identity(): Answer {
    const body = {
      audience: audience(),
      origin: journalOrigin(audience()),
      journalKey: signer?.journal.publicKey ?? null,
      version: signerVersion,
      phase: phase(),
    }
    return { status: 200, body }
  }

  return {
    phase,
    audience,
    forward: async (forwarded) => answerForwarded(opened(), forwarded),
    async handle(method, path, text) {
      if (method === 'POST' && path === '/v1/forward') return answerForwarded(opened(), parseForwarded(text))
      if (method === 'GET' && path === '/v1/health') return { status: 200, body: { phase: phase() } }
      if (method === 'GET' && path === '/v1/identity') return identity()
      if (method === 'GET' && path === '/v1/journal/checkpoint') return readCheckpoint(opened())
      if (method === 'GET' && path === '/checkpoint')
        return { status: 200, body: { checkpoint: opened().witnesses.checkpoint() } }
      const tile = method === 'GET' ? parseTilePath(path) : undefined
      // Entries are business data: they go to credentials only, never to whoever has reached the socket.
      if (tile !== undefined && tile.level !== 'entries') return readTile(opened(), tile)
      if (method === 'POST' && path === '/v1/unseal') return unseal(text)
      const [, outcomeOf, requestId] = /^\/v1\/outcomes\/([\w-]{1,64})\/([\w-]{1,64})$/.exec(path) ?? []
      if (method === 'GET' && outcomeOf !== undefined && requestId !== undefined) {
        return outcome(opened(), outcomeOf, requestId)
      }
      const [, credentialId] = /^\/v1\/credentials\/([\w-]{1,64})$/.exec(path) ?? []
      if (method === 'GET' && credentialId !== undefined) return credential(opened(), credentialId)
      throw wireError('WIRE_NOT_FOUND', `The signer has no ${method} ${path}.`)
    },
    async close() {
      await signer?.close()
    },
  }
}

/** The other form in which a forwarded request may come; `decodeRequestFrame` of kernel/wire reads the first. */
function parseForwarded(text: string): ForwardedRequest {
  const { request, preparedTransaction, ...others } = parseEnvelope(text)
  if (Object.keys(others).length > 0 || !isSignedRequest(request)) {
    throw wireError('WIRE_INVALID_REQUEST', 'The body is not a forwarded request.')
  }
  if (preparedTransaction !== undefined && typeof preparedTransaction !== 'string') {
    throw wireError('WIRE_INVALID_REQUEST', 'preparedTransaction is not a string.')
  }
  const prepared =
    preparedTransaction === undefined ? {} : { preparedTransaction: preparedTransaction as `0x${string}` }
  return { request, ...prepared }
}

/** What a request that is in the books came to: for an engine that crashed between asking and hearing. */
async function outcome(signer: Signer, credentialId: string, requestId: string): Promise<Answer> {
  const open = await signer.ledger.openPermit(`${credentialId}/${requestId}`)
  if (open !== undefined) return { status: 200, body: { state: 'pending' } }
  const record = await findRequest(signer.ledger, { credential: credentialId, requestId })
  if (record === undefined) throw signerError('SIGNER_ENTRY_UNKNOWN', 'No such request is in the books.')
  if (record.state === 'waiting')
    return { status: 200, body: { state: 'waiting', approval: record.approval } }
  if (record.state !== 'done' || record.answer === null) return { status: 200, body: { state: record.state } }
  const answer = await answerOf(signer, { ...record.answer, index: record.index })
  return { status: 200, body: { state: 'done', status: answer.status, answer: answer.body } }
}

/** The public part of a credential, so that the engine can tell who asks before it works for them. */
async function credential(signer: Signer, id: string): Promise<Answer> {
  const found = await signer.ledger.get('credential', id)
  if (found === undefined) throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
  return { status: 200, body: found }
}

/**
 * The envelope is the engine's word, and nothing but short strings survives the check of its shape, so the
 * platform's parser serves: what the caller signed is inside as text, and is parsed strictly later.
 */
function parseEnvelope(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw wireError('WIRE_INVALID_REQUEST', 'The body is not JSON.', { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw wireError('WIRE_INVALID_REQUEST', 'The body is not a forwarded request.')
}

function parseObject(text: string): JsonObject {
  const value = parseJson(text, envelopeLimits)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wireError('WIRE_INVALID_BODY', 'The body is not a JSON object.')
  }
  return value as JsonObject
}

const methods: readonly unknown[] = ['GET', 'POST', 'PUT', 'DELETE']

function isSignedRequest(value: unknown): value is SignedRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { method, path, headers, body, ...others } = value as Record<string, unknown>
  if (Object.keys(others).length > 0) return false
  if (!methods.includes(method) || typeof path !== 'string' || typeof body !== 'string') return false
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return false
  return Object.values(headers).every((header) => typeof header === 'string')
}

/** For a log line: a typed error by its code, anything else by its name only. */
export function causeForLog(error: unknown): string {
  if (isCountersignError(error)) return `${error.code}: ${error.message}`
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error'
}
