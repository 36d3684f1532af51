import Type, { type Static } from 'typebox'
import {
  addressSchema,
  attributionSchema,
  hexOf,
  hexUpTo,
  oneOf,
  payloadBytesMax,
  quantitySchema,
  receiptSchema,
  strict,
  underGrant,
} from './api-values.ts'

/** What wallets of Solana and of Bitcoin sign, and the user operations of ERC-4337; joined to the rest in `api.ts`. */

const attribution = Type.Optional(attributionSchema)
const grant = underGrant

// Wallets

export const walletTypes = ['EVM', 'SOLANA', 'BITCOIN'] as const
export type WalletType = (typeof walletTypes)[number]
export const walletTypeSchema = oneOf(walletTypes, 'Chain family.')

/** How a wallet of Bitcoin locks its coins. */
export const bitcoinForms = ['p2wpkh', 'p2tr'] as const
export type BitcoinForm = (typeof bitcoinForms)[number]
export const bitcoinFormSchema = oneOf(
  bitcoinForms,
  'BITCOIN only. p2wpkh (bc1q…, the default) or p2tr (bc1p…, Taproot; not with every key backend).',
)
export const walletChainSchema = Type.String({
  pattern: '^(?:solana:[1-9A-HJ-NP-Za-km-z]{32}|bip122:[0-9a-f]{32})$',
  maxLength: 39,
  description:
    'CAIP-2, for SOLANA and BITCOIN: the one network of the wallet, for good; the main one where it is left out. What such a wallet signs names no network, so this is what policies go by.',
})

// Requests

/** Bytes in base64 with padding. Whether it is the one spelling of its bytes, the signer checks. */
function base64UpTo(bytesMax: number, description: string) {
  const maxLength = 4 * Math.ceil(bytesMax / 3)
  return Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$', minLength: 1, maxLength, description })
}

const solanaAddressSchema = Type.String({
  pattern: '^[1-9A-HJ-NP-Za-km-z]{32,44}$',
  maxLength: 44,
  description: 'Solana address: 32 bytes in base58.',
})

/** As much as a packet of the network holds. */
export const solanaMessageBytesMax = 1_232
const lookupTablesMax = 32
const lookupTableAddressesMax = 256
const tokenAccountHintsMax = 64

export const signSolanaTransactionBody = Type.Object(
  {
    message: base64UpTo(solanaMessageBytesMax, 'The compiled message, without signatures, in base64.'),
    lookupTables: Type.Optional(
      Type.Array(
        Type.Object(
          {
            table: solanaAddressSchema,
            addresses: Type.Array(solanaAddressSchema, { maxItems: lookupTableAddressesMax }),
          },
          strict,
        ),
        {
          maxItems: lookupTablesMax,
          description:
            'What each lookup table holds that the message uses, in the order on chain. No message proves it: a rule must name `useLookupTable`.',
        },
      ),
    ),
    tokenAccounts: Type.Optional(
      Type.Array(
        Type.Object(
          {
            owner: solanaAddressSchema,
            mint: solanaAddressSchema,
            tokenProgram: Type.Optional(solanaAddressSchema),
          },
          strict,
        ),
        {
          maxItems: tokenAccountHintsMax,
          description:
            'Whose the associated token accounts are that tokens go to. Each is checked by deriving its address.',
        },
      ),
    ),
    attribution,
    grant,
  },
  { ...strict, description: 'For SOLANA wallets.' },
)

/** A PSBT carries whole previous transactions; its answer, with the transaction beside it, is kept for a day. */
export const psbtWireBytesMax = 262_144

export const signPsbtBody = Type.Object(
  {
    psbt: base64UpTo(psbtWireBytesMax, 'BIP-174 or BIP-370, in base64, with what each input spends.'),
    attribution,
    grant,
  },
  { ...strict, description: 'For BITCOIN wallets.' },
)

const bytesSchema = hexUpTo(payloadBytesMax, 'Bytes.')
const factorySchema = hexUpTo(20, 'From 0.7 on; in 0.8 0x7702 for an EIP-7702 account.')

export const userOperationSchema = Type.Object(
  {
    sender: addressSchema,
    nonce: quantitySchema,
    callData: bytesSchema,
    callGasLimit: quantitySchema,
    verificationGasLimit: quantitySchema,
    preVerificationGas: quantitySchema,
    maxFeePerGas: quantitySchema,
    maxPriorityFeePerGas: quantitySchema,
    initCode: Type.Optional(bytesSchema),
    paymasterAndData: Type.Optional(bytesSchema),
    factory: Type.Optional(factorySchema),
    factoryData: Type.Optional(bytesSchema),
    paymaster: Type.Optional(addressSchema),
    paymasterVerificationGasLimit: Type.Optional(quantitySchema),
    paymasterPostOpGasLimit: Type.Optional(quantitySchema),
    paymasterData: Type.Optional(bytesSchema),
    eip7702Auth: Type.Optional(Type.Object({ address: addressSchema }, strict)),
    signature: Type.Optional(bytesSchema),
  },
  {
    ...strict,
    description:
      'As eth_sendUserOperation takes it: initCode and paymasterAndData in 0.6, their parts from 0.7 on. `signature` is a placeholder and is not hashed.',
  },
)

export const userOperationForms = ['eip191', 'digest', 'typed-data'] as const

export const signUserOperationBody = Type.Object(
  {
    entryPoint: addressSchema,
    chainId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    userOperation: userOperationSchema,
    signatureForm: Type.Optional(
      oneOf(
        userOperationForms,
        'What the account recovers its owner from. eip191: personal_sign of the hash, the default for 0.6 and 0.7. digest: the hash itself. typed-data: 0.8 only, and its default.',
      ),
    ),
    attribution,
    grant,
  },
  { ...strict, description: 'ERC-4337 0.6, 0.7 or 0.8 at its canonical entry point. EVM wallets.' },
)

// Answers

export const signedSolanaTransactionAnswer = Type.Object({
  signature: Type.String({
    pattern: '^[1-9A-HJ-NP-Za-km-z]{64,88}$',
    description: 'Of the wallet, base58; the transaction’s id where the wallet pays the fee.',
  }),
  signedTransaction: Type.String({
    description: 'base64, as sendTransaction of the RPC takes it; places of other signers are zeros.',
  }),
  receipt: receiptSchema,
})

export const signedPsbtAnswer = Type.Object({
  psbt: Type.String({ description: 'base64; the wallet’s inputs are finalized.' }),
  signatures: Type.Array(
    Type.Object({
      index: Type.Integer({ minimum: 0, description: 'Of the input.' }),
      signature: hexOf(64, 'r||s with low s, or BIP-340.'),
    }),
    { description: 'One for each input of the wallet.' },
  ),
  transaction: Type.Optional(
    hexUpTo(psbtWireBytesMax, 'For the network; left out while inputs of others are not finalized.'),
  ),
  txid: Type.Optional(Type.String({ description: 'As explorers show it; with `transaction`.' })),
  receipt: receiptSchema,
})

export const signedUserOperationAnswer = Type.Object({
  signature: hexOf(65, 'r||s||v; some accounts want it wrapped.'),
  userOpHash: hexOf(32, 'As the entry point computes it.'),
  receipt: receiptSchema,
})

export type SignSolanaTransactionBody = Static<typeof signSolanaTransactionBody>
export type SignPsbtBody = Static<typeof signPsbtBody>
export type SignUserOperationBody = Static<typeof signUserOperationBody>
