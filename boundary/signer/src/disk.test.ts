import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDisk } from './disk.ts'

/** A disk that takes what the test says, and who waited for each flush. */
function openSlowDisk() {
  const state = { tookMs: 0, nowMs: 0, inPlace: 0, onThread: 0 }
  const disk = openDisk({
    nowMs: () => state.nowMs,
    inPlace() {
      state.inPlace++
      state.nowMs += state.tookMs
    },
    async onThread() {
      state.onThread++
      state.nowMs += state.tookMs
    },
  })
  const flush = async (count: number) => {
    const before = { ...state }
    for (let i = 0; i < count; i++) await disk.flush(0)
    return { inPlace: state.inPlace - before.inPlace, onThread: state.onThread - before.onThread }
  }
  return { state, flush }
}

it('waits in place for a fast disk, and for a slow one hardly ever', async () => {
  const { state, flush } = openSlowDisk()
  state.tookMs = 0.2
  expect(await flush(1_000)).toEqual({ inPlace: 1_000, onThread: 0 })
  // A disk that stumbles now and then is not slow.
  for (let i = 0; i < 50; i++) {
    state.tookMs = 50
    expect(await flush(3)).toEqual({ inPlace: 3, onThread: 0 })
    state.tookMs = 0.2
    expect(await flush(5)).toEqual({ inPlace: 5, onThread: 0 })
  }
  state.tookMs = 10
  const slow = await flush(100_000)
  expect(slow.inPlace + slow.onThread).toBe(100_000)
  expect(slow.inPlace).toBeLessThan(40)
})

it('finds out that a slow disk has become fast, and that it is slow again', async () => {
  const { state, flush } = openSlowDisk()
  state.tookMs = 10
  await flush(20_000)
  state.tookMs = 0.2
  await flush(16_384)
  expect(await flush(1_000)).toEqual({ inPlace: 1_000, onThread: 0 })
  state.tookMs = 10
  // Fast for long enough, it is tried again as soon as at first.
  expect(await flush(264)).toEqual({ inPlace: 8, onThread: 256 })
})

it('resolves no earlier than the slow disk', async () => {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  let nowMs = 0
  const disk = openDisk({
    nowMs: () => nowMs,
    inPlace: () => {
      nowMs += 10
    },
    onThread: () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject })),
  })
  for (let i = 0; i < 8; i++) await disk.flush(0)
  let isDone = false
  const flushing = disk.flush(0).then(() => {
    isDone = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(isDone).toBe(false)
  waiting[0]?.resolve()
  await flushing
  const failing = disk.flush(0)
  waiting[1]?.reject(new Error('EIO'))
  await expect(failing).rejects.toThrow('EIO')
})

it('flushes a file, and fails by the system’s error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'))
  const file = openSync(join(folder, 'file'), 'w')
  writeSync(file, 'text')
  const disk = openDisk()
  await disk.flush(file)
  closeSync(file)
  await expect(disk.flush(file)).rejects.toMatchObject({ code: 'EBADF' })
  rmSync(folder, { recursive: true, force: true })
})
