import { decodeHex, parseAccountAddress } from '@countersign/bytes'
import {
  evmTransactionIntent,
  type Intent,
  personalMessageIntent,
  rawDigestIntent,
  type TypedDataInput,
  typedDataIntent,
} from '@countersign/intent'
import {
  type AddressBook,
  type DecisionJson,
  decisionToJson,
  evaluate,
  explainDecision,
  type Facts,
  intentOfTestRequest,
  type Policy,
  parseTestRequest,
  windowsNeeded,
} from '@countersign/policy'
import { credentialFromFile } from '@countersign/sdk/node'
import { cliError } from './catalogue.ts'
import { readJsonFile, type Settings } from './settings.ts'

export interface PayloadOptions {
  readonly transaction?: string
  readonly message?: string
  readonly typedData?: string
  readonly raw?: string
  /** A file with any other form. */
  readonly request?: string
  readonly walletAddress?: string
}

/** What would be signed, decoded by the same code as in the signer.
 * @throws {CountersignError} INTENT_*, CLI_USAGE */
export function intentOf({
  transaction,
  message,
  typedData,
  raw,
  request,
  walletAddress,
}: PayloadOptions): Intent {
  const given = [transaction, message, typedData, raw, request].filter((payload) => payload !== undefined)
  if (given.length !== 1) {
    throw cliError(
      'CLI_USAGE',
      'Give exactly one of --transaction, --message, --typed-data, --raw and --request.',
    )
  }
  if (request !== undefined) {
    return intentOfTestRequest(parseTestRequest(readJsonFile(request)), { walletAddress })
  }
  if (transaction !== undefined) return evmTransactionIntent(decodeHex(transaction, '--transaction'))
  if (message !== undefined) return personalMessageIntent(message)
  if (typedData !== undefined) return typedDataIntent(readJsonFile<TypedDataInput>(typedData))
  return rawDigestIntent(decodeHex(raw, '--raw', 32))
}

interface Asker {
  readonly as?: string
  readonly walletAddress?: string
  readonly role: string
  readonly settings: Settings
  readonly books: readonly AddressBook[]
}

/** Decides with windows that nothing has been taken out of: the signer alone knows what has. */
export function explainPolicy(
  policy: Policy,
  intent: Intent,
  asker: Asker,
): { decision: DecisionJson; lines: string[] } {
  const facts = factsOf(intent, asker)
  const layers = [{ layer: 'wallet', policy }] as const
  const used = new Map(windowsNeeded(intent, facts, layers).map(({ key }) => [key, 0n] as const))
  const decision = evaluate({ intent, facts, layers, used })
  return { decision: decisionToJson(decision), lines: explainDecision(decision) }
}

function factsOf(intent: Intent, { as, role, settings, books, walletAddress }: Asker): Facts {
  if (role !== 'agent' && role !== 'approver' && role !== 'admin' && role !== 'grantee') {
    throw cliError('CLI_USAGE', `There is no role ${role}.`, {
      fix: 'Roles are agent, grantee, approver and admin.',
    })
  }
  const [file] = settings.credentialFiles
  return {
    walletId: 'wal_000000000000000000000000',
    walletAddress: walletAddress === undefined ? undefined : parseAccountAddress(walletAddress),
    operation: intent.operation,
    credentialId: as ?? (file === undefined ? 'nobody' : credentialFromFile(file).id),
    role,
    nowMs: Date.now(),
    books: new Map(books.map((book) => [book.id, book])),
  }
}
