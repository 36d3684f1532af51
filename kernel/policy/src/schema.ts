import { effectKinds, operations } from '@countersign/intent'
import Type from 'typebox'
import { conditions } from './schema-conditions.ts'
import {
  assetItem,
  credentialItem,
  currencyItem,
  decimal,
  duration,
  idPattern,
  list,
  oneOf,
  policyLimits,
  strict,
  strictNonEmpty,
  timeZoneItem,
  value,
} from './schema-terms.ts'

export { type FieldConditionDocument, type FieldValue, policyLimits } from './schema-terms.ts'

/** Whose total a limit keeps. */
export const limitSubjects = ['wallet', 'credential', 'grant', 'recipient', 'group', 'organisation'] as const
export const calendarUnits = ['day', 'week', 'month'] as const
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const window = Type.Object(
  {
    rolling: Type.Optional(
      duration('A rolling window: the total over any interval of this length, for example "24h".'),
    ),
    calendar: Type.Optional(
      oneOf(calendarUnits, 'A calendar window: the total since the day, week (Monday) or month began.'),
    ),
    timeZone: Type.Optional(timeZoneItem),
  },
  {
    ...strictNonEmpty,
    description: 'The time over which the limit adds up: "rolling", or "calendar" with "timeZone".',
  },
)

const limitId = Type.String({
  description: 'Names the running total; renaming it starts a new one.',
  pattern: idPattern,
})

const per = Type.Optional(
  oneOf(
    limitSubjects,
    'Whose total it is: each wallet has its own (default), or each credential, grant, recipient or group of wallets, or the organisation has one for all wallets.',
  ),
)

const amountLimit = Type.Object(
  {
    id: limitId,
    amount: decimal('Most that may be signed away in the window, in smallest units.'),
    asset: assetItem,
    window,
    per,
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
    per,
  },
  { ...strict, description: 'At most this many requests per window.' },
)

const valueLimit = Type.Object(
  {
    id: limitId,
    value: value('Most that may be signed away in the window, in whole units of the currency.'),
    currency: currencyItem,
    window,
    per,
  },
  { ...strict, description: 'At most this worth, of all assets together, per window.' },
)

const who = Type.Object(
  {
    credentials: Type.Optional(
      list(credentialItem, 'Credentials that the rule is about.', policyLimits.credentialsMax),
    ),
    roles: Type.Optional(
      list(
        oneOf(['agent', 'approver', 'admin', 'grantee'], 'Role of a credential.'),
        'Roles that the rule is about.',
        4,
      ),
    ),
    bearer: Type.Optional(
      Type.Literal(true, {
        description:
          'The rule is about bearer credentials. Only permit rules that say so permit anything to one; forbid rules without it match all.',
      }),
    ),
  },
  { ...strictNonEmpty, description: 'Who asks; where several are given the asker must fit all.' },
)

const timeOfDay = '([01][0-9]|2[0-3]):[0-5][0-9]'
const instantPattern =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2})$'

const during = Type.Object(
  {
    timeZone: Type.Optional(timeZoneItem),
    days: Type.Optional(list(oneOf(weekdays, 'A day of the week.'), 'Days on which the hours begin.', 7)),
    hours: Type.Optional(
      list(
        Type.Object(
          {
            from: Type.String({ description: 'Local time, inclusive, HH:MM.', pattern: `^${timeOfDay}$` }),
            to: Type.String({
              description:
                'Local time, exclusive, HH:MM up to 24:00; before "from" it is that of the next day.',
              pattern: `^(${timeOfDay}|24:00)$`,
            }),
          },
          { ...strict, description: 'An interval of local time.' },
        ),
        'Hours of the day.',
        policyLimits.hoursMax,
      ),
    ),
    notBefore: Type.Optional(
      Type.String({
        description: 'First instant, for example 2026-12-01T00:00:00Z.',
        pattern: instantPattern,
      }),
    ),
    until: Type.Optional(
      Type.String({ description: 'First instant that is too late.', pattern: instantPattern }),
    ),
  },
  { ...strictNonEmpty, description: 'When the rule applies, by the signer’s clock.' },
)

const simulation = Type.Object(
  {
    by: list(credentialItem, 'Credentials whose simulations count.', policyLimits.simulatorsMax),
    maxAge: Type.Optional(duration('Oldest simulation that counts, for example "2m".')),
    maxOutflows: Type.Optional(
      list(
        Type.Object(
          { asset: assetItem, amount: decimal('Most that may leave beyond what the effects say.') },
          { ...strict, description: 'An outflow that the bytes do not say.' },
        ),
        'Outflows that are tolerated beyond what the decoded effects say; then the simulation must list its outflows.',
        policyLimits.outflowsMax,
      ),
    ),
  },
  { ...strict, description: 'A successful simulation of these very bytes.' },
)

const approval = Type.Object(
  {
    group: Type.String({ description: 'Name of a group of the policy.', pattern: idPattern }),
    count: Type.Integer({
      description: 'How many different members must approve.',
      minimum: 1,
      maximum: policyLimits.credentialsMax,
    }),
    excludeProposer: Type.Optional(
      Type.Boolean({ description: 'Whoever asks does not count as an approver.' }),
    ),
    within: Type.Optional(duration('How long an approval counts, for example "24h".')),
  },
  { ...strict, description: 'Approvals by members of a group.' },
)

const rule = Type.Object(
  {
    id: Type.String({ description: 'Names the rule in decisions and running totals.', pattern: idPattern }),
    action: oneOf(
      ['permit', 'forbid'],
      'A permit rule allows what it matches; a forbid rule refuses it, whatever else permits it.',
    ),
    description: Type.Optional(Type.String({ description: 'For people.', maxLength: 1_000 })),
    who: Type.Optional(who),
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
    during: Type.Optional(during),
    requires: Type.Optional(
      Type.Object(
        { simulation },
        { ...strict, description: 'Signed facts without which the rule does not match. Permit rules only.' },
      ),
    ),
    approvals: Type.Optional(
      list(
        approval,
        'Approvals that the request needs besides; all of them. Permit rules only.',
        policyLimits.approvalsPerRuleMax,
      ),
    ),
    limits: Type.Optional(
      Type.Array(
        Type.Union([amountLimit, countLimit, valueLimit], {
          description: 'An amount, a count or a value limit.',
        }),
        {
          description: 'Running totals; only on permit rules. All of them must have room.',
          minItems: 1,
          maxItems: policyLimits.limitsPerRuleMax,
        },
      ),
    ),
  },
  { ...strict, description: 'One rule.' },
)

const prices = Type.Object(
  {
    currency: currencyItem,
    by: list(credentialItem, 'Credentials whose prices count.', policyLimits.priceSourcesMax),
    maxAge: duration('Oldest price that counts, for example "10m".'),
    count: Type.Optional(
      Type.Integer({
        description: 'How many different credentials must have priced the asset; by default one.',
        minimum: 1,
        maximum: policyLimits.priceSourcesMax,
      }),
    ),
  },
  { ...strict, description: 'Whose signed prices value conditions and value limits use.' },
)

const groups = Type.Record(
  Type.String({ pattern: idPattern }),
  Type.Object(
    {
      credentials: list(credentialItem, 'Members.', policyLimits.credentialsMax),
      description: Type.Optional(Type.String({ description: 'For people.', maxLength: 1_000 })),
    },
    { ...strict, description: 'A group of approvers.' },
  ),
  {
    ...strictNonEmpty,
    maxProperties: policyLimits.groupsMax,
    description: 'Groups of approvers by name.',
  },
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
    prices: Type.Optional(prices),
    groups: Type.Optional(groups),
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
export type WindowDocument = LimitDocument['window']
export type DuringDocument = NonNullable<RuleDocument['during']>
export type ApprovalDocument = NonNullable<RuleDocument['approvals']>[number]
export type SimulationDocument = NonNullable<RuleDocument['requires']>['simulation']
export type PricesDocument = NonNullable<PolicyDocument['prices']>
export type LimitSubject = (typeof limitSubjects)[number]
export type CalendarUnit = (typeof calendarUnits)[number]
export type Weekday = (typeof weekdays)[number]

/** JSON Schema of policy files; docs/policy.schema.json is this. */
export function policyJsonSchema(): Record<string, unknown> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...(JSON.parse(JSON.stringify(policySchema)) as Record<string, unknown>),
  }
}
