import { describe, expect, it } from 'vitest'
import { type ReceiveInput, startExport, startReceive } from './export.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import { shareProofContext } from './key-proofs.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { platformRandom } from './random-source.ts'
import { type OldKey, type ReshareInput, startReshare } from './reshare.ts'
import { proveSecret } from './schnorr-proof.ts'
import { Session, type Storable } from './session.ts'
import {
  type Delivery,
  dealFrostShares,
  endAll,
  endOf,
  runNetwork,
  testIdentities,
  testInstance,
  testLabel,
} from './testing/index.ts'

/** Attacks by whoever plans or takes part in a reshare or an export: wrong parameters, wrong names, split views. */
const suite = 2
const givers = [1, 3] as const
const deal = () =>
  dealFrostShares({
    suite,
    threshold: 2,
    indices: [1, 2, 3],
    random: platformRandom,
    label: testLabel,
  }) as ReadonlyMap<PartyIndex, KeyShare>

function oldKeyOf({ publicKey, chainCode, epochId, publicShares, identities }: KeyShare): OldKey {
  const only = <T>(all: ReadonlyMap<PartyIndex, T>) => new Map([...all].filter(([index]) => index !== 2))
  return { publicKey, chainCode, epochId, publicShares: only(publicShares), identities: only(identities) }
}

function reshareInput(share: KeyShare, takers: readonly PartyIndex[]) {
  return {
    suite,
    group: share.group,
    label: testLabel,
    instance: testInstance,
    own: share.index,
    threshold: 2,
    identities: testIdentities(takers),
    old: oldKeyOf(share),
    share,
  } as const satisfies ReshareInput
}

describe('a plan that lies about the key that is handed over', () => {
  const shares = deal()
  const share = shares.get(1) as KeyShare
  const input = reshareInput(share, [4, 5, 6])
  const start = (old: Partial<OldKey>) => () => startReshare({ ...input, old: { ...input.old, ...old } })

  it('starts as it is', () => {
    expect(start({})).not.toThrow()
  })

  it('another chain code would lose every derived address: an old member knows its own', () => {
    expect(start({ chainCode: new Uint8Array(32).fill(9) })).toThrow('not one of the key')
  })

  it('other public shares are not those that this member holds', () => {
    const { group } = share
    for (const index of givers) {
      const publicShares = new Map(input.old.publicShares).set(index, group.multiplyBase(77n))
      expect(start({ publicShares })).toThrow('not one of the key')
    }
  })

  it('another identity for an old party would hand its role to somebody else', () => {
    const identities = new Map(input.old.identities).set(3, new TextEncoder().encode('mallory'))
    expect(start({ identities })).toThrow('not one of the key')
  })

  it('A12: one identity under two indices, an old and a new one, is one party in two roles', () => {
    const identities = testIdentities([4, 5, 6])
    identities.set(4, input.old.identities.get(3) as Uint8Array)
    expect(() => startReshare({ ...input, identities })).toThrow('two indices')
  })

  it('keeps the chain code that it was started with, whatever becomes of the caller’s', async () => {
    const sessions = new Map(
      [1, 3, 4, 5].map((own) => {
        const mine = shares.get(own)
        const old = { ...input.old, chainCode: input.old.chainCode.slice() }
        const common = { ...input, own, identities: testIdentities([4, 5]), old }
        const { share: _, ...without } = common
        const session = new Session(startReshare(mine === undefined ? without : { ...common, share: mine }))
        old.chainCode.fill(0)
        return [own, session] as const
      }),
    )
    await runNetwork(sessions)
    const outcome = sessions.get(4)?.outcome
    if (outcome?.status !== 'done') throw new Error(endOf(outcome))
    expect(outcome.result.share?.chainCode).toEqual(share.chainCode)
  })
})

describe('a new member with two faces', () => {
  it('A16: two valid confirmations tell no lie that names an honest party, and nothing is erased', async () => {
    const shares = deal()
    const { group } = shares.get(1) as KeyShare
    const parties = [1, 3, 4, 5]
    let pending: KeyShare | undefined
    const sessions = new Map(
      parties.map((own) => {
        const share = shares.get(own)
        const common = { ...reshareInput(shares.get(1) as KeyShare, [4, 5]), own }
        const { share: _, ...without } = common
        return [own, new Session(startReshare(share === undefined ? without : { ...common, share }))]
      }),
    )
    // Party 5 proves its share a second time for party 1: as valid, and another payload.
    const tamper = (delivery: Delivery): readonly Delivery[] => {
      const frame = decodeFrame(delivery.bytes)
      if (delivery.from !== 5 || delivery.to !== 1 || frame.code !== codes.reshareNew4) return [delivery]
      const { secret, publicShares, epochId } = pending as KeyShare
      const proof = proveSecret(shareProofContext(group, epochId, 5), {
        secret,
        point: publicShares.get(5) as never,
        nonce: 12345n,
      })
      const payload = frame.payload.slice()
      payload.set(proof, 32)
      return [{ ...delivery, bytes: encodeFrame({ ...frame, suite, payload }) }]
    }
    await runNetwork(sessions, {
      tamper,
      persist: async (storable: Storable) => {
        if (storable.kind === 'pending-share' && storable.share.index === 5) pending = storable.share
      },
    })
    const ends = endAll(sessions)
    for (const own of [1, 3, 4]) expect(endOf(ends.get(own))).toBe('ABORT confirmation-mismatch')
  })
})

describe('an export to a name that is another’s', () => {
  const shares = deal()
  const share = shares.get(1) as KeyShare
  const owner = new TextEncoder().encode('the owner')
  const plan = { givers, recipient: 9, recipientIdentity: owner, instance: testInstance }
  const receive = (change: Partial<ReceiveInput>) => () => {
    const { group, label, threshold, identities, publicShares, publicKey, epochId } = share
    return startReceive({
      ...{ ...plan, suite, group, label, threshold, identities, publicShares, publicKey, epochId },
      ...change,
    })
  }

  it('an index of the committee is that party, so its frame would go there and not to the owner', () => {
    expect(() => startExport({ share, ...plan, recipient: 2 })).toThrow('names two parties')
    expect(receive({ recipient: 2 })).toThrow('names two parties')
  })

  it('a member under another index is refused too', () => {
    const recipientIdentity = share.identities.get(2) as Uint8Array
    expect(() => startExport({ share, ...plan, recipientIdentity })).toThrow('two indices')
    expect(receive({ recipientIdentity })).toThrow('two indices')
  })

  it('a recipient that nothing authenticates is refused', () => {
    expect(() => startExport({ share, ...plan, recipientIdentity: new Uint8Array(0) })).toThrow('1 to 256')
    expect(receive({ recipientIdentity: new Uint8Array(257) })).toThrow('1 to 256')
  })

  it('a giver whose public share is not known is refused before anybody sends', () => {
    const publicShares = new Map(share.publicShares)
    publicShares.delete(3)
    expect(receive({ publicShares })).toThrow('public share of party 3')
  })

  it('a member may be the recipient under its own name', () => {
    const recipientIdentity = share.identities.get(2) as Uint8Array
    expect(() => startExport({ share, ...plan, recipient: 2, recipientIdentity })).not.toThrow()
  })
})
