import type { AccountAddress } from '@countersign/bytes'
import type { Acting, Effect, EffectKind } from '@countersign/intent'
import { AddressSet, actorOf } from './address-set.ts'
import type { CompileContext, Condition, Failure } from './condition.ts'
import type { Facts } from './decision.ts'
import type { PolicyReasonCode } from './reasons.ts'
import type { ConditionsDocument } from './schema.ts'

/** Conditions that compare one address of the effect with a list. */
export const addressConditionNames = [
  'account',
  'recipient',
  'contract',
  'spender',
  'delegate',
  'delegator',
  'from',
  'owner',
  'program',
  'entryPoint',
  'sender',
  'paymaster',
  'factory',
  'safe',
  'address',
  'mint',
  'newAuthority',
  'counterparty',
] as const satisfies readonly (keyof ConditionsDocument)[]
export type AddressConditionName = (typeof addressConditionNames)[number]

type Fields = Readonly<Partial<Record<EffectKind, string>>>

interface Definition {
  readonly fields: Fields
  readonly code: PolicyReasonCode
  readonly noun: string
  /**
   * What it means that the effect does not have the address. `unknown`: it cannot be judged. `none`: there is none,
   * which the list can name. `actor`: it is that of the account that acts.
   */
  readonly absent: 'unknown' | 'none' | 'actor'
}

const own = (code: PolicyReasonCode, noun: string, fields: Fields): Definition => ({
  fields,
  code,
  noun,
  absent: 'unknown',
})

const definitions: Readonly<Record<AddressConditionName, Definition>> = {
  // Which kinds can have an account stands in `conditionKinds`.
  account: { fields: {}, code: 'POLICY_ACCOUNT', noun: 'account', absent: 'actor' },
  recipient: own('POLICY_RECIPIENT', 'recipient', {
    'native-transfer': 'recipient',
    'token-transfer': 'recipient',
    swap: 'recipient',
    'vault-deposit': 'recipient',
    'vault-withdrawal': 'recipient',
  }),
  contract: own('POLICY_CONTRACT', 'contract', {
    'token-transfer': 'contract',
    approval: 'contract',
    'contract-call': 'contract',
    'unknown-calldata': 'contract',
    batch: 'contract',
    delegatecall: 'contract',
    'delegation-grant': 'delegationManager',
    swap: 'contract',
    'vault-deposit': 'contract',
    'vault-withdrawal': 'contract',
    wrap: 'contract',
    'typed-data': 'verifyingContract',
  }),
  spender: own('POLICY_SPENDER', 'spender', { approval: 'spender' }),
  delegate: own('POLICY_DELEGATE', 'delegate', { delegation: 'delegate', 'delegation-grant': 'delegate' }),
  delegator: own('POLICY_PARTY', 'delegator', { 'delegation-grant': 'delegator' }),
  from: {
    fields: { 'token-transfer': 'from' },
    code: 'POLICY_FROM',
    noun: 'owner of the tokens',
    absent: 'actor',
  },
  owner: {
    fields: { 'vault-withdrawal': 'owner', 'account-creation': 'owner' },
    code: 'POLICY_PARTY',
    noun: 'owner',
    absent: 'none',
  },
  program: own('POLICY_PROGRAM', 'program', { 'program-call': 'program', 'account-creation': 'program' }),
  entryPoint: own('POLICY_PARTY', 'entry point', { 'user-operation': 'entryPoint' }),
  sender: own('POLICY_PARTY', 'sender', { 'user-operation': 'sender' }),
  paymaster: {
    fields: { 'user-operation': 'paymaster' },
    code: 'POLICY_PARTY',
    noun: 'paymaster',
    absent: 'none',
  },
  factory: {
    fields: { 'user-operation': 'factory' },
    code: 'POLICY_PARTY',
    noun: 'factory',
    absent: 'none',
  },
  safe: own('POLICY_PARTY', 'Safe', { 'safe-transaction': 'safe' }),
  address: own('POLICY_PARTY', 'account', {
    'account-creation': 'address',
    'token-authority': 'address',
    stake: 'stakeAccount',
  }),
  mint: { fields: { 'account-creation': 'mint' }, code: 'POLICY_PARTY', noun: 'mint', absent: 'none' },
  newAuthority: {
    fields: { 'token-authority': 'newAuthority' },
    code: 'POLICY_PARTY',
    noun: 'new authority',
    absent: 'none',
  },
  counterparty: {
    fields: { stake: 'counterparty' },
    code: 'POLICY_PARTY',
    noun: 'counterparty',
    absent: 'none',
  },
}

export const addressConditions = Object.fromEntries(
  addressConditionNames.map((name) => [
    name,
    {
      fields: definitions[name].fields,
      compile: (entries: readonly string[], context: CompileContext) => compile(name, entries, context),
    },
  ]),
) as unknown as Readonly<
  Record<
    AddressConditionName,
    {
      readonly fields: Fields
      readonly compile: (entries: readonly string[], context: CompileContext) => Condition
    }
  >
>

export function readAddressField(
  name: AddressConditionName,
  effect: Effect,
  facts: Facts,
): AccountAddress | undefined {
  if (name === 'account') return actorOf(effect, facts)
  const { fields, absent } = definitions[name]
  const field = fields[effect.kind]
  if (field === undefined) return undefined
  const address = (effect as unknown as Readonly<Record<string, AccountAddress | undefined>>)[field]
  return address === undefined && absent === 'actor' ? actorOf(effect, facts) : address
}

function compile(name: AddressConditionName, entries: readonly string[], context: CompileContext): Condition {
  const { code, noun, absent } = definitions[name]
  const listed = new AddressSet(entries, (i, parse) => context.parsed(`when.${name}[${i}]`, parse))
  for (const book of listed.books) context.books.add(book)
  return {
    name,
    ...(listed.isLiteral ? { index: { field: name, values: listed.literals } } : {}),
    judge: (effect, facts) => {
      const address = readAddressField(name, effect, facts)
      if (address !== undefined) return listed.has(address, effect, facts)
      if (absent === 'none') return listed.hasNone()
      return absent === 'actor' ? listed.hasWalletItself() : undefined
    },
    explain: (effect, facts): readonly Failure[] => {
      const missing = listed.missingBook(facts)
      if (missing !== undefined) {
        const message = `the address book @${missing}, which its ${name} list names, is missing or cannot be read`
        return [{ code: 'POLICY_BOOK', message }]
      }
      const address = readAddressField(name, effect, facts)
      if (address !== undefined) return [{ code, message: `${noun} ${address} is not listed` }]
      if (absent === 'none') return [{ code, message: `there is no ${noun}, and "none" is not listed` }]
      const message =
        absent === 'actor'
          ? `the ${noun} is this wallet, and "wallet" is not listed`
          : `the bytes name no ${noun}`
      return [{ code, message }]
    },
  }
}

/** Stands in for a missing `from` on permit rules: moving other people's tokens must be named. */
export const ownTokensOnly: Condition = {
  name: 'from',
  judge: (effect, facts) => {
    if (effect.kind !== 'token-transfer' || effect.from === undefined) return true
    const actor = actorOf(effect, facts)
    return actor === undefined ? undefined : effect.from === actor
  },
  explain: (effect) => {
    const from = effect.kind === 'token-transfer' ? effect.from : undefined
    return [
      {
        code: 'POLICY_FROM',
        message: `the tokens belong to ${from ?? 'this wallet'}; without a "from" condition only tokens of the account that acts are permitted`,
      },
    ]
  },
}

/** Stands in for a missing `owner` on permit rules: burning other people's vault shares must be named. */
export const ownSharesOnly: Condition = {
  name: 'owner',
  judge: (effect, facts) => {
    if (effect.kind !== 'vault-withdrawal') return true
    const actor = actorOf(effect, facts)
    return actor === undefined ? undefined : effect.owner === actor
  },
  explain: (effect) => {
    const owner = effect.kind === 'vault-withdrawal' ? effect.owner : 'nobody'
    return [
      {
        code: 'POLICY_PARTY',
        message: `the shares belong to ${owner}; without an "owner" condition only shares of the account that acts are permitted`,
      },
    ]
  },
}

/** Whether another account than the wallet acts: a permit rule covers that only by its `account` condition. */
export function actsElsewhere(effect: Effect, facts: Facts): boolean {
  const { account } = effect as Acting
  return account !== undefined && account !== facts.walletAddress
}
