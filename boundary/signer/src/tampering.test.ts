import type { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClosedSigner, createClosedSigner, sql, tampered } from '../../../test/faults/closed-signer.ts'

let closed: ClosedSigner
beforeAll(async () => {
  closed = await createClosedSigner()
})
afterAll(() => closed.close())

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
  await expect(closed.verifyAfter(() => undefined)).resolves.toMatchObject({ open: new Map() })
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

/** Writes the signer's own schema over the one that the attacker's tables were made with. */
function disguise(database: DatabaseSync, genuine: readonly Record<string, unknown>[]): void {
  database.enableDefensive(false)
  database.exec('PRAGMA writable_schema = ON')
  const update = database.prepare('UPDATE sqlite_schema SET sql = ? WHERE name = ?')
  for (const { name, sql } of genuine) update.run(sql as string, name as string)
}

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
      const genuine = database.prepare("SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'record'").all()
      const table = `CREATE TABLE copy (${columns} INTEGER) STRICT`
      withOlder(`${table}; ${copies} CREATE INDEX record_key ON record (kind, key)`)(database)
      disguise(database, genuine)
    }
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('window .* is there twice'))
  })

  it('an index that leaves a window out, under the signer’s own schema', async () => {
    const attack = (database: DatabaseSync) => {
      const genuine = database.prepare("SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'record'").all()
      database.exec('DROP INDEX record_key')
      database.exec("CREATE INDEX record_key ON record (kind, key) WHERE kind <> 'window'")
      disguise(database, genuine)
    }
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('Records were added or removed'))
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
      database.exec(`CREATE TRIGGER forget AFTER INSERT ON segment BEGIN ${work}; END`)
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('trigger forget'))
  })

  it('an index of expired records that lists what is not expired', async () => {
    const attack = (database: DatabaseSync) => database.exec('DROP INDEX record_expiry')
    await expect(closed.verifyAfter(attack)).rejects.toMatchObject(tampered('index record_expiry'))
  })
})
