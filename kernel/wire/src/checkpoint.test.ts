import { decodeBase64, encodeBase64, encodeUtf8 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  encodeNote,
  encodeNoteKey,
  formatSignedCheckpoint,
  journalOrigin,
  parseNote,
  parseNoteKey,
  signCheckpoint,
  verifyCheckpoint,
  verifyNote,
} from './checkpoint.ts'
import { audienceOf } from './receipt.ts'
import { codeOf, codeOfError, testKey } from './testing/signed-request.ts'

const invalid = 'WIRE_CHECKPOINT_INVALID'
const own = testKey('ed25519')
const origin = journalOrigin(audienceOf(own.publicKey))
const key = { name: origin, publicKey: own.publicKey }
const checkpoint: Checkpoint = { origin, size: 20852163, root: new Uint8Array(32).fill(3) }
const signed = formatSignedCheckpoint(checkpoint, own)

// From the documentation of Go's golang.org/x/mod/sumdb/note (BSD-3-Clause), where the format comes from.
const goKey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const goNote =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

describe('signed notes', () => {
  it('reads the key and the note of Go’s documentation', () => {
    const parsed = parseNoteKey(goKey)
    expect(encodeNoteKey(parsed)).toBe(goKey)
    expect(verifyNote(goNote, parsed).text).toContain('your problem is.\n')
    expect(codeOf(() => verifyNote(goNote.replace('think', 'thinc'), parsed))).toBe(invalid)
    expect(codeOf(() => verifyNote(goNote, { ...parsed, name: 'Peter' }))).toBe(invalid)
    expect(codeOf(() => verifyNote(goNote, key))).toBe(invalid)
  })

  it('passes over signatures of other keys, but not over a wrong one of the expected key', () => {
    const other = {
      name: 'witness.example/w1',
      publicKey: testKey('ed25519', new Uint8Array(32).fill(9)).publicKey,
    }
    const text = encodeCheckpoint(checkpoint)
    const good = own.sign(encodeUtf8(text))
    const witnessed = encodeNote(text, [
      { ...other, signature: new Uint8Array(76) },
      { ...key, signature: good },
    ])
    expect(verifyCheckpoint(witnessed, key)).toEqual(checkpoint)
    const both = encodeNote(text, [
      { ...key, signature: good },
      { ...key, signature: new Uint8Array(64) },
    ])
    expect(codeOf(() => verifyCheckpoint(both, key))).toBe(invalid)
  })

  it.each([
    ['a key id that does not fit', goKey.replace('c74f20a3', 'c74f20a4')],
    ['a key id in upper case', goKey.replace('c74f20a3', 'C74F20A3')],
    ['another name', goKey.replace('Peter', 'Paul')],
    ['a name with a space', goKey.replace('PeterN', 'Peter N')],
    ['no name', goKey.slice('PeterNeumann'.length)],
    [
      'another type',
      `${goKey.slice(0, 22)}${encodeBase64(new Uint8Array([4, ...decodeBase64(goKey.slice(22)).slice(1)]))}`,
    ],
    ['no base64', `${goKey.slice(0, -1)}=`],
  ])('refuses a verifier key with %s', (_, text) => expect(codeOf(() => parseNoteKey(text))).toBe(invalid))
})

describe('checkpoints', () => {
  it('have the three lines and one signature', () => {
    const lines = signed.split('\n')
    expect(lines.slice(0, 4)).toEqual([origin, '20852163', encodeBase64(checkpoint.root), ''])
    expect(lines[4]).toMatch(new RegExp(`^— ${origin} [A-Za-z0-9+/=]{92}$`))
    expect(lines.slice(5)).toEqual([''])
    expect(verifyCheckpoint(signed, key)).toEqual(checkpoint)
    expect(verifyCheckpoint(signed, parseNoteKey(encodeNoteKey(key)))).toEqual(checkpoint)
  })

  it('are the same where the key signs elsewhere', async () => {
    const sign = async (text: Uint8Array) => own.sign(text)
    expect(await signCheckpoint(checkpoint, { ...key, sign })).toBe(signed)
  })

  it('of another journal are refused, even where its key signed them', () => {
    const text = encodeCheckpoint({ ...checkpoint, origin: 'countersign/other' })
    const note = encodeNote(text, [{ ...key, signature: own.sign(encodeUtf8(text)) }])
    expect(codeOf(() => verifyCheckpoint(note, key))).toBe(invalid)
  })

  it('of a key of the same name are refused', () => {
    const other = testKey('ed25519', new Uint8Array(32).fill(9))
    expect(codeOf(() => verifyCheckpoint(formatSignedCheckpoint(checkpoint, other), key))).toBe(invalid)
  })

  const root = encodeBase64(checkpoint.root)
  it.each([
    ['no root', `${origin}\n5\n`],
    ['no line feed at the end', `${origin}\n5\n${root}`],
    ['an extension line', `${origin}\n5\n${root}\nextension\n`],
    ['an empty origin', `\n5\n${root}\n`],
    ['a size with a leading zero', `${origin}\n05\n${root}\n`],
    ['a negative size', `${origin}\n-5\n${root}\n`],
    ['a size in hexadecimal', `${origin}\n0x5\n${root}\n`],
    ['a size with a space', `${origin}\n5 \n${root}\n`],
    ['a size that a double does not hold', `${origin}\n9007199254740993\n${root}\n`],
    ['a root of 31 bytes', `${origin}\n5\n${encodeBase64(new Uint8Array(31))}\n`],
    ['a root of 33 bytes', `${origin}\n5\n${encodeBase64(new Uint8Array(33))}\n`],
    ['a root with spare bits', `${origin}\n5\n${root.replace('M=', 'N=')}\n`],
    ['a root in base64url', `${origin}\n5\n${'_'.repeat(43)}=\n`],
    ['line feeds of DOS', `${origin}\r\n5\r\n${root}\r\n`],
  ])('with %s are refused', (_, text) => {
    expect(codeOf(() => decodeCheckpoint(text))).toBe(invalid)
    expect(
      codeOf(
        () =>
          verifyNote(encodeNote(text, [{ ...key, signature: own.sign(encodeUtf8(text)) }]), key) &&
          decodeCheckpoint(text),
      ),
    ).toBe(invalid)
  })

  it('any one changed character is refused', () => {
    for (let at = 0; at < signed.length; at++) {
      for (const character of ['A', '\n', ' ', '1']) {
        const changed = signed.slice(0, at) + character + signed.slice(at + 1)
        if (changed !== signed) expect(codeOf(() => verifyCheckpoint(changed, key))).toBe(invalid)
      }
    }
  })

  it('any text gives a CountersignError or a checkpoint', () => {
    const piece = fc.constantFrom('— ', '\n', '\n\n', origin, '5', root, ' ', 'AAAA', '\u0000', '\ud800', '+')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (parts) => {
        for (const act of [parseNote, decodeCheckpoint, parseNoteKey]) {
          try {
            act(parts.join(''))
          } catch (error) {
            codeOfError(error)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('agrees with Ed25519 over the text itself', () => {
    const [text, line] = signed.split('\n\n') as [string, string]
    const signature = decodeBase64(line.trim().split(' ')[2]!).slice(4)
    expect(ed25519.verify(signature, encodeUtf8(`${text}\n`), own.publicKey)).toBe(true)
  })
})
