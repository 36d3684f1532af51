import { type AccountAddress, type AssetId, type ChainId, nativeAsset } from '@countersign/bytes'
import type { Effect, EffectKind } from '@countersign/intent'
import type { FieldType } from './field-condition.ts'

/** Every field of every kind of effect that a condition `field` can name, and as what it is compared. */
type FieldsOf<Kind extends EffectKind> = {
  readonly [Field in Exclude<keyof Extract<Effect, { kind: Kind }>, 'kind'>]-?: FieldType
}

/** Complete by its type: a field that kernel/intent adds and that is missing here does not compile. */
export const effectFields: { readonly [Kind in EffectKind]: FieldsOf<Kind> } = {
  'native-transfer': {
    account: 'address',
    chain: 'text',
    asset: 'text',
    recipient: 'address',
    amountMinor: 'integer',
  },
  'token-transfer': {
    account: 'address',
    chain: 'text',
    contract: 'address',
    assets: 'any',
    from: 'address',
    recipient: 'address',
    amountMinor: 'integer',
    selector: 'bytes',
  },
  approval: {
    account: 'address',
    by: 'text',
    chain: 'text',
    contract: 'address',
    assets: 'any',
    spender: 'address',
    amountMinor: 'integer',
    mode: 'text',
    expiresAtS: 'integer',
    selector: 'bytes',
  },
  'contract-call': {
    account: 'address',
    chain: 'text',
    contract: 'address',
    selector: 'bytes',
    calldata: 'bytes',
  },
  'unknown-calldata': {
    account: 'address',
    chain: 'text',
    contract: 'address',
    calldata: 'bytes',
    reason: 'text',
  },
  deploy: {
    account: 'address',
    chain: 'text',
    initCodeHash: 'bytes',
    initCodeBytes: 'integer',
    valueMinor: 'integer',
  },
  delegation: {
    account: 'address',
    chain: 'text',
    delegate: 'address',
    authorityNonce: 'integer',
    signedBy: 'text',
  },
  fee: { account: 'address', chain: 'text', asset: 'text', amountMinor: 'integer' },
  batch: {
    account: 'address',
    chain: 'text',
    contract: 'address',
    form: 'text',
    calls: 'integer',
    selector: 'bytes',
  },
  delegatecall: { account: 'address', chain: 'text', contract: 'address', calldata: 'bytes' },
  'user-operation': {
    account: 'address',
    chain: 'text',
    entryPoint: 'address',
    version: 'text',
    sender: 'address',
    nonce: 'integer',
    factory: 'address',
    paymaster: 'address',
    paymasterData: 'bytes',
    userOpHash: 'bytes',
  },
  'safe-transaction': {
    account: 'address',
    chain: 'text',
    safe: 'address',
    by: 'text',
    operation: 'text',
    to: 'address',
    nonce: 'integer',
  },
  'delegation-grant': {
    account: 'address',
    chain: 'text',
    delegationManager: 'address',
    delegator: 'address',
    delegate: 'address',
    authority: 'bytes',
    caveats: 'any',
  },
  swap: {
    account: 'address',
    chain: 'text',
    contract: 'address',
    selector: 'bytes',
    asset: 'text',
    amountMinor: 'integer',
    receivedAsset: 'text',
    receivedMinor: 'integer',
    recipient: 'address',
    deadlineS: 'integer',
  },
  'vault-deposit': {
    account: 'address',
    chain: 'text',
    contract: 'address',
    selector: 'bytes',
    amountMinor: 'integer',
    unit: 'text',
    recipient: 'address',
  },
  'vault-withdrawal': {
    account: 'address',
    chain: 'text',
    contract: 'address',
    selector: 'bytes',
    amountMinor: 'integer',
    unit: 'text',
    recipient: 'address',
    owner: 'address',
  },
  wrap: {
    account: 'address',
    chain: 'text',
    contract: 'address',
    selector: 'bytes',
    direction: 'text',
    asset: 'text',
    amountMinor: 'integer',
  },
  'program-call': { chain: 'text', program: 'address', instruction: 'text', data: 'bytes', accounts: 'any' },
  'account-creation': {
    account: 'address',
    chain: 'text',
    address: 'address',
    program: 'address',
    amountMinor: 'integer',
    owner: 'address',
    mint: 'address',
  },
  'token-authority': {
    account: 'address',
    chain: 'text',
    address: 'address',
    authority: 'text',
    newAuthority: 'address',
  },
  stake: {
    account: 'address',
    chain: 'text',
    action: 'text',
    stakeAccount: 'address',
    counterparty: 'address',
    amountMinor: 'integer',
    role: 'text',
  },
  memo: { chain: 'text', text: 'text', memoBytes: 'integer' },
  'data-output': { chain: 'text', data: 'bytes', amountMinor: 'integer' },
  message: { account: 'address', text: 'text', messageBytes: 'integer', messageHash: 'bytes' },
  'typed-data': {
    chain: 'text',
    verifyingContract: 'address',
    primaryType: 'text',
    domain: 'any',
    message: 'any',
    opaquePermit: 'boolean',
  },
  'raw-digest': { account: 'address', digest: 'bytes' },
  'raw-message': { messageHash: 'bytes', messageBytes: 'integer' },
}

/** What the effect moves or spends, under each standard that its bytes fit. Empty for kinds without assets. */
export function assetsOf(effect: Effect): readonly AssetId[] {
  switch (effect.kind) {
    case 'native-transfer':
    case 'fee':
    case 'swap':
    case 'wrap':
      return [effect.asset]
    case 'token-transfer':
    case 'approval':
      return effect.assets
    case 'deploy':
    case 'account-creation':
    case 'stake':
    case 'data-output':
      return [nativeAsset(effect.chain)]
    default:
      return []
  }
}

/** `undefined`: no greatest amount, or none that the bytes say. Only for `amountKinds`. */
export function amountOf(effect: Effect): bigint | undefined {
  switch (effect.kind) {
    case 'native-transfer':
    case 'token-transfer':
    case 'approval':
    case 'fee':
    case 'swap':
    case 'vault-deposit':
    case 'vault-withdrawal':
    case 'wrap':
    case 'account-creation':
    case 'stake':
    case 'data-output':
      return effect.amountMinor
    case 'deploy':
      return effect.valueMinor
    default:
      return undefined
  }
}

/** An approval without amount is one without bound; any other effect without amount has one that nobody knows. */
export function isUnbounded(effect: Effect): boolean {
  return effect.kind === 'approval' && effect.amountMinor === undefined
}

export function chainOf(effect: Effect): ChainId | undefined {
  return 'chain' in effect ? effect.chain : undefined
}

/** Who gains by the effect, as far as it names one: what a limit per recipient counts by. */
export function gainerOf(effect: Effect): AccountAddress | undefined {
  switch (effect.kind) {
    case 'native-transfer':
    case 'token-transfer':
    case 'swap':
    case 'vault-deposit':
    case 'vault-withdrawal':
      return effect.recipient
    case 'approval':
      return effect.spender
    default:
      return undefined
  }
}
