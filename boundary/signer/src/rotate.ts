import { encodeHex } from '@countersign/bytes'
import {
  type Credential,
  credentialId,
  isActive,
  isPasskeyAlgorithm,
  parsePublicKey,
  type RotateCredentialBody,
  type SignedRequest,
  subjectOf,
  verifyRegistration,
  wireError,
} from '@countersign/wire'
import { type AuthenticationContext, type Caller, type Proven, prove } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { change } from './change.ts'
import type { LedgerTx } from './ledger.ts'
import type { Change } from './pending-changes.ts'
import { checkQuorum } from './quorum.ts'
import type { PasskeyUseRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

/** A key that came by rotation is not rotated again sooner: each leaves a record for good. */
const rotationIntervalMs = 60 * 60 * 1000

/** The new key, not a credential yet. */
interface Candidate {
  readonly credential: Credential
  readonly use: PasskeyUseRecord | undefined
}

/**
 * Puts a new key in the place of an old one: same role, powers, attribution and subject, so neither a policy nor a
 * window sees a difference. Signed by the old key first, which shows who asks, and by the new one, which shows that it
 * is there and works. Of an admin the quorum signs too.
 * @throws {CountersignError} */
export async function rotateCredential(
  signer: Signer,
  request: SignedRequest,
  { id, body }: { readonly id: string; readonly body: RotateCredentialBody },
): Promise<Answer> {
  const old = await signer.authentication.credential(id)
  if (old === undefined) throw wireError('WIRE_UNKNOWN_CREDENTIAL', `No credential ${id} is known here.`)
  const candidate = candidateFor(old, body, signer)
  return change(signer, request, (tx) => planRotation(tx, { id, candidate, overlapS: body.overlapS ?? 0 }), {
    prove: (asked, context) => proveRotation(asked, context, { id, candidate }),
    check: (tx, caller) => checkMayRotate(tx, caller, old),
  })
}

/** What the rotation does, over the records of one commit. Decides nothing about who may ask for it. */
export async function planRotation(
  tx: LedgerTx,
  {
    id,
    candidate,
    overlapS,
  }: { readonly id: string; readonly candidate: Candidate; readonly overlapS: number },
): Promise<Change> {
  const old = await tx.get('credential', id)
  if (old === undefined || !isActive(old, tx.nowMs)) {
    throw wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${id} is not active any more.`)
  }
  if (old.replacedBy !== undefined) throw refused(`${id} was replaced by ${old.replacedBy} already`)
  if (old.subject !== undefined && tx.nowMs - Date.parse(old.createdAt) < rotationIntervalMs) {
    throw refused(`${id} came by rotation less than an hour ago`)
  }
  // Two keys of one person that both count would be two votes.
  if (overlapS > 0 && old.role !== 'agent' && old.role !== 'grantee') {
    throw refused(`the old key of an ${old.role} ends at once: overlapS must be 0`)
  }
  const taken = await tx.get('credential', candidate.credential.id)
  if (taken !== undefined) {
    throw signerError('SIGNER_CREDENTIAL_EXISTS', `This public key is the credential ${taken.id} already.`)
  }
  const credential: Credential = {
    ...candidate.credential,
    role: old.role,
    name: old.name,
    powers: old.powers,
    attribution: old.attribution,
    // What limited the old key limits the new one: a rotation prolongs nothing.
    ...(old.expiresAt === undefined ? {} : { expiresAt: old.expiresAt }),
    ...(old.walletPolicy === undefined ? {} : { walletPolicy: old.walletPolicy }),
    subject: subjectOf(old),
    createdAt: new Date(tx.nowMs).toISOString(),
  }
  const replaced: Credential = { ...old, replacedBy: credential.id, ...endOf(old, overlapS, tx.nowMs) }
  tx.put('credential', credential.id, credential)
  tx.put('credential', id, replaced)
  if (candidate.use !== undefined) tx.put('passkey-use', credential.id, candidate.use)
  return {
    entry: { type: 'credential', change: 'rotated', credential, replaced },
    status: 201,
    body: { ...credential, replaced },
  }
}

function endOf(old: Credential, overlapS: number, nowMs: number): Pick<Credential, 'status' | 'expiresAt'> {
  if (overlapS === 0) return { status: 'revoked' }
  const endMs = nowMs + overlapS * 1000
  const sooner = old.expiresAt !== undefined && Date.parse(old.expiresAt) < endMs
  return { status: 'active', expiresAt: sooner ? (old.expiresAt as string) : new Date(endMs).toISOString() }
}

/** @throws {CountersignError} WIRE_QUORUM_NOT_MET for an admin's, WIRE_TOO_MANY_SIGNATURES for others' */
async function checkMayRotate(tx: LedgerTx, caller: Caller, old: Credential): Promise<void> {
  if (old.role === 'admin') {
    await checkQuorum(tx, caller)
  } else if (caller.credentials.length !== 1) {
    throw wireError('WIRE_TOO_MANY_SIGNATURES', 'A rotation is signed by the old key and the new one only.')
  }
}

/** Both keys have signed; what is left of the caller is who they were before. */
async function proveRotation(
  request: SignedRequest,
  context: AuthenticationContext,
  { id, candidate }: { readonly id: string; readonly candidate: Candidate },
): Promise<Proven> {
  const { credential } = candidate
  const known = (wanted: string) =>
    wanted === credential.id ? Promise.resolve(credential) : context.credential(wanted)
  const { caller, takeNonces } = await prove(request, { ...context, credential: known }, 'rotation')
  const isNew = caller.credentials.map((one) => one.id === credential.id)
  if (caller.primary.id !== id || !isNew.includes(true)) {
    throw refused('it is signed first by the key that goes, and also by the key that comes')
  }
  return {
    caller: {
      ...caller,
      credentials: caller.credentials.filter((_, i) => isNew[i] !== true),
      nonces: caller.nonces.filter((_, i) => isNew[i] !== true),
      passkeyUses: caller.passkeyUses.filter((use) => use.credentialId !== credential.id),
    },
    takeNonces,
  }
}

/** @throws {CountersignError} SIGNER_ROTATION_REFUSED, WIRE_PASSKEY_*, WIRE_PUBLIC_KEY_INVALID */
function candidateFor(old: Credential, body: RotateCredentialBody, signer: Signer): Candidate {
  if (old.passkey === undefined || !('registration' in body)) {
    // A key that software can use alone must not take the place of one that a person has to touch, nor of a secret.
    if (isPasskeyAlgorithm(old.algorithm) || 'registration' in body || old.algorithm === 'bearer') {
      throw refused(
        'a key is replaced by a key and a passkey by a passkey; an API key is added anew by the quorum',
      )
    }
    const publicKey = parsePublicKey(body.algorithm, body.publicKey)
    return { credential: bareCredential(old, { algorithm: body.algorithm, publicKey }), use: undefined }
  }
  const { rpId, origins } = old.passkey
  const made = verifyRegistration(body.registration, { audience: signer.journal.audience, rpId, origins })
  if (made.algorithm !== body.algorithm) throw refused(`the registration is of a ${made.algorithm} key`)
  const { passkey, signCount, backedUp } = made
  return { credential: { ...bareCredential(old, made), passkey }, use: { signCount, backedUp } }
}

function bareCredential(
  old: Credential,
  { algorithm, publicKey }: { readonly algorithm: Credential['algorithm']; readonly publicKey: Uint8Array },
): Credential {
  const { role, name, powers, attribution, createdAt } = old
  const id = credentialId(algorithm, publicKey)
  return {
    id,
    algorithm,
    publicKey: encodeHex(publicKey),
    role,
    name,
    powers,
    attribution,
    status: 'active',
    createdAt,
  }
}

function refused(why: string) {
  return signerError('SIGNER_ROTATION_REFUSED', `The rotation is refused: ${why}.`)
}
