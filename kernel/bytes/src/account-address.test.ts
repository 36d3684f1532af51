import { describe, expect, it } from 'vitest'
import {
  decodeSolanaAddress,
  encodeLegacyAddress,
  encodeSegwitAddress,
  encodeSolanaAddress,
  isSolanaAddress,
  parseAccountAddress,
  parseBitcoinAddress,
  parseSolanaAddress,
} from './account-address.ts'
import { decodeHex, type Hex } from './hex.ts'
import { bitcoinMainnet, type ChainId, nativeAsset, parseAssetId, parseChainId } from './ids.ts'

const refused = expect.objectContaining({ code: 'BYTES_NOT_AN_ADDRESS' })

describe('Solana', () => {
  it('is 32 bytes in base58, whichever they are', () => {
    const zeros = '1'.repeat(32)
    expect(parseSolanaAddress(zeros)).toBe(zeros)
    expect(decodeSolanaAddress(parseSolanaAddress(zeros))).toEqual(new Uint8Array(32))
    const most = new Uint8Array(32).fill(0xff)
    expect(encodeSolanaAddress(most)).toBe('JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG')
    expect(decodeSolanaAddress(encodeSolanaAddress(most))).toEqual(most)
    expect(isSolanaAddress('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA')).toBe(true)
  })

  it('refuses other lengths, characters and types', () => {
    for (const value of [
      '',
      '1'.repeat(31),
      '1'.repeat(33),
      '1'.repeat(44),
      // 2^256, one over the highest.
      'JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH',
      'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D',
      'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DAA',
      // 0, O, I and l are no digits of base58.
      ...['0', 'O', 'I', 'l', ' ', 'é'].map((char) => `${char}okenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA`),
      ' TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
      'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA\n',
      `0x${'00'.repeat(32)}`,
      undefined,
      null,
      7,
      ['1'.repeat(32)],
    ]) {
      expect(isSolanaAddress(value)).toBe(false)
      expect(() => parseSolanaAddress(value)).toThrow(refused)
    }
  })
})

// Test vectors of BIP-173 and BIP-350 (github.com/bitcoin/bips, bip-0350, BSD-2-Clause).
const segwit: [string, 'main' | 'test', number, string][] = [
  ['BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 'main', 0, '751e76e8199196d454941c45d1b3a323f1433bd6'],
  [
    'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
    'test',
    0,
    '1863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
  ],
  [
    'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y',
    'main',
    1,
    '751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6',
  ],
  ['BC1SW50QGDZ25J', 'main', 16, '751e'],
  ['bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs', 'main', 2, '751e76e8199196d454941c45d1b3a323'],
  [
    'tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy',
    'test',
    0,
    '000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
  ],
  [
    'tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c',
    'test',
    1,
    '000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
  ],
  [
    'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
    'main',
    1,
    '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
  ],
]

const notSegwit: [string, string][] = [
  ['human-readable part', 'tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut'],
  ['checksum of bech32', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd'],
  ['checksum of bech32', 'tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf'],
  ['checksum of bech32', 'BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL'],
  ['checksum of bech32m', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh'],
  ['checksum of bech32m', 'tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47'],
  ['character in the checksum', 'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4'],
  ['version', 'BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R'],
  ['length of 1', 'bc1pw5dgrnzv'],
  ['length of 41', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav'],
  ['length for version 0', 'BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P'],
  ['mixed case', 'tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq'],
  ['padding', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf'],
  ['padding', 'tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j'],
  ['no data', 'bc1gmk9yu'],
]

describe('Bitcoin, segwit', () => {
  it.each(segwit)('%s', (text, network, version, program) => {
    expect(parseBitcoinAddress(text)).toBe(text.toLowerCase())
    expect(parseAccountAddress(text)).toBe(text.toLowerCase())
    expect(encodeSegwitAddress(network, version, decodeHex(`0x${program}` as Hex))).toBe(text.toLowerCase())
  })

  it.each(notSegwit)('not with a wrong %s', (_, text) => {
    expect(() => parseBitcoinAddress(text)).toThrow(refused)
    expect(() => parseAccountAddress(text)).toThrow(refused)
  })

  it('not with any one character changed', () => {
    const text = segwit[0]![0].toLowerCase()
    for (let i = 4; i < text.length; i++) {
      const other = text[i] === 'q' ? 'p' : 'q'
      expect(() => parseBitcoinAddress(text.slice(0, i) + other + text.slice(i + 1))).toThrow(refused)
    }
  })

  it('not with a human-readable part that only starts like one', () => {
    // A good bech32 checksum over the part "bc1a".
    expect(() => parseBitcoinAddress(bech32Of('bc1a'))).toThrow(refused)
    expect(parseBitcoinAddress(bech32Of('bc'))).toBe(segwit[0]![0].toLowerCase())
  })

  it('refuses programs that no address has', () => {
    for (const [version, bytes] of [
      [0, 21],
      [0, 2],
      [1, 1],
      [1, 41],
      [17, 32],
    ] as const) {
      expect(() => encodeSegwitAddress('main', version, new Uint8Array(bytes))).toThrow(refused)
    }
  })
})

/** The address of BIP-173's first vector under another human-readable part, with its checksum. */
function bech32Of(prefix: string): string {
  const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
  const data = Array.from('qw508d6qejxtdg4y5r3zarvary0c5xw7k', (char) => alphabet.indexOf(char))
  const codes = Array.from(prefix, (char) => char.charCodeAt(0))
  const values = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...data]
  let state = 1
  for (const value of [...values, 0, 0, 0, 0, 0, 0]) {
    const top = state >> 25
    state = ((state & 0x1ffffff) << 5) ^ value
    for (const [i, factor] of [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].entries()) {
      if ((top >> i) & 1) state ^= factor
    }
  }
  state ^= 1
  const checksum = Array.from({ length: 6 }, (_, i) => (state >> (5 * (5 - i))) & 31)
  return `${prefix}1${[...data, ...checksum].map((value) => alphabet[value]).join('')}`
}

describe('Bitcoin, base58check', () => {
  const hash = decodeHex('0x751e76e8199196d454941c45d1b3a323f1433bd6')

  it('P2PKH and P2SH of both networks', () => {
    const all = [
      encodeLegacyAddress('main', 'p2pkh', hash),
      encodeLegacyAddress('main', 'p2sh', hash),
      encodeLegacyAddress('test', 'p2pkh', hash),
      encodeLegacyAddress('regtest', 'p2sh', hash),
    ]
    expect(all[0]).toBe('1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH')
    expect(all.map((address) => address[0])).toEqual(['1', '3', 'm', '2'])
    for (const address of all) {
      expect(parseBitcoinAddress(address)).toBe(address)
      expect(parseAccountAddress(address)).toBe(address)
    }
  })

  it('refuses a wrong checksum, length or version', () => {
    const address = '1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH'
    for (let i = 0; i < address.length; i++) {
      const other = address[i] === '2' ? '3' : '2'
      expect(() => parseBitcoinAddress(address.slice(0, i) + other + address.slice(i + 1))).toThrow(refused)
    }
    for (const value of [
      address.toLowerCase(),
      address.slice(1),
      `1${address}`,
      `${address} `,
      // Versions of Litecoin and Dogecoin.
      'LLgkmKcpcX4tkhYc5ZQqXfdMsRD8oCqMzb',
      'DBXU9UuFxTk4X9qLuVzsHjKCgHcWGCXFJ8',
      '',
      'x'.repeat(101),
      undefined,
    ]) {
      expect(() => parseBitcoinAddress(value)).toThrow(refused)
    }
  })
})

describe('parseAccountAddress', () => {
  it('takes every family, each in its one form', () => {
    const evm = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
    expect(parseAccountAddress(evm)).toBe(evm.toLowerCase())
    const solana = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
    expect(parseAccountAddress(solana)).toBe(solana)
    for (const value of [evm.replace('A', 'a'), evm.slice(2), `${solana}A`, 'alice', 7, null]) {
      expect(() => parseAccountAddress(value)).toThrow(refused)
    }
  })
})

describe('chains and assets beside the EVM', () => {
  const solana = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' as ChainId

  it('chains', () => {
    for (const chain of [solana, bitcoinMainnet]) expect(parseChainId(chain)).toBe(chain)
    for (const chain of [
      'solana:',
      `solana:${'1'.repeat(33)}`,
      'solana:0',
      'Solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
      bitcoinMainnet.slice(0, -1),
      `${bitcoinMainnet}0`,
      bitcoinMainnet.toUpperCase(),
      'bip122:000000000019d6689c085ae165831e9g',
      'cosmos:cosmoshub-4',
    ]) {
      expect(() => parseChainId(chain)).toThrow(expect.objectContaining({ code: 'BYTES_NOT_A_CHAIN' }))
    }
  })

  it('their coins', () => {
    expect(nativeAsset(solana)).toBe(`${solana}/slip44:501`)
    expect(nativeAsset(bitcoinMainnet)).toBe(`${bitcoinMainnet}/slip44:0`)
    const test = 'bip122:000000000933ea01ad0ee984209779ba' as ChainId
    expect(nativeAsset(test)).toBe(`${test}/slip44:1`)
    for (const chain of [solana, bitcoinMainnet, test]) {
      expect(parseAssetId(nativeAsset(chain))).toBe(nativeAsset(chain))
    }
  })

  it('tokens by their mint, in exact case', () => {
    const token = `${solana}/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v`
    expect(parseAssetId(token)).toBe(token)
    for (const asset of [
      token.toLowerCase(),
      `${token}1`,
      `${solana}/token:`,
      `${solana}/slip44:60`,
      `${solana}/erc20:0x${'11'.repeat(20)}`,
      `${bitcoinMainnet}/slip44:2`,
      `${bitcoinMainnet}/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v`,
    ]) {
      expect(() => parseAssetId(asset)).toThrow(expect.objectContaining({ code: 'BYTES_NOT_AN_ASSET' }))
    }
  })
})
