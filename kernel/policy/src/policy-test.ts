import { type Hex, isCountersignError, parseAccountAddress } from '@countersign/bytes'
import type { Intent } from '@countersign/intent'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { addressBookSchema, parseAddressBook } from './address-book.ts'
import { policyError } from './catalogue.ts'
import type { Facts, WindowKey } from './decision.ts'
import { explainDecision } from './decision-json.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import { type PriceFact, parseFact, type SimulationFact } from './fact.ts'
import type { Policy } from './policy.ts'
import { complaintOf } from './schema-complaint.ts'
import {
  assetItem,
  credentialItem,
  currencyItem,
  decimal,
  list,
  oneOf,
  plainAddressItem,
  policyLimits,
  strict,
  strictNonEmpty,
} from './schema-terms.ts'
import { intentOfTestRequest, testRequestSchema } from './test-request.ts'

const casesMax = 10_000

const price = Type.Object(
  {
    by: credentialItem,
    asset: assetItem,
    currency: currencyItem,
    price: Type.String({ description: 'For one whole unit, for example "3012.45".', maxLength: 64 }),
    decimals: Type.Integer({ description: 'Digits after the point of the asset.', minimum: 0, maximum: 77 }),
    ageS: Type.Optional(
      Type.Integer({ description: 'How many seconds old it is.', minimum: 0, maximum: 100_000_000 }),
    ),
  },
  { ...strict, description: 'A price by a credential.' },
)

const simulation = Type.Object(
  {
    by: credentialItem,
    outcome: oneOf(['success', 'revert'], 'What became of it.'),
    maxOutflows: Type.Optional(
      list(
        Type.Object(
          { asset: assetItem, amount: decimal('Smallest units.') },
          { ...strict, description: 'An outflow.' },
        ),
        'What left the account, at most.',
        policyLimits.outflowsMax,
      ),
    ),
  },
  { ...strict, description: 'A simulation by a credential.' },
)

const testCase = Type.Object(
  {
    name: Type.String({ description: 'Says what the case is about.', minLength: 1, maxLength: 200 }),
    request: testRequestSchema,
    as: Type.Optional(
      Type.Object(
        {
          credential: Type.Optional(credentialItem),
          role: Type.Optional(
            oneOf(['agent', 'approver', 'admin', 'grantee'], 'Role of the credential; agent by default.'),
          ),
          bearer: Type.Optional(Type.Boolean({ description: 'It is a bearer credential.' })),
        },
        { ...strictNonEmpty, description: 'Who asks.' },
      ),
    ),
    at: Type.Optional(
      Type.String({
        description: 'When, for example 2026-12-01T09:00:00Z.',
        pattern:
          '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2})$',
      }),
    ),
    wallet: Type.Optional(
      Type.Object(
        {
          address: Type.Optional(plainAddressItem),
          group: Type.Optional(credentialItem),
          grant: Type.Optional(credentialItem),
        },
        { ...strictNonEmpty, description: 'The wallet that is asked for, and by which grant.' },
      ),
    ),
    used: Type.Optional(
      Type.Record(Type.String(), Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' }), {
        description:
          'What is taken of windows already, by rule and limit ("pay|daily"): requests, smallest units, or millionths of the currency.',
      }),
    ),
    approvals: Type.Optional(list(credentialItem, 'Credentials that have approved just now.', 1_000)),
    prices: Type.Optional(list(price, 'Prices that hold at this time.', 1_000)),
    simulations: Type.Optional(list(simulation, 'Simulations of these bytes, just made.', 100)),
    expect: oneOf(['permitted', 'needs-approval', 'refused'], 'What the decision must be.'),
    reasons: Type.Optional(
      list(
        Type.String({ description: 'A reason code.', pattern: '^POLICY_[A-Z_]+$' }),
        'Codes that must all be among the reasons.',
        100,
      ),
    ),
    rules: Type.Optional(
      list(
        Type.String({ description: 'A rule id.', maxLength: 64 }),
        'For each effect, the rule that must permit it.',
        100,
      ),
    ),
  },
  { ...strict, description: 'One case.' },
)

export const policyTestSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'Ignored.', maxLength: 500 })),
    version: Type.Literal(1, { description: 'Version of this format.' }),
    books: Type.Optional(list(addressBookSchema, 'Address books that the policy refers to.', 100)),
    cases: Type.Array(testCase, { description: 'Cases.', minItems: 1, maxItems: casesMax }),
  },
  { ...strict, title: 'Countersign policy tests', description: 'What a policy must permit and refuse.' },
)

export type PolicyTestDocument = Type.Static<typeof policyTestSchema>
type CaseDocument = PolicyTestDocument['cases'][number]

export interface PolicyTestResult {
  readonly name: string
  readonly passed: boolean
  /** What is not as expected; empty where it passed. */
  readonly problems: readonly string[]
  /** The decision in words. */
  readonly decision: readonly string[]
}

export interface PolicyTestReport {
  readonly passed: number
  readonly failed: number
  readonly cases: readonly PolicyTestResult[]
}

/**
 * Decides every case of a test file and compares. Windows hold what a case says and are empty otherwise.
 * @param nowMs When cases that do not say so take place.
 * @throws {CountersignError} POLICY_TEST_INVALID, POLICY_BOOK_INVALID, and what decoding throws, with the case's name. */
export function runPolicyTests(
  policy: Policy,
  file: unknown,
  { nowMs }: { nowMs: number },
): PolicyTestReport {
  if (!Check(policyTestSchema, file)) {
    const { path, message } = complaintOf(policyTestSchema, file)
    throw invalid(path, message)
  }
  const books = new Map((file.books ?? []).map((book) => [book.id, parseAddressBook(book)]))
  const cases = file.cases.map((one, i) => runCase(policy, one, { nowMs, books, path: `cases[${i}]` }))
  const failed = cases.filter(({ passed }) => !passed).length
  return { passed: cases.length - failed, failed, cases }
}

interface Setting {
  readonly nowMs: number
  readonly books: NonNullable<Facts['books']>
  readonly path: string
}

function runCase(policy: Policy, one: CaseDocument, setting: Setting): PolicyTestResult {
  const { path } = setting
  const intent = within(`${path}.request`, one.name, () =>
    intentOfTestRequest(one.request, { walletAddress: one.wallet?.address, path: `${path}.request` }),
  )
  const facts = factsOf(one, intent, setting)
  const layers = [{ layer: 'wallet', policy }] as const
  const unmatched = new Set(Object.keys(one.used ?? {}))
  const used = new Map<WindowKey, bigint>()
  for (const { key } of windowsNeeded(intent, facts, layers)) {
    const [, , , rule, limit] = key.split('|')
    const name = `${rule}|${limit}`
    unmatched.delete(name)
    used.set(key, BigInt(one.used?.[name] ?? '0'))
  }
  const decision = evaluate({ intent, facts, layers, used })
  const problems: string[] = []
  if (decision.outcome !== one.expect) problems.push(`it is ${decision.outcome}, not ${one.expect}`)
  const codes = [...decision.reasons, ...decision.effects.flatMap(({ reasons }) => reasons)].map(
    ({ code }) => code,
  )
  for (const code of one.reasons ?? []) {
    if (!codes.includes(code)) problems.push(`${code} is not among the reasons`)
  }
  const rules = decision.effects.map(({ permittedBy }) => permittedBy[0]?.rule ?? 'none')
  if (one.rules !== undefined && one.rules.join(' ') !== rules.join(' ')) {
    problems.push(`its effects are permitted by ${rules.join(', ')}, not by ${one.rules.join(', ')}`)
  }
  for (const name of unmatched) problems.push(`"used" names ${name}, which no rule that fits counts in`)
  return { name: one.name, passed: problems.length === 0, problems, decision: explainDecision(decision) }
}

function factsOf(
  one: CaseDocument,
  { operation, payloadDigest }: Intent,
  { nowMs, books, path }: Setting,
): Facts {
  const atMs = one.at === undefined ? nowMs : Date.parse(one.at)
  if (Number.isNaN(atMs)) throw invalid(`${path}.at`, 'it is no date that there is')
  const { address, group, grant } = one.wallet ?? {}
  if (one.simulations !== undefined && address === undefined)
    throw invalid(`${path}.wallet`, 'a simulation is of one wallet, so it needs its `address`')
  return {
    walletId: 'wal_000000000000000000000000',
    operation,
    credentialId: one.as?.credential ?? 'nobody',
    role: one.as?.role ?? 'agent',
    bearer: one.as?.bearer,
    nowMs: atMs,
    walletAddress:
      address === undefined
        ? undefined
        : within(`${path}.wallet.address`, one.name, () => parseAccountAddress(address)),
    grantId: grant,
    groupId: group,
    books,
    approvals: one.approvals?.map((credentialId) => ({ credentialId, atMs })),
    prices: within(`${path}.prices`, one.name, () => pricesOf(one, atMs)),
    simulations: within(`${path}.simulations`, one.name, () => simulationsOf(one, payloadDigest, atMs)),
  }
}

const factLifeMs = 3_600_000

function pricesOf({ prices }: CaseDocument, nowMs: number): PriceFact[] {
  return (prices ?? []).flatMap(({ by, ageS = 0, ...price }) => {
    const atMs = nowMs - ageS * 1_000
    const fact = parseFact({
      ...{ v: 1, type: 'price', ...price },
      ...{ atMs, expiresAtMs: nowMs + factLifeMs, credentialId: by },
    })
    return fact.type === 'price' ? [fact] : []
  })
}

function simulationsOf(
  { simulations, wallet }: CaseDocument,
  payloadDigest: Hex,
  atMs: number,
): SimulationFact[] {
  return (simulations ?? []).flatMap(({ by, ...simulation }) => {
    const fact = parseFact({
      ...{ v: 1, type: 'simulation', payloadDigest, account: wallet?.address, ...simulation },
      ...{ atMs, expiresAtMs: atMs + factLifeMs, credentialId: by },
    })
    return fact.type === 'simulation' ? [fact] : []
  })
}

function within<T>(path: string, name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!isCountersignError(cause) || cause.code === 'POLICY_TEST_INVALID') throw cause
    const message = `At ${path}, case ${JSON.stringify(name)}: ${cause.message}`
    throw policyError('POLICY_TEST_INVALID', message, { details: { path }, cause })
  }
}

function invalid(path: string, message: string) {
  const where = path === '' ? 'The test file' : `At ${path}`
  return policyError('POLICY_TEST_INVALID', `${where}: ${message}.`, { details: { path } })
}
