import Type, { type Static } from 'typebox'
import { pageOf, pageQuery } from './api.ts'
import {
  countSchema,
  credentialIdSchema,
  hexOf,
  jsonObjectSchema,
  nullable,
  oneOf,
  policyHashSchema,
  policyIdSchema,
  receiptSchema,
  strict,
  timeSchema,
  walletIdSchema,
} from './api-values.ts'
import { delayForm } from './delay.ts'

/** The bodies of changes that wait, and of what can be changed besides policies and credentials. */

export const changeStates = ['pending', 'applied', 'vetoed', 'dropped'] as const
export type ChangeState = (typeof changeStates)[number]

/** Wallets of one group: each is a record in the commit that changes the group. */
export const groupWalletsMax = 1_000
const quorumMax = 64
const reasonCharsMax = 500

const changeIdSchema = Type.String({ pattern: '^chg_[0-9a-f]{24}$', description: 'Id of the change.' })
const bookIdSchema = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
  description: 'Id of the address book: what policies write after "@".',
})
const groupIdSchema = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
  description: 'Id of the group.',
})
const reasonSchema = (description: string) =>
  Type.String({ minLength: 1, maxLength: reasonCharsMax, description })
const delaySchema = Type.String({
  pattern: delayForm.source,
  maxLength: 16,
  description: 'How long what loosens waits, for example "24h"; "0s": not at all. At most 90d.',
})
const quorumSchema = Type.Integer({
  minimum: 1,
  maximum: quorumMax,
  description: 'How many different admins must sign a change.',
})

export const loosensSchema = Type.Array(
  Type.Object({
    rule: Type.Optional(Type.String({ description: 'Rule of the policy.' })),
    why: Type.String({ description: 'What it may permit that was refused before.' }),
  }),
  { description: 'Why it waits; empty for what tightens.' },
)

// Requests

export const changesQuery = Type.Object(
  { ...pageQuery.properties, state: Type.Optional(oneOf(changeStates, 'Only changes in this state.')) },
  strict,
)

export const vetoChangeBody = Type.Object(
  { reason: Type.Optional(reasonSchema('Why; stands in the journal.')) },
  strict,
)

export const setQuorumBody = Type.Object(
  { quorum: quorumSchema, expected: quorumSchema },
  { ...strict, description: '`expected` is the quorum that holds now.' },
)

export const setLooseningDelayBody = Type.Object(
  { delay: delaySchema, expected: delaySchema },
  { ...strict, description: '`expected` is the delay that holds now.' },
)

export const putBookBody = Type.Object(
  {
    book: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The address book: {"version": 1, "id", "addresses": [{"address", "label"?}]}.',
    }),
    expected: nullable(policyHashSchema),
  },
  {
    ...strict,
    description: '`expected` is the hash of the version that this one replaces; null for a new book.',
  },
)

export const putWalletGroupBody = Type.Object(
  {
    wallets: Type.Array(walletIdSchema, {
      maxItems: groupWalletsMax,
      description: 'All of its wallets. A wallet is in one group at most.',
    }),
    policy: nullable(policyIdSchema),
    expected: nullable(policyHashSchema),
  },
  {
    ...strict,
    description:
      '`policy` holds for every wallet of the group; null: this layer does not apply. `expected` is the hash of the group as it stands now; null for a new one.',
  },
)

const frozenWalletSchema = Type.Optional(walletIdSchema)
export const freezeBody = Type.Object(
  { wallet: frozenWalletSchema, reason: reasonSchema('Why; stands in the journal.') },
  { ...strict, description: 'Without `wallet` everything is frozen.' },
)

export const thawBody = Type.Object(
  { wallet: frozenWalletSchema, expected: timeSchema },
  {
    ...strict,
    description:
      '`expected` is the time of the freeze that is lifted (`frozen.at`), so that a request which was held back lifts no later one.',
  },
)

// Answers

/** 202 on every route whose change waits for its delay. */
export const changeProposedAnswer = Type.Object(
  {
    change: changeIdSchema,
    state: Type.Literal('pending'),
    dueAt: timeSchema,
    loosens: loosensSchema,
    receipt: receiptSchema,
  },
  { description: 'The change loosens: the signer carries it out at `dueAt`, unless one admin vetoes it.' },
)

export const changeSummarySchema = Type.Object({
  id: changeIdSchema,
  operation: Type.String({ description: 'Name of the route.' }),
  method: Type.String(),
  path: Type.String(),
  digest: hexOf(32, 'Of the request that the quorum has signed.'),
  requestId: Type.String(),
  credentials: Type.Array(credentialIdSchema, { description: 'Who has signed it.' }),
  loosens: loosensSchema,
  state: oneOf(changeStates, 'Where it has come to.'),
  proposedAt: timeSchema,
  dueAt: timeSchema,
  settledAt: nullable(timeSchema),
  settledBy: nullable(credentialIdSchema),
  reason: nullable(Type.String({ description: 'Of a veto, or why it was dropped.' })),
  index: countSchema,
})
export const changesAnswer = pageOf(changeSummarySchema)
export const changeAnswer = Type.Object({
  ...changeSummarySchema.properties,
  body: nullable(jsonObjectSchema),
  receipt: receiptSchema,
})

export const vetoAnswer = Type.Object({
  change: changeIdSchema,
  state: Type.Literal('vetoed'),
  by: credentialIdSchema,
  at: timeSchema,
  reason: nullable(Type.String()),
  receipt: receiptSchema,
})

export const frozenSchema = Type.Object({
  by: credentialIdSchema,
  at: timeSchema,
  reason: Type.String({ description: 'As it was given.' }),
})

export const organisationAnswer = Type.Object({
  quorum: countSchema,
  /** Active ones. */
  admins: countSchema,
  policy: nullable(policyIdSchema),
  looseningDelay: delaySchema,
  frozen: nullable(frozenSchema),
  pendingChanges: countSchema,
})
export const quorumAnswer = Type.Object({ quorum: countSchema, receipt: receiptSchema })
export const looseningDelayAnswer = Type.Object({ delay: delaySchema, receipt: receiptSchema })

const versioned = { hash: policyHashSchema, version: countSchema, appliedAt: timeSchema }
export const bookSummarySchema = Type.Object({ id: bookIdSchema, ...versioned, entries: countSchema })
export const booksAnswer = pageOf(bookSummarySchema)
export const bookAnswer = Type.Object({ ...bookSummarySchema.properties, book: jsonObjectSchema })
export const putBookAnswer = Type.Object({ ...bookSummarySchema.properties, receipt: receiptSchema })

export const walletGroupAnswer = Type.Object({
  id: groupIdSchema,
  ...versioned,
  policy: nullable(policyIdSchema),
  wallets: Type.Array(walletIdSchema),
})
export const walletGroupsAnswer = pageOf(
  Type.Object({ id: groupIdSchema, ...versioned, policy: nullable(policyIdSchema), size: countSchema }),
)
export const putWalletGroupAnswer = Type.Object({ ...walletGroupAnswer.properties, receipt: receiptSchema })

export const freezeAnswer = Type.Object({
  wallet: nullable(walletIdSchema),
  frozen: frozenSchema,
  receipt: receiptSchema,
})
export const thawAnswer = Type.Object({
  wallet: nullable(walletIdSchema),
  frozen: Type.Null(),
  receipt: receiptSchema,
})

export type VetoChangeBody = Static<typeof vetoChangeBody>
export type SetQuorumBody = Static<typeof setQuorumBody>
export type SetLooseningDelayBody = Static<typeof setLooseningDelayBody>
export type PutBookBody = Static<typeof putBookBody>
export type PutWalletGroupBody = Static<typeof putWalletGroupBody>
export type FreezeBody = Static<typeof freezeBody>
export type ThawBody = Static<typeof thawBody>
export type ChangeProposedAnswer = Static<typeof changeProposedAnswer>
export type ChangeSummary = Static<typeof changeSummarySchema>
export type ChangeAnswer = Static<typeof changeAnswer>
export type VetoAnswer = Static<typeof vetoAnswer>
export type Frozen = Static<typeof frozenSchema>
export type OrganisationAnswer = Static<typeof organisationAnswer>
export type QuorumAnswer = Static<typeof quorumAnswer>
export type LooseningDelayAnswer = Static<typeof looseningDelayAnswer>
export type BookSummary = Static<typeof bookSummarySchema>
export type BookAnswer = Static<typeof bookAnswer>
export type PutBookAnswer = Static<typeof putBookAnswer>
export type WalletGroupAnswer = Static<typeof walletGroupAnswer>
export type PutWalletGroupAnswer = Static<typeof putWalletGroupAnswer>
export type FreezeAnswer = Static<typeof freezeAnswer>
export type ThawAnswer = Static<typeof thawAnswer>
