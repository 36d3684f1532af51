import type { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClosedSigner, createClosedSigner } from '../../../test/faults/closed-signer.ts'

let closed: ClosedSigner
beforeAll(async () => {
  closed = await createClosedSigner()
})
afterAll(() => closed.close())

const tampered = (message: string | RegExp) => ({
  code: 'SIGNER_STORE_TAMPERED',
  message: expect.stringMatching(message),
})
const journalTampered = (message: string | RegExp) => ({
  code: 'SIGNER_JOURNAL_TAMPERED',
  message: expect.stringMatching(message),
})
const sql = (text: string) => (database: DatabaseSync) => {
  const { total } = database.prepare('SELECT total_changes() AS total').get() as { total: number }
  database.exec(text)
  const after = database.prepare('SELECT total_changes() AS total').get() as { total: number }
  if (after.total === total) throw new Error('the attack changed nothing')
}
const replaceIn = (kind: string, from: string, to: string) =>
  sql(
    `UPDATE record SET value = replace(value, '${from}', '${to}') WHERE kind = '${kind}' AND value LIKE '%${from}%'`,
  )
/** The attacker's older copy of the same database stands under the name `older`. */
const withOlder = (text: string) => (database: DatabaseSync) => {
  database.exec(`ATTACH '${closed.older}' AS older`)
  sql(text)(database)
}

it('opens what nobody has touched', async () => {
  await expect(closed.verifyAfter(() => undefined)).resolves.toMatchObject({ open: [] })
})

describe('a changed record is named', () => {
  const attacks: [string, (database: DatabaseSync) => void, RegExp][] = [
    [
      'an agent made admin',
      replaceIn('credential', '"role":"agent"', '"role":"admin"'),
      /record credential cred_/,
    ],
    [
      'a policy’s limit raised',
      replaceIn('policy', '"amount":"1000"', '"amount":"9000"'),
      /record policy test/,
    ],
    [
      'a wallet put under another policy',
      replaceIn('wallet', '"policy":"test"', '"policy":"best"'),
      /record wallet wal_/,
    ],
    [
      'a wallet pointed at another key',
      replaceIn('wallet', '"key":"file', '"key":"bile'),
      /record wallet wal_/,
    ],
    [
      'the quorum lowered',
      replaceIn('organisation', '"quorum":2', '"quorum":1'),
      /record organisation organisation/,
    ],
    [
      'a window’s sum lowered',
      replaceIn('window', '"sumMinor":"230"', '"sumMinor":"000"'),
      /record window wal_/,
    ],
    [
      'a bucket lowered',
      replaceIn('bucket', '"amountMinor":"230"', '"amountMinor":"000"'),
      /record bucket wal_/,
    ],
    [
      'a request made to run out',
      sql("UPDATE record SET expires_ms = 1 WHERE kind = 'request'"),
      /record request cred_/,
    ],
    [
      'a request that never runs out',
      sql("UPDATE record SET expires_ms = NULL WHERE kind = 'request'"),
      /record request/,
    ],
    ['an answer changed', replaceIn('request', '"status":200', '"status":500'), /record request cred_/],
    ['kinds swapped', sql("UPDATE record SET kind = 'wallet' WHERE kind = 'policy'"), /record wallet test/],
    ['a key changed', sql("UPDATE record SET key = 'best' WHERE kind = 'policy'"), /record policy best/],
    [
      'a MAC changed',
      sql("UPDATE record SET mac = zeroblob(32) WHERE kind = 'policy'"),
      /record policy test/,
    ],
    ['a MAC shortened', sql("UPDATE record SET mac = x'' WHERE kind = 'policy'"), /record policy test/],
    [
      'text after the value',
      sql("UPDATE record SET value = value || ' ' WHERE kind = 'policy'"),
      /record policy test/,
    ],
  ]
  it.each(attacks)('%s', async (_name, attack, named) => {
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered(named))
    // Without the MAC of the record nobody would notice: the set of MACs is as it was, or this one is not in it.
    const blind = closed.verifyAfter(attack, { check: () => undefined })
    if (/MAC/.test(_name)) await expect(blind).rejects.toMatchObject(tampered('set of records'))
    else await expect(blind).resolves.toBeDefined()
  })
})

describe('records that are genuine, but not the present ones', () => {
  const put = (where: string) =>
    `INSERT OR REPLACE INTO main.record SELECT * FROM older.record WHERE ${where}`
  const missing = (where: string) =>
    `INSERT INTO main.record SELECT * FROM older.record WHERE ${where} AND (kind, key) NOT IN (SELECT kind, key FROM main.record)`
  const attacks: [string, (database: DatabaseSync) => void][] = [
    ['a window deleted', sql("DELETE FROM record WHERE kind = 'window'")],
    ['a bucket deleted', sql("DELETE FROM record WHERE kind = 'bucket'")],
    ['a request deleted', sql("DELETE FROM record WHERE kind = 'request'")],
    ['a credential deleted', sql("DELETE FROM record WHERE kind = 'credential' AND value LIKE '%agent%'")],
    ['everything deleted', sql('DELETE FROM record')],
    ['one window rolled back', (database) => withOlder(put("kind = 'window'"))(database)],
    [
      'window and buckets rolled back together',
      (database) => withOlder(put("kind IN ('window', 'bucket')"))(database),
    ],
    ['a pruned request brought back', (database) => withOlder(missing("kind = 'request'"))(database)],
    ['all records rolled back', (database) => withOlder(`DELETE FROM main.record; ${put('true')}`)(database)],
  ]
  it.each(attacks)('%s', async (_name, attack) => {
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('Records were added or removed'))
    // Every record has its MAC: only the digest over the set of them tells.
    const real = await closed.verifyAfter(() => undefined)
    let toggled = 0
    const blind = closed.verifyAfter(attack, {
      toggle: (digest) => (toggled++ === 0 ? digest.set(real.setDigest) : undefined),
    })
    if (_name === 'everything deleted') await expect(blind).rejects.toMatchObject(tampered('Records were'))
    else await expect(blind).resolves.toBeDefined()
  })

  const copies = `
    INSERT INTO copy SELECT * FROM older.record WHERE kind = 'window';
    INSERT INTO copy SELECT * FROM older.record WHERE kind = 'window';
    INSERT INTO copy SELECT * FROM main.record;
    DROP TABLE main.record;
    ALTER TABLE copy RENAME TO record;
    CREATE INDEX record_expiry ON record (expires_ms) WHERE expires_ms IS NOT NULL;`
  const columns = 'kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, mac BLOB NOT NULL, expires_ms'

  it('an older record twice beside the present one, so that the two cancel in the digest', async () => {
    const attack = withOlder(`CREATE TABLE copy (${columns} INTEGER) STRICT; ${copies}`)
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('table record'))
  })

  it('the same under the signer’s own schema, written over that of the copy', async () => {
    const attack = (database: DatabaseSync) => {
      const schema = "SELECT sql FROM sqlite_schema WHERE name = 'record'"
      const { sql: own } = database.prepare(schema).get() as { sql: string }
      // A primary key that tells the copies apart, by a column that the signer's schema then names away.
      const table = `CREATE TABLE copy (${columns} INTEGER, PRIMARY KEY (kind, key, value)) WITHOUT ROWID, STRICT`
      withOlder(`${table}; ${copies.replace(/INSERT.*\n/, '')}`)(database)
      database.enableDefensive(false)
      database.exec('PRAGMA writable_schema = ON')
      database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'record'").run(own)
    }
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('window .* is there twice'))
  })

  it('a view that shows the present records first and older ones later', async () => {
    const attack = (database: DatabaseSync) => {
      database.exec(`ATTACH '${closed.older}' AS older`)
      database.exec(`
        CREATE TABLE old AS SELECT * FROM older.record;
        ALTER TABLE main.record RENAME TO new;
        CREATE VIEW record AS SELECT * FROM new WHERE total_changes() = 0
          UNION ALL SELECT * FROM old WHERE total_changes() > 0`)
    }
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(
      tampered('the signer’s database was added or changed|index record_expiry'),
    )
  })

  it('a trigger that works along with the signer', async () => {
    const work = "DELETE FROM record WHERE kind = 'window'"
    const attack = (database: DatabaseSync) =>
      database.exec(`CREATE TRIGGER forget AFTER INSERT ON leaf BEGIN ${work}; END`)
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('trigger forget'))
  })

  it('an index of expired records that lists what is not expired', async () => {
    const attack = (database: DatabaseSync) => database.exec('DROP INDEX record_expiry')
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('index record_expiry'))
  })
})

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
  it.each([
    ['a page overwritten', 4_096 * 3, 4_096],
    ['the header overwritten', 0, 64],
  ])('%s', async (_name, at, length) => {
    await expect(closed.verifyDamaged(at, length)).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(STORE|JOURNAL)_(TAMPERED|FAILED)$/),
    })
  })
})
