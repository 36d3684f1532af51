import { parseAssetId } from '@countersign/bytes'
import type { EffectKind, Operation } from '@countersign/intent'
import { normalTokenId } from './asset-set.ts'
import { amountKinds } from './condition.ts'
import type { RuleId } from './decision.ts'
import type { Policy, Rule } from './policy.ts'

/** Something that a careful author would look at twice; the policy is valid all the same. */
export interface PolicyWarning {
  readonly code: LintCode
  /** `undefined`: about the policy as a whole. */
  readonly rule: RuleId | undefined
  readonly message: string
}

export const lintCodes = {
  'no-permit': 'The policy permits nothing.',
  'no-fee': 'Transactions are permitted but no rule permits their fee.',
  'any-recipient': 'A permit rule on transfers lists no recipients.',
  'any-contract': 'A permit rule on contract calls lists no contracts.',
  'any-spender': 'A permit rule on approvals lists no spenders.',
  'any-delegate': 'A permit rule on delegations lists no delegates.',
  'any-program': 'A permit rule on program calls lists no programs.',
  'any-safe': 'A permit rule on Safe transactions lists no Safes.',
  'any-sender': 'A permit rule on user operations lists no senders.',
  'any-enforcer': 'A permit rule on delegations by signature does not say which caveats they need.',
  'any-authority': 'A permit rule on authorities does not say to whom they may pass.',
  'any-counterparty': 'A permit rule on stake does not say who may gain by it.',
  delegatecall: 'Code of others is permitted to run with every right of the account.',
  'swap-without-minimum': 'A permit rule on swaps does not say how much must come in.',
  'swap-for-anything': 'A permit rule on swaps does not say what must come in.',
  'any-chain': 'A permit rule counts amounts but names neither chain nor asset.',
  'no-amount-cap': 'A permit rule on transfers has neither an amount limit nor a greatest amount.',
  'no-window': 'A permit rule caps each amount but not how many there may be.',
  'approval-without-limit': 'A permit rule on approvals has no amount limit.',
  'approval-without-end': 'A permit rule on approvals by signature does not say when they must end.',
  'no-fee-cap': 'A permit rule on fees has neither a limit nor a greatest amount.',
  'bearer-without-limit': 'A rule permits something to bearer credentials without any limit.',
  'approver-alone': 'Whoever asks can be the only approver.',
  'approvals-unreachable': 'With whoever asks excluded, a group has too few members left.',
  'approvals-avoidable': 'Another rule permits the same effects without conditions, limits or approvals.',
  'unbound-by-asset': 'A permit rule limits what things are worth, but no amount of any asset.',
  'raw-digest': 'Raw digests or raw messages are permitted: they can be any transaction.',
  'unknown-calldata': 'Calldata that does not decode is permitted.',
  'any-typed-data': 'A permit rule on typed data names neither contract nor primary type.',
  'any-message': 'A permit rule on messages permits any text.',
  'never-asked': 'A rule names an operation that never has the effects it names.',
  'asset-off-chain': 'A rule names an asset on a chain that it does not name.',
  'asset-without-limit': 'A permit rule lists an asset that none of its amount limits counts.',
  shadowed: 'A forbid rule without conditions refuses everything that a permit rule permits.',
} as const

export type LintCode = keyof typeof lintCodes

/** @returns in the order of the rules; empty for a policy with nothing to remark. */
export function lintPolicy(policy: Policy): PolicyWarning[] {
  const permits = policy.rules.filter(({ action }) => action === 'permit')
  const warnings: PolicyWarning[] = []
  const warn = (code: LintCode, rule: RuleId | undefined, message: string) =>
    warnings.push({ code, rule, message })
  if (permits.length === 0)
    warn('no-permit', undefined, 'The policy permits nothing: every request is refused.')
  const sends = permits.some((rule) => [...rule.effects].some((kind) => transactionKinds.has(kind)))
  if (sends && policy.permits.fee.length === 0) {
    warn(
      'no-fee',
      undefined,
      'Every transaction has a fee, and no rule permits one: add a permit rule on "fee" with a limit, or no transaction will be signed.',
    )
  }
  for (const rule of policy.rules) {
    for (const [code, message] of ruleWarnings(rule, policy))
      warn(code, rule.id, `Rule ${rule.id} ${message}`)
  }
  return warnings
}

const transactionKinds: ReadonlySet<EffectKind> = new Set([
  'native-transfer',
  'token-transfer',
  'contract-call',
  'unknown-calldata',
  'deploy',
  'batch',
  'delegatecall',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
  'wrap',
  'program-call',
  'account-creation',
  'token-authority',
  'stake',
  'data-output',
])

type Remark = readonly [code: LintCode, message: string]

function ruleWarnings(rule: Rule, policy: Policy): Remark[] {
  const shared = [...neverAsked(rule), ...assetOffChain(rule)]
  if (rule.action === 'forbid') return shared
  return [
    ...shared,
    ...whoReceives(rule),
    ...whoseCode(rule),
    ...howMuch(rule),
    ...swapping(rule),
    ...unreadable(rule),
    ...bearing(rule),
    ...approving(rule, policy),
    ...shadowedBy(rule, policy),
  ]
}

const receivingKinds = [
  'native-transfer',
  'token-transfer',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
] as const

function whoReceives({ effects, document: { when = {} } }: Rule): Remark[] {
  const remarks: Remark[] = []
  if (receivingKinds.some((kind) => effects.has(kind)) && when.recipient === undefined) {
    remarks.push(['any-recipient', 'permits transfers to anybody: list recipients.'])
  }
  if (effects.has('approval') && when.spender === undefined) {
    remarks.push(['any-spender', 'lets anybody be approved as spender: list spenders.'])
  }
  if (effects.has('token-authority') && when.newAuthority === undefined) {
    remarks.push(['any-authority', 'lets authorities pass to anybody: list "newAuthority".'])
  }
  if (effects.has('stake') && when.counterparty === undefined) {
    remarks.push(['any-counterparty', 'lets stake pass to anybody: list "counterparty".'])
  }
  return remarks
}

const callingKinds = [
  'contract-call',
  'batch',
  'delegatecall',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
  'wrap',
] as const

/** Whose code runs, and for which account. */
function whoseCode({ effects, document: { when = {} } }: Rule): Remark[] {
  const remarks: Remark[] = []
  if (callingKinds.some((kind) => effects.has(kind)) && when.contract === undefined) {
    remarks.push(['any-contract', 'permits calls of any contract: list contracts.'])
  }
  if ((effects.has('delegation') || effects.has('delegation-grant')) && when.delegate === undefined) {
    remarks.push(['any-delegate', 'lets anybody’s code or key take over the account: list delegates.'])
  }
  if (effects.has('delegation-grant') && when.enforcers === undefined) {
    remarks.push(['any-enforcer', 'permits delegations with whatever caveats: say which by "enforcers".'])
  }
  if (effects.has('program-call') && when.program === undefined) {
    remarks.push(['any-program', 'permits instructions of any program: list programs.'])
  }
  if (effects.has('safe-transaction') && when.safe === undefined) {
    remarks.push(['any-safe', 'permits transactions of any Safe: list them by "safe".'])
  }
  if (effects.has('user-operation') && when.sender === undefined) {
    remarks.push(['any-sender', 'permits operations of any account: list "sender".'])
  }
  if (effects.has('delegatecall')) {
    remarks.push(['delegatecall', 'lets the code of others run with every right of the account.'])
  }
  return remarks
}

function swapping({ effects, document: { when = {} } }: Rule): Remark[] {
  if (!effects.has('swap')) return []
  const remarks: Remark[] = []
  if (when.received === undefined) {
    remarks.push(['swap-for-anything', 'permits swaps for any asset: list "received".'])
  }
  if (when.minReceived === undefined) {
    remarks.push(['swap-without-minimum', 'permits swaps that bring next to nothing: add "minReceived".'])
  }
  return remarks
}

function bearing({ bearer, limits }: Rule): Remark[] {
  if (!bearer || limits.length > 0) return []
  return [
    ['bearer-without-limit', 'permits to whoever has seen a bearer key, as often as they like: add a limit.'],
  ]
}

function approving(rule: Rule, policy: Policy): Remark[] {
  const remarks: Remark[] = []
  for (const { group, members, count, excludeProposer } of rule.approvals) {
    if (excludeProposer && count === members.size) {
      remarks.push([
        'approvals-unreachable',
        `asks ${count} of the ${members.size} members of group ${group}, none of whom can then ask.`,
      ])
    }
    if (!excludeProposer && count === 1) {
      remarks.push([
        'approver-alone',
        `lets a member of group ${group} approve what it asks for itself: add "excludeProposer".`,
      ])
    }
  }
  if (rule.approvals.length === 0) return remarks
  for (const kind of rule.effects) {
    const open = policy.permits[kind].find((other) => other !== rule && isUnconditional(other))
    if (open === undefined) continue
    remarks.push([
      'approvals-avoidable',
      `asks for approvals of ${kind}, which rule ${open.id} permits without.`,
    ])
    break
  }
  return remarks
}

function isUnconditional(rule: Rule): boolean {
  return (
    rule.approvals.length === 0 &&
    rule.limits.length === 0 &&
    rule.simulation === undefined &&
    appliesToAll(rule)
  )
}

function howMuch(rule: Rule): Remark[] {
  const { effects, limits, limitsAmounts } = rule
  const { when = {} } = rule.document
  const remarks: Remark[] = []
  const carries = [...effects].filter((kind) => amountKinds.has(kind))
  if (carries.length === 0) return remarks
  const capped = when.amount?.max !== undefined || when.value?.max !== undefined
  if (limits.some(({ measure }) => measure === 'value')) {
    if (limitsAmounts) return remarks
    return [
      [
        'unbound-by-asset',
        'limits only what things are worth, so what can leave depends on whoever signs prices: add an amount limit.',
      ],
    ]
  }
  if (!limitsAmounts) {
    if (effects.has('approval')) {
      remarks.push(['approval-without-limit', 'permits approvals without an amount limit: add one.'])
    }
    if (carries.some((kind) => kind !== 'approval' && kind !== 'fee')) {
      if (!capped) remarks.push(['no-amount-cap', 'permits any amount: add "amount.max" or an amount limit.'])
      else if (limits.length === 0)
        remarks.push(['no-window', 'caps each amount but not how often: add a limit.'])
    }
    if (effects.has('fee')) {
      if (!capped) remarks.push(['no-fee-cap', 'permits any fee, and a fee can drain a wallet: add a limit.'])
      else if (limits.length === 0)
        remarks.push(['no-window', 'caps each fee but not how often: add a limit.'])
    }
    if (capped && when.chain === undefined && when.asset === undefined) {
      remarks.push(['any-chain', 'caps amounts of whatever asset on whatever chain: name the asset.'])
    }
  }
  if (effects.has('approval') && when.expiresWithin === undefined && permitsSignatures(rule)) {
    remarks.push([
      'approval-without-end',
      'permits approvals by signature that never end: add "expiresWithin".',
    ])
  }
  const unlimited = limitsAmounts
    ? when.asset?.find(
        (asset) => !limits.some((limit) => limit.assets.touches(normalTokenId(parseAssetId(asset)))),
      )
    : undefined
  if (unlimited !== undefined) {
    remarks.push([
      'asset-without-limit',
      `lists ${unlimited}, which none of its limits counts, so never permits it.`,
    ])
  }
  return remarks
}

function permitsSignatures({ operations }: Rule): boolean {
  return operations === undefined || operations.has('sign-typed-data')
}

function unreadable({ effects, document: { when = {} } }: Rule): Remark[] {
  const remarks: Remark[] = []
  if ((effects.has('raw-digest') || effects.has('raw-message')) && when.digest === undefined) {
    remarks.push([
      'raw-digest',
      'permits signing bytes unseen, which can be any transaction: list digests or drop it.',
    ])
  }
  if (effects.has('unknown-calldata')) {
    remarks.push(['unknown-calldata', 'permits calldata that nobody can read.'])
  }
  const { primaryType } = when.typedData ?? {}
  if (effects.has('typed-data') && when.contract === undefined && primaryType === undefined) {
    remarks.push(['any-typed-data', 'permits typed data of every kind: name contracts and primary types.'])
  }
  if (effects.has('message') && when.text === undefined && when.digest === undefined) {
    remarks.push([
      'any-message',
      'permits any message, a login elsewhere included: name texts where they are known.',
    ])
  }
  return remarks
}

function shadowedBy(rule: Rule, policy: Policy): Remark[] {
  for (const kind of rule.effects) {
    const forbid = policy.forbids[kind].find(appliesToAll)
    if (forbid !== undefined) {
      return [
        [
          'shadowed',
          `permits ${kind}, and rule ${forbid.id} forbids all of it: it never applies to ${kind}.`,
        ],
      ]
    }
  }
  return []
}

/** To every effect of its kinds, whoever asks, whenever. */
function appliesToAll({ document: { when, who, operations, during } }: Rule): boolean {
  return when === undefined && who === undefined && operations === undefined && during === undefined
}

/** What stands inside a user operation, a Safe’s transaction or a delegation. */
const enclosedKinds: ReadonlySet<EffectKind> = new Set([
  ...transactionKinds,
  'approval',
  'fee',
  'user-operation',
  'safe-transaction',
  'delegation-grant',
  'delegation',
  'message',
  'raw-digest',
])

const kindsOf: Readonly<Record<Operation, ReadonlySet<EffectKind>>> = {
  'sign-transaction': new Set([...enclosedKinds, 'memo']),
  'sign-message': new Set<EffectKind>(['message', 'raw-message', 'raw-digest', 'memo']),
  'sign-typed-data': new Set([...enclosedKinds, 'typed-data']),
  'sign-user-operation': new Set([...enclosedKinds, 'typed-data']),
  'sign-authorization': new Set<EffectKind>(['delegation']),
  'sign-raw': new Set<EffectKind>(['raw-digest', 'raw-message']),
}

function neverAsked({ operations, effects }: Rule): Remark[] {
  if (operations === undefined) return []
  const idle = [...operations].find((operation) =>
    [...effects].every((kind) => !kindsOf[operation].has(kind)),
  )
  return idle === undefined
    ? []
    : [['never-asked', `names ${idle}, which never has an effect that it names.`]]
}

function assetOffChain({ document: { when = {} } }: Rule): Remark[] {
  const { chain, asset } = when
  const off =
    chain === undefined ? undefined : asset?.find((id) => !chain.includes(id.slice(0, id.indexOf('/'))))
  return off === undefined ? [] : [['asset-off-chain', `lists ${off}, which is on none of its chains.`]]
}
