import Type, { type Static } from 'typebox'
import { pageOf, pageQuery } from './api.ts'
import {
  countSchema,
  credentialIdSchema,
  expirySchema,
  grantIdSchema,
  hexUpTo,
  jsonObjectSchema,
  nameSchema,
  nullable,
  oneOf,
  policyHashSchema,
  receiptSchema,
  strict,
  timeSchema,
  walletIdSchema,
} from './api-values.ts'
import { delayForm } from './delay.ts'

/** Grants: a credential lets another one ask for a wallet, under rules and for a time; and whose wallet it is. */

/** Wallets of one grant: each is looked up in the commit that makes it. */
export const grantWalletsMax = 64
export const grantUsesMax = 1_000_000_000
const reasonCharsMax = 500

export const grantStates = ['active', 'revoked'] as const

const extendBySchema = Type.String({
  pattern: delayForm.source,
  maxLength: 16,
  description: 'How much longer it holds from the moment of a keep-alive, for example "15m".',
})

// Requests

export const createGrantBody = Type.Object(
  {
    to: credentialIdSchema,
    wallets: Type.Array(walletIdSchema, {
      minItems: 1,
      maxItems: grantWalletsMax,
      uniqueItems: true,
      description: 'Wallets that it is about; of one grantor, all are its own.',
    }),
    rules: Type.Record(Type.String(), Type.Unknown(), {
      description:
        'A policy file, as for PUT /v1/policies; its `id` may be left out and becomes that of the grant. It only narrows what the other layers permit.',
    }),
    name: Type.Optional(nameSchema),
    notBefore: Type.Optional(expirySchema),
    expires: expirySchema,
    maxUses: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: grantUsesMax,
        description: 'Signatures in all; any number without it.',
      }),
    ),
    keepAlive: Type.Optional(
      Type.Object(
        { extendBy: extendBySchema, hardEnd: expirySchema },
        { ...strict, description: 'The grantee may prolong it, never beyond `hardEnd`.' },
      ),
    ),
  },
  { ...strict, description: 'Signed by the owner of the wallets alone, or by the admin quorum.' },
)

export const grantsQuery = Type.Object(
  {
    ...pageQuery.properties,
    wallet: Type.Optional(walletIdSchema),
    credential: Type.Optional(credentialIdSchema),
  },
  strict,
)

export const revokeGrantBody = Type.Object(
  {
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: reasonCharsMax, description: 'Why; stands in the journal.' }),
    ),
  },
  strict,
)

export const setWalletOwnerBody = Type.Object(
  { owner: nullable(credentialIdSchema), expected: nullable(credentialIdSchema) },
  {
    ...strict,
    description:
      '`expected` is the owner that stands there now. Signed by that owner alone; by the admin quorum where there is none, or where it is not active any more.',
  },
)

// Answers

const grantWalletSchema = Type.Object({
  id: walletIdSchema,
  type: Type.String({ description: 'Chain family.' }),
  address: Type.String({ description: 'Of the wallet.' }),
  publicKey: hexUpTo(33, 'Of the wallet.'),
})

/** What the journal has of a grant: everything but the rules, of which it has the hash. */
export const grantTermsSchema = Type.Object({
  id: grantIdSchema,
  name: nullable(nameSchema),
  to: credentialIdSchema,
  wallets: Type.Array(grantWalletSchema),
  rulesHash: policyHashSchema,
  grantedBy: Type.Union([
    Type.Object({ quorum: Type.Array(credentialIdSchema, { description: 'Who has signed it.' }) }),
    Type.Object({ owner: credentialIdSchema }),
  ]),
  notBefore: timeSchema,
  expires: timeSchema,
  maxUses: nullable(countSchema),
  keepAlive: nullable(Type.Object({ extendBy: extendBySchema, hardEnd: timeSchema })),
  createdAt: timeSchema,
  state: oneOf(grantStates, 'Whether somebody has revoked it.'),
  revoked: nullable(Type.Object({ by: credentialIdSchema, at: timeSchema, reason: nullable(Type.String()) })),
})

/** `to` and `grantedBy` name credentials by the id that they had before any rotation, but for `grantedBy.owner`. */
export const grantChangeAnswer = Type.Object({ ...grantTermsSchema.properties, receipt: receiptSchema })
export const createGrantAnswer = Type.Object({
  ...grantTermsSchema.properties,
  rules: jsonObjectSchema,
  receipt: receiptSchema,
})

const useSchema = {
  uses: Type.Integer({ minimum: 0, description: 'Signatures so far.' }),
  unusable: nullable(
    Type.String({ description: 'Code of the error that a request under it would meet now.' }),
  ),
}
export const grantSummarySchema = Type.Object({ ...grantTermsSchema.properties, ...useSchema })
export const grantsAnswer = pageOf(grantSummarySchema)
export const grantAnswer = Type.Object({
  ...grantSummarySchema.properties,
  rules: jsonObjectSchema,
  receipt: receiptSchema,
})

export const walletOwnerAnswer = Type.Object({
  walletId: walletIdSchema,
  owner: nullable(credentialIdSchema),
  receipt: receiptSchema,
})

export type CreateGrantBody = Static<typeof createGrantBody>
export type RevokeGrantBody = Static<typeof revokeGrantBody>
export type SetWalletOwnerBody = Static<typeof setWalletOwnerBody>
export type GrantTerms = Static<typeof grantTermsSchema>
export type GrantChangeAnswer = Static<typeof grantChangeAnswer>
export type CreateGrantAnswer = Static<typeof createGrantAnswer>
export type GrantSummary = Static<typeof grantSummarySchema>
export type GrantAnswer = Static<typeof grantAnswer>
export type WalletOwnerAnswer = Static<typeof walletOwnerAnswer>
