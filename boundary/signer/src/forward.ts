import { type Json, parseJson } from '@countersign/bytes'
import type { Operation } from '@countersign/intent'
import {
  type AddCosignaturesBody,
  type ApproveBody,
  checkBearerMay,
  type FactBody,
  type ForwardedRequest,
  type FreezeBody,
  isBearerRequest,
  matchRoute,
  parseBody,
  parseQuery,
  type RejectBody,
  type RevokeGrantBody,
  type RotateCredentialBody,
  type RouteMatch,
  searchFields,
  type VetoChangeBody,
  wireError,
} from '@countersign/wire'
import { readApproval, readApprovals } from './approval-statements.ts'
import { prove } from './authenticate.ts'
import { answerChange } from './change-routes.ts'
import { createWallet, type NewWallet } from './create-wallet.ts'
import { readCustody } from './custody.ts'
import { addFact } from './facts.ts'
import { freeze } from './freeze.ts'
import { keepGrantAlive, revokeGrant } from './grant-changes.ts'
import type { SignBody } from './payload.ts'
import { vetoChange } from './pending-changes.ts'
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
import { readBlastRadius } from './read-blast-radius.ts'
import {
  readBook,
  readBooks,
  readChange,
  readChanges,
  readOrganisation,
  readWalletGroup,
  readWalletGroups,
} from './read-changes.ts'
import { readGrant, readGrants } from './read-grants.ts'
import { answerTile, readDocument } from './read-tiles.ts'
import { rotateCredential } from './rotate.ts'
import { sign } from './sign.ts'
import type { Answer, Signer } from './signer.ts'
import { vote } from './vote.ts'

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
  const tile = await answerTile(signer, request)
  if (tile !== undefined) return tile
  const match = matchRoute(request.method, request.path)
  // Before anything of the body is read; `proveBearer` asks again.
  if (isBearerRequest(request)) checkBearerMay(match.route.operation)
  if (request.body.length > unprovenCharsMax) await prove(request, signer.authentication, match.route.auth)
  const body = bodyOf(match, request.body)
  // Nobody who asks after a change was due may meet the rules of before.
  await signer.due.settle()
  await signer.approvals.settle()
  const changed = answerChange(signer, request, match, body)
  if (changed !== undefined) return changed
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
    case 'signUserOperation':
      return signAs('sign-user-operation')
    case 'signRaw':
      return signAs('sign-raw')
    case 'approveRequest':
      return vote(signer, request, { id: param('approvalId'), verdict: 'approved', ...(body as ApproveBody) })
    case 'rejectRequest':
      return vote(signer, request, { id: param('approvalId'), verdict: 'rejected', ...(body as RejectBody) })
    case 'listApprovals':
      return readApprovals(signer, request, { ...pageOf(query), state: query.state })
    case 'getApproval':
      return readApproval(signer, request, param('approvalId'))
    case 'addFact':
      return addFact(signer, request, body as unknown as FactBody)
    case 'createWallet':
      return createWallet(signer, request, body as unknown as NewWallet)
    case 'rotateCredential':
      return rotateCredential(signer, request, {
        id: param('credentialId'),
        body: body as unknown as RotateCredentialBody,
      })
    case 'vetoChange':
      return vetoChange(signer, request, { id: param('changeId'), ...(body as VetoChangeBody) })
    case 'freeze':
      return freeze(signer, request, body as unknown as FreezeBody)
    case 'revokeGrant':
      return revokeGrant(signer, request, { id: param('grantId'), ...(body as RevokeGrantBody) })
    case 'keepGrantAlive':
      return keepGrantAlive(signer, request, param('grantId'))
    case 'listGrants':
      return readGrants(signer, request, {
        ...pageOf(query),
        wallet: query.wallet,
        credential: query.credential,
      })
    case 'getGrant':
      return readGrant(signer, request, param('grantId'))
    case 'getOrganisation':
      return readOrganisation(signer, request)
    case 'listChanges':
      return readChanges(signer, request, { ...pageOf(query), state: query.state })
    case 'getChange':
      return readChange(signer, request, param('changeId'))
    case 'listBooks':
      return readBooks(signer, request, pageOf(query))
    case 'getBook':
      return readBook(signer, request, param('bookId'))
    case 'listWalletGroups':
      return readWalletGroups(signer, request, pageOf(query))
    case 'getWalletGroup':
      return readWalletGroup(signer, request, param('groupId'))
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
      if (searchFields.some((field) => Object.hasOwn(query, field)))
        throw wireError(
          'WIRE_INVALID_REQUEST',
          'The signer gives entries by index only; the engine searches.',
        )
      return readEntries(signer, request, {
        start: Number(query.start ?? 0),
        limit: Number(query.limit ?? defaultPageItems),
      })
    case 'getInclusionProof':
      return readInclusion(signer, request, { index: Number(query.index), size: Number(query.size) })
    case 'getConsistencyProof':
      return readConsistency(signer, request, { from: Number(query.from), to: Number(query.to) })
    case 'addCosignatures':
      return signer.witnesses.add((body as AddCosignaturesBody).checkpoint)
    case 'getDocument':
      return readDocument(signer, request, param('sha256'))
    case 'getCustody':
      return readCustody(signer, request, param('walletId'))
    case 'getBlastRadius':
      return readBlastRadius(signer, request, {
        ...pageOf(query),
        owned: query.owned ?? '',
        ...(query.walletId === undefined ? {} : { walletId: query.walletId }),
      })
    default:
      throw wireError(
        'WIRE_NOT_FOUND',
        `The signer does not answer ${request.method} ${request.path}; the engine does.`,
      )
  }
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
