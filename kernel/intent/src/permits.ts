import { type Address, type AssetId, type ChainId, tokenAsset } from '@countersign/bytes'
import type { TokenApproval } from './effect.ts'
import { batchItemsMax } from './evm/call.ts'
import type { CheckedTypedData, TypedDataStruct } from './typed-data.ts'
import type { TypedDataType } from './typed-data-types.ts'

/**
 * Reads the approvals that a known permit gives by signature alone: ERC-2612, DAI's, ERC-4494, Permit2's (whichever
 * contract verifies them) and ERC-3009, where whoever is paid needs nothing but the signature.
 * @returns undefined for data that is no known permit, or has not exactly the known fields, or names no chain or token. */
export function approvalsOfTypedData(
  data: CheckedTypedData,
  domain: { readonly chain: ChainId | undefined; readonly verifyingContract: Address | undefined },
): readonly TokenApproval[] | undefined {
  const { chain, verifyingContract } = domain
  if (chain === undefined) return undefined
  const read = permit2Readers.get(data.primaryType)
  if (read !== undefined) return read(data, chain)
  if (verifyingContract === undefined) return undefined
  return tokenPermit(data, chain, verifyingContract)
}

export type Shape = Readonly<Record<string, TypedDataType['kind']>>

const erc2612: Shape = {
  owner: 'address',
  spender: 'address',
  value: 'uint',
  nonce: 'uint',
  deadline: 'uint',
}
const dai: Shape = { holder: 'address', spender: 'address', nonce: 'uint', expiry: 'uint', allowed: 'bool' }
const erc4494: Shape = { spender: 'address', tokenId: 'uint', nonce: 'uint', deadline: 'uint' }
const erc3009: Shape = {
  from: 'address',
  to: 'address',
  value: 'uint',
  validAfter: 'uint',
  validBefore: 'uint',
  nonce: 'bytesN',
}
const erc3009Types = ['TransferWithAuthorization', 'ReceiveWithAuthorization']

function tokenPermit(data: CheckedTypedData, chain: ChainId, contract: Address): TokenApproval[] | undefined {
  const { primaryType, message } = data
  const erc20 = tokenAsset(chain, 'erc20', contract)
  if (primaryType === 'Permit') {
    if (hasShape(data, 'Permit', erc2612)) {
      return [approval(chain, contract, erc20, message.spender, message.value, message.deadline)]
    }
    if (hasShape(data, 'Permit', dai)) {
      // DAI sets the allowance to 2^256 - 1 and never lowers it; expiry 0 is never.
      const amountMinor = message.allowed === true ? undefined : 0n
      const expiresAtS = message.expiry === 0n ? undefined : message.expiry
      return [approval(chain, contract, erc20, message.spender, amountMinor, expiresAtS)]
    }
    if (hasShape(data, 'Permit', erc4494)) {
      const token = tokenAsset(chain, 'erc721', contract, message.tokenId as bigint)
      return [approval(chain, contract, token, message.spender, 1n, message.deadline)]
    }
  }
  if (erc3009Types.includes(primaryType) && hasShape(data, primaryType, erc3009)) {
    return [approval(chain, contract, erc20, message.to, message.value, message.validBefore)]
  }
  return undefined
}

type Permit2Reader = (data: CheckedTypedData, chain: ChainId) => TokenApproval[] | undefined

const permit2Readers: ReadonlyMap<string, Permit2Reader> = new Map([
  ['PermitSingle', allowancePermit('struct')],
  ['PermitBatch', allowancePermit('array')],
  ['PermitTransferFrom', transferPermit('struct', 0)],
  ['PermitBatchTransferFrom', transferPermit('array', 0)],
  ['PermitWitnessTransferFrom', transferPermit('struct', 1)],
  ['PermitBatchWitnessTransferFrom', transferPermit('array', 1)],
])

/** Primary types of the permits that are read here. */
export const permitTypes: ReadonlySet<string> = new Set(['Permit', ...erc3009Types, ...permit2Readers.keys()])

/** Permit2's AllowanceTransfer: an allowance that lasts until its expiration. */
function allowancePermit(details: 'struct' | 'array'): Permit2Reader {
  const shape: Shape = { details, spender: 'address', sigDeadline: 'uint' }
  const token: Shape = { token: 'address', amount: 'uint', expiration: 'uint', nonce: 'uint' }
  return (data, chain) => {
    if (!hasShape(data, data.primaryType, shape)) return undefined
    const { spender, sigDeadline } = data.message
    return tokensOf(data, 'details', token)?.map((entry) => {
      // Expiration 0 is the block in which the permit is used, which may be any until its deadline.
      const expiresAtS = entry.expiration === 0n ? sigDeadline : entry.expiration
      return permit2Approval(chain, entry, spender, expiresAtS)
    })
  }
}

/** Permit2's SignatureTransfer: the spender takes the tokens once. */
function transferPermit(permitted: 'struct' | 'array', witnesses: 0 | 1): Permit2Reader {
  const shape: Shape = { permitted, spender: 'address', nonce: 'uint', deadline: 'uint' }
  const token: Shape = { token: 'address', amount: 'uint' }
  return (data, chain) => {
    if (!hasShape(data, data.primaryType, shape, witnesses)) return undefined
    const { spender, deadline } = data.message
    return tokensOf(data, 'permitted', token)?.map((entry) =>
      permit2Approval(chain, entry, spender, deadline),
    )
  }
}

function tokensOf(
  data: CheckedTypedData,
  field: string,
  shape: Shape,
): readonly TypedDataStruct[] | undefined {
  const type = data.types.get(data.primaryType)?.find(({ name }) => name === field)?.type
  const struct = type?.kind === 'array' ? type.of : type
  if (struct?.kind !== 'struct' || !hasShape(data, struct.name, shape)) return undefined
  const value = data.message[field]
  const entries = (Array.isArray(value) ? value : [value]) as readonly TypedDataStruct[]
  return entries.length > batchItemsMax ? undefined : entries
}

/** Exactly these fields, of these kinds, in any order; and `others` more of any kind. */
export function hasShape(data: CheckedTypedData, struct: string, shape: Shape, others = 0): boolean {
  const fields = data.types.get(struct) ?? []
  const known = fields.filter(({ name, type }) => Object.hasOwn(shape, name) && shape[name] === type.kind)
  const wanted = Object.keys(shape).length
  return known.length === wanted && fields.length === wanted + others
}

function permit2Approval(
  chain: ChainId,
  entry: TypedDataStruct,
  spender: unknown,
  expiresAtS: unknown,
): TokenApproval {
  const token = entry.token as Address
  return approval(chain, token, tokenAsset(chain, 'erc20', token), spender, entry.amount, expiresAtS)
}

/** The values are of the shape's kinds by now. */
function approval(
  chain: ChainId,
  contract: Address,
  asset: AssetId,
  spender: unknown,
  amountMinor: unknown,
  expiresAtS: unknown,
): TokenApproval {
  return {
    kind: 'approval',
    by: 'signature',
    chain,
    contract,
    assets: [asset],
    spender: spender as Address,
    amountMinor: amountMinor as bigint | undefined,
    mode: 'set',
    expiresAtS: expiresAtS as bigint | undefined,
    selector: undefined,
  }
}
