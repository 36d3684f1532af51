import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type ClosedSigner, createClosedSigner, sql } from '../../../test/faults/closed-signer.ts'
import { openTestLedger } from '../../../test/signer/test-ledger.ts'
import { verifyStore } from './recovery.ts'
import { openSqliteStore } from './sqlite-store.ts'

let closed: ClosedSigner
beforeAll(async () => {
  closed = await createClosedSigner()
})
afterAll(() => closed.close())

const caught = { code: expect.stringMatching(/^SIGNER_(STORE|JOURNAL)_TAMPERED$/) }

describe('rows that SQLite shows to a scan but not to a look-up', () => {
  const attacks: [string, string][] = [
    ['a NUL after the key of a window', "UPDATE record SET key = key || char(0) WHERE kind = 'window'"],
    [
      'a byte that is no UTF-8',
      "UPDATE record SET key = CAST(CAST(key AS BLOB) || x'F0' AS TEXT) WHERE kind = 'window'",
    ],
    [
      'a byte order mark',
      "UPDATE record SET key = CAST(x'EFBBBF' || CAST(key AS BLOB) AS TEXT) WHERE kind = 'window'",
    ],
    ['a NUL after the kind', "UPDATE record SET kind = kind || char(0) WHERE kind = 'request'"],
    ['an expiry of nothing but a sign', "UPDATE record SET expires_ms = -expires_ms WHERE kind = 'request'"],
  ]
  it.each(attacks)('%s', async (_name, text) => {
    await expect(closed.verifyAfter(sql(text))).rejects.toMatchObject(caught)
  })
})

/**
 * Entries stay in their order, so the tree, every checkpoint and the head hold as they are; what is lost is which
 * checkpoint is whose, and with it the receipts of the entries that moved.
 */
describe('the journal cut into other commits', () => {
  const attacks: [string, string][] = [
    [
      'two commits made one',
      'UPDATE segment SET count = 4, entries = entries || char(10) || (SELECT entries FROM segment WHERE first = 2) WHERE first = 0; DELETE FROM segment WHERE first = 2',
    ],
    [
      'an entry moved over the border of two commits',
      'UPDATE segment SET count = 3, entries = entries || char(10) || substr((SELECT entries FROM segment WHERE first = 2), 1, instr((SELECT entries FROM segment WHERE first = 2), char(10)) - 1) WHERE first = 0; UPDATE segment SET first = 3, count = 1, entries = substr(entries, instr(entries, char(10)) + 1) WHERE first = 2',
    ],
  ]
  it.each(attacks)('%s', async (_name, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-cut-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'signer.db')
    const test = await openTestLedger(undefined, path)
    for (const n of [0, 2]) {
      const append = (i: number) => test.ledger.submit(async (tx) => tx.append({ type: 'policy', i }))
      await Promise.all([append(n), append(n + 1)])
    }
    await test.close()
    const verify = async () => {
      const store = openSqliteStore(path)
      return verifyStore(store, test.seal, test.key).finally(() => store.close())
    }
    await expect(verify()).resolves.toMatchObject({ open: new Map() })
    const database = new DatabaseSync(path)
    sql(text)(database)
    expect(database.prepare('SELECT sum(count) AS entries FROM segment').get()).toEqual({ entries: 4 })
    database.close()
    await expect(verify()).rejects.toMatchObject(caught)
  })
})
