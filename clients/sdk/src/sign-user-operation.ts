import { decodeHex, type Hex } from '@countersign/bytes'
import { getAddress, hashMessage, recoverAddress } from 'viem'
import {
  type EntryPointVersion,
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  getUserOperationHash,
  type UserOperation,
} from 'viem/account-abstraction'
import type { AccountWallet } from './account.ts'
import type { Attribution } from './answers.ts'
import { sdkError } from './catalogue.ts'
import type { SignedUserOperation, UserOperationForm, UserOperationRequest } from './chain-calls.ts'
import type { CallOptions, CountersignClient } from './client.ts'

interface Bound {
  readonly client: CountersignClient
  readonly wallet: AccountWallet
}

interface At {
  readonly entryPoint: Hex
  readonly chainId: number
  /** What the account recovers its owner from. Left out: eip191 for 0.6 and 0.7, typed-data for 0.8. */
  readonly signatureForm?: UserOperationForm
  /** Under which it is asked for. */
  readonly grant?: string
  readonly attribution?: Attribution
}

const versions = new Map<string, EntryPointVersion>([
  [entryPoint06Address.toLowerCase(), '0.6'],
  [entryPoint07Address.toLowerCase(), '0.7'],
  [entryPoint08Address.toLowerCase(), '0.8'],
])

/**
 * Asks for the signature of a user operation. The signer decodes it down to its inner calls; the hash is computed here
 * too, by viem, and the signature is checked to be the wallet's over that hash.
 * @throws {CountersignError} SDK_INPUT_INVALID, SDK_SIGNATURE_MISMATCH */
export async function signUserOperation(
  { client, wallet }: Bound,
  input: At & { readonly userOperation: UserOperationRequest },
  options?: CallOptions,
): Promise<SignedUserOperation> {
  const version = versions.get(input.entryPoint.toLowerCase())
  if (version === undefined) {
    throw sdkError('SDK_INPUT_INVALID', `${input.entryPoint} is no entry point of 0.6, 0.7 or 0.8.`)
  }
  const hash = hashOf(input, version)
  const answer = await client.signUserOperation({ walletId: wallet.id, ...input }, options)
  const form = input.signatureForm ?? (version === '0.8' ? 'typed-data' : 'eip191')
  // The typed data of 0.8 hashes to the operation's hash itself.
  const digest = form === 'eip191' ? hashMessage({ raw: hash }) : hash
  const isWhole = decodeHex(answer.signature, 'signature').length === 65
  const signer = isWhole
    ? await recoverAddress({ hash: digest, signature: answer.signature }).catch(() => undefined)
    : undefined
  if (signer !== getAddress(wallet.address) || answer.userOpHash !== hash) {
    throw sdkError(
      'SDK_SIGNATURE_MISMATCH',
      `The returned signature is not by ${wallet.address} over the user operation that was sent.`,
    )
  }
  return answer
}

/**
 * For the `signUserOperation` of a viem smart account whose owner is the wallet: the policy then sees what the operation
 * does, where an owner's signMessage would show it a bare hash. For accounts that take the owner's signature as it is.
 */
export function createUserOperationSigner(
  countersign: Bound,
  at: At,
): (operation: ViemUserOperation) => Promise<Hex> {
  return async ({ chainId = at.chainId, authorization, ...operation }) => {
    const eip7702Auth = authorization && {
      address: (authorization.address ?? authorization.contractAddress) as Hex,
    }
    const userOperation = eip7702Auth === undefined ? operation : { ...operation, eip7702Auth }
    const { signature } = await signUserOperation(countersign, { ...at, chainId, userOperation })
    return signature
  }
}

/** Of any version, before it is signed. */
export type ViemUserOperation = Omit<UserOperationRequest, 'eip7702Auth'> & {
  readonly chainId?: number | undefined
  readonly authorization?:
    | { readonly address?: Hex | undefined; readonly contractAddress?: Hex | undefined }
    | undefined
}

function hashOf(
  { entryPoint, chainId, userOperation }: At & { readonly userOperation: UserOperationRequest },
  entryPointVersion: EntryPointVersion,
): Hex {
  const { eip7702Auth, ...operation } = userOperation
  const numbers = Object.fromEntries(
    quantityFields.flatMap((name) =>
      operation[name] === undefined ? [] : [[name, BigInt(operation[name])] as const],
    ),
  )
  return getUserOperationHash({
    chainId,
    entryPointAddress: entryPoint,
    entryPointVersion,
    userOperation: {
      signature: '0x',
      ...(entryPointVersion === '0.6' ? { initCode: '0x', paymasterAndData: '0x' } : {}),
      ...operation,
      ...numbers,
      ...(eip7702Auth === undefined ? {} : { authorization: eip7702Auth }),
    } as unknown as UserOperation<EntryPointVersion>,
  } as Parameters<typeof getUserOperationHash>[0])
}

const quantityFields = [
  'nonce',
  'callGasLimit',
  'verificationGasLimit',
  'preVerificationGas',
  'maxFeePerGas',
  'maxPriorityFeePerGas',
  'paymasterVerificationGasLimit',
  'paymasterPostOpGasLimit',
] as const
