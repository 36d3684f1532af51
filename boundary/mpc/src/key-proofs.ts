import { encodeU16 } from './byte-writer.ts'
import type { Group, Point } from './group.ts'
import type { KeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import { taggedHash } from './tagged-hash.ts'

/** For the proof of one coefficient, in the session of its commitments. */
export function coefficientProofContext(
  group: Group,
  { sid, prover, k }: { sid: Uint8Array; prover: PartyIndex; k: number },
) {
  return { group, tag: 'dkg/pok', fields: [sid, encodeU16(prover), encodeU16(k)] } as const
}

/** What every party of the new epoch confirms: everything public that the ceremony made. */
export function confirmationOf(
  { group, parties }: { readonly group: Group; readonly parties: readonly PartyIndex[] },
  key: Pick<KeyShare, 'epochId' | 'publicKey' | 'publicShares' | 'chainCode'>,
): Uint8Array {
  return taggedHash(
    'dkg/ok',
    key.epochId,
    group.encode(key.publicKey),
    encodeU16(parties.length),
    ...parties.flatMap((index) => [encodeU16(index), group.encode(key.publicShares.get(index) as Point)]),
    key.chainCode,
  )
}

export function shareProofContext(group: Group, epochId: Uint8Array, prover: PartyIndex) {
  return { group, tag: 'dkg/share-pok', fields: [epochId, encodeU16(prover)] } as const
}
