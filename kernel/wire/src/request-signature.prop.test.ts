import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SignedRequest } from './request.ts'
import { parseRequestSignatures } from './request-signature.ts'
import { parseSignatureInputs, parseSignatures } from './signature-base.ts'
import { codeOfError, signedRequest, testKey } from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'

const key = testKey('ed25519')
const request = await signedRequest(key, { path: '/v1/wallets/wal_1?a=b' })
const signatureHeader = request.headers.signature ?? ''
const inputHeader = request.headers['signature-input'] ?? ''

/** As the signer does it, short of the clock. */
function isAccepted(received: SignedRequest): boolean {
  try {
    return parseRequestSignatures(received).signatures.every(
      ({ credentialId, algorithm, base, signature }) =>
        credentialId === key.id &&
        algorithm === key.algorithm &&
        verifySignature({ algorithm, publicKey: key.publicKey }, base, signature),
    )
  } catch (error) {
    codeOfError(error)
    return false
  }
}

/** Every text of the request that an engine can touch, by where it stands. */
const places = ['method', 'path', 'body', ...Object.keys(request.headers)]

function textAt(place: string): string {
  if (place in request.headers) return request.headers[place] as string
  return request[place as 'method' | 'path' | 'body']
}

function withText(place: string, text: string): SignedRequest {
  if (place in request.headers) return { ...request, headers: { ...request.headers, [place]: text } }
  return { ...request, [place]: text }
}

const change = fc.constantFrom(...places).chain((place) =>
  fc.record({
    place: fc.constant(place),
    at: fc.nat(textAt(place).length - 1),
    kind: fc.constantFrom('replace', 'insert', 'remove', 'swap', 'cut'),
    character: fc.oneof(
      fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 }),
      fc.constantFrom('\n', '\r', '\t', '\0', 'é'),
    ),
  }),
)

function changed(
  text: string,
  { at, kind, character }: { at: number; kind: string; character: string },
): string {
  const before = text.slice(0, at)
  const after = text.slice(at + 1)
  switch (kind) {
    case 'replace':
      return before + character + after
    case 'insert':
      return before + character + text.slice(at)
    case 'remove':
      return before + after
    case 'swap':
      return before + (after[0] ?? '') + (text[at] ?? '') + after.slice(1)
    default:
      return before
  }
}

describe('whatever is changed on the way', () => {
  it('is accepted as it was signed', () => expect(isAccepted(request)).toBe(true))

  it('any one change of any character of method, path, body or headers is refused', () => {
    fc.assert(
      fc.property(change, (one) => {
        const text = changed(textAt(one.place), one)
        fc.pre(text !== textAt(one.place))
        expect(isAccepted(withText(one.place, text))).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  it('every single bit of the seven-bit texts counts', () => {
    for (const place of places.filter((name) => name !== 'signature')) {
      const text = textAt(place)
      for (let at = 0; at < text.length; at++) {
        const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << (at % 7)))
        expect(isAccepted(withText(place, text.slice(0, at) + flipped + text.slice(at + 1)))).toBe(false)
      }
    }
  })

  it('any header left out is refused, but for content-type, which says nothing', () => {
    for (const name of Object.keys(request.headers)) {
      const { [name]: _, ...headers } = request.headers
      expect(isAccepted({ ...request, headers })).toBe(name === 'content-type')
    }
  })
})

describe('the parsers throw nothing but CountersignError', () => {
  const piece = fc.constantFrom(
    'sig1',
    '=',
    '(',
    ')',
    '"',
    '"@path"',
    ';',
    ',',
    ' ',
    ':',
    'AAAA',
    '==',
    '?1',
    '1',
    '-',
    '\\',
    '\t',
    'é',
    '*',
    'created=1',
    '\u2028',
  )
  const header = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
  )

  it('over headers of any text', () => {
    fc.assert(
      fc.property(header, header, (one, two) => {
        for (const act of [
          () => parseSignatureInputs(one),
          () => parseSignatures(one),
          () => parseRequestSignatures(withText('signature-input', one)),
          () =>
            parseRequestSignatures({
              ...request,
              headers: { ...request.headers, signature: one, 'signature-input': two },
            }),
        ]) {
          try {
            act()
          } catch (error) {
            codeOfError(error)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('over requests of any JSON', () => {
    const headers = fc.dictionary(
      fc.constantFrom(...Object.keys(request.headers), 'x', '__proto__'),
      fc.jsonValue(),
    )
    const any = fc.record(
      {
        method: fc.jsonValue(),
        path: fc.oneof(fc.webPath(), fc.jsonValue()),
        headers: fc.oneof(headers, fc.jsonValue()),
        body: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(any, fc.constantFrom('keep', 'take'), (made, mode) => {
        const received = (mode === 'keep' ? { ...request, ...made } : made) as unknown as SignedRequest
        try {
          parseRequestSignatures(received)
        } catch (error) {
          codeOfError(error)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('and keep what they read: an accepted header is its own serialisation', () => {
    const { signatures } = parseRequestSignatures(request)
    expect(`sig1=:${Buffer.from(signatures[0]!.signature).toString('base64')}:`).toBe(signatureHeader)
    expect(inputHeader.startsWith('sig1=(')).toBe(true)
  })
})
