import { sha256 } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { derivePublic, encodePath, hardenedIndex } from './bip32.ts'
import { equalBytes } from './byte-writer.ts'
import { nobleSecp256k1Group as group } from './secp256k1-noble.ts'

const bad = expect.objectContaining({ code: 'MPC_INPUT_INVALID' })

function decodeBase58(text: string): Uint8Array {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const value = [...text].reduce((sum, digit) => sum * 58n + BigInt(digits.indexOf(digit)), 0n)
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(164, '0'), 'hex'))
}

function fromXpub(text: string) {
  const bytes = decodeBase58(text)
  const body = bytes.subarray(0, 78)
  expect(equalBytes(sha256(sha256(body)).subarray(0, 4), bytes.subarray(78))).toBe(true)
  return { group, chainCode: body.slice(13, 45), publicKey: group.decode(body.subarray(45)) }
}

// BIP-32, test vectors 1 and 2: the steps that are not hardened.
const steps: readonly (readonly [parent: string, path: readonly number[], child: string])[] = [
  [
    'xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw',
    [1],
    'xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ',
  ],
  [
    'xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5',
    [2, 1_000_000_000],
    'xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy',
  ],
  [
    'xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB',
    [0],
    'xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH',
  ],
]

describe('BIP-32 public derivation', () => {
  it.each(steps)('from %s along %j', (parentText, path, childText) => {
    const [parent, child] = [fromXpub(parentText), fromXpub(childText)]
    const derived = derivePublic(parent, path)
    expect(group.equals(derived.publicKey, child.publicKey)).toBe(true)
    expect(derived.chainCode).toEqual(child.chainCode)
    expect(
      group.equals(group.add(parent.publicKey, group.multiplyBase(derived.tweak)), child.publicKey),
    ).toBe(true)
  })

  const parent = { group, publicKey: group.generator, chainCode: new Uint8Array(32).fill(1) }

  it('along no path is the key itself', () => {
    const derived = derivePublic(parent, [])
    expect(derived.tweak).toBe(0n)
    expect(group.equals(derived.publicKey, parent.publicKey)).toBe(true)
    expect(derived.chainCode).toEqual(parent.chainCode)
  })

  it('refuses hardened indices, other numbers, paths that are too deep and short chain codes', () => {
    expect(() => derivePublic(parent, [hardenedIndex - 1])).not.toThrow()
    for (const index of [hardenedIndex, -1, 0.5, Number.NaN, 2 ** 32]) {
      expect(() => derivePublic(parent, [index])).toThrow(bad)
      expect(() => encodePath([0, index])).toThrow(bad)
    }
    expect(encodePath(Array(255).fill(0))).toHaveLength(1020)
    expect(() => encodePath(Array(256).fill(0))).toThrow(bad)
    expect(() => derivePublic({ ...parent, chainCode: new Uint8Array(31) }, [0])).toThrow(bad)
  })
})

it('a path is one field of u32', () => {
  expect([...encodePath([1, 0x7fff_ffff])]).toEqual([0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff])
  expect(encodePath([])).toHaveLength(0)
})
