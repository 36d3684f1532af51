import type { Hex } from '@countersign/bytes'
import { type PolicyDocument, type PolicyId, parsePolicy, policyHash } from '@countersign/policy'
import { type CreateCredentialBody, type Credential, isActive, type SignedRequest } from '@countersign/wire'
import { type AuthenticationContext, type Caller, type Proven, prove } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import { assignmentReasons, policyReasons } from './loosening.ts'
import { checkNamedCredentials } from './named-credentials.ts'
import { activeOf, listOfSubject, newCredential } from './new-credential.ts'
import { reportingClones, takeUses } from './passkey.ts'
import { type Change, carryOutOrPropose } from './pending-changes.ts'
import { activeAdmins, checkQuorum } from './quorum.ts'
import { answerOf, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/** What a change would do, over the records of one commit. */
export type Apply = (tx: LedgerTx, caller: Caller) => Promise<Change>

/** A request that has just come, or one that has waited and whose time it is. */
export type Asked = SignedRequest | { carry(apply: Apply): Promise<Answer> }

/** Whose signatures a change takes. */
export interface Authority {
  prove(request: SignedRequest, context: AuthenticationContext): Promise<Proven>
  /** In the commit. @throws {CountersignError} */
  check(tx: LedgerTx, caller: Caller): Promise<unknown>
}

const adminQuorum: Authority = {
  prove: (request, context) => prove(request, context, 'quorum'),
  check: checkQuorum,
}

/**
 * Every change to who may ask, what is permitted, and which policy holds takes this way: admin quorum (or, for one's
 * own key, both keys), one commit with its journal entry. There is no other. What loosens waits for the delay first.
 * @throws {CountersignError} */
export async function change(
  signer: Signer,
  asked: Asked,
  apply: Apply,
  authority: Authority = adminQuorum,
): Promise<Answer> {
  if ('carry' in asked) return asked.carry(apply)
  const request = asked
  const { caller, takeNonces } = await authority.prove(request, signer.authentication)
  const job = async (tx: LedgerTx) => {
    const known = await remembered(tx, caller)
    // A request that was sent too early leaves its signers' nonces to the one that all have signed.
    if (known === undefined) await authority.check(tx, caller)
    takeNonces()
    await takeUses(tx, caller.passkeyUses)
    if (known !== undefined) return known
    return carryOutOrPropose(tx, { caller, request, change: await apply(tx, caller) })
  }
  const answer = await reportingClones(signer.ledger, () => signer.ledger.submit(job))
  if (answer.status === 202) signer.due.expect(Date.parse((answer.body as { dueAt: string }).dueAt))
  return answerOf(signer, answer)
}

export function putPolicy(
  signer: Signer,
  request: Asked,
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
    await checkNamedCredentials(tx, parsed.document)
    const before = await tx.get('policy', id)
    checkExpected(before?.hash ?? null, expected, `policy ${id}`)
    const hash = policyHash(policy as PolicyDocument)
    const version = (before?.version ?? 0) + 1
    const appliedAt = new Date(tx.nowMs).toISOString()
    return {
      entry: { type: 'policy', policy: id, hash, version, document: policy },
      status: 200,
      body: { id, hash, version, appliedAt },
      loosens: policyReasons(signer.policies, before, parsed),
      write: () => tx.put('policy', id, { id: parsed.id, hash, version, document: policy, appliedAt }),
    }
  })
}

export function putWalletPolicy(
  signer: Signer,
  request: Asked,
  { walletId, policy, expected }: { walletId: string; policy: string | null; expected: string | null },
): Promise<Answer> {
  return change(signer, request, async (tx) => {
    const wallet = await tx.get('wallet', walletId)
    if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
    checkExpected(wallet.policy, expected, `policy of wallet ${walletId}`)
    const hash = await hashOf(tx, policy)
    const assignment = { before: wallet.policy, after: policy, none: 'permits nothing' } as const
    return {
      entry: { type: 'wallet-policy', wallet: walletId, policy, hash, before: wallet.policy },
      status: 200,
      body: { walletId, policy, hash },
      loosens: await assignmentReasons(tx, signer.policies, assignment),
      write: () => tx.put('wallet', walletId, { ...wallet, policy: policy as PolicyId | null }),
    }
  })
}

export function putOrganisationPolicy(
  signer: Signer,
  request: Asked,
  { policy, expected }: { policy: string | null; expected: string | null },
): Promise<Answer> {
  return change(signer, request, async (tx, caller) => {
    const organisation = await checkQuorum(tx, caller)
    checkExpected(organisation.policy, expected, 'organisation’s policy')
    const hash = await hashOf(tx, policy)
    const assignment = { before: organisation.policy, after: policy, none: 'does not apply' } as const
    return {
      entry: { type: 'organisation-policy', policy, hash, before: organisation.policy },
      status: 200,
      body: { policy, hash },
      loosens: await assignmentReasons(tx, signer.policies, assignment),
      write: () =>
        tx.put('organisation', 'organisation', { ...organisation, policy: policy as PolicyId | null }),
    }
  })
}

export async function addCredential(
  signer: Signer,
  request: Asked,
  wanted: CreateCredentialBody,
): Promise<Answer> {
  const { audience } = signer.journal
  // Outside of the commit: the cryptography of a registration must not hold up everybody else's.
  const { credential, use } = newCredential(wanted, { audience, nowMs: signer.ledger.nowMs() })
  return change(signer, request, async (tx) => {
    if ((await tx.get('credential', credential.id)) !== undefined) {
      throw signerError(
        'SIGNER_CREDENTIAL_EXISTS',
        `This public key is the credential ${credential.id} already.`,
      )
    }
    if (credential.walletPolicy !== undefined) await hashOf(tx, credential.walletPolicy)
    const added: Credential = { ...credential, createdAt: new Date(tx.nowMs).toISOString() }
    return {
      entry: { type: 'credential', change: 'added', credential: added },
      status: 201,
      body: added,
      loosens: [{ why: `one more ${added.role} may ask` }],
      write: () => {
        tx.put('credential', added.id, added)
        if (use !== undefined) tx.put('passkey-use', added.id, use)
      },
    }
  })
}

/** With it goes every other key of its subject: what a thief has rotated to is no other identity. */
export function revokeCredential(signer: Signer, request: Asked, id: string): Promise<Answer> {
  return change(signer, request, async (tx, caller) => {
    const credential = await tx.get('credential', id)
    if (credential === undefined)
      throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
    const { quorum } = await checkQuorum(tx, caller)
    const family = await listOfSubject(tx, credential)
    const active = activeOf(family, tx.nowMs)
    const isActiveAdmin = active.some(({ role }) => role === 'admin')
    if (isActiveAdmin && (await activeAdmins(tx)) - 1 < quorum) {
      throw signerError(
        'SIGNER_QUORUM_LOST',
        `Without ${id} fewer than ${quorum} admins would be active, and nothing could be changed any more.`,
      )
    }
    for (const one of active) tx.put('credential', one.id, { ...one, status: 'revoked' })
    const revoked: Credential = { ...credential, status: 'revoked' }
    if (!isActive(credential, tx.nowMs)) tx.put('credential', id, revoked)
    const others = active.map((one) => one.id).filter((one) => one !== id)
    return {
      entry: {
        type: 'credential',
        change: 'revoked',
        credential: revoked,
        ...(others.length === 0 ? {} : { others }),
      },
      status: 200,
      body: revoked,
    }
  })
}

/** Of the policy as it stands in this commit: its id alone does not say what the change put in force. */
export async function hashOf(tx: LedgerTx, policy: string | null): Promise<Hex | null> {
  if (policy === null) return null
  const found = await tx.get('policy', policy)
  if (found === undefined) throw signerError('SIGNER_POLICY_UNKNOWN', `No policy has the id ${policy}.`)
  return found.hash
}

/** @throws {CountersignError} SIGNER_CHANGE_CONFLICT */
export function checkExpected(now: string | null, expected: string | null, what: string): void {
  if (now === expected) return
  throw signerError(
    'SIGNER_CHANGE_CONFLICT',
    `The ${what} is ${now ?? 'not set'} now; the change was made for ${expected ?? 'none'}.`,
    { details: { now, expected } },
  )
}
