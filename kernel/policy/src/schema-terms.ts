import Type from 'typebox'
import { durationForm } from './duration.ts'

/** Longest lists of a policy file. */
export const policyLimits = {
  rulesMax: 2_000,
  listEntriesMax: 10_000,
  credentialsMax: 1_000,
  fieldConditionsMax: 32,
  limitsPerRuleMax: 16,
  approvalsPerRuleMax: 8,
  groupsMax: 100,
  hoursMax: 24,
  priceSourcesMax: 16,
  simulatorsMax: 16,
  outflowsMax: 64,
  caveatsMax: 64,
  /** Characters of the canonical JSON of the whole file. */
  textCharsMax: 1_000_000,
  /** Entries of one address book. */
  bookEntriesMax: 10_000,
} as const

export const strict = { additionalProperties: false } as const
export const strictNonEmpty = { additionalProperties: false, minProperties: 1 } as const

// Ids stand in window keys between bars, and in sentences: no bar, no space.
export const idPattern = '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'
const bookPattern = '@[A-Za-z0-9][A-Za-z0-9_.-]{0,63}'
const addressPattern =
  '0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{25,44}|(?:bc|tb|bcrt)1[02-9ac-hj-np-z]{6,90}|(?:BC|TB|BCRT)1[02-9AC-HJ-NP-Z]{6,90}'
const fieldPathPattern = '^[A-Za-z0-9_$]{1,64}(\\.([A-Za-z0-9_$]{1,64}|\\*)){0,7}$'
const decimalPattern = '^(0|[1-9][0-9]{0,77})$'
const signedDecimalPattern = '^(0|-?[1-9][0-9]{0,77})$'
const valuePattern = '^(0|[1-9][0-9]{0,17})(\\.[0-9]{1,6})?$'

export function list<Item extends Type.TSchema>(
  item: Item,
  description: string,
  maxItems: number = policyLimits.listEntriesMax,
) {
  return Type.Array(item, { description, minItems: 1, maxItems, uniqueItems: false })
}

export function decimal(description: string) {
  return Type.String({ description, pattern: decimalPattern })
}

export function value(description: string) {
  return Type.String({ description, pattern: valuePattern })
}

export function oneOf<const Value extends string>(values: readonly Value[], description: string) {
  return Type.Enum<Value[]>([...values], { description })
}

export function duration(description: string) {
  return Type.String({ description, pattern: durationForm.source })
}

const addressForms =
  'EVM address (0x and 40 hexadecimal digits, lower case or with a correct EIP-55 checksum), Solana or Bitcoin address'

export const plainAddressItem = Type.String({
  description: `An ${addressForms}.`,
  pattern: `^(?:${addressPattern})$`,
})

export const addressItem = Type.String({
  description: `An ${addressForms}, "@name" of an address book, "wallet" (this wallet) or "account" (the account that acts).`,
  pattern: `^(?:${addressPattern}|${bookPattern}|wallet|account)$`,
})

export const addressOrNoneItem = Type.String({
  description: `An ${addressForms}, "@name" of an address book, "wallet", "account", or "none".`,
  pattern: `^(?:${addressPattern}|${bookPattern}|wallet|account|none)$`,
})

export const assetItem = Type.String({
  description:
    'CAIP-19 asset id, for example eip155:8453/slip44:60 (the native coin), eip155:8453/erc20:0x… or solana:…/token:…; an erc721 or erc1155 asset without token id means all of its tokens.',
  minLength: 1,
  maxLength: 200,
})

export const credentialItem = Type.String({
  description: 'Credential id.',
  pattern: '^[A-Za-z0-9_-]{1,80}$',
})

export const currencyItem = Type.String({
  description: 'Reference currency, as the policy’s "prices" names it, for example USD.',
  pattern: '^[A-Z]{3,10}$',
})

export const timeZoneItem = Type.String({
  description: 'IANA time zone, for example Europe/Berlin or UTC.',
  pattern: '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$',
})

export function name(description: string) {
  return Type.String({ description, pattern: '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$' })
}

const fieldValue = Type.Union(
  [
    Type.String({
      description: 'Text, an address, 0x-hexadecimal, or a decimal integer.',
      maxLength: 10_000,
    }),
    Type.Boolean({ description: 'For boolean fields.' }),
    Type.Integer({
      description: 'A small integer; write large ones as decimal strings.',
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
    }),
  ],
  { description: 'A value to compare a field with.' },
)

export const fieldCondition = Type.Object(
  {
    in: Type.Optional(list(fieldValue, 'The field must be one of these values.')),
    equals: Type.Optional(fieldValue),
    addresses: Type.Optional(list(addressItem, 'The field must be one of these addresses.')),
    startsWith: Type.Optional(
      Type.String({
        description: 'The text, or the 0x-hexadecimal bytes, that the field begins with.',
        minLength: 1,
        maxLength: 10_000,
      }),
    ),
    min: Type.Optional(
      Type.String({
        description: 'Least integer, inclusive, as a decimal string.',
        pattern: signedDecimalPattern,
      }),
    ),
    max: Type.Optional(
      Type.String({
        description: 'Greatest integer, inclusive, as a decimal string.',
        pattern: signedDecimalPattern,
      }),
    ),
  },
  {
    ...strictNonEmpty,
    description:
      'Exactly one of: "in", "equals", "addresses", "startsWith", or a range of "min" and "max" (either or both).',
  },
)

export function fieldConditions(description: string) {
  return Type.Record(Type.String({ pattern: fieldPathPattern }), fieldCondition, {
    ...strictNonEmpty,
    maxProperties: policyLimits.fieldConditionsMax,
    description,
  })
}

export type FieldConditionDocument = Type.Static<typeof fieldCondition>
export type FieldValue = Type.Static<typeof fieldValue>
