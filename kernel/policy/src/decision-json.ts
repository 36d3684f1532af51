import { formatAmount } from './amount-text.ts'
import { policyError } from './catalogue.ts'
import type { Decision, RequiredApproval, Reservation } from './decision.ts'
import { formatDuration } from './duration.ts'
import { formatValue } from './prices.ts'

/** A decision as it crosses processes: amounts as decimal strings, everything else unchanged. */
export type DecisionJson = Omit<Decision, 'reservations' | 'approvals'> & {
  readonly reservations: readonly ReservationJson[]
  readonly approvals: readonly RequiredApprovalJson[]
}
export type RequiredApprovalJson = Omit<RequiredApproval, 'expiresInMs'> & { readonly expiresInMs?: number }
export type ReservationJson = Omit<Reservation, 'asset' | 'amountMinor' | 'limitMinor'> & {
  readonly asset?: string
  readonly amountMinor: string
  readonly limitMinor: string
}

export function decisionToJson(decision: Decision): DecisionJson {
  return {
    permitted: decision.permitted,
    outcome: decision.outcome,
    reasons: decision.reasons,
    effects: decision.effects,
    reservations: decision.reservations.map(({ asset, amountMinor, limitMinor, ...rest }) => ({
      ...rest,
      // A count has none; JSON has no undefined.
      ...(asset === undefined ? {} : { asset }),
      amountMinor: String(amountMinor),
      limitMinor: String(limitMinor),
    })),
    approvals: decision.approvals.map(({ expiresInMs, ...rest }) => ({
      ...rest,
      ...(expiresInMs === undefined ? {} : { expiresInMs }),
    })),
  }
}

const verdicts: Readonly<Record<Decision['outcome'], string>> = {
  permitted: 'Permitted.',
  'needs-approval': 'Needs approval; nothing is signed yet.',
  refused: 'Refused; nothing is signed.',
}

/** The decision as lines for people: what each effect is, and who permits it or why nobody does. */
export function explainDecision(decision: Decision): string[] {
  const lines = [verdicts[decision.outcome]]
  for (const { message, code } of decision.reasons) lines.push(`${message} [${code}]`)
  for (const { effect, summary, permittedBy, reasons, value } of decision.effects) {
    const verdict = reasons.length > 0 ? 'refused' : 'permitted'
    const by = permittedBy.map(({ layer, rule }) => `rule ${rule} (${layer})`).join(' and ')
    const worth = value === undefined ? '' : `, worth up to ${value.amount} ${value.currency}`
    lines.push(`Effect ${effect + 1}, ${verdict}: ${summary}${worth}${by === '' ? '' : ` by ${by}`}`)
    for (const { layer, message, code } of reasons) lines.push(`  - ${layer}: ${message} [${code}]`)
  }
  for (const reservation of decision.reservations) lines.push(describeReservation(reservation))
  for (const { rule, group, needed, have, counted } of decision.approvals) {
    const by = counted.length === 0 ? '' : ` (${counted.join(', ')})`
    lines.push(
      `Rule ${rule} asks group ${group} for ${needed} ${needed === 1 ? 'approval' : 'approvals'}, and has ${have}${by}.`,
    )
  }
  return lines
}

function describeReservation({
  rule,
  asset,
  currency,
  amountMinor,
  limitMinor,
  windowMs,
  period,
}: Reservation): string {
  const per = period === undefined ? formatDuration(windowMs) : `calendar ${period.unit}`
  if (currency !== undefined) {
    return `Takes ${formatValue(amountMinor)} of the ${formatValue(limitMinor)} ${currency} per ${per} of rule ${rule}.`
  }
  return asset === undefined
    ? `Counts as ${amountMinor} of the ${limitMinor} requests per ${per} of rule ${rule}.`
    : `Takes ${formatAmount(amountMinor, asset)} of the ${formatAmount(limitMinor, asset)} per ${per} of rule ${rule}.`
}

/** A refusal as the error that the caller gets; its message names the first reason, `details.decision` all of them. */
export function policyRefused(decision: Decision) {
  const reasons = [...decision.reasons, ...decision.effects.flatMap((effect) => effect.reasons)]
  const first = reasons[0]
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more reasons)` : ''
  const message = `The policy refuses this. ${first?.message ?? 'It gives no reason.'}${more}`
  return policyError('POLICY_REFUSED', message, { details: { decision: decisionToJson(decision) } })
}
