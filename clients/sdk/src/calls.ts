import type { Hex, JsonObject } from '@countersign/bytes'
import type {
  Attribution,
  CheckpointAnswer,
  ConsistencyAnswer,
  CreatedWallet,
  Credential,
  CredentialChanged,
  CustodyAnswer,
  EntriesAnswer,
  InclusionProof,
  NewCredential,
  NewWallet,
  Page,
  PolicyAnswer,
  PolicyPut,
  PolicySet,
  Receipt,
  Signed,
  SignedAuthorizationAnswer,
  SignedTransaction,
  Transaction,
  TransactionRequest,
  UserIdentifierType,
  Wallet,
  WalletPolicySet,
} from './answers.ts'

/** One request to a public route, before it is signed. `Answer` is only for the types. */
export interface Call<Answer> {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** With the query. */
  readonly path: string
  /** `undefined`: no body at all. */
  readonly body: JsonObject | undefined
  /** Policies, credentials and the organisation: needs the admin quorum and may live for a day. */
  readonly admin: boolean
  readonly answer?: Answer
}

export interface ForWallet {
  readonly walletId: string
  readonly attribution?: Attribution
}

export interface PageQuery {
  readonly cursor?: string
  readonly limit?: number
}

export interface WalletQuery extends PageQuery {
  readonly userIdentifier?: string
  readonly userIdentifierType?: UserIdentifierType
}

/** Every public route by name. The same calls serve the client, the CLI and quorum files signed offline. */
export const calls = {
  createWallet: (wallet: NewWallet) => post<CreatedWallet>('/v1/wallets', { type: 'EVM', ...wallet }),
  getWallet: (id: string) => get<Wallet>(`/v1/wallets/${segment(id)}`),
  listWallets: (query: WalletQuery = {}) => get<Page<Wallet>>('/v1/wallets', query),

  signMessage: (input: ForWallet & { message: string | { raw: Hex } }) =>
    forWallet<Signed>(input, 'sign-message', { message: input.message }),
  signTypedData: (input: ForWallet & { typedData: unknown }) =>
    forWallet<Signed>(input, 'sign-typed-data', { typedData: input.typedData }),
  signTransaction: (
    input: ForWallet &
      ({ unsignedTransaction: Hex } | { transaction: TransactionRequest; maxFeeMinor?: string | bigint }),
  ) =>
    forWallet<SignedTransaction>(
      input,
      'sign-transaction',
      'unsignedTransaction' in input
        ? { unsignedTransaction: input.unsignedTransaction }
        : { transaction: input.transaction, maxFeeMinor: input.maxFeeMinor },
    ),
  signAuthorization: (input: ForWallet & { contractAddress: Hex; chainId: number; nonce: number }) =>
    forWallet<SignedAuthorizationAnswer>(input, 'sign-authorization', {
      contractAddress: input.contractAddress,
      chainId: input.chainId,
      nonce: input.nonce,
    }),
  signRaw: (input: ForWallet & ({ digest: Hex } | { data: Hex })) =>
    forWallet<Signed>(input, 'sign-raw', 'digest' in input ? { digest: input.digest } : { data: input.data }),

  sendTransaction: (input: ForWallet & { transaction: TransactionRequest; maxFeeMinor?: string | bigint }) =>
    forWallet<Transaction>(input, 'transactions', {
      transaction: input.transaction,
      maxFeeMinor: input.maxFeeMinor,
    }),
  getTransaction: (id: string) => get<Transaction>(`/v1/transactions/${segment(id)}`),
  listTransactions: (query: PageQuery & { walletId?: string } = {}) =>
    get<Page<Transaction>>('/v1/transactions', query),

  getReceipt: (requestId: string) => get<Receipt>(`/v1/receipts/${segment(requestId)}`),
  getCheckpoint: () => get<CheckpointAnswer>('/v1/journal/checkpoint'),
  listEntries: (query: { start: number; limit: number }) => get<EntriesAnswer>('/v1/journal/entries', query),
  getInclusionProof: (query: { index: number; size: number }) =>
    get<InclusionProof>('/v1/journal/proof', query),
  getConsistencyProof: (query: { from: number; to: number }) =>
    get<ConsistencyAnswer>('/v1/journal/consistency', query),

  listPolicies: (query: PageQuery = {}) => get<Page<PolicyAnswer>>('/v1/policies', query),
  getPolicy: (id: string) => get<PolicyAnswer>(`/v1/policies/${segment(id)}`),
  putPolicy: (input: { id: string; policy: unknown; expected: string | null }) =>
    admin<PolicyPut>('PUT', `/v1/policies/${segment(input.id)}`, {
      policy: input.policy,
      expected: input.expected,
    }),
  setWalletPolicy: (input: { walletId: string; policy: string | null; expected: string | null }) =>
    admin<WalletPolicySet>('PUT', `/v1/wallets/${segment(input.walletId)}/policy`, {
      policy: input.policy,
      expected: input.expected,
    }),
  setOrganisationPolicy: (input: { policy: string | null; expected: string | null }) =>
    admin<PolicySet>('PUT', '/v1/organisation/policy', { policy: input.policy, expected: input.expected }),

  listCredentials: (query: PageQuery = {}) => get<Page<Credential>>('/v1/credentials', query),
  createCredential: (credential: NewCredential) =>
    admin<CredentialChanged>('POST', '/v1/credentials', { ...credential }),
  revokeCredential: (id: string) =>
    admin<CredentialChanged>('POST', `/v1/credentials/${segment(id)}/revoke`, {}),

  getCustody: (walletId: string) => get<CustodyAnswer>(`/v1/custody/${segment(walletId)}`),
} as const

function get<Answer>(path: string, query: object = {}): Call<Answer> {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return { method: 'GET', path: text === '' ? path : `${path}?${text}`, body: undefined, admin: false }
}

function post<Answer>(path: string, body: object): Call<Answer> {
  return { method: 'POST', path, body: jsonBody(body), admin: false }
}

function admin<Answer>(method: 'POST' | 'PUT', path: string, body: object): Call<Answer> {
  return { method, path, body: jsonBody(body), admin: true }
}

function forWallet<Answer>(input: ForWallet, verb: string, body: object): Call<Answer> {
  return post(`/v1/wallets/${segment(input.walletId)}/${verb}`, { ...body, attribution: input.attribution })
}

function segment(id: string): string {
  return encodeURIComponent(id)
}

/** Bigints become decimal strings and undefined fields vanish: the body's text is exactly what is signed. */
function jsonBody(value: object): JsonObject {
  return JSON.parse(
    JSON.stringify(value, (_key, field: unknown) => (typeof field === 'bigint' ? field.toString() : field)),
  ) as JsonObject
}
