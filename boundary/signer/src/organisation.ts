import {
  formatDelay,
  parseDelay,
  type SetLooseningDelayBody,
  type SetQuorumBody,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type Asked, change, checkExpected } from './change.ts'
import { delayReasons, quorumReasons } from './loosening.ts'
import { activeAdmins, checkQuorum } from './quorum.ts'
import type { Answer, Signer } from './signer.ts'

/** How many admins must sign: more at once, fewer after the delay. */
export function setQuorum(
  signer: Signer,
  request: Asked,
  { quorum, expected }: SetQuorumBody,
): Promise<Answer> {
  return change(signer, request, async (tx, caller) => {
    const organisation = await checkQuorum(tx, caller)
    const before = organisation.quorum
    checkExpected(String(before), String(expected), 'quorum')
    const admins = await activeAdmins(tx)
    if (quorum > admins) {
      throw signerError(
        'SIGNER_QUORUM_LOST',
        `There are ${admins} active admins, so ${quorum} could never sign and nothing could be changed any more.`,
      )
    }
    return {
      entry: { type: 'quorum', quorum, before },
      status: 200,
      body: { quorum },
      loosens: quorumReasons({ before, after: quorum }),
      write: () => tx.put('organisation', 'organisation', { ...organisation, quorum }),
    }
  })
}

/** How long loosening waits: longer at once, shorter after the delay that holds. */
export function setLooseningDelay(
  signer: Signer,
  request: Asked,
  { delay, expected }: SetLooseningDelayBody,
): Promise<Answer> {
  const afterMs = parseDelay(delay)
  const expectedMs = parseDelay(expected)
  if (afterMs === undefined || expectedMs === undefined) {
    throw wireError('WIRE_INVALID_BODY', 'A delay is at most 90d.', { details: { path: '/delay' } })
  }
  return change(signer, request, async (tx, caller) => {
    const organisation = await checkQuorum(tx, caller)
    const beforeMs = organisation.looseningDelayMs ?? 0
    checkExpected(formatDelay(beforeMs), formatDelay(expectedMs), 'delay')
    return {
      entry: { type: 'loosening-delay', delay: formatDelay(afterMs), before: formatDelay(beforeMs) },
      status: 200,
      body: { delay: formatDelay(afterMs) },
      loosens: delayReasons({ beforeMs, afterMs }),
      write: () => tx.put('organisation', 'organisation', { ...organisation, looseningDelayMs: afterMs }),
    }
  })
}
