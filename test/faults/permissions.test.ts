import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { paymentPolicy } from './payment.ts'
import {
  createSignerHome,
  failToStart,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

const isRoot = process.getuid?.() === 0
/** `nobody`: a user of the machine who is not the signer's. */
const stranger = { uid: 65_534, gid: 65_534 }

/** Runs a program of the system as the other user, who may not reach the node of this test. */
function asStranger(command: string, ...args: string[]) {
  const options = {
    ...stranger,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    cwd: '/',
    encoding: 'utf8' as const,
  }
  return spawnSync(command, args, options)
}

describe('what belongs to the signer’s user', () => {
  let home: SignerHome
  let running: SignerProcess
  const files = () =>
    ['signer-key.json', 'signer.db', ...readdirSync(join(home.dataDir, 'keys')).map((name) => `keys/${name}`)]
      .concat(['signer.db-wal'].filter((name) => existsSync(join(home.dataDir, name))))
      .map((name) => join(home.dataDir, name))
  beforeAll(async () => {
    home = createSignerHome({ backend: 'file' })
    // So that only the signer's own modes stand between it and the stranger.
    chmodSync(home.folder, 0o755)
    await initHome(home)
    running = await startSigner(home)
    await setUp(running, home, paymentPolicy('test'))
  })
  afterAll(async () => {
    await running.kill()
    home.remove()
  })
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

  it('directories are 0700; files and socket 0600', () => {
    for (const directory of [home.dataDir, join(home.dataDir, 'keys'), join(home.folder, 'run')])
      expect([directory, mode(directory)]).toEqual([directory, '700'])
    for (const file of [...files(), running.socket]) expect([file, mode(file)]).toEqual([file, '600'])
    expect(files().length).toBeGreaterThanOrEqual(4)
  })

  it.skipIf(!isRoot)('another user can neither connect nor read (skipped where the test is not root)', () => {
    const script =
      'const s = require("node:net").connect(process.argv[1]); s.on("connect", () => { console.log("connected"); s.destroy() }); s.on("error", (e) => console.log(e.code))'
    expect(asStranger('node', '-e', script, running.socket).stdout.trim()).toBe('EACCES')
    for (const path of [
      ...files(),
      home.dataDir,
      `/proc/${running.child.pid}/environ`,
      `/proc/${running.child.pid}/mem`,
    ]) {
      const { status, stderr, stdout } = asStranger('head', '-c', '1', path)
      expect([path, status, stdout]).toEqual([path, 1, ''])
      expect(stderr).toMatch(/Permission denied/)
    }
    expect(asStranger('ls', home.dataDir).stderr).toMatch(/Permission denied/)
    // The same attack works for the owner: it is the modes that stop the stranger.
    expect(spawnSync('head', ['-c', '1', files()[0] as string]).status).toBe(0)
  })

  it('a start refuses what others can reach, and names it', async () => {
    await running.kill('SIGTERM')
    const places: [string, number, string][] = [
      ['.', 0o755, 'SIGNER_PERMISSIONS'],
      ['signer-key.json', 0o644, 'SIGNER_PERMISSIONS'],
      ['signer.db', 0o660, 'SIGNER_PERMISSIONS'],
      ['keys', 0o701, 'KEYS_PERMISSIONS'],
      ['keys/keystore.json', 0o604, 'KEYS_PERMISSIONS'],
      ['../run', 0o711, 'SIGNER_PERMISSIONS'],
    ]
    for (const [name, opened, code] of places) {
      const path = join(home.dataDir, name)
      const before = statSync(path).mode & 0o777
      chmodSync(path, opened)
      const said = await failToStart(home)
      expect(said).toContain(code)
      expect(said).toContain(name === 'keys' ? 'key directory' : (path.split('/').at(-1) as string))
      chmodSync(path, before)
    }
    running = await startSigner(home)
    expect(running.phase).toBe('ready')
  })
})
