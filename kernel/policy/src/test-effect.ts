import { isHex, parseAccountAddress, parseAssetId, parseChainId } from '@countersign/bytes'
import { type Effect, type EffectKind, effectKinds } from '@countersign/intent'
import { policyError } from './catalogue.ts'
import { effectFields } from './effect-fields.ts'
import type { FieldType } from './field-condition.ts'

type Fields<Kind extends EffectKind> = Omit<Extract<Effect, { kind: Kind }>, 'kind'>
/** Fields that an effect of the kind can lack. */
type Lacking<Kind extends EffectKind> = {
  [Field in keyof Fields<Kind>]-?: undefined extends Fields<Kind>[Field] ? Field : never
}[keyof Fields<Kind>]

/** What is not here, a test has to write out. */
const optional: { readonly [Kind in EffectKind]: readonly Lacking<Kind>[] } = {
  'native-transfer': ['account'],
  'token-transfer': ['account', 'from', 'selector'],
  approval: ['account', 'amountMinor', 'expiresAtS', 'selector'],
  'contract-call': ['account'],
  'unknown-calldata': ['account'],
  deploy: ['account'],
  delegation: ['account', 'chain'],
  fee: ['account'],
  batch: ['account'],
  delegatecall: ['account'],
  'user-operation': ['account', 'factory', 'paymaster', 'paymasterData', 'userOpHash'],
  'safe-transaction': ['account', 'nonce'],
  'delegation-grant': ['account'],
  swap: ['account', 'deadlineS'],
  'vault-deposit': ['account'],
  'vault-withdrawal': ['account'],
  wrap: ['account'],
  'program-call': ['instruction'],
  'account-creation': ['account', 'amountMinor', 'owner', 'mint'],
  'token-authority': ['account', 'newAuthority'],
  stake: ['account', 'counterparty', 'amountMinor', 'role'],
  memo: ['text'],
  'data-output': [],
  message: ['account', 'text'],
  'typed-data': ['chain', 'verifyingContract', 'opaquePermit'],
  'raw-digest': ['account'],
  'raw-message': [],
}

/** Counts of bytes and calls are numbers; every other integer is a bigint. */
const counts: ReadonlySet<string> = new Set(['initCodeBytes', 'calls', 'memoBytes', 'messageBytes'])

/** An effect as a test file writes it: integers in decimal strings, what an effect can lack left out.
 * @throws {CountersignError} POLICY_TEST_INVALID, BYTES_* */
export function readEffect(written: Readonly<Record<string, unknown>>, path: string): Effect {
  const kind = effectKinds.find((known) => known === written.kind)
  if (kind === undefined) throw invalid(`${path}.kind`, `it must be one of ${effectKinds.join(', ')}`)
  const fields: Readonly<Record<string, FieldType>> = effectFields[kind]
  for (const name of Object.keys(written)) {
    if (name !== 'kind' && !Object.hasOwn(fields, name)) {
      throw invalid(
        `${path}.${name}`,
        `the effect ${kind} has no such field; it has ${Object.keys(fields).join(', ')}`,
      )
    }
  }
  const effect: Record<string, unknown> = { kind }
  const lacking: readonly string[] = optional[kind]
  for (const [name, type] of Object.entries(fields)) {
    const value = written[name]
    if (value !== undefined) effect[name] = readField(name, type, value, `${path}.${name}`)
    else if (!lacking.includes(name)) throw invalid(`${path}.${name}`, `the effect ${kind} always has it`)
    else if (name !== 'account') effect[name] = undefined
  }
  return effect as unknown as Effect
}

function readField(name: string, type: FieldType, value: unknown, path: string): unknown {
  switch (type) {
    case 'integer':
      if (counts.has(name)) {
        if (Number.isSafeInteger(value)) return value
        throw invalid(path, 'it must be a whole number')
      }
      if (typeof value !== 'string' || !/^(?:0|-?[1-9]\d{0,77})$/.test(value)) {
        throw invalid(path, 'it must be a decimal string')
      }
      return BigInt(value)
    case 'address':
      return parseAccountAddress(value, name)
    case 'boolean':
      if (typeof value !== 'boolean') throw invalid(path, 'it must be true or false')
      return value
    case 'bytes':
      if (!isHex(value)) throw invalid(path, 'it must be 0x-hexadecimal')
      return value.toLowerCase()
    case 'text':
      if (typeof value !== 'string') throw invalid(path, 'it must be a text')
      if (name === 'chain') return parseChainId(value)
      return name === 'asset' || name === 'receivedAsset' ? parseAssetId(value) : value
    case 'any':
      return readNested(name, value, path)
  }
}

function readNested(name: string, value: unknown, path: string): unknown {
  const isList = name === 'assets' || name === 'accounts' || name === 'caveats'
  if (isList && !Array.isArray(value)) throw invalid(path, 'it must be a list')
  if (name === 'assets') return (value as unknown[]).map((asset) => parseAssetId(asset))
  if (typeof value !== 'object' || value === null) throw invalid(path, 'it must be a list or an object')
  return value
}

function invalid(path: string, message: string) {
  return policyError('POLICY_TEST_INVALID', `At ${path}: ${message}.`, { details: { path } })
}
