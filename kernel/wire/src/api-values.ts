import type { Hex } from '@countersign/bytes'
import Type from 'typebox'
import { credentialAlgorithms, credentialKinds, type Power, powers, type Role } from './request.ts'

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
export const grantIdSchema = Type.String({ pattern: '^grt_[0-9a-f]{24}$', description: 'Id of the grant.' })
/** In the body of whatever a key signs. */
export const underGrant = Type.Optional(
  Type.String({ pattern: '^grt_[0-9a-f]{24}$', description: 'The grant under which the request is made.' }),
)
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

export const roleSchema = oneOf<Role>(
  ['agent', 'approver', 'admin', 'grantee'],
  'What the credential is for. A `grantee` may ask for signatures only under a grant.',
)
export const powersSchema = Type.Array(oneOf<Power>(powers, 'A power beside the role.'), {
  maxItems: powers.length,
  uniqueItems: true,
})
export const credentialAlgorithmSchema = oneOf(credentialAlgorithms, 'Algorithm of the credential’s key.')

export const expirySchema = Type.Unsafe<string>(
  Type.String({
    pattern: '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{3})?Z$',
    maxLength: 24,
    description: 'ISO 8601, UTC; from then on the credential is as good as revoked.',
  }),
)
const passkeyIdSchema = Type.String({
  pattern: '^[A-Za-z0-9_-]{2,1364}$',
  description: 'The authenticator’s own id of it, base64url.',
})
export const rpIdSchema = Type.String({
  minLength: 1,
  maxLength: 253,
  description: 'Id of the WebAuthn relying party: a domain.',
})
export const originsSchema = Type.Array(
  Type.String({ minLength: 1, maxLength: 270, description: 'For example https://console.example.org.' }),
  { minItems: 1, maxItems: 8, uniqueItems: true, description: 'Pages on which the passkey may be used.' },
)
export const ratePerMinuteSchema = Type.Integer({
  minimum: 1,
  maximum: 60_000,
  description: 'Requests in a minute; 600 where it is left out.',
})

export const credentialSchema = Type.Object(
  {
    id: credentialIdSchema,
    algorithm: oneOf(credentialKinds, 'Algorithm of its key; `webauthn-…`: a passkey; `bearer`: an API key.'),
    publicKey: hexUpTo(
      33,
      'Compressed point (33 bytes) or Ed25519 key (32 bytes); of an API key the SHA-256 (32 bytes).',
    ),
    role: roleSchema,
    name: nameSchema,
    powers: powersSchema,
    attribution: attributionSchema,
    status: oneOf(['active', 'revoked'], 'A revoked credential never comes back.'),
    createdAt: timeSchema,
    expiresAt: Type.Optional(timeSchema),
    subject: Type.Optional(credentialIdSchema),
    replacedBy: Type.Optional(credentialIdSchema),
    passkey: Type.Optional(
      Type.Object({
        passkeyId: passkeyIdSchema,
        rpId: rpIdSchema,
        origins: originsSchema,
        backupEligible: Type.Boolean({ description: 'Whether it can be copied to other devices.' }),
      }),
    ),
    bearer: Type.Optional(
      Type.Literal(true, { description: 'Whoever sees the key has it, the engine first of all.' }),
    ),
    ratePerMinute: Type.Optional(ratePerMinuteSchema),
    walletPolicy: Type.Optional(policyIdSchema),
  },
  {
    description:
      'A key that may ask. `subject`: the id that it had before any rotation, by which policies and windows go.',
  },
)

const jsonValue = Type.Unknown({ description: 'Any JSON.' })
export const jsonObjectSchema = Type.Record(Type.String(), jsonValue)

export const receiptSchema = Type.Object(
  {
    version: Type.Literal(2),
    signer: Type.String({ pattern: '^sgn_[0-9a-f]{32}$', description: 'Audience id of the signer.' }),
    journalKey: hexOf(32, 'Ed25519 public key of the journal.'),
    index: countSchema,
    entry: Type.Record(Type.String(), jsonValue, {
      description: 'The journal entry: what was signed, made or changed.',
    }),
    path: Type.Array(Type.String(), {
      description:
        'RFC 9162 inclusion path of the entry in the tree of the checkpoint: base64, from the leaf up.',
    }),
    checkpoint: Type.String({
      description: 'C2SP signed checkpoint of the commit that the entry came with.',
    }),
  },
  {
    description:
      'Signed answer: an entry and the proof that it stands in the journal; verifies offline with the journal key.',
  },
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
