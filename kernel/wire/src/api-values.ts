import type { Hex } from '@countersign/bytes'
import Type from 'typebox'
import { credentialAlgorithms, type Power, powers, type Role } from './request.ts'

/** The schemas of single values, from which those of bodies in `api.ts` are made. */

export const payloadBytesMax = 131_072
export const pageItemsMax = 500

/** @param bytes Exact length. */
export function hexOf(bytes: number, description: string) {
  const pattern = `^0x[0-9a-fA-F]{${2 * bytes}}$`
  return Type.Unsafe<Hex>(Type.String({ pattern, maxLength: 2 + 2 * bytes, description }))
}

export function hexUpTo(bytesMax: number, description: string) {
  const pattern = '^0x(?:[0-9a-fA-F]{2})*$'
  return Type.Unsafe<Hex>(Type.String({ pattern, maxLength: 2 + 2 * bytesMax, description }))
}

/** A closed list of words, as one `enum` in the OpenAPI document rather than as many `const`s. */
export function oneOf<const Word extends string>(words: readonly Word[], description: string) {
  return Type.Unsafe<Word>({ type: 'string', enum: [...words], description })
}

export function nullable<T extends Type.TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

/** Bodies of requests: a member that is not known is refused, so that a typing error is never passed over. */
export const strict = { additionalProperties: false } as const

export const addressSchema = Type.Unsafe<Hex>(
  Type.String({
    pattern: '^0x[0-9a-fA-F]{40}$',
    maxLength: 42,
    description: 'EVM address, in lower case or with its EIP-55 checksum.',
  }),
)

export const quantitySchema = Type.Union(
  [
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    Type.String({ pattern: '^(?:0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$', maxLength: 78 }),
  ],
  { description: 'Decimal string, 0x-prefixed hexadecimal, or a safe integer.' },
)

export const amountSchema = Type.String({
  pattern: '^(?:0|[1-9][0-9]{0,77})$',
  maxLength: 78,
  description: 'Decimal string in the smallest unit.',
})

export const walletIdSchema = Type.String({ pattern: '^wal_[0-9a-f]{24}$', description: 'Wallet id.' })
export const credentialIdSchema = Type.String({
  pattern: '^cred_[0-9a-f]{32}$',
  description: 'Credential id, derived from its public key.',
})
export const policyIdSchema = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
  description: 'Policy id.',
})
export const policyHashSchema = Type.Unsafe<Hex>(
  Type.String({ pattern: '^0x[0-9a-f]{64}$', description: 'SHA-256 of the canonical policy document.' }),
)
export const timeSchema = Type.String({ maxLength: 32, description: 'ISO 8601, UTC.' })
export const nameSchema = Type.String({ minLength: 1, maxLength: 128, description: 'For people.' })
/** Number or decimal string where an answer may exceed what a double holds. */
export const countSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const attributionSchema = Type.Object(
  {
    agent: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'Which agent.' })),
    workflow: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'In which workflow.' })),
    operator: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'For which operator.' }),
    ),
  },
  { ...strict, description: 'Who is behind the request; stands in its journal entry.' },
)

export const roleSchema = oneOf<Role>(['agent', 'approver', 'admin'], 'What the credential is for.')
export const powersSchema = Type.Array(oneOf<Power>(powers, 'A power beside the role.'), {
  maxItems: powers.length,
  uniqueItems: true,
})
export const credentialAlgorithmSchema = oneOf(credentialAlgorithms, 'Algorithm of the credential’s key.')

export const credentialSchema = Type.Object(
  {
    id: credentialIdSchema,
    algorithm: credentialAlgorithmSchema,
    publicKey: hexUpTo(33, 'Compressed point (33 bytes) or Ed25519 key (32 bytes).'),
    role: roleSchema,
    name: nameSchema,
    powers: powersSchema,
    attribution: attributionSchema,
    status: oneOf(['active', 'revoked'], 'A revoked credential never comes back.'),
    createdAt: timeSchema,
  },
  { description: 'A public key that may ask.' },
)

const jsonValue = Type.Unknown({ description: 'Any JSON.' })
export const jsonObjectSchema = Type.Record(Type.String(), jsonValue)

export const receiptSchema = Type.Object(
  {
    version: Type.Literal(1),
    signer: Type.String({ pattern: '^sgn_[0-9a-f]{32}$', description: 'Audience id of the signer.' }),
    journalKey: hexOf(32, 'Ed25519 public key of the journal.'),
    index: countSchema,
    entry: Type.Record(Type.String(), jsonValue, {
      description: 'The journal entry: what was signed, made or changed.',
    }),
    signature: Type.String({
      description: 'base64 of the journal key’s signature over index and leaf hash.',
    }),
  },
  { description: 'Signed answer; verifies offline with the journal key.' },
)

export const errorAnswerSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'AREA_PROBLEM; docs/errors.md lists them all.' }),
      message: Type.String({ description: 'What happened.' }),
      fix: Type.String({ description: 'What to do about it.' }),
      retry: oneOf(['now', 'later', 'after-fix', 'never'], 'Whether the same request can succeed.'),
      details: Type.Optional(jsonObjectSchema),
    }),
    decision: Type.Optional(
      Type.Record(Type.String(), jsonValue, {
        description:
          'Where policy refused: per effect, the rule that permits it or every reason why none does.',
      }),
    ),
    journal: Type.Optional(Type.Object({ index: countSchema })),
  },
  { description: 'Every answer that is not a success.' },
)
