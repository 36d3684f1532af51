import type { Page } from './answers.ts'
import { admin, get, post, segment } from './call.ts'
import type { PageQuery } from './calls.ts'
import type { ChangeProposed } from './change-answers.ts'
import type {
  Grant,
  GrantChanged,
  GrantMade,
  GrantSummary,
  NewGrant,
  WalletOwnerSet,
} from './grant-answers.ts'

export interface GrantQuery {
  /** Only those over this wallet that can still be used. */
  readonly wallet?: string
  /** Only those to, or by, this credential that can still be used. */
  readonly credential?: string
}

/** Permissions of one credential for another; a part of `calls`. */
export const grantCalls = {
  /** Signed by the owner of the wallets alone, or by the admin quorum; a quorum’s waits where there is a delay. */
  createGrant: ({ keepAlive, notBefore, expires, ...grant }: NewGrant) =>
    admin<GrantMade | ChangeProposed>('POST', '/v1/grants', {
      ...grant,
      expires: timeText(expires),
      ...(notBefore === undefined ? {} : { notBefore: timeText(notBefore) }),
      ...(keepAlive === undefined
        ? {}
        : { keepAlive: { extendBy: keepAlive.extendBy, hardEnd: timeText(keepAlive.hardEnd) } }),
    }),
  listGrants: (query: GrantQuery & PageQuery = {}) => get<Page<GrantSummary>>('/v1/grants', query),
  getGrant: (id: string) => get<Grant>(`/v1/grants/${segment(id)}`),
  /** By the grantee, the owner or one admin. */
  revokeGrant: ({ id, reason }: { readonly id: string; readonly reason?: string }) =>
    post<GrantChanged>(`/v1/grants/${segment(id)}/revoke`, { reason }),
  /** By the grantee. */
  keepGrantAlive: (id: string) => post<GrantChanged>(`/v1/grants/${segment(id)}/keep-alive`, {}),
  /** Signed by the owner alone; by the admin quorum where there is none. */
  setWalletOwner: (input: {
    readonly walletId: string
    readonly owner: string | null
    readonly expected: string | null
  }) =>
    admin<WalletOwnerSet | ChangeProposed>('PUT', `/v1/wallets/${segment(input.walletId)}/owner`, {
      owner: input.owner,
      expected: input.expected,
    }),
} as const

/** Whatever is no time is sent as it is, for the signer to say so. */
function timeText(time: Date | string): string {
  if (typeof time === 'string') return time
  return Number.isNaN(time.getTime()) ? String(time) : time.toISOString()
}
