import { type Credential, isActive, type SetWalletOwnerBody, subjectOf } from '@countersign/wire'
import { type Caller, prove } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { type Asked, type Authority, change, checkExpected } from './change.ts'
import { checkNotFrozen } from './frozen.ts'
import type { LedgerTx } from './ledger.ts'
import { activeOf, listOfSubject } from './new-credential.ts'
import { checkQuorum } from './quorum.ts'
import type { WalletRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

/**
 * Hands a wallet over: its owner alone, at once; the admin quorum where nobody owns it, which loosens, because an owner
 * may let others ask. Over the head of an owner with a key that counts not even the quorum can do it: it has to revoke
 * that credential first, in the journal for everybody to see.
 */
export function setWalletOwner(
  signer: Signer,
  asked: Asked,
  { walletId, owner, expected }: { readonly walletId: string } & SetWalletOwnerBody,
): Promise<Answer> {
  const apply = async (tx: LedgerTx, caller: Caller) => {
    const wallet = await walletOf(tx, walletId)
    const before = wallet.owner ?? null
    checkExpected(before, expected, `owner of wallet ${walletId}`)
    const next = owner === null ? null : subjectOf(await ownerCandidate(tx, owner))
    const isByOwner = await isOwnedBy(tx, wallet, caller)
    // What loosens is kept from a frozen wallet where it is carried out; handing it over would be no better.
    if (isByOwner) await checkNotFrozen(tx, walletId)
    const loosens =
      isByOwner || next === null ? [] : [{ why: `its owner ${next} alone may let others ask for the wallet` }]
    return {
      entry: { type: 'wallet-owner', wallet: walletId, owner: next, before } as const,
      status: 200,
      body: { walletId, owner: next },
      loosens,
      write: (index: number) => tx.put('wallet', walletId, { ...wallet, owner: next, ownerIndex: index }),
    }
  }
  return change(signer, asked, apply, {
    prove: proveOwnerOrQuorum,
    async check(tx, caller) {
      const wallet = await walletOf(tx, walletId)
      if (await isOwnedBy(tx, wallet, caller)) return
      if (await hasActiveOwner(tx, wallet)) throw ownerNeeded(wallet)
      await checkQuorum(tx, caller)
    },
  })
}

/** One signature of an owner, or those of a quorum. */
export const proveOwnerOrQuorum: Authority['prove'] = (request, context) => prove(request, context, 'owner')

/** It is signed by the wallet's owner and by nobody else, as this commit holds both. */
export async function isOwnedBy(
  tx: Pick<LedgerTx, 'get' | 'nowMs'>,
  { owner }: WalletRecord,
  { credentials }: Pick<Caller, 'credentials'>,
): Promise<boolean> {
  const [only] = credentials
  if (!owner || only === undefined || credentials.length !== 1) return false
  const credential = await tx.get('credential', only.id)
  // A key that was replaced may be why it was: it still asks for a while, and decides nothing for its owner.
  if (credential === undefined || credential.replacedBy !== undefined) return false
  return mayOwn(credential, tx.nowMs) && subjectOf(credential) === owner
}

async function hasActiveOwner(tx: LedgerTx, { owner }: WalletRecord): Promise<boolean> {
  if (!owner) return false
  const credential = await tx.get('credential', owner)
  return credential !== undefined && activeOf(await listOfSubject(tx, credential), tx.nowMs).length > 0
}

/** An API key passes through the engine, which would then own the wallet. */
function mayOwn(credential: Credential, nowMs: number): boolean {
  return isActive(credential, nowMs) && credential.bearer !== true && credential.algorithm !== 'bearer'
}

/** @throws {CountersignError} SIGNER_CREDENTIAL_UNKNOWN, SIGNER_CREDENTIAL_FORM */
export async function ownerCandidate(tx: Pick<LedgerTx, 'get' | 'nowMs'>, id: string): Promise<Credential> {
  const credential = await tx.get('credential', id)
  if (credential === undefined)
    throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
  if (mayOwn(credential, tx.nowMs)) return credential
  throw signerError(
    'SIGNER_CREDENTIAL_FORM',
    `The credential ${id} cannot own a wallet: it is ${whyNot(credential)}.`,
  )
}

function whyNot({ bearer }: Credential): string {
  return bearer === true ? 'an API key' : 'not active'
}

async function walletOf(tx: LedgerTx, id: string): Promise<WalletRecord> {
  const wallet = await tx.get('wallet', id)
  if (wallet !== undefined) return wallet
  throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${id}.`)
}

export function ownerNeeded({ id, owner }: WalletRecord) {
  return signerError(
    'SIGNER_OWNER_NEEDED',
    `The wallet ${id} is owned by ${owner}, which has not signed this alone.`,
  )
}
