/**
 * Reshare: the old committee hands the same key to a new one, with another threshold or other parties, and retires
 * (docs/mpc-protocol.md, "Reshare"). Two phases: new members store before they confirm, old members retire only after
 * everybody has confirmed, and a new share signs only after all old members have retired. Import is a reshare from
 * the one party that has a whole key.
 */
import { concatBytes, copyBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { checkNames, contextId } from './context.ts'
import type { Group, Point } from './group.ts'
import { checkGroup } from './key-checks.ts'
import type { KeyShare } from './key-share.ts'
import { type Ceremony, ceremonies, codes } from './messages.ts'
import { checkMember, checkThreshold, type PartyIndex, parseParties } from './parties.ts'
import { commit, lagrange } from './polynomial.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import { Committed } from './reshare-rounds.ts'
import {
  commitmentOf,
  type GiverState,
  type OldKey,
  type Reshared,
  type Setting,
  send,
} from './reshare-setting.ts'
import type { Outgoing, Progress } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

export type { OldKey, Reshared } from './reshare-setting.ts'

export interface ReshareInput {
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  readonly instance: Uint8Array
  readonly own: PartyIndex
  /** Threshold and members of the new committee. An index that is in both names the same identity. */
  readonly threshold: number
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly old: OldKey
  /** Of an old member that takes part. */
  readonly share?: KeyShare
  readonly random?: RandomSource
}

export interface ImportInput extends Omit<ReshareInput, 'old' | 'share' | 'own'> {
  readonly own: PartyIndex
  readonly publicKey: Point
  readonly chainCode: Uint8Array
  readonly importerIdentity: Uint8Array
  /** The whole key: of the importing party, whose index is 1. */
  readonly secret?: bigint
}

const importer: PartyIndex = 1

/**
 * Draws and sends round 1.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startReshare(input: ReshareInput): Progress<Reshared> {
  const { share, old } = input
  if (share !== undefined) {
    const { group } = input
    const isSame =
      share.suite === input.suite &&
      share.label === input.label &&
      share.index === input.own &&
      equalBytes(share.epochId, old.epochId) &&
      equalBytes(share.chainCode, old.chainCode) &&
      group.equals(share.publicKey, old.publicKey) &&
      [...old.publicShares].every(([index, point]) =>
        isOfShare(share, index, point, old.identities.get(index)),
      )
    if (!isSame) throw mpcError('MPC_INPUT_INVALID', 'The share is not one of the key that is handed over.')
    if (old.publicShares.size !== share.threshold) {
      throw mpcError('MPC_PARTIES_INVALID', `Exactly ${share.threshold} old parties hand a key over.`)
    }
  }
  return start(input, { ceremony: ceremonies.reshare, old, secret: share?.secret })
}

/** A plan that names others than the share does must not find an old member that goes along. */
function isOfShare(
  { group, publicShares, identities }: KeyShare,
  index: PartyIndex,
  point: Point,
  identity: Uint8Array | undefined,
): boolean {
  const [knownPoint, knownIdentity] = [publicShares.get(index), identities.get(index)]
  if (knownPoint === undefined || knownIdentity === undefined || identity === undefined) return false
  return group.equals(knownPoint, point) && equalBytes(knownIdentity, identity)
}

/**
 * A whole key becomes shares; from then on nobody needs the whole one, and whoever keeps it can still sign alone.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startImport(input: ImportInput): Progress<Reshared> {
  const { group, publicKey, chainCode, importerIdentity, secret } = input
  if (secret !== undefined && !group.equals(group.multiplyBase(group.scalars.mod(secret)), publicKey)) {
    throw mpcError('MPC_INPUT_INVALID', 'The secret key is not the one of the public key.')
  }
  const old = {
    publicKey,
    chainCode,
    epochId: new Uint8Array(32),
    publicShares: new Map([[importer, publicKey]]),
    identities: new Map([[importer, importerIdentity]]),
  }
  return start(input, { ceremony: ceremonies.import, old, secret })
}

interface Role {
  readonly ceremony: Ceremony
  readonly old: OldKey
  readonly secret: bigint | undefined
}

function start(
  input: Omit<ReshareInput, 'old' | 'share'>,
  { ceremony, old, secret }: Role,
): Progress<Reshared> {
  const setting = openSetting(input, { ceremony, old, secret })
  const { group, own, ctx0, givers, threshold, random } = setting
  const { scalars } = group
  const outbox: Outgoing[] = []
  let giver: GiverState | undefined
  if (secret !== undefined) {
    const constant = scalars.multiply(lagrange(scalars, givers, own), secret)
    const coefficients = [constant]
    for (let k = 1; k < threshold; k++) coefficients.push(scalars.random(random))
    const sidShare = drawBytes(random, 32)
    const blind = drawBytes(random, 32)
    const commitments = commit(group, coefficients)
    const encoded = commitments.map((point) => group.encode(point))
    const commitment = commitmentOf(setting, own, { sidShare, commitments: encoded, blind })
    const payload = concatBytes(sidShare, commitment)
    giver = { coefficients, commitments, blind, payload }
    outbox.push(send(setting, { code: codes.reshare1, session: ctx0, to: 'all', payload }))
  }
  let nonce: Uint8Array | undefined
  if (setting.isTaker) {
    nonce = drawBytes(random, 32)
    outbox.push(send(setting, { code: codes.reshareNew1, session: ctx0, to: 'all', payload: nonce }))
  }
  return { outbox, next: new Committed(setting, { giver, nonce }) }
}

function openSetting(input: Omit<ReshareInput, 'old' | 'share'>, { ceremony, old, secret }: Role): Setting {
  const { suite, group, label, instance, own, threshold, identities } = input
  checkGroup(suite, group)
  const takers = parseParties(identities.keys())
  const givers = parseParties(old.publicShares.keys())
  checkThreshold(threshold, takers.length)
  const giverNames = new Map(
    givers.map((index) => {
      const identity = old.identities.get(index)
      if (identity === undefined)
        throw mpcError('MPC_PARTIES_INVALID', `The identity of old party ${index} is not known.`)
      return [index, identity] as const
    }),
  )
  checkNames(giverNames, giverNames)
  checkNames(giverNames, identities)
  const isGiver = secret !== undefined
  const isTaker = takers.includes(own)
  if (isGiver) checkMember(own, givers)
  else if (!isTaker || givers.includes(own)) {
    throw mpcError(
      'MPC_PARTIES_INVALID',
      `Party ${own} takes part in neither committee, or without its share.`,
    )
  }
  const subject = taggedHash(
    'reshare/subject',
    old.epochId,
    group.encode(old.publicKey),
    old.chainCode,
    encodeU16(givers.length),
    ...givers.flatMap((index) => [
      encodeU16(index),
      old.identities.get(index) as Uint8Array,
      group.encode(old.publicShares.get(index) as Point),
    ]),
  )
  const ctx0 = contextId({ suite, ceremony, label, instance, subject, threshold, identities })
  const peers = parseParties(new Set([...givers, ...takers])).filter((index) => index !== own)
  return {
    suite,
    group,
    label,
    ctx0,
    own,
    threshold,
    // They are in the new shares, which outlive what the caller does with its arrays.
    old: { ...old, epochId: copyBytes(old.epochId), chainCode: copyBytes(old.chainCode) },
    givers,
    takers,
    identities: new Map(takers.map((index) => [index, identities.get(index) as Uint8Array])),
    peers,
    isGiver,
    isTaker,
    random: input.random ?? platformRandom,
  }
}
