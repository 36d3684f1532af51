import { decodeBase64, isCountersignError, parseJson } from '@countersign/bytes'
import { encodeTilePath, parseTilePath, type SignedRequest, type Tile, wireError } from '@countersign/wire'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { engineError } from './catalogue.ts'
import type { JournalReader } from './journal/journal-reader.ts'
import type { Logger } from './log.ts'
import { toSignedRequest } from './request.ts'
import type { SignerAnswer, SignerClient } from './signer-client.ts'

/** Nothing of it is decided here: whatever this process alters does not hash to the signed checkpoint. */
export interface TileSource {
  readonly signer: SignerClient
  /** Reads entries for whoever asks: only for the separate address, which is the operator's to open. */
  readonly reader?: JournalReader | undefined
}

const forever = 'max-age=31536000, immutable'
const checkpointCaching = 'public, max-age=2'
const tileAnswerCharsMax = 16_000_000
const connectionTimeoutMs = 60_000

/** C2SP tlog-tiles under the paths that it gives: `/checkpoint` and `/tile/...`. */
export function addTileRoutes(app: FastifyInstance, source: TileSource): void {
  app.get('/checkpoint', { schema: { hide: true } }, async (_request, reply) => {
    const { checkpoint } = bodyOf(await source.signer.get('/checkpoint')) as { checkpoint: string }
    return reply.header('cache-control', checkpointCaching).type('text/plain; charset=utf-8').send(checkpoint)
  })
  app.get('/tile/*', { schema: { hide: true } }, async (request, reply) => {
    const tile = parseTilePath(request.raw.url ?? '/')
    if (tile === undefined) throw wireError('WIRE_NOT_FOUND', 'This is not the path of a tile.')
    if (tile.level !== 'entries') {
      const answer = await source.signer.get(encodeTilePath(tile) as `/tile/${string}`)
      return sendTile(reply, answer, `public, ${forever}`)
    }
    const { reader } = source
    const answer =
      reader === undefined
        ? await source.signer.forward(signedRequestOf(request))
        : await reader.get(encodeTilePath(tile))
    // Whoever may read them may keep them; nobody between may.
    return sendTile(reply, answer, `private, ${forever}`)
  })
}

/** An API of nothing but the tiles, entries among them, for an auditor's network. Off unless `tilesListen` is set. */
export function buildTileApi(source: Required<TileSource>, log: Logger): FastifyInstance {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: 1,
    connectionTimeout: connectionTimeoutMs,
  })
  app.setSerializerCompiler(() => (data) => String(data))
  app.setErrorHandler((error, _request, reply) => {
    const known = isCountersignError(error) ? error : engineError('ENGINE_INTERNAL', 'The engine met a bug.')
    if (known.status >= 500) log.warn({ code: known.code, message: known.message }, 'a tile was not answered')
    return reply
      .code(known.status)
      .type('application/json')
      .send(JSON.stringify({ error: known }))
  })
  addTileRoutes(app, source)
  return app
}

function signedRequestOf(request: FastifyRequest): SignedRequest {
  return toSignedRequest({
    method: request.method,
    path: request.raw.url ?? '/',
    headers: request.headers,
    body: '',
  })
}

function sendTile(reply: FastifyReply, answer: SignerAnswer, caching: string): FastifyReply {
  if (answer.status !== 200) {
    return reply
      .code(answer.status)
      .header('cache-control', 'no-store')
      .type('application/json; charset=utf-8')
      .send(answer.text)
  }
  const { tile } = bodyOf(answer) as { tile: string }
  return reply
    .header('cache-control', caching)
    .type('application/octet-stream')
    .send(Buffer.from(decodeBase64(tile, 'tile')))
}

/** @throws {CountersignError} WIRE_SIGNER_UNAVAILABLE */
function bodyOf({ status, text }: SignerAnswer): unknown {
  if (status === 200) return parseJson(text, { textCharsMax: tileAnswerCharsMax, depthMax: 4 })
  const why = /"message":"((?:[^"\\]|\\.){1,300})"/.exec(text)?.[1] ?? `status ${status}`
  throw wireError('WIRE_SIGNER_UNAVAILABLE', `The signer does not show its journal: ${why}`)
}

export type { Tile }
