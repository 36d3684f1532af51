import { generateKeyPairSync, sign } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeBase64Url, encodeHex, type JsonObject } from '@countersign/bytes'
import type { JournalEntryJson } from '@countersign/sdk'
import {
  addSignatureLines,
  audienceOf,
  boundEntry,
  encodeCosignature,
  encodeEntry,
  encodeEntryBundle,
  encodeNoteKey,
  formatSignedCheckpoint,
  journalOrigin,
  leafHash,
  type NoteKey,
  parseNote,
  tileOfRow,
  tileRows,
} from '@countersign/wire'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeJournalFolder } from './journal-folder.ts'
import { createTestJournal } from './testing/journal-of.ts'
import { type FolderDemand, throwFinding, verifyFolder } from './verify-folder.ts'

const journal = createTestJournal()
const size = 600
/** One entry is too long for a leaf. */
const long = boundEntry({
  ...journal.entry(1),
  document: { text: 'x'.repeat(20_000) },
} as unknown as JsonObject)
const entries = Array.from({ length: size }, (_, i) => journal.entry(i))
entries[1] = JSON.parse(long.text) as JournalEntryJson
const documents = new Map(long.documents.map(({ sha256, text }) => [sha256, text]))

function witnessOf(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key: NoteKey = { name, publicKey: decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '') }
  const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey))
  const cosign = (note: string, timestampS = 1_700_000_000) =>
    encodeCosignature(parseNote(note).text, { witness: key, timestampS, sign: signBytes })
  return { key, cosign }
}
const [one, two] = [witnessOf('w1'), witnessOf('w2')]

let root: string
let whole: string
let folder: string
let copies = 0

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'countersign-export-'))
  whole = join(root, 'whole')
  await write(whole, entries)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => {
  folder = join(root, `copy-${copies++}`)
  cpSync(whole, folder, { recursive: true })
})

async function write(to: string, all: readonly JournalEntryJson[], witnessed = journal.checkpoint(all)) {
  const exported = journal.export(all)
  await writeJournalFolder(to, { exported, witnessed, documents, prove: [0, all.length - 1] })
}

async function verify(of = folder, demand: Partial<FolderDemand> = {}) {
  const { verified } = await verifyFolder(of, { audience: journal.audience, receipts: [], ...demand })
  return verified
}
const findingsOf = async (demand: Partial<FolderDemand> = {}) =>
  [...new Set((await verify(folder, demand)).findings.map(({ finding }) => finding))].sort()

describe('an export', () => {
  it('holds, and says what it holds', async () => {
    expect(await verify()).toMatchObject({
      pinned: true,
      size,
      counts: { refused: size },
      documents: 1,
      proofs: 2,
      findings: [],
      seenSince: undefined,
    })
    const unpinned = await verify(folder, { audience: undefined })
    expect(unpinned).toMatchObject({ pinned: false, findings: [] })
  })

  const file = (path: string) => join(folder, path)
  const edit = (path: string, change: (text: string) => string) =>
    writeFileSync(file(path), change(readFileSync(file(path), 'latin1')), 'latin1')
  const last = 'tile/entries/002.p/88'

  it.each([
    [
      'a changed entry',
      () => edit('tile/entries/000', (t) => t.replace('"number":5', '"number":6')),
      ['entry-altered', 'root-mismatch'],
    ],
    [
      'a changed entry with its hash',
      () => {
        edit('tile/entries/000', (t) => t.replace('"number":5,', '"number":6,'))
        const changed = [...entries]
        changed[5] = { ...journal.entry(5), number: 6 }
        const rows = tileRows(changed.map((entry) => leafHash(encodeEntry(entry))))
        for (const [level, path, width] of [
          [0, 'tile/0/000', 256],
          [1, 'tile/1/000.p/2', 2],
        ] as const)
          writeFileSync(file(path), tileOfRow(rows[level] ?? [], { index: 0, width }))
      },
      ['root-mismatch'],
    ],
    [
      'two entries exchanged',
      () => {
        const bundle = entries.slice(0, 256).map((entry) => encodeEntry(entry))
        ;[bundle[7], bundle[8]] = [bundle[8] as Uint8Array, bundle[7] as Uint8Array]
        writeFileSync(file('tile/entries/000'), encodeEntryBundle(bundle))
      },
      ['entry-altered', 'root-mismatch'],
    ],
    [
      'an entry left out',
      () =>
        writeFileSync(
          file(last),
          encodeEntryBundle(entries.slice(512, 599).map((entry) => encodeEntry(entry))),
        ),
      ['bundle-malformed', 'root-mismatch'],
    ],
    ['a bundle cut short', () => truncateSync(file(last), 40), ['bundle-malformed', 'root-mismatch']],
    [
      'a bundle with something behind it',
      () => appendFileSync(file(last), 'x'),
      ['bundle-malformed', 'root-mismatch'],
    ],
    ['a bundle removed', () => rmSync(file(last)), ['root-mismatch', 'tile-missing']],
    ['a tile removed', () => rmSync(file('tile/0/001')), ['tile-missing']],
    [
      'a tile changed',
      () => edit('tile/1/000.p/2', (t) => `${t.slice(0, 5)}!${t.slice(6)}`),
      ['tile-altered'],
    ],
    ['a tile lengthened', () => appendFileSync(file('tile/1/000.p/2'), 'x'), ['tile-altered']],
    [
      'tiles exchanged',
      () => {
        renameSync(file('tile/0/000'), file('x'))
        renameSync(file('tile/0/001'), file('tile/0/000'))
        renameSync(file('x'), file('tile/0/001'))
      },
      ['entry-altered'],
    ],
    [
      'a document changed',
      () => edit(`documents/${long.documents[0]?.sha256.slice(2)}.json`, (t) => t.replace('x', 'y')),
      ['document-altered'],
    ],
    ['a document removed', () => rmSync(file('documents'), { recursive: true }), ['document-missing']],
    [
      'a proof changed',
      () => edit('proofs/0.tlog-proof', (t) => t.replace('index 0', 'index 1')),
      ['proof-invalid'],
    ],
    ['a proof of another entry', () => cpSync(file('proofs/0.tlog-proof'), file('proofs/9.tlog-proof')), []],
    [
      'a larger size',
      () => edit('checkpoint', (t) => t.replace('\n600\n', '\n601\n')),
      ['checkpoint-invalid'],
    ],
    [
      'a checkpoint of another signer',
      () => writeFileSync(file('checkpoint'), createTestJournal().checkpoint(entries)),
      ['checkpoint-invalid'],
    ],
    [
      'another key',
      () => edit('journal.json', (t) => t.replace(journal.journalKey, createTestJournal().journalKey)),
      ['checkpoint-invalid', 'other-signer'],
    ],
  ] as const)('with %s is found out', async (_name, tamper, findings) => {
    tamper()
    // Others may follow from it: a proof of what is not there any more.
    expect(await findingsOf()).toEqual(expect.arrayContaining([...findings]))
  })

  it('of another signer does not pass for the one that is trusted, though it holds', async () => {
    const other = createTestJournal()
    expect(await findingsOf({ audience: other.audience })).toEqual(['checkpoint-invalid', 'other-signer'])
    // With the true signer's name on it.
    const exported = { ...other.export(entries), audience: journal.audience }
    const forged = join(root, 'forged')
    await writeJournalFolder(forged, { exported, witnessed: exported.checkpoint, documents, prove: [] })
    const { findings } = await verify(forged)
    expect(findings.map(({ finding }) => finding)).toContain('checkpoint-invalid')
  })

  it('that claims a size of 2^53 costs nothing', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const key = decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '')
    const audience = audienceOf(key)
    const name = journalOrigin(audience)
    const about = {
      version: 1,
      audience,
      journalKey: encodeHex(key),
      key: encodeNoteKey({ name, publicKey: key }),
    }
    writeFileSync(join(folder, 'journal.json'), JSON.stringify(about))
    const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey))
    const claim = { origin: name, size: Number.MAX_SAFE_INTEGER, root: new Uint8Array(32) }
    writeFileSync(
      join(folder, 'checkpoint'),
      formatSignedCheckpoint(claim, { publicKey: key, sign: signBytes }),
    )
    const { findings } = await verify(folder, { audience: undefined })
    expect(findings.map(({ finding }) => finding)).toEqual(
      expect.arrayContaining(['tile-missing', 'root-mismatch']),
    )
  })
})

describe('a checkpoint that was kept', () => {
  const keep = (note: string) => ({ kept: [{ file: 'kept.txt', note }] })

  it.each([1, 256, 400, size])('over %i entries is continued', async (before) => {
    expect(await findingsOf(keep(journal.checkpoint(entries.slice(0, before))))).toEqual([])
  })

  it('finds a journal that was rewritten, or forked', async () => {
    const forked = [...entries.slice(0, 399), journal.entry(1_000)]
    expect(await findingsOf(keep(journal.checkpoint(forked)))).toEqual(['rolled-back'])
  })

  it('finds a journal that was cut, or put back to an older state: signed all the same', async () => {
    const older = join(root, 'older')
    await write(older, entries.slice(0, 300))
    expect((await verify(older)).findings).toEqual([])
    const verified = await verify(older, keep(journal.checkpoint(entries)))
    expect(verified.findings).toMatchObject([{ finding: 'rolled-back', where: 'kept.txt' }])
    expect(() => throwFinding(verified)).toThrow(expect.objectContaining({ code: 'CLI_ROLLED_BACK' }))
    // What this machine remembers may be newer than an export, but must be told.
    const remembered = journal.checkpoint(entries)
    expect(await verify(older, { remembered })).toMatchObject({ findings: [], seenSince: size })
  })

  it('must be the trusted signer’s', async () => {
    for (const note of [
      createTestJournal().checkpoint(entries),
      journal.checkpoint(entries).replace('\n600\n', '\n599\n'),
      'nonsense',
      '',
    ]) {
      expect(await findingsOf(keep(note))).toEqual(['kept-invalid'])
      expect(await findingsOf({ remembered: note })).toEqual(['kept-invalid'])
    }
  })
})

describe('witnesses that are asked for', () => {
  const demand = (quorum = 2) => ({
    witness: { witnesses: [one.key, two.key], quorum, maxAgeMs: undefined, nowMs: 1_700_000_100_000 },
  })
  const note = journal.checkpoint(entries)
  const cosigned = (...lines: string[]) =>
    writeFileSync(join(folder, 'checkpoint'), addSignatureLines(note, lines))

  it('must all have cosigned, or as many as are needed', async () => {
    expect(await findingsOf(demand())).toEqual(['not-witnessed'])
    cosigned(one.cosign(note))
    expect(await findingsOf(demand())).toEqual(['not-witnessed'])
    expect((await verify(folder, demand(1))).witnesses).toEqual(['w1'])
    // The same one twice is one.
    cosigned(one.cosign(note), one.cosign(note, 1_700_000_050))
    expect(await findingsOf(demand())).toEqual(['not-witnessed'])
    cosigned(one.cosign(note), two.cosign(note))
    expect(await findingsOf(demand())).toEqual([])
    expect(() =>
      throwFinding({ findings: [{ finding: 'not-witnessed', where: '', message: '' }] } as never),
    ).toThrow(expect.objectContaining({ code: 'CLI_NOT_WITNESSED' }))
  })

  it.each([
    ['of another checkpoint', () => two.cosign(journal.checkpoint(entries.slice(0, 599)))],
    ['of somebody with the same name', () => witnessOf('w2').cosign(note)],
    ['over other bytes', () => two.cosign(note).replace(/.{8}\n$/, 'AAAAAAA=\n')],
  ])('are not counted by a cosignature %s', async (_name, line) => {
    cosigned(one.cosign(note), line())
    expect(await findingsOf(demand())).toEqual(['not-witnessed'])
  })

  it('may be asked to have looked lately', async () => {
    cosigned(one.cosign(note, 1_700_000_000), two.cosign(note, 1_700_000_090))
    const lately = (maxAgeMs: number) => ({ witness: { ...demand().witness, maxAgeMs } })
    expect(await findingsOf(lately(100_000))).toEqual([])
    expect(await findingsOf(lately(99_999))).toEqual(['not-witnessed'])
  })

  it('show a fork: what they have seen is not this journal', async () => {
    const forked = journal.checkpoint([...entries.slice(0, 500), journal.entry(7)])
    const seen = addSignatureLines(forked, [one.cosign(forked), two.cosign(forked)])
    writeFileSync(join(folder, 'checkpoint.witnessed'), seen)
    expect(await findingsOf(demand())).toEqual(['forked'])
    const older = journal.checkpoint(entries.slice(0, 500))
    const beginning = addSignatureLines(older, [one.cosign(older), two.cosign(older)])
    writeFileSync(join(folder, 'checkpoint.witnessed'), beginning)
    expect(await findingsOf(demand())).toEqual([])
    // Longer than the export: the export is the older state.
    const longer = journal.checkpoint([...entries, journal.entry(size)])
    writeFileSync(
      join(folder, 'checkpoint.witnessed'),
      addSignatureLines(longer, [one.cosign(longer), two.cosign(longer)]),
    )
    expect(await findingsOf(demand())).toEqual(['forked'])
  })

  it('do not make up for the signer’s own signature', async () => {
    const unsigned = `${parseNote(note).text}\n${one.cosign(note)}${two.cosign(note)}`
    writeFileSync(join(folder, 'checkpoint.witnessed'), unsigned)
    expect(await findingsOf(demand())).toEqual(['not-witnessed'])
  })
})

describe('receipts that were kept', () => {
  const given = (receipt: unknown) => ({ receipts: [{ file: 'receipt.json', receipt }] })

  it('must be of this journal', async () => {
    const signed = [...entries.slice(0, 400), journal.entry(400, 'signed')]
    const receipt = journal.receipt(400, signed)
    expect(await findingsOf(given(receipt))).toEqual(['receipt-invalid'])
    const other = join(root, 'signed')
    await write(other, [...signed, ...entries.slice(401)])
    expect((await verify(other, given(receipt))).findings).toEqual([])
    expect(await findingsOf(given({ ...receipt, index: 399 }))).toEqual(['receipt-invalid'])
    expect(await findingsOf(given({}))).toEqual(['receipt-invalid'])
  })
})
