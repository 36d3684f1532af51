import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { OfferingEnd, replyBytes, ringBytes, taskBytesMax, WorkingEnd } from './task-ring.ts'
import { TaskThread, type TaskWork } from './task-thread.ts'

interface SourcedWork extends TaskWork {
  /** An expression: what `open` is on the thread. */
  readonly source: string
}

function workOf(source: string, name = 'the thread'): SourcedWork {
  const open = () => {
    throw new Error('bug: it was opened where it is asked for')
  }
  return { source, open, refusal: () => new Error(`${name} has ended`) }
}

const module = new URL('./task-thread.ts', import.meta.url).href

function entryOf(works: readonly SourcedWork[], before = ''): string {
  const opens = works.map(({ source }) => `{ open: ${source} }`)
  const source = `
    import { workOffTasks } from ${JSON.stringify(module)}
    ${before}
    workOffTasks(import.meta.url, [${opens}])`
  return `data:text/javascript,${encodeURIComponent(source)}`
}

const ones = workOf('() => () => 1')
const dies = workOf('() => () => process.exit(3)')
const never = workOf('() => () => { for (;;); }')

const deaths: unknown[] = []
const threads: TaskThread[] = []

function start(...works: readonly SourcedWork[]): TaskThread {
  const thread = new TaskThread({ entry: entryOf(works), works, onDeath: (error) => deaths.push(error) })
  threads.push(thread)
  return thread
}

afterEach(async () => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  await Promise.all(threads.splice(0).map((thread) => thread.stop()))
  expect(deaths.splice(0)).toEqual([])
})

/** Whatever threads share from now on. */
function sharedMemories(): SharedArrayBuffer[] {
  const memories: SharedArrayBuffer[] = []
  const construct = (target: typeof SharedArrayBuffer, args: [number]) => {
    const made = new target(...args)
    memories.push(made)
    return made
  }
  vi.stubGlobal('SharedArrayBuffer', new Proxy(SharedArrayBuffer, { construct }))
  return memories
}

describe('a thread for tasks', () => {
  it('gives each task to the work that it is for, in the order in which those of a kind came', async () => {
    const countsFrom = (start: number) =>
      workOf(`() => { let count = ${start}; return (task, reply) => (reply.set(task), ++count) }`)
    const works = [countsFrom(100), countsFrom(200)] as const
    const thread = start(...works)
    const asked = Array.from({ length: 2_000 }, (_, i) => ({
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
  })

  it('makes no kind of work wait for the backlog of another', async () => {
    const pause = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)'
    const slow = workOf(`() => { globalThis.slow = 0; return () => { ${pause}; return ++globalThis.slow } }`)
    const tells = workOf('() => () => globalThis.slow')
    const thread = start(slow, tells)
    const backlog = Array.from({ length: 600 }, () => thread.run(slow, new Uint8Array(1)))
    const told = Array.from({ length: 20 }, () => thread.run(tells, new Uint8Array(1)))
    // One of the others in front of each; all that fit into their ring, if their backlog came first.
    expect((await Promise.all(told)).at(-1)?.code).toBeLessThan(256)
    await Promise.all(backlog)
  })

  it('goes to sleep and wakes up for whatever is offered', async () => {
    const thread = start(ones, dies, never)
    for (let i = 0; i < 5_000; i++) {
      const some = Array.from({ length: i % 4 }, () => thread.run(ones, new Uint8Array(i % 64)))
      for (const { code } of await Promise.all(some)) expect(code).toBe(1)
    }
  })

  it('counts an error of the work as code 0, with no reply of another task, and goes on', async () => {
    const work = workOf(
      '() => ([first], reply) => { if (first === 1) throw new Error("no"); reply.fill(first); return 7 }',
    )
    const thread = start(work)
    const results = await Promise.all([2, 1, 3, 1].map((first) => thread.run(work, Uint8Array.of(first))))
    expect(results.map(({ code, reply }) => [code, reply[0], reply.length])).toEqual([
      [7, 2, replyBytes],
      [0, 0, replyBytes],
      [7, 3, replyBytes],
      [0, 0, replyBytes],
    ])
  })

  it('refuses a task that does not fit, and one for work that it was not started for', async () => {
    const thread = start(ones)
    await expect(thread.run(ones, new Uint8Array(taskBytesMax + 1))).rejects.toThrow('cannot take')
    await expect(thread.run({ ...ones }, new Uint8Array(1))).rejects.toThrow('cannot take')
  })

  it('has nothing of the process’s environment', async () => {
    const counts = workOf('() => () => 1 + Object.keys(process.env).length')
    expect((await start(counts).run(counts, new Uint8Array(0))).code).toBe(1)
  })

  it('works only where it was started: in no other thread, nor in a copy of its entry', async () => {
    const entry = entryOf([workOf('() => process.exit(9)')])
    const shared = new SharedArrayBuffer(64 + ringBytes)
    for (const workerData of [null, {}, { entry: 'other', shared }, { entry: `${entry}#copy`, shared }]) {
      const worker = new Worker(new URL(entry), { workerData })
      expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(0)
    }
    const copies = 'if (!import.meta.url.endsWith("#copy")) await import(import.meta.url + "#copy")'
    const onDeath = (error: unknown) => deaths.push(error)
    const thread = new TaskThread({ entry: entryOf([ones], copies), works: [ones], onDeath })
    for (let i = 0; i < 3; i++) expect((await thread.run(ones, new Uint8Array(1))).code).toBe(1)
    await thread.stop()
  })
})

describe('the end of a thread for tasks', () => {
  it('by itself refuses everything, and is told once', async () => {
    const thread = start(dies, ones)
    const tasks = Array.from({ length: 300 }, () => thread.run(dies, new Uint8Array(8)))
    for (const result of await Promise.allSettled(tasks)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'the thread has ended' } })
    }
    await expect(thread.run(ones, new Uint8Array(8))).rejects.toThrow('the thread has ended')
    expect(deaths.splice(0)).toHaveLength(1)
  })

  it('by an error says which', async () => {
    for (const source of ['(() => { throw new Error("boom") })()', '() => { throw new Error("boom") }']) {
      const throws = workOf(source)
      await expect(start(ones, throws).run(ones, new Uint8Array(8))).rejects.toThrow('the thread has ended')
      expect(deaths.splice(0)).toEqual([new Error('boom')])
    }
  })

  it('comes when it counts what it was not given', async () => {
    const lies = workOf(`
      () => () => {
        const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads')
        new Int32Array(workerData.shared, 64)[1] = 1000
        parentPort.postMessage(null)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
        return 1
      }`)
    const thread = start(lies, ones)
    const both = [lies, ones].map((work) => thread.run(work, new Uint8Array(1)))
    for (const task of both) await expect(task).rejects.toThrow('the thread has ended')
    expect(deaths.splice(0)).toMatchObject([{ message: expect.stringContaining('was not given') }])
  })

  it('that was asked for refuses each task with its own refusal, waiting or later', async () => {
    const works = [
      workOf('() => () => 1', 'one'),
      { ...ones, refusal: () => new Error('two has ended') },
    ] as const
    const thread = start(...works)
    const ask = () => Promise.allSettled(works.map((work) => thread.run(work, new Uint8Array(1))))
    const reasons = async (asked: ReturnType<typeof ask>) =>
      (await asked).map((result) => result.status === 'rejected' && result.reason.message)
    const waiting = ask()
    const stopped = thread.stop()
    expect(await reasons(waiting)).toEqual(['one has ended', 'two has ended'])
    await stopped
    expect(await reasons(ask())).toEqual(['one has ended', 'two has ended'])
  })

  it('comes after the tasks that it has', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'countersign-tasks-'))
    const file = join(directory, 'done')
    const writes = workOf(
      `() => () => { process.getBuiltinModule('node:fs').appendFileSync(${JSON.stringify(file)}, '.'); return 1 }`,
    )
    const thread = start(ones, writes)
    const tasks = Promise.allSettled(Array.from({ length: 200 }, () => thread.run(writes, new Uint8Array(1))))
    await thread.stop()
    expect(readFileSync(file, 'utf8')).toHaveLength(200)
    await tasks
    rmSync(directory, { recursive: true })
  })

  it('is forced where a task does not end', async () => {
    const thread = start(never)
    const task = thread.run(never, new Uint8Array(1))
    await Promise.all([thread.stop(), expect(task).rejects.toThrow('the thread has ended')])
  })

  it('leaves nothing of its tasks in memory, neither in the rings nor in the queues', async () => {
    for (const last of [never, dies]) {
      const memories = sharedMemories()
      const holds = () => memories.filter((memory) => Buffer.from(memory).includes('a secret')).length
      const copies: Uint8Array[] = []
      const thread = start(ones, last)
      const Copying = new Proxy(Uint8Array, {
        construct(target, args: [never]) {
          const made = new target(...args)
          if (Buffer.from(made).includes('a secret')) copies.push(made)
          return made
        },
      })
      const task = new Uint8Array(Buffer.from('a secret'))
      vi.stubGlobal('Uint8Array', Copying)
      const asked = Array.from({ length: 300 }, () => thread.run(last, task))
      vi.unstubAllGlobals()
      const refused = Promise.allSettled(asked)
      expect(holds()).toBe(1)
      expect(copies).toHaveLength(44)
      if (last === never) await thread.stop()
      await refused
      expect(holds()).toBe(0)
      expect(copies.every((copy) => copy.every((byte) => byte === 0))).toBe(true)
      expect(deaths.splice(0)).toHaveLength(last === dies ? 1 : 0)
    }
  })

  it('leaves no copy of what has waited for room', async () => {
    const copies: Uint8Array[] = []
    const thread = start(ones)
    const Copying = new Proxy(Uint8Array, {
      construct(target, args: [never]) {
        const made = new target(...args)
        copies.push(made)
        return made
      },
    })
    const task = new Uint8Array(Buffer.from('a secret'))
    vi.stubGlobal('Uint8Array', Copying)
    const asked = Array.from({ length: 300 }, () => thread.run(ones, task))
    vi.unstubAllGlobals()
    await Promise.all(asked)
    expect(copies).toHaveLength(44)
    expect(copies.every((copy) => copy.every((byte) => byte === 0))).toBe(true)
  })

  it('does not keep a process alive', async () => {
    const source = `
      import { TaskThread } from ${JSON.stringify(module)}
      new TaskThread({ entry: ${JSON.stringify(entryOf([]))}, works: [], onDeath: () => process.exit(5) })`
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', source], { timeout: 20_000 })
    expect(ended.status).toBe(0)
  })
})

describe('a ring', () => {
  function ends() {
    const shared = new SharedArrayBuffer(ringBytes)
    return { shared, offering: new OfferingEnd(shared, 0), working: new WorkingEnd(shared, 0) }
  }

  it('is full with 256 tasks, and has room for as many as are collected', () => {
    const { offering, working } = ends()
    const work = ([first]: Uint8Array, reply: Uint8Array) => reply.fill(first as number).length
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 256; i++) {
        expect(offering.isFull).toBe(false)
        offering.offer(Uint8Array.of(i))
      }
      expect(offering.isFull).toBe(true)
      for (let i = 0; i < 256; i++) expect(working.workOff(work)).toBe(true)
      expect(working.workOff(work)).toBe(false)
      expect(offering.isFull).toBe(true)
      expect(offering.collect().map(({ reply }) => reply[0])).toEqual(
        Array.from({ length: 256 }, (_, i) => i),
      )
      expect(offering.collect()).toEqual([])
    }
  })

  it('gives the work a copy, and keeps no task that was taken', () => {
    const { shared, offering, working } = ends()
    offering.offer(new Uint8Array(Buffer.from('a secret')))
    expect(Buffer.from(shared).includes('a secret')).toBe(true)
    working.workOff((task) => {
      expect(Buffer.from(task).toString()).toBe('a secret')
      expect(Buffer.from(shared).includes('a secret')).toBe(false)
      return 1
    })
  })

  it('believes no count of tasks that were not offered', () => {
    for (const finished of [2, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      const { shared, offering } = ends()
      offering.offer(new Uint8Array(1))
      new Int32Array(shared)[1] = finished
      expect(() => offering.collect()).toThrow('was not given')
    }
  })
})
