import {
  decodeBase64,
  decodeHex,
  type Hex,
  parseChainId,
  parseSolanaAddress,
  type SolanaAddress,
} from '@countersign/bytes'
import {
  authorizationIntent,
  bitcoinTransactionIntent,
  evmTransactionIntent,
  type Intent,
  type LookupTable,
  operations,
  personalMessageIntent,
  rawDigestIntent,
  solanaTransactionIntent,
  type TokenAccountHint,
  type TypedDataInput,
  typedDataIntent,
  type UserOperationInput,
  userOperationIntent,
} from '@countersign/intent'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { policyError } from './catalogue.ts'
import { complaintOf } from './schema-complaint.ts'
import { list, oneOf, plainAddressItem, strict, strictNonEmpty } from './schema-terms.ts'
import { readEffect } from './test-effect.ts'

const anything = Type.Unknown()
const base64 = (description: string) =>
  Type.String({ description, pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 400_000 })
const evmChain = Type.Integer({ description: 'EVM chain id.', minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const network = Type.String({ description: 'CAIP-2, the wallet’s network.', maxLength: 41 })

const userOperation = Type.Object(
  {
    entryPoint: plainAddressItem,
    chainId: evmChain,
    operation: Type.Record(Type.String(), anything, { description: 'As eth_sendUserOperation takes it.' }),
  },
  { ...strict, description: 'A user operation (ERC-4337).' },
)

const solana = Type.Object(
  {
    message: base64('The compiled message.'),
    chain: network,
    lookupTables: Type.Optional(
      list(
        Type.Object(
          { table: plainAddressItem, addresses: list(plainAddressItem, 'In their order.', 256) },
          strict,
        ),
        'What the lookup tables hold that it uses.',
        32,
      ),
    ),
    tokenAccounts: Type.Optional(
      list(
        Type.Object(
          { owner: plainAddressItem, mint: plainAddressItem, tokenProgram: Type.Optional(plainAddressItem) },
          strict,
        ),
        'Whose associated token accounts are.',
        64,
      ),
    ),
  },
  { ...strict, description: 'A transaction of Solana; the wallet’s address must be given.' },
)

const bitcoin = Type.Object(
  {
    psbt: base64('The PSBT.'),
    chain: network,
    publicKey: Type.String({
      description: 'Of the wallet, compressed.',
      pattern: '^0x0[23][0-9a-fA-F]{64}$',
    }),
    form: oneOf(['p2wpkh', 'p2tr'], 'How the wallet locks its coins.'),
  },
  { ...strict, description: 'A transaction of Bitcoin.' },
)

/** What would be signed, in a file for tests: exactly one of its forms. */
export const testRequestSchema = Type.Object(
  {
    transaction: Type.Optional(
      Type.String({
        description: 'An unsigned EVM transaction, 0x-hexadecimal.',
        pattern: '^0x([0-9a-fA-F]{2})+$',
      }),
    ),
    message: Type.Optional(Type.String({ description: 'A message for personal_sign.', maxLength: 100_000 })),
    typedData: Type.Optional(
      Type.Object(
        { domain: anything, types: anything, primaryType: anything, message: anything },
        { ...strict, description: 'EIP-712 typed data.' },
      ),
    ),
    authorization: Type.Optional(
      Type.Object(
        {
          contractAddress: plainAddressItem,
          chainId: evmChain,
          nonce: Type.Integer({
            description: 'Of the account.',
            minimum: 0,
            maximum: Number.MAX_SAFE_INTEGER,
          }),
        },
        { ...strict, description: 'An EIP-7702 authorization.' },
      ),
    ),
    userOperation: Type.Optional(userOperation),
    solana: Type.Optional(solana),
    bitcoin: Type.Optional(bitcoin),
    raw: Type.Optional(Type.String({ description: 'A 32-byte digest.', pattern: '^0x[0-9a-fA-F]{64}$' })),
    effects: Type.Optional(
      Type.Array(Type.Record(Type.String(), anything, { description: 'An effect by its decoded fields.' }), {
        description: 'Effects as they would be decoded; integers are decimal strings.',
        minItems: 1,
        maxItems: 100,
      }),
    ),
    operation: Type.Optional(oneOf(operations, 'What the key is asked for; only beside "effects".')),
  },
  { ...strictNonEmpty, description: 'What is to be signed: exactly one of its forms.' },
)

export type TestRequest = Type.Static<typeof testRequestSchema>

/** @throws {CountersignError} POLICY_TEST_INVALID */
export function parseTestRequest(file: unknown): TestRequest {
  if (Check(testRequestSchema, file)) return file
  const { path, message } = complaintOf(testRequestSchema, file)
  throw invalid(path === '' ? 'the request' : path, message)
}

export interface TestRequestPlace {
  /** Of the wallet; only Solana needs it. */
  readonly walletAddress?: string | undefined
  /** Where the request stands in its file. */
  readonly path?: string
}

/**
 * The request as the signer would decode it.
 * @throws {CountersignError} POLICY_TEST_INVALID, and what decoding throws */
export function intentOfTestRequest(
  { operation, ...forms }: TestRequest,
  { walletAddress, path = 'the request' }: TestRequestPlace = {},
): Intent {
  const { transaction, message, typedData, authorization, raw, effects } = forms
  const names = Object.keys(testRequestSchema.properties).filter((name) => name !== 'operation')
  if (Object.keys(forms).length !== 1) throw invalid(path, `it needs exactly one of ${names.join(', ')}`)
  if (operation !== undefined && effects === undefined) {
    throw invalid(`${path}.operation`, 'the form of the request says which operation it is')
  }
  if (transaction !== undefined) return evmTransactionIntent(decodeHex(transaction))
  if (message !== undefined) return personalMessageIntent(message)
  if (typedData !== undefined) return typedDataIntent(typedData as unknown as TypedDataInput)
  if (authorization !== undefined) return authorizationIntent(authorization)
  if (raw !== undefined) return rawDigestIntent(decodeHex(raw, 'raw', 32))
  if (forms.userOperation !== undefined) return userOperationOf(forms.userOperation)
  if (forms.bitcoin !== undefined) return bitcoinOf(forms.bitcoin)
  if (forms.solana !== undefined) {
    if (walletAddress === undefined) throw invalid(path, 'Solana needs the address of the wallet')
    return solanaOf(forms.solana, parseSolanaAddress(walletAddress))
  }
  return {
    operation: operation ?? 'sign-transaction',
    chain: undefined,
    effects: (effects ?? []).map((effect, i) => readEffect(effect, `${path}.effects[${i}]`)),
    toSign: new Uint8Array(32),
    payloadDigest: `0x${'00'.repeat(32)}`,
  }
}

/** In which form it is signed changes nothing of what it does. */
function userOperationOf(given: NonNullable<TestRequest['userOperation']>): Intent {
  return userOperationIntent({
    entryPoint: given.entryPoint,
    chainId: given.chainId,
    userOperation: given.operation as unknown as UserOperationInput,
    signatureForm: 'digest',
  })
}

function solanaOf(given: NonNullable<TestRequest['solana']>, wallet: SolanaAddress): Intent {
  const { message, chain, lookupTables, tokenAccounts } = given
  return solanaTransactionIntent({
    message: decodeBase64(message, 'message'),
    chain: parseChainId(chain),
    wallet,
    ...(lookupTables === undefined ? {} : { lookupTables: lookupTables as unknown as LookupTable[] }),
    ...(tokenAccounts === undefined ? {} : { tokenAccounts: tokenAccounts as unknown as TokenAccountHint[] }),
  })
}

function bitcoinOf({ psbt, chain, publicKey, form }: NonNullable<TestRequest['bitcoin']>): Intent {
  return bitcoinTransactionIntent({
    psbt: decodeBase64(psbt, 'psbt'),
    chain: parseChainId(chain),
    keys: { publicKey: decodeHex(publicKey as Hex), forms: [form] },
  })
}

function invalid(path: string, message: string) {
  return policyError('POLICY_TEST_INVALID', `At ${path}: ${message}.`, { details: { path } })
}
