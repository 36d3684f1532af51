import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { credentialAlgorithms, type SignedRequest } from './request.ts'
import { addSignature, parseAllSignatures, parseSingleSignature } from './request-signature.ts'
import { codeOfError, signedRequest, testKey, testSigner } from './testing/signed-request.ts'

const requests = await Promise.all(
  credentialAlgorithms.flatMap((algorithm) => [
    signedRequest(testKey(algorithm)),
    signedRequest(testKey(algorithm), { path: '/v1/wallets?limit=1', method: 'GET', body: '' }),
  ]),
)
const [request] = requests as [SignedRequest]
const textsOf = ({ headers }: SignedRequest) =>
  [headers['signature-input'] ?? '', headers.signature ?? ''] as const

/** What all forms' parser makes of the headers; undefined where it refuses them. */
function byAll(one: SignedRequest, input: string, signature: string) {
  try {
    return parseAllSignatures(one, input, signature)
  } catch (error) {
    codeOfError(error)
    return undefined
  }
}

/** The quick reader may leave any headers to the other; what it takes, the other takes too, as exactly the same. */
function expectSame(one: SignedRequest, input: string, signature: string): boolean {
  const single = parseSingleSignature(one, input, signature)
  if (single === undefined) return false
  expect(byAll(one, input, signature)).toEqual([single])
  return true
}

describe('the quick reader of one signature', () => {
  it('reads what the SDK makes with every kind of key', () => {
    for (const one of requests) expect(expectSame(one, ...textsOf(one))).toBe(true)
  })

  it('leaves several signatures to the parser of all forms', async () => {
    const two = await addSignature(request, testSigner(testKey('p256', new Uint8Array(32).fill(0x44))))
    expect(expectSame(two, ...textsOf(two))).toBe(false)
    expect(byAll(two, ...textsOf(two))).toHaveLength(2)
  })

  it('takes nothing that the parser of all forms refuses, whichever character is another', () => {
    const [input, signature] = textsOf(request)
    const characters = [
      '',
      ' ',
      '0',
      '9',
      'a',
      'A',
      '=',
      ':',
      ';',
      '"',
      ',',
      '\\',
      '\n',
      'é',
      '\0',
      '+',
      '_',
      'B',
    ]
    let taken = 0
    for (const character of characters) {
      for (let at = 0; at <= input.length; at++) {
        const replaced = input.slice(0, at) + character + input.slice(at + 1)
        const inserted = input.slice(0, at) + character + input.slice(at)
        for (const text of [replaced, inserted]) if (expectSame(request, text, signature)) taken++
      }
      for (let at = 0; at <= signature.length; at++) {
        const replaced = signature.slice(0, at) + character + signature.slice(at + 1)
        const inserted = signature.slice(0, at) + character + signature.slice(at)
        for (const text of [replaced, inserted]) if (expectSame(request, input, text)) taken++
      }
    }
    // Another nonce, time, credential or signature is well-formed still.
    expect(taken).toBeGreaterThan(1_000)
  })

  const time = fc.oneof(
    fc.constantFrom('0', '00', '-0', '01', '99999999999', '100000000000', '1.0', '1e3', '?1', '"1"', '-1'),
    fc.nat().map(String),
  )
  const nonce = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'AQgwBC-_09az=+'), minLength: 20, maxLength: 46 }),
    fc.constantFrom(
      'A'.repeat(21),
      'A'.repeat(22),
      'A'.repeat(23),
      'A'.repeat(25),
      'A'.repeat(43),
      'A'.repeat(44),
    ),
  )
  const keyid = fc.oneof(
    fc.constantFrom(testKey('p256').id, `cred_${'G'.repeat(32)}`, `cred_${'0'.repeat(33)}`, 'cred_', ''),
  )
  const alg = fc.constantFrom('ecdsa-p256-sha256', 'ed25519', 'webauthn-p256', 'webauthn-ed25519', 'rsa', '')
  const tag = fc.constantFrom('countersign-v1', 'countersign-v2', '')
  const label = fc.constantFrom('sig1', 'sig8', 'sig9', 'sig', 'SIG1', 'sig1 ', 'sig01')
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 62, maxLength: 66 }).map((raw) => Buffer.from(raw).toString('base64')),
    fc.constantFrom(
      `${'A'.repeat(85)}B==`,
      `${'A'.repeat(86)}`,
      `${'/'.repeat(85)}w==`,
      `${'-'.repeat(85)}w==`,
    ),
  )
  const order = fc.oneof(
    fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
    fc.shuffledSubarray([0, 1, 2, 3, 4, 5]),
  )
  const good = fc.record({
    label: fc.constant('sig1'),
    otherLabel: fc.constant('sig1'),
    created: fc.nat().map(String),
    expires: fc.nat().map(String),
    nonce: fc.constant('A'.repeat(22)),
    keyid: fc.constant(testKey('p256').id),
    alg: fc.constant('ed25519'),
    tag: fc.constant('countersign-v1'),
    bytes: fc.constant(`${'A'.repeat(85)}Q==`),
    order: fc.constant([0, 1, 2, 3, 4, 5]),
    between: fc.constant(';'),
  })
  const between = fc.constantFrom(';', '; ', ' ;')
  const parts = {
    label,
    otherLabel: label,
    created: time,
    expires: time,
    nonce,
    keyid,
    alg,
    tag,
    bytes,
    order,
    between,
  }
  const spoiled = fc
    .subarray(Object.keys(parts) as (keyof typeof parts)[], { maxLength: 2 })
    .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, parts[name]]))))

  it('agrees with the parser of all forms on headers made of right and wrong parts', () => {
    const seen = { taken: 0, left: 0, refused: 0 }
    fc.assert(
      fc.property(good, spoiled, (right, wrong) => {
        const parts = { ...right, ...(wrong as Partial<typeof right>) }
        const params = [
          `created=${parts.created}`,
          `expires=${parts.expires}`,
          `nonce="${parts.nonce}"`,
          `keyid="${parts.keyid}"`,
          `alg="${parts.alg}"`,
          `tag="${parts.tag}"`,
        ]
        const list = textsOf(request)[0].slice('sig1='.length).split(';')[0]
        const input = `${parts.label}=${[list, ...parts.order.map((i) => params[i])].join(parts.between)}`
        const signature = `${parts.otherLabel}=:${parts.bytes}:`
        if (expectSame(request, input, signature)) seen.taken++
        else if (byAll(request, input, signature) === undefined) seen.refused++
        else seen.left++
      }),
      { numRuns: 5_000 },
    )
    // Each of the three outcomes has really been met.
    expect(Math.min(seen.taken, seen.left, seen.refused)).toBeGreaterThan(20)
  })
})
