import Type, { type Static } from 'typebox'
import {
  attributionSchema,
  credentialAlgorithmSchema,
  credentialSchema,
  expirySchema,
  hexOf,
  hexUpTo,
  nameSchema,
  oneOf,
  originsSchema,
  policyIdSchema,
  powersSchema,
  ratePerMinuteSchema,
  receiptSchema,
  roleSchema,
  rpIdSchema,
  strict,
} from './api-values.ts'
import { passkeyAlgorithms } from './request.ts'

const attribution = Type.Optional(attributionSchema)
const keyMembers = {
  algorithm: credentialAlgorithmSchema,
  publicKey: hexUpTo(33, 'Compressed point (33 bytes) or Ed25519 key (32 bytes).'),
}
const base64UrlSchema = (description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,4096}$', maxLength: 4_096, description })
const passkeyMembers = {
  algorithm: oneOf(passkeyAlgorithms, 'Must be that of the key in the registration.'),
  registration: Type.Object(
    {
      clientDataJSON: base64UrlSchema('As navigator.credentials.create gave it, base64url.'),
      attestationObject: base64UrlSchema('As navigator.credentials.create gave it, base64url.'),
    },
    { ...strict, description: 'The registration response of WebAuthn, not a bare key.' },
  ),
}
const commonMembers = {
  role: roleSchema,
  name: nameSchema,
  powers: Type.Optional(powersSchema),
  attribution,
  expiresAt: Type.Optional(expirySchema),
  walletPolicy: Type.Optional(policyIdSchema),
}

export const createCredentialBody = Type.Union(
  [
    Type.Object({ ...keyMembers, ...commonMembers }, strict),
    Type.Object({ ...passkeyMembers, rpId: rpIdSchema, origins: originsSchema, ...commonMembers }, strict),
    Type.Object(
      {
        algorithm: Type.Literal('bearer'),
        publicKey: hexOf(32, 'SHA-256 of the API key’s text; the key itself never goes here.'),
        ...commonMembers,
        role: Type.Literal('agent'),
        ratePerMinute: Type.Optional(ratePerMinuteSchema),
      },
      strict,
    ),
  ],
  {
    description:
      'A key, a passkey, or an API key. `walletPolicy`: the policy of wallets that it makes without naming one.',
  },
)

/** The new key takes over role, powers and attribution; the request is signed by the old one and by it. */
export const overlapSMax = 604_800
const overlapS = Type.Optional(
  Type.Integer({
    minimum: 0,
    maximum: overlapSMax,
    description: 'For how long the old key goes on; 0 where it is left out. Agents only.',
  }),
)
export const rotateCredentialBody = Type.Union([
  Type.Object({ ...keyMembers, overlapS }, strict),
  Type.Object({ ...passkeyMembers, overlapS }, strict),
])

export const credentialChangeAnswer = Type.Object({ ...credentialSchema.properties, receipt: receiptSchema })
/** The new credential, and what became of the old one. */
export const rotateCredentialAnswer = Type.Object({
  ...credentialSchema.properties,
  replaced: credentialSchema,
  receipt: receiptSchema,
})

export type CreateCredentialBody = Static<typeof createCredentialBody>
export type RotateCredentialBody = Static<typeof rotateCredentialBody>
export type CredentialChangeAnswer = Static<typeof credentialChangeAnswer>
export type RotateCredentialAnswer = Static<typeof rotateCredentialAnswer>
