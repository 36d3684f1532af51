/**
 * The one thread beside the deciding one: it verifies, and it holds the keys of the file backend and signs with them.
 * Two threads for both would take the deciding one's core from it where there are no more than two.
 */
import { keyWork, TaskThread, workOffTasks } from '@countersign/keys'
import { verifierWork } from './verifier.ts'

const works = [verifierWork, keyWork]

/** @param onDeath Called if the thread ends by itself, after everything that waits for it was refused: the process
 * should end too, as the keys are gone. */
export function startWorkThread(onDeath: (error: unknown) => void): TaskThread {
  return new TaskThread({ entry: import.meta.url, works, onDeath })
}

workOffTasks(import.meta.url, works)
