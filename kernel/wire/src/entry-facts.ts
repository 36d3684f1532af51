import type { JsonObject } from '@countersign/bytes'

/** What a journal entry is found by. */
export interface EntryFacts {
  readonly at: string
  readonly type: string
  readonly wallet: string | undefined
  /** Who asked, or whose key it is about. */
  readonly credentials: readonly string[]
  readonly agent: string | undefined
  readonly workflow: string | undefined
  readonly operator: string | undefined
  /** Also that of a user operation: both say what a chain shows. */
  readonly transactionHash: string | undefined
  /** Of a user operation: the smart account. */
  readonly operationSender: string | undefined
}

/** Entries are the signer's, but this reads them as anybody's: what has another form is passed over. */
export function entryFacts(entry: JsonObject): EntryFacts {
  const attribution = isObject(entry.attribution) ? entry.attribution : {}
  const userOperation = isObject(entry.userOperation) ? entry.userOperation : {}
  const { credential, credentials, transactionHash, userOpHash } = entry
  const named = [
    ...(isObject(credential) ? [credential.id] : [credential]),
    ...(Array.isArray(credentials) ? credentials : []),
  ]
  return {
    at: textOf(entry.at) ?? '',
    type: textOf(entry.type) ?? '',
    wallet: textOf(entry.wallet),
    credentials: [...new Set(named.filter((id) => typeof id === 'string'))],
    agent: textOf(attribution.agent),
    workflow: textOf(attribution.workflow),
    operator: textOf(attribution.operator),
    transactionHash: textOf(transactionHash) ?? textOf(userOpHash),
    operationSender: textOf(userOperation.sender),
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
