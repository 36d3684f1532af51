import { type BlastRadius, blastRadius, describeBlastRadius, type OwnedCredential } from '@countersign/policy'
import { type Credential, isActive, type SignedRequest, subjectOf, wireError } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { grantedRadius, grantsOfOwned } from './owned-grants.ts'
import { layersOf } from './policies.ts'
import { credentialsMax } from './quorum.ts'
import { authenticateReader } from './read.ts'
import type { WalletRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

/** Processes by the names of the design, and what an attacker has with each. */
const processes = ['engine', 'signer'] as const
type Process = (typeof processes)[number]

export interface BlastRadiusQuery {
  /** Processes and credential ids, comma-separated. */
  readonly owned: string
  readonly walletId?: string
  /** Key of the last wallet of the page before. */
  readonly after: string
  readonly limit: number
}

/**
 * What a break-in that has these processes and credentials could move out of each wallet, at most: computed here, from
 * the policies in force. Needs the power read.
 * @throws {CountersignError} WIRE_INVALID_REQUEST, SIGNER_CREDENTIAL_UNKNOWN, SIGNER_WALLET_UNKNOWN */
export async function readBlastRadius(
  signer: Signer,
  request: SignedRequest,
  query: BlastRadiusQuery,
): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const organisation = await signer.ledger.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  const { owned, ownsKey, assumptions } = await ownedBy(signer, query.owned)
  const quorum = { needed: organisation.quorum, looseningDelayMs: organisation.looseningDelayMs ?? 0 }
  const page = await walletsOf(signer, query)
  const source = { get: signer.ledger.get, range: signer.ledger.range, nowMs: signer.ledger.nowMs() }
  const granted = await grantsOfOwned(source, owned)
  const wallets: object[] = []
  // Thousands of wallets share a few policies, and a large one takes its time.
  const known = new Map<string, BlastRadius>()
  for (const wallet of page) {
    const layers = await layersOf(signer.ledger, signer.policies, wallet.id)
    const under = await grantedRadius(source, wallet, { owned, granted })
    const key = [
      ...layers.map(({ layer, policy }) => `${layer} ${policy?.hash ?? 'none'}`),
      ...under.owned.map(({ onlyUnderGrants }) => (onlyUnderGrants ? 'bound' : 'free')),
      ...under.grants.map(({ id }) => id),
    ].join()
    const { grants } = under
    const radius =
      known.get(key) ??
      blastRadius({ walletId: wallet.id, layers, owned: under.owned, grants, ownsKey, quorum })
    known.set(key, radius)
    const { exposure } = radius
    wallets.push({
      walletId: wallet.id,
      address: wallet.address,
      bounded: radius.bounded,
      assets: exposure.assets.map(({ asset, bounds }) => ({
        asset,
        bounds: bounds.map(({ amountMinor, windowMs, rules }) => ({
          amountMinor: String(amountMinor),
          windowMs,
          rules,
        })),
      })),
      recipients: exposure.recipients,
      unbounded: [...radius.beyondPolicy.map((why) => ({ why })), ...exposure.unbounded],
      notCounted: radius.unusable,
      lines: [...describeBlastRadius(radius), ...under.notes],
    })
  }
  const nextCursor = page.length < query.limit ? null : (page.at(-1)?.id ?? null)
  const uncounted = [...granted.uncounted].map(
    (subject) => `${subject} has too many grants to count: it is taken to ask freely.`,
  )
  return {
    status: 200,
    body: {
      owned: query.owned.split(','),
      assumptions: [...assumptions, ...uncounted],
      wallets,
      nextCursor,
    },
  }
}

async function walletsOf(
  signer: Signer,
  { walletId, after, limit }: BlastRadiusQuery,
): Promise<readonly WalletRecord[]> {
  if (walletId === undefined) {
    const rows = await signer.ledger.range('wallet', `${after}\0`, '\uffff', limit)
    return rows.map(({ value }) => value)
  }
  const wallet = await signer.ledger.get('wallet', walletId)
  if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
  return [wallet]
}

interface Owned {
  readonly owned: readonly OwnedCredential[]
  readonly ownsKey: boolean
  /** What follows from the processes, in words. */
  readonly assumptions: readonly string[]
}

async function ownedBy(signer: Signer, text: string): Promise<Owned> {
  const names = [...new Set(text.split(','))]
  const has = (process: Process) => names.includes(process)
  const rows = await signer.ledger.range('credential', '', '\uffff', credentialsMax)
  const nowMs = signer.ledger.nowMs()
  const all = rows.map(({ value }) => value)
  const active = all.filter((credential) => isActive(credential, nowMs))
  const owned = new Map<string, Credential>()
  const assumptions: string[] = []
  for (const name of names) {
    if (processes.includes(name as Process)) continue
    const found = all.filter((credential) => credential.id === name || credential.name === name)
    if (found.length === 0) {
      throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id or the name ${name}.`)
    }
    if (found.length > 1 && !found.some(({ id }) => id === name)) {
      throw wireError('WIRE_INVALID_REQUEST', `${found.length} credentials have the name ${name}: give ids.`)
    }
    for (const credential of found) {
      if (isActive(credential, nowMs)) owned.set(credential.id, credential)
      else assumptions.push(`${credential.id} is revoked or expired: it can do nothing any more.`)
    }
  }
  if (has('engine')) {
    const bearers = active.filter(({ bearer }) => bearer === true)
    for (const credential of bearers) owned.set(credential.id, credential)
    assumptions.push(
      bearers.length === 0
        ? 'engine: it holds no credential; it can refuse, delay, and choose nonce and fees within the bounds that the caller and the policy set.'
        : `engine: it sees every API key in use, so it has ${bearers.map(({ id }) => id).join(', ')}.`,
    )
    if (signer.sharesUserWithEngine && !has('signer')) {
      assumptions.push(
        'engine: its own process only. It runs as the signer’s Unix user here, so code in it may reach the signer too: ask for engine,signer.',
      )
    }
  }
  if (has('signer')) assumptions.push('signer: its process has the keys.')
  return {
    owned: [...owned.values()].map((credential) => ({
      subject: subjectOf(credential),
      role: credential.role as OwnedCredential['role'],
      bearer: credential.bearer === true,
    })),
    ownsKey: has('signer'),
    assumptions,
  }
}
