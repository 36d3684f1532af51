import { readFileSync } from 'node:fs'
import { decodeKeyShare, ed25519Group, encodeKeyShare, nobleSecp256k1Group } from '@countersign/mpc'
import { describe, expect, it } from 'vitest'

const groups = { secp256k1: nobleSecp256k1Group, ed25519: ed25519Group }
const read = (name: string) =>
  Buffer.from(readFileSync(new URL(name, import.meta.url), 'utf8').replaceAll(/\s/g, ''), 'hex')

describe('key shares that older versions stored', () => {
  it.each([
    ['mpc-share-v1-frost-ed25519.hex', 2, 2],
    ['mpc-share-v1-dkls23.hex', 1, 1],
  ] as const)('%s still opens', (name, suite, index) => {
    const bytes = read(name)
    const share = decodeKeyShare(bytes, groups)
    expect({ suite: share.suite, index: share.index, threshold: share.threshold }).toEqual({
      suite,
      index,
      threshold: 2,
    })
    expect(Buffer.from(encodeKeyShare(share))).toEqual(bytes)
  })
})
