import Type, { type Static } from 'typebox'
import {
  bitcoinFormSchema,
  signedPsbtAnswer,
  signedSolanaTransactionAnswer,
  signPsbtBody,
  signSolanaTransactionBody,
  walletChainSchema,
  walletTypeSchema,
} from './api-chains.ts'
import { searchMembers } from './api-journal.ts'
import {
  addressSchema,
  amountSchema,
  attributionSchema,
  countSchema,
  credentialIdSchema,
  credentialSchema,
  type errorAnswerSchema,
  hexOf,
  hexUpTo,
  jsonObjectSchema,
  nameSchema,
  nullable,
  oneOf,
  pageItemsMax,
  payloadBytesMax,
  policyHashSchema,
  policyIdSchema,
  quantitySchema,
  receiptSchema,
  strict,
  timeSchema,
  underGrant,
  walletIdSchema,
} from './api-values.ts'
import { bodyCharsMax, pathCharsMax } from './request-signature.ts'
import { transactionRequestSchema } from './transaction-request.ts'

/**
 * The bodies of the public API. Signer and engine validate with these by `parseBody`; the OpenAPI document is made
 * from them. Requests are strict; answers may gain members, so readers must pass over those they do not know.
 */

const attribution = Type.Optional(attributionSchema)
const grant = underGrant
export const messageCharsMax = 131_072

// Requests

export const userIdentifierTypes = ['EMAIL', 'PHONE', 'CUSTOM_ID', 'TWITTER', 'TELEGRAM'] as const
const userIdentifierSchema = Type.String({ minLength: 1, maxLength: 256, description: 'Whose wallet it is.' })
const userIdentifierTypeSchema = oneOf(userIdentifierTypes, 'What the user identifier is.')

export const createWalletBody = Type.Object(
  {
    type: walletTypeSchema,
    chain: Type.Optional(walletChainSchema),
    form: Type.Optional(bitcoinFormSchema),
    name: Type.Optional(nameSchema),
    policy: Type.Optional(policyIdSchema),
    owner: Type.Optional(credentialIdSchema),
    userIdentifier: Type.Optional(userIdentifierSchema),
    userIdentifierType: Type.Optional(userIdentifierTypeSchema),
    attribution,
  },
  strict,
)

export const signMessageBody = Type.Object(
  {
    message: Type.Union(
      [
        Type.String({ maxLength: messageCharsMax }),
        Type.Object({ raw: hexUpTo(payloadBytesMax, 'The message’s bytes.') }, strict),
      ],
      {
        description:
          'Text, or bytes as {raw}. EVM: for personal_sign (EIP-191). SOLANA: UTF-8 text, signed as it is.',
      },
    ),
    attribution,
    grant,
  },
  strict,
)

export const typedDataSchema = Type.Object(
  {
    domain: jsonObjectSchema,
    types: Type.Record(
      Type.String({ maxLength: 128 }),
      Type.Array(
        Type.Object({ name: Type.String({ maxLength: 128 }), type: Type.String({ maxLength: 128 }) }, strict),
        { maxItems: 256 },
      ),
      { maxProperties: 128 },
    ),
    primaryType: Type.String({ minLength: 1, maxLength: 128 }),
    message: jsonObjectSchema,
  },
  { ...strict, description: 'EIP-712.' },
)

export const signTypedDataBody = Type.Object({ typedData: typedDataSchema, attribution, grant }, strict)

const unsignedTransactionBody = Type.Object(
  {
    unsignedTransaction: hexUpTo(
      payloadBytesMax,
      'The bytes whose hash is signed, complete with nonce and fees.',
    ),
    attribution,
    grant,
  },
  strict,
)

/** `sendTransaction`, and the second form of `signTransaction`. */
export const sendTransactionBody = Type.Object(
  { transaction: transactionRequestSchema, maxFeeMinor: Type.Optional(amountSchema), attribution, grant },
  strict,
)

/** Which one: by the wallet's type. */
export const signTransactionBody = Type.Union(
  [unsignedTransactionBody, sendTransactionBody, signSolanaTransactionBody, signPsbtBody],
  {
    description:
      'EVM: `unsignedTransaction`, finished bytes, or `transaction`, what is wanted, of which the engine fills in nonce, gas and prices. SOLANA: `message`. BITCOIN: `psbt`.',
  },
)

export const signAuthorizationBody = Type.Object(
  { contractAddress: addressSchema, chainId: countSchema, nonce: countSchema, attribution, grant },
  { ...strict, description: 'EIP-7702. Chain id 0 holds on every chain.' },
)

export const signRawBody = Type.Union(
  [
    Type.Object(
      { digest: hexOf(32, 'What an EVM wallet’s key signs as it is.'), attribution, grant },
      strict,
    ),
    Type.Object(
      {
        data: hexUpTo(payloadBytesMax, 'What a SOLANA wallet’s key signs; no transaction of Solana.'),
        attribution,
        grant,
      },
      strict,
    ),
  ],
  { description: 'Denied unless a rule names it: such bytes can mean anything.' },
)

export const putPolicyBody = Type.Object(
  {
    policy: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The policy file; docs/policy.schema.json.',
    }),
    expected: nullable(policyHashSchema),
  },
  {
    ...strict,
    description: '`expected` is the hash of the version that this one replaces; null for a new policy.',
  },
)

export const setWalletPolicyBody = Type.Object(
  { policy: nullable(policyIdSchema), expected: nullable(policyIdSchema) },
  {
    ...strict,
    description: '`expected` is the id that stands there now. null: no policy, so nothing is permitted.',
  },
)

export const setOrganisationPolicyBody = Type.Object(
  { policy: nullable(policyIdSchema), expected: nullable(policyIdSchema) },
  { ...strict, description: '`expected` is the id that stands there now. null: this layer does not apply.' },
)

export const emptyBody = Type.Object({}, strict)

// Queries: every value is text.

export const limitQuery = Type.Optional(
  Type.String({ pattern: '^[1-9][0-9]{0,2}$', description: `Items on the page, 1 to ${pageItemsMax}.` }),
)
const cursorQuery = Type.Optional(
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,256}$', description: '`nextCursor` of the page before.' }),
)
const countQuery = (description: string) => Type.String({ pattern: '^(?:0|[1-9][0-9]{0,15})$', description })

/** The cursor is the id of the last item of the page before. */
export const pageQuery = Type.Object(
  {
    cursor: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_.-]{1,128}$', description: '`nextCursor` of the page before.' }),
    ),
    limit: limitQuery,
  },
  strict,
)
export const listWalletsQuery = Type.Object(
  {
    cursor: cursorQuery,
    limit: limitQuery,
    userIdentifier: Type.Optional(userIdentifierSchema),
    userIdentifierType: Type.Optional(userIdentifierTypeSchema),
  },
  strict,
)
export const listTransactionsQuery = Type.Object(
  { walletId: Type.Optional(walletIdSchema), cursor: cursorQuery, limit: limitQuery },
  strict,
)
export const entriesQuery = Type.Object(
  {
    start: Type.Optional(countQuery('Index of the first entry; 0 by default.')),
    limit: limitQuery,
    ...searchMembers,
  },
  {
    ...strict,
    description:
      'By index. With any of the other members: only entries that say so, out of the engine’s checked copy.',
  },
)
export const inclusionQuery = Type.Object(
  { index: countQuery('Index of the entry.'), size: countQuery('Size of the checkpoint.') },
  strict,
)
export const consistencyQuery = Type.Object(
  { from: countQuery('Earlier size.'), to: countQuery('Later size.') },
  strict,
)

// Answers

export const walletAnswer = Type.Object({
  id: walletIdSchema,
  type: walletTypeSchema,
  algorithm: oneOf(['secp256k1', 'ed25519'], 'Algorithm of the key.'),
  scheme: oneOf(['SECP256K1', 'ED25519'], 'Signature scheme.'),
  status: oneOf(['ready'], 'Whether it can sign.'),
  address: Type.String({ description: 'EIP-55 for EVM, base58 for Solana, bech32 or bech32m for Bitcoin.' }),
  publicKey: hexUpTo(33, 'Compressed point, or Ed25519 key.'),
  chains: Type.Array(
    Type.String({
      description: 'CAIP-2: its one network; of EVM wallets eip155, which stands for every chain.',
    }),
  ),
  form: Type.Optional(bitcoinFormSchema),
  name: Type.Optional(nullable(nameSchema)),
  policy: nullable(policyIdSchema),
  owner: Type.Optional(nullable(credentialIdSchema)),
  backend: Type.String({ description: 'Where its key is.' }),
  userIdentifier: Type.Optional(nullable(userIdentifierSchema)),
  userIdentifierType: Type.Optional(nullable(userIdentifierTypeSchema)),
  createdAt: timeSchema,
})
/** The engine's word is not enough for where money is sent to: the receipt binds id, address and public key. */
export const createdWalletAnswer = Type.Object({ ...walletAnswer.properties, receipt: receiptSchema })

export const signatureAnswer = Type.Object({
  signature: hexUpTo(65, 'EVM: r||s||v, 65 bytes. Ed25519: 64 bytes.'),
  receipt: receiptSchema,
})
const signedEvmTransactionAnswer = Type.Object({
  signature: hexUpTo(65, 'r||s||v.'),
  signedTransaction: hexUpTo(2 * payloadBytesMax, 'Ready to be broadcast.'),
  hash: hexOf(32, 'Hash of the transaction.'),
  receipt: receiptSchema,
})
export const signedTransactionAnswer = Type.Union(
  [signedEvmTransactionAnswer, signedSolanaTransactionAnswer, signedPsbtAnswer],
  { description: 'By the wallet’s type: EVM, SOLANA, BITCOIN.' },
)
export const signedAuthorizationAnswer = Type.Object({
  signature: hexUpTo(65, 'r||s||v.'),
  r: hexOf(32, 'r'),
  s: hexOf(32, 's'),
  yParity: Type.Union([Type.Literal(0), Type.Literal(1)]),
  receipt: receiptSchema,
})

export const transactionAnswer = Type.Object({
  id: Type.String({ description: 'Transaction id.' }),
  walletId: walletIdSchema,
  chain: Type.String({ description: 'CAIP-2.' }),
  status: Type.String({
    description: 'How far it has come: waiting-approval, broadcast, confirmed, failed, …',
  }),
  hash: nullable(hexOf(32, 'Hash of the transaction; null until it is signed.')),
  nonce: quantitySchema,
  approval: Type.Optional(
    Type.Object({ id: Type.String() }, { description: 'For which it waits, or has waited.' }),
  ),
  error: Type.Optional(jsonObjectSchema),
  blockNumber: Type.Optional(nullable(quantitySchema)),
  receipt: Type.Optional(receiptSchema),
})

export const policyAnswer = Type.Object({
  id: policyIdSchema,
  hash: policyHashSchema,
  version: Type.Optional(countSchema),
  appliedAt: Type.Optional(timeSchema),
  policy: Type.Optional(jsonObjectSchema),
})
export const putPolicyAnswer = Type.Object({
  id: policyIdSchema,
  hash: policyHashSchema,
  version: countSchema,
  appliedAt: timeSchema,
  receipt: receiptSchema,
})
/** `hash` is that of the policy as it stood when the change was made; null where there is none. */
const assignment = {
  policy: nullable(policyIdSchema),
  hash: nullable(policyHashSchema),
  receipt: receiptSchema,
}
export const walletPolicyAnswer = Type.Object({ walletId: walletIdSchema, ...assignment })
export const organisationPolicyAnswer = Type.Object(assignment)
export const checkpointAnswer = Type.Object({
  checkpoint: Type.String({ description: 'C2SP signed note: origin, size, root, signature.' }),
  journalKey: hexOf(32, 'Ed25519 public key of the journal; trust the one that you know, not this copy.'),
})
export const entriesAnswer = Type.Object({
  entries: Type.Array(Type.Object({ index: countSchema, entry: jsonObjectSchema })),
  size: countSchema,
  nextStart: Type.Optional(nullable(countSchema)),
})
const hashes = Type.Array(Type.String({ description: 'base64, from the leaf up.' }), { maxItems: 64 })
export const inclusionAnswer = Type.Object({ index: countSchema, size: countSchema, hashes })
export const consistencyAnswer = Type.Object({ from: countSchema, to: countSchema, hashes })

export const custodyAnswer = Type.Record(Type.String(), Type.Unknown(), {
  description: 'Who can sign for the wallet and what could be lost, signed by the signer.',
})

export const identityAnswer = Type.Object({
  audience: Type.String({ description: 'What `countersign-audience` must be.' }),
  journalKey: hexOf(32, 'Ed25519 public key of the journal.'),
  origin: Type.String({ description: 'Of the journal’s checkpoints.' }),
  version: Type.String(),
  phase: Type.String({ description: 'sealed, ready or halted.' }),
})
export const healthAnswer = Type.Object({ phase: Type.Optional(Type.String()) })

export function pageOf<T extends Type.TSchema>(item: T) {
  return Type.Object({
    items: Type.Array(item, { maxItems: pageItemsMax }),
    nextCursor: nullable(Type.String({ description: 'null on the last page.' })),
  })
}

export const walletsAnswer = pageOf(walletAnswer)
export const transactionsAnswer = pageOf(transactionAnswer)
export const policiesAnswer = pageOf(policyAnswer)
export const credentialsAnswer = pageOf(credentialSchema)

// Between engine and signer

export const forwardedRequestSchema = Type.Object(
  {
    request: Type.Object(
      {
        method: oneOf(['GET', 'POST', 'PUT', 'DELETE'], 'As signed.'),
        path: Type.String({ maxLength: pathCharsMax }),
        headers: Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 4096 }), {
          maxProperties: 16,
        }),
        body: Type.String({ maxLength: bodyCharsMax }),
      },
      strict,
    ),
    preparedTransaction: Type.Optional(
      hexUpTo(payloadBytesMax, 'Unsigned transaction, checked by the signer.'),
    ),
  },
  { ...strict, description: 'A signed request, unchanged, and what the engine has filled in for it.' },
)

export type CreateWalletBody = Static<typeof createWalletBody>
export type SignMessageBody = Static<typeof signMessageBody>
export type SignTypedDataBody = Static<typeof signTypedDataBody>
export type SignTransactionBody = Static<typeof signTransactionBody>
export type SendTransactionBody = Static<typeof sendTransactionBody>
export type SignAuthorizationBody = Static<typeof signAuthorizationBody>
export type SignRawBody = Static<typeof signRawBody>
export type PutPolicyBody = Static<typeof putPolicyBody>
export type SetWalletPolicyBody = Static<typeof setWalletPolicyBody>
export type SetOrganisationPolicyBody = Static<typeof setOrganisationPolicyBody>
export type WalletAnswer = Static<typeof walletAnswer>
export type CreatedWalletAnswer = Static<typeof createdWalletAnswer>
export type PutPolicyAnswer = Static<typeof putPolicyAnswer>
export type WalletPolicyAnswer = Static<typeof walletPolicyAnswer>
export type OrganisationPolicyAnswer = Static<typeof organisationPolicyAnswer>
export type TransactionAnswer = Static<typeof transactionAnswer>
export type ErrorAnswer = Static<typeof errorAnswerSchema>
