import { randomBytes } from 'node:crypto'
import { encodeHex } from '@countersign/bytes'
import type { PolicyId } from '@countersign/policy'
import { isActive, type SignedRequest, subjectOf, wireError } from '@countersign/wire'
import { addressOf } from './address.ts'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import type { WalletRecord } from './records.ts'
import { answerOf, putAnswer, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'
import {
  algorithmOf,
  chainOfWallet,
  kindOfNewWallet,
  type WalletKind,
  type WantedKind,
} from './wallet-chain.ts'
import { ownerCandidate } from './wallet-owner.ts'

export interface NewWallet extends WantedKind {
  readonly name?: string
  readonly policy?: string
  /** Credential that may grant over it alone. */
  readonly owner?: string
}

/**
 * A new key signs nothing until a policy permits it, so one admin, or a credential with the power to create
 * wallets, suffices. The key is made first: a crash before the commit leaves a key without a wallet, which is
 * never used and holds nothing.
 * @throws {CountersignError} */
export async function createWallet(
  signer: Signer,
  request: SignedRequest,
  wanted: NewWallet,
): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  const known = await signer.ledger.submit(async (tx) => {
    const before = await remembered(tx, caller)
    if (before === undefined) await checkMayCreate(tx, caller, wanted)
    if (before === undefined && wanted.owner !== undefined) await ownerCandidate(tx, wanted.owner)
    return before
  })
  if (known !== undefined) return answerOf(signer, known)

  const kind = kindOfNewWallet(wanted, signer.backend)
  const wallet = await makeKey(signer, kind, wanted.name)
  const answer = await signer.ledger.submit(async (tx) => {
    const meanwhile = await remembered(tx, caller)
    if (meanwhile !== undefined) return meanwhile
    const policy = await checkMayCreate(tx, caller, wanted)
    const owner =
      wanted.owner === undefined ? {} : { owner: subjectOf(await ownerCandidate(tx, wanted.owner)) }
    const createdAt = new Date(tx.nowMs).toISOString()
    const record: WalletRecord = { ...wallet, policy, ...owner, createdAt }
    await checkKeyIsNew(tx, record)
    tx.put('wallet', record.id, record)
    tx.put('wallet-of-key', record.publicKey, { wallet: record.id })
    const { index } = tx.append({
      type: 'wallet',
      requestId: caller.requestId,
      requestDigest: caller.digest,
      credential: caller.primary.id,
      attribution: caller.attribution,
      wallet: record.id,
      address: record.address,
      algorithm: record.algorithm,
      publicKey: record.publicKey,
      ...(kind.chain === undefined ? {} : { chain: kind.chain }),
      ...(kind.form === undefined ? {} : { form: kind.form }),
      backend: record.backend,
      policy: record.policy,
      ...owner,
    })
    const stored = { status: 201, body: walletJson(record), receipt: true }
    putAnswer(tx, { caller, wallet: record.id, index, answer: stored })
    return { ...stored, index }
  })
  return answerOf(signer, answer)
}

/** @returns the new wallet's policy: the one that is asked for, or that the credential's wallets have. */
async function checkMayCreate(tx: LedgerTx, caller: Caller, wanted: NewWallet): Promise<PolicyId | null> {
  const credential = await tx.get('credential', caller.primary.id)
  const may =
    credential !== undefined &&
    isActive(credential, tx.nowMs) &&
    (credential.role === 'admin' || credential.powers.includes('create-wallet'))
  if (!may) {
    throw wireError('WIRE_NOT_PERMITTED', `The credential ${caller.primary.id} may not create wallets.`, {
      fix: 'Ask an admin, or add a credential with the power create-wallet.',
    })
  }
  const policy = wanted.policy ?? credential.walletPolicy ?? null
  if (policy !== null && (await tx.get('policy', policy)) === undefined) {
    throw signerError('SIGNER_POLICY_UNKNOWN', `No policy has the id ${policy}.`)
  }
  return policy as PolicyId | null
}

/** A backend with a fixed key (env) would otherwise give one key a second wallet, with budgets of its own. */
async function checkKeyIsNew(tx: LedgerTx, { publicKey }: { publicKey: string }): Promise<void> {
  const known = await tx.get('wallet-of-key', publicKey)
  if (known === undefined) return
  throw signerError('SIGNER_KEY_TAKEN', `The backend’s key already belongs to the wallet ${known.wallet}.`)
}

const walletIdBytes = 12

async function makeKey(
  signer: Signer,
  kind: WalletKind,
  name: string | undefined,
): Promise<Omit<WalletRecord, 'createdAt' | 'policy'>> {
  const id = `wal_${randomBytes(walletIdBytes).toString('hex')}`
  const algorithm = algorithmOf(kind)
  const key = await signer.backend.createKey({ algorithm, name: id })
  const publicKey = await signer.backend.publicKey(key)
  return {
    id,
    ...kind,
    algorithm,
    key,
    publicKey: encodeHex(publicKey.bytes),
    address: addressOf(kind, publicKey.bytes),
    name: name ?? null,
    backend: signer.backend.custody.backend,
  }
}

/** What everybody may know of a wallet. */
export function walletJson(wallet: WalletRecord) {
  const { id, type, form, algorithm, address, publicKey, name, policy, owner, backend, createdAt } = wallet
  return {
    id,
    type,
    algorithm,
    scheme: algorithm.toUpperCase(),
    status: 'ready',
    address,
    publicKey,
    chains: [type === 'EVM' ? 'eip155' : chainOfWallet(wallet)],
    ...(form === undefined ? {} : { form }),
    name,
    policy,
    ...(owner ? { owner } : {}),
    backend,
    createdAt,
  }
}
