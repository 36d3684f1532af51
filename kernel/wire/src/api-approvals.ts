import Type, { type Static } from 'typebox'
import { pageQuery } from './api.ts'
import {
  attributionSchema,
  countSchema,
  credentialIdSchema,
  hexOf,
  jsonObjectSchema,
  nullable,
  oneOf,
  receiptSchema,
  strict,
  timeSchema,
  walletIdSchema,
} from './api-values.ts'

/** The bodies of requests that wait for approval, and of signed facts. */

export const approvalStates = ['waiting', 'signed', 'rejected', 'expired', 'refused'] as const
export type ApprovalState = (typeof approvalStates)[number]

const reasonCharsMax = 500

export const approvalIdSchema = Type.String({ pattern: '^apr_[0-9a-f]{24}$', description: 'Approval id.' })
const digestSchema = hexOf(32, 'What is approved: `digest` of the approval, over the exact bytes.')
const stateSchema = oneOf(approvalStates, 'Where it has come to.')

// Requests

export const approvalsQuery = Type.Object(
  { ...pageQuery.properties, state: Type.Optional(oneOf(approvalStates, 'Only those in this state.')) },
  strict,
)

export const approveBody = Type.Object(
  { digest: digestSchema },
  { ...strict, description: '`digest` as recomputed from what the signer’s statement shows.' },
)

export const rejectBody = Type.Object(
  {
    digest: digestSchema,
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: reasonCharsMax, description: 'Why; stands in the journal.' }),
    ),
  },
  strict,
)

export const factBody = Type.Object(
  {
    fact: Type.Record(Type.String(), Type.Unknown(), {
      description:
        'A price or the outcome of a simulation; docs/approvals.md has the form. `credentialId` is who asks.',
    }),
    signature: Type.String({
      pattern: '^[A-Za-z0-9+/]{86}==$',
      maxLength: 88,
      description:
        'base64, by the same credential over `countersign-fact-v1`, a line feed, the canonical fact and a line feed.',
    }),
  },
  { ...strict, description: 'A fact in the words of one credential; which of them count, policies say.' },
)

// Answers

const needSchema = Type.Object({
  layer: Type.String({ description: 'organisation, group, wallet or grant.' }),
  rule: Type.String({ description: 'The rule that asks for it.' }),
  group: Type.String({ description: 'Group of the policy.' }),
  needed: countSchema,
  have: countSchema,
  missing: countSchema,
  counted: Type.Array(Type.String({ description: 'Whose approvals count already.' })),
  eligible: Type.Array(Type.String({ description: 'Whose approval would count.' })),
  expiresInMs: Type.Optional(countSchema),
})
export const needsSchema = Type.Array(needSchema, { description: 'Approvals that policies ask for.' })

/** 202 on every route that signs, where policy asks for approvals. */
export const approvalPendingAnswer = Type.Object(
  {
    approval: Type.Object({
      id: approvalIdSchema,
      state: Type.Literal('waiting'),
      digest: digestSchema,
      expiresAt: timeSchema,
      needs: needsSchema,
    }),
    receipt: receiptSchema,
  },
  {
    description:
      'Nothing is signed yet: the request waits for approvals. The same request id gives this answer until then, and the final one afterwards.',
  },
)

export const voteAnswer = Type.Object({
  approval: approvalIdSchema,
  verdict: oneOf(['approved', 'rejected'], 'What this credential has said.'),
  digest: digestSchema,
  at: timeSchema,
  reason: nullable(Type.String({ description: 'Of a rejection.' })),
  state: stateSchema,
  receipt: receiptSchema,
})

const boundWalletSchema = Type.Object({
  id: walletIdSchema,
  type: Type.String({ description: 'EVM, SOLANA or BITCOIN.' }),
  address: Type.String({ description: 'As written on its chain.' }),
  publicKey: Type.Optional(Type.String({ description: 'Of the wallet.' })),
  chain: Type.Optional(Type.String({ description: 'CAIP-2, of wallets that have one network.' })),
  form: Type.Optional(Type.String({ description: 'Of Bitcoin wallets.' })),
})

const summary = {
  approval: approvalIdSchema,
  state: stateSchema,
  digest: digestSchema,
  wallet: boundWalletSchema,
  operation: Type.String({ description: 'sign-transaction, sign-message, …' }),
  effects: Type.Array(Type.String({ description: 'One line for each effect, in the order of the bytes.' })),
  requestedBy: Type.Object({
    credential: credentialIdSchema,
    name: Type.String({ description: 'Of the credential.' }),
    attribution: attributionSchema,
  }),
  createdAt: timeSchema,
  expiresAt: timeSchema,
}
export const approvalSummarySchema = Type.Object(summary)

/** What the signer says of a request that waits, or has waited. `asked` is the digest of the request that asked for it. */
export const approvalStatementSchema = Type.Object({
  version: Type.Literal(1),
  signer: Type.String(),
  at: timeSchema,
  asked: hexOf(32, 'Digest of the request that this answers.'),
  ...summary,
  requestId: Type.String(),
  requestDigest: hexOf(32, 'Of the request that waits.'),
  payloadDigest: hexOf(32, 'Of the bytes that would be signed.'),
  payload: nullable(jsonObjectSchema),
  outcome: nullable(oneOf(['permitted', 'needs-approval', 'refused'], 'What policy says at this moment.')),
  reasons: Type.Array(Type.String()),
  needs: needsSchema,
  votes: Type.Array(Type.Object({ credential: credentialIdSchema, at: timeSchema, counts: Type.Boolean() })),
  policies: Type.Array(Type.Object({ layer: Type.String(), id: Type.String(), hash: Type.String() })),
  settled: nullable(
    Type.Object({
      at: timeSchema,
      by: nullable(credentialIdSchema),
      reason: nullable(Type.String()),
    }),
  ),
  index: countSchema,
})

export const approvalsStatementSchema = Type.Object({
  version: Type.Literal(1),
  signer: Type.String(),
  at: timeSchema,
  asked: hexOf(32, 'Digest of the request that this answers.'),
  items: Type.Array(approvalSummarySchema),
  nextCursor: nullable(Type.String()),
})

const signedBy = {
  signer: Type.String({ pattern: '^sgn_[0-9a-f]{32}$', description: 'Audience id of the signer.' }),
  journalKey: hexOf(32, 'Ed25519 public key of the journal.'),
  signature: Type.String({
    description:
      'base64, by the journal key over the context, a line feed, the canonical statement and a line feed.',
  }),
}
export const approvalAnswer = Type.Object(
  { statement: approvalStatementSchema, ...signedBy },
  { description: 'Context: countersign-approval-v1.' },
)
export const approvalsAnswer = Type.Object(
  { statement: approvalsStatementSchema, ...signedBy },
  {
    description:
      'Context: countersign-approvals-v1. The page is signed as a whole: nothing in it can be left out.',
  },
)

export const factStatementSchema = Type.Object({
  version: Type.Literal(1),
  signer: Type.String(),
  at: timeSchema,
  asked: hexOf(32, 'Digest of the request that this answers.'),
  fact: hexOf(32, 'SHA-256 of what its credential has signed.'),
  expiresAt: timeSchema,
})
export const factAnswer = Type.Object(
  { statement: factStatementSchema, ...signedBy },
  { description: 'The signer has it. Context: countersign-fact-taken-v1.' },
)

export type ApproveBody = Static<typeof approveBody>
export type RejectBody = Static<typeof rejectBody>
export type FactBody = Static<typeof factBody>
export type FactStatement = Static<typeof factStatementSchema>
export type ApprovalNeed = Static<typeof needSchema>
export type ApprovalPendingAnswer = Static<typeof approvalPendingAnswer>
export type VoteAnswer = Static<typeof voteAnswer>
export type ApprovalSummary = Static<typeof approvalSummarySchema>
export type ApprovalStatement = Static<typeof approvalStatementSchema>
export type ApprovalsStatement = Static<typeof approvalsStatementSchema>
