import { emptyBody } from './api.ts'
import * as api from './api-grants.ts'
import type { Route } from './routes.ts'

/** Who may ask for a wallet besides those whom its policy lets: grants, and the owner who makes them. */
export const grantRoutes = [
  {
    method: 'POST',
    pattern: '/v1/grants',
    operation: 'createGrant',
    auth: 'owner',
    signer: true,
    status: 201,
    summary: 'Let a credential ask for wallets, under rules and for a time.',
    body: api.createGrantBody,
    answer: api.createGrantAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/grants',
    operation: 'listGrants',
    auth: 'credential',
    signer: true,
    status: 200,
    summary:
      'List grants: all of them with the power read or the role admin; otherwise those to or by the asking credential, or over its own wallet.',
    query: api.grantsQuery,
    answer: api.grantsAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/grants/{grantId}',
    operation: 'getGrant',
    auth: 'credential',
    signer: true,
    status: 200,
    summary:
      'Get a grant with its rules and the receipt of its last change. For its parties, and for those who may read.',
    answer: api.grantAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/grants/{grantId}/revoke',
    operation: 'revokeGrant',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'End a grant, at once. Its grantee, its grantor, the owner of one of its wallets, or one admin.',
    body: api.revokeGrantBody,
    answer: api.grantChangeAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/grants/{grantId}/keep-alive',
    operation: 'keepGrantAlive',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Prolong a grant, up to its hard end. Its grantee only.',
    body: emptyBody,
    answer: api.grantChangeAnswer,
  },
  {
    method: 'PUT',
    pattern: '/v1/wallets/{walletId}/owner',
    operation: 'setWalletOwner',
    auth: 'owner',
    signer: true,
    status: 200,
    summary: 'Say which credential owns a wallet, and so may grant over it.',
    body: api.setWalletOwnerBody,
    answer: api.walletOwnerAnswer,
  },
] as const satisfies readonly Route[]
