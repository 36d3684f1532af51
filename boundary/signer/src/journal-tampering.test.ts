import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ClosedSigner,
  createClosedSigner,
  journalTampered,
  sql,
  tampered,
} from '../../../test/faults/closed-signer.ts'
import { openTestLedger } from '../../../test/signer/test-ledger.ts'
import { verifyStore } from './recovery.ts'
import { openSqliteStore } from './sqlite-store.ts'

let closed: ClosedSigner
beforeAll(async () => {
  closed = await createClosedSigner()
})
afterAll(() => closed.close())

/** The attacker's older copy of the same database stands under the name `older`. */
const withOlder = (text: string) => (database: DatabaseSync) => {
  database.exec(`ATTACH '${closed.older}' AS older`)
  sql(text)(database)
}

describe('the head', () => {
  const attacks: [string, () => (database: DatabaseSync) => void, object][] = [
    [
      'its time moved back',
      () => sql('UPDATE head SET time_ms = time_ms - 86400000'),
      tampered('head was changed'),
    ],
    ['its time moved on', () => sql('UPDATE head SET time_ms = time_ms + 1'), tampered('head was changed')],
    [
      'an older genuine checkpoint',
      () => withOlder('UPDATE main.head SET checkpoint = (SELECT checkpoint FROM older.head)'),
      tampered('head was changed'),
    ],
    [
      'the whole older head',
      () => withOlder('DELETE FROM main.head; INSERT INTO main.head SELECT * FROM older.head'),
      journalTampered('its head states'),
    ],
    [
      'the mark of the oldest open permit moved on, so that no recovery would see it',
      () => sql('UPDATE head SET open_from = open_from + 1'),
      tampered('head was changed'),
    ],
    ['its MAC changed', () => sql('UPDATE head SET state_mac = zeroblob(32)'), tampered('head was changed')],
    ['its size changed', () => sql('UPDATE head SET size = size - 1'), journalTampered('its head states')],
    [
      'older head and records over the present journal',
      () =>
        withOlder(
          'DELETE FROM main.head; INSERT INTO main.head SELECT * FROM older.head; DELETE FROM main.record; INSERT INTO main.record SELECT * FROM older.record',
        ),
      journalTampered('its head states'),
    ],
    ['no head', () => sql('DELETE FROM head'), { code: 'SIGNER_NOT_INITIALISED' }],
  ]
  it.each(attacks)('%s', async (_name, attack, expected) => {
    await expect(closed.verifyAfter(attack())).rejects.toMatchObject(expected)
  })
})

describe('the journal', () => {
  const last = '(SELECT max(first) FROM segment)'
  const attacks: [string, string, RegExp][] = [
    [
      'an early entry changed',
      `UPDATE segment SET entries = replace(entries, '"v":1', '"v":2') WHERE first = 2`,
      /entries 2 to 2/,
    ],
    [
      'the first entry changed',
      `UPDATE segment SET entries = entries || ' ' WHERE first = 0`,
      /entries 0 to 0/,
    ],
    [
      'the last entry changed',
      `UPDATE segment SET entries = replace(entries, '"v":1', '"v":2') WHERE first = ${last}`,
      /changed among its entries/,
    ],
    ['the last segment deleted', `DELETE FROM segment WHERE first = ${last}`, /its head states/],
    ['an early segment deleted', 'DELETE FROM segment WHERE first = 3', /lacks its entry 3/],
    ['the first segment deleted', 'DELETE FROM segment WHERE first = 0', /lacks its entry 0/],
    ['all of it deleted', 'DELETE FROM segment', /its head states/],
    [
      'two segments exchanged',
      'UPDATE segment SET first = CASE first WHEN 1 THEN -2 ELSE -1 END WHERE first IN (1, 2); UPDATE segment SET first = -first WHERE first < 0',
      /entries 1 to 1/,
    ],
    [
      'the entries of two segments exchanged',
      'CREATE TEMP TABLE copy AS SELECT * FROM segment; UPDATE segment SET entries = (SELECT entries FROM copy WHERE copy.first = 3 - segment.first) WHERE first IN (1, 2)',
      /entries 1 to 1/,
    ],
    [
      'a segment inserted at the end',
      'INSERT INTO segment SELECT first + count, count, entries, checkpoint FROM segment ORDER BY first DESC LIMIT 1',
      /changed among its entries/,
    ],
    [
      'an entry added to the last segment',
      `UPDATE segment SET entries = entries || char(10) || '{}', count = count + 1 WHERE first = ${last}`,
      /changed among its entries/,
    ],
    [
      'the last segment renumbered',
      `UPDATE segment SET first = first + 1 WHERE first = ${last}`,
      /lacks its entry/,
    ],
    [
      'a segment inserted between two',
      'UPDATE segment SET first = first + 100 WHERE first > 2; UPDATE segment SET first = first - 99 WHERE first > 2; INSERT INTO segment SELECT 3, count, entries, checkpoint FROM segment WHERE first = 2',
      /entries 3 to 3/,
    ],
    ['a count changed', 'UPDATE segment SET count = 2 WHERE first = 2', /segment at entry 2/],
    ['a segment emptied', `UPDATE segment SET entries = '' WHERE first = 2`, /entries 2 to 2/],
    [
      'a checkpoint changed',
      `UPDATE segment SET checkpoint = replace(checkpoint, 'countersign', 'countersigm') WHERE first = 2`,
      /checkpoint of the journal.s entries 2 to 2/,
    ],
    [
      'a genuine checkpoint of another segment',
      'UPDATE segment SET checkpoint = (SELECT checkpoint FROM segment AS other WHERE other.first = 3) WHERE first = 2',
      /entries 2 to 2/,
    ],
    [
      'a checkpoint with its signature line twice',
      'UPDATE segment SET checkpoint = checkpoint || substr(checkpoint, instr(checkpoint, char(10) || char(10)) + 2) WHERE first = 2',
      /checkpoints of the commits/,
    ],
  ]
  it.each(attacks)('%s', async (_name, attack, named) => {
    await expect(closed.verifyAfter(sql(attack))).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(JOURNAL|STORE)_TAMPERED$/),
      message: expect.stringMatching(named),
    })
  })

  it('put back by some commits, under the present head', async () => {
    const attack = withOlder('DELETE FROM main.segment WHERE first NOT IN (SELECT first FROM older.segment)')
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(journalTampered('its head states'))
  })

  it('a checkpoint of another key, even where the head’s MAC would hold', async () => {
    const attack = sql(
      `UPDATE head SET checkpoint = substr(checkpoint, 1, length(checkpoint) - 9) || 'AAAAAAA=' || char(10)`,
    )
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('head was changed'))
    const { mac } = { mac: new Uint8Array(32) }
    const both = (database: DatabaseSync) => {
      attack(database)
      sql('UPDATE head SET state_mac = zeroblob(32)')(database)
    }
    await expect(closed.verifyAfter(both, { headMac: () => mac })).rejects.toMatchObject(
      journalTampered('signature'),
    )
  })
})

describe('a database that is damaged', () => {
  it.each(['record', 'record_key', 'segment', 'head'])('in the first page of %s', async (name) => {
    await expect(closed.verifyDamaged(name)).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(STORE|JOURNAL)_(TAMPERED|FAILED)$/),
    })
  })

  it('in its header', async () => {
    await expect(closed.verifyDamaged('sqlite_schema')).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
  })
})

it('a database of another version is refused, and not misread', async () => {
  for (const version of [1, 3]) {
    const attack = (database: DatabaseSync) => database.exec(`PRAGMA user_version = ${version}`)
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject({
      code: 'SIGNER_CONFIG_INVALID',
      message: expect.stringContaining(`version ${version}`),
    })
  }
})

describe('a journal with complete tiles', () => {
  let folder: string
  let verify: () => Promise<unknown>
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-tiles-'))
    const made = await openTestLedger((store) => store, join(folder, 'pristine.db'))
    for (let i = 0; i < 60; i++) {
      const append = () => made.ledger.submit(async (tx) => tx.append({ type: 'policy', i }))
      await Promise.all(Array.from({ length: 10 }, append))
    }
    await made.close()
    verify = async () => {
      const store = openSqliteStore(join(folder, 'attacked.db'))
      return verifyStore(store, made.seal, made.key).finally(() => store.close())
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['nothing', 'SELECT 1', undefined],
    [
      'an entry changed in a complete tile',
      `UPDATE segment SET entries = replace(entries, '"v":1', '"v":2') WHERE first = 300`,
      /at its entry 300/,
    ],
    [
      'an entry changed after the last tile',
      `UPDATE segment SET entries = replace(entries, '"v":1', '"v":2') WHERE first = 520`,
      /entries 520 to 529/,
    ],
    [
      'a hash changed in a tile',
      'UPDATE tile SET hashes = CAST(substr(hashes, 1, 64) || zeroblob(32) || substr(hashes, 97) AS BLOB) WHERE i = 1',
      /at its entry 258/,
    ],
    ['a tile shortened', 'UPDATE tile SET hashes = substr(hashes, 1, 96) WHERE i = 0', /at its entry 0/],
    ['a tile deleted', 'DELETE FROM tile WHERE i = 1', /at its entry 256/],
    ['tiles exchanged', 'UPDATE tile SET i = i + 2; UPDATE tile SET i = 3 - i', /at its entry 0/],
    [
      'an entry changed, and all tiles deleted',
      `UPDATE segment SET entries = replace(entries, '"v":1', '"v":2') WHERE first = 300; DELETE FROM tile`,
      /at its entry 0/,
    ],
  ])('%s', async (_name, attack, named) => {
    cpSync(join(folder, 'pristine.db'), join(folder, 'attacked.db'))
    const database = new DatabaseSync(join(folder, 'attacked.db'))
    database.exec(attack)
    database.close()
    if (named === undefined) await expect(verify()).resolves.toMatchObject({ open: new Map() })
    else await expect(verify()).rejects.toMatchObject(journalTampered(named))
  })
})
