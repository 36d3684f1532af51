import { chmodSync, cpSync } from 'node:fs'
import { join } from 'node:path'

/** A signer's data directory with the modes that it insists on: cpSync keeps those of files only. */
export function copyDataDir(from: string, to: string): void {
  cpSync(from, to, { recursive: true })
  chmodSync(to, 0o700)
  chmodSync(join(to, 'keys'), 0o700)
}
