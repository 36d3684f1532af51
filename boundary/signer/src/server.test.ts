import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listen } from './server.ts'

const isRoot = process.getuid?.() === 0
const stranger = 65_534
const group = 54_321

/** Connects as another Unix user, in a process of its own. */
function connectAs(path: string, user: { uid: number; gid: number }): string {
  const script = `const s = require('node:net').connect(${JSON.stringify(path)}); s.on('connect', () => { console.log('connected'); s.destroy() }); s.on('error', (e) => console.log(e.code))`
  // The system's node may stand where the other user cannot go; a copy of the running one may not be reachable either.
  return spawnSync('/usr/bin/env', ['node', '-e', script], {
    ...user,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    encoding: 'utf8',
  }).stdout.trim()
}

describe('the signer’s door', () => {
  let folder: string
  let door: { close(): Promise<void> } | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-door-'))
    chmodSync(folder, 0o711)
  })
  afterEach(async () => {
    await door?.close()
    door = undefined
    rmSync(folder, { recursive: true, force: true })
  })
  const open = async (socketGroup: number | undefined) => {
    const path = join(folder, 'run', 'signer.sock')
    door = await listen(
      { path, group: socketGroup },
      { handle: async () => ({ status: 200, body: {} }), forward: async () => ({ status: 200, body: {} }) },
      () => undefined,
    )
    return path
  }

  it('is its own user’s alone', async () => {
    const path = await open(undefined)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  it.skipIf(!isRoot)('lets no other user in (needs root to become one)', async () => {
    expect(connectAs(await open(undefined), { uid: stranger, gid: stranger })).toBe('EACCES')
  })

  it.skipIf(!isRoot)('lets the named group in, and nobody else (needs root)', async () => {
    const path = await open(group)
    expect(connectAs(path, { uid: stranger, gid: group })).toBe('connected')
    expect(connectAs(path, { uid: stranger, gid: stranger })).toBe('EACCES')
  })

  it('refuses to stand beside a live signer, and takes over from a dead one', async () => {
    const path = await open(undefined)
    await expect(open(undefined)).rejects.toMatchObject({ code: 'SIGNER_STORE_LOCKED' })
    expect(statSync(path).isSocket()).toBe(true)
  })

  it('refuses a directory that others can enter', async () => {
    const path = await open(undefined)
    await door?.close()
    chmodSync(join(path, '..'), 0o755)
    await expect(open(undefined)).rejects.toMatchObject({ code: 'SIGNER_PERMISSIONS' })
  })
})
