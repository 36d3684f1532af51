import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeHex } from '@countersign/bytes'
import type { JournalEntryJson } from '@countersign/sdk'
import {
  addSignatureLines,
  consistencyProof,
  encodeEntry,
  journalOrigin,
  leafHash,
  nodesOfTiles,
  parseWitnessKey,
  tileOfRow,
  tileRows,
  verifyCosignatures,
} from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestJournal } from '../testing/journal-of.ts'
import { checkWitnessed } from '../witnessed.ts'
import { serveWitness } from './serve.ts'
import { createWitness, encodeAddCheckpoint, openWitness, type Witness } from './witness.ts'

const journal = createTestJournal()
const log = { name: journalOrigin(journal.audience), publicKey: decodeHex(journal.journalKey, 'key', 32) }
const nowMs = 1_700_000_000_500

let folder: string
let witness: Witness
let alarms: string[]
const open = (inFolder = folder) =>
  openWitness({
    folder: inFolder,
    logs: [log],
    nowMs: () => nowMs,
    onMisbehaviour: (why) => alarms.push(why),
  })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-witness-'))
  alarms = []
  createWitness(folder, 'witness.example/w1')
  witness = open()
})

afterEach(() => {
  witness.close()
  rmSync(folder, { recursive: true, force: true })
})

const history = (name: string, size: number): JournalEntryJson[] =>
  Array.from({ length: size }, (_, i) => journal.entry(i, i < 3 ? 'common' : name))

async function proofOf(entries: readonly JournalEntryJson[], from: number): Promise<readonly Uint8Array[]> {
  const rows = tileRows(entries.map((entry) => leafHash(encodeEntry(entry))))
  const node = nodesOfTiles(entries.length, async (tile) => tileOfRow(rows[tile.level] ?? [], tile))
  return consistencyProof(from, entries.length, node)
}

/** As the log's side would ask. */
async function ask(
  of: Pick<Witness, 'addCheckpoint'>,
  entries: readonly JournalEntryJson[],
  old: number,
  note = journal.checkpoint(entries),
) {
  const hashes = old > entries.length ? [] : await proofOf(entries, old)
  return of.addCheckpoint(encodeAddCheckpoint({ old, hashes, note }))
}

describe('a witness', () => {
  it('cosigns a journal as it grows, and only then has seen it', async () => {
    for (const [old, size] of [
      [0, 1],
      [1, 5],
      [5, 5],
      [5, 600],
    ] as const) {
      const note = journal.checkpoint(history('a', size))
      const { status, body } = await ask(witness, history('a', size), old)
      expect({ status, body }).toMatchObject({ status: 200 })
      const cosigned = addSignatureLines(note, [body])
      expect(verifyCosignatures(cosigned, [witness.key])).toMatchObject([{ timestampS: 1_700_000_000 }])
      expect(witness.seen(log.name)?.size).toBe(size)
    }
    expect(alarms).toEqual([])
  })

  it('refuses a fork, also with a proof for another history, and keeps what it has seen', async () => {
    await ask(witness, history('a', 8), 0)
    const forked = await ask(witness, history('b', 12), 8)
    expect(forked.status).toBe(422)
    const otherProof = await proofOf(history('a', 12), 8)
    const note = journal.checkpoint(history('b', 12))
    expect(witness.addCheckpoint(encodeAddCheckpoint({ old: 8, hashes: otherProof, note })).status).toBe(422)
    expect(witness.addCheckpoint(encodeAddCheckpoint({ old: 8, hashes: [], note })).status).toBe(422)
    expect(witness.seen(log.name)?.size).toBe(8)
    // The true one still goes on.
    expect((await ask(witness, history('a', 12), 8)).status).toBe(200)
  })

  it('refuses a rollback, whatever size is claimed to be known', async () => {
    await ask(witness, history('a', 8), 0)
    for (const old of [0, 5]) {
      const answer = await ask(witness, history('a', 5), old)
      expect(answer).toMatchObject({ status: 409, type: 'text/x.tlog.size', body: '8\n' })
    }
    expect((await ask(witness, history('a', 5), 8)).status).toBe(400)
    expect(witness.seen(log.name)?.size).toBe(8)
    // An old checkpoint, which anybody may have, is no evidence against the log.
    expect(witness.evidence()).toEqual([])
    expect(alarms).toEqual([])
  })

  it('keeps two trees of one size as evidence that convinces others', async () => {
    const [a, b] = ['a', 'b'].map((name) => journal.checkpoint(history(name, 8))) as [string, string]
    await ask(witness, history('a', 8), 0)
    for (const old of [8, 8, 0]) expect((await ask(witness, history('b', 8), old)).status).toBe(409)
    expect(witness.evidence()).toMatchObject([{ note: b, seen: a }])
    expect(alarms[0]).toContain('two trees of 8 entries')
  })

  it('still knows after a restart, and after a second process has cosigned', async () => {
    await ask(witness, history('a', 8), 0)
    const second = open()
    expect((await ask(second, history('a', 9), 8)).status).toBe(200)
    second.close()
    expect(await ask(witness, history('b', 9), 8)).toMatchObject({ status: 409 })
    witness.close()
    witness = open()
    expect(witness.seen(log.name)?.size).toBe(9)
    expect((await ask(witness, history('a', 9), 9)).status).toBe(200)
  })

  it('cosigns nothing that the log has not signed', async () => {
    const entries = history('a', 4)
    const impostor = createTestJournal()
    const forged = impostor.checkpoint(entries).replaceAll(impostor.audience, journal.audience)
    expect((await ask(witness, entries, 0, forged)).status).toBe(403)
    expect((await ask(witness, entries, 0, impostor.checkpoint(entries))).status).toBe(404)
    const note = journal.checkpoint(entries)
    expect((await ask(witness, entries, 0, note.replace('\n4\n', '\n5\n'))).status).toBe(403)
    expect(witness.seen(log.name)).toBeUndefined()
  })

  it.each([
    ['nothing', ''],
    ['no old size', `${journal.checkpoint(history('a', 1))}`],
    ['a negative size', `old -1\n\n${journal.checkpoint(history('a', 1))}`],
    ['a size over 2^53', `old 9999999999999999\n\n${journal.checkpoint(history('a', 1))}`],
    ['a hash that is no base64', `old 0\nAA!A\n\n${journal.checkpoint(history('a', 1))}`],
    ['64 hashes', `old 0\n${`${'A'.repeat(43)}=\n`.repeat(64)}\n${journal.checkpoint(history('a', 1))}`],
    ['no note', 'old 0\n\n'],
    ['a body without end', `old 0\n\n${'x'.repeat(70_000)}`],
  ])('refuses %s', (_name, body) => {
    expect(witness.addCheckpoint(body).status).toBe(400)
    expect(witness.seen(log.name)).toBeUndefined()
  })

  it('does not overwrite its key, nor use one that others can read', () => {
    expect(() => createWitness(folder, 'again')).toThrow(/exist/)
    chmodSync(join(folder, 'witness.json'), 0o644)
    expect(() => open()).toThrow(/only its owner/)
    expect(existsSync(join(folder, 'witness.db'))).toBe(true)
  })
})

describe('a split view', () => {
  it('gets each witness’s cosignature for its own tree, and a quorum for neither', async () => {
    const other = mkdtempSync(join(tmpdir(), 'countersign-witness-'))
    createWitness(other, 'witness.example/w2')
    const second = open(other)
    try {
      const keys = [witness, second].map((one) => parseWitnessKey(one.verifierKey))
      const [a, b] = [history('a', 8), history('b', 8)]
      const [lineA, lineB] = [await ask(witness, a, 0), await ask(second, b, 0)].map(({ body }) => body) as [
        string,
        string,
      ]
      const demand = { witnesses: keys, quorum: 2, maxAgeMs: undefined, nowMs }
      const half = addSignatureLines(journal.checkpoint(a), [lineA])
      expect(checkWitnessed(half, demand)).toMatchObject({ problem: expect.stringContaining('2 are needed') })
      // The other's line, moved to this tree, does not verify.
      const moved = addSignatureLines(journal.checkpoint(a), [lineA, lineB])
      expect(checkWitnessed(moved, demand)).toMatchObject({ problem: expect.stringContaining('not verify') })
      // Each finds the log out when it is shown the other's checkpoint.
      expect((await ask(witness, b, 8)).status).toBe(409)
      expect(witness.evidence()).toHaveLength(1)
      const both = await ask(second, a, 8)
      expect(both.status).toBe(409)
      expect(second.evidence()).toHaveLength(1)
    } finally {
      second.close()
      rmSync(other, { recursive: true, force: true })
    }
  })
})

describe('over HTTP', () => {
  it('is POST /add-checkpoint and nothing else', async () => {
    const served = await serveWitness(witness, { host: '127.0.0.1', port: 0 })
    try {
      const note = journal.checkpoint(history('a', 2))
      const body = encodeAddCheckpoint({ old: 0, hashes: [], note })
      const post = (path: string, text: string) =>
        fetch(`${served.url}${path}`, { method: 'POST', body: text })
      const answer = await post('/add-checkpoint', body)
      expect(answer.status).toBe(200)
      expect(verifyCosignatures(addSignatureLines(note, [await answer.text()]), [witness.key])).toHaveLength(
        1,
      )
      const stale = await post('/add-checkpoint', body)
      expect(stale.status).toBe(409)
      expect(stale.headers.get('content-type')).toBe('text/x.tlog.size')
      expect(await stale.text()).toBe('2\n')
      expect((await post('/add-checkpoint', 'x'.repeat(100_000))).status).toBe(400)
      expect((await post('/', body)).status).toBe(404)
      expect((await fetch(`${served.url}/add-checkpoint`)).status).toBe(404)
    } finally {
      await served.close()
    }
  })
})
