import type { Effect } from '@countersign/intent'
import type { CompileContext, Condition } from './condition.ts'
import { formatDuration, parseDuration } from './duration.ts'

export function expiryCondition(text: string, context: CompileContext): Condition {
  const withinMs = parseDuration(text)
  if (withinMs === undefined) return context.invalid('when.expiresWithin', 'the duration is longer than 366d')
  return {
    name: 'expiresWithin',
    byClock: true,
    judge: (effect, { nowMs }) => {
      const endS = endOf(effect)
      return endS === undefined ? undefined : endS * 1000n <= BigInt(nowMs) + BigInt(withinMs)
    },
    explain: (effect, { nowMs }) => {
      const endS = endOf(effect)
      const noun = effect.kind === 'swap' ? 'the swap' : 'the approval'
      if (endS === undefined) {
        const message = `${noun} never ends by itself; it must within ${formatDuration(withinMs)}`
        return [{ code: 'POLICY_EXPIRY', message }]
      }
      const overMs = endS * 1000n - BigInt(nowMs) - BigInt(withinMs)
      const overS = (overMs + 999n) / 1000n
      const message = `${noun} ends ${overS} s later than ${formatDuration(withinMs)} from now`
      return [{ code: 'POLICY_EXPIRY', message }]
    },
  }
}

function endOf(effect: Effect): bigint | undefined {
  if (effect.kind === 'approval') return effect.expiresAtS
  return effect.kind === 'swap' ? effect.deadlineS : undefined
}
