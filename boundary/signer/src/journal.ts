import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign as signWithNode,
  verify as verifyWithNode,
} from 'node:crypto'
import {
  canonicalJson,
  concatBytes,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  type Hex,
  isEqual,
  type Json,
  type JsonObject,
  parseJson,
  sha256,
} from '@countersign/bytes'
import {
  audienceOf,
  boundEntry,
  type Checkpoint,
  checkpointSigner,
  consistencyProof,
  inclusionProof,
  type JournalDocument,
  journalOrigin,
  MerkleFrontier,
  MerkleGrowth,
  type Receipt,
  rootAt,
  verifyCheckpoint,
  verifyInclusion,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { appendToTiles, nodeFromTiles, type TileEdge, tileBytes } from './journal-tiles.ts'
import { withoutDashes } from './signer.ts'
import type { Store, StoredSegment, StoredTile } from './store.ts'

export type JournalEntryType =
  | 'init'
  | 'credential'
  | 'policy'
  | 'organisation-policy'
  | 'wallet'
  | 'wallet-policy'
  | 'permit'
  | 'signed'
  | 'refused'
  | 'abandoned'
  | 'alarm'
  | 'approval-requested'
  | 'approved'
  | 'rejected'
  | 'expired'
  | 'quorum'
  | 'loosening-delay'
  | 'book'
  | 'wallet-group'
  | 'change-proposed'
  | 'change-applied'
  | 'change-vetoed'
  | 'change-dropped'
  | 'freeze'
  | 'thaw'
  | 'grant'
  | 'wallet-owner'

/** What happened, as facts for an auditor; never a secret, never a whole payload. */
export type JournalEntry = { readonly type: JournalEntryType } & { readonly [field: string]: unknown }

/** The tree after one commit. Never changed: the next commit makes a new one from it. */
export interface JournalState {
  readonly frontier: MerkleFrontier
  readonly edge: TileEdge
  /** Signed, over the tree. */
  readonly checkpoint: string
  /** Digest over the checkpoints of all commits, in order; the head's MAC covers it. */
  readonly chain: Uint8Array
}

export interface JournalLeaf {
  readonly leaf: string
  readonly hash: Uint8Array
  /** What was too long for the leaf. */
  readonly documents: readonly JournalDocument[]
}

/** A journal as the commit of some leaves makes it. */
export interface GrownJournal {
  readonly state: JournalState
  readonly segment: StoredSegment | undefined
  readonly tiles: readonly StoredTile[]
  /** The proof of one of these leaves by this very commit, as JSON. To be given away only when the commit is durable. */
  receipt(index: number): string
}

/**
 * The append-only log: an RFC 9162 tree over canonical JSON entries, with C2SP signed checkpoints.
 * Writing is the ledger's (one tree head per commit); this knows the tree and the key.
 */
export interface Journal {
  readonly audience: string
  readonly origin: string
  readonly publicKey: Hex
  /** The signed checkpoint over everything that is durable. */
  checkpoint(): string
  size(): number
  leafOf(entry: JournalEntry, nowMs: number): JournalLeaf
  /** Appends, and signs the new head. */
  grow(state: JournalState, leaves: readonly JournalLeaf[]): GrownJournal
  /** Everything up to this state is durable. */
  publish(state: JournalState): void
  leaves(start: number, limit: number): Promise<string[]>
  /** Hashes side by side, of the tree that is durable. @returns undefined where there are not so many. */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>
  /** Whether the journal was this tree at this size. */
  hasState(size: number, root: Uint8Array): Promise<boolean>
  /** @returns undefined where it is not one that this signer has signed. */
  openCheckpoint(note: string): Checkpoint | undefined
  /** @throws {CountersignError} SIGNER_ENTRY_UNKNOWN */
  inclusion(index: number, size: number): Promise<readonly Uint8Array[]>
  /** @throws {CountersignError} SIGNER_ENTRY_UNKNOWN */
  consistency(from: number, to: number): Promise<readonly Uint8Array[]>
  /**
   * The receipt of an entry as its commit gave it, byte for byte, and checked like a stranger's: unlike a record, the
   * journal's rows have no MAC.
   * @throws {CountersignError} SIGNER_JOURNAL_TAMPERED */
  receipt(index: number): Promise<Receipt>
  /** Any statement of the signer, under its own context string. */
  signStatement(context: string, statement: unknown): Promise<string>
}

export interface JournalKey {
  readonly privateKey: KeyObject
  /** The same key's other half, for Node's verification. */
  readonly verifying: KeyObject
  readonly publicKey: Uint8Array
}

const pkcs8Ed25519Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** @param seed 32 bytes; the caller zeroes it. */
export function openJournalKey(seed: Uint8Array): JournalKey {
  const der = Buffer.concat([pkcs8Ed25519Prefix, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  const verifying = createPublicKey(privateKey)
  const spki = verifying.export({ format: 'der', type: 'spki' })
  return { privateKey, verifying, publicKey: new Uint8Array(spki.subarray(-32)) }
}

/** @param start As verified. */
export function openJournal(key: JournalKey, store: Store, start: JournalState): Journal {
  const publicKey = encodeHex(key.publicKey)
  const audience = audienceOf(key.publicKey)
  const origin = journalOrigin(audience)
  const sign = headSigner(key)
  let durable = start

  /** For the proofs of one answer, which meet the same tiles and nodes again and again. */
  const nodeOf = ({ edge, frontier }: JournalState) => {
    const tiles = new Map<string, ReturnType<Store['tile']>>()
    const readTile = (level: number, index: number) => once(tiles, level, index, store.tile)
    const nodes = new Map<string, Promise<Uint8Array>>()
    const make = async (level: number, index: number) => {
      const hash = await nodeFromTiles({ level, index }, { edge, size: frontier.size }, readTile)
      if (hash !== undefined) return hash
      throw signerError('SIGNER_JOURNAL_TAMPERED', `The journal lacks its tree node ${level}/${index}.`)
    }
    return (level: number, index: number) => once(nodes, level, index, make)
  }
  const receiptOf = (index: number, leaf: string, path: readonly string[], checkpoint: string): Receipt => ({
    version: 2,
    signer: audience,
    journalKey: publicKey,
    index,
    // Our own text, which is hashed into the tree: it needs no strict reader.
    entry: JSON.parse(leaf),
    path,
    checkpoint,
  })

  const receiptHead = `{"version":2,"signer":${JSON.stringify(audience)},"journalKey":"${publicKey}","index":`

  return {
    audience,
    origin,
    publicKey,
    checkpoint: () => durable.checkpoint,
    size: () => durable.frontier.size,
    leafOf(entry, nowMs) {
      const { text, documents } = boundEntry({
        v: 1,
        at: new Date(nowMs).toISOString(),
        ...entry,
      } as JsonObject)
      return { leaf: text, hash: hashOfLeaf(text), documents }
    },
    grow(state, leaves) {
      if (leaves.length === 0) {
        const receipt = () => {
          throw new Error('bug: a receipt of a commit without entries')
        }
        return { state, segment: undefined, tiles: [], receipt }
      }
      const first = state.frontier.size
      const hashes = leaves.map(({ hash }) => hash)
      const growth = new MerkleGrowth(state.frontier, hashes)
      const { edge, tiles } = appendToTiles(state.edge, hashes, first, (level, index) =>
        growth.node(level, index),
      )
      const checkpoint = sign(growth)
      const chain = chainOf(state.chain, checkpoint)
      // Neighbours share most of their paths.
      const encoded = new Map<Uint8Array, string>()
      const quoted = withoutDashes(JSON.stringify(checkpoint))
      const encode = (hash: Uint8Array) => {
        const text = encoded.get(hash) ?? encodeBase64(hash)
        encoded.set(hash, text)
        return text
      }
      return {
        state: { frontier: growth.frontier(), edge, checkpoint, chain },
        segment: { first, entries: leaves.map(({ leaf }) => leaf), checkpoint },
        tiles,
        receipt(index) {
          const { leaf } = leaves[index - first] as JournalLeaf
          // Put together as text, of which the leaf is most: it need not be read to be written again.
          const path = growth.path(index).map((hash) => `"${encode(hash)}"`)
          return `${receiptHead}${index},"entry":${leaf},"path":[${path.join(',')}],"checkpoint":${quoted}}`
        },
      }
    },
    publish(state) {
      durable = state
    },
    async leaves(from, limit) {
      // The store may show more for a moment: what is not durable is not there yet.
      const to = Math.min(from + limit, durable.frontier.size)
      const leaves: string[] = []
      while (from + leaves.length < to) {
        const at = from + leaves.length
        const segments = await store.segments(at, Math.min(segmentsAtOnce, to - at))
        if (segments.length === 0) throw lacking(at)
        for (const { first, entries } of segments) {
          const next = from + leaves.length
          if (first > next || first + entries.length <= next) throw lacking(next)
          leaves.push(...entries.slice(next - first, to - first))
          if (from + leaves.length >= to) break
        }
      }
      return leaves
    },
    tile: (level, index, width) =>
      tileBytes({ level, index, width }, { edge: durable.edge, size: durable.frontier.size }, store.tile),
    async hasState(size, root) {
      return size <= durable.frontier.size && isEqual(await rootAt(size, nodeOf(durable)), root)
    },
    openCheckpoint: (note) => openOwnCheckpoint(key, note),
    async inclusion(index, size) {
      if (size > durable.frontier.size || index >= size) {
        throw signerError(
          'SIGNER_ENTRY_UNKNOWN',
          `The journal has ${durable.frontier.size} entries; index ${index} of size ${size} is not among them.`,
        )
      }
      return inclusionProof(index, size, nodeOf(durable))
    },
    async consistency(from, to) {
      if (to > durable.frontier.size || from > to || from < 1) {
        throw signerError(
          'SIGNER_ENTRY_UNKNOWN',
          `The journal has ${durable.frontier.size} entries; it cannot relate size ${from} to size ${to}.`,
        )
      }
      return consistencyProof(from, to, nodeOf(durable))
    },
    async receipt(index) {
      const state = durable
      const { size } = state.frontier
      const [segment] = index < size ? await store.segments(index, 1) : []
      const leaf = segment?.entries[index - segment.first]
      if (segment === undefined || leaf === undefined) throw lacking(index)
      const { first, entries, checkpoint } = segment
      const hash = hashOfLeaf(leaf)
      const node = nodeOf(state)
      const isProven = async (stated: { size: number; root: Uint8Array }) => {
        if (stated.size > size) return undefined
        const path = await inclusionProof(index, stated.size, node)
        return verifyInclusion({ index, ...stated, leafHash: hash }, path) ? path : undefined
      }
      const stated = openOwnCheckpoint(key, checkpoint)
      const path = stated?.size === first + entries.length ? await isProven(stated) : undefined
      // In the commit's tree, and in the one whose head is in memory.
      if (path !== undefined && (await isProven({ size, root: state.frontier.root() })) !== undefined) {
        return receiptOf(
          index,
          leaf,
          path.map((sibling) => encodeBase64(sibling)),
          checkpoint,
        )
      }
      throw signerError(
        'SIGNER_JOURNAL_TAMPERED',
        `The journal’s entry ${index}, its checkpoint or the tree above it was changed outside the signer.`,
      )
    },
    async signStatement(context, statement) {
      const text = encodeUtf8(`${context}\n${canonicalJson(statement)}\n`)
      return encodeBase64(new Uint8Array(signWithNode(null, text, key.privateKey)))
    },
  }
}

const segmentsAtOnce = 256

function once<T>(
  known: Map<string, T>,
  level: number,
  index: number,
  make: (level: number, index: number) => T,
): T {
  const id = `${level}/${index}`
  const found = known.get(id) ?? make(level, index)
  known.set(id, found)
  return found
}

function lacking(index: number) {
  return signerError('SIGNER_JOURNAL_TAMPERED', `The journal lacks its entry ${index}.`)
}

/** RFC 9162 section 2.1.1, from the text: one native call where a journal of a million entries needs a million. */
export function hashOfLeaf(leaf: string): Uint8Array {
  return new Uint8Array(hash('sha256', `\0${leaf}`, 'buffer'))
}

/** Before the first entry. */
export function emptyJournal(key: JournalKey): JournalState {
  const frontier = new MerkleFrontier()
  const checkpoint = headSigner(key)({ size: 0, root: frontier.root() })
  return { frontier, edge: [], checkpoint, chain: new Uint8Array(32) }
}

export function chainOf(before: Uint8Array, checkpoint: string): Uint8Array {
  return sha256(concatBytes(before, encodeUtf8(checkpoint)))
}

/** @returns undefined where it is not one that this key has signed. */
export function openOwnCheckpoint(key: JournalKey, note: string): Checkpoint | undefined {
  const name = journalOrigin(audienceOf(key.publicKey))
  try {
    return verifyCheckpoint(note, { name, publicKey: key.publicKey }, (_, text, signature) =>
      verifyWithNode(null, text, key.verifying, signature),
    )
  } catch {
    return undefined
  }
}

/** An entry holds at most a policy document, or what a large request would have done and why not. */
const leafLimits = { textCharsMax: 8_000_000, depthMax: 64 }

export function parseLeaf(leaf: string): Json {
  return parseJson(leaf, leafLimits)
}

/** The tree head as a signed checkpoint. On this thread: it is once per commit, and the commit waits for it. */
function headSigner(key: JournalKey): (tree: { readonly size: number; readonly root: Uint8Array }) => string {
  return checkpointSigner({
    name: journalOrigin(audienceOf(key.publicKey)),
    publicKey: key.publicKey,
    sign: (text) => new Uint8Array(signWithNode(null, text, key.privateKey)),
  })
}
