import { encodeBase64, encodeUtf8 } from '@countersign/bytes'
import {
  encodeEntryBundle,
  isBearerRequest,
  isDocument,
  parseTilePath,
  type SignedRequest,
  type Tile,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { authenticateReader } from './read.ts'
import type { Answer, Signer } from './signer.ts'

/** A resource of C2SP tlog-tiles by its own path, or undefined where the path is none of those. */
export async function answerTile(signer: Signer, request: SignedRequest): Promise<Answer | undefined> {
  const tile = parseTilePath(request.path)
  if (tile === undefined) return undefined
  if (request.method !== 'GET') {
    throw wireError('WIRE_METHOD_NOT_ALLOWED', 'This path takes GET.', { details: { allowed: ['GET'] } })
  }
  if (tile.level !== 'entries') return readTile(signer, tile)
  if (request.body !== '') throw wireError('WIRE_INVALID_BODY', 'This path takes no body.')
  if (isBearerRequest(request)) {
    throw wireError('WIRE_BEARER_NOT_ENOUGH', 'An API key is not enough for the journal’s entries.')
  }
  await authenticateReader(signer, request, 'read')
  return readTile(signer, tile)
}

/** Hashes are public facts; whoever asks for entries must have been authenticated. */
export async function readTile(signer: Signer, { level, index, width }: Tile): Promise<Answer> {
  const { journal } = signer
  const bytes =
    level === 'entries' ? await bundle(signer, index, width) : await journal.tile(level, index, width)
  if (bytes !== undefined) return { status: 200, body: { tile: encodeBase64(bytes) } }
  throw signerError('SIGNER_ENTRY_UNKNOWN', `The journal of ${journal.size()} entries has no such tile.`)
}

async function bundle({ journal }: Signer, index: number, width: number): Promise<Uint8Array | undefined> {
  const start = index * bundleEntries
  if (start + width > journal.size()) return undefined
  const leaves = await journal.leaves(start, width)
  return encodeEntryBundle(leaves.map(encodeUtf8))
}

const bundleEntries = 256

export async function readDocument(signer: Signer, request: SignedRequest, digest: string): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const document = await signer.ledger.get('document', digest)
  if (document === undefined) {
    throw signerError('SIGNER_ENTRY_UNKNOWN', `No journal entry has a document ${digest} beside it.`)
  }
  if (!isDocument(document.text, digest)) throw new Error('bug: a document under another digest')
  return { status: 200, body: { sha256: digest, text: document.text } }
}
