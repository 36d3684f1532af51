import type { ChangeProposedAnswer } from '@countersign/wire'
import { sdkError } from './catalogue.ts'

/** The change loosens, so it waits: carried out by the signer at `dueAt`, unless one admin vetoes it. */
export type ChangeProposed = ChangeProposedAnswer

export type {
  BookAnswer as Book,
  BookSummary,
  ChangeAnswer as Change,
  ChangeState,
  ChangeSummary,
  FreezeAnswer as FrozenAnswer,
  LooseningDelayAnswer as LooseningDelaySet,
  OrganisationAnswer as Organisation,
  PutBookAnswer as BookPut,
  PutWalletGroupAnswer as WalletGroupPut,
  QuorumAnswer as QuorumSet,
  ThawAnswer as Thawed,
  VetoAnswer as Vetoed,
  WalletGroupAnswer as WalletGroup,
} from '@countersign/wire'

export function isProposed(answer: object): answer is ChangeProposed {
  return 'state' in answer && answer.state === 'pending' && 'change' in answer && 'dueAt' in answer
}

/** For programs that count on a change being in force.
 * @throws {CountersignError} SDK_CHANGE_WAITS where it waits for its delay instead. */
export function carriedOut<Answer extends object>(answer: Answer | ChangeProposed): Answer {
  if (!isProposed(answer)) return answer
  throw sdkError(
    'SDK_CHANGE_WAITS',
    `The change ${answer.change} loosens, so it waits until ${answer.dueAt}.`,
    {
      details: { change: answer.change, dueAt: answer.dueAt },
    },
  )
}
