import {
  type AccountAddress,
  type Address,
  type ChainId,
  decodeBase64,
  decodeHex,
  encodeUtf8,
  type Hex,
  type SolanaAddress,
} from '@countersign/bytes'
import {
  authorizationIntent,
  type BitcoinTransactionInput,
  bitcoinTransactionIntent,
  describeEffect,
  entryPoints,
  evmTransactionIntent,
  type Intent,
  personalMessageIntent,
  rawDigestIntent,
  type SolanaTransactionInput,
  solanaRawIntent,
  solanaTextIntent,
  solanaTransactionIntent,
  type TypedDataInput,
  typedDataIntent,
  type UserOperationInput,
  userOperationIntent,
} from '@countersign/intent'
import { type ApprovalStatement, approvalDigest } from '@countersign/wire'
import { sdkError } from './catalogue.ts'

/** What a statement says the wallet's key would be used on. */
export type ApprovalMatter = Pick<
  ApprovalStatement,
  | 'signer'
  | 'approval'
  | 'wallet'
  | 'operation'
  | 'requestDigest'
  | 'payloadDigest'
  | 'effects'
  | 'payload'
  | 'digest'
>

/**
 * Decodes once more, here, what the signer says that it would sign, and compares: the same bytes, the same effects in
 * the same order, and the digest over all of it. Only then is the digest worth a signature.
 * @throws {CountersignError} SDK_APPROVAL_MISMATCH */
export function checkApprovalMatter(matter: ApprovalMatter): Intent {
  const { payload } = matter
  if (payload === null) {
    throw mismatch('it waits no longer, so there is nothing left to approve')
  }
  let intent: Intent
  try {
    intent = intentOfPayload(matter)
  } catch (cause) {
    throw mismatch('this program cannot decode what would be signed', cause)
  }
  if (intent.payloadDigest !== matter.payloadDigest) throw mismatch('the payload is of other bytes')
  const effects = intent.effects.map(describeEffect)
  const isSame =
    effects.length === matter.effects.length && effects.every((line, i) => line === matter.effects[i])
  if (!isSame) throw mismatch('the bytes do something else than the description says')
  if (approvalDigest({ ...matter, payload }) !== matter.digest)
    throw mismatch('the digest is over something else')
  return intent
}

/** The signer's own reading (boundary/signer/src/payload.ts), made here from the same parts. */
function intentOfPayload({ operation, wallet, payload }: ApprovalMatter): Intent {
  const parts = payload as Parts
  if (wallet.type === 'SOLANA') return solanaIntent(operation, wallet, parts)
  if (wallet.type === 'BITCOIN') return bitcoinIntent(operation, wallet, parts)
  if (wallet.type !== 'EVM') throw new Error(`no ${wallet.type} wallet is known here`)
  switch (operation) {
    case 'sign-transaction':
      return evmTransactionIntent(decodeHex(parts.unsignedTransaction as Hex, 'unsignedTransaction'))
    case 'sign-message':
      return personalMessageIntent(messageBytes(parts))
    case 'sign-typed-data':
      return typedDataIntent(parts.typedData as TypedDataInput)
    case 'sign-authorization':
      return authorizationIntent({
        contractAddress: parts.contractAddress as Hex,
        chainId: BigInt(parts.chainId as number),
        nonce: BigInt(parts.nonce as number),
      })
    case 'sign-user-operation': {
      const { entryPoint, chainId, userOperation, signatureForm } = parts
      const version = entryPoints.get(entryPoint?.toLowerCase() as Address)
      return userOperationIntent({
        entryPoint: entryPoint as Hex,
        chainId: chainId as number,
        userOperation: userOperation as UserOperationInput,
        signatureForm: signatureForm ?? (version === '0.8' ? 'typed-data' : 'eip191'),
      })
    }
    case 'sign-raw':
      return rawDigestIntent(decodeHex(parts.digest ?? parts.data, 'digest', 32))
    default:
      throw new Error(`no operation ${operation} is known here`)
  }
}

interface Parts {
  readonly unsignedTransaction?: Hex
  readonly message?: string | { readonly raw: Hex }
  readonly typedData?: unknown
  readonly contractAddress?: Hex
  readonly chainId?: number
  readonly nonce?: number
  readonly entryPoint?: Hex
  readonly userOperation?: unknown
  readonly signatureForm?: 'typed-data' | 'eip191'
  readonly lookupTables?: SolanaTransactionInput['lookupTables']
  readonly tokenAccounts?: SolanaTransactionInput['tokenAccounts']
  readonly psbt?: string
  readonly digest?: Hex
  readonly data?: Hex
}

type Wallet = ApprovalMatter['wallet']

function solanaIntent(operation: string, { address, chain }: Wallet, parts: Parts): Intent {
  if (operation === 'sign-message') return solanaTextIntent(messageBytes(parts))
  if (operation === 'sign-raw') return solanaRawIntent(decodeHex(parts.data, 'data'))
  if (operation !== 'sign-transaction') throw new Error(`a SOLANA wallet has no ${operation}`)
  const { lookupTables, tokenAccounts } = parts
  return solanaTransactionIntent({
    message: decodeBase64(parts.message as string, 'message'),
    chain: chain as ChainId,
    wallet: address as AccountAddress as SolanaAddress,
    ...(lookupTables === undefined ? {} : { lookupTables }),
    ...(tokenAccounts === undefined ? {} : { tokenAccounts }),
  })
}

function bitcoinIntent(operation: string, { publicKey, chain, form }: Wallet, parts: Parts): Intent {
  if (operation !== 'sign-transaction') throw new Error(`a BITCOIN wallet has no ${operation}`)
  return bitcoinTransactionIntent({
    psbt: decodeBase64(parts.psbt as string, 'psbt'),
    chain: chain as ChainId,
    keys: { publicKey: decodeHex(publicKey, 'publicKey'), forms: [form] },
  } as BitcoinTransactionInput)
}

function messageBytes({ message }: Parts): Uint8Array {
  if (typeof message === 'string') return encodeUtf8(message)
  return decodeHex(message?.raw, 'message.raw')
}

function mismatch(why: string, cause?: unknown) {
  return sdkError('SDK_APPROVAL_MISMATCH', `The request must not be approved: ${why}.`, {
    ...(cause === undefined ? {} : { cause }),
  })
}
