import type { Hex } from '@countersign/bytes'
import {
  addSignatureLines,
  type Cosignature,
  decodeCheckpoint,
  encodeWitnessKey,
  type NoteKey,
  parseNote,
  parseWitnessKey,
  verifyCosignatures,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { SignerConfigFile } from './config.ts'
import type { Journal } from './journal.ts'
import type { Ledger, LedgerTx } from './ledger.ts'
import type { CosignedRecord } from './records.ts'
import type { Answer } from './signer.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Checkpoints with cosignatures that are kept, the newest; the newest with a quorum is kept beside them. */
const cosignedMax = 32
/** Anybody may hand in cosignatures: a signature check each. */
const addedPerMinute = 600
/** Checkpoints of another history that are put into the journal as evidence, in one run of the signer. */
const forksJournalledMax = 16

interface Kept extends CosignedRecord {
  readonly size: number
}

/** Which checkpoints witnesses have signed too: docs/decisions/0017. */
export class Witnesses {
  readonly #keys: readonly NoteKey[]
  readonly #quorum: number
  readonly #journal: Journal
  readonly #ledger: Ledger
  readonly #rates = new TokenBuckets()
  readonly #forks = new Set<Hex | string>()
  /** By size, rising. */
  #kept: readonly Kept[] = []

  constructor(
    { witnesses = [], witnessQuorum = 0 }: Pick<SignerConfigFile, 'witnesses' | 'witnessQuorum'>,
    { journal, ledger }: { readonly journal: Journal; readonly ledger: Ledger },
  ) {
    this.#keys = witnesses.map(parseWitnessKey)
    this.#quorum = witnessQuorum
    this.#journal = journal
    this.#ledger = ledger
  }

  async open(): Promise<void> {
    const rows = await this.#ledger.range('cosigned', '', '\uffff', cosignedMax + 1)
    this.#kept = rows.map(({ key, value }) => ({ ...value, size: Number(key) }))
  }

  /**
   * What `/checkpoint` shows: the newest checkpoint that has its quorum of cosignatures. Where no quorum is asked for
   * or none was reached yet, the newest of all, with those that it has. */
  checkpoint(): string {
    const newest = this.#journal.checkpoint()
    const enough = this.#kept.findLast((kept) => this.#quorum > 0 && this.#isQuorum(kept))
    if (enough !== undefined) return this.#note(enough)
    const size = this.#journal.size()
    const kept = this.#kept.find((one) => one.size === size)
    return kept === undefined ? newest : this.#note(kept)
  }

  /** @throws {CountersignError} SIGNER_COSIGNATURE_REFUSED, SIGNER_FORKED, WIRE_CHECKPOINT_INVALID, WIRE_RATE_LIMITED */
  async add(note: string): Promise<Answer> {
    if (this.#keys.length === 0) {
      throw signerError('SIGNER_COSIGNATURE_REFUSED', 'This signer has no witnesses.')
    }
    const retryAfterS = this.#rates.take('all', { perMinute: addedPerMinute }, this.#ledger.nowMs())
    if (retryAfterS > 0) {
      throw wireError('WIRE_RATE_LIMITED', `Over ${addedPerMinute} cosignatures came within a minute.`, {
        details: { retryAfterS },
      })
    }
    const cosignatures = verifyCosignatures(note, this.#keys)
    const checkpoint = this.#journal.openCheckpoint(note)
    if (checkpoint === undefined) {
      throw signerError('SIGNER_COSIGNATURE_REFUSED', 'The checkpoint is not signed by this signer.')
    }
    const { size, root } = checkpoint
    if (!(await this.#journal.hasState(size, root))) throw await this.#forked(note, size)
    if (cosignatures.length === 0) {
      throw signerError(
        'SIGNER_COSIGNATURE_REFUSED',
        'The checkpoint carries no cosignature of a witness of this signer.',
      )
    }
    const kept = await this.#keep(size, note, cosignatures)
    const witnesses = this.#linesOf(kept).map(({ name }) => name)
    return { status: 200, body: { size, witnesses, quorum: this.#isQuorum(kept) } }
  }

  async #keep(size: number, note: string, cosignatures: readonly Cosignature[]): Promise<Kept> {
    const known = this.#kept.find((kept) => kept.size === size)
    const isNew = ({ witness, line }: Cosignature) => known?.lines[encodeWitnessKey(witness)] !== line
    if (known !== undefined && !cosignatures.some(isNew)) return known
    const oldest = this.#kept[0]?.size ?? 0
    if (known === undefined && this.#kept.length >= cosignedMax && size < oldest) {
      throw signerError(
        'SIGNER_COSIGNATURE_REFUSED',
        `The checkpoint over ${size} entries is older than all that are kept.`,
      )
    }
    const kept = await this.#ledger.submit(async (tx) => this.#write(tx, { size, note, cosignatures }))
    // As the ledger has it now: other jobs may have written meanwhile.
    await this.open()
    return kept
  }

  async #write(
    tx: LedgerTx,
    { size, note, cosignatures }: { size: number; note: string; cosignatures: readonly Cosignature[] },
  ): Promise<Kept> {
    const rows = await tx.range('cosigned', '', '\uffff', cosignedMax + 1)
    const key = keyOf(size)
    const before = rows.find((row) => row.key === key)?.value
    const lines = { ...before?.lines }
    for (const { witness, line, timestampS } of cosignatures) {
      const id = encodeWitnessKey(witness)
      const had = lines[id]
      // An older one of the same witness says nothing more.
      if (had !== undefined && timestampOf(note, had, witness) >= timestampS) continue
      lines[id] = line
    }
    const checkpoint = before?.checkpoint ?? withOwnSignature(note, this.#journal.origin)
    const kept = { checkpoint, lines, size }
    tx.put('cosigned', key, { checkpoint, lines })
    const all = [
      ...rows.filter((row) => row.key !== key).map((row) => ({ ...row.value, size: Number(row.key) })),
      kept,
    ]
    all.sort((a, b) => a.size - b.size)
    const served = all.findLast((one) => this.#isQuorum(one))
    const surplus = all.filter((one) => one !== served).slice(0, Math.max(0, all.length - cosignedMax))
    for (const { size: old } of surplus) tx.delete('cosigned', keyOf(old))
    return kept
  }

  #isQuorum(kept: Kept): boolean {
    return this.#linesOf(kept).length >= this.#quorum
  }

  /** Of the witnesses that are configured now. */
  #linesOf({ lines }: Kept): { readonly name: string; readonly line: string }[] {
    return this.#keys.flatMap((key) => {
      const line = lines[encodeWitnessKey(key)]
      return line === undefined ? [] : [{ name: key.name, line }]
    })
  }

  #note(kept: Kept): string {
    return addSignatureLines(
      kept.checkpoint,
      this.#linesOf(kept).map(({ line }) => line),
    )
  }

  /**
   * The signer's own key has signed another history: this journal was put back to an older state, or the key is used
   * elsewhere. The evidence goes into the journal; the witnesses' refusals stop readers from believing it.
   */
  async #forked(note: string, size: number): Promise<Error> {
    const { text } = parseNote(note)
    if (!this.#forks.has(text) && this.#forks.size < forksJournalledMax) {
      this.#forks.add(text)
      await this.#ledger.submit(async (tx) =>
        tx.append({ type: 'alarm', reason: 'a checkpoint of another history', checkpoint: note }),
      )
    }
    return signerError(
      'SIGNER_FORKED',
      `This signer’s key has signed a checkpoint over ${size} entries that is not of this journal.`,
    )
  }
}

function keyOf(size: number): string {
  return String(size).padStart(16, '0')
}

function timestampOf(note: string, line: string, witness: NoteKey): number {
  const alone = `${parseNote(note).text}\n${line}`
  return verifyCosignatures(alone, [witness], () => true)[0]?.timestampS ?? 0
}

/** The log's own line alone: whatever else stood in the note is not this signer's to hand on. */
function withOwnSignature(note: string, origin: string): string {
  const { text } = parseNote(note)
  decodeCheckpoint(text)
  const own = note
    .slice(text.length + 1)
    .split('\n')
    .filter((line) => line.startsWith(`\u2014 ${origin} `))
  return `${text}\n${own[0]}\n`
}
