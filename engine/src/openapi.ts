import {
  type ApiOperation,
  approvableOperations,
  approvalPendingAnswer,
  bearerOperations,
  changeProposedAnswer,
  delayableOperations,
  errorAnswerSchema,
  type Route,
} from '@countersign/wire'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import Type from 'typebox'

export const openApiOptions: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Countersign',
      description:
        'Server-side wallet signing. Each request is signed by a credential (RFC 9421, tag countersign-v1); the signer, a process apart, decides over the signed request itself.',
      version: '0.1.0',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: {
        requestSignature: {
          type: 'apiKey',
          in: 'header',
          name: 'Signature',
          description:
            'HTTP Message Signature (RFC 9421) over "@method" "@path" "@query" "content-digest" "countersign-audience" "idempotency-key", with Signature-Input, Content-Digest (RFC 9530), Countersign-Audience and Idempotency-Key. docs/api.md shows how.',
        },
        apiKey: {
          type: 'apiKey',
          in: 'header',
          name: 'X-API-Key',
          description:
            'An API key (csk_…), also as Authorization: Bearer. Whoever sees it has it, so it is good only for what a policy grants to `bearer`, and for no change. docs/credentials.md says more.',
        },
      },
    },
  },
}

const tagOf: ReadonlyArray<readonly [prefix: string, tag: string]> = [
  ['/v1/wallets', 'wallets'],
  ['/v1/transactions', 'transactions'],
  ['/v1/receipts', 'journal'],
  ['/v1/journal', 'journal'],
  ['/v1/policies', 'policies'],
  ['/v1/organisation', 'changes'],
  ['/v1/changes', 'changes'],
  ['/v1/books', 'policies'],
  ['/v1/wallet-groups', 'wallets'],
  ['/v1/freeze', 'changes'],
  ['/v1/thaw', 'changes'],
  ['/v1/credentials', 'credentials'],
  ['/v1/custody', 'custody'],
  ['/v1/approvals', 'approvals'],
  ['/v1/facts', 'approvals'],
  ['/v1/grants', 'grants'],
  ['/v1/blast-radius', 'custody'],
]

/** For the document only; nothing is validated or serialised with it. */
export function routeSchema(route: Route): FastifySchema & Record<string, unknown> {
  const names = [...route.pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string)
  const isPublic = route.auth === 'public' || route.operation === 'getCheckpoint'
  return {
    operationId: route.operation,
    summary:
      route.auth === 'quorum' ? `${route.summary} Needs the signatures of the admin quorum.` : route.summary,
    tags: [tagOf.find(([prefix]) => route.pattern.startsWith(prefix))?.[1] ?? 'service'],
    security: isPublic
      ? []
      : [
          { requestSignature: [] },
          ...(bearerOperations.has(route.operation as ApiOperation) ? [{ apiKey: [] }] : []),
        ],
    ...(names.length === 0
      ? {}
      : { params: Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()]))) }),
    ...(route.query === undefined ? {} : { querystring: route.query }),
    ...(route.body === undefined ? {} : { body: route.body }),
    response: {
      [route.status]: { description: 'Done.', ...route.answer },
      ...(delayableOperations.has(route.operation) ? { 202: changeProposedAnswer } : {}),
      // `sendTransaction` answers 202 with the transaction, whose status says that it waits.
      ...(approvableOperations.has(route.operation) && route.status !== 202
        ? { 202: approvalPendingAnswer }
        : {}),
      '4xx': { description: 'Refused.', ...errorAnswerSchema },
      '5xx': { description: 'Not possible now.', ...errorAnswerSchema },
    },
  }
}
