import { createPrivateKey, createPublicKey, type KeyObject, sign as signWithNode } from 'node:crypto'
import {
  canonicalJson,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  type Hex,
  type Json,
  parseJson,
} from '@countersign/bytes'
import {
  audienceOf,
  consistencyProof,
  formatSignedCheckpoint,
  inclusionProof,
  journalOrigin,
  leafHash,
  type MerkleFrontier,
  type Receipt,
  receiptPayload,
  verifyInclusion,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { Store, StoredNode } from './store.ts'
import { signReceipt } from './verifier.ts'

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

/** What happened, as facts for an auditor; never a secret, never a whole payload. */
export type JournalEntry = { readonly type: JournalEntryType } & { readonly [field: string]: unknown }

export type JournalFrontier = MerkleFrontier

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
  /** A copy to append to; `adopt` it when it is durable. */
  frontier(): JournalFrontier
  leafOf(entry: JournalEntry, nowMs: number): string
  /** Appends to the frontier, and signs its head. */
  prepare(
    frontier: JournalFrontier,
    leaves: readonly { hash: Uint8Array }[],
  ): { size: number; nodes: StoredNode[]; checkpoint: string }
  adopt(frontier: JournalFrontier, checkpoint: string): void
  leaves(start: number, limit: number): Promise<string[]>
  /**
   * An entry as it stands in the tree whose head is in memory. Unlike a record it has no MAC, so what is signed about
   * it must not come from the disk unproven.
   * @throws {CountersignError} SIGNER_JOURNAL_TAMPERED */
  provenLeaf(index: number): Promise<string>
  /** @throws {CountersignError} SIGNER_ENTRY_UNKNOWN */
  inclusion(index: number, size: number): Promise<readonly Uint8Array[]>
  /** @throws {CountersignError} SIGNER_ENTRY_UNKNOWN */
  consistency(from: number, to: number): Promise<readonly Uint8Array[]>
  receipt(index: number, leaf: string): Promise<Receipt>
  /** Any statement of the signer, under its own context string. */
  signStatement(context: string, statement: unknown): Promise<string>
}

export interface JournalKey {
  readonly privateKey: KeyObject
  readonly publicKey: Uint8Array
}

const pkcs8Ed25519Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** @param seed 32 bytes; the caller zeroes it. */
export function openJournalKey(seed: Uint8Array): JournalKey {
  const der = Buffer.concat([pkcs8Ed25519Prefix, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { privateKey, publicKey: new Uint8Array(spki.subarray(-32)) }
}

/** @param state The frontier and checkpoint as verified at start. */
export function openJournal(
  key: JournalKey,
  store: Store,
  state: { frontier: JournalFrontier; checkpoint: string },
): Journal {
  const publicKey = encodeHex(key.publicKey)
  const audience = audienceOf(key.publicKey)
  const origin = journalOrigin(audience)
  let { frontier, checkpoint } = state

  const node = async (level: number, index: number): Promise<Uint8Array> => {
    if (level === 0) {
      const [leaf] = await store.leaves(index, 1)
      if (leaf !== undefined) return leafHash(encodeUtf8(leaf))
    } else {
      const hash = await store.node(level, index)
      if (hash !== undefined) return hash
    }
    throw signerError('SIGNER_JOURNAL_TAMPERED', `The journal lacks its tree node ${level}/${index}.`)
  }
  const signBytes = (bytes: Uint8Array) => signReceipt(key.privateKey, bytes)

  return {
    audience,
    origin,
    publicKey,
    checkpoint: () => checkpoint,
    size: () => frontier.size,
    frontier: () => frontier.clone(),
    leafOf: (entry, nowMs) => canonicalJson({ v: 1, at: new Date(nowMs).toISOString(), ...entry }),
    prepare(next, leaves) {
      const nodes: StoredNode[] = []
      // Level 0 is not kept: a leaf's hash is made from its text.
      for (const { hash } of leaves) nodes.push(...next.append(hash).slice(1))
      return { size: next.size, nodes, checkpoint: signHead(key, next) }
    },
    adopt(next, nextCheckpoint) {
      frontier = next
      checkpoint = nextCheckpoint
    },
    // The store may show more for a moment: what is not durable is not there yet.
    leaves: async (start, limit) => store.leaves(start, Math.max(0, Math.min(limit, frontier.size - start))),
    async provenLeaf(index) {
      const size = frontier.size
      const root = frontier.root()
      const [leaf] = await store.leaves(index, 1)
      if (leaf === undefined || index >= size)
        throw signerError('SIGNER_JOURNAL_TAMPERED', `The journal lacks its entry ${index}.`)
      const claim = { index, size, leafHash: leafHash(encodeUtf8(leaf)), root }
      if (verifyInclusion(claim, await inclusionProof(index, size, node))) return leaf
      throw signerError(
        'SIGNER_JOURNAL_TAMPERED',
        `The journal’s entry ${index}, or the tree above it, was changed outside the signer.`,
      )
    },
    async inclusion(index, size) {
      if (size > frontier.size || index >= size) {
        throw signerError(
          'SIGNER_ENTRY_UNKNOWN',
          `The journal has ${frontier.size} entries; index ${index} of size ${size} is not among them.`,
        )
      }
      return inclusionProof(index, size, node)
    },
    async consistency(from, to) {
      if (to > frontier.size || from > to || from < 1) {
        throw signerError(
          'SIGNER_ENTRY_UNKNOWN',
          `The journal has ${frontier.size} entries; it cannot relate size ${from} to size ${to}.`,
        )
      }
      return consistencyProof(from, to, node)
    },
    async receipt(index, leaf) {
      const signature = await signBytes(receiptPayload(index, leafHash(encodeUtf8(leaf))))
      const entry = parseLeaf(leaf) as Receipt['entry']
      return {
        version: 1,
        signer: audience,
        journalKey: publicKey,
        index,
        entry,
        signature: encodeBase64(signature),
      }
    },
    async signStatement(context, statement) {
      return encodeBase64(await signBytes(encodeUtf8(`${context}\n${canonicalJson(statement)}\n`)))
    },
  }
}

/** An entry holds at most a policy document, or what a large request would have done and why not. */
const leafLimits = { textCharsMax: 8_000_000, depthMax: 64 }

export function parseLeaf(leaf: string): Json {
  return parseJson(leaf, leafLimits)
}

/** The tree head as a signed checkpoint. On this thread: it is once per commit, and the commit waits for it. */
export function signHead(key: JournalKey, frontier: JournalFrontier): string {
  return formatSignedCheckpoint(
    { origin: journalOrigin(audienceOf(key.publicKey)), size: frontier.size, root: frontier.root() },
    { publicKey: key.publicKey, sign: (text) => new Uint8Array(signWithNode(null, text, key.privateKey)) },
  )
}
