import { type Json, parseJson } from '@countersign/bytes'
import {
  createWalletBody,
  listWalletsQuery,
  parseBody,
  parseQuery,
  type SignedRequest,
  wireError,
} from '@countersign/wire'
import { authenticate, type Caller, checkMayRead, mayRead, type NonceMemory } from './authenticate.ts'
import { engineError } from './catalogue.ts'
import { pageAnswer, pageOf } from './cursor.ts'
import type { SignerAnswer, SignerClient } from './signer-client.ts'
import type { Store } from './store/store.ts'
import type { NewWallet, RequestRef, UserIdentifier, WalletRow } from './store/wallets.ts'
import { parseUserIdentifier } from './user-identifier.ts'

export interface Wallets {
  readonly store: Store
  readonly signer: SignerClient
  readonly nonces: NonceMemory
  /** Where a test kills the process. */
  readonly at: (point: 'wallet-claimed' | 'wallet-created') => Promise<void>
}

/** A claim whose engine has not come back for this long, and of which the signer knows nothing, is free. */
const claimTtlMs = 10_000

/**
 * A user identifier is claimed before the signer makes the key, so two requests cannot make two wallets for one
 * person; whatever a crash leaves is finished by the next request that meets it.
 * @throws {CountersignError} */
export async function createWallet(engine: Wallets, request: SignedRequest): Promise<SignerAnswer> {
  const caller = await authenticate(request, engine.signer)
  const body = parseBody(createWalletBody, parseJson(request.body))
  const user = userOf(body)
  const by: RequestRef = { credentialId: caller.subject, requestId: caller.requestId }
  if (user !== null) await claim(engine, { user, by, caller })
  await engine.at('wallet-claimed')

  const answer = await engine.signer.forward(request)
  await engine.at('wallet-created')
  if (answer.status === 200 || answer.status === 201) {
    await engine.store.wallets.add(newWallet(answer.text, { user, createdBy: by }))
  } else if (user !== null && answer.status < 500 && answer.status !== 409) {
    await engine.store.wallets.releaseClaim(user, by)
  }
  return answer
}

/** Any credential may look at a wallet whose id it has: the address is public, and the SDK starts from it. */
export async function getWallet(engine: Wallets, request: SignedRequest, id: string): Promise<SignerAnswer> {
  const known = await engine.store.wallets.get(id)
  if (known === undefined) {
    // Made while this engine's books were lost or not written: the signer's public record heals them.
    const answer = await engine.signer.forward(request)
    if (answer.status === 200)
      await engine.store.wallets.add(newWallet(answer.text, { user: null, createdBy: null }))
    return answer
  }
  const caller = await authenticate(request, engine.signer)
  engine.nonces.take(caller.nonces)
  return { status: 200, text: JSON.stringify(walletJson(known, mayRead(caller.credential))) }
}

export async function listWallets(
  engine: Wallets,
  request: SignedRequest,
  queryText: Readonly<Record<string, string>>,
): Promise<SignerAnswer> {
  const query = parseQuery(listWalletsQuery, queryText)
  const caller = await authenticate(request, engine.signer)
  checkMayRead(caller.credential)
  const page = pageOf('wallets', query)
  const user = userOf(query)
  engine.nonces.take(caller.nonces)
  const rows = user === null ? await engine.store.wallets.list(page) : await findByUser(engine, user)
  return {
    status: 200,
    text: pageAnswer('wallets', { rows, limit: page.limit }, (row) => walletJson(row, true)),
  }
}

/** After the signer has put a wallet under another policy, so that the directory shows it too. */
export async function noteWalletPolicy(
  { store }: Wallets,
  id: string,
  request: SignedRequest,
): Promise<void> {
  const { policy } = JSON.parse(request.body) as { policy: string | null }
  await store.wallets.setPolicy(id, policy)
}

async function findByUser({ store }: Wallets, user: UserIdentifier): Promise<WalletRow[]> {
  const row = await store.wallets.find(user)
  return row === undefined ? [] : [row]
}

interface Claiming {
  readonly user: UserIdentifier
  readonly by: RequestRef
  readonly caller: Caller
}

async function claim(engine: Wallets, { user, by, caller }: Claiming): Promise<void> {
  const { store, signer } = engine
  await refuseExisting(engine, { user, by, caller })
  const holder = await store.wallets.claim(user, by)
  if (holder === undefined) return refuseExisting(engine, { user, by, caller })
  const outcome = await signer.outcome(holder.credentialId, holder.requestId)
  if (outcome.state === 'done' && outcome.status < 300) {
    await store.wallets.add(newWallet(JSON.stringify(outcome.answer), { user, createdBy: holder }))
    return refuseExisting(engine, { user, by, caller })
  }
  const isLeftBehind = outcome.state !== 'pending' && holder.ageMs > claimTtlMs
  if (isLeftBehind && (await store.wallets.moveClaim(user, holder, by))) return
  throw wireError(
    'WIRE_REQUEST_IN_FLIGHT',
    'A wallet for this user identifier is being created by another request.',
  )
}

/** The request that made the wallet may come again; the signer then gives the same answer. */
async function refuseExisting({ store }: Wallets, { user, by, caller }: Claiming): Promise<void> {
  const wallet = await store.wallets.find(user)
  if (wallet === undefined) return
  if (wallet.createdBy?.credentialId === by.credentialId && wallet.createdBy.requestId === by.requestId)
    return
  throw engineError('ENGINE_WALLET_EXISTS', 'A wallet for this user identifier exists.', {
    details: mayRead(caller.credential) ? { walletId: wallet.id } : {},
  })
}

interface WithUser {
  readonly userIdentifier?: string
  readonly userIdentifierType?: Parameters<typeof parseUserIdentifier>[1]
}

function userOf({ userIdentifier, userIdentifierType }: WithUser): UserIdentifier | null {
  if (userIdentifier === undefined && userIdentifierType === undefined) return null
  if (userIdentifier === undefined || userIdentifierType === undefined) {
    throw wireError('WIRE_INVALID_BODY', 'userIdentifier and userIdentifierType come together.', {
      details: { path: userIdentifier === undefined ? '/userIdentifier' : '/userIdentifierType' },
    })
  }
  return parseUserIdentifier(userIdentifier, userIdentifierType)
}

function newWallet(text: string, more: Pick<NewWallet, 'user' | 'createdBy'>): NewWallet {
  // What is about the request, not about the wallet, stays out of the record.
  const { receipt: _receipt, journal: _journal, ...record } = JSON.parse(text) as Record<string, Json>
  const {
    id,
    type,
    address,
    publicKey,
    name = null,
    policy = null,
    createdAt,
  } = record as unknown as NewWallet
  return { id, type, address, publicKey, name, policy, createdAt, record: JSON.stringify(record), ...more }
}

/** @param withUser Whose wallet it is, only for those who may read the directory. */
function walletJson({ record, policy, user }: WalletRow, withUser: boolean) {
  const fields = JSON.parse(record) as Record<string, Json>
  if (!withUser) return { ...fields, policy }
  return { ...fields, policy, userIdentifier: user?.value ?? null, userIdentifierType: user?.type ?? null }
}
