import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request as openRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bodiesBytesMax, listen } from './server.ts'

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

  it('holds so many bytes of bodies and no more, and serves again once they are gone', async () => {
    const path = await open(undefined)
    const megabytes = 4
    const chunk = Buffer.alloc(megabytes * 1_000_000, 0x20)
    const begin = (finish: boolean) => {
      const asked = openRequest({ socketPath: path, path: '/v1/forward', method: 'POST', agent: false })
      const status = new Promise<number | undefined>((resolve) => {
        asked.on('response', (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        asked.on('error', () => resolve(undefined))
      })
      if (finish) asked.end(chunk)
      else asked.write(chunk)
      return { asked, status }
    }
    const held = Array.from({ length: bodiesBytesMax / chunk.length + 4 }, () => begin(false))
    const refused = await Promise.race(held.map(({ status }) => status))
    expect(refused).toBe(503)
    for (const { asked } of held) asked.destroy()
    await expect.poll(() => begin(true).status).toBe(200)
  })

  it('refuses a directory that others can enter', async () => {
    const path = await open(undefined)
    await door?.close()
    chmodSync(join(path, '..'), 0o755)
    await expect(open(undefined)).rejects.toMatchObject({ code: 'SIGNER_PERMISSIONS' })
  })
})
