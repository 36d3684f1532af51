import { canonicalJson, encodeHex, encodeUtf8, type Hex, type JsonObject, sha256 } from '@countersign/bytes'
import { type ApiOperation, isFieldOf, type ReceiptType } from '@countersign/wire'
import type { Fields, Proof } from './check-answer.ts'

/** Of the answers about a grant, what no journal entry has: uses are counted, and end with the clock. */
const countedFields: ReadonlySet<string> = new Set(['rules', 'uses', 'unusable'])

/** What the journal must say for an answer about a grant to be believed. */
export const grantProofs: Readonly<Partial<Record<ApiOperation, Proof>>> = {
  createGrant: {
    type: 'grant',
    fits: (answer, entry) => entry.change === 'made' && isGrant(answer, entry, true),
  },
  revokeGrant: {
    type: 'grant',
    fits: (answer, entry) =>
      entry.change === 'revoked' && answer.state === 'revoked' && isGrant(answer, entry),
  },
  keepGrantAlive: {
    type: 'grant',
    fits: (answer, entry) => entry.change === 'kept-alive' && isGrant(answer, entry),
  },
  setWalletOwner: {
    type: 'wallet-owner',
    fits: (answer, entry) => answer.walletId === entry.wallet && answer.owner === entry.owner,
  },
}

export const grantEntries: readonly ReceiptType[] = ['grant']

/** A grant as it is shown: its entry has all of its terms, and the hash of its rules. */
export function isShownGrant(answer: Fields, entry: Fields, id: string | undefined): boolean {
  return answer.id === id && isGrant(answer, entry, true)
}

function isGrant(answer: Fields, entry: Fields, withRules = false): boolean {
  const terms = Object.fromEntries(Object.entries(answer).filter(([name]) => !countedFields.has(name)))
  if (answer.id !== entry.grant || !isFieldOf(entry as JsonObject, 'terms', terms)) return false
  return !withRules || hashOf(answer.rules) === answer.rulesHash
}

/** As policies are hashed: SHA-256 of the canonical JSON. */
function hashOf(rules: unknown): Hex {
  return encodeHex(sha256(encodeUtf8(canonicalJson(rules))))
}
