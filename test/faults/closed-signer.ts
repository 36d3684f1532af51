import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseSealedFile, SealingKey, Secret } from '@countersign/keys'
import { expect } from 'vitest'
import { openJournalKey } from '../../boundary/signer/src/journal.ts'
import { openRecordSeal, type RecordSeal } from '../../boundary/signer/src/records.ts'
import { type VerifiedState, verifyStore } from '../../boundary/signer/src/recovery.ts'
import { openSqliteStore } from '../../boundary/signer/src/sqlite-store.ts'
import { openTestSigner, type TestSigner, testSecret } from '../signer/test-signer.ts'
import { payment, paymentPolicy } from './payment.ts'

/** SQLite's default. */
const pageBytes = 4_096
const dayMs = 24 * 60 * 60 * 1000

/** A signer that has worked and is closed, with an older genuine copy of its database beside the present one. */
export interface ClosedSigner {
  readonly older: string
  /** Copies the database, lets an attacker at the copy, and verifies it as a start does.
   * @param weakened A seal that leaves out a check, to show that this check is what finds the attack. */
  verifyAfter(
    attack: (database: DatabaseSync) => void,
    weakened?: Partial<RecordSeal>,
  ): Promise<VerifiedState>
  /** The same with the first page of a table or index overwritten. */
  verifyDamaged(name: string): Promise<VerifiedState>
  close(): void
}

export async function createClosedSigner(): Promise<ClosedSigner> {
  let aheadMs = 0
  const startMs = performance.now()
  const test = await openTestSigner({
    backend: 'file',
    admins: 2,
    clockSource: {
      wallMs: () => Date.now() + aheadMs,
      monotonicMs: () => performance.now() - startMs + aheadMs,
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'countersign-closed-'))
  const dataDir = join(test.directory, 'signer')
  const wallet = await test.walletUnder(paymentPolicy('test'))
  await pay(test, wallet.id, 100n, aheadMs)
  const reopened = await test.reopen()
  cpSync(dataDir, join(folder, 'older'), { recursive: true })
  // More than a day: the oldest requests are pruned, so that genuine records exist which are no longer there.
  aheadMs = 2 * dayMs
  for (const value of [200n, 30n]) await pay(reopened, wallet.id, value, aheadMs)
  await reopened.signer.close()

  const file = parseSealedFile(readFileSync(join(dataDir, 'signer-key.json'), 'utf8'))
  const sealing = await SealingKey.derive(new Secret(testSecret), file.kdf)
  const key = openJournalKey(sealing.open(file, { ...file, type: 'countersign-signer' }))
  const genuine = openRecordSeal((info) => sealing.deriveKey(info))
  let copies = 0
  const copy = () => {
    const path = join(folder, `attacked-${copies++}.db`)
    cpSync(join(dataDir, 'signer.db'), path)
    return path
  }
  const verify = async (path: string, weakened: Partial<RecordSeal>) => {
    const store = openSqliteStore(path)
    try {
      return await verifyStore(store, { ...genuine, ...weakened }, key)
    } finally {
      await store.close()
    }
  }
  return {
    older: join(folder, 'older/signer.db'),
    async verifyAfter(attack, weakened = {}) {
      const path = copy()
      const database = new DatabaseSync(path)
      attack(database)
      database.close()
      return verify(path, weakened)
    },
    async verifyDamaged(name) {
      const path = copy()
      const database = new DatabaseSync(path)
      const find = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?')
      const { rootpage } = (find.get(name) ?? { rootpage: 1 }) as { rootpage: number }
      database.close()
      const bytes = readFileSync(path)
      bytes.fill(0xa5, (rootpage - 1) * pageBytes, rootpage * pageBytes)
      writeFileSync(path, bytes)
      return verify(path, {})
    },
    close() {
      sealing.close()
      rmSync(folder, { recursive: true, force: true })
      rmSync(test.directory, { recursive: true, force: true })
    },
  }
}

async function pay(test: TestSigner, walletId: string, value: bigint, aheadMs: number): Promise<void> {
  const createdS = Math.floor((Date.now() + aheadMs) / 1000)
  const path = `/v1/wallets/${walletId}/sign-transaction`
  const answer = await test.ask('POST', path, payment(value), { by: test.agent, createdS })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}

export const tampered = (message: string | RegExp) => ({
  code: 'SIGNER_STORE_TAMPERED',
  message: expect.stringMatching(message),
})

export const journalTampered = (message: string | RegExp) => ({
  code: 'SIGNER_JOURNAL_TAMPERED',
  message: expect.stringMatching(message),
})

/** An attack in SQL; throws where it hits nothing, since a test of it would then prove nothing. */
export const sql = (text: string) => (database: DatabaseSync) => {
  const { total } = database.prepare('SELECT total_changes() AS total').get() as { total: number }
  database.exec(text)
  const after = database.prepare('SELECT total_changes() AS total').get() as { total: number }
  if (after.total === total) throw new Error('the attack changed nothing')
}
