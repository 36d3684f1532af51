import { canonicalJson, type JsonObject } from '@countersign/bytes'
import { type ApiOperation, isFieldOf, type ReceiptType } from '@countersign/wire'
import type { Fields, Proof } from './check-answer.ts'

/** What the journal must say for an answer about a change to be believed. */
export const changeProofs: Readonly<Partial<Record<ApiOperation, Proof>>> = {
  setQuorum: { type: 'quorum', fits: (answer, entry) => answer.quorum === entry.quorum },
  setLooseningDelay: { type: 'loosening-delay', fits: (answer, entry) => answer.delay === entry.delay },
  putBook: {
    type: 'book',
    fits: (answer, entry) =>
      answer.id === entry.book && isVersion(answer, entry) && answer.entries === entry.entries,
  },
  putWalletGroup: {
    type: 'wallet-group',
    fits: (answer, entry) =>
      answer.id === entry.group &&
      isVersion(answer, entry) &&
      answer.policy === entry.policy &&
      isField(entry, 'wallets', answer.wallets),
  },
  vetoChange: {
    type: 'change-vetoed',
    fits: (answer, entry) =>
      answer.state === 'vetoed' &&
      answer.change === entry.changeId &&
      answer.by === entry.credential &&
      answer.at === entry.at &&
      answer.reason === entry.reason,
  },
  freeze: {
    type: 'freeze',
    fits: (answer, entry) => answer.wallet === entry.wallet && isSame(answer.frozen, entry.frozen),
  },
  thaw: { type: 'thaw', fits: (answer, entry) => answer.wallet === entry.wallet && answer.frozen === null },
}

/** Instead of the change’s own entry, where it loosens and waits. */
export const proposalProof: Proof = {
  type: 'change-proposed',
  fits: (answer, entry) =>
    answer.state === 'pending' &&
    answer.change === entry.changeId &&
    answer.dueAt === entry.dueAt &&
    isField(entry, 'loosens', answer.loosens),
}

const settledBy: Readonly<Record<string, readonly ReceiptType[]>> = {
  pending: ['change-proposed'],
  vetoed: ['change-vetoed'],
  dropped: ['change-dropped'],
  applied: [
    'policy',
    'wallet-policy',
    'organisation-policy',
    'credential',
    'quorum',
    'loosening-delay',
    'book',
    'wallet-group',
    'grant',
    'wallet-owner',
  ],
}

/** The entries that can prove the state which an answer claims; none for a state that there is not. */
export function entriesOfState(state: unknown): readonly ReceiptType[] {
  return typeof state === 'string' && Object.hasOwn(settledBy, state) ? (settledBy[state] ?? []) : []
}

/** A change as it is shown: what the entry has of it must be what is shown. Where it is older, it says less. */
export function isChange(answer: Fields, entry: Fields, id: string | undefined): boolean {
  if (answer.id !== id || entry.changeId !== id) return false
  // A veto is a request of its own.
  const isOfRequest = answer.digest === entry.requestDigest && answer.requestId === entry.requestId
  if (answer.state !== 'vetoed' && !isOfRequest) return false
  switch (answer.state) {
    case 'pending':
      return (
        isField(entry, 'body', answer.body) &&
        isField(entry, 'loosens', answer.loosens) &&
        isField(entry, 'credentials', answer.credentials) &&
        answer.operation === entry.operation &&
        answer.method === entry.method &&
        answer.path === entry.path &&
        answer.dueAt === entry.dueAt &&
        answer.proposedAt === entry.at
      )
    case 'vetoed':
      return (
        answer.settledBy === entry.credential &&
        answer.reason === entry.reason &&
        answer.settledAt === entry.at
      )
    case 'dropped':
      return answer.reason === entry.reason && answer.settledAt === entry.at
    default:
      return answer.settledAt === entry.at
  }
}

function isVersion(answer: Fields, entry: Fields): boolean {
  return answer.hash === entry.hash && answer.version === entry.version && answer.appliedAt === entry.at
}

/** A long field stands beside its entry. */
function isField(entry: Fields, field: string, shown: unknown): boolean {
  return isFieldOf(entry as JsonObject, field, shown)
}

function isSame(a: unknown, b: unknown): boolean {
  return a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b)
}
