import { fdatasync, fdatasyncSync } from 'node:fs'
import { promisify } from 'node:util'

/** Waiting in place for less than this costs less than another thread and the way back. */
const fastMs = 1
/** By how many flushes the slow ones may outnumber the fast: a disk that stumbles now and then is a fast one. */
const slowMax = 8
/** The same for a disk that was slow when it was last tried. */
const slowMaxAgain = 2
/** Flushes that another thread makes before the disk is tried in place again; doubled each time it is still slow. */
const restMin = 256
const restMax = 16_384

export interface Disk {
  /** Resolves when what was written to the file is on disk. @throws the system's error */
  flush(file: number): Promise<void>
}

interface DiskParts {
  readonly inPlace: (file: number) => void
  readonly onThread: (file: number) => Promise<void>
  readonly nowMs: () => number
}

const system: DiskParts = {
  inPlace: fdatasyncSync,
  onThread: promisify(fdatasync),
  nowMs: () => performance.now(),
}

/**
 * Waits for the disk in place while it is fast, as those that have their own power or say yes from their memory are,
 * and on another thread while it is slow, so that nobody else waits for it.
 * @param parts Tests have others. */
export function openDisk({ inPlace, onThread, nowMs }: DiskParts = system): Disk {
  let slow = 0
  let resting = 0
  let rest = restMin
  /** Since it was last slow. */
  let fast = 0
  return {
    async flush(file) {
      if (resting > 0) {
        resting--
        return onThread(file)
      }
      const beforeMs = nowMs()
      inPlace(file)
      if (nowMs() - beforeMs < fastMs) {
        slow = Math.max(0, slow - 1)
        if (++fast >= restMin) rest = restMin
        return
      }
      if (++slow < slowMax) return
      resting = rest
      rest = Math.min(2 * rest, restMax)
      slow = slowMax - slowMaxAgain
      fast = 0
    },
  }
}
