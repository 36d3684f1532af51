import type { TSchema } from 'typebox'
import * as api from './api.ts'
import { blastRadiusAnswer, blastRadiusQuery } from './api-blast-radius.ts'
import { signedUserOperationAnswer, signUserOperationBody } from './api-chains.ts'
import * as credentials from './api-credentials.ts'
import { receiptSchema } from './api-values.ts'
import { wireError } from './catalogue.ts'
import { ordinaryLifetimeS, type ParsedRequest, pathCharsMax, quorumLifetimeS } from './request-signature.ts'
import { approvalRoutes } from './routes-approvals.ts'
import { changeRoutes } from './routes-changes.ts'
import { grantRoutes } from './routes-grants.ts'
import { journalRoutes } from './routes-journal.ts'

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** `{name}` stands for one segment. */
  readonly pattern: string
  readonly operation: string
  /**
   * `quorum`: the admin quorum of the signer. `credential`: one signature; role, powers and policy decide.
   * `rotation`: the old key and the new one; of an admin the quorum too. `owner`: the wallet’s owner alone, or the
   * admin quorum.
   */
  readonly auth: 'public' | 'credential' | 'quorum' | 'rotation' | 'owner'
  /** Answered by the signer, to which the engine forwards it; otherwise by the engine. */
  readonly signer: boolean
  /** Of a success. */
  readonly status: 200 | 201 | 202
  readonly summary: string
  readonly body?: TSchema
  readonly query?: TSchema
  readonly answer: TSchema
}

export const routes = [
  {
    method: 'GET',
    pattern: '/v1/identity',
    operation: 'getIdentity',
    auth: 'public',
    signer: true,
    status: 200,
    summary: 'Who the signer is: audience id and journal key.',
    answer: api.identityAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/health',
    operation: 'getHealth',
    auth: 'public',
    signer: false,
    status: 200,
    summary: 'Whether engine and signer are up.',
    answer: api.healthAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets',
    operation: 'createWallet',
    auth: 'credential',
    signer: true,
    status: 201,
    summary: 'Make a wallet. Needs the power create-wallet or the role admin.',
    body: api.createWalletBody,
    answer: api.createdWalletAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/wallets',
    operation: 'listWallets',
    auth: 'credential',
    signer: false,
    status: 200,
    summary: 'List wallets, page by page. Needs the power read or the role admin.',
    query: api.listWalletsQuery,
    answer: api.walletsAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/wallets/{walletId}',
    operation: 'getWallet',
    auth: 'credential',
    signer: false,
    status: 200,
    summary: 'Get a wallet. Needs the power read or the role admin.',
    answer: api.walletAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-message',
    operation: 'signMessage',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign a message: EVM as personal_sign (EIP-191), SOLANA as text.',
    body: api.signMessageBody,
    answer: api.signatureAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-typed-data',
    operation: 'signTypedData',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign typed data (EIP-712).',
    body: api.signTypedDataBody,
    answer: api.signatureAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-transaction',
    operation: 'signTransaction',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign a transaction without broadcasting it.',
    body: api.signTransactionBody,
    answer: api.signedTransactionAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-authorization',
    operation: 'signAuthorization',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign an EIP-7702 authorization.',
    body: api.signAuthorizationBody,
    answer: api.signedAuthorizationAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-user-operation',
    operation: 'signUserOperation',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign a user operation (ERC-4337), decoded down to its inner calls.',
    body: signUserOperationBody,
    answer: signedUserOperationAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/sign-raw',
    operation: 'signRaw',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Sign a bare digest or bare bytes. Denied unless a rule names it.',
    body: api.signRawBody,
    answer: api.signatureAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/wallets/{walletId}/transactions',
    operation: 'sendTransaction',
    auth: 'credential',
    signer: true,
    status: 202,
    summary: 'Prepare, sign and broadcast a transaction, and follow it to finality.',
    body: api.sendTransactionBody,
    answer: api.transactionAnswer,
  },
  {
    method: 'PUT',
    pattern: '/v1/wallets/{walletId}/policy',
    operation: 'setWalletPolicy',
    auth: 'quorum',
    signer: true,
    status: 200,
    summary: 'Put a wallet under another policy.',
    body: api.setWalletPolicyBody,
    answer: api.walletPolicyAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/transactions',
    operation: 'listTransactions',
    auth: 'credential',
    signer: false,
    status: 200,
    summary: 'List transactions, page by page. Needs the power read or the role admin.',
    query: api.listTransactionsQuery,
    answer: api.transactionsAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/transactions/{transactionId}',
    operation: 'getTransaction',
    auth: 'credential',
    signer: false,
    status: 200,
    summary: 'Get a transaction. Needs the power read or the role admin.',
    answer: api.transactionAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/receipts/{requestId}',
    operation: 'getReceipt',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Get the receipt of one of the asking credential’s own requests.',
    answer: receiptSchema,
  },
  {
    method: 'GET',
    pattern: '/v1/journal/checkpoint',
    operation: 'getCheckpoint',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Get the signed state of the journal.',
    answer: api.checkpointAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/journal/entries',
    operation: 'listEntries',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'List journal entries. Needs the power read or the role admin.',
    query: api.entriesQuery,
    answer: api.entriesAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/journal/proof',
    operation: 'getInclusionProof',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Prove that an entry is in the journal.',
    query: api.inclusionQuery,
    answer: api.inclusionAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/journal/consistency',
    operation: 'getConsistencyProof',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Prove that the journal has only been appended to.',
    query: api.consistencyQuery,
    answer: api.consistencyAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/policies',
    operation: 'listPolicies',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'List policies. Needs the power read or the role admin.',
    query: api.pageQuery,
    answer: api.policiesAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/policies/{policyId}',
    operation: 'getPolicy',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Get a policy. Needs the power read or the role admin.',
    answer: api.policyAnswer,
  },
  {
    method: 'PUT',
    pattern: '/v1/policies/{policyId}',
    operation: 'putPolicy',
    auth: 'quorum',
    signer: true,
    status: 200,
    summary: 'Add or replace a policy.',
    body: api.putPolicyBody,
    answer: api.putPolicyAnswer,
  },
  {
    method: 'PUT',
    pattern: '/v1/organisation/policy',
    operation: 'setOrganisationPolicy',
    auth: 'quorum',
    signer: true,
    status: 200,
    summary: 'Set the policy that holds for every wallet.',
    body: api.setOrganisationPolicyBody,
    answer: api.organisationPolicyAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/credentials',
    operation: 'listCredentials',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'List credentials. Needs the power read or the role admin.',
    query: api.pageQuery,
    answer: api.credentialsAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/credentials',
    operation: 'createCredential',
    auth: 'quorum',
    signer: true,
    status: 201,
    summary: 'Add a credential.',
    body: credentials.createCredentialBody,
    answer: credentials.credentialChangeAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/credentials/{credentialId}/revoke',
    operation: 'revokeCredential',
    auth: 'quorum',
    signer: true,
    status: 200,
    summary: 'Revoke a credential for good.',
    body: api.emptyBody,
    answer: credentials.credentialChangeAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/credentials/{credentialId}/rotate',
    operation: 'rotateCredential',
    auth: 'rotation',
    signer: true,
    status: 201,
    summary: 'Put a new key in the place of one’s own. Signed by the old key first, then by the new one.',
    body: credentials.rotateCredentialBody,
    answer: credentials.rotateCredentialAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/custody/{walletId}',
    operation: 'getCustody',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Get the custody statement of a wallet.',
    answer: api.custodyAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/blast-radius',
    operation: 'getBlastRadius',
    auth: 'credential',
    signer: true,
    status: 200,
    summary:
      'The most that an attacker with these processes and credentials could move. Needs the power read.',
    query: blastRadiusQuery,
    answer: blastRadiusAnswer,
  },
  ...changeRoutes,
  ...grantRoutes,
  ...approvalRoutes,
  ...journalRoutes,
] as const satisfies readonly Route[]

export type ApiRoute = (typeof routes)[number]
export type ApiOperation = ApiRoute['operation']

export interface RouteMatch {
  readonly route: ApiRoute
  readonly params: Readonly<Record<string, string>>
  /** Decoded; no name stands twice. The route's own schema is not applied yet (`parseQuery`). */
  readonly query: Readonly<Record<string, string>>
}

/**
 * The one reading of a path, for signer and engine alike: segments are compared as they stand, undecoded, so that
 * the two cannot understand one signed path differently.
 * @throws {CountersignError} WIRE_NOT_FOUND, WIRE_METHOD_NOT_ALLOWED, WIRE_INVALID_REQUEST */
export function matchRoute(method: string, path: string): RouteMatch {
  // Nobody has signed it yet, and cutting four megabytes into segments takes half a second.
  if (path.length > pathCharsMax)
    throw wireError('WIRE_INVALID_REQUEST', `The path is over ${pathCharsMax} characters.`)
  const at = path.indexOf('?')
  const segments = (at === -1 ? path : path.slice(0, at)).split('/')
  const allowed: string[] = []
  for (const { route, parts } of parsedRoutes.get(segments.length) ?? []) {
    const params = matchSegments(parts, segments)
    if (params === undefined) continue
    if (route.method === method)
      return { route, params, query: at === -1 ? {} : splitQuery(path.slice(at + 1)) }
    allowed.push(route.method)
  }
  if (allowed.length > 0) {
    throw wireError('WIRE_METHOD_NOT_ALLOWED', `This path takes ${allowed.join(' and ')}.`, {
      details: { allowed },
    })
  }
  throw wireError('WIRE_NOT_FOUND', 'There is no such path in this API.')
}

/** For how long a signature may be valid on a route. */
export function maxLifetimeS(route: Pick<Route, 'auth'>): number {
  return isSignedByMany(route) ? quorumLifetimeS : ordinaryLifetimeS
}

/** Whether requests to a route may carry several signatures, which their signers add one after another. */
export function isSignedByMany({ auth }: Pick<Route, 'auth'>): boolean {
  return auth === 'quorum' || auth === 'rotation' || auth === 'owner'
}

/**
 * Only a quorum, and a rotation, is signed together. Elsewhere each signature is a whole request, so whoever forwards one with several
 * could make several of it.
 * @throws {CountersignError} WIRE_TOO_MANY_SIGNATURES */
export function checkSignatureCount(
  route: Pick<Route, 'auth'>,
  { signatures }: Pick<ParsedRequest, 'signatures'>,
): void {
  if (isSignedByMany(route) || signatures.length <= 1) return
  throw wireError(
    'WIRE_TOO_MANY_SIGNATURES',
    `The request carries ${signatures.length} signatures; this route takes one.`,
  )
}

interface ParsedRoute {
  readonly route: ApiRoute
  readonly parts: readonly { readonly text: string; readonly isParam: boolean }[]
}

const parsedRoutes = new Map<number, ParsedRoute[]>()
for (const route of routes) {
  const parts = route.pattern.split('/').map((part) => {
    const isParam = part.startsWith('{')
    return { text: isParam ? part.slice(1, -1) : part, isParam }
  })
  const sameLength = parsedRoutes.get(parts.length) ?? []
  parsedRoutes.set(parts.length, [...sameLength, { route, parts }])
}

/** Ids of every kind; none starts with a dot, so none is `.` or `..`. */
const paramForm = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/

function matchSegments(
  parts: ParsedRoute['parts'],
  segments: readonly string[],
): Record<string, string> | undefined {
  const params: Record<string, string> = {}
  for (let i = 0; i < parts.length; i++) {
    const { text, isParam } = parts[i] as ParsedRoute['parts'][number]
    const segment = segments[i] as string
    if (!isParam) {
      if (segment !== text) return undefined
    } else {
      if (!paramForm.test(segment)) return undefined
      params[text] = segment
    }
  }
  return params
}

const queryPairsMax = 16

function splitQuery(text: string): Record<string, string> {
  const query: Record<string, string> = {}
  const pairs = text.split('&')
  if (pairs.length > queryPairsMax) throw invalidQuery(`has over ${queryPairsMax} parameters`)
  for (const pair of pairs) {
    const match = /^([A-Za-z]{1,32})=(.*)$/.exec(pair)
    if (match === null) throw invalidQuery('does not consist of name=value pairs')
    const [, name, value] = match as unknown as readonly [string, string, string]
    if (Object.hasOwn(query, name)) throw invalidQuery(`has the parameter ${name} twice`)
    try {
      query[name] = decodeURIComponent(value.replaceAll('+', ' '))
    } catch {
      throw invalidQuery(`has a ${name} that is not percent-encoded UTF-8`)
    }
  }
  return query
}

function invalidQuery(what: string) {
  return wireError('WIRE_INVALID_REQUEST', `The query ${what}.`)
}
