import { fileURLToPath } from 'node:url'

/** The entry files are only named here and run as their own processes: this program never loads them. */
export function signerEntry(): string {
  return fileURLToPath(import.meta.resolve('@countersign/signer/main'))
}

export function engineEntry(): string {
  return fileURLToPath(import.meta.resolve('@countersign/engine/main'))
}
