import type { Layer, Policy, PolicyId } from '@countersign/policy'
import { parsePolicy } from '@countersign/policy'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import type { PolicyRecord } from './records.ts'

const parsedPoliciesMax = 1_000

/** Policies parsed once per version. */
export class PolicyCache {
  readonly #parsed = new Map<string, Policy>()

  /** @throws {CountersignError} SIGNER_POLICY_UNREADABLE */
  parse(record: PolicyRecord): Policy {
    const known = this.#parsed.get(record.hash)
    if (known !== undefined) return known
    let policy: Policy
    try {
      policy = parsePolicy(record.document)
    } catch (cause) {
      throw signerError('SIGNER_POLICY_UNREADABLE', `The stored policy ${record.id} cannot be read.`, {
        cause,
      })
    }
    if (this.#parsed.size >= parsedPoliciesMax) this.#parsed.clear()
    this.#parsed.set(record.hash, policy)
    return policy
  }
}

export interface PolicyLayer {
  readonly layer: Layer
  /** `undefined`: nothing may be signed. */
  readonly policy: Policy | undefined
}

/** The organisation's and the group's policy where they have one, and always the wallet's: without it nothing is permitted. */
export async function layersOf(
  source: Pick<LedgerTx, 'get'>,
  cache: PolicyCache,
  walletId: string,
): Promise<PolicyLayer[]> {
  const organisation = await source.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  const wallet = await source.get('wallet', walletId)
  const layers: PolicyLayer[] = []
  if (organisation.policy !== null)
    layers.push({ layer: 'organisation', policy: await load(organisation.policy) })
  const group = wallet?.group ? await source.get('wallet-group', wallet.group) : undefined
  if (wallet?.group && group === undefined)
    throw signerError('SIGNER_POLICY_UNREADABLE', `The group ${wallet.group} of the wallet is not there.`)
  if (group?.policy) layers.push({ layer: 'group', policy: await load(group.policy) })
  layers.push({ layer: 'wallet', policy: wallet?.policy ? await load(wallet.policy) : undefined })
  return layers

  async function load(id: PolicyId): Promise<Policy> {
    const record = await source.get('policy', id)
    if (record === undefined)
      throw signerError('SIGNER_POLICY_UNREADABLE', `The policy ${id} is assigned but not there.`)
    return cache.parse(record)
  }
}
