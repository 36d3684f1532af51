import {
  concatBytes,
  decodeBase64,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  isEqual,
  sha256,
} from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { parsePublicKey } from './credential.ts'
import { type SignatureVerifier, verifySignature } from './verify-signature.ts'

/** State of a journal: C2SP tlog-checkpoint, without extension lines. */
export interface Checkpoint {
  /** Names the journal; here also the name of its key. */
  readonly origin: string
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
}

export interface NoteSignature {
  readonly name: string
  /** 4 bytes. */
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

/** C2SP signed-note: a text and signatures of it, of which a reader checks those whose keys it knows. */
export interface Note {
  /** Ends in a line feed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export interface NoteKey {
  readonly name: string
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
}

export interface NoteSigner extends NoteKey {
  /** Ed25519 over the text's bytes. */
  readonly sign: (text: Uint8Array) => Promise<Uint8Array> | Uint8Array
}

export const noteCharsMax = 65_536
export const noteSignaturesMax = 16

export function journalOrigin(audience: string): string {
  return `countersign/${audience}`
}

/** The note text: three lines. */
export function encodeCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${encodeBase64(root)}\n`
  decodeCheckpoint(text)
  return text
}

/**
 * The checkpoint as a note with one signature, by the key that is named as the journal is.
 * @param sign Ed25519 over the text's bytes. */
export function formatSignedCheckpoint(
  checkpoint: Checkpoint,
  key: { readonly publicKey: Uint8Array; readonly sign: (text: Uint8Array) => Uint8Array },
): string {
  const text = encodeCheckpoint(checkpoint)
  const signature = key.sign(encodeUtf8(text))
  return encodeNote(text, [{ name: checkpoint.origin, publicKey: key.publicKey, signature }])
}

/** What `formatSignedCheckpoint` gives, for a key that signs very many: what does not change is made once. */
export function checkpointSigner(key: {
  readonly name: string
  readonly publicKey: Uint8Array
  readonly sign: (text: Uint8Array) => Uint8Array
}): (tree: { readonly size: number; readonly root: Uint8Array }) => string {
  const { name, publicKey, sign } = key
  checkName(name)
  const keyId = noteKeyId({ name, publicKey })
  return ({ size, root }) => {
    const text = encodeCheckpoint({ origin: name, size, root })
    return `${text}\n\u2014 ${name} ${encodeBase64(concatBytes(keyId, sign(encodeUtf8(text))))}\n`
  }
}

/** The same where the key signs elsewhere and later (KMS, HSM), under a name of its own. */
export async function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): Promise<string> {
  const text = encodeCheckpoint(checkpoint)
  const { name, publicKey } = signer
  return encodeNote(text, [{ name, publicKey, signature: await signer.sign(encodeUtf8(text)) }])
}

/** Opens a checkpoint of the journal `key.name`: other origins, and notes that this key did not sign, are refused.
 * @param verify A faster Ed25519 of the platform.
 * @throws {CountersignError} WIRE_CHECKPOINT_INVALID */
export function verifyCheckpoint(
  signedNote: string,
  key: NoteKey,
  verify: SignatureVerifier = verifySignature,
): Checkpoint {
  const checkpoint = decodeCheckpoint(verifyNote(signedNote, key, verify).text)
  if (checkpoint.origin !== key.name) {
    throw invalid(`is of the journal ${checkpoint.origin}, not of ${key.name}`)
  }
  return checkpoint
}

/** Reads the three lines without any signature. Strict: extension lines are refused.
 * @throws {CountersignError} WIRE_CHECKPOINT_INVALID */
export function decodeCheckpoint(text: string): Checkpoint {
  const match = checkpointForm.exec(text)
  if (match === null) throw invalid('does not consist of origin, size and root')
  const [, origin, sizeText, rootText] = match as unknown as readonly [string, string, string, string]
  const size = Number(sizeText)
  if (!Number.isSafeInteger(size)) throw invalid('has a size over 2^53 - 1')
  const root = decodeNoteBase64(rootText)
  if (root.length !== 32) throw invalid('has a root that is not 32 bytes')
  return { origin, size, root }
}

/** @param signatures Ed25519 over the text's bytes, each with its key.
 * @throws {CountersignError} WIRE_CHECKPOINT_INVALID where a text or name does not fit into a note */
export function encodeNote(
  text: string,
  signatures: readonly (NoteKey & { readonly signature: Uint8Array })[],
): string {
  const note = `${text}\n${signatures.map(signatureLine).join('')}`
  if (parseNote(note).text !== text) throw invalid('has a text that a note cannot hold')
  return note
}

/** @throws {CountersignError} WIRE_CHECKPOINT_INVALID unless `key` signed the note; other keys' signatures are passed over */
export function verifyNote(
  signedNote: string,
  key: NoteKey,
  verify: SignatureVerifier = verifySignature,
): Note {
  const note = parseNote(signedNote)
  const keyId = noteKeyId(key)
  const own = note.signatures.filter(({ name, keyId: id }) => name === key.name && isEqual(id, keyId))
  if (own.length === 0) throw invalid(`is not signed by ${key.name} with the expected key`)
  const text = encodeUtf8(note.text)
  const verifyingKey = { algorithm: 'ed25519', publicKey: key.publicKey } as const
  if (!own.every(({ signature }) => verify(verifyingKey, text, signature))) {
    throw invalid(`has a signature of ${key.name} that does not verify`)
  }
  return note
}

/** @throws {CountersignError} WIRE_CHECKPOINT_INVALID */
export function parseNote(signedNote: string): Note {
  if (signedNote.length > noteCharsMax) throw invalid(`is over ${noteCharsMax} characters`)
  if (!signedNote.isWellFormed() || !noteTextForm.test(signedNote))
    throw invalid('has characters that a note cannot hold')
  // The signatures follow the last empty line; the text itself may have empty lines.
  const split = signedNote.lastIndexOf('\n\n')
  if (split === -1 || !signedNote.endsWith('\n')) throw invalid('has no signature part')
  const lines = signedNote.slice(split + 2, -1).split('\n')
  if (lines.length > noteSignaturesMax) throw invalid(`has over ${noteSignaturesMax} signatures`)
  return { text: signedNote.slice(0, split + 1), signatures: lines.map(parseSignatureLine) }
}

/** C2SP signed-note: the first 4 bytes of SHA-256 over name, line feed, signature type 0x01, key. */
export function noteKeyId({ name, publicKey }: NoteKey): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`${name}\n`), ed25519Type, publicKey)).slice(0, 4)
}

/** The text form of a key that tools take: `name+keyid+base64(0x01 || key)`. */
export function encodeNoteKey(key: NoteKey): string {
  checkName(key.name)
  return `${key.name}+${encodeHex(noteKeyId(key)).slice(2)}+${encodeBase64(concatBytes(ed25519Type, key.publicKey))}`
}

/** @throws {CountersignError} WIRE_CHECKPOINT_INVALID, WIRE_PUBLIC_KEY_INVALID */
export function parseNoteKey(text: string): NoteKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(text)
  if (match === null) throw invalid('key is not of the form name+keyid+base64')
  const [, name, idText, keyText] = match as unknown as readonly [string, string, string, string]
  checkName(name)
  const bytes = decodeNoteBase64(keyText)
  if (bytes[0] !== ed25519Type[0]) throw invalid('key is not of the type Ed25519')
  const key = { name, publicKey: parsePublicKey('ed25519', bytes.slice(1)) }
  if (encodeHex(noteKeyId(key)).slice(2) !== idText) throw invalid('key does not fit its key id')
  return key
}

const ed25519Type = new Uint8Array([1])
const checkpointForm = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]{44})\n$/
/** No control characters but line feeds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const noteTextForm = /^[^\u0000-\u0009\u000b-\u001f\u007f]*$/
const nameForm = /^[^\s+]{1,256}$/u
const signatureLineForm = /^\u2014 (\S{1,256}) ([A-Za-z0-9+/]+={0,2})$/u

function signatureLine(signed: NoteKey & { readonly signature: Uint8Array }): string {
  return `\u2014 ${signed.name} ${encodeBase64(concatBytes(noteKeyId(signed), signed.signature))}\n`
}

function parseSignatureLine(line: string): NoteSignature {
  const match = signatureLineForm.exec(line)
  if (match === null) throw invalid('has a line that is no signature')
  const [, name, base64] = match as unknown as readonly [string, string, string]
  checkName(name)
  const bytes = decodeNoteBase64(base64)
  if (bytes.length < 5) throw invalid('has a signature that is too short')
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) }
}

function checkName(name: string): void {
  if (!nameForm.test(name)) throw invalid('has a key name that is empty or has a space or a plus')
}

function decodeNoteBase64(text: string): Uint8Array {
  try {
    return decodeBase64(text)
  } catch (cause) {
    throw wireError('WIRE_CHECKPOINT_INVALID', 'The checkpoint has a value that is not base64.', { cause })
  }
}

function invalid(what: string) {
  return wireError('WIRE_CHECKPOINT_INVALID', `The checkpoint ${what}.`)
}
