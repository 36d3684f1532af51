import { encodeHex, type Hex } from '@countersign/bytes'
import { type PolicyDocument, type PolicyId, parsePolicy, policyHash } from '@countersign/policy'
import {
  type Attribution,
  type Credential,
  credentialId,
  type Power,
  parsePublicKey,
  type Role,
  type SignedRequest,
} from '@countersign/wire'
import { type Caller, prove } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { JournalEntry } from './journal.ts'
import type { LedgerTx } from './ledger.ts'
import { activeAdmins, checkQuorum } from './quorum.ts'
import { answerOf, putAnswer, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/** What a change does to the records, and what the journal and the caller are told of it. */
interface Change {
  readonly entry: JournalEntry
  readonly status: number
  readonly body: object
}

/**
 * Every change to who may ask, what is permitted, and which policy holds takes this way: admin quorum, one commit
 * with its journal entry. There is no other.
 * @throws {CountersignError} */
async function change(
  signer: Signer,
  request: SignedRequest,
  apply: (tx: LedgerTx, caller: Caller) => Promise<Change>,
): Promise<Answer> {
  const { caller, takeNonces } = await prove(request, signer.authentication, 'quorum')
  const answer = await signer.ledger.submit(async (tx) => {
    const known = await remembered(tx, caller)
    // A request that was sent too early leaves its signers' nonces to the one that all have signed.
    if (known === undefined) await checkQuorum(tx, caller)
    takeNonces()
    if (known !== undefined) return known
    const { entry, status, body } = await apply(tx, caller)
    const { index } = tx.append({
      ...entry,
      requestId: caller.requestId,
      requestDigest: caller.digest,
      credentials: caller.credentials.map(({ id }) => id),
      attribution: caller.attribution,
    })
    const stored = { status, body, receipt: true }
    putAnswer(tx, { caller, wallet: null, index, answer: stored })
    return { ...stored, index }
  })
  return answerOf(signer, answer)
}

export function putPolicy(
  signer: Signer,
  request: SignedRequest,
  { id, policy, expected }: { id: string; policy: unknown; expected: Hex | null },
): Promise<Answer> {
  return change(signer, request, async (tx) => {
    // Only now: compiling a large policy takes a good part of a second, which is the quorum's to ask for.
    const parsed = parsePolicy(policy)
    if (parsed.id !== id) {
      throw signerError(
        'SIGNER_CHANGE_CONFLICT',
        `The policy in the body has the id ${parsed.id}, the path says ${id}.`,
      )
    }
    const before = await tx.get('policy', id)
    checkExpected(before?.hash ?? null, expected, `policy ${id}`)
    const hash = policyHash(policy as PolicyDocument)
    const version = (before?.version ?? 0) + 1
    const appliedAt = new Date(tx.nowMs).toISOString()
    tx.put('policy', id, { id: parsed.id, hash, version, document: policy, appliedAt })
    return {
      entry: { type: 'policy', policy: id, hash, version, document: policy },
      status: 200,
      body: { id, hash, version, appliedAt },
    }
  })
}

export function putWalletPolicy(
  signer: Signer,
  request: SignedRequest,
  { walletId, policy, expected }: { walletId: string; policy: string | null; expected: string | null },
): Promise<Answer> {
  return change(signer, request, async (tx) => {
    const wallet = await tx.get('wallet', walletId)
    if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
    checkExpected(wallet.policy, expected, `policy of wallet ${walletId}`)
    const hash = await hashOf(tx, policy)
    tx.put('wallet', walletId, { ...wallet, policy: policy as PolicyId | null })
    return {
      entry: { type: 'wallet-policy', wallet: walletId, policy, hash, before: wallet.policy },
      status: 200,
      body: { walletId, policy, hash },
    }
  })
}

export function putOrganisationPolicy(
  signer: Signer,
  request: SignedRequest,
  { policy, expected }: { policy: string | null; expected: string | null },
): Promise<Answer> {
  return change(signer, request, async (tx, caller) => {
    const organisation = await checkQuorum(tx, caller)
    checkExpected(organisation.policy, expected, 'organisation’s policy')
    const hash = await hashOf(tx, policy)
    tx.put('organisation', 'organisation', { ...organisation, policy: policy as PolicyId | null })
    return {
      entry: { type: 'organisation-policy', policy, hash, before: organisation.policy },
      status: 200,
      body: { policy, hash },
    }
  })
}

export interface NewCredential {
  readonly algorithm: Credential['algorithm']
  readonly publicKey: Hex
  readonly role: Role
  readonly name: string
  readonly powers?: readonly Power[]
  readonly attribution?: Attribution
}

export function addCredential(
  signer: Signer,
  request: SignedRequest,
  wanted: NewCredential,
): Promise<Answer> {
  const publicKey = parsePublicKey(wanted.algorithm, wanted.publicKey)
  return change(signer, request, async (tx) => {
    const credential = credentialOf(wanted, publicKey, tx.nowMs)
    if ((await tx.get('credential', credential.id)) !== undefined) {
      throw signerError(
        'SIGNER_CREDENTIAL_EXISTS',
        `This public key is the credential ${credential.id} already.`,
      )
    }
    tx.put('credential', credential.id, credential)
    return { entry: { type: 'credential', change: 'added', credential }, status: 201, body: credential }
  })
}

export function credentialOf(wanted: NewCredential, publicKey: Uint8Array, nowMs: number): Credential {
  return {
    id: credentialId(wanted.algorithm, publicKey),
    algorithm: wanted.algorithm,
    publicKey: encodeHex(publicKey),
    role: wanted.role,
    name: wanted.name,
    powers: wanted.powers ?? [],
    attribution: wanted.attribution ?? {},
    status: 'active',
    createdAt: new Date(nowMs).toISOString(),
  }
}

export function revokeCredential(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  return change(signer, request, async (tx, caller) => {
    const credential = await tx.get('credential', id)
    if (credential === undefined)
      throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
    const { quorum } = await checkQuorum(tx, caller)
    const isActiveAdmin = credential.role === 'admin' && credential.status === 'active'
    if (isActiveAdmin && (await activeAdmins(tx)) - 1 < quorum) {
      throw signerError(
        'SIGNER_QUORUM_LOST',
        `Without ${id} fewer than ${quorum} admins would be active, and nothing could be changed any more.`,
      )
    }
    const revoked: Credential = { ...credential, status: 'revoked' }
    tx.put('credential', id, revoked)
    return {
      entry: { type: 'credential', change: 'revoked', credential: revoked },
      status: 200,
      body: revoked,
    }
  })
}

/** Of the policy as it stands in this commit: its id alone does not say what the change put in force. */
async function hashOf(tx: LedgerTx, policy: string | null): Promise<Hex | null> {
  if (policy === null) return null
  const found = await tx.get('policy', policy)
  if (found === undefined) throw signerError('SIGNER_POLICY_UNKNOWN', `No policy has the id ${policy}.`)
  return found.hash
}

function checkExpected(now: string | null, expected: string | null, what: string): void {
  if (now === expected) return
  throw signerError(
    'SIGNER_CHANGE_CONFLICT',
    `The ${what} is ${now ?? 'not set'} now; the change was made for ${expected ?? 'none'}.`,
    { details: { now, expected } },
  )
}
