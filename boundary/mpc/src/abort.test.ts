import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { abort, type BurnAbort, type BurnDuty, type BurnMark, burn, retry, type Step } from './abort.ts'

const epochId = new Uint8Array(32).fill(0xe9)

function someBurn() {
  return burn({ problem: 'ote-check', epochId, own: 1, culprits: [3, 2, 3], message: 'The check failed.' })
}

describe('a burn', () => {
  it('tells nothing before it is settled', () => {
    const { status, duty } = someBurn()
    expect(status).toBe('burn')
    expect(Object.keys(duty)).toEqual([])
    expect(JSON.stringify(duty)).toBe('{}')
    for (const shown of [inspect(duty, { depth: 9, showHidden: true }), String(duty)]) {
      expect(shown).not.toMatch(/culprit|check|peer|e9/)
    }
    expectTypeOf<keyof BurnDuty>().toEqualTypeOf<'settle'>()
  })

  it('is no abort by type: its reader must settle first', () => {
    const read = (step: Step<string>) => {
      if (step.status === 'done') return step.value
      if (step.status === 'stopped') return step.abort.kind
      // @ts-expect-error a burn has no abort before its duty is done
      return step.abort
    }
    expect(read(someBurn())).toBeUndefined()
    expectTypeOf<Extract<Step<string>, { status: 'stopped' }>['abort']['kind']>().toEqualTypeOf<
      'RETRY' | 'ABORT'
    >()
  })

  it('persists every pair, then tells', async () => {
    const stored: BurnMark[] = []
    let isDurable = false
    const told = someBurn().duty.settle(async (marks) => {
      stored.push(...marks)
      await Promise.resolve()
      isDurable = true
    })
    expect(isDurable).toBe(false)
    const result: BurnAbort = await told
    expect(isDurable).toBe(true)
    expect(stored).toEqual([
      { epochId, own: 1, peer: 2 },
      { epochId, own: 1, peer: 3 },
    ])
    expect(result).toMatchObject({ kind: 'BURN', problem: 'ote-check', culprits: [2, 3], burned: stored })
  })

  it('stays a duty when persisting fails, and can be tried again', async () => {
    const { duty } = someBurn()
    await expect(duty.settle(() => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full')
    await expect(
      duty.settle(() => {
        throw new Error('disk gone')
      }),
    ).rejects.toThrow('disk gone')
    await expect(duty.settle(async () => {})).resolves.toMatchObject({ kind: 'BURN' })
  })

  it('is persisted once, however often it is settled', async () => {
    const { duty } = someBurn()
    let calls = 0
    const persist = async () => {
      calls++
    }
    const [first, second] = await Promise.all([duty.settle(persist), duty.settle(persist)])
    expect(await duty.settle(persist)).toBe(first)
    expect(second).toBe(first)
    expect(calls).toBe(1)
  })

  it('names somebody, and keeps its own copy of the epoch', async () => {
    expect(() => burn({ problem: 'ote-check', epochId, own: 1, culprits: [], message: '' })).toThrow(/bug/)
    const mine = new Uint8Array(32).fill(1)
    const { duty } = burn({ problem: 'gamma-check', epochId: mine, own: 1, culprits: [2], message: '' })
    mine.fill(0)
    const { burned } = await duty.settle(async () => {})
    expect(burned[0]?.epochId).toEqual(new Uint8Array(32).fill(1))
  })
})

it('the other aborts are plain data with sorted culprits', () => {
  expect(retry({ problem: 'timeout', culprits: [4, 2, 4], message: 'late' }).abort).toEqual({
    kind: 'RETRY',
    problem: 'timeout',
    culprits: [2, 4],
    message: 'late',
  })
  expect(abort({ problem: 'echo-mismatch', message: 'differs' }).abort).toEqual({
    kind: 'ABORT',
    problem: 'echo-mismatch',
    culprits: [],
    message: 'differs',
  })
})
