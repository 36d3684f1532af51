import type { Step } from './abort.ts'
import { mpcError } from './catalogue.ts'
import type { Epoch, Membership } from './epoch.ts'
import { broadcast, encodeFrame } from './frame.ts'
import type { Secp256k1Group } from './group.ts'
import { type Expected, Inbox, type Payloads } from './inbox.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import { suites } from './suites.ts'

export const signingSuite = suites['dkls23-secp256k1']

/** What all rounds of one signing session know. */
export interface SigningScope {
  readonly epoch: Epoch
  readonly share: EcdsaKeyShare
  readonly group: Secp256k1Group
  readonly own: PartyIndex
  /** Sorted. */
  readonly signers: readonly PartyIndex[]
  readonly peers: readonly PartyIndex[]
  readonly membership: Membership
}

interface RoundOptions<Secrets> {
  readonly scope: SigningScope
  readonly secrets: Secrets
  readonly session: Uint8Array
  readonly wrongLength: 'RETRY' | 'ABORT'
  readonly expects: Omit<Expected, 'from'>
}

/**
 * A round that waits for one message from each peer. Its secrets leave it on entry, whatever happens then; they are
 * erased when it is discarded, and when the epoch ends the session. */
export abstract class SigningRound<Secrets, Result> implements Round<Result> {
  readonly inbox: Inbox<'messages'>
  protected readonly scope: SigningScope
  #secrets: Secrets | undefined

  constructor({ scope, secrets, session, wrongLength, expects }: RoundOptions<Secrets>) {
    this.scope = scope
    this.#secrets = secrets
    const { own, peers } = scope
    const messages = { ...expects, from: peers }
    this.inbox = new Inbox({ suite: signingSuite, own, peers, session, wrongLength, expects: { messages } })
  }

  finish(): Step<Progress<Result>> {
    const secrets = this.#secrets
    this.#secrets = undefined
    const { membership } = this.scope
    if (membership.ending !== undefined) {
      if (secrets !== undefined) this.erase(secrets)
      this.inbox.close()
      return membership.ending
    }
    if (secrets === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    let step: Step<Progress<Result>> | undefined
    try {
      step = this.enter(secrets, this.inbox.take().messages)
      return step
    } finally {
      if (step?.status !== 'done') {
        this.erase(secrets)
        membership.leave()
      }
    }
  }

  discard(): void {
    const secrets = this.#secrets
    this.#secrets = undefined
    if (secrets === undefined) return
    this.erase(secrets)
    this.scope.membership.leave()
  }

  protected abstract enter(secrets: Secrets, messages: Payloads): Step<Progress<Result>>
  /** Numbers of JavaScript cannot be erased; byte strings can. */
  protected abstract erase(secrets: Secrets): void
}

interface Message {
  readonly code: number
  readonly to: PartyIndex | 'all'
  readonly session: Uint8Array
  readonly payload: Uint8Array
}

export function frameOf({ own }: SigningScope, { code, to, session, payload }: Message): Outgoing {
  const receiver = to === 'all' ? broadcast : to
  return {
    to,
    bytes: encodeFrame({ suite: signingSuite, code, sender: own, receiver, session, payload }),
  }
}
