import { expect, it } from 'vitest'
import { TaskThread, taskBytesMax } from './task-ring.ts'

it('refuses everything and says so, once, when its thread ends by itself', async () => {
  const deaths: unknown[] = []
  const refusal = () => new Error('the thread has ended')
  const url = new URL('data:text/javascript,setTimeout(() => process.exit(3), 50)')
  const thread = new TaskThread({ role: 'dies', url, onDeath: (error) => deaths.push(error), refusal })
  const tasks = Array.from({ length: 300 }, () => thread.run(new Uint8Array(8)))
  for (const result of await Promise.allSettled(tasks)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'the thread has ended' } })
  }
  await expect(thread.run(new Uint8Array(8))).rejects.toThrow('the thread has ended')
  expect(deaths).toHaveLength(1)
  await thread.stop()
})

it('says why its thread has ended', async () => {
  const deaths: unknown[] = []
  const url = new URL('data:text/javascript,throw new Error("boom")')
  const refusal = () => new Error('the thread has ended')
  const thread = new TaskThread({ role: 'throws', url, onDeath: (error) => deaths.push(error), refusal })
  await expect(thread.run(new Uint8Array(8))).rejects.toThrow('the thread has ended')
  expect(deaths).toEqual([new Error('boom')])
})

it('refuses a task that does not fit', async () => {
  const url = new URL('data:text/javascript,setTimeout(() => undefined, 60000)')
  const thread = new TaskThread({
    role: 'waits',
    url,
    onDeath: () => undefined,
    refusal: () => new Error('ended'),
  })
  await expect(thread.run(new Uint8Array(taskBytesMax + 1))).rejects.toThrow('cannot take')
  await thread.stop()
})
