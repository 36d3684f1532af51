import { expect, it } from 'vitest'
import { TaskThread, type TaskWork, taskBytesMax } from './task-ring.ts'

function workOf(source: string, name = 'the thread'): TaskWork {
  const module = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
  return { module, refusal: () => new Error(`${name} has ended`) }
}

it('refuses everything and says so, once, when its thread ends by itself', async () => {
  const deaths: unknown[] = []
  const dies = workOf('export const openWork = () => () => process.exit(3)')
  const thread = new TaskThread({ works: [dies], onDeath: (error) => deaths.push(error) })
  const tasks = Array.from({ length: 300 }, () => thread.run(dies, new Uint8Array(8)))
  for (const result of await Promise.allSettled(tasks)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'the thread has ended' } })
  }
  await expect(thread.run(dies, new Uint8Array(8))).rejects.toThrow('the thread has ended')
  expect(deaths).toHaveLength(1)
  await thread.stop()
})

it('says why its thread has ended', async () => {
  for (const source of [
    'throw new Error("boom")',
    'export const openWork = () => { throw new Error("boom") }',
  ]) {
    const deaths: unknown[] = []
    const throws = workOf(source)
    const thread = new TaskThread({ works: [throws], onDeath: (error) => deaths.push(error) })
    await expect(thread.run(throws, new Uint8Array(8))).rejects.toThrow('the thread has ended')
    expect(deaths).toEqual([new Error('boom')])
  }
})

it('gives each task to the work that it is for, in the order in which they came', async () => {
  const counts = 'let count = 0; export const openWork = () => (task, reply) => (reply.set(task), ++count + '
  const works = [workOf(`${counts}100)`, 'one'), workOf(`${counts}200)`, 'two')] as const
  const thread = new TaskThread({ works, onDeath: () => undefined })
  const asked = Array.from({ length: 600 }, (_, i) => ({
    work: works[i % 3 === 0 ? 0 : 1],
    task: Uint8Array.of(i & 255, i >> 8),
  }))
  const results = await Promise.all(asked.map(({ work, task }) => thread.run(work, task)))
  const counted = [100, 200]
  for (const [i, { code, reply }] of results.entries()) {
    const kind = i % 3 === 0 ? 0 : 1
    counted[kind] = (counted[kind] as number) + 1
    expect(code).toBe(counted[kind])
    expect(reply.slice(0, 2)).toEqual(asked[i]?.task)
  }
  const late = Promise.allSettled(works.map((work) => thread.run(work, new Uint8Array(1))))
  const stopped = thread.stop()
  expect((await late).map((result) => result.status === 'rejected' && result.reason.message)).toEqual([
    'one has ended',
    'two has ended',
  ])
  await stopped
})

it('counts an error of the work as code 0, and goes on', async () => {
  const work = workOf(
    'export const openWork = () => ([first]) => { if (first === 1) throw new Error("no"); return 7 }',
  )
  const thread = new TaskThread({ works: [work], onDeath: () => undefined })
  const codes = [1, 0, 1].map(async (first) => (await thread.run(work, Uint8Array.of(first))).code)
  expect(await Promise.all(codes)).toEqual([0, 7, 0])
  await thread.stop()
})

it('refuses a task that does not fit, and one for work that the thread was not started for', async () => {
  const work = workOf('export const openWork = () => () => 1')
  const thread = new TaskThread({ works: [work], onDeath: () => undefined })
  await expect(thread.run(work, new Uint8Array(taskBytesMax + 1))).rejects.toThrow('cannot take')
  await expect(thread.run({ ...work }, new Uint8Array(1))).rejects.toThrow('cannot take')
  await thread.stop()
})
