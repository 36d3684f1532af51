import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { bytesToHex, recoverAddress } from 'viem'
import { publicKeyToAddress } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import {
  chooseSecp256k1,
  isSecp256k1SecretKey,
  loadNativeSecp256k1,
  nobleSecp256k1,
  type Secp256k1,
  secp256k1,
} from './index.ts'
import { codeOf } from './testing.ts'

const native = loadNativeSecp256k1()
const orderN = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'

describe.each([nobleSecp256k1, ...(native === undefined ? [] : [native])])('secp256k1 on $name', (curve) => {
  // RFC 6979 in its common secp256k1 vectors (SHA-256).
  it.each([
    [
      '01',
      'Satoshi Nakamoto',
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    ],
    [
      '01',
      'All those moments will be lost in time, like tears in rain. Time to die...',
      '8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21',
    ],
    [
      'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140',
      'Satoshi Nakamoto',
      'fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d06b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5',
    ],
  ])('is RFC 6979, deterministic (key %s)', (key, message, expected) => {
    const secretKey = hex(key.padStart(64, '0'))
    const signature = curve.sign(sha256(Buffer.from(message)), secretKey)
    expect(Buffer.from(signature.bytes).toString('hex')).toBe(expected)
    expect(curve.sign(sha256(Buffer.from(message)), secretKey)).toEqual(signature)
  })

  it('signs what OpenSSL and viem accept, low s, with the right recovery', async () => {
    for (let i = 0; i < 20; i++) {
      const secretKey = new Uint8Array(randomBytes(32))
      const message = randomBytes(i * 7)
      const digest = sha256(message)
      const publicKey = curve.publicKey(secretKey)
      const { bytes, recovery } = curve.sign(digest, secretKey)
      const uncompressed = Buffer.from(uncompressedByOpenssl(publicKey))
      const jwk = {
        kty: 'EC',
        crv: 'secp256k1',
        x: uncompressed.subarray(1, 33).toString('base64url'),
        y: uncompressed.subarray(33).toString('base64url'),
      }
      const key = createPublicKey({ key: jwk, format: 'jwk' })
      expect(verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, bytes)).toBe(true)
      const r = bytesToHex(bytes.subarray(0, 32))
      const s = bytesToHex(bytes.subarray(32))
      const address = await recoverAddress({ hash: digest, signature: { r, s, yParity: recovery } })
      expect(address).toBe(publicKeyToAddress(bytesToHex(uncompressed)))
      expect(BigInt(s) <= BigInt(`0x${orderN}`) / 2n).toBe(true)
    }
  })

  it('agrees with noble byte for byte', () => {
    for (let i = 0; i < 50; i++) {
      const secretKey = new Uint8Array(randomBytes(32))
      const digest = new Uint8Array(randomBytes(32))
      expect(curve.publicKey(secretKey)).toEqual(nobleSecp256k1.publicKey(secretKey))
      const made = curve.sign(digest, secretKey)
      expect(made).toEqual(nobleSecp256k1.sign(digest, secretKey))
      for (const recovery of [0, 1] as const) {
        const recovered = curve.recover(digest, made.bytes, recovery)
        expect(recovered).toEqual(nobleSecp256k1.recover(digest, made.bytes, recovery))
        expect(recovered !== undefined && Buffer.compare(recovered, curve.publicKey(secretKey)) === 0).toBe(
          recovery === made.recovery,
        )
      }
    }
  })

  it('verifies nothing with a bit changed, and nothing malformed', () => {
    const secretKey = hex('07'.repeat(32))
    const digest = hex('09'.repeat(32))
    const publicKey = curve.publicKey(secretKey)
    const { bytes, recovery } = curve.sign(digest, secretKey)
    expect(curve.verify(digest, bytes, publicKey)).toBe(true)
    for (let bit = 0; bit < 512; bit += 11) {
      expect(curve.verify(digest, flipped(bytes, bit), publicKey)).toBe(false)
      expect(curve.verify(flipped(digest, bit % 256), bytes, publicKey)).toBe(false)
    }
    expect(curve.verify(digest, highS(bytes), publicKey)).toBe(false)
    for (const bad of [new Uint8Array(64), hex('ff'.repeat(64)), bytes.subarray(1), new Uint8Array()]) {
      expect(curve.verify(digest, bad, publicKey)).toBe(false)
      expect(curve.recover(digest, bad, recovery as 0 | 1)).toBeUndefined()
    }
    for (const bad of [hex('05'.padEnd(66, '1')), hex(`02${'ff'.repeat(32)}`), publicKey.subarray(1)]) {
      expect(curve.verify(digest, bytes, bad)).toBe(false)
    }
    expect(curve.verify(digest.subarray(1), bytes, publicKey)).toBe(false)
  })

  it('refuses what is no secret key, by one', async () => {
    const last = hex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140')
    expect(isSecp256k1SecretKey(last)).toBe(true)
    expect(curve.publicKey(last)).toHaveLength(33)
    const digest = new Uint8Array(32)
    for (const bad of [hex(orderN), new Uint8Array(32), last.subarray(1), new Uint8Array(33).fill(1)]) {
      expect(isSecp256k1SecretKey(bad)).toBe(false)
      expect(await codeOf(() => curve.publicKey(bad))).toBe('KEYS_SECRET_KEY_INVALID')
      expect(await codeOf(() => curve.sign(digest, bad))).toBe('KEYS_SECRET_KEY_INVALID')
    }
    expect(await codeOf(() => curve.sign(new Uint8Array(31), last))).toBe('KEYS_PAYLOAD_INVALID')
  })

  it('signs the digests at the ends of their range', () => {
    const secretKey = hex('07'.repeat(32))
    for (const digest of [new Uint8Array(32), hex('ff'.repeat(32)), hex(orderN)]) {
      const { bytes } = curve.sign(digest, secretKey)
      expect(nobleSecp256k1.verify(digest, bytes, curve.publicKey(secretKey))).toBe(true)
    }
  })
})

describe('choice of the curve', () => {
  it('takes the native one wherever its addon loads', () => {
    expect(secp256k1.name).toBe(native === undefined ? 'noble' : 'native')
  })

  it('falls back to noble where the native one is absent, wrong in any verb, or throws', () => {
    const good = nobleSecp256k1
    const wrong: (Secp256k1 | undefined)[] = [
      undefined,
      { ...good, name: 'native', sign: (digest, key) => ({ ...good.sign(digest, key), recovery: 0 }) },
      { ...good, name: 'native', sign: () => ({ bytes: new Uint8Array(64), recovery: 0 }) },
      { ...good, name: 'native', verify: () => true },
      { ...good, name: 'native', verify: () => false },
      { ...good, name: 'native', recover: () => undefined },
      { ...good, name: 'native', publicKey: () => new Uint8Array(33) },
      {
        ...good,
        name: 'native',
        sign() {
          throw new Error('broken')
        },
      },
    ]
    for (const curve of wrong) expect(chooseSecp256k1(() => curve)).toBe(nobleSecp256k1)
    const right: Secp256k1 = { ...good, name: 'native' }
    expect(chooseSecp256k1(() => right)).toBe(right)
  })

  it('never loads elliptic', () => {
    const index = fileURLToPath(new URL('./index.ts', import.meta.url))
    const script = `
      import { createRequire } from 'node:module'
      const { secp256k1, LocalKey } = await import(${JSON.stringify(index)})
      const key = new LocalKey({ algorithm: 'secp256k1', secretKey: new Uint8Array(32).fill(7) })
      key.sign(new Uint8Array(32))
      const loaded = [...Object.keys(createRequire(${JSON.stringify(index)}).cache), ...process.moduleLoadList]
      console.log(JSON.stringify({ name: secp256k1.name, loaded }))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    expect(stderr).not.toMatch(/Error/)
    const { name, loaded } = JSON.parse(stdout) as { name: string; loaded: string[] }
    // The bindings being in the list shows that the list would show elliptic too.
    expect(name).toBe(secp256k1.name)
    expect(loaded.some((file) => file.endsWith('/secp256k1/bindings.js'))).toBe(true)
    expect(loaded.filter((file) => /elliptic|secp256k1\/index\.js/.test(file))).toEqual([])
  })
})

function uncompressedByOpenssl(compressed: Uint8Array): Uint8Array {
  const prefix = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex')
  const key = createPublicKey({ key: Buffer.concat([prefix, compressed]), format: 'der', type: 'spki' })
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

function highS(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`)
  const high = (BigInt(`0x${orderN}`) - s).toString(16).padStart(64, '0')
  return hex(Buffer.from(signature.subarray(0, 32)).toString('hex') + high)
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

function sha256(message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(message).digest())
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
