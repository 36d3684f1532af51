import { decodeHex, type Hex, isCountersignError } from '@countersign/bytes'
import { audienceOf, ordinaryLifetimeS, quorumLifetimeS, type SignedRequest } from '@countersign/wire'
import type {
  CheckpointAnswer,
  Credential,
  CredentialRotation,
  Health,
  Identity,
  NewCredential,
  NewWallet,
  Page,
  PolicyAnswer,
  Receipt,
  Transaction,
  TransactionRequest,
  Wallet,
} from './answers.ts'
import { bearerRequest, checkApiKey } from './api-key.ts'
import { approvalsOf, checkFactTaken } from './approvals.ts'
import { type Call, calls, type ForWallet, type PageQuery, type WalletQuery } from './calls.ts'
import { sdkError } from './catalogue.ts'
import type { BookSummary, ChangeState, ChangeSummary } from './change-answers.ts'
import type { WalletGroupSummary } from './change-calls.ts'
import { checkAnswer } from './check-answer.ts'
import type { CredentialSigner } from './credential-key.ts'
import type { GrantSummary } from './grant-answers.ts'
import type { GrantQuery } from './grant-calls.ts'
import type { JournalSearch } from './journal-answers.ts'
import { newRequestId, signRequest } from './sign-request.ts'
import { type FactInput, signFact } from './signed-fact.ts'
import {
  answerTimeoutMs,
  type Fetch,
  getPublic,
  retriesMax,
  type SendOptions,
  sendSigned,
  type Transport,
} from './transport.ts'
import { CountersignWaits, pendingApprovalOf } from './waits.ts'

export interface ClientOptions {
  /** The engine, for example `http://127.0.0.1:8720`. */
  readonly url: string
  /** What signs. Either this or `apiKey`. */
  readonly credential?: CredentialSigner
  /**
   * `csk_…`, instead of `credential`: whoever sees it has it, and so has the engine. Good only for what a policy grants
   * to `bearer`, and for no change.
   */
  readonly apiKey?: string
  /** Sign administrative requests together with `credential`, where a quorum is needed. */
  readonly cosigners?: readonly CredentialSigner[]
  /**
   * The signer that this client trusts, `sgn_…`: recommended. Without it the first answer of the url is believed
   * for as long as this client lives (trust on first use), so a false engine could stand in for the real one.
   * It would still get no signature out of the real signer, as a request is signed for one audience only.
   */
  readonly audience?: string
  /** Instead of the global fetch: an in-process engine, a proxy, a client certificate. */
  readonly fetch?: Fetch
  /** Repetitions after a network failure or 503. */
  readonly retries?: number
  readonly timeoutMs?: number
}

export interface CallOptions {
  /**
   * 8 to 64 of A-Z a-z 0-9 _ -. The same id with the same content gives the same answer, whatever happened in
   * between; so keep it with the job that the request serves. Made up where it is not given.
   */
  readonly requestId?: string
  readonly signal?: AbortSignal
  /**
   * Of calls that sign: where the policy asks for approvals, wait for them instead of failing with `CountersignWaits`,
   * for as long as the signer does where no timeout is given.
   */
  readonly waitForApproval?: true | WaitOptions
}

export interface WaitOptions {
  readonly timeoutMs?: number
  readonly pollMs?: number
  readonly signal?: AbortSignal
}

export const waitTimeoutMs = 120_000
export const waitPollMs = 250
/** People take their time. */
export const approvalPollMs = 1_000
/** A list that never ends is an engine that is broken. */
const pagesMax = 1_000_000

export type CountersignClient = ReturnType<typeof createCountersignClient>

/**
 * Every route of the engine, typed. Nothing is sent before the first call. What an answer says was signed, made or
 * changed is proven by its receipt, or the call fails with SDK_ANSWER_UNPROVEN; what only reads is the engine's word,
 * a wallet's address too: keep the one that `wallets.create` gave.
 */
export function createCountersignClient(options: ClientOptions) {
  const { credential, apiKey, cosigners = [] } = options
  const transport = transportOf(options)
  const signing = (): CredentialSigner => {
    if (credential !== undefined) return credential
    throw sdkError('SDK_INPUT_INVALID', 'This client has an API key, which signs nothing.')
  }
  let knownAudience: Promise<string> | undefined =
    options.audience === undefined ? undefined : Promise.resolve(options.audience)

  const audience = (): Promise<string> => {
    knownAudience ??= identity().then(
      (found) => found.audience,
      (error) => {
        knownAudience = undefined
        throw error
      },
    )
    return knownAudience
  }

  /** @throws {CountersignError} SDK_AUDIENCE_MISMATCH */
  const identity = async (): Promise<Identity> => {
    const found = (await getPublic(transport, '/v1/identity')) as Identity
    checkIdentity(found, options.audience)
    return found
  }

  /** Signs now with every credential of this client; for quorum files, `cosignRequest` adds the others' later. */
  const sign = async <Answer>(
    call: Call<Answer>,
    callOptions: CallOptions & { readonly signers?: readonly CredentialSigner[] } = {},
  ): Promise<SignedRequest> => {
    const requestId = callOptions.requestId ?? newRequestId()
    if (apiKey !== undefined) return bearerRequest(call, { apiKey, audience: await audience(), requestId })
    return signRequest({
      call,
      audience: await audience(),
      requestId,
      signers: callOptions.signers ?? (call.admin ? [signing(), ...cosigners] : [signing()]),
      lifetimeS: ordinaryLifetimeS,
      nowMs: Date.now(),
    })
  }

  const execute = async <Answer>(
    call: Call<Answer>,
    callOptions: CallOptions & { readonly signers?: readonly CredentialSigner[] } = {},
  ): Promise<Answer> => {
    const requestId = callOptions.requestId ?? newRequestId()
    const { signal, signers } = callOptions
    const signed = () => sign(call, signers === undefined ? { requestId } : { requestId, signers })
    const ask = async () => (await proven(transport, signed, { signal })) as Answer
    return settled(ask, requestId, callOptions)
  }

  /** An answer that is one: not that the request waits. */
  const settled = async <Answer>(
    ask: () => Promise<Answer>,
    requestId: string,
    { waitForApproval, signal }: CallOptions,
  ): Promise<Answer> => {
    const wait = waitForApproval === true ? {} : waitForApproval
    const endMs = Date.now() + (wait?.timeoutMs ?? Number.POSITIVE_INFINITY)
    for (;;) {
      const answer = await ask().catch((error: unknown) => {
        // It has its last approval, and is being signed at this moment.
        if (wait === undefined || Date.now() >= endMs || !isInFlight(error)) throw error
        return undefined
      })
      if (answer !== undefined) {
        const pending = pendingApprovalOf(answer)
        if (pending === undefined) return answer
        if (wait === undefined || Date.now() >= endMs) {
          throw new CountersignWaits(pending, requestId, (answer as { id?: string }).id)
        }
      }
      wait?.signal?.throwIfAborted()
      signal?.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, wait?.pollMs ?? approvalPollMs))
    }
  }

  const proven = async (
    through: Transport,
    sign: () => Promise<SignedRequest>,
    sendOptions: SendOptions,
  ): Promise<unknown> => {
    let request: SignedRequest | undefined
    const answer = await sendSigned(
      through,
      async () => {
        request = await sign()
        return request
      },
      sendOptions,
    )
    if (request !== undefined) checkAnswer(answer, { request, audience: await audience() })
    return answer
  }

  /** For collecting a quorum's signatures by hand: valid for a day where the call is administrative. */
  const prepare = async <Answer>(call: Call<Answer>, callOptions: CallOptions = {}): Promise<SignedRequest> =>
    signRequest({
      call,
      audience: await audience(),
      requestId: callOptions.requestId ?? newRequestId(),
      signers: [signing()],
      lifetimeS: call.admin ? quorumLifetimeS : ordinaryLifetimeS,
      nowMs: Date.now(),
    })

  return {
    transport,
    credential,
    audience,
    identity,
    health: async () => (await getPublic(transport, '/v1/health')) as Health,
    execute,
    sign,
    prepare,
    /** Sends a request that is signed already. Not repeated with new signatures: this client did not make them. */
    submit: (request: SignedRequest, callOptions: { signal?: AbortSignal } = {}): Promise<unknown> =>
      proven({ ...transport, retries: 0 }, async () => request, callOptions),

    wallets: {
      create: (wallet: NewWallet = {}, o?: CallOptions) => execute(calls.createWallet(wallet), o),
      get: (id: string, o?: CallOptions) => execute(calls.getWallet(id), o),
      /** One page; `list` asks for page after page as a loop goes on. */
      page: (query: WalletQuery = {}) => execute(calls.listWallets(query)),
      list: (query: Omit<WalletQuery, 'cursor'> = {}) =>
        pages<Wallet>((page) => calls.listWallets({ ...query, ...page }), execute),
      setPolicy: (input: Parameters<typeof calls.setWalletPolicy>[0], o?: CallOptions) =>
        execute(calls.setWalletPolicy(input), o),
      setOwner: (input: Parameters<typeof calls.setWalletOwner>[0], o?: CallOptions) =>
        execute(calls.setWalletOwner(input), o),
    },
    grants: {
      create: (input: Parameters<typeof calls.createGrant>[0], o?: CallOptions) =>
        execute(calls.createGrant(input), o),
      list: (query: GrantQuery = {}) =>
        pages<GrantSummary>((page) => calls.listGrants({ ...query, ...page }), execute),
      get: (id: string) => execute(calls.getGrant(id)),
      revoke: (id: string, { reason, ...o }: CallOptions & { readonly reason?: string } = {}) =>
        execute(calls.revokeGrant(reason === undefined ? { id } : { id, reason }), o),
      keepAlive: (id: string, o?: CallOptions) => execute(calls.keepGrantAlive(id), o),
    },

    signMessage: (input: Parameters<typeof calls.signMessage>[0], o?: CallOptions) =>
      execute(calls.signMessage(input), o),
    signTypedData: (input: Parameters<typeof calls.signTypedData>[0], o?: CallOptions) =>
      execute(calls.signTypedData(input), o),
    signTransaction: (input: Parameters<typeof calls.signTransaction>[0], o?: CallOptions) =>
      execute(calls.signTransaction(input), o),
    signAuthorization: (input: Parameters<typeof calls.signAuthorization>[0], o?: CallOptions) =>
      execute(calls.signAuthorization(input), o),
    /** Unchecked but for its receipt: see `createCountersignSolanaSigner`. */
    signSolanaTransaction: (input: Parameters<typeof calls.signSolanaTransaction>[0], o?: CallOptions) =>
      execute(calls.signSolanaTransaction(input), o),
    /** Unchecked but for its receipt: see the function `signPsbt`. */
    signPsbt: (input: Parameters<typeof calls.signPsbt>[0], o?: CallOptions) =>
      execute(calls.signPsbt(input), o),
    /** Unchecked but for its receipt: see the function `signUserOperation`. */
    signUserOperation: (input: Parameters<typeof calls.signUserOperation>[0], o?: CallOptions) =>
      execute(calls.signUserOperation(input), o),
    signRaw: (input: Parameters<typeof calls.signRaw>[0], o?: CallOptions) =>
      execute(calls.signRaw(input), o),

    sendTransaction: (
      input: ForWallet & { transaction: TransactionRequest; maxFeeMinor?: string | bigint },
      o?: CallOptions,
    ) => execute(calls.sendTransaction(input), o),
    /** @returns the transaction in a final state; look at its `status`.
     * @throws {CountersignError} SDK_WAIT_TIMED_OUT */
    waitForTransaction: (id: string, wait: WaitOptions = {}) =>
      waitUntil(() => execute(calls.getTransaction(id)), id, wait),
    transactions: {
      get: (id: string, o?: CallOptions) => execute(calls.getTransaction(id), o),
      list: (query: { walletId?: string; limit?: number } = {}) =>
        pages<Transaction>((page) => calls.listTransactions({ ...query, ...page }), execute),
    },

    receipts: { get: (requestId: string) => execute<Receipt>(calls.getReceipt(requestId)) },
    journal: {
      checkpoint: () => execute<CheckpointAnswer>(calls.getCheckpoint()),
      entries: (query: { start: number; limit: number }) => execute(calls.listEntries(query)),
      /** By what entries say; from the engine's checked copy. Prove an index that matters. */
      search: (query: JournalSearch) => execute(calls.searchEntries(query)),
      /** What stands beside an entry because it is too long. */
      document: (sha256: string) => execute(calls.getDocument(sha256)),
      proof: (query: { index: number; size: number }) => execute(calls.getInclusionProof(query)),
      consistency: (query: { from: number; to: number }) => execute(calls.getConsistencyProof(query)),
    },

    policies: {
      list: () => pages<PolicyAnswer>((page) => calls.listPolicies(page), execute),
      get: (id: string) => execute(calls.getPolicy(id)),
      put: (input: Parameters<typeof calls.putPolicy>[0], o?: CallOptions) =>
        execute(calls.putPolicy(input), o),
    },
    credentials: {
      list: () => pages<Credential>((page) => calls.listCredentials(page), execute),
      create: (input: NewCredential, o?: CallOptions) => execute(calls.createCredential(input), o),
      revoke: (id: string, o?: CallOptions) => execute(calls.revokeCredential(id), o),
      /**
       * Puts a new key in the place of this client's own; of an admin the cosigners sign too. This client goes on with
       * the old key: make another one with the new.
       */
      rotate: (next: CredentialSigner, rotation: CredentialRotation, o: CallOptions = {}) =>
        execute(calls.rotateCredential({ ...rotation, id: signing().id }), {
          ...o,
          signers: [signing(), next, ...cosigners],
        }),
    },
    organisation: {
      get: () => execute(calls.getOrganisation()),
      setQuorum: (input: Parameters<typeof calls.setQuorum>[0], o?: CallOptions) =>
        execute(calls.setQuorum(input), o),
      setLooseningDelay: (input: Parameters<typeof calls.setLooseningDelay>[0], o?: CallOptions) =>
        execute(calls.setLooseningDelay(input), o),
      setPolicy: (input: Parameters<typeof calls.setOrganisationPolicy>[0], o?: CallOptions) =>
        execute(calls.setOrganisationPolicy(input), o),
    },
    changes: {
      /** Oldest first. */
      list: (query: { state?: ChangeState } = {}) =>
        pages<ChangeSummary>((page) => calls.listChanges({ ...query, ...page }), execute),
      get: (id: string) => execute(calls.getChange(id)),
      veto: (id: string, { reason, ...o }: CallOptions & { readonly reason?: string } = {}) =>
        execute(calls.vetoChange(reason === undefined ? { id } : { id, reason }), o),
    },
    /** Requests that wait for approval: see what they do, approve, reject. */
    approvals: approvalsOf(execute),
    facts: {
      /** Says a price, or what a simulation found; counts where a policy names this credential. */
      add: async (input: FactInput, o?: CallOptions) => {
        const { digest, ...signed } = await signFact(signing(), input)
        const { statement } = await execute(calls.addFact(signed), o)
        checkFactTaken(statement.fact, digest)
        return statement
      },
    },
    books: {
      list: () => pages<BookSummary>((page) => calls.listBooks(page), execute),
      get: (id: string) => execute(calls.getBook(id)),
      put: (input: Parameters<typeof calls.putBook>[0], o?: CallOptions) => execute(calls.putBook(input), o),
    },
    walletGroups: {
      list: () => pages<WalletGroupSummary>((page) => calls.listWalletGroups(page), execute),
      get: (id: string) => execute(calls.getWalletGroup(id)),
      put: (input: Parameters<typeof calls.putWalletGroup>[0], o?: CallOptions) =>
        execute(calls.putWalletGroup(input), o),
    },
    /** At once, by this client's own credential: everything, or one wallet. */
    freeze: (input: Parameters<typeof calls.freeze>[0], o?: CallOptions) => execute(calls.freeze(input), o),
    thaw: (input: Parameters<typeof calls.thaw>[0], o?: CallOptions) => execute(calls.thaw(input), o),
    custody: { get: (walletId: string) => execute(calls.getCustody(walletId)) },
    /** What an attacker with these processes and credentials could move: one page of wallets. */
    blastRadius: (query: Parameters<typeof calls.getBlastRadius>[0]) => execute(calls.getBlastRadius(query)),
  }
}

function isInFlight(error: unknown): boolean {
  return isCountersignError(error) && error.code === 'WIRE_REQUEST_IN_FLIGHT'
}

function transportOf(options: ClientOptions): Transport {
  let url: URL
  try {
    url = new URL(options.url)
  } catch {
    throw sdkError('SDK_INPUT_INVALID', 'The option url is no URL.', {
      fix: 'For example http://127.0.0.1:8720.',
    })
  }
  if (url.pathname !== '/' || url.search !== '' || url.username !== '' || url.password !== '') {
    throw sdkError('SDK_INPUT_INVALID', 'The option url has a path, a query or a user name.', {
      fix: 'Give scheme, host and port only: the path is part of what is signed.',
    })
  }
  if ((options.credential === undefined) === (options.apiKey === undefined)) {
    throw sdkError('SDK_INPUT_INVALID', 'One of the options credential and apiKey is needed, and only one.')
  }
  if (options.apiKey !== undefined) checkApiKey(options.apiKey, url)
  return {
    url: url.origin,
    fetch: options.fetch ?? ((address, init) => fetch(address, init)),
    retries: options.retries ?? retriesMax,
    timeoutMs: options.timeoutMs ?? answerTimeoutMs,
  }
}

/** The audience names the journal key, so the two must agree; and both must be the pinned one. */
function checkIdentity(found: Identity, pinned: string | undefined): void {
  // A sealed signer cannot prove its key yet; nothing is signed for it either.
  const key = found?.journalKey ?? null
  const expected =
    key === null ? found.audience : audienceOf(decodeHex(key.replace(/^(0x)?/, '0x'), 'journalKey', 32))
  if (found.audience !== expected) {
    throw sdkError(
      'SDK_AUDIENCE_MISMATCH',
      'The signer behind the url names a journal key that is not its own.',
    )
  }
  if (pinned !== undefined && pinned !== expected) {
    throw sdkError('SDK_AUDIENCE_MISMATCH', `The url leads to ${expected}, but ${pinned} is trusted.`)
  }
}

type Execute = <Answer>(call: Call<Answer>) => Promise<Answer>

async function* pages<T>(
  callFor: (page: PageQuery) => Call<Page<T>>,
  execute: Execute,
): AsyncGenerator<T, void, undefined> {
  let cursor: string | null = null
  for (let count = 0; count < pagesMax; count++) {
    const page: Page<T> = await execute(callFor(cursor === null ? {} : { cursor }))
    if (!Array.isArray(page.items)) throw sdkError('SDK_ANSWER_INVALID', 'The answer is no page of a list.')
    yield* page.items
    if (page.nextCursor === null || page.nextCursor === cursor) return
    cursor = page.nextCursor
  }
}

const finalStatuses = new Set(['confirmed', 'reverted', 'refused', 'failed'])

async function waitUntil(
  read: () => Promise<Transaction>,
  id: string,
  { timeoutMs = waitTimeoutMs, pollMs = waitPollMs, signal }: WaitOptions,
): Promise<Transaction> {
  const endMs = Date.now() + timeoutMs
  for (;;) {
    signal?.throwIfAborted()
    const transaction = await read()
    if (finalStatuses.has(transaction.status)) return transaction
    if (Date.now() >= endMs) {
      throw sdkError('SDK_WAIT_TIMED_OUT', `Transaction ${id} is still ${transaction.status}.`, {
        details: { id, status: transaction.status, hash: transaction.hash as Hex },
      })
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
