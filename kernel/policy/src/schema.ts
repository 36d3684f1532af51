import { effectKinds, operations } from '@countersign/intent'
import Type from 'typebox'
import { durationForm } from './duration.ts'

/** Longest lists of a policy file. */
export const policyLimits = {
  rulesMax: 2_000,
  listEntriesMax: 10_000,
  credentialsMax: 1_000,
  fieldConditionsMax: 32,
  limitsPerRuleMax: 16,
  /** Characters of the canonical JSON of the whole file. */
  textCharsMax: 1_000_000,
} as const

const strict = { additionalProperties: false } as const
const strictNonEmpty = { additionalProperties: false, minProperties: 1 } as const
// Ids stand in window keys between bars, and in sentences: no bar, no space.
const idPattern = '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'
const fieldPathPattern = '^[A-Za-z0-9_$]{1,64}(\\.[A-Za-z0-9_$]{1,64}){0,7}$'
const decimalPattern = '^(0|[1-9][0-9]{0,77})$'
const signedDecimalPattern = '^(0|-?[1-9][0-9]{0,77})$'

function list<Item extends Type.TSchema>(
  item: Item,
  description: string,
  maxItems: number = policyLimits.listEntriesMax,
) {
  return Type.Array(item, { description, minItems: 1, maxItems, uniqueItems: false })
}

function decimal(description: string) {
  return Type.String({ description, pattern: decimalPattern })
}

function oneOf<const Value extends string>(values: readonly Value[], description: string) {
  return Type.Enum<Value[]>([...values], { description })
}

const addressItem = Type.String({
  description: 'EVM address: 0x and 40 hexadecimal digits, lower case or with a correct EIP-55 checksum.',
  pattern: '^0x[0-9a-fA-F]{40}$',
})

const assetItem = Type.String({
  description:
    'CAIP-19 asset id, for example eip155:8453/slip44:60 (the native coin) or eip155:8453/erc20:0x…; an erc721 or erc1155 asset without token id means all of its tokens.',
  minLength: 1,
  maxLength: 200,
})

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

const fieldCondition = Type.Object(
  {
    in: Type.Optional(list(fieldValue, 'The field must be one of these values.')),
    equals: Type.Optional(fieldValue),
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
    description: 'Exactly one of: "in", "equals", or a range of "min" and "max" (either or both).',
  },
)

function fieldConditions(description: string) {
  return Type.Record(Type.String({ pattern: fieldPathPattern }), fieldCondition, {
    ...strictNonEmpty,
    maxProperties: policyLimits.fieldConditionsMax,
    description,
  })
}

const functionCondition = Type.Object(
  {
    abi: Type.String({
      description: 'The function, for example "function transfer(address to, uint256 amount)".',
      minLength: 1,
      maxLength: 1_000,
    }),
    args: Type.Optional(
      fieldConditions(
        'Conditions on arguments by name; a dot reaches into tuples ("order.maker") and arrays ("path.0").',
      ),
    ),
  },
  { ...strict, description: 'The call is to this function and its arguments satisfy the conditions.' },
)

const typedDataCondition = Type.Object(
  {
    primaryType: Type.Optional(
      list(
        Type.String({ description: 'Name of an EIP-712 struct.', maxLength: 256 }),
        'EIP-712 primary types.',
        100,
      ),
    ),
    domain: Type.Optional(fieldConditions('Conditions on fields of the EIP-712 domain.')),
    message: Type.Optional(
      fieldConditions('Conditions on fields of the message; a dot reaches into structs and arrays.'),
    ),
  },
  { ...strictNonEmpty, description: 'Conditions on EIP-712 typed data.' },
)

const conditions = Type.Object(
  {
    chain: Type.Optional(
      list(
        Type.String({ description: 'CAIP-2 chain id, for example eip155:8453.', maxLength: 64 }),
        'Chains.',
        1_000,
      ),
    ),
    asset: Type.Optional(list(assetItem, 'Assets that move, are approved, or pay the fee.')),
    recipient: Type.Optional(list(addressItem, 'Who receives the coins or tokens.')),
    contract: Type.Optional(
      list(addressItem, 'The contract that is called: the token, or the verifying contract of typed data.'),
    ),
    spender: Type.Optional(list(addressItem, 'Who may spend by the approval.')),
    delegate: Type.Optional(list(addressItem, 'Whose code an EIP-7702 delegation installs.')),
    from: Type.Optional(
      list(
        Type.Union([Type.Literal('wallet', { description: 'Tokens of this wallet.' }), addressItem], {
          description: '"wallet", or the account whose tokens are moved by allowance.',
        }),
        'Whose tokens move. Without this condition a permit rule covers only tokens of this wallet.',
      ),
    ),
    selector: Type.Optional(
      list(
        Type.String({ description: 'First four bytes of the calldata.', pattern: '^0x[0-9a-fA-F]{8}$' }),
        'Function selectors.',
      ),
    ),
    function: Type.Optional(functionCondition),
    typedData: Type.Optional(typedDataCondition),
    amount: Type.Optional(
      Type.Object(
        {
          min: Type.Optional(decimal('Least amount, inclusive, in smallest units.')),
          max: Type.Optional(decimal('Greatest amount, inclusive, in smallest units.')),
        },
        {
          ...strictNonEmpty,
          description: 'Bounds on the amount of one effect, in smallest units of its asset.',
        },
      ),
    ),
    expiresWithin: Type.Optional(
      Type.String({
        description: 'The approval must end by itself no later than this long from now, for example "30m".',
        pattern: durationForm.source,
      }),
    ),
    text: Type.Optional(fieldCondition),
    digest: Type.Optional(
      list(
        Type.String({ description: '32 bytes.', pattern: '^0x[0-9a-fA-F]{64}$' }),
        'Exact hashes: of a raw digest, of a message, or of deployed init code.',
      ),
    ),
  },
  { ...strictNonEmpty, description: 'Conditions on the effect; all of them must hold.' },
)

const window = Type.Object(
  {
    rolling: Type.String({
      description: 'A rolling window: the total over any interval of this length, for example "24h".',
      pattern: durationForm.source,
    }),
  },
  { ...strict, description: 'The time over which the limit adds up.' },
)

const limitId = Type.String({
  description: 'Names the running total; renaming it starts a new one.',
  pattern: idPattern,
})

const amountLimit = Type.Object(
  {
    id: limitId,
    amount: decimal('Most that may be signed away in the window, in smallest units.'),
    asset: assetItem,
    window,
  },
  { ...strict, description: 'At most this amount of one asset per window.' },
)

const countLimit = Type.Object(
  {
    id: limitId,
    count: Type.Integer({
      description:
        'Most requests in the window; a request counts once however many of its effects the rule permits.',
      minimum: 1,
      maximum: 1_000_000_000,
    }),
    window,
  },
  { ...strict, description: 'At most this many requests per window.' },
)

const rule = Type.Object(
  {
    id: Type.String({ description: 'Names the rule in decisions and running totals.', pattern: idPattern }),
    action: oneOf(
      ['permit', 'forbid'],
      'A permit rule allows what it matches; a forbid rule refuses it, whatever else permits it.',
    ),
    description: Type.Optional(Type.String({ description: 'For people.', maxLength: 1_000 })),
    who: Type.Optional(
      Type.Object(
        {
          credentials: Type.Optional(
            list(
              Type.String({ description: 'Credential id.', pattern: '^[A-Za-z0-9_-]{1,80}$' }),
              'Credentials that the rule is about.',
              policyLimits.credentialsMax,
            ),
          ),
          roles: Type.Optional(
            list(
              oneOf(['agent', 'approver', 'admin'], 'Role of a credential.'),
              'Roles that the rule is about.',
              3,
            ),
          ),
        },
        { ...strictNonEmpty, description: 'Who asks; where both lists are given the asker must be in both.' },
      ),
    ),
    operations: Type.Optional(
      list(
        oneOf(operations, 'What the key is asked for.'),
        'Operations that the rule is about.',
        operations.length,
      ),
    ),
    effects: list(
      oneOf(effectKinds, 'A kind of effect.'),
      'Kinds of effect that the rule is about; every condition must make sense for each of them.',
      effectKinds.length,
    ),
    when: Type.Optional(conditions),
    limits: Type.Optional(
      Type.Array(Type.Union([amountLimit, countLimit], { description: 'An amount or a count limit.' }), {
        description: 'Running totals; only on permit rules. All of them must have room.',
        minItems: 1,
        maxItems: policyLimits.limitsPerRuleMax,
      }),
    ),
  },
  { ...strict, description: 'One rule.' },
)

export const policySchema = Type.Object(
  {
    $schema: Type.Optional(
      Type.String({ description: 'Where an editor finds this schema; ignored.', maxLength: 500 }),
    ),
    version: Type.Literal(1, { description: 'Version of this format.' }),
    id: Type.String({ description: 'Names the policy.', pattern: idPattern }),
    name: Type.Optional(Type.String({ description: 'For people.', maxLength: 200 })),
    description: Type.Optional(Type.String({ description: 'For people.', maxLength: 2_000 })),
    rules: Type.Array(rule, {
      description: 'Tried in order. What no permit rule permits is refused; without rules, everything is.',
      maxItems: policyLimits.rulesMax,
    }),
  },
  {
    ...strict,
    $id: 'urn:countersign:policy:1',
    title: 'Countersign policy',
    description: 'What a wallet may sign: permit and forbid rules, deny by default, forbid wins.',
  },
)

/** A policy file as written, before `parsePolicy`. */
export type PolicyDocument = Type.Static<typeof policySchema>
export type RuleDocument = PolicyDocument['rules'][number]
export type ConditionsDocument = NonNullable<RuleDocument['when']>
export type LimitDocument = NonNullable<RuleDocument['limits']>[number]
export type FieldConditionDocument = Type.Static<typeof fieldCondition>
export type FieldValue = Type.Static<typeof fieldValue>

/** JSON Schema of policy files; docs/policy.schema.json is this. */
export function policyJsonSchema(): Record<string, unknown> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...(JSON.parse(JSON.stringify(policySchema)) as Record<string, unknown>),
  }
}
