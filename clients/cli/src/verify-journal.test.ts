import type { CountersignClient } from '@countersign/sdk'
import { consistencyProof, encodeEntry, leafHash, MerkleFrontier } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { createTestJournal } from './testing/journal-of.ts'
import { type JournalExport, verifyContinuation, verifyJournal } from './verify-journal.ts'

const journal = createTestJournal()
const entries = Array.from({ length: 11 }, (_, i) => journal.entry(i, i % 3 === 0 ? 'signed' : 'permit'))
const whole = journal.export(entries)

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a journal', () => {
  it('verifies with its own checkpoint, and with one seen before', async () => {
    const verified = verifyJournal(whole, { audience: journal.audience })
    expect(verified).toMatchObject({ size: 11, counts: { signed: 4, permit: 7 }, continues: undefined })
    for (const size of [0, 1, 4, 7, 11]) {
      const remembered = journal.checkpoint(entries.slice(0, size))
      expect(verifyJournal(whole, { remembered }).continues).toBe(size)
    }
    expect(verifyJournal(journal.export([])).size).toBe(0)
  })

  const tampered: Record<string, JournalExport> = {
    'an entry changed': { ...whole, entries: entries.with(5, { ...entries[5]!, type: 'signed' }) },
    'an entry removed': { ...whole, entries: entries.toSpliced(5, 1) },
    'an entry added': { ...whole, entries: [...entries, journal.entry(11)] },
    'two entries swapped': { ...whole, entries: entries.with(1, entries[2]!).with(2, entries[1]!) },
    'its key replaced': { ...whole, journalKey: createTestJournal().journalKey },
  }
  it.each(Object.entries(tampered))('does not verify with %s', (_name, exported) => {
    expect(codeOf(() => verifyJournal(exported))).toBe('CLI_VERIFICATION_FAILED')
  })

  it('does not verify for a reader who trusts another signer', () => {
    const { audience } = createTestJournal()
    expect(codeOf(() => verifyJournal(whole, { audience }))).toBe('CLI_VERIFICATION_FAILED')
  })

  it('does not verify with a checkpoint that another key signed', async () => {
    const other = createTestJournal().export(entries)
    expect(codeOf(() => verifyJournal({ ...whole, checkpoint: other.checkpoint }))).toBe(
      'WIRE_CHECKPOINT_INVALID',
    )
  })

  it('that was rolled back, or rewritten, is noticed', async () => {
    const remembered = whole.checkpoint
    const shorter = journal.export(entries.slice(0, 10))
    expect(codeOf(() => verifyJournal(shorter, { remembered }))).toBe('CLI_ROLLED_BACK')
    const rewritten = journal.export([journal.entry(99), ...entries.slice(1), journal.entry(11)])
    expect(codeOf(() => verifyJournal(rewritten, { remembered }))).toBe('CLI_ROLLED_BACK')
  })
})

describe('continuation', () => {
  /** Answers as the signer would, from the given entries. */
  async function clientOf(given: typeof entries): Promise<CountersignClient> {
    const frontier = new MerkleFrontier()
    const nodes = new Map<string, Uint8Array>()
    for (const entry of given) {
      for (const { level, index, hash } of frontier.append(leafHash(encodeEntry(entry)))) {
        nodes.set(`${level}/${index}`, hash)
      }
    }
    const checkpoint = journal.checkpoint(given)
    return {
      audience: async () => journal.audience,
      identity: async () => ({ audience: journal.audience, journalKey: journal.journalKey }),
      journal: {
        checkpoint: async () => ({ checkpoint }),
        consistency: async ({ from, to }: { from: number; to: number }) => {
          const proof = await consistencyProof(
            from,
            to,
            async (level, index) => nodes.get(`${level}/${index}`)!,
          )
          return { from, to, hashes: proof.map((hash) => Buffer.from(hash).toString('base64')) }
        },
      },
    } as unknown as CountersignClient
  }

  it('is proven without any entry', async () => {
    const client = await clientOf(entries)
    for (const size of [0, 3, 8, 11]) {
      const remembered = journal.checkpoint(entries.slice(0, size))
      const found = await verifyContinuation(client, { audience: journal.audience, remembered })
      expect(found).toMatchObject({ from: size, to: 11 })
    }
  })

  it('fails for a journal that was rolled back or rewritten', async () => {
    const trusted = { audience: journal.audience, remembered: whole.checkpoint }
    for (const given of [entries.slice(0, 3), [journal.entry(99), ...entries.slice(1), journal.entry(11)]]) {
      await expect(verifyContinuation(await clientOf(given), trusted)).rejects.toMatchObject({
        code: 'CLI_ROLLED_BACK',
      })
    }
  })
})
