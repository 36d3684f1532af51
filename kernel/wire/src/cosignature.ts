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
import { type NoteKey, noteSignaturesMax, parseNote } from './checkpoint.ts'
import { parsePublicKey } from './credential.ts'
import { type SignatureVerifier, verifySignature } from './verify-signature.ts'

/**
 * Who has seen a checkpoint beside the log itself: C2SP tlog-cosignature, Ed25519. A witness says that at a time the
 * largest tree that it had seen of this log was this one, and that every earlier one was its beginning.
 */
export interface Cosignature {
  readonly witness: NoteKey
  readonly timestampS: number
  /** As it stands in the note, with its line feed. */
  readonly line: string
}

const cosignatureType = 0x04
const timestampBytes = 8
const signatureBytes = 64
/** Beside the log's own signature. */
export const witnessesMax = noteSignaturesMax - 1

/** Not that of the same key as a log's: the type goes into it. */
export function witnessKeyId({ name, publicKey }: NoteKey): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(cosignatureType), publicKey)).slice(0, 4)
}

/** The verifier key that logs and readers are configured with: `name+keyid+base64(0x04 || key)`. */
export function encodeWitnessKey(key: NoteKey): string {
  const keyId = encodeHex(witnessKeyId(key)).slice(2)
  const text = `${key.name}+${keyId}+${encodeBase64(concatBytes(Uint8Array.of(cosignatureType), key.publicKey))}`
  parseWitnessKey(text)
  return text
}

/** @throws {CountersignError} WIRE_WITNESS_KEY_INVALID, WIRE_PUBLIC_KEY_INVALID */
export function parseWitnessKey(text: string): NoteKey {
  const [, name, idText, keyText] = /^([^\s+]{1,256})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/u.exec(text) ?? []
  if (name === undefined || keyText === undefined) throw invalidKey('is not of the form name+keyid+base64')
  const bytes = decodeBase64(keyText)
  if (bytes[0] !== cosignatureType) throw invalidKey('is not of the type of a cosignature (0x04)')
  const key = { name, publicKey: parsePublicKey('ed25519', bytes.slice(1)) }
  if (encodeHex(witnessKeyId(key)).slice(2) !== idText) throw invalidKey('does not fit its key id')
  return key
}

/** What a witness signs. @param text The note's text, the checkpoint. */
export function cosignedMessage(text: string, timestampS: number): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${timestampS}\n${text}`)
}

/** A signature line. @param made Of a witness, over the text of a note. */
export function encodeCosignature(
  text: string,
  {
    witness,
    timestampS,
    sign,
  }: {
    readonly witness: NoteKey
    readonly timestampS: number
    /** Ed25519. */
    readonly sign: (message: Uint8Array) => Uint8Array
  },
): string {
  const time = new Uint8Array(timestampBytes)
  new DataView(time.buffer).setBigUint64(0, BigInt(timestampS))
  const signature = sign(cosignedMessage(text, timestampS))
  return `\u2014 ${witness.name} ${encodeBase64(concatBytes(witnessKeyId(witness), time, signature))}\n`
}

/**
 * The cosignatures of a note by these witnesses, each witness once with its newest; everybody else's are passed over.
 * @throws {CountersignError} WIRE_CHECKPOINT_INVALID where it is no note, or a line of one of them does not verify */
export function verifyCosignatures(
  signedNote: string,
  witnesses: readonly NoteKey[],
  verify: SignatureVerifier = verifySignature,
): readonly Cosignature[] {
  const { text, signatures } = parseNote(signedNote)
  const found = new Map<NoteKey, Cosignature>()
  for (const { name, keyId, signature } of signatures) {
    const witness = witnesses.find((one) => one.name === name && isEqual(witnessKeyId(one), keyId))
    if (witness === undefined) continue
    const timestampS = timestampOf(signature)
    const key = { algorithm: 'ed25519', publicKey: witness.publicKey } as const
    const isValid =
      timestampS !== undefined &&
      verify(key, cosignedMessage(text, timestampS), signature.subarray(timestampBytes))
    if (timestampS === undefined || !isValid) {
      throw wireError(
        'WIRE_CHECKPOINT_INVALID',
        `The checkpoint has a cosignature of ${name} that does not verify.`,
      )
    }
    const line = `\u2014 ${name} ${encodeBase64(concatBytes(keyId, signature))}\n`
    if (timestampS > (found.get(witness)?.timestampS ?? -1)) found.set(witness, { witness, timestampS, line })
  }
  return [...found.values()]
}

function timestampOf(signature: Uint8Array): number | undefined {
  if (signature.length !== timestampBytes + signatureBytes) return undefined
  const timestampS = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)
  return timestampS > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(timestampS)
}

/** The note with further signatures at its end. @throws {CountersignError} WIRE_CHECKPOINT_INVALID */
export function addSignatureLines(signedNote: string, lines: readonly string[]): string {
  const note = `${signedNote}${lines.join('')}`
  if (parseNote(note).text !== parseNote(signedNote).text) {
    throw wireError('WIRE_CHECKPOINT_INVALID', 'The checkpoint cannot hold these signatures.')
  }
  return note
}

function invalidKey(what: string) {
  return wireError('WIRE_WITNESS_KEY_INVALID', `The witness key ${what}.`)
}
