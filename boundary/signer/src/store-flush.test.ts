import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { openSqliteStore } from './sqlite-store.ts'
import { CommitInDoubt } from './store.ts'

vi.mock('./disk.ts', () => ({
  openDisk: () => ({
    flush: () => {
      throw new Error('EIO: the disk has lost pages')
    },
  }),
}))

it('leaves a commit in doubt where the disk does not take it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-flush-'))
  const store = openSqliteStore(join(folder, 'signer.db'))
  const head = { size: 0, checkpoint: '', stateMac: new Uint8Array(32), timeMs: 0, openFrom: 0 }
  await store.write({ sizeBefore: 0, puts: [], deletes: [], segment: undefined, tiles: [], head })
  await expect(store.flush()).rejects.toBeInstanceOf(CommitInDoubt)
  await expect(store.flush()).rejects.toThrow('EIO')
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})
