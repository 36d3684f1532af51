import { type Json, parseJson } from '@countersign/bytes'
import type { Operation } from '@countersign/intent'
import {
  type ForwardedRequest,
  matchRoute,
  parseBody,
  parseQuery,
  type RouteMatch,
  wireError,
} from '@countersign/wire'
import { prove } from './authenticate.ts'
import {
  addCredential,
  type NewCredential,
  putOrganisationPolicy,
  putPolicy,
  putWalletPolicy,
  revokeCredential,
} from './change.ts'
import { createWallet, type NewWallet } from './create-wallet.ts'
import { readCustody } from './custody.ts'
import type { SignBody } from './payload.ts'
import {
  readConsistency,
  readCredentials,
  readEntries,
  readInclusion,
  readPolicies,
  readPolicy,
  readReceipt,
  readSignedCheckpoint,
  readWallet,
} from './read.ts'
import { sign } from './sign.ts'
import type { Answer, Signer } from './signer.ts'

/** Typed data nests its types and arrays; nothing else comes near. */
const bodyLimits = { textCharsMax: 1_000_000, depthMax: 32 }
const defaultPageItems = 100
/** Parsing a megabyte takes a hundred milliseconds of the only thread: nobody but a credential may ask for it. */
const unprovenCharsMax = 32_768

/**
 * Which work a signed request asks for. The path that decides is the one that was signed; the engine's own routing
 * has no say in it.
 * @throws {CountersignError} */
export async function answerForwarded(signer: Signer, forwarded: ForwardedRequest): Promise<Answer> {
  const { request } = forwarded
  const match = matchRoute(request.method, request.path)
  if (request.body.length > unprovenCharsMax) await prove(request, signer.authentication, match.route.auth)
  const body = bodyOf(match, request.body)
  const { params, query } = match
  const param = (name: string) => params[name] as string
  const signAs = (operation: Operation) =>
    sign(signer, { operation, walletId: param('walletId'), body: body as SignBody, forwarded })
  switch (match.route.operation) {
    case 'signTransaction':
    case 'sendTransaction':
      return signAs('sign-transaction')
    case 'signMessage':
      return signAs('sign-message')
    case 'signTypedData':
      return signAs('sign-typed-data')
    case 'signAuthorization':
      return signAs('sign-authorization')
    case 'signRaw':
      return signAs('sign-raw')
    case 'createWallet':
      return createWallet(signer, request, body as unknown as NewWallet)
    case 'putPolicy':
      return putPolicy(signer, request, {
        id: param('policyId'),
        ...(body as unknown as { policy: unknown; expected: `0x${string}` | null }),
      })
    case 'setWalletPolicy':
      return putWalletPolicy(signer, request, {
        walletId: param('walletId'),
        ...(body as unknown as PolicyAssignment),
      })
    case 'setOrganisationPolicy':
      return putOrganisationPolicy(signer, request, body as unknown as PolicyAssignment)
    case 'createCredential':
      return addCredential(signer, request, body as unknown as NewCredential)
    case 'revokeCredential':
      return revokeCredential(signer, request, param('credentialId'))
    case 'getWallet':
      return readWallet(signer, request, param('walletId'))
    case 'listCredentials':
      return readCredentials(signer, request, pageOf(query))
    case 'listPolicies':
      return readPolicies(signer, request, pageOf(query))
    case 'getPolicy':
      return readPolicy(signer, request, param('policyId'))
    case 'getReceipt':
      return readReceipt(signer, request, param('requestId'))
    case 'getCheckpoint':
      return readSignedCheckpoint(signer, request)
    case 'listEntries':
      return readEntries(signer, request, {
        start: Number(query.start),
        limit: Number(query.limit ?? defaultPageItems),
      })
    case 'getInclusionProof':
      return readInclusion(signer, request, { index: Number(query.index), size: Number(query.size) })
    case 'getConsistencyProof':
      return readConsistency(signer, request, { from: Number(query.from), to: Number(query.to) })
    case 'getCustody':
      return readCustody(signer, request, param('walletId'))
    default:
      throw wireError(
        'WIRE_NOT_FOUND',
        `The signer does not answer ${request.method} ${request.path}; the engine does.`,
      )
  }
}

interface PolicyAssignment {
  readonly policy: string | null
  readonly expected: string | null
}

export interface Page {
  /** Key of the last item of the page before; empty for the first. */
  readonly after: string
  readonly limit: number
}

function pageOf(query: Readonly<Record<string, string>>): Page {
  return { after: query.cursor ?? '', limit: Number(query.limit ?? defaultPageItems) }
}

/** Parsed once, here; an empty body stands for none. */
function bodyOf({ route, query }: RouteMatch, text: string): Json {
  if ('query' in route) parseQuery(route.query, query)
  else if (Object.keys(query).length > 0) throw wireError('WIRE_INVALID_REQUEST', 'This path takes no query.')
  if (!('body' in route)) {
    if (text !== '') throw wireError('WIRE_INVALID_BODY', 'This path takes no body.')
    return null
  }
  return parseBody(route.body, parseJson(text === '' ? '{}' : text, bodyLimits)) as Json
}
