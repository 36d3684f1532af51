import { type Hex, isCountersignError, parseAmountMinor, parseQuantity } from '@countersign/bytes'
import { type TransactionRequest, wireError } from '@countersign/wire'
import { serializeTransaction, type TransactionSerializable } from 'viem'
import { engineError } from '../catalogue.ts'
import type { Chain } from './chain.ts'

/** A transaction complete but for its nonce. */
export interface Draft {
  readonly type: 0 | 1 | 2 | 3 | 4
  readonly statedNonce: number | undefined
  readonly gas: bigint
  readonly prices: Prices
  readonly request: TransactionRequest
}

interface Prices {
  readonly gasPrice?: bigint
  readonly maxFeePerGas?: bigint
  readonly maxPriorityFeePerGas?: bigint
  readonly maxFeePerBlobGas?: bigint
}

export interface Wanted {
  readonly from: Hex
  readonly request: TransactionRequest
  readonly maxFeeMinor: string | undefined
  /** False: it is signed only, and the money may come later. True where it is left out. */
  readonly mustBeFunded?: boolean
}

const gasOfPlainTransfer = 21_000n
const gweiMinor = 1_000_000_000
/** EIP-4844 GAS_PER_BLOB. */
const gasPerBlob = 131_072n

/**
 * Fills in type, gas and prices where the caller left them open; nothing else, and the signer checks that.
 * @throws {CountersignError} ENGINE_WOULD_REVERT, ENGINE_INSUFFICIENT_FUNDS, ENGINE_FEE_OVER_CAP,
 *   ENGINE_CHAIN_UNAVAILABLE, WIRE_INVALID_BODY */
export async function draftTransaction(
  chain: Chain,
  { from, request, maxFeeMinor, mustBeFunded = true }: Wanted,
): Promise<Draft> {
  const [fees, balance] = await Promise.all([chain.fees(), chain.balance(from)])
  const type = request.type ?? inferType(request, fees.baseFee !== undefined)
  checkFitsType(request, type)
  const gas = stated(request.gas, 'gas') ?? (await estimate(chain, from, request, mustBeFunded))
  const blobs = BigInt(request.blobVersionedHashes?.length ?? 0)
  const blobPrice =
    type === 3 ? (stated(request.maxFeePerBlobGas, 'maxFeePerBlobGas') ?? (await chain.blobFee()) * 2n) : 0n
  const blobFee = blobs * gasPerBlob * blobPrice
  const cap = capPerGas({ chain, gas, blobFee, maxFeeMinor })
  const prices = type < 2 ? legacyPrices(request, fees.gasPrice, cap) : marketPrices(request, fees, cap)
  const highest = gas * (prices.gasPrice ?? prices.maxFeePerGas ?? 0n) + blobFee
  const value = stated(request.value, 'value') ?? 0n
  if (mustBeFunded && balance < value + highest) {
    throw engineError(
      'ENGINE_INSUFFICIENT_FUNDS',
      `The wallet has ${balance}, and the value with the highest fee comes to ${value + highest}, in the smallest unit.`,
      {
        details: {
          chain: chain.id,
          balanceMinor: String(balance),
          valueMinor: String(value),
          highestFeeMinor: String(highest),
        },
      },
    )
  }
  const nonce = stated(request.nonce, 'nonce')
  return {
    type: type as Draft['type'],
    statedNonce: nonce === undefined ? undefined : Number(nonce),
    gas,
    prices: type === 3 ? { ...prices, maxFeePerBlobGas: blobPrice } : prices,
    request,
  }
}

/** The unsigned bytes, as the signer decodes and re-encodes them.
 * @throws {CountersignError} WIRE_INVALID_BODY where the stated fields do not make a transaction of the type */
export function finishDraft({ type, gas, prices, request }: Draft, nonce: number): Hex {
  const { to, data, accessList, authorizationList, blobVersionedHashes } = request
  const transaction = {
    type: typeNames[type],
    chainId: request.chainId,
    nonce,
    gas,
    ...prices,
    ...(to === undefined ? {} : { to }),
    value: stated(request.value, 'value') ?? 0n,
    data: data ?? '0x',
    ...(type === 0 ? {} : { accessList: accessList ?? [] }),
    ...(type === 3 ? { blobVersionedHashes: blobVersionedHashes ?? [] } : {}),
    ...(type === 4 ? { authorizationList: (authorizationList ?? []).map(toAuthorization) } : {}),
  }
  try {
    return serializeTransaction(transaction as unknown as TransactionSerializable)
  } catch (cause) {
    const why = (cause as { shortMessage?: string }).shortMessage ?? 'its fields do not fit its type'
    throw wireError('WIRE_INVALID_BODY', `The transaction cannot be encoded: ${why}`, {
      cause,
      details: { path: '/transaction' },
    })
  }
}

const typeNames = ['legacy', 'eip2930', 'eip1559', 'eip4844', 'eip7702'] as const

function inferType(request: TransactionRequest, hasBaseFee: boolean): number {
  if (request.authorizationList !== undefined) return 4
  if (request.blobVersionedHashes !== undefined || request.maxFeePerBlobGas !== undefined) return 3
  if (request.maxFeePerGas !== undefined || request.maxPriorityFeePerGas !== undefined) return 2
  if (request.gasPrice === undefined && hasBaseFee) return 2
  return request.accessList === undefined ? 0 : 1
}

/** The types in which a stated field has a place; elsewhere it would silently not be in the bytes. */
const typesWith = {
  gasPrice: [0, 1],
  maxFeePerGas: [2, 3, 4],
  maxPriorityFeePerGas: [2, 3, 4],
  accessList: [1, 2, 3, 4],
  maxFeePerBlobGas: [3],
  blobVersionedHashes: [3],
  authorizationList: [4],
} as const satisfies Partial<Record<keyof TransactionRequest, readonly number[]>>

/** @throws {CountersignError} WIRE_INVALID_BODY */
function checkFitsType(request: TransactionRequest, type: number): void {
  for (const [field, types] of Object.entries(typesWith)) {
    if (request[field as keyof typeof typesWith] === undefined || types.some((one) => one === type)) continue
    throw wireError('WIRE_INVALID_BODY', `A transaction of type ${type} has no ${field}.`, {
      details: { path: `/transaction/${field}` },
    })
  }
}

async function estimate(
  chain: Chain,
  from: Hex,
  request: TransactionRequest,
  mustBeFunded: boolean,
): Promise<bigint> {
  const { to, data, accessList, authorizationList, blobVersionedHashes } = request
  const call = {
    from,
    ...(to === undefined ? {} : { to }),
    ...(data === undefined ? {} : { data }),
    value: hexQuantity(stated(request.value, 'value') ?? 0n),
    ...(accessList === undefined ? {} : { accessList }),
    ...(authorizationList === undefined
      ? {}
      : { authorizationList: authorizationList.map(toRpcAuthorization) }),
    ...(blobVersionedHashes === undefined
      ? {}
      : { blobVersionedHashes, maxFeePerBlobGas: hexQuantity((await chain.blobFee()) * 2n) }),
  }
  const gas = await chain.estimateGas(call).catch((error) => {
    const isPoor = isCountersignError(error) && error.code === 'ENGINE_INSUFFICIENT_FUNDS'
    // A node estimates nothing that the wallet cannot pay. What a plain transfer costs does not hang on its value.
    if (mustBeFunded || !isPoor || (data ?? '0x') !== '0x') throw error
    return chain.estimateGas({ ...call, value: '0x0' })
  })
  // The state may change until it is mined; a plain transfer has nothing that could.
  return gas === gasOfPlainTransfer ? gas : (gas * 12n) / 10n
}

function capPerGas(limits: {
  chain: Chain
  gas: bigint
  blobFee: bigint
  maxFeeMinor: string | undefined
}): bigint | undefined {
  const { chain, gas, blobFee, maxFeeMinor } = limits
  const { maxFeeGwei } = chain.config
  const caps: bigint[] = []
  if (maxFeeGwei !== undefined) caps.push(BigInt(Math.round(maxFeeGwei * gweiMinor)))
  if (maxFeeMinor !== undefined && gas > 0n) {
    const left = parseAmountMinor(maxFeeMinor, 'maxFeeMinor') - blobFee
    caps.push(left < 0n ? 0n : left / gas)
  }
  return caps.sort((a, b) => (a < b ? -1 : 1))[0]
}

function legacyPrices(request: TransactionRequest, market: bigint, cap: bigint | undefined): Prices {
  const own = stated(request.gasPrice, 'gasPrice')
  if (own !== undefined) return { gasPrice: own }
  // A block may cost an eighth more than the one before (EIP-1559); chains without it move less.
  const wanted = (market * 9n) / 8n
  if (cap === undefined || wanted <= cap) return { gasPrice: wanted }
  if (cap >= market) return { gasPrice: cap }
  throw overCap(market, cap)
}

function marketPrices(
  request: TransactionRequest,
  fees: { readonly baseFee: bigint | undefined; readonly tip: bigint; readonly gasPrice: bigint },
  cap: bigint | undefined,
): Prices {
  const baseFee = fees.baseFee ?? fees.gasPrice
  const statedMax = stated(request.maxFeePerGas, 'maxFeePerGas')
  const statedTip = stated(request.maxPriorityFeePerGas, 'maxPriorityFeePerGas')
  let tip = statedTip ?? fees.tip
  let max = statedMax ?? baseFee * 2n + tip
  if (statedMax === undefined && cap !== undefined && max > cap) {
    if (cap <= baseFee || (statedTip !== undefined && cap < statedTip)) throw overCap(baseFee + tip, cap)
    max = cap
  }
  if (statedTip === undefined && tip > max) tip = max
  return { maxFeePerGas: max, maxPriorityFeePerGas: tip }
}

function overCap(needed: bigint, cap: bigint) {
  return engineError('ENGINE_FEE_OVER_CAP', `The chain asks for ${needed} per gas; the caps allow ${cap}.`, {
    details: { neededPerGasMinor: String(needed), capPerGasMinor: String(cap) },
  })
}

function stated(value: string | number | undefined, name: string): bigint | undefined {
  return value === undefined ? undefined : parseQuantity(value, name)
}

function hexQuantity(value: bigint): Hex {
  return `0x${value.toString(16)}`
}

type Authorization = NonNullable<TransactionRequest['authorizationList']>[number]

function toAuthorization({ chainId, address, nonce, yParity, r, s }: Authorization) {
  return {
    chainId: Number(parseQuantity(chainId, 'chainId')),
    address,
    nonce: Number(parseQuantity(nonce, 'nonce')),
    yParity,
    r: hexQuantity(parseQuantity(r, 'r')),
    s: hexQuantity(parseQuantity(s, 's')),
  }
}

function toRpcAuthorization(authorization: Authorization) {
  const { chainId, nonce, yParity, ...rest } = toAuthorization(authorization)
  return {
    ...rest,
    chainId: hexQuantity(BigInt(chainId)),
    nonce: hexQuantity(BigInt(nonce)),
    yParity: hexQuantity(BigInt(yParity)),
  }
}
