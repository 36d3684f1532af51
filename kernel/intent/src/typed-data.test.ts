import { encodeHex } from '@countersign/bytes'
import { hashTypedData } from 'viem'
import { describe, expect, it } from 'vitest'
import { typedDataIntent } from './typed-data-intent.ts'

const wallet = '0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826'
const contract = '0xcccccccccccccccccccccccccccccccccccccccc'

/** The example of EIP-712. */
const mail = {
  domain: { name: 'Ether Mail', version: '1', chainId: 1, verifyingContract: contract },
  types: {
    EIP712Domain: [
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
      { name: 'chainId', type: 'uint256' },
      { name: 'verifyingContract', type: 'address' },
    ],
    Person: [
      { name: 'name', type: 'string' },
      { name: 'wallet', type: 'address' },
    ],
    Mail: [
      { name: 'from', type: 'Person' },
      { name: 'to', type: 'Person' },
      { name: 'contents', type: 'string' },
    ],
  },
  primaryType: 'Mail',
  message: {
    from: { name: 'Cow', wallet: '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826' },
    to: { name: 'Bob', wallet: '0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB' },
    contents: 'Hello, Bob!',
  },
}

/** One struct with one field, called v. */
function single(type: string, v: unknown, types: Record<string, unknown> = {}) {
  return {
    domain: { chainId: 1 },
    types: { T: [{ name: 'v', type }], ...types },
    primaryType: 'T',
    message: { v },
  }
}

function hashOf(input: unknown): string {
  return encodeHex(typedDataIntent(input as never).toSign)
}

describe('typedDataIntent', () => {
  it('gives the digest of the example of EIP-712', () => {
    expect(hashOf(mail)).toBe('0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2')
  })

  it('says what is signed', () => {
    expect(typedDataIntent(mail)).toMatchObject({ operation: 'sign-typed-data', chain: 'eip155:1' })
    expect(typedDataIntent(mail).effects).toEqual([
      {
        kind: 'typed-data',
        chain: 'eip155:1',
        verifyingContract: contract,
        primaryType: 'Mail',
        domain: { name: 'Ether Mail', version: '1', chainId: 1n, verifyingContract: contract },
        message: {
          from: { name: 'Cow', wallet },
          to: { name: 'Bob', wallet: '0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' },
          contents: 'Hello, Bob!',
        },
      },
    ])
  })

  it('derives the domain’s type from its keys', () => {
    const { EIP712Domain: _, ...types } = mail.types
    expect(hashOf({ ...mail, types })).toBe(hashOf(mail))
    const reordered = { verifyingContract: contract, chainId: '0x1', version: '1', name: 'Ether Mail' }
    expect(hashOf({ ...mail, types, domain: reordered })).toBe(hashOf(mail))
  })

  it('leaves type definitions aside that nothing reaches', () => {
    const types = { ...mail.types, Unused: [{ name: 'x', type: 'nonsense' }] }
    expect(hashOf({ ...mail, types })).toBe(hashOf(mail))
  })

  it('names no chain where the domain has none', () => {
    const intent = typedDataIntent({ ...single('bool', true), domain: {} })
    expect(intent.chain).toBeUndefined()
    expect(intent.effects).toMatchObject([{ chain: undefined, verifyingContract: undefined }])
  })

  it('hashes a struct that holds itself in a list', () => {
    const types = { Node: [{ name: 'children', type: 'Node[]' }] }
    const message = { children: [{ children: [] }, { children: [{ children: [] }] }] }
    const input = { domain: {}, types, primaryType: 'Node', message } as const
    expect(hashOf(input)).toBe(hashTypedData(input as never))
  })

  it.each([
    ['uint256', 5],
    ['uint256', '5'],
    ['uint256', '0x5'],
    ['uint256', '0x05'],
    ['uint256', 5n],
  ])('takes a %s as %s', (type, value) => {
    expect(hashOf(single(type, value))).toBe(hashTypedData(single(type, 5n) as never))
  })

  it.each<[string, unknown]>([
    ['uint8', 255],
    ['int8', -128],
    ['int8', 127],
    ['int256', `-${2n ** 255n}`],
    ['uint256', (2n ** 256n - 1n).toString()],
    ['bytes', '0x'],
    ['bytes1', '0xff'],
    ['string', ''],
    ['uint8[2][]', [[1, 2]]],
    ['uint8[]', []],
  ])('admits %s %j', (type, value) => {
    expect(() => hashOf(single(type, value))).not.toThrow()
  })

  it.each<[string, unknown]>([
    ['uint8', 256],
    ['uint8', -1],
    ['uint8', '0x100'],
    ['int8', 128],
    ['int8', -129],
    ['uint256', (2n ** 256n).toString()],
    ['int256', (2n ** 255n).toString()],
    ['uint256', 1.5],
    ['uint256', 2 ** 53],
    ['uint256', '01'],
    ['uint256', '-0'],
    ['uint256', '+1'],
    ['uint256', '1e3'],
    ['uint256', ' 1'],
    ['uint256', ''],
    ['uint256', '0x'],
    ['uint256', null],
    ['uint256', true],
    ['bool', 1],
    ['bool', 'true'],
    ['bytes', '0x1'],
    ['bytes', 'ff'],
    ['bytes4', '0x112233'],
    ['bytes4', '0x1122334455'],
    ['string', 5],
    ['string', '\ud800'],
    ['uint8[2]', [1]],
    ['uint8[2]', [1, 2, 3]],
    ['uint8[]', { 0: 1, length: 1 }],
    // Types that are none.
    ['uint', 1],
    ['int', 1],
    ['uint7', 1],
    ['uint264', 1],
    ['bytes0', '0x'],
    ['bytes33', `0x${'11'.repeat(33)}`],
    ['uint8[0]', []],
    ['uint8[-1]', []],
    ['uint8[][', [[1]]],
    [' uint8', 1],
    ['uint8 ', 1],
    ['Missing', {}],
    ['toString', {}],
    ['__proto__', {}],
    ['constructor', {}],
    ['T', { v: {} }],
    ['T', null],
    ['uint8,uint8 w', 1],
  ])('refuses %s %j', (type, value) => {
    expect(() => hashOf(single(type, value))).toThrow(
      expect.objectContaining({ code: 'INTENT_TYPED_DATA_INVALID' }),
    )
  })

  it.each(['0x11', wallet.slice(2), `${wallet}00`, '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD82B', 5, null])(
    'refuses %j as an address',
    (value) => {
      expect(() => hashOf(single('address', value))).toThrow(
        expect.objectContaining({ code: 'BYTES_NOT_AN_ADDRESS' }),
      )
    },
  )

  const message = mail.message
  it.each<[string, unknown]>([
    ['no object', null],
    ['a list', []],
    ['another key', { ...mail, extra: 1 }],
    ['no message', { ...mail, message: undefined }],
    ['no domain', { ...mail, domain: undefined }],
    ['a field too many', { ...mail, message: { ...message, extra: 1 } }],
    ['a field too many below', { ...mail, message: { ...message, to: { ...message.to, extra: 1 } } }],
    ['a missing field', { ...mail, message: { from: message.from, to: message.to } }],
    ['a field that is inherited', { ...mail, message: Object.create(message) }],
    ['a struct that is null', { ...mail, message: { ...message, to: null } }],
    ['a primary type that is not defined', { ...mail, primaryType: 'Letter' }],
    ['a primary type that is a list', { ...mail, primaryType: 'Mail[]' }],
    ['a primary type that is atomic', { ...mail, primaryType: 'address' }],
    ['the domain as primary type', { ...mail, primaryType: 'EIP712Domain', message: mail.domain }],
    [
      'a domain field that its type lacks',
      { ...mail, domain: { ...mail.domain, salt: `0x${'11'.repeat(32)}` } },
    ],
    [
      'a domain without a field of its type',
      { ...mail, domain: { name: 'Ether Mail', version: '1', chainId: 1 } },
    ],
    ['an unknown domain field', { ...single('bool', true), domain: { chain: 1 } }],
    ['a domain chain id of 0', { ...single('bool', true), domain: { chainId: 0 } }],
    ['a domain chain id of 2^53', { ...single('bool', true), domain: { chainId: (2n ** 53n).toString() } }],
    ['a domain chain id as CAIP-2', { ...single('bool', true), domain: { chainId: 'eip155:1' } }],
    [
      'a domain type with an unknown field',
      {
        ...single('bool', true, { EIP712Domain: [{ name: 'chain', type: 'uint256' }] }),
        domain: { chain: 1 },
      },
    ],
    [
      'a domain type with a wrong type',
      {
        ...single('bool', true, { EIP712Domain: [{ name: 'chainId', type: 'uint64' }] }),
        domain: { chainId: 1 },
      },
    ],
    [
      'two fields of one name',
      { ...single('bool', true), types: { T: Array(2).fill({ name: 'v', type: 'bool' }) } },
    ],
    [
      'a field with more than name and type',
      { ...single('bool', true), types: { T: [{ name: 'v', type: 'bool', x: 1 }] } },
    ],
    [
      'a field name with a comma',
      { ...single('bool', true), types: { T: [{ name: 'v,bool w', type: 'bool' }] } },
    ],
    [
      'a struct called uint256',
      { ...single('bool', true), types: { uint256: [] }, primaryType: 'uint256', message: {} },
    ],
    [
      'a struct name with brackets',
      { ...single('bool', true), types: { 'T()': [] }, primaryType: 'T()', message: {} },
    ],
    ['types that are a list', { ...single('bool', true), types: [] }],
    ['a definition that is an object', { ...single('bool', true), types: { T: { v: 'bool' } } }],
  ])('refuses %s', (_, input) => {
    expect(() => hashOf(input)).toThrow(expect.objectContaining({ code: 'INTENT_TYPED_DATA_INVALID' }))
  })

  it('does not take __proto__ for a field', () => {
    const input = JSON.parse(
      '{"domain":{},"types":{"T":[{"name":"__proto__","type":"bool"}]},"primaryType":"T","message":{"__proto__":true}}',
    )
    expect(() => hashOf(input)).toThrow(expect.objectContaining({ code: 'INTENT_TYPED_DATA_INVALID' }))
  })

  it.each<[string, unknown]>([
    [
      'types',
      {
        ...single('bool', true),
        types: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`T${i}`, []])),
      },
    ],
    [
      'fields',
      {
        ...single('bool', true),
        types: { T: Array.from({ length: 65 }, (_, i) => ({ name: `f${i}`, type: 'bool' })) },
      },
    ],
    ['values', single('uint8[]', Array(10_000).fill(1))],
    ['values in a list that is too long at once', single('uint8[]', Array(1_000_000).fill(1))],
    ['content', single('string', 'a'.repeat(262_145))],
    ['levels of arrays', single('uint8[][][][][]', [])],
    [
      'characters of definitions',
      {
        ...single('T0[]', []),
        types: Object.fromEntries(
          Array.from({ length: 30 }, (_, i) => [
            i === 29 ? 'T' : `T${i}`,
            [
              { name: 'v', type: `T${i === 29 ? 0 : (i + 1) % 29}[]` },
              ...Array.from({ length: 10 }, (_, k) => ({ name: `${'f'.repeat(120)}${k}`, type: 'bool' })),
            ],
          ]),
        ),
      },
    ],
    [
      'depth',
      {
        domain: {},
        types: { N: [{ name: 'c', type: 'N[]' }] },
        primaryType: 'N',
        message: Array.from({ length: 20 }).reduce((inner) => ({ c: [inner] }), { c: [] }),
      },
    ],
  ])('refuses too many or too much: %s', (_, input) => {
    expect(() => hashOf(input)).toThrow(expect.objectContaining({ code: 'INTENT_TOO_LARGE' }))
  })
})
