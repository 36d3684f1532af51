import Type, { type Static } from 'typebox'
import { hexOf, strict } from './api-values.ts'

/** A note of one checkpoint and the signatures of all witnesses is far below it. */
export const cosignedNoteCharsMax = 16_384

const wordQuery = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 256, description }))
const timeQuery = (description: string) =>
  Type.Optional(
    Type.String({
      pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,3})?Z)?$',
      description,
    }),
  )
/** What entries are found by. */
export const searchMembers = {
  wallet: wordQuery('Wallet id.'),
  credential: wordQuery('Credential that asked, or that it is about.'),
  agent: wordQuery('Of the attribution.'),
  workflow: wordQuery('Of the attribution.'),
  operator: wordQuery('Of the attribution.'),
  transactionHash: wordQuery('Hash of a transaction or a user operation.'),
  type: wordQuery('For example signed or refused.'),
  from: timeQuery('Not before: ISO 8601 in UTC, or a day.'),
  to: timeQuery('Not after.'),
}
export const searchFields = Object.keys(searchMembers) as (keyof typeof searchMembers)[]

export const addCosignaturesBody = Type.Object(
  {
    checkpoint: Type.String({
      minLength: 1,
      maxLength: cosignedNoteCharsMax,
      description: 'The signed checkpoint with the witnesses’ lines (C2SP tlog-cosignature) added.',
    }),
  },
  strict,
)
export const cosignaturesAnswer = Type.Object({
  size: Type.Integer({ minimum: 0, description: 'Of the checkpoint.' }),
  witnesses: Type.Array(Type.String({ description: 'Names of those whose cosignatures it has now.' })),
  quorum: Type.Boolean({ description: 'Whether they are as many as the signer asks for.' }),
})

export const documentAnswer = Type.Object({
  sha256: hexOf(32, 'Of the text, as the journal entry names it.'),
  text: Type.String({ description: 'Canonical JSON: one field of the entry.' }),
})

export type AddCosignaturesBody = Static<typeof addCosignaturesBody>
