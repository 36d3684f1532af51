import { generateKeyPairSync, sign } from 'node:crypto'
import { decodeBase64Url, encodeBase64, encodeUtf8 } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { encodeCheckpoint, formatSignedCheckpoint, type NoteKey } from './checkpoint.ts'
import {
  addSignatureLines,
  cosignedMessage,
  encodeCosignature,
  encodeWitnessKey,
  parseWitnessKey,
  verifyCosignatures,
  witnessesMax,
} from './cosignature.ts'
import { codeOf } from './testing/signed-request.ts'

function keyOf(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const witness: NoteKey = { name, publicKey: decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '') }
  return { ...witness, witness, sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)) }
}

const log = keyOf('example.com/log')
const [one, two] = [keyOf('witness.example/one'), keyOf('witness.example/two')]
const checkpoint = { origin: log.name, size: 3, root: new Uint8Array(32).fill(5) }
const text = encodeCheckpoint(checkpoint)
const note = formatSignedCheckpoint(checkpoint, log)
const by = (key: typeof one, timestampS = 1_700_000_000, over = text) =>
  encodeCosignature(over, { ...key, timestampS })

describe('a cosignature', () => {
  it('is over the words of the specification', () => {
    expect(new TextDecoder().decode(cosignedMessage(text, 1_679_315_147))).toBe(
      `cosignature/v1\ntime 1679315147\n${text}`,
    )
  })

  it('verifies by its key, and others are passed over', () => {
    const cosigned = addSignatureLines(note, [by(one), by(two, 5)])
    const found = verifyCosignatures(cosigned, [two.witness, one.witness])
    expect(found.map(({ witness, timestampS }) => [witness.name, timestampS])).toEqual([
      [one.name, 1_700_000_000],
      [two.name, 5],
    ])
    expect(found[0]?.line).toBe(by(one))
    expect(verifyCosignatures(cosigned, [one.witness])).toHaveLength(1)
    expect(verifyCosignatures(note, [one.witness])).toEqual([])
    expect(verifyCosignatures(cosigned, [keyOf(one.name).witness])).toEqual([])
  })

  it('counts a witness once, by its newest', () => {
    const cosigned = addSignatureLines(note, [by(one, 7), by(one, 9), by(one, 8)])
    expect(verifyCosignatures(cosigned, [one.witness]).map(({ timestampS }) => timestampS)).toEqual([9])
  })

  it.each([
    ['of another checkpoint', by(one, 7, encodeCheckpoint({ ...checkpoint, size: 4 }))],
    [
      'of the same size and another root',
      by(one, 7, encodeCheckpoint({ ...checkpoint, root: new Uint8Array(32) })),
    ],
    ['over the bare text', bare()],
    ['with another time', retimed()],
  ])('%s is refused', (_name, line) => {
    const forged = addSignatureLines(note, [line])
    expect(codeOf(() => verifyCosignatures(forged, [one.witness]))).toBe('WIRE_CHECKPOINT_INVALID')
  })

  it('does not count as one of a log’s own signatures, nor the other way round', () => {
    const asWitness = { name: log.name, publicKey: log.publicKey }
    expect(verifyCosignatures(note, [asWitness])).toEqual([])
  })

  it('finds room in a note for as many witnesses as may be configured', () => {
    const many = Array.from({ length: witnessesMax }, (_, i) => keyOf(`w${i}`))
    const cosigned = addSignatureLines(
      note,
      many.map((key) => by(key)),
    )
    expect(
      verifyCosignatures(
        cosigned,
        many.map(({ witness }) => witness),
      ),
    ).toHaveLength(witnessesMax)
    expect(codeOf(() => addSignatureLines(cosigned, [by(one)]))).toBe('WIRE_CHECKPOINT_INVALID')
  })
})

describe('the key of a witness', () => {
  it('is a verifier key of the type of cosignatures', () => {
    const key = encodeWitnessKey(one.witness)
    expect(key).toMatch(/^witness\.example\/one\+[0-9a-f]{8}\+B/)
    expect(parseWitnessKey(key)).toEqual(one.witness)
  })

  const key = encodeWitnessKey(one.witness)
  it.each([
    ['another key id', key.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
    ['another name', key.replace('one', 'two')],
    ['the type of a log’s key', key.replace('+B', '+A')],
    ['nothing', ''],
    ['a space', key.replace('/', ' ')],
  ])('with %s is refused', (_name, text) => {
    expect(codeOf(() => parseWitnessKey(text))).toBe('WIRE_WITNESS_KEY_INVALID')
  })
})

function linePart(line: string): Uint8Array {
  return new Uint8Array(Buffer.from(line.trim().split(' ')[2] ?? '', 'base64'))
}

function bare(): string {
  const bytes = linePart(by(one))
  bytes.set(one.sign(encodeUtf8(text)), 12)
  return `\u2014 ${one.name} ${encodeBase64(bytes)}\n`
}

function retimed(): string {
  const bytes = linePart(by(one))
  bytes[11] = (bytes[11] ?? 0) ^ 1
  return `\u2014 ${one.name} ${encodeBase64(bytes)}\n`
}
