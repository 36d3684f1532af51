import {
  concatBytes,
  encodeHex,
  encodeUtf8,
  evmChainId,
  type Hex,
  isHex,
  keccak256,
  parseAddress,
  parseQuantity,
  sha256,
} from '@countersign/bytes'
import { calldataBytesMax } from './abi-signature.ts'
import { intentError } from './catalogue.ts'
import { effectsOfCall } from './evm/unroll.ts'
import {
  type EntryPointVersion,
  effectsOfUserOperation,
  eip7702Marker,
  entryPoints,
  type UserOperationFields,
  uint128Max,
  userOperationPreimage,
} from './evm/user-operation.ts'
import type { Intent } from './intent.ts'
import { chainIdMax, uint256Max } from './rlp-fields.ts'

/** What an account's validation recovers the signer from. */
export const userOperationSignatureForms = ['eip191', 'digest', 'typed-data'] as const
/**
 * `eip191`: personal_sign over the 32 bytes of the hash (SimpleAccount 0.6 and 0.7, most others). `digest`: the hash
 * itself. `typed-data`: the EIP-712 digest, which the hash of 0.8 is; for 0.8 only.
 */
export type UserOperationSignatureForm = (typeof userOperationSignatureForms)[number]

type Quantity = number | string | bigint

/** As bundlers take it (ERC-7769): `initCode` and `paymasterAndData` in 0.6, their parts from 0.7 on. */
export interface UserOperationInput {
  readonly sender: string
  readonly nonce: Quantity
  readonly callData: string
  readonly callGasLimit: Quantity
  readonly verificationGasLimit: Quantity
  readonly preVerificationGas: Quantity
  readonly maxFeePerGas: Quantity
  readonly maxPriorityFeePerGas: Quantity
  /** 0.6. */
  readonly initCode?: string
  /** 0.6. */
  readonly paymasterAndData?: string
  /** From 0.7 on. In 0.8, `0x7702` is an EIP-7702 account, and `eip7702Auth` tells whose code it runs. */
  readonly factory?: string
  readonly factoryData?: string
  readonly paymaster?: string
  readonly paymasterVerificationGasLimit?: Quantity
  readonly paymasterPostOpGasLimit?: Quantity
  readonly paymasterData?: string
  /** Only its `address` is bound by the hash. */
  readonly eip7702Auth?: { readonly address: string }
  /** A placeholder for estimates; not hashed. */
  readonly signature?: string
}

export interface UserOperationRequest {
  readonly entryPoint: string
  readonly chainId: Quantity
  readonly userOperation: UserOperationInput
  readonly signatureForm: UserOperationSignatureForm
}

/**
 * ERC-4337 (0.6, 0.7 and 0.8): what this wallet's signature lets the sender's account do. The hash is computed here.
 * @throws {CountersignError} INTENT_USER_OPERATION_INVALID, INTENT_TOO_LARGE, BYTES_NOT_AN_ADDRESS, BYTES_NOT_AN_AMOUNT */
export function userOperationIntent(request: UserOperationRequest): Intent {
  const op = parseUserOperation(request)
  const hashed = userOperationPreimage(op)
  const hash = keccak256(hashed)
  const preimage =
    request.signatureForm === 'eip191'
      ? concatBytes(encodeUtf8('\x19Ethereum Signed Message:\n32'), hash)
      : hashed
  return {
    operation: 'sign-user-operation',
    chain: op.chain,
    effects: effectsOfUserOperation(op, encodeHex(hash), (call) => effectsOfCall(op.chain, call)),
    toSign: keccak256(preimage),
    payloadDigest: encodeHex(sha256(preimage)),
  }
}

function parseUserOperation(request: UserOperationRequest): UserOperationFields {
  const entryPoint = parseAddress(request.entryPoint, 'entryPoint')
  const version = entryPoints.get(entryPoint)
  if (version === undefined)
    throw invalid('its entry point is none of the canonical ones of 0.6, 0.7 and 0.8')
  const { signatureForm } = request
  if (!userOperationSignatureForms.includes(signatureForm)) throw invalid('its signatureForm is unknown')
  if (signatureForm === 'typed-data' && version !== '0.8') throw invalid('only 0.8 has a typed-data form')
  const chainNumber = quantityOf(request.chainId, 'chainId', chainIdMax)
  if (chainNumber === 0n) throw invalid('its chain id is 0')
  const op = request.userOperation
  if (typeof op !== 'object' || op === null) throw invalid('it is not an object')
  checkFields(op, version)
  const gasMax = version === '0.6' ? uint256Max : uint128Max
  const gas = (name: GasField): bigint => quantityOf(op[name], name, gasMax)
  return {
    chain: evmChainId(chainNumber),
    entryPoint,
    version,
    sender: parseAddress(op.sender, 'sender'),
    nonce: quantityOf(op.nonce, 'nonce', uint256Max),
    initCode: version === '0.6' ? addressThenBytes(op.initCode, 'initCode') : initCodeOf(op, version),
    callData: bytesOf(op.callData, 'callData'),
    callGasLimit: gas('callGasLimit'),
    verificationGasLimit: gas('verificationGasLimit'),
    preVerificationGas: quantityOf(op.preVerificationGas, 'preVerificationGas', uint256Max),
    maxFeePerGas: gas('maxFeePerGas'),
    maxPriorityFeePerGas: gas('maxPriorityFeePerGas'),
    paymasterAndData:
      version === '0.6' ? addressThenBytes(op.paymasterAndData, 'paymasterAndData') : paymasterAndDataOf(op),
  }
}

type GasField = 'callGasLimit' | 'verificationGasLimit' | 'maxFeePerGas' | 'maxPriorityFeePerGas'

const commonFields = [
  'sender',
  'nonce',
  'callData',
  'callGasLimit',
  'verificationGasLimit',
  'preVerificationGas',
  'maxFeePerGas',
  'maxPriorityFeePerGas',
  'signature',
]
const fields06 = new Set([...commonFields, 'initCode', 'paymasterAndData'])
const fields07 = new Set([
  ...commonFields,
  'factory',
  'factoryData',
  'paymaster',
  'paymasterVerificationGasLimit',
  'paymasterPostOpGasLimit',
  'paymasterData',
])
const fields08 = new Set([...fields07, 'eip7702Auth'])
const fieldsOf = { '0.6': fields06, '0.7': fields07, '0.8': fields08 }

/** A field that the version does not have would silently be left out of what is signed. */
function checkFields(op: UserOperationInput, version: EntryPointVersion): void {
  for (const [name, value] of Object.entries(op)) {
    if (value !== undefined && !fieldsOf[version].has(name)) {
      throw invalid(`operations of ${version} have no field ${JSON.stringify(name.slice(0, 64))}`)
    }
  }
}

function initCodeOf(op: UserOperationInput, version: EntryPointVersion): Hex {
  const { factory, factoryData = '0x', eip7702Auth } = op
  const data = bytesOf(factoryData, 'factoryData')
  if (factory === undefined || factory === null) {
    if (data.length > 2 || eip7702Auth !== undefined) throw invalid('it has factory data and no factory')
    return '0x'
  }
  if (version === '0.8' && (factory === '0x7702' || factory.toLowerCase?.() === eip7702Marker)) {
    if (typeof eip7702Auth !== 'object' || eip7702Auth === null) {
      throw invalid('eip7702Auth must say whose code the account runs: the hash binds it')
    }
    return joined(parseAddress(eip7702Auth.address, 'eip7702Auth.address'), data)
  }
  if (eip7702Auth !== undefined) throw invalid('eip7702Auth goes with the factory 0x7702 alone')
  return joined(parseAddress(factory, 'factory'), data)
}

function paymasterAndDataOf(op: UserOperationInput): Hex {
  const { paymaster, paymasterVerificationGasLimit, paymasterPostOpGasLimit, paymasterData = '0x' } = op
  const data = bytesOf(paymasterData, 'paymasterData')
  const verification = quantityOf(
    paymasterVerificationGasLimit ?? 0,
    'paymasterVerificationGasLimit',
    uint128Max,
  )
  const postOp = quantityOf(paymasterPostOpGasLimit ?? 0, 'paymasterPostOpGasLimit', uint128Max)
  if (paymaster === undefined || paymaster === null) {
    if (data.length > 2 || verification > 0n || postOp > 0n)
      throw invalid('it has paymaster fields and no paymaster')
    return '0x'
  }
  const gas: Hex = `0x${((verification << 128n) | postOp).toString(16).padStart(64, '0')}`
  return joined(parseAddress(paymaster, 'paymaster'), gas, data)
}

function joined(...parts: readonly Hex[]): Hex {
  return `0x${parts.map((part) => part.slice(2)).join('')}`
}

/** 0.6: nothing, or an address and whatever it is to be called with. */
function addressThenBytes(value: unknown, name: string): Hex {
  const bytes = bytesOf(value ?? '0x', name)
  if (bytes.length > 2 && bytes.length < 42) throw invalid(`${name} is shorter than an address`)
  return bytes
}

function bytesOf(value: unknown, name: string): Hex {
  if (!isHex(value)) throw invalid(`${name} is not 0x-prefixed hexadecimal`)
  if (value.length > 2 + 2 * calldataBytesMax) {
    throw intentError('INTENT_TOO_LARGE', `${name} has more than ${calldataBytesMax} bytes.`)
  }
  return value.toLowerCase() as Hex
}

function quantityOf(value: unknown, name: string, max: bigint): bigint {
  const quantity = typeof value === 'bigint' ? value : parseQuantity(value, name)
  if (quantity < 0n || quantity > max) throw invalid(`${name} is not between 0 and ${max}`)
  return quantity
}

function invalid(what: string) {
  return intentError('INTENT_USER_OPERATION_INVALID', `The user operation cannot be signed: ${what}.`)
}
