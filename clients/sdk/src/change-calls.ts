import type {
  ChangeState,
  FreezeBody,
  PutWalletGroupBody,
  SetLooseningDelayBody,
  SetQuorumBody,
  ThawBody,
} from '@countersign/wire'
import type { Page } from './answers.ts'
import { admin, get, post, segment } from './call.ts'
import type { PageQuery } from './calls.ts'
import type {
  Book,
  BookPut,
  BookSummary,
  Change,
  ChangeProposed,
  ChangeSummary,
  FrozenAnswer,
  LooseningDelaySet,
  Organisation,
  QuorumSet,
  Thawed,
  Vetoed,
  WalletGroup,
  WalletGroupPut,
} from './change-answers.ts'

export type WalletGroupSummary = Omit<WalletGroup, 'wallets'> & { readonly size: number }

/** How the rules themselves are changed; a part of `calls`. */
export const changeCalls = {
  getOrganisation: () => get<Organisation>('/v1/organisation'),
  setQuorum: (input: SetQuorumBody) =>
    admin<QuorumSet | ChangeProposed>('PUT', '/v1/organisation/quorum', input),
  setLooseningDelay: (input: SetLooseningDelayBody) =>
    admin<LooseningDelaySet | ChangeProposed>('PUT', '/v1/organisation/loosening-delay', input),

  listChanges: (query: PageQuery & { readonly state?: ChangeState } = {}) =>
    get<Page<ChangeSummary>>('/v1/changes', query),
  getChange: (id: string) => get<Change>(`/v1/changes/${segment(id)}`),
  /** One admin’s signature suffices. */
  vetoChange: ({ id, reason }: { readonly id: string; readonly reason?: string }) =>
    post<Vetoed>(`/v1/changes/${segment(id)}/veto`, { reason }),

  listBooks: (query: PageQuery = {}) => get<Page<BookSummary>>('/v1/books', query),
  getBook: (id: string) => get<Book>(`/v1/books/${segment(id)}`),
  putBook: (input: { readonly id: string; readonly book: unknown; readonly expected: string | null }) =>
    admin<BookPut | ChangeProposed>('PUT', `/v1/books/${segment(input.id)}`, {
      book: input.book,
      expected: input.expected,
    }),

  listWalletGroups: (query: PageQuery = {}) => get<Page<WalletGroupSummary>>('/v1/wallet-groups', query),
  getWalletGroup: (id: string) => get<WalletGroup>(`/v1/wallet-groups/${segment(id)}`),
  putWalletGroup: ({ id, ...body }: PutWalletGroupBody & { readonly id: string }) =>
    admin<WalletGroupPut | ChangeProposed>('PUT', `/v1/wallet-groups/${segment(id)}`, body),

  freeze: (input: FreezeBody) => post<FrozenAnswer>('/v1/freeze', input),
  thaw: (input: ThawBody) => admin<Thawed>('POST', '/v1/thaw', input),
} as const
