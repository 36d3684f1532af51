import type { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ClosedSigner,
  createClosedSigner,
  journalTampered,
  sql,
  tampered,
} from '../../../test/faults/closed-signer.ts'

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
      tampered('head was changed'),
    ],
    ['its MAC changed', () => sql('UPDATE head SET state_mac = zeroblob(32)'), tampered('head was changed')],
    ['its size changed', () => sql('UPDATE head SET size = size - 1'), journalTampered('do not hash')],
    [
      'older head and records over the present journal',
      () =>
        withOlder(
          'DELETE FROM main.head; INSERT INTO main.head SELECT * FROM older.head; DELETE FROM main.record; INSERT INTO main.record SELECT * FROM older.record',
        ),
      journalTampered('do not hash'),
    ],
    ['no head', () => sql('DELETE FROM head'), { code: 'SIGNER_NOT_INITIALISED' }],
  ]
  it.each(attacks)('%s', async (_name, attack, expected) => {
    await expect(closed.verifyAfter(attack())).rejects.toMatchObject(expected)
  })
})

describe('the journal', () => {
  const last = '(SELECT max(i) FROM leaf)'
  const attacks: [string, string, RegExp][] = [
    [
      'an early entry changed',
      `UPDATE leaf SET text = replace(text, '"v":1', '"v":2') WHERE i = 2`,
      /entries 2 to 3/,
    ],
    ['the first entry changed', `UPDATE leaf SET text = text || ' ' WHERE i = 0`, /entries 0 to 1/],
    [
      'the last entry changed',
      `UPDATE leaf SET text = replace(text, '"v":1', '"v":2') WHERE i = ${last}`,
      /hash|entries/,
    ],
    ['the last entry deleted', `DELETE FROM leaf WHERE i = ${last}`, /entr/],
    ['an early entry deleted', 'DELETE FROM leaf WHERE i = 3', /entr/],
    [
      'two entries exchanged',
      'UPDATE leaf SET i = CASE i WHEN 1 THEN -2 ELSE -1 END WHERE i IN (1, 2); UPDATE leaf SET i = -i WHERE i < 0',
      /entries/,
    ],
    ['an entry inserted at the end', `INSERT INTO leaf SELECT max(i) + 1, text FROM leaf`, /entr/],
    ['the last entry renumbered', `UPDATE leaf SET i = i + 1 WHERE i = ${last}`, /entr/],
    [
      'an interior node changed',
      'UPDATE node SET hash = zeroblob(32) WHERE level = 2 AND i = 0',
      /entries 0 to 3/,
    ],
    ['an interior node deleted', 'DELETE FROM node WHERE level = 1 AND i = 1', /entries 2 to 3/],
    [
      'a subtree changed with its nodes',
      `UPDATE leaf SET text = '{}' WHERE i = 0; DELETE FROM node`,
      /entries 0 to 1/,
    ],
  ]
  it.each(attacks)('%s', async (_name, attack, named) => {
    await expect(closed.verifyAfter(sql(attack))).rejects.toMatchObject(journalTampered(named))
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
  it.each(['record', 'record_key', 'leaf', 'node', 'head'])('in the first page of %s', async (name) => {
    await expect(closed.verifyDamaged(name)).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(STORE|JOURNAL)_(TAMPERED|FAILED)$/),
    })
  })

  it('in its header', async () => {
    await expect(closed.verifyDamaged('sqlite_schema')).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
  })
})
