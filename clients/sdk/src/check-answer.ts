import { canonicalJson, decodeHex } from '@countersign/bytes'
import {
  type ApiOperation,
  approvableOperations,
  audienceOf,
  delayableOperations,
  isBearerRequest,
  matchRoute,
  parseBearerRequest,
  parseRequestSignatures,
  type Receipt,
  type ReceiptType,
  type RouteMatch,
  receiptTypes,
  type SignedRequest,
  verifyReceipt,
} from '@countersign/wire'
import {
  approvalProofs,
  approvalRequestedProof,
  checkStatement,
  statementOperations,
} from './approval-proofs.ts'
import { sdkError } from './catalogue.ts'
import { chainProofs, isSignature } from './chain-proofs.ts'
import { changeProofs, entriesOfState, isChange, proposalProof } from './change-proofs.ts'
import { grantEntries, grantProofs, isShownGrant } from './grant-proofs.ts'

export type Fields = Readonly<Record<string, unknown>>

export interface Proof {
  readonly type: ReceiptType
  /** Whether the journal entry says what the answer says. Throws where the answer has not even the form. */
  readonly fits: (answer: Fields, entry: Fields, request: SignedRequest) => boolean
}

/** What an engine must not be able to make up: every signature, every address, every change. */
const proofs: Readonly<Partial<Record<ApiOperation, Proof>>> = {
  ...changeProofs,
  ...chainProofs,
  ...approvalProofs,
  ...grantProofs,
  signMessage: { type: 'signed', fits: isSignature },
  signTypedData: { type: 'signed', fits: isSignature },
  signRaw: { type: 'signed', fits: isSignature },
  signAuthorization: {
    type: 'signed',
    fits: (answer, entry) => isSignature(answer, entry) && isWhole(answer),
  },
  sendTransaction: {
    type: 'signed',
    fits: (answer, entry) => answer.hash === entry.transactionHash && answer.walletId === entry.wallet,
  },
  createWallet: { type: 'wallet', fits: isWallet },
  putPolicy: {
    type: 'policy',
    fits: (answer, entry) =>
      answer.id === entry.policy &&
      answer.hash === entry.hash &&
      answer.version === entry.version &&
      answer.appliedAt === entry.at,
  },
  setWalletPolicy: {
    type: 'wallet-policy',
    fits: (answer, entry) => answer.walletId === entry.wallet && isAssignment(answer, entry),
  },
  setOrganisationPolicy: { type: 'organisation-policy', fits: isAssignment },
  createCredential: {
    type: 'credential',
    fits: (answer, entry) => entry.change === 'added' && isCredential(answer, entry),
  },
  revokeCredential: {
    type: 'credential',
    fits: (answer, entry) => entry.change === 'revoked' && isCredential(answer, entry),
  },
  rotateCredential: {
    type: 'credential',
    fits: (answer, entry) =>
      entry.change === 'rotated' &&
      isCredential(answer, entry) &&
      canonicalJson(answer.replaced) === canonicalJson(entry.replaced),
  },
}

/**
 * Believes no engine: what an answer says was signed, made or changed must stand in a receipt of the trusted signer,
 * over a journal entry about this very request. Other answers are only information, and pass.
 * @throws {CountersignError} SDK_ANSWER_UNPROVEN */
export function checkAnswer(
  answer: unknown,
  { request, audience }: { readonly request: SignedRequest; readonly audience: string },
): void {
  const match = routeOf(request)
  if (match === undefined) {
    if (request.method === 'GET') return
    throw unproven('the signer has no such route')
  }
  const { operation } = match.route
  if (operation === 'getReceipt') checkOwnReceipt(answer, { request, audience, match })
  if (operation === 'getChange') checkChange(answer, { audience, match })
  if (operation === 'getGrant') checkGrant(answer, { audience, match })
  if (statementOperations.has(operation)) {
    checkStatement(answer, { operation, audience, asked: askersOf(request).digest, params: match.params })
  }
  const direct = proofs[operation]
  if (direct === undefined) return
  const { receipt, ...fields } = fieldsOf(answer)
  // Which of the two it is, the signer says: in the entry that it has signed.
  const possible = [
    direct,
    ...(delayableOperations.has(operation) ? [proposalProof] : []),
    ...(approvableOperations.has(operation) ? [approvalRequestedProof] : []),
  ]
  const entry = entryOf(receipt, { audience, types: possible.map(({ type }) => type) })
  const proof = possible.find(({ type }) => type === entry.type) ?? direct
  if (entry.requestDigest !== askersOf(request).digest) {
    throw unproven('the receipt is of another request')
  }
  checkAsker(entry, request, request.headers['idempotency-key'])
  if (!isFitting(proof, fields, entry, request)) {
    throw unproven('the answer says something else than the journal entry in its receipt')
  }
}

/** The receipt alone is the answer; the request that it is for was an earlier one. */
function checkOwnReceipt(
  answer: unknown,
  { request, audience, match }: { request: SignedRequest; audience: string; match: RouteMatch },
): void {
  checkAsker(entryOf(answer, { audience, types: receiptTypes }), request, match.params.requestId)
}

/** What became of a change, by the entry that says so; the request that it was for was an earlier one. */
function checkChange(answer: unknown, { audience, match }: { audience: string; match: RouteMatch }): void {
  const { receipt, ...fields } = fieldsOf(answer)
  const entry = entryOf(receipt, { audience, types: entriesOfState(fields.state) })
  if (!isChange(fields, entry, match.params.changeId)) {
    throw unproven('the answer says something else than the journal entry in its receipt')
  }
}

/** The last entry about it that the engine shows: it can be an older one, and the signer decides all the same. */
function checkGrant(answer: unknown, { audience, match }: { audience: string; match: RouteMatch }): void {
  const { receipt, ...fields } = fieldsOf(answer)
  const entry = entryOf(receipt, { audience, types: grantEntries })
  const fits = (shown: Fields, found: Fields) => isShownGrant(shown, found, match.params.grantId)
  if (!isFitting({ type: 'grant', fits }, fields, entry, emptyRequest))
    throw unproven('the answer says something else than the journal entry in its receipt')
}

const emptyRequest: SignedRequest = { method: 'GET', path: '', headers: {}, body: '' }

function entryOf(
  receipt: unknown,
  { audience, types }: { readonly audience: string; readonly types: readonly ReceiptType[] },
): Fields {
  let journalKey: Uint8Array
  try {
    // The key is as long as the id is short: it travels with the receipt, and the id says whether it is the one.
    journalKey = decodeHex((receipt as Receipt).journalKey, 'journalKey', 32)
  } catch {
    throw unproven('it carries no receipt')
  }
  if (audienceOf(journalKey) !== audience) throw unproven('the receipt is of another signer')
  const result = verifyReceipt(receipt, { journalKey, types })
  if (!result.valid) throw unproven(result.message, result.problem)
  return result.receipt.entry
}

/** Request ids are each credential's own. Of a quorum's request the journal names all who had signed it first. */
function checkAsker(entry: Fields, request: SignedRequest, requestId: string | undefined): void {
  const named = Array.isArray(entry.credentials) ? entry.credentials : [entry.credential]
  const isOwn = askersOf(request).ids.some((id) => named.includes(id))
  if (entry.requestId !== requestId || !isOwn) throw unproven('the receipt is of another request')
}

function askersOf(request: SignedRequest): { readonly digest: string; readonly ids: readonly string[] } {
  if (isBearerRequest(request)) {
    const { digest, credentialId } = parseBearerRequest(request)
    return { digest, ids: [credentialId] }
  }
  const { digest, signatures } = parseRequestSignatures(request)
  return { digest, ids: signatures.map(({ credentialId }) => credentialId) }
}

function isFitting({ fits }: Proof, answer: Fields, entry: Fields, request: SignedRequest): boolean {
  try {
    return fits(answer, entry, request)
  } catch {
    return false
  }
}

function isWhole({ signature, r, s, yParity }: Fields): boolean {
  return `${r}${String(s).slice(2)}${yParity === 0 ? '1b' : '1c'}` === signature
}

function isWallet(answer: Fields, entry: Fields, { body }: SignedRequest): boolean {
  const { name = null, owner } = JSON.parse(body) as { name?: string; owner?: string }
  return (
    answer.id === entry.wallet &&
    answer.address === entry.address &&
    answer.publicKey === entry.publicKey &&
    answer.algorithm === entry.algorithm &&
    isOfFamily(answer, entry) &&
    answer.policy === entry.policy &&
    answer.backend === entry.backend &&
    answer.createdAt === entry.at &&
    answer.name === name &&
    answer.owner === entry.owner &&
    (owner === undefined) === (entry.owner === undefined)
  )
}

/** Of wallets from before they had networks, the algorithm says it. */
function isOfFamily(
  { type, chains, form }: Fields,
  { algorithm, chain, form: recordedForm }: Fields,
): boolean {
  if (form !== recordedForm) return false
  if (chain === undefined) return type === (algorithm === 'secp256k1' ? 'EVM' : 'SOLANA')
  const family = String(chain).startsWith('bip122:') ? 'BITCOIN' : 'SOLANA'
  return type === family && canonicalJson(chains) === canonicalJson([chain])
}

function isAssignment(answer: Fields, entry: Fields): boolean {
  return answer.policy === entry.policy && answer.hash === entry.hash
}

function isCredential(answer: Fields, entry: Fields): boolean {
  const recorded = fieldsOf(entry.credential)
  const answered = Object.fromEntries(Object.keys(recorded).map((name) => [name, answer[name]]))
  return canonicalJson(answered) === canonicalJson(recorded)
}

function routeOf({ method, path }: SignedRequest): RouteMatch | undefined {
  try {
    return matchRoute(method, path)
  } catch {
    return undefined
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function unproven(why: string, problem?: string) {
  return sdkError('SDK_ANSWER_UNPROVEN', `The answer is not proven to be the signer’s: ${why}`, {
    ...(problem === undefined ? {} : { details: { problem } }),
  })
}
