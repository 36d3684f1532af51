/**
 * A limit, not a defence: who can replace the whole data directory can put the signer back to an earlier state,
 * and the signer itself cannot tell. Whoever has kept a later checkpoint can. SECURITY.md says so.
 */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHex } from '@countersign/bytes'
import { journalOrigin, verifyCheckpoint, verifyConsistency } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyDataDir } from '../../../test/faults/copy-data-dir.ts'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'

describe('a data directory that is put back as a whole', () => {
  let test: TestSigner
  let dataDir: string
  let path: string
  const pay = async (value: bigint) => {
    const answer = await test.ask('POST', path, payment(value), { by: test.agent })
    return errorCode(answer) ?? answer.status
  }
  const watched = () =>
    verifyCheckpoint(test.signer.journal.checkpoint(), {
      name: journalOrigin(test.audience),
      publicKey: decodeHex(test.signer.journal.publicKey),
    })
  beforeAll(async () => {
    test = await openTestSigner({ backend: 'file' })
    dataDir = join(test.directory, 'signer')
    path = `/v1/wallets/${(await test.walletUnder(paymentPolicy('test', 10n))).id}/sign-transaction`
    test = await test.reopen()
  })
  afterAll(() => test.close())

  it('opens, and spends its windows a second time; a watcher with a later checkpoint sees it', async () => {
    copyDataDir(dataDir, `${dataDir}-older`)
    expect(await pay(10n)).toBe(200)
    expect(await pay(1n)).toBe('POLICY_REFUSED')
    const seen = watched()

    // The running signer keeps the files that it has open; the next one opens what stands under their names.
    renameSync(dataDir, `${dataDir}-gone`)
    renameSync(`${dataDir}-older`, dataDir)
    test = await test.reopen()
    expect(test.signer.phase()).toBe('ready')
    expect(watched().size).toBeLessThan(seen.size)
    await expect(test.signer.journal.consistency(seen.size, seen.size)).rejects.toMatchObject({
      code: 'SIGNER_ENTRY_UNKNOWN',
    })

    expect(await pay(9n)).toBe(200)
    while (watched().size <= seen.size) await pay(10n)
    const now = watched()
    const proof = await test.signer.journal.consistency(seen.size, now.size)
    const claim = { from: seen.size, fromRoot: seen.root, to: now.size, toRoot: now.root }
    expect(verifyConsistency(claim, proof)).toBe(false)
  })

  it('the same by taking away the write-ahead log of a killed signer', async () => {
    expect(await pay(10n)).toBe('POLICY_REFUSED')
    const seen = watched()
    copyDataDir(dataDir, `${dataDir}-killed`)
    rmSync(`${dataDir}-killed/signer.db-wal`)
    renameSync(dataDir, `${dataDir}-running`)
    renameSync(`${dataDir}-killed`, dataDir)
    test = await test.reopen()
    expect(watched().size).toBeLessThan(seen.size)
  })
})
