/**
 * The main path of a request through the engine. Read it top to bottom: take the request as it was signed, find
 * its route, do the engine's own part, let the signer decide, hand its answer back. Whatever this process does to
 * a request, the signer checks the original: nothing here can make it sign what no credential asked for.
 */
import { randomBytes } from 'node:crypto'
import { type Hex, isCountersignError, parseJson } from '@countersign/bytes'
import {
  apiKeyOf,
  listTransactionsQuery,
  matchRoute,
  parseBody,
  parseQuery,
  type RouteMatch,
  type SignedRequest,
  sendTransactionBody,
  signedHeaders,
  wireError,
} from '@countersign/wire'
import { authenticate, checkMayRead, mayRead } from './authenticate.ts'
import { pageAnswer, pageOf } from './cursor.ts'
import type { JournalCopy } from './journal/journal-copy.ts'
import { isSearch, searchJournal } from './journal/search-journal.ts'
import type { SignerAnswer } from './signer-client.ts'
import { draftTransaction, finishDraft } from './transactions/prepare.ts'
import { chainOf, sendTransaction, type Transactions } from './transactions/send.ts'
import { transactionJson } from './transactions/transaction-json.ts'
import type { WaitingFollower } from './transactions/waiting.ts'
import { createWallet, getWallet, listWallets, noteWalletPolicy, type Wallets } from './wallets.ts'

export type Engine = Transactions &
  Wallets & {
    readonly journal?: JournalCopy | undefined
    readonly waiting?: Pick<WaitingFollower, 'voted'> | undefined
  }

export interface IncomingRequest {
  readonly method: string
  /** Path and query, undecoded: what the signature covers. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The exact text. */
  readonly body: string
}

/** Status and JSON text. */
export type EngineAnswer = SignerAnswer

/** @throws {CountersignError} where there is no answer of the signer's to hand back */
export async function answerRequest(engine: Engine, incoming: IncomingRequest): Promise<EngineAnswer> {
  const match = matchRoute(incoming.method, incoming.path)
  const request = toSignedRequest(incoming)
  const { operation } = match.route
  switch (operation) {
    case 'getIdentity':
      return engine.signer.get('/v1/identity')
    case 'getHealth':
      return getHealth(engine)
    case 'createWallet':
      return createWallet(engine, request)
    case 'getWallet':
      return getWallet(engine, request, param(match, 'walletId'))
    case 'listWallets':
      return listWallets(engine, request, match.query)
    case 'signTransaction':
      return signTransaction(engine, match, request)
    case 'sendTransaction':
      return send(engine, match, request)
    case 'getTransaction':
      return getTransaction(engine, match, request)
    case 'listTransactions':
      return listTransactions(engine, match, request)
    case 'setWalletPolicy':
      return setWalletPolicy(engine, match, request)
    case 'approveRequest':
    case 'rejectRequest':
      return vote(engine, match, request)
    case 'listEntries':
      return isSearch(match.query)
        ? searchJournal(engine, request, match.query)
        : engine.signer.forward(request)
    case 'getCheckpoint':
      // A tree head is public: watchers without a credential must be able to compare them.
      return request.headers.signature === undefined
        ? engine.signer.get('/v1/journal/checkpoint')
        : engine.signer.forward(request)
    default:
      // Everything else is the signer's alone: authentication, decision and answer.
      return engine.signer.forward(request)
  }
}

/**
 * Only the headers that travel with a signature, each as one text; anything else stays here. Without a signature, an
 * API key travels, from whichever header it came in.
 */
export function toSignedRequest({ method, path, headers, body }: IncomingRequest): SignedRequest {
  const travelling: Record<string, string> = {}
  for (const name of signedHeaders) {
    const value = headers[name]
    if (name === 'x-api-key') continue
    if (typeof value === 'string') travelling[name] = value
    else if (value !== undefined) travelling[name] = value.join(', ')
  }
  const isSigned = travelling.signature !== undefined || travelling['signature-input'] !== undefined
  const apiKey = isSigned ? undefined : apiKeyOf(headers)
  if (apiKey !== undefined) {
    const { 'countersign-audience': audience, 'idempotency-key': requestId } = travelling
    const own = {
      'idempotency-key': requestId ?? randomBytes(requestIdBytes).toString('hex'),
      'x-api-key': apiKey,
      ...(audience === undefined ? {} : { 'countersign-audience': audience }),
    }
    return { method: method as SignedRequest['method'], path, headers: own, body }
  }
  return { method: method as SignedRequest['method'], path, headers: travelling, body }
}

/** Of the id that a request with an API key gets where its caller gave none. */
const requestIdBytes = 16

async function signTransaction(
  engine: Engine,
  match: RouteMatch,
  request: SignedRequest,
): Promise<EngineAnswer> {
  // Finished bytes need nothing from the engine: no parsing, no database, no chain. `"unsignedTransaction"` does
  // not contain the text below; where it stands in some other value, the slower path finds out.
  if (!request.body.includes('"transaction"')) return engine.signer.forward(request)
  const parsed = parseJson(request.body)
  if (typeof parsed !== 'object' || parsed === null || !Object.hasOwn(parsed, 'transaction'))
    return engine.signer.forward(request)
  const body = parseBody(sendTransactionBody, parsed)
  await authenticate(request, engine.signer)
  const wallet = await evmWallet(engine, param(match, 'walletId'))
  const chain = chainOf(engine.chains, body.transaction.chainId)
  const draft = await draftTransaction(chain, {
    from: wallet.address,
    request: body.transaction,
    maxFeeMinor: body.maxFeeMinor,
    // Who broadcasts it later may put the money there first.
    mustBeFunded: false,
  })
  const lane = { walletId: wallet.id, chain: chain.id }
  // The caller broadcasts this one, or does not: its nonce is looked up, not taken.
  const nonce =
    draft.statedNonce ??
    Math.max(
      ...(await Promise.all([
        chain.nonce(wallet.address, 'pending'),
        engine.store.transactions.nextNonce(lane),
      ])),
    )
  return engine.signer.forward(request, finishDraft(draft, nonce))
}

async function send(engine: Engine, match: RouteMatch, request: SignedRequest): Promise<EngineAnswer> {
  const caller = await authenticate(request, engine.signer)
  const body = parseBody(sendTransactionBody, parseJson(request.body))
  const wallet = await evmWallet(engine, param(match, 'walletId'))
  return sendTransaction(engine, { caller, request, body, wallet })
}

async function getTransaction(
  engine: Engine,
  match: RouteMatch,
  request: SignedRequest,
): Promise<EngineAnswer> {
  const { credential, subject, nonces } = await authenticate(request, engine.signer)
  engine.nonces.take(nonces)
  const row = await engine.store.transactions.get(param(match, 'transactionId'))
  // One's own transactions need no power; those of others do not even exist without it.
  if (row === undefined || !(row.credentialId === subject || mayRead(credential))) {
    throw wireError('WIRE_NOT_FOUND', 'There is no such transaction that this credential may see.')
  }
  return { status: 200, text: transactionJson(row) }
}

async function listTransactions(
  engine: Engine,
  match: RouteMatch,
  request: SignedRequest,
): Promise<EngineAnswer> {
  const query = parseQuery(listTransactionsQuery, match.query)
  const { credential, nonces } = await authenticate(request, engine.signer)
  checkMayRead(credential)
  const page = pageOf('transactions', query)
  engine.nonces.take(nonces)
  const { walletId } = query
  const rows = await engine.store.transactions.list({
    ...page,
    ...(walletId === undefined ? {} : { walletId }),
  })
  return {
    status: 200,
    text: pageAnswer('transactions', { rows, limit: page.limit }, (row) => JSON.parse(transactionJson(row))),
  }
}

async function setWalletPolicy(
  engine: Engine,
  match: RouteMatch,
  request: SignedRequest,
): Promise<EngineAnswer> {
  const answer = await engine.signer.forward(request)
  if (answer.status === 200) await noteWalletPolicy(engine, param(match, 'walletId'), request)
  return answer
}

/** The signer counts it. Where it was the last that was needed, a transaction may wait here to be broadcast. */
async function vote(engine: Engine, match: RouteMatch, request: SignedRequest): Promise<EngineAnswer> {
  const answer = await engine.signer.forward(request)
  if (answer.status === 200) engine.waiting?.voted(param(match, 'approvalId'))
  return answer
}

async function getHealth({ signer }: Engine): Promise<EngineAnswer> {
  const phase = await signer.phase().catch((error) => {
    if (isCountersignError(error)) return 'unreachable'
    throw error
  })
  return { status: 200, text: JSON.stringify({ engine: 'up', phase }) }
}

async function evmWallet(
  { store }: Engine,
  id: string,
): Promise<{ readonly id: string; readonly address: Hex }> {
  const wallet = await store.wallets.get(id)
  if (wallet === undefined) {
    throw wireError('WIRE_NOT_FOUND', `This engine’s directory has no wallet ${id}.`, {
      fix: `Check the id. If the wallet was made through another engine, GET /v1/wallets/${id} once: that takes it into the directory.`,
    })
  }
  if (wallet.type === 'EVM') return { id, address: wallet.address as Hex }
  throw wireError('WIRE_INVALID_BODY', 'This wallet is not an EVM wallet, so it has no EVM transactions.', {
    details: { path: '' },
  })
}

function param({ params }: RouteMatch, name: string): string {
  const value = params[name]
  if (value === undefined) throw new Error(`bug: the route has no ${name}`)
  return value
}
