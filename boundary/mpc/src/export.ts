/**
 * Export: t parties give one recipient their shares, and it puts the whole key together (docs/mpc-protocol.md,
 * "Export"). Never automatic: each party starts it by its own operator's decision, and stores first that this epoch's
 * key is held as a whole by somebody from now on.
 */
import { isCountersignError } from '@countersign/bytes'
import { abort, done, type Step } from './abort.ts'
import { encodeU16 } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { checkNames, contextId } from './context.ts'
import { encodeFrame } from './frame.ts'
import type { Group, Point } from './group.ts'
import { Inbox } from './inbox.ts'
import { checkGroup, interpolatesTo } from './key-checks.ts'
import type { KeyShare } from './key-share.ts'
import { ceremonies, codes, payloadBytes } from './messages.ts'
import { checkMember, type PartyIndex, parseParties } from './parties.ts'
import { lagrange } from './polynomial.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

interface ExportPlan {
  /** Exactly t parties that give; the recipient is none of them, and need not be of the committee. */
  readonly givers: Iterable<PartyIndex>
  readonly recipient: PartyIndex
  readonly recipientIdentity: Uint8Array
  readonly instance: Uint8Array
}

export interface GiveInput extends ExportPlan {
  readonly share: KeyShare
}

export interface ReceiveInput extends ExportPlan {
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  readonly threshold: number
  /** As the recipient knows them from an authenticated source. */
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly publicKey: Point
  readonly epochId: Uint8Array
}

type Known = Omit<ReceiveInput, keyof ExportPlan>

function planOf(known: Known, plan: ExportPlan) {
  const { suite, group, label, threshold, identities, publicKey, epochId } = known
  const { recipient, recipientIdentity, instance } = plan
  checkGroup(suite, group)
  const givers = parseParties(plan.givers)
  for (const giver of givers) checkMember(giver, [...identities.keys()])
  parseParties([...givers, recipient])
  // A member under its own name may be the recipient; a frame for anybody else must not be routed to a member.
  checkNames(new Map([[recipient, recipientIdentity]]), identities)
  if (givers.length !== threshold)
    throw mpcError('MPC_PARTIES_INVALID', `Exactly ${threshold} parties give a key away.`)
  const ctx0 = contextId({
    suite,
    ceremony: ceremonies.export,
    label,
    instance,
    subject: taggedHash(
      'export/subject',
      epochId,
      group.encode(publicKey),
      encodeU16(recipient),
      recipientIdentity,
      encodeU16(givers.length),
      ...givers.map(encodeU16),
    ),
    threshold,
    identities,
  })
  return { ctx0, givers }
}

/**
 * A giver: stores that it gives, then sends its share to the recipient alone.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startExport({ share, ...plan }: GiveInput): Progress<'given'> {
  const { ctx0, givers } = planOf(share, plan)
  checkMember(share.index, givers)
  const payload = share.group.scalars.encode(share.secret)
  const bytes = encodeFrame({
    suite: share.suite,
    code: codes.export1,
    sender: share.index,
    receiver: plan.recipient,
    session: ctx0,
    payload,
  })
  payload.fill(0)
  const given: Outgoing = { to: plan.recipient, bytes }
  return {
    outbox: [given],
    next: new Given({ suite: share.suite, own: share.index, peer: plan.recipient, ctx0 }),
    store: { kind: 'exported-epoch', epochId: share.epochId, recipient: plan.recipient },
  }
}

/** Nothing is awaited: the round is there so that what is stored comes before what is sent. */
class Given implements Round<'given'> {
  readonly inbox: Inbox<'nothing'>

  constructor(session: { suite: SuiteId; own: PartyIndex; peer: PartyIndex; ctx0: Uint8Array }) {
    const { suite, own, peer, ctx0 } = session
    this.inbox = new Inbox({
      suite,
      own,
      peers: [peer],
      session: ctx0,
      wrongLength: 'RETRY',
      expects: { nothing: { code: codes.export1, cast: 'direct', from: [], payloadBytes: 0 } },
    })
  }

  finish(): Step<Progress<'given'>> {
    this.inbox.take()
    return done({ outbox: [], result: 'given' })
  }

  discard(): void {}
}

/**
 * The recipient. The session's result is the whole key, checked against the public one.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startReceive(input: ReceiveInput): Progress<bigint> {
  const { ctx0, givers } = planOf(input, input)
  if (!interpolatesTo(input.group, input.publicShares, input.threshold, input.publicKey)) {
    throw mpcError('MPC_INPUT_INVALID', 'The public shares do not interpolate to the public key.')
  }
  const unknown = givers.find((giver) => !input.publicShares.has(giver))
  if (unknown !== undefined)
    throw mpcError('MPC_INPUT_INVALID', `The public share of party ${unknown} is not known.`)
  return { outbox: [], next: new Receiving(input, { ctx0, givers }) }
}

class Receiving implements Round<bigint> {
  readonly inbox: Inbox<'shares'>
  readonly #input: ReceiveInput

  constructor(input: ReceiveInput, { ctx0, givers }: { ctx0: Uint8Array; givers: readonly PartyIndex[] }) {
    this.#input = input
    this.inbox = new Inbox({
      suite: input.suite,
      own: input.recipient,
      peers: givers,
      session: ctx0,
      wrongLength: 'ABORT',
      expects: {
        shares: { code: codes.export1, cast: 'direct', from: givers, payloadBytes: payloadBytes.export1 },
      },
    })
  }

  finish(): Step<Progress<bigint>> {
    const { group, publicShares, publicKey } = this.#input
    const { scalars } = group
    const shares = [...this.inbox.take().shares].sort(([a], [b]) => a - b)
    const givers = shares.map(([giver]) => giver)
    const culprits: PartyIndex[] = []
    let secret = 0n
    for (const [giver, payload] of shares) {
      const share = shareOrUndefined(group, payload)
      payload.fill(0)
      if (share === undefined || !group.equals(group.multiplyBase(share), publicShares.get(giver) as Point)) {
        culprits.push(giver)
        continue
      }
      secret = scalars.add(secret, scalars.multiply(lagrange(scalars, givers, giver), share))
    }
    if (culprits.length > 0) {
      return abort({
        problem: 'share-invalid',
        culprits,
        message: 'A share is not the one of its public share.',
      })
    }
    if (!group.equals(group.multiplyBase(secret), publicKey)) {
      return abort({ problem: 'key-mismatch', message: 'The shares do not make the key.' })
    }
    return done({ outbox: [], result: secret })
  }

  discard(): void {}
}

function shareOrUndefined(group: Group, payload: Uint8Array): bigint | undefined {
  try {
    return group.scalars.decode(payload)
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}
