import { describe, expect, it } from 'vitest'
import { openClock } from './clock.ts'

function movable() {
  const source = { wall: 1_000_000, monotonic: 5 }
  return { source, clockSource: { wallMs: () => source.wall, monotonicMs: () => source.monotonic } }
}

describe('the clock', () => {
  it('follows time, and never shows an earlier moment than before', () => {
    const { source, clockSource } = movable()
    const clock = openClock(0, clockSource)
    expect(clock.nowMs()).toBe(1_000_000)
    source.wall += 500
    source.monotonic += 500
    expect(clock.nowMs()).toBe(1_000_500)
    source.wall -= 900
    expect(clock.nowMs()).toBe(1_000_500)
  })

  it('refuses a step back beyond what time servers correct, until time has caught up', () => {
    const { source, clockSource } = movable()
    const clock = openClock(0, clockSource)
    clock.nowMs()
    source.wall -= 1_000
    expect(clock.nowMs()).toBe(1_000_000)
    source.wall -= 1
    expect(() => clock.nowMs()).toThrow(expect.objectContaining({ code: 'SIGNER_CLOCK_BACKWARDS' }))
    source.wall += 1_001
    expect(clock.nowMs()).toBe(1_000_000)
  })

  it('refuses a start before the latest time in the store', () => {
    const { clockSource } = movable()
    expect(openClock(1_001_000, clockSource).nowMs()).toBe(1_001_000)
    expect(() => openClock(1_001_001, clockSource).nowMs()).toThrow(
      expect.objectContaining({ code: 'SIGNER_CLOCK_BACKWARDS' }),
    )
  })

  it('refuses a jump ahead of the time that passed, by one millisecond too much', () => {
    const { source, clockSource } = movable()
    const clock = openClock(0, clockSource)
    source.wall += 60_000
    expect(clock.nowMs()).toBe(1_060_000)
    source.wall += 1
    expect(() => clock.nowMs()).toThrow(expect.objectContaining({ code: 'SIGNER_CLOCK_JUMPED' }))
  })
})
