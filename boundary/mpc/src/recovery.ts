/**
 * Recovery of a lost share: t helpers give a party the value of the key's polynomial at its index, and learn nothing
 * (docs/mpc-protocol.md, "Recovery of a lost share"). A full refresh follows before the recovered share signs: its
 * pairs have no transfers, and whoever found the lost share has it too.
 */
import { isCountersignError } from '@countersign/bytes'
import { abort, done, type Step } from './abort.ts'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { contextId } from './context.ts'
import { encodeFrame } from './frame.ts'
import type { Group, Point, Secp256k1Group } from './group.ts'
import { Inbox } from './inbox.ts'
import { checkGroup, interpolatesTo } from './key-checks.ts'
import type { EcdsaKeyShare, KeyShare } from './key-share.ts'
import { ceremonies, codes, payloadBytes } from './messages.ts'
import { checkMember, type PartyIndex, parseParties } from './parties.ts'
import { lagrange } from './polynomial.ts'
import { platformRandom, type RandomSource } from './random-source.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

export interface HelpInput {
  readonly share: KeyShare
  readonly lost: PartyIndex
  /** Exactly t parties, own included, the lost one not. */
  readonly helpers: Iterable<PartyIndex>
  readonly instance: Uint8Array
  readonly random?: RandomSource
}

/** What the party that lost its share knows of the key from an authenticated source. */
export interface RecoveryInput {
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  readonly own: PartyIndex
  readonly threshold: number
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly helpers: Iterable<PartyIndex>
  readonly instance: Uint8Array
  readonly publicKey: Point
  readonly chainCode: Uint8Array
  readonly epochId: Uint8Array
}

interface Recovery {
  readonly suite: SuiteId
  readonly group: Group
  readonly ctx0: Uint8Array
  readonly own: PartyIndex
  readonly lost: PartyIndex
  readonly helpers: readonly PartyIndex[]
}

type Context = Pick<
  RecoveryInput,
  'suite' | 'group' | 'label' | 'own' | 'threshold' | 'identities' | 'instance'
> & {
  readonly lost: PartyIndex
  readonly helpers: Iterable<PartyIndex>
  readonly publicKey: Point
  readonly chainCode: Uint8Array
  readonly epochId: Uint8Array
}

function openRecovery(context: Context): Recovery {
  const { suite, group, label, own, lost, threshold, identities, instance } = context
  const helpers = parseParties(context.helpers)
  checkGroup(suite, group)
  checkMember(lost, [...identities.keys()])
  for (const helper of helpers) checkMember(helper, [...identities.keys()])
  if (helpers.length !== threshold || helpers.includes(lost)) {
    throw mpcError(
      'MPC_PARTIES_INVALID',
      `Exactly ${threshold} helpers give a share back, and the party that lost it is none of them.`,
    )
  }
  const ctx0 = contextId({
    suite,
    ceremony: ceremonies.recover,
    label,
    instance,
    subject: taggedHash(
      'recover/subject',
      context.epochId,
      group.encode(context.publicKey),
      context.chainCode,
      encodeU16(lost),
      encodeU16(helpers.length),
      ...helpers.map(encodeU16),
    ),
    threshold,
    identities,
  })
  return { suite, group, ctx0, own, lost, helpers }
}

function send(
  { suite, own, ctx0 }: Recovery,
  { code, to, payload }: { code: number; to: PartyIndex; payload: Uint8Array },
): Outgoing {
  return { to, bytes: encodeFrame({ suite, code, sender: own, receiver: to, session: ctx0, payload }) }
}

/**
 * Draws and sends round 1 of a helper. The session's result is that the helper has helped.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startHelp({
  share,
  lost,
  helpers,
  instance,
  random = platformRandom,
}: HelpInput): Progress<'helped'> {
  const recovery = openRecovery({ ...share, own: share.index, lost, helpers, instance })
  const { group, own } = recovery
  checkMember(own, recovery.helpers)
  const { scalars } = group
  const highest = recovery.helpers.at(-1) as PartyIndex
  let rest = scalars.multiply(lagrange(scalars, recovery.helpers, own, lost), share.secret)
  const summands = new Map<PartyIndex, bigint>()
  for (const helper of recovery.helpers) {
    if (helper === highest) continue
    const summand = scalars.random(random)
    summands.set(helper, summand)
    rest = scalars.subtract(rest, summand)
  }
  summands.set(highest, rest)
  const outbox = recovery.helpers
    .filter((helper) => helper !== own)
    .map((to) =>
      send(recovery, { code: codes.recover1, to, payload: scalars.encode(summands.get(to) as bigint) }),
    )
  return { outbox, next: new Summing(recovery, share, summands.get(own) as bigint) }
}

/** Round 1 of a helper is sent: the others' summands are awaited. */
class Summing implements Round<'helped'> {
  readonly inbox: Inbox<'summands'>
  readonly #recovery: Recovery
  readonly #share: KeyShare
  #own: bigint | undefined

  constructor(recovery: Recovery, share: KeyShare, own: bigint) {
    this.#recovery = recovery
    this.#share = share
    this.#own = own
    const from = recovery.helpers.filter((helper) => helper !== recovery.own)
    this.inbox = new Inbox({
      suite: recovery.suite,
      own: recovery.own,
      peers: [...from, recovery.lost],
      session: recovery.ctx0,
      wrongLength: 'ABORT',
      expects: {
        summands: { code: codes.recover1, cast: 'direct', from, payloadBytes: payloadBytes.recover1 },
      },
    })
  }

  finish(): Step<Progress<'helped'>> {
    let sum = this.#own
    this.#own = undefined
    if (sum === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { group, lost } = this.#recovery
    const culprits: PartyIndex[] = []
    for (const [helper, payload] of this.inbox.take().summands) {
      const summand = orUndefined(() => group.scalars.decode(payload))
      if (summand === undefined) culprits.push(helper)
      else sum = group.scalars.add(sum, summand)
    }
    if (culprits.length > 0) {
      return abort({
        problem: 'malformed',
        culprits,
        message: 'A summand of the lost share does not decode.',
      })
    }
    const { epochId, chainCode, publicKey, publicShares } = this.#share
    const parties = parseParties(publicShares.keys())
    const payload = concatBytes(
      group.scalars.encode(sum),
      epochId,
      chainCode,
      group.encode(publicKey),
      encodeU16(parties.length),
      ...parties.flatMap((index) => [encodeU16(index), group.encode(publicShares.get(index) as Point)]),
    )
    const outbox = [send(this.#recovery, { code: codes.recover2, to: lost, payload })]
    return done({ outbox, result: 'helped' })
  }

  discard(): void {
    this.#own = undefined
  }
}

/**
 * Waits for the helpers. The session's result is the share, with every pair burned: it must be refreshed.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startRecovery(input: RecoveryInput): Progress<KeyShare> {
  const recovery = openRecovery({ ...input, lost: input.own })
  return { outbox: [], next: new Recovering(recovery, input) }
}

class Recovering implements Round<KeyShare> {
  readonly inbox: Inbox<'packages'>
  #input: RecoveryInput | undefined

  constructor(recovery: Recovery, input: RecoveryInput) {
    this.#input = input
    const from = recovery.helpers
    const bytes = payloadBytes.recover2(recovery.group, input.identities.size)
    this.inbox = new Inbox({
      suite: recovery.suite,
      own: recovery.own,
      peers: from,
      session: recovery.ctx0,
      wrongLength: 'ABORT',
      expects: { packages: { code: codes.recover2, cast: 'direct', from, payloadBytes: bytes } },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const input = this.#input
    this.#input = undefined
    if (input === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { group, own, threshold, identities } = input
    const packages = [...this.inbox.take().packages]
    const culprits: PartyIndex[] = []
    let secret = 0n
    for (const [helper, payload] of packages) {
      const sum = orUndefined(() => group.scalars.decode(payload.subarray(0, 32)))
      if (sum === undefined) culprits.push(helper)
      else secret = group.scalars.add(secret, sum)
    }
    if (culprits.length > 0) {
      return abort({ problem: 'malformed', culprits, message: 'A sum of the lost share does not decode.' })
    }
    const [first] = packages.map(([, payload]) => payload.subarray(32))
    if (first === undefined) throw new Error('bug: a recovery without helpers')
    if (packages.some(([, payload]) => !equalBytes(payload.subarray(32), first))) {
      return mismatch('The helpers do not say the same of the key.')
    }
    const known = orUndefined(() => readPublic(group, first))
    if (known === undefined) return mismatch('What the helpers say of the key does not decode.')
    const { epochId, chainCode, publicKey, publicShares } = known
    const parties = parseParties(identities.keys())
    const isExpected =
      equalBytes(epochId, input.epochId) &&
      equalBytes(chainCode, input.chainCode) &&
      group.equals(publicKey, input.publicKey) &&
      [...publicShares.keys()].join() === parties.join()
    if (!isExpected) return mismatch('What the helpers say of the key is not what this party knows of it.')
    if (!interpolatesTo(group, publicShares, threshold, publicKey)) {
      return mismatch('The public shares do not interpolate to the public key.')
    }
    if (!group.equals(group.multiplyBase(secret), publicShares.get(own) as Point)) {
      return mismatch('The recovered share is not the one that was lost.')
    }
    const { suite, label } = input
    const share: KeyShare = {
      suite,
      group,
      label,
      index: own,
      threshold,
      identities,
      secret,
      publicShares,
      publicKey,
      chainCode,
      epochId,
    }
    return done({ outbox: [], result: suite === 1 ? withoutPairs(share) : share })
  }

  discard(): void {
    this.#input = undefined
  }
}

function mismatch(message: string) {
  return abort({ problem: 'key-mismatch', message })
}

function withoutPairs(share: KeyShare): EcdsaKeyShare {
  const pairs = new Map(
    [...share.publicShares.keys()]
      .filter((index) => index !== share.index)
      .map((index) => [index, { burned: true }] as const),
  )
  return { ...share, suite: 1, group: share.group as Secp256k1Group, pairs }
}

interface PublicKeyData {
  readonly epochId: Uint8Array
  readonly chainCode: Uint8Array
  readonly publicKey: Point
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
}

function readPublic(group: Group, bytes: Uint8Array): PublicKeyData {
  return decodeExactly(bytes, (reader) => {
    const epochId = reader.take(32)
    const chainCode = reader.take(32)
    const publicKey = reader.point(group)
    const shares = Array.from({ length: reader.u16() }, () => [reader.u16(), reader.point(group)] as const)
    // Sorted and distinct, or refused.
    const parties = parseParties(shares.map(([index]) => index))
    if (parties.some((index, at) => index !== shares[at]?.[0])) {
      throw mpcError('MPC_MALFORMED', 'The public shares are not in ascending order of index.')
    }
    return { epochId, chainCode, publicKey, publicShares: new Map(shares) }
  })
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}
