import {
  type AccountAddress,
  type AssetId,
  canonicalJson,
  encodeUtf8,
  type Hex,
  isCountersignError,
  parseAccountAddress,
  parseAmountMinor,
  parseAssetId,
} from '@countersign/bytes'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { normalTokenId } from './asset-set.ts'
import { policyError } from './catalogue.ts'
import { complaintOf } from './schema-complaint.ts'
import {
  assetItem,
  credentialItem,
  currencyItem,
  decimal,
  oneOf,
  policyLimits,
  strict,
} from './schema-terms.ts'

/** What the price of an asset was at some time, by the word of one credential. */
export interface PriceFact {
  readonly type: 'price'
  readonly asset: AssetId
  readonly currency: string
  /** One smallest unit of the asset is worth `numerator / denominator` millionths of the currency. */
  readonly numerator: bigint
  readonly denominator: bigint
  readonly atMs: number
  readonly expiresAtMs: number
  readonly credentialId: string
}

/** What became of the very bytes that are to be signed when they were tried out, by the word of one credential. */
export interface SimulationFact {
  readonly type: 'simulation'
  /** `Intent.payloadDigest`. */
  readonly payloadDigest: Hex
  /** Whose bytes they were: unsigned bytes do not name their sender, and another may lose by them what this one did not. */
  readonly account: AccountAddress
  readonly outcome: 'success' | 'revert'
  /** What left the account, at most, asset by asset; `undefined`: the simulation does not say. */
  readonly maxOutflows: readonly { readonly asset: AssetId; readonly amountMinor: bigint }[] | undefined
  readonly atMs: number
  readonly expiresAtMs: number
  readonly credentialId: string
}

export type Fact = PriceFact | SimulationFact

/** Digits after the point in which values are counted: millionths of a currency. */
export const valueScale = 6

const instant = (description: string) =>
  Type.Integer({ description, minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const stamped = {
  v: Type.Literal(1, { description: 'Version of this format.' }),
  atMs: instant('When it was so, in milliseconds since 1970.'),
  expiresAtMs: instant('First instant at which it no longer counts.'),
  credentialId: credentialItem,
}

export const priceFactSchema = Type.Object(
  {
    type: Type.Literal('price', { description: 'What this is.' }),
    ...stamped,
    asset: assetItem,
    currency: currencyItem,
    price: Type.String({
      description: 'Units of the currency for one whole unit of the asset, for example "3012.45".',
      pattern: '^(0|[1-9][0-9]{0,29})(\\.[0-9]{1,30})?$',
    }),
    decimals: Type.Integer({
      description: 'Digits after the point of the asset: one whole unit is 10^decimals smallest units.',
      minimum: 0,
      maximum: 77,
    }),
  },
  { ...strict, description: 'A price.' },
)

export const simulationFactSchema = Type.Object(
  {
    type: Type.Literal('simulation', { description: 'What this is.' }),
    ...stamped,
    payloadDigest: Type.String({ description: '32 bytes.', pattern: '^0x[0-9a-f]{64}$' }),
    account: Type.String({
      description: 'Address of the wallet, by which they were tried out.',
      minLength: 1,
      maxLength: 128,
    }),
    outcome: oneOf(['success', 'revert'], 'What became of it.'),
    maxOutflows: Type.Optional(
      Type.Array(
        Type.Object(
          { asset: assetItem, amount: decimal('Smallest units.') },
          { ...strict, description: 'An outflow.' },
        ),
        { description: 'What left the account, at most.', maxItems: policyLimits.outflowsMax },
      ),
    ),
  },
  { ...strict, description: 'The outcome of a simulation.' },
)

export type PriceFactDocument = Type.Static<typeof priceFactSchema>
export type SimulationFactDocument = Type.Static<typeof simulationFactSchema>
export type FactDocument = PriceFactDocument | SimulationFactDocument

/** A fact as it travels: the document, and base64 of its credential's signature over `factPayload`. */
export interface SignedFact {
  readonly fact: FactDocument
  readonly signature: string
}

const payloadPrefix = 'countersign-fact-v1\n'

/**
 * What the credential signs, with the algorithm of its requests: the prefix keeps a fact from being taken for a
 * request, a receipt or a transaction. RFC 8785 makes the bytes the same for every writer.
 * @throws {TypeError} on what canonical JSON does not have */
export function factPayload(document: FactDocument): Uint8Array {
  return encodeUtf8(`${payloadPrefix}${canonicalJson(document)}\n`)
}

/** Reads a fact. Whether its signature is that of `credentialId` is for the signer to verify.
 * @throws {CountersignError} POLICY_FACT_INVALID */
export function parseFact(value: unknown): Fact {
  const type = (value as { readonly type?: unknown } | null | undefined)?.type
  if (type === 'simulation') return parseSimulation(value)
  return parsePrice(value)
}

function parsePrice(value: unknown): PriceFact {
  if (!Check(priceFactSchema, value)) throw malformed(complaintOf(priceFactSchema, value))
  const { asset, currency, price, decimals } = value
  const point = price.indexOf('.')
  const fraction = point < 0 ? '' : price.slice(point + 1)
  const digits = BigInt(point < 0 ? price : price.slice(0, point) + fraction)
  return {
    type: 'price',
    asset: parsed('asset', () => normalTokenId(parseAssetId(asset, 'The asset'))),
    currency,
    numerator: digits * 10n ** BigInt(valueScale),
    denominator: 10n ** BigInt(decimals + fraction.length),
    ...stampOf(value),
  }
}

function parseSimulation(value: unknown): SimulationFact {
  if (!Check(simulationFactSchema, value)) throw malformed(complaintOf(simulationFactSchema, value))
  const { payloadDigest, account, outcome, maxOutflows } = value
  return {
    type: 'simulation',
    payloadDigest: payloadDigest as Hex,
    account: parsed('account', () => parseAccountAddress(account)),
    outcome,
    maxOutflows: maxOutflows?.map(({ asset, amount }, i) => ({
      asset: parsed(`maxOutflows[${i}].asset`, () => normalTokenId(parseAssetId(asset, 'The asset'))),
      amountMinor: parsed(`maxOutflows[${i}].amount`, () => parseAmountMinor(amount, 'The amount')),
    })),
    ...stampOf(value),
  }
}

function stampOf({ atMs, expiresAtMs, credentialId }: FactDocument) {
  if (expiresAtMs <= atMs) throw invalid('expiresAtMs', 'it is not after "atMs"')
  return { atMs, expiresAtMs, credentialId }
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (!isCountersignError(cause)) throw cause
    throw policyError('POLICY_FACT_INVALID', `At ${path}: ${cause.message}`, { details: { path }, cause })
  }
}

function malformed({ path, message }: { readonly path: string; readonly message: string }) {
  return invalid(path, message)
}

function invalid(path: string, message: string) {
  const where = path === '' ? 'The fact' : `At ${path}`
  return policyError('POLICY_FACT_INVALID', `${where}: ${message}.`, { details: { path } })
}
