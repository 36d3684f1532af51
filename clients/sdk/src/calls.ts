import type { Hex } from '@countersign/bytes'
import type {
  Attribution,
  BlastRadiusAnswer,
  CheckpointAnswer,
  ConsistencyAnswer,
  CreatedWallet,
  Credential,
  CredentialChanged,
  CredentialRotated,
  CredentialRotation,
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
import { approvalCalls } from './approval-calls.ts'
import { admin, type Call, get, post, segment } from './call.ts'
import { chainCalls } from './chain-calls.ts'
import type { ChangeProposed } from './change-answers.ts'
import { changeCalls } from './change-calls.ts'
import { grantCalls } from './grant-calls.ts'
import type { EntriesFound, JournalDocumentAnswer, JournalSearch } from './journal-answers.ts'

export type { Call } from './call.ts'

export interface ForWallet {
  readonly walletId: string
  /** The grant under which it is asked for; a grantee needs one. */
  readonly grant?: string
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

export interface BlastRadiusQuery extends PageQuery {
  /** What the attacker has: `engine`, `signer`, ids or names of credentials. */
  readonly owned: readonly string[]
  /** One wallet; all of them where it is left out. */
  readonly walletId?: string
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
  searchEntries: (query: JournalSearch) => get<EntriesFound>('/v1/journal/entries', query),
  getDocument: (sha256: string) => get<JournalDocumentAnswer>(`/v1/journal/documents/${segment(sha256)}`),
  getInclusionProof: (query: { index: number; size: number }) =>
    get<InclusionProof>('/v1/journal/proof', query),
  getConsistencyProof: (query: { from: number; to: number }) =>
    get<ConsistencyAnswer>('/v1/journal/consistency', query),

  listPolicies: (query: PageQuery = {}) => get<Page<PolicyAnswer>>('/v1/policies', query),
  getPolicy: (id: string) => get<PolicyAnswer>(`/v1/policies/${segment(id)}`),
  putPolicy: (input: { id: string; policy: unknown; expected: string | null }) =>
    admin<PolicyPut | ChangeProposed>('PUT', `/v1/policies/${segment(input.id)}`, {
      policy: input.policy,
      expected: input.expected,
    }),
  setWalletPolicy: (input: { walletId: string; policy: string | null; expected: string | null }) =>
    admin<WalletPolicySet | ChangeProposed>('PUT', `/v1/wallets/${segment(input.walletId)}/policy`, {
      policy: input.policy,
      expected: input.expected,
    }),
  setOrganisationPolicy: (input: { policy: string | null; expected: string | null }) =>
    admin<PolicySet | ChangeProposed>('PUT', '/v1/organisation/policy', {
      policy: input.policy,
      expected: input.expected,
    }),

  listCredentials: (query: PageQuery = {}) => get<Page<Credential>>('/v1/credentials', query),
  createCredential: (credential: NewCredential) =>
    admin<CredentialChanged | ChangeProposed>('POST', '/v1/credentials', { ...credential }),
  /** Signed by the old key first, then by the new one; of an admin by the rest of the quorum too. */
  rotateCredential: (input: CredentialRotation & { readonly id: string }) => {
    const { id, ...rotation } = input
    return admin<CredentialRotated>('POST', `/v1/credentials/${segment(id)}/rotate`, rotation)
  },
  revokeCredential: (id: string) =>
    admin<CredentialChanged>('POST', `/v1/credentials/${segment(id)}/revoke`, {}),

  ...changeCalls,
  ...approvalCalls,
  ...chainCalls,
  ...grantCalls,

  getBlastRadius: ({ owned, ...query }: BlastRadiusQuery) =>
    get<BlastRadiusAnswer>('/v1/blast-radius', { owned: owned.join(','), ...query }),
  getCustody: (walletId: string) => get<CustodyAnswer>(`/v1/custody/${segment(walletId)}`),
} as const

function forWallet<Answer>(input: ForWallet, verb: string, body: object): Call<Answer> {
  const { walletId, grant, attribution } = input
  return post(`/v1/wallets/${segment(walletId)}/${verb}`, { ...body, grant, attribution })
}
