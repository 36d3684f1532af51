import { type FrostInput, type FrostSignature, openFrostSignature } from '../frost.ts'
import { FrostEpoch } from '../frost-epoch.ts'
import type { KeyShare } from '../key-share.ts'
import type { PartyIndex } from '../parties.ts'
import type { RandomSource } from '../random-source.ts'
import type { Session } from '../session.ts'
import { testInstance } from './ceremonies.ts'

export const frostTestMessage = new TextEncoder().encode('a payment')

type FrostTestOptions = Partial<Omit<FrostInput, 'epoch' | 'signers' | 'random'>> & {
  readonly randoms?: ReadonlyMap<PartyIndex, RandomSource>
}

/** One session for each of the signers. */
export function openFrostSessions(
  shares: ReadonlyMap<PartyIndex, KeyShare>,
  signers: readonly PartyIndex[],
  { randoms, ...choice }: FrostTestOptions = {},
): Map<PartyIndex, Session<FrostSignature>> {
  return new Map(
    signers.map((index) => {
      const share = shares.get(index)
      if (share === undefined) throw new Error('bug: a signer without a share')
      const random = randoms?.get(index)
      const input = {
        epoch: new FrostEpoch({ share }),
        signers,
        message: frostTestMessage,
        instance: testInstance,
        ...choice,
        ...(random === undefined ? {} : { random }),
      }
      return [index, openFrostSignature(input)] as const
    }),
  )
}
