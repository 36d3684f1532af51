import type { Hex } from '@countersign/bytes'
import {
  type CustomSource,
  getAddress,
  getTypesForEIP712Domain,
  hashMessage,
  hashTypedData,
  keccak256,
  type LocalAccount,
  parseSignature,
  recoverAddress,
  type SerializeTransactionFn,
  type SignableMessage,
  type Signature,
  serializeTransaction,
  type TransactionSerializable,
  type TypedDataDefinition,
  toHex,
} from 'viem'
import { toAccount } from 'viem/accounts'
import { hashAuthorization } from 'viem/utils'
import { sdkError } from './catalogue.ts'
import type { CountersignClient } from './client.ts'
import { uncompressedPublicKey } from './public-key.ts'

/** What an account needs of a wallet, so that it can be made without asking the engine. */
export interface AccountWallet {
  readonly id: string
  readonly address: string
  readonly publicKey: Hex
}

export type CountersignAccount = LocalAccount<'countersign'> & {
  sign: NonNullable<CustomSource['sign']>
  signAuthorization: NonNullable<CustomSource['signAuthorization']>
}

/**
 * A viem account whose key is in the signer. It goes wherever viem takes a local account.
 * Every answer is checked against the wallet's address before it is returned, so an engine in between
 * cannot slip in another signature.
 */
export function createCountersignAccount(options: {
  client: CountersignClient
  walletId: string
  grant?: string
}): Promise<CountersignAccount>
/** @param countersign What `createCountersign` or `importSession` gives, or a client and a wallet. */
export function createCountersignAccount(countersign: SigningFor): CountersignAccount
export function createCountersignAccount(
  from: { client: CountersignClient; grant?: string } & ({ wallet: AccountWallet } | { walletId: string }),
): CountersignAccount | Promise<CountersignAccount> {
  if ('wallet' in from) return accountOf(from)
  return from.client.wallets.get(from.walletId).then((wallet) => accountOf({ ...from, wallet }))
}

/** Whose signatures are asked for, and under which grant. */
export interface SigningFor {
  readonly client: CountersignClient
  readonly wallet: AccountWallet
  readonly grant?: string
}

function accountOf({ client, wallet, grant }: SigningFor): CountersignAccount {
  const asked = { walletId: wallet.id, ...(grant === undefined ? {} : { grant }) }
  const publicKey = uncompressedPublicKey(wallet)
  const address = getAddress(wallet.address)
  const checked = (hash: Hex, signature: Hex) => checkSigner(address, hash, signature)

  const account = toAccount({
    address,
    async sign({ hash }) {
      const { signature } = await client.signRaw({ ...asked, digest: hash })
      return checked(hash, signature)
    },
    async signMessage({ message }) {
      const { signature } = await client.signMessage({ ...asked, message: messageOf(message) })
      return checked(hashMessage(message), signature)
    },
    async signTypedData(typedData) {
      const { signature } = await client.signTypedData({ ...asked, typedData: typedDataOf(typedData) })
      return checked(hashTypedData(typedData), signature)
    },
    async signTransaction(transaction, options) {
      return signTransaction({ client, asked, address }, transaction, options?.serializer)
    },
    async signAuthorization(request) {
      const { chainId, nonce } = request
      const contractAddress = request.address ?? request.contractAddress
      const answer = await client.signAuthorization({ ...asked, contractAddress, chainId, nonce })
      const hash = hashAuthorization({ contractAddress, chainId, nonce })
      const { r, s, yParity, v } = parseSignature(await checked(hash, answer.signature))
      return { address: contractAddress, chainId, nonce, r, s, yParity, ...(v === undefined ? {} : { v }) }
    },
  })
  return { ...account, publicKey, source: 'countersign' } as CountersignAccount
}

interface Signing {
  readonly client: CountersignClient
  readonly asked: { readonly walletId: string; readonly grant?: string }
  readonly address: Hex
}

/**
 * @param serializer As viem's chains give it. The signer decodes the standard types only, so bytes of a chain's
 * own type are refused there. */
async function signTransaction(
  { client, asked, address }: Signing,
  transaction: TransactionSerializable,
  serializer: SerializeTransactionFn<TransactionSerializable> = serializeTransaction,
): Promise<Hex> {
  // EIP-4844: the sidecars travel beside what is signed.
  const signable = transaction.type === 'eip4844' ? { ...transaction, sidecars: false as const } : transaction
  const unsignedTransaction = await serializer(signable as TransactionSerializable)
  const answer = await client.signTransaction({ ...asked, unsignedTransaction })
  const signature = parseSignature(
    await checkSigner(address, keccak256(unsignedTransaction), answer.signature),
  )
  const wireForm = await serializer(signable as TransactionSerializable, signature as Signature)
  if (wireForm !== answer.signedTransaction) {
    throw sdkError('SDK_SIGNATURE_MISMATCH', 'The signed transaction holds other bytes than were asked for.')
  }
  return signable === transaction ? wireForm : serializer(transaction, signature as Signature)
}

/** @throws {CountersignError} SDK_SIGNATURE_MISMATCH */
async function checkSigner(address: Hex, hash: Hex, signature: Hex): Promise<Hex> {
  const signer = await recoverAddress({ hash, signature }).catch(() => undefined)
  if (signer !== address) {
    throw sdkError(
      'SDK_SIGNATURE_MISMATCH',
      `The returned signature is not by ${address} over what was asked.`,
    )
  }
  return signature
}

function messageOf(message: SignableMessage): string | { raw: Hex } {
  if (typeof message === 'string') return message
  return { raw: typeof message.raw === 'string' ? message.raw : toHex(message.raw) }
}

/**
 * Only the four members that EIP-712 knows, with the domain's type spelled out: integers travel as strings, and
 * from those a reader could not tell which fields the domain has.
 */
function typedDataOf(typedData: object): unknown {
  const { domain = {}, types, primaryType, message } = typedData as TypedDataDefinition
  return {
    domain,
    types: { EIP712Domain: getTypesForEIP712Domain({ domain }), ...types },
    primaryType,
    message,
  }
}
