import {
  type AccountAddress,
  type AssetId,
  type ChainId,
  nativeAsset,
  parseAddress,
  parseAmountMinor,
  parseAssetId,
  parseChainId,
} from '@countersign/bytes'
import type { Effect, EffectKind, TokenTransfer } from '@countersign/intent'
import { AssetSet, amountUnder, normalTokenId } from './asset-set.ts'
import type { Facts } from './decision.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { compileFieldCondition } from './field-condition.ts'
import { compileFunctionCondition, type FunctionDecoders } from './function-condition.ts'
import type { PolicyReasonCode } from './reasons.ts'
import type { ConditionsDocument, RuleDocument } from './schema.ts'
import { compileTypedDataCondition } from './typed-data-condition.ts'

export type ConditionName = keyof ConditionsDocument

export interface Failure {
  readonly code: PolicyReasonCode
  /** Half a sentence that follows "Rule x:". */
  readonly message: string
}

/** One compiled condition of one rule. */
export interface Condition {
  readonly name: ConditionName
  /**
   * `undefined`: cannot be judged (the effect lacks the field, arguments do not decode). A permit rule then does
   * not match and a forbid rule does: both fail closed.
   */
  judge(effect: Effect, facts: Facts): boolean | undefined
  /** Called for permit rules where `judge` was not true. */
  explain(effect: Effect, facts: Facts): readonly Failure[]
}

/** To which kinds of effect each condition can apply; a rule with any other kind is refused when it is parsed. */
export const conditionKinds: Readonly<Record<ConditionName, readonly EffectKind[]>> = {
  chain: [
    'native-transfer',
    'token-transfer',
    'approval',
    'contract-call',
    'unknown-calldata',
    'deploy',
    'delegation',
    'fee',
    'typed-data',
  ],
  asset: ['native-transfer', 'token-transfer', 'approval', 'deploy', 'fee'],
  recipient: ['native-transfer', 'token-transfer'],
  contract: ['token-transfer', 'approval', 'contract-call', 'unknown-calldata', 'typed-data'],
  spender: ['approval'],
  delegate: ['delegation'],
  from: ['token-transfer'],
  selector: ['token-transfer', 'approval', 'contract-call'],
  function: ['contract-call'],
  typedData: ['typed-data'],
  amount: ['native-transfer', 'token-transfer', 'approval', 'deploy', 'fee'],
  expiresWithin: ['approval'],
  text: ['message'],
  digest: ['raw-digest', 'raw-message', 'message', 'deploy'],
}

/** Kinds that carry an amount: only these can draw on an amount limit. */
export const amountKinds: ReadonlySet<EffectKind> = new Set(conditionKinds.amount)

/** Where in the file a condition stands, and what it may need from the rest of the file. */
export interface CompileContext {
  readonly action: RuleDocument['action']
  readonly decoders: FunctionDecoders
  /** @throws always: POLICY_INVALID at `path`, relative to the rule. */
  invalid(path: string, message: string): never
  /** Runs a parser of kernel/bytes and turns its refusal into POLICY_INVALID at `path`. */
  parsed<T>(path: string, parse: () => T): T
}

/** @returns in the order in which they are cheap to judge. */
export function compileConditions(when: ConditionsDocument, context: CompileContext): Condition[] {
  const out: Condition[] = []
  const assets = when.asset === undefined ? undefined : compileAssets(when.asset, context)
  if (when.chain !== undefined) out.push(chainCondition(when.chain, context))
  if (assets !== undefined) out.push(assetCondition(assets, context))
  if (when.recipient !== undefined) out.push(addressCondition('recipient', when.recipient, context))
  if (when.contract !== undefined) out.push(addressCondition('contract', when.contract, context))
  if (when.spender !== undefined) out.push(addressCondition('spender', when.spender, context))
  if (when.delegate !== undefined) out.push(addressCondition('delegate', when.delegate, context))
  if (when.from !== undefined) out.push(fromCondition(when.from, context))
  if (when.selector !== undefined) out.push(selectorCondition(when.selector))
  if (when.amount !== undefined) out.push(amountCondition(when.amount, assets, context))
  if (when.digest !== undefined) out.push(digestCondition(when.digest))
  if (when.expiresWithin !== undefined) out.push(expiryCondition(when.expiresWithin, context))
  if (when.text !== undefined) out.push(textCondition(when.text, context))
  if (when.typedData !== undefined) out.push(compileTypedDataCondition(when.typedData, context))
  if (when.function !== undefined) out.push(compileFunctionCondition(when.function, context))
  return out
}

/** Stands in for a missing `from` on permit rules: moving other people's tokens must be named. */
export const ownTokensOnly: Condition = {
  name: 'from',
  judge: (effect, facts) => effect.kind !== 'token-transfer' || isOwn(effect, facts),
  explain: (effect) => [
    {
      code: 'POLICY_FROM',
      message: `the tokens belong to ${fromOf(effect)}; without a "from" condition only tokens of this wallet are permitted`,
    },
  ],
}

/** What the effect moves, under each standard that its bytes fit. Empty for kinds without assets. */
export function assetsOf(effect: Effect): readonly AssetId[] {
  switch (effect.kind) {
    case 'native-transfer':
    case 'fee':
      return [effect.asset]
    case 'token-transfer':
    case 'approval':
      return effect.assets
    case 'deploy':
      return [nativeAsset(effect.chain)]
    default:
      return []
  }
}

/** `undefined`: no greatest amount. Only for `amountKinds`. */
export function amountOf(effect: Effect): bigint | undefined {
  switch (effect.kind) {
    case 'native-transfer':
    case 'token-transfer':
    case 'approval':
    case 'fee':
      return effect.amountMinor
    case 'deploy':
      return effect.valueMinor
    default:
      return undefined
  }
}

function chainCondition(chains: readonly string[], context: CompileContext): Condition {
  const listed = new Set(
    chains.map((chain, i) => context.parsed(`when.chain[${i}]`, () => parseChainId(chain, 'The chain'))),
  )
  return {
    name: 'chain',
    judge: (effect) => {
      const chain = chainOf(effect)
      return chain === undefined ? undefined : listed.has(chain)
    },
    explain: (effect) => {
      const chain = chainOf(effect)
      const message =
        chain === undefined
          ? 'the bytes are not bound to a chain, and the rule names chains'
          : `chain ${chain} is not listed`
      return [{ code: 'POLICY_CHAIN', message }]
    },
  }
}

function compileAssets(assets: readonly string[], context: CompileContext): AssetSet {
  return new AssetSet(
    assets.map((asset, i) =>
      context.parsed(`when.asset[${i}]`, () => normalTokenId(parseAssetId(asset, 'The asset'))),
    ),
  )
}

function assetCondition(listed: AssetSet, { action }: CompileContext): Condition {
  return {
    name: 'asset',
    judge: (effect) => {
      for (const asset of assetsOf(effect)) {
        if (action === 'permit' ? listed.covers(asset) : listed.touches(asset)) return true
      }
      return false
    },
    explain: (effect) => [
      { code: 'POLICY_ASSET', message: `asset ${assetsOf(effect).join(' or ')} is not listed` },
    ],
  }
}

type AddressConditionName = 'recipient' | 'contract' | 'spender' | 'delegate'

const addressReasons = {
  recipient: 'POLICY_RECIPIENT',
  contract: 'POLICY_CONTRACT',
  spender: 'POLICY_SPENDER',
  delegate: 'POLICY_DELEGATE',
} as const satisfies Record<AddressConditionName, PolicyReasonCode>

const addressReaders: Readonly<Record<AddressConditionName, (effect: Effect) => AccountAddress | undefined>> =
  {
    recipient: (effect) =>
      effect.kind === 'native-transfer' || effect.kind === 'token-transfer' ? effect.recipient : undefined,
    contract: (effect) => {
      switch (effect.kind) {
        case 'token-transfer':
        case 'approval':
        case 'contract-call':
        case 'unknown-calldata':
          return effect.contract
        case 'typed-data':
          return effect.verifyingContract
        default:
          return undefined
      }
    },
    spender: (effect) => (effect.kind === 'approval' ? effect.spender : undefined),
    delegate: (effect) => (effect.kind === 'delegation' ? effect.delegate : undefined),
  }

function addressCondition(
  name: AddressConditionName,
  addresses: readonly string[],
  context: CompileContext,
): Condition {
  const listed = new Set<AccountAddress>(
    addresses.map((address, i) =>
      context.parsed(`when.${name}[${i}]`, () => parseAddress(address, `The ${name}`)),
    ),
  )
  const read = addressReaders[name]
  return {
    name,
    judge: (effect) => {
      const address = read(effect)
      return address === undefined ? undefined : listed.has(address)
    },
    explain: (effect) => {
      const address = read(effect)
      const message = address === undefined ? `the bytes name no ${name}` : `${name} ${address} is not listed`
      return [{ code: addressReasons[name], message }]
    },
  }
}

/** `undefined`: the bytes name an account, and this wallet's own address is not among the facts. */
function isOwn(effect: TokenTransfer, { walletAddress }: Facts): boolean | undefined {
  if (effect.from === undefined) return true
  return walletAddress === undefined ? undefined : effect.from === walletAddress
}

function fromOf(effect: Effect): string {
  return (effect.kind === 'token-transfer' ? effect.from : undefined) ?? 'this wallet'
}

function fromCondition(from: readonly string[], context: CompileContext): Condition {
  const ownListed = from.includes('wallet')
  const others = new Set<AccountAddress>()
  from.forEach((address, i) => {
    if (address !== 'wallet') {
      others.add(context.parsed(`when.from[${i}]`, () => parseAddress(address, 'The account')))
    }
  })
  return {
    name: 'from',
    judge: (effect, facts) => {
      if (effect.kind !== 'token-transfer') return undefined
      const account = effect.from ?? facts.walletAddress
      if (account !== undefined && others.has(account)) return true
      const own = isOwn(effect, facts)
      if (own === true && account === undefined && !ownListed) return undefined
      return ownListed ? own : false
    },
    explain: (effect) => [
      {
        code: 'POLICY_FROM',
        message: `the tokens belong to ${fromOf(effect)}, which is not listed in "from"`,
      },
    ],
  }
}

function selectorOf(effect: Effect): string | undefined {
  switch (effect.kind) {
    case 'contract-call':
    case 'token-transfer':
    case 'approval':
      return effect.selector
    default:
      return undefined
  }
}

function selectorCondition(selectors: readonly string[]): Condition {
  const listed = new Set(selectors.map((selector) => selector.toLowerCase()))
  return {
    name: 'selector',
    judge: (effect) => {
      const selector = selectorOf(effect)
      return selector === undefined ? undefined : listed.has(selector)
    },
    explain: (effect) => {
      const selector = selectorOf(effect)
      const message =
        selector === undefined
          ? 'a signature carries no function selector, and the rule names selectors'
          : `selector ${selector} is not listed`
      return [{ code: 'POLICY_SELECTOR', message }]
    },
  }
}

/**
 * Where the bytes fit two standards, the amounts differ: a permit must hold under each that its own asset
 * condition leaves open, a forbid matches under any.
 */
function amountCondition(
  { min: minText, max: maxText }: NonNullable<ConditionsDocument['amount']>,
  assets: AssetSet | undefined,
  context: CompileContext,
): Condition {
  const min = context.parsed('when.amount.min', () => parseAmountMinor(minText ?? '0', 'The amount'))
  const max =
    maxText === undefined
      ? undefined
      : context.parsed('when.amount.max', () => parseAmountMinor(maxText, 'The amount'))
  if (max !== undefined && min > max) context.invalid('when.amount', '"min" is above "max"')
  const isPermit = context.action === 'permit'
  const isInside = (amountMinor: bigint | undefined) =>
    amountMinor === undefined
      ? max === undefined
      : amountMinor >= min && (max === undefined || amountMinor <= max)
  return {
    name: 'amount',
    judge: (effect) => {
      const candidates = assetsOf(effect)
      const amountMinor = amountOf(effect)
      if (candidates.length < 2) {
        const only = candidates[0]
        return isInside(only === undefined ? amountMinor : amountUnder(only, amountMinor))
      }
      let judged = false
      for (const asset of candidates) {
        if (assets !== undefined && !(isPermit ? assets.covers(asset) : assets.touches(asset))) continue
        judged = true
        if (isInside(amountUnder(asset, amountMinor)) !== isPermit) return !isPermit
      }
      return judged ? isPermit : isInside(amountMinor)
    },
    explain: (effect) => {
      const amountMinor = amountOf(effect)
      const unit = assetsOf(effect)[0] ?? 'the asset'
      if (amountMinor === undefined) {
        return [{ code: 'POLICY_AMOUNT', message: `the amount of ${unit} has no bound, and max is ${max}` }]
      }
      if (max !== undefined && amountMinor > max) {
        const message = `amount ${amountMinor} of ${unit} is over max ${max} by ${amountMinor - max}`
        return [{ code: 'POLICY_AMOUNT', message }]
      }
      if (amountMinor < min) {
        const message = `amount ${amountMinor} of ${unit} is under min ${min} by ${min - amountMinor}`
        return [{ code: 'POLICY_AMOUNT', message }]
      }
      const message = `the amount of ${assetsOf(effect).join(' or ')} is outside ${min} to ${max} under one of these readings`
      return [{ code: 'POLICY_AMOUNT', message }]
    },
  }
}

function digestOf(effect: Effect): string | undefined {
  switch (effect.kind) {
    case 'raw-digest':
      return effect.digest
    case 'raw-message':
    case 'message':
      return effect.messageHash
    case 'deploy':
      return effect.initCodeHash
    default:
      return undefined
  }
}

function digestCondition(digests: readonly string[]): Condition {
  const listed = new Set(digests.map((digest) => digest.toLowerCase()))
  return {
    name: 'digest',
    judge: (effect) => {
      const digest = digestOf(effect)
      return digest === undefined ? undefined : listed.has(digest)
    },
    explain: (effect) => [{ code: 'POLICY_DIGEST', message: `hash ${digestOf(effect)} is not listed` }],
  }
}

function expiryCondition(text: string, context: CompileContext): Condition {
  const withinMs = parseDuration(text)
  if (withinMs === undefined) return context.invalid('when.expiresWithin', 'the duration is longer than 366d')
  return {
    name: 'expiresWithin',
    judge: (effect, { nowMs }) => {
      if (effect.kind !== 'approval' || effect.expiresAtS === undefined) return undefined
      return effect.expiresAtS * 1000n <= BigInt(nowMs) + BigInt(withinMs)
    },
    explain: (effect, { nowMs }) => {
      const expiresAtS = effect.kind === 'approval' ? effect.expiresAtS : undefined
      if (expiresAtS === undefined) {
        const message = `the approval never ends by itself; it must within ${formatDuration(withinMs)}`
        return [{ code: 'POLICY_EXPIRY', message }]
      }
      const overMs = expiresAtS * 1000n - BigInt(nowMs) - BigInt(withinMs)
      const overS = (overMs + 999n) / 1000n
      const message = `the approval ends ${overS} s later than ${formatDuration(withinMs)} from now`
      return [{ code: 'POLICY_EXPIRY', message }]
    },
  }
}

function textCondition(
  condition: NonNullable<ConditionsDocument['text']>,
  context: CompileContext,
): Condition {
  const test = context.parsed('when.text', () => compileFieldCondition(condition, 'text'))
  const textOf = (effect: Effect) => (effect.kind === 'message' ? effect.text : undefined)
  return {
    name: 'text',
    judge: (effect) => test.judge(textOf(effect)),
    explain: (effect) => {
      const text = textOf(effect)
      const message =
        text === undefined ? 'the message is not UTF-8 text' : `the message ${test.explain(text)}`
      return [{ code: 'POLICY_TEXT', message }]
    },
  }
}

function chainOf(effect: Effect): ChainId | undefined {
  return 'chain' in effect ? effect.chain : undefined
}
