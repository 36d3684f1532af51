import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { secp256k1 as noble } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { loadNativeSecp256k1, nobleSecp256k1, type Secp256k1, verifyEd25519 } from './index.ts'

interface Vector {
  readonly tcId: number
  readonly comment: string
  readonly msg: string
  readonly sig: string
  readonly result: 'valid' | 'invalid'
}
interface Vectors {
  readonly numberOfTests: number
  readonly testGroups: readonly {
    readonly publicKey: { readonly uncompressed?: string; readonly pk?: string }
    readonly tests: readonly Vector[]
  }[]
}

const native = loadNativeSecp256k1()
const orderN = noble.Point.Fn.ORDER

describe.each([nobleSecp256k1, ...(native === undefined ? [] : [native])])('Wycheproof on $name', (curve) => {
  it('ecdsa_secp256k1_sha256_bitcoin: DER, low s only', () => {
    const wrong: string[] = []
    const counts = eachVector('ecdsa_secp256k1_sha256_bitcoin_test', (vector, { uncompressed }) => {
      const signature = fromDer(vector.sig)
      const isValid = signature !== undefined && verifies(curve, vector, signature, uncompressed)
      if (isValid !== (vector.result === 'valid')) wrong.push(`${vector.tcId} ${vector.comment}`)
    })
    expect(wrong).toEqual([])
    expect(counts.valid).toBeGreaterThan(100)
    expect(counts.invalid).toBeGreaterThan(200)
  })

  it('ecdsa_secp256k1_sha256_p1363: as they are where s is low, refused and then normalised where it is high', () => {
    const wrong: string[] = []
    let highCount = 0
    const counts = eachVector('ecdsa_secp256k1_sha256_p1363_test', (vector, { uncompressed }) => {
      const signature = hex(vector.sig)
      const low = lowS(signature)
      const isHigh = low !== undefined
      if (isHigh && verifies(curve, vector, signature, uncompressed)) wrong.push(`${vector.tcId} high s`)
      if (isHigh) highCount++
      const isValid = verifies(curve, vector, low ?? signature, uncompressed)
      if (isValid !== (vector.result === 'valid')) wrong.push(`${vector.tcId} ${vector.comment}`)
    })
    expect(wrong).toEqual([])
    expect(highCount).toBeGreaterThan(10)
    expect(counts.valid).toBeGreaterThan(100)
  })
})

it('Wycheproof ed25519 on node:crypto', () => {
  const wrong: string[] = []
  const counts = eachVector('ed25519_test', (vector, { pk }) => {
    const isValid = verifyEd25519(hex(vector.msg), hex(vector.sig), hex(pk ?? ''))
    if (isValid !== (vector.result === 'valid')) wrong.push(`${vector.tcId} ${vector.comment}`)
  })
  expect(wrong).toEqual([])
  expect(counts.valid).toBeGreaterThan(50)
  expect(counts.invalid).toBeGreaterThan(50)
})

function verifies(
  curve: Secp256k1,
  { msg }: Vector,
  signature: Uint8Array,
  uncompressed: string | undefined,
): boolean {
  const digest = new Uint8Array(createHash('sha256').update(hex(msg)).digest())
  const publicKey = noble.Point.fromHex(uncompressed ?? '').toBytes(true)
  return curve.verify(digest, signature, publicKey)
}

function eachVector(
  file: string,
  check: (vector: Vector, publicKey: Vectors['testGroups'][number]['publicKey']) => void,
) {
  const path = new URL(`../../../test/vectors/wycheproof/${file}.json`, import.meta.url)
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors
  const counts = { valid: 0, invalid: 0 }
  for (const { tests, publicKey } of vectors.testGroups) {
    for (const vector of tests) {
      counts[vector.result]++
      check(vector, publicKey)
    }
  }
  expect(counts.valid + counts.invalid).toBe(vectors.numberOfTests)
  return counts
}

function fromDer(signature: string): Uint8Array | undefined {
  try {
    return noble.Signature.fromBytes(hex(signature), 'der').toBytes('compact')
  } catch {
    return undefined
  }
}

/** @returns the signature with n - s, or undefined where s is low or no scalar. */
function lowS(signature: Uint8Array): Uint8Array | undefined {
  if (signature.length !== 64) return undefined
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`)
  if (s <= orderN / 2n || s >= orderN) return undefined
  return hex(
    Buffer.from(signature.subarray(0, 32)).toString('hex') + (orderN - s).toString(16).padStart(64, '0'),
  )
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
