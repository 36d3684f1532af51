import { formatAmount } from './amount-text.ts'
import { policyError } from './catalogue.ts'
import type { Decision, Reservation } from './decision.ts'
import { formatDuration } from './duration.ts'

/** A decision as it crosses processes: amounts as decimal strings, everything else unchanged. */
export type DecisionJson = Omit<Decision, 'reservations'> & {
  readonly reservations: readonly ReservationJson[]
}
export type ReservationJson = Omit<Reservation, 'asset' | 'amountMinor' | 'limitMinor'> & {
  readonly asset?: string
  readonly amountMinor: string
  readonly limitMinor: string
}

export function decisionToJson(decision: Decision): DecisionJson {
  return {
    permitted: decision.permitted,
    reasons: decision.reasons,
    effects: decision.effects,
    reservations: decision.reservations.map(({ asset, amountMinor, limitMinor, ...rest }) => ({
      ...rest,
      // A count has none; JSON has no undefined.
      ...(asset === undefined ? {} : { asset }),
      amountMinor: String(amountMinor),
      limitMinor: String(limitMinor),
    })),
  }
}

/** The decision as lines for people: what each effect is, and who permits it or why nobody does. */
export function explainDecision(decision: Decision): string[] {
  const lines = [decision.permitted ? 'Permitted.' : 'Refused; nothing is signed.']
  for (const { message, code } of decision.reasons) lines.push(`${message} [${code}]`)
  for (const { effect, summary, permittedBy, reasons } of decision.effects) {
    const verdict = reasons.length > 0 ? 'refused' : 'permitted'
    const by = permittedBy.map(({ layer, rule }) => `rule ${rule} (${layer})`).join(' and ')
    lines.push(`Effect ${effect + 1}, ${verdict}: ${summary}${by === '' ? '' : ` by ${by}`}`)
    for (const { layer, message, code } of reasons) lines.push(`  - ${layer}: ${message} [${code}]`)
  }
  for (const { rule, asset, amountMinor, limitMinor, windowMs } of decision.reservations) {
    const per = formatDuration(windowMs)
    lines.push(
      asset === undefined
        ? `Counts as ${amountMinor} of the ${limitMinor} requests per ${per} of rule ${rule}.`
        : `Takes ${formatAmount(amountMinor, asset)} of the ${formatAmount(limitMinor, asset)} per ${per} of rule ${rule}.`,
    )
  }
  return lines
}

/** A refusal as the error that the caller gets; its message names the first reason, `details.decision` all of them. */
export function policyRefused(decision: Decision) {
  const reasons = [...decision.reasons, ...decision.effects.flatMap((effect) => effect.reasons)]
  const first = reasons[0]
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more reasons)` : ''
  const message = `The policy refuses this. ${first?.message ?? 'It gives no reason.'}${more}`
  return policyError('POLICY_REFUSED', message, { details: { decision: decisionToJson(decision) } })
}
