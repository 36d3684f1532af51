import { parseJson } from '@countersign/bytes'
import { encodeTilePath, parseTilePath, type SignedRequest, wireError } from '@countersign/wire'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { JournalReader } from './journal/journal-reader.ts'
import { decodeTile, PublicTiles, tileError } from './journal/public-tiles.ts'
import type { Logger } from './log.ts'
import { toSignedRequest } from './request.ts'
import type { SignerAnswer, SignerClient } from './signer-client.ts'

export interface TileSource {
  readonly signer: SignerClient
  /** Reads entries for whoever asks: only for the separate address, which is the operator's to open. */
  readonly reader?: JournalReader | undefined
}

const forever = 'max-age=31536000, immutable'
const checkpointCaching = 'public, max-age=2'
const checkpointAnswerCharsMax = 100_000
const connectionTimeoutMs = 60_000

/** C2SP tlog-tiles under the paths that it gives: `/checkpoint` and `/tile/...`. */
export function addTileRoutes(app: FastifyInstance, source: TileSource): void {
  let tiles: PublicTiles | undefined
  let asked: Promise<SignerAnswer> | undefined
  app.get('/checkpoint', { schema: { hide: true } }, async (_request, reply) => {
    // However many ask at once, the signer is asked once.
    asked ??= source.signer.get('/checkpoint').finally(() => {
      asked = undefined
    })
    const { checkpoint } = bodyOf(await asked) as { checkpoint: string }
    return reply.header('cache-control', checkpointCaching).type('text/plain; charset=utf-8').send(checkpoint)
  })
  app.get('/tile/*', { schema: { hide: true } }, async (request, reply) => {
    const tile = parseTilePath(request.raw.url ?? '/')
    if (tile === undefined) throw wireError('WIRE_NOT_FOUND', 'This is not the path of a tile.')
    if (tile.level !== 'entries') {
      tiles ??= new PublicTiles(source.signer)
      const bytes = await tiles.get(tile)
      return sendBytes(reply, bytes, `public, ${forever}`)
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
    const known = tileError(error)
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
  return sendBytes(reply, decodeTile(answer), caching)
}

function sendBytes(reply: FastifyReply, bytes: Buffer, caching: string): FastifyReply {
  return reply.header('cache-control', caching).type('application/octet-stream').send(bytes)
}

/** @throws {CountersignError} WIRE_SIGNER_UNAVAILABLE */
function bodyOf({ status, text }: SignerAnswer): unknown {
  if (status === 200) return parseJson(text, { textCharsMax: checkpointAnswerCharsMax, depthMax: 4 })
  const why = /"message":"((?:[^"\\]|\\.){1,300})"/.exec(text)?.[1] ?? `status ${status}`
  throw wireError('WIRE_SIGNER_UNAVAILABLE', `The signer does not show its journal: ${why}`)
}
