import { canonicalJson, encodeHex, encodeUtf8, type Hex, type JsonObject, sha256 } from '@countersign/bytes'
import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import {
  type ApprovalStatement,
  type ApprovalsStatement,
  approvalStatementSchema,
  approvalsStatementSchema,
  type FactStatement,
  factStatementSchema,
} from './api-approvals.ts'
import { wireError } from './catalogue.ts'
import { verifyStatement } from './signed-statement.ts'

export const approvalContext = 'countersign-approval-v1'
export const approvalsContext = 'countersign-approvals-v1'
export const factTakenContext = 'countersign-fact-taken-v1'

/** All that an approval is for: whoever signs the digest has approved this and nothing else. */
export interface ApprovedMatter {
  /** Audience id. */
  readonly signer: string
  readonly approval: string
  readonly wallet: object
  readonly operation: string
  /** Of the request as its caller signed it. */
  readonly requestDigest: string
  /** Of the bytes whose hash would be signed. */
  readonly payloadDigest: string
  readonly effects: readonly string[]
  /** The unsigned payload itself, from which the two lines above can be made again. */
  readonly payload: object
}

/** @throws {TypeError} on what canonical JSON does not have */
export function approvalDigest(matter: ApprovedMatter): Hex {
  const { signer, approval, wallet, operation, requestDigest, payloadDigest, effects, payload } = matter
  const bound = { signer, approval, wallet, operation, requestDigest, payloadDigest, effects, payload }
  return encodeHex(sha256(encodeUtf8(canonicalJson({ v: 1, type: 'approval', ...bound }))))
}

export interface ApprovalExpectation {
  /** Of the signer that the reader trusts. */
  readonly audience: string
  /** Digest of the request that asked: an earlier answer is none. */
  readonly asked: string
}

/**
 * Reads what the signer says of one request: its signature, that it answers this very question, and that its digest is
 * over what it shows. Whether the effects are what the payload does is for the reader to decode.
 * @throws {CountersignError} WIRE_STATEMENT_INVALID */
export function verifyApproval(
  answer: unknown,
  expected: ApprovalExpectation & { readonly approval: string },
): ApprovalStatement {
  const statement = readStatement<ApprovalStatement>(answer, {
    ...expected,
    context: approvalContext,
    schema: approvalStatementSchema,
  })
  if (statement.approval !== expected.approval) throw invalid('it is of another request')
  const { payload } = statement
  if (payload !== null && approvalDigest({ ...statement, payload }) !== statement.digest) {
    throw invalid('its digest is not over what it shows')
  }
  return statement
}

/** The same of a page of the list.
 * @throws {CountersignError} WIRE_STATEMENT_INVALID */
export function verifyApprovals(answer: unknown, expected: ApprovalExpectation): ApprovalsStatement {
  return readStatement<ApprovalsStatement>(answer, {
    ...expected,
    context: approvalsContext,
    schema: approvalsStatementSchema,
  })
}

/** That the signer has a fact.
 * @throws {CountersignError} WIRE_STATEMENT_INVALID */
export function verifyFactTaken(
  answer: unknown,
  expected: ApprovalExpectation & { readonly fact: string },
): FactStatement {
  const statement = readStatement<FactStatement>(answer, {
    ...expected,
    context: factTakenContext,
    schema: factStatementSchema,
  })
  if (statement.fact !== expected.fact) throw invalid('it is of another fact')
  return statement
}

function readStatement<Statement extends { readonly signer: string; readonly asked: string }>(
  answer: unknown,
  {
    audience,
    asked,
    context,
    schema,
  }: ApprovalExpectation & { readonly context: string; readonly schema: TSchema },
): Statement {
  const statement: JsonObject = verifyStatement(answer, { audience, context })
  if (!Check(schema, statement)) throw invalid('it has another form')
  const read = statement as unknown as Statement
  if (read.signer !== audience) throw invalid('it names another signer')
  if (read.asked !== asked) throw invalid('it answers another question, perhaps an earlier one')
  return read
}

function invalid(why: string) {
  return wireError('WIRE_STATEMENT_INVALID', `The signer’s statement is not to be believed: ${why}.`)
}
