import type { Socket } from 'node:net'
import { type CountersignError, isCountersignError } from '@countersign/bytes'
import { type ApiRoute, matchRoute, type Route, routes, wireError } from '@countersign/wire'
import swagger from '@fastify/swagger'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { engineError } from './catalogue.ts'
import { errorForLog, type Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { openApiOptions, routeSchema } from './openapi.ts'
import type { EngineAnswer, IncomingRequest } from './request.ts'
import { addTileRoutes, type TileSource } from './tile-api.ts'

export interface ApiDeps {
  readonly answer: (request: IncomingRequest) => Promise<EngineAnswer>
  readonly readiness: () => Promise<Readiness>
  readonly tiles: TileSource
  readonly metrics: Metrics
  readonly log: Logger
}

export interface Readiness {
  readonly ready: boolean
  readonly signer: string
  readonly database: string
  readonly chains: Readonly<Record<string, string>>
}

export const bodyBytesMax = 1_048_576
const requestTimeoutMs = 30_000
const connectionTimeoutMs = 60_000
const keepAliveTimeoutMs = 72_000
const jsonType = 'application/json; charset=utf-8'

/** Each signature asks for one; a line for each would cost more than the work. */
const quietOperations: ReadonlySet<string> = new Set([
  ...['signMessage', 'signTypedData', 'signTransaction', 'signAuthorization', 'signRaw', 'getHealth'],
  'signUserOperation',
])

/** The public API: every route of kernel/wire, documented from its schemas, answered by `deps.answer`. */
export async function buildApi(deps: ApiDeps): Promise<FastifyInstance> {
  const { metrics, log } = deps
  const app = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // Lines about requests are written below, without headers, bodies and user identifiers.
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: onClientError,
    frameworkErrors: (error, request, reply) =>
      sendError(deps, error, request as FastifyRequest, reply as FastifyReply),
  })
  // The signer validates what it decides on, and the engine what it uses: schemas here are for the document only.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (data) => (typeof data === 'string' ? data : JSON.stringify(data)))
  // The signature covers the exact text, so no parser touches it.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: bodyBytesMax }, (_request, body, done) =>
    done(null, body),
  )
  app.setErrorHandler((error, request, reply) => sendError(deps, error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    try {
      matchRoute(request.method, request.url)
      throw wireError('WIRE_NOT_FOUND', 'There is no such path in this API.')
    } catch (error) {
      sendError(deps, error, request, reply)
    }
  })
  await app.register(swagger, openApiOptions)

  for (const route of routes) addRoute(app, deps, route)
  addTileRoutes(app, deps.tiles)
  app.get('/healthz', { schema: { hide: true } }, (_request, reply) =>
    sendJson(reply, 200, '{"status":"ok"}'),
  )
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const readiness = await deps.readiness()
    return sendJson(reply, readiness.ready ? 200 : 503, JSON.stringify(readiness))
  })
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    return sendJson(reply, 200, document)
  })
  app.addHook('onClose', async () => log.info({}, 'the API is closed'))
  return app
}

function addRoute(app: FastifyInstance, deps: ApiDeps, route: ApiRoute): void {
  const { operation } = route
  const isQuiet = quietOperations.has(operation)
  const pattern = route.pattern.replaceAll(/\{(\w+)\}/g, ':$1')
  app.route({
    method: route.method,
    url: pattern,
    schema: routeSchema(route as Route),
    handler: async (request, reply) => {
      const { body } = request
      const startedAt = performance.now()
      const answer = await deps.answer({
        method: request.method,
        path: request.raw.url ?? '/',
        headers: request.headers,
        body: typeof body === 'string' ? body : '',
      })
      count(deps.metrics, operation, answer)
      if (!isQuiet)
        deps.log.info(
          { operation, status: answer.status, ms: Math.round(performance.now() - startedAt) },
          'answered',
        )
      const retryAfterS =
        answer.status === 429 ? /"retryAfterS":([0-9]{1,6})\b/.exec(answer.text)?.[1] : undefined
      if (retryAfterS !== undefined) reply.header('retry-after', retryAfterS)
      return sendJson(reply, answer.status, answer.text)
    },
  })
}

function count(metrics: Metrics, operation: string, { status, text }: EngineAnswer): void {
  metrics.requests.inc({ route: operation, status })
  if (status < 300) {
    if (signed(operation, { status, text })) metrics.signatures.inc({ operation })
    return
  }
  const code = /"code":"([A-Z][A-Z0-9_]{2,63})"/.exec(text)?.[1]
  metrics.refusals.inc({ code: code ?? 'unknown' })
}

/** What waits for approval is not signed yet. */
function signed(operation: string, { status, text }: EngineAnswer): boolean {
  if (operation === 'sendTransaction') return !text.includes('"status":"waiting-approval"')
  return operation.startsWith('sign') && status === 200
}

function sendJson(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header('content-type', jsonType).send(text)
}

function sendError(
  { metrics, log }: ApiDeps,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const known = toKnownError(error)
  const operation = operationOf(request)
  metrics.requests.inc({ route: operation, status: known.status })
  metrics.refusals.inc({ code: known.code })
  if (known.code === 'ENGINE_INTERNAL') log.error({ operation, error: errorForLog(error) }, 'bug')
  else if (known.status >= 500)
    log.warn({ operation, code: known.code, message: known.message }, 'not answered')
  else if (!quietOperations.has(operation))
    log.info({ operation, status: known.status, code: known.code }, 'refused')
  if (known.code === 'WIRE_METHOD_NOT_ALLOWED') reply.header('allow', String(known.details?.allowed ?? ''))
  sendJson(reply, known.status, JSON.stringify({ error: known }))
}

/** The route's name, never the path: ids do not belong in labels. */
function operationOf(request: FastifyRequest): string {
  const schema = request.routeOptions?.schema as { operationId?: string } | undefined
  return schema?.operationId ?? 'other'
}

/** Errors of the framework are about the form of a request; what else is no typed error is a bug. */
function toKnownError(error: unknown): CountersignError {
  if (isCountersignError(error)) return error
  const { code, statusCode = 500 } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return wireError('WIRE_BODY_TOO_LARGE', `The body is over ${bodyBytesMax} bytes.`)
  }
  if (statusCode >= 400 && statusCode < 500) {
    return wireError('WIRE_INVALID_REQUEST', `The request cannot be read (${code ?? 'malformed'}).`)
  }
  return engineError('ENGINE_INTERNAL', 'The engine met a bug; nothing is known to have been signed.')
}

/** What is not even HTTP gets an answer in the API's own form all the same. */
function onClientError(error: Error & { code: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const body = JSON.stringify({
    error: wireError(
      'WIRE_INVALID_REQUEST',
      isTooLarge ? 'The headers are too large.' : 'The request is not HTTP/1.1.',
    ),
  })
  const line = isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: ${jsonType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
