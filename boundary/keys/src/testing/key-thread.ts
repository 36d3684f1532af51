import { keyWork } from '../key-thread.ts'
import { TaskThread, workOffTasks } from '../task-thread.ts'

const works = [keyWork]

/** A thread for keys alone; the signer's own has more to do. */
export function startKeyThread(onDeath: (error: unknown) => void): TaskThread {
  return new TaskThread({ entry: import.meta.url, works, onDeath })
}

workOffTasks(import.meta.url, works)
