import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { errorCode } from '../signer/test-signer.ts'
import { payment, paymentPolicy } from './payment.ts'
import {
  createSignerHome,
  failToStart,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

const diskKib = 1_024
const limit = 1_000n

/** A file system of its own that a test may fill. */
function mountAt(path: string): boolean {
  const mount = ['-t', 'tmpfs', '-o', `size=${diskKib}k,mode=0700`, 'none', path]
  return process.getuid?.() === 0 && spawnSync('mount', mount).status === 0
}

const dataDir = mkdtempSync(join(tmpdir(), 'countersign-disk-'))
const canMount = mountAt(dataDir)
if (canMount) spawnSync('umount', [dataDir])
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

describe.skipIf(!canMount)('a full disk (skipped where this user may not mount a small one)', () => {
  let home: SignerHome
  let running: SignerProcess
  let path: string
  let nonce = 0
  beforeAll(async () => {
    mountAt(dataDir)
    home = createSignerHome({ backend: 'env', dataDir })
    await initHome(home)
    running = await startSigner(home)
    path = `/v1/wallets/${(await setUp(running, home, paymentPolicy('test', limit))).id}/sign-transaction`
  })
  afterAll(async () => {
    await running.kill()
    home.remove()
    spawnSync('umount', [dataDir])
  })

  const filler = () => join(dataDir, 'filler')
  /** @param leaveBytes How much room is left; 0 fills the disk to the last page. */
  function fill(leaveBytes: number): void {
    const { bavail, bsize } = statfsSync(dataDir)
    const file = openSync(filler(), 'w')
    try {
      for (let room = bavail * bsize - leaveBytes; room >= bsize; room -= bsize)
        writeSync(file, Buffer.alloc(bsize))
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error
    }
    closeSync(file)
  }
  const pay = (value: bigint, requestId?: string) => {
    const id = requestId === undefined ? {} : { requestId }
    return running.ask('POST', path, payment(value, nonce++), { by: home.agent, ...id })
  }
  const outcomes = (answers: readonly Answer[]) => answers.map((answer) => errorCode(answer) ?? 'signed')

  it('refuses every request with SIGNER_STORE_FAILED, and works again when there is room', async () => {
    expect((await pay(1n)).status).toBe(200)
    fill(0)
    const requestIds = Array.from({ length: 16 }, (_, i) => `on-a-full-disk-${i}`)
    const bodies = requestIds.map((_, i) => payment(1n, 500 + i))
    const ask = (i: number) =>
      running.ask('POST', path, bodies[i], { by: home.agent, requestId: requestIds[i] as string })
    // The log that is there already has room for a while; then it ends, somewhere within a batch.
    const filling: Answer[] = []
    for (let round = 0; round < 400; round++) {
      filling.push(...(await Promise.all(Array.from({ length: 4 }, () => pay(1n)))))
      if (filling.at(-1)?.status === 503) break
    }
    const whileFull = await Promise.all(requestIds.map((_, i) => ask(i)))
    expect(new Set(outcomes(whileFull))).toEqual(new Set(['SIGNER_STORE_FAILED']))
    for (const answer of whileFull) {
      expect(answer.status).toBe(503)
      expect(JSON.stringify(answer.body)).not.toContain('"signature"')
    }
    expect(await running.get('/v1/health')).toEqual({ status: 200, body: { phase: 'ready' } })

    rmSync(filler())
    const again = await Promise.all(requestIds.map((_, i) => ask(i)))
    expect(outcomes(again)).toEqual(requestIds.map(() => 'signed'))
    const known = new Set(outcomes(filling))
    known.delete('signed')
    expect([...known]).toEqual(['SIGNER_STORE_FAILED'])
    await spendTheRest(filling.filter(({ status }) => status === 200).length + requestIds.length + 1)
  })

  /** What was refused has freed its budget, at the latest when its permit is resolved once a second. */
  async function spendTheRest(signed: number): Promise<void> {
    const rest = limit - BigInt(signed)
    expect(errorCode(await pay(rest + 1n))).toBe('POLICY_REFUSED')
    await expect.poll(async () => (await pay(rest)).status, { timeout: 5_000 }).toBe(200)
    expect(errorCode(await pay(1n))).toBe('POLICY_REFUSED')
  }

  it('opens again after a kill on a full disk, or says why not', async () => {
    fill(0)
    await running.kill()
    const opened = await startSigner(home).catch((error: Error) => error)
    if (opened instanceof Error) expect(opened.message).toContain('SIGNER_STORE_FAILED')
    else await opened.kill()
    rmSync(filler())
    running = await startSigner(home)
    expect(errorCode(await pay(1n))).toBe('POLICY_REFUSED')
  })
})

describe('a database that another process has open', () => {
  let home: SignerHome
  beforeAll(async () => {
    home = createSignerHome({ backend: 'env' })
    await initHome(home)
  })
  afterAll(() => home.remove())
  const database = () => JSON.stringify(join(home.dataDir, 'signer.db'))
  const open = `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync`

  it('keeps the signer from starting: SIGNER_STORE_LOCKED', async () => {
    const hold = `${open}(${database()}); db.exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['-e', hold], { stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((held) => holder.stdout.once('data', held))
    try {
      expect(await failToStart(home)).toContain('SIGNER_STORE_LOCKED')
    } finally {
      holder.kill('SIGKILL')
    }
  })

  it('is nobody else’s while the signer runs: neither a tool’s nor a second signer’s', async () => {
    const running = await startSigner(home)
    try {
      for (const sql of ["UPDATE record SET value = '{}'", 'SELECT count(*) FROM record']) {
        const attack = `${open}(${database()}); db.prepare(${JSON.stringify(sql)}).all()`
        expect(spawnSync(process.execPath, ['-e', attack], { encoding: 'utf8' }).stderr).toContain('locked')
      }
      expect(await failToStart(home)).toContain('SIGNER_STORE_LOCKED')
      expect(await running.get('/v1/health')).toEqual({ status: 200, body: { phase: 'ready' } })
    } finally {
      await running.kill()
    }
  })
})
