import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { inspect } from 'node:util'
import { isCountersignError } from '@countersign/bytes'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Algorithm, KeyBackend, KeyImporter, KeyUri, PublicKey, SchnorrSigner } from './backend.ts'
import { nobleSecp256k1 } from './noble-secp256k1.ts'
import type { KdfParams } from './sealed-file.ts'
import { createKdfParams } from './sealing.ts'
import { isSchnorrSigner, taprootTweak } from './taproot.ts'

export interface OpenedForSuite {
  readonly backend: KeyBackend & Partial<KeyImporter & SchnorrSigner>
  /** Opens the same store again after `close`. Needed where custody says durable. */
  readonly reopen?: () => Promise<KeyBackend>
  /** Secrets that must show nowhere: the store's password, a raw key. */
  readonly secrets?: readonly Uint8Array[]
}

/** What a backend may be unable to do; each is named where the suite is run, so that no gap is silent. */
export type BackendSkip =
  | 'secp256k1'
  | 'ed25519'
  /** Holds one key only. */
  | 'several-keys'
  /** Ed25519 messages over 4,096 bytes. */
  | 'long-messages'
  /** No Schnorr signatures for Taproot. */
  | 'taproot'

/** scrypt costs for tests only; they open nothing unless `allowWeakKdf` is set as well. */
export function createTestKdf(): KdfParams {
  return createKdfParams({ N: 16, r: 1, p: 1 })
}

/** The code of the CountersignError that a promise rejects with; anything else fails the test. */
export async function codeOf(action: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof action === 'function' ? action() : action)
  } catch (error) {
    if (isCountersignError(error)) return error.code
    throw error
  }
  return 'no error'
}

/** Every way in which a byte string commonly gets printed. */
export function spellings(secret: Uint8Array): string[] {
  const buffer = Buffer.from(secret)
  const list = Array.from(secret)
  return [
    buffer.toString('hex'),
    (buffer.toString('hex').match(/../g) ?? []).slice(0, 8).join(' '),
    buffer.toString('base64'),
    buffer.toString('base64url'),
    list.slice(0, 12).join(','),
    list.slice(0, 12).join(', '),
    ...(/^[\x20-\x7e]{8,}$/.test(buffer.toString('latin1')) ? [buffer.toString('latin1')] : []),
  ]
}

/** Run by every backend. `open` gives a fresh, empty store each time. */
export function describeBackend(
  name: string,
  open: () => Promise<OpenedForSuite>,
  skips: readonly BackendSkip[] = [],
): void {
  const algorithms = (['secp256k1', 'ed25519'] as const).filter((algorithm) => !skips.includes(algorithm))
  const hasSeveralKeys = !skips.includes('several-keys')

  describe(`${name}: key backend`, () => {
    let opened: OpenedForSuite
    let backend: OpenedForSuite['backend']

    beforeEach(async () => {
      opened = await open()
      backend = opened.backend
    })
    afterEach(async () => {
      await backend.close()
    })

    describe.each(algorithms)('%s', (algorithm) => {
      it('creates a key whose URI names backend, algorithm and name', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1-a' })
        expect(key).toBe(`${backend.custody.backend}:${algorithm}:wal_1-a`)
      })

      it('gives the same well-formed public key each time', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const first = await backend.publicKey(key)
        expect(first.algorithm).toBe(algorithm)
        expect(first.bytes).toHaveLength(algorithm === 'secp256k1' ? 33 : 32)
        expect(await backend.publicKey(key)).toEqual(first)
      })

      it('signs what OpenSSL verifies, and only under that payload', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const publicKey = await backend.publicKey(key)
        for (const message of messages(algorithm, skips)) {
          const payload = payloadOf(algorithm, message)
          const { bytes } = await backend.sign({ key, payload })
          expect(bytes).toHaveLength(64)
          expect(opensslVerifies(publicKey, message, bytes)).toBe(true)
          expect(opensslVerifies(publicKey, Buffer.concat([message, Buffer.of(0)]), bytes)).toBe(false)
        }
      })

      it('does not change or keep the payload it is given', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const message = randomBytes(32)
        const payload = payloadOf(algorithm, message)
        const before = Uint8Array.from(payload)
        const { bytes } = await backend.sign({ key, payload })
        expect(Uint8Array.from(payload)).toEqual(before)
        const signed = Uint8Array.from(bytes)
        await backend.sign({ key, payload: payloadOf(algorithm, randomBytes(32)) })
        expect(Uint8Array.from(bytes)).toEqual(signed)
      })

      it('refuses a key it does not have, and a name it has under another algorithm', async () => {
        await backend.createKey({ algorithm, name: 'wal_1' })
        const kind = backend.custody.backend
        const missing = `${kind}:${algorithm}:wal_2` as KeyUri
        const payload = new Uint8Array(32)
        expect(await codeOf(backend.publicKey(missing))).toBe('KEYS_KEY_NOT_FOUND')
        expect(await codeOf(backend.sign({ key: missing, payload }))).toBe('KEYS_KEY_NOT_FOUND')
        const other = `${kind}:${algorithm === 'ed25519' ? 'secp256k1' : 'ed25519'}:wal_1` as KeyUri
        expect(await codeOf(backend.sign({ key: other, payload }))).toBe('KEYS_ALGORITHM_MISMATCH')
        expect(await codeOf(backend.publicKey(other))).toBe('KEYS_ALGORITHM_MISMATCH')
        const elsewhere = `elsewhere:${algorithm}:wal_1` as KeyUri
        expect(await codeOf(backend.sign({ key: elsewhere, payload }))).toBe('KEYS_KEY_NOT_FOUND')
      })

      it.each([
        '',
        'wal_1',
        'a:b:c',
        '../wal_1',
        'file:rsa:wal_1',
        'x:secp256k1:..',
        'x:ed25519:a/b',
        'x:ed25519:A',
      ])('refuses the malformed URI %j', async (uri) => {
        await backend.createKey({ algorithm, name: 'wal_1' })
        expect(await codeOf(backend.publicKey(uri as KeyUri))).toBe('KEYS_URI_MALFORMED')
        expect(await codeOf(backend.sign({ key: uri as KeyUri, payload: new Uint8Array(32) }))).toBe(
          'KEYS_URI_MALFORMED',
        )
      })

      it.each(['', '..', 'a/b', 'a.b', 'Wal', 'a b', 'ü', 'a\0', 'a'.repeat(65)])(
        'refuses to create a key named %j',
        async (bad) => {
          expect(await codeOf(backend.createKey({ algorithm, name: bad }))).toBe('KEYS_NAME_INVALID')
        },
      )

      it('never replaces a key', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const publicKey = await backend.publicKey(key)
        expect(await codeOf(backend.createKey({ algorithm, name: 'wal_1' }))).toBe('KEYS_KEY_EXISTS')
        expect(await backend.publicKey(key)).toEqual(publicKey)
      })

      it('answers 64 signatures at once', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const publicKey = await backend.publicKey(key)
        const all = Array.from({ length: 64 }, () => randomBytes(40))
        const signatures = await Promise.all(
          all.map((message) => backend.sign({ key, payload: payloadOf(algorithm, message) })),
        )
        for (const [i, message] of all.entries()) {
          expect(opensslVerifies(publicKey, message, signatures[i]?.bytes ?? new Uint8Array())).toBe(true)
        }
      })

      it('refuses every verb once closed, and closes twice without harm', async () => {
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        await backend.close()
        await backend.close()
        const payload = new Uint8Array(32)
        expect(await codeOf(backend.sign({ key, payload }))).toBe('KEYS_CLOSED')
        expect(await codeOf(backend.publicKey(key))).toBe('KEYS_CLOSED')
        expect(await codeOf(backend.createKey({ algorithm, name: 'wal_2' }))).toBe('KEYS_CLOSED')
      })

      it('keeps its keys across a restart where it says that it is durable', async () => {
        if (!backend.custody.durable) return
        const key = await backend.createKey({ algorithm, name: 'wal_1' })
        const publicKey = await backend.publicKey(key)
        await backend.close()
        if (opened.reopen === undefined) throw new Error('a durable backend must give the suite `reopen`')
        const again = await opened.reopen()
        try {
          expect(await again.publicKey(key)).toEqual(publicKey)
          const message = randomBytes(50)
          const { bytes } = await again.sign({ key, payload: payloadOf(algorithm, message) })
          expect(opensslVerifies(publicKey, message, bytes)).toBe(true)
          expect(await codeOf(again.createKey({ algorithm, name: 'wal_1' }))).toBe('KEYS_KEY_EXISTS')
        } finally {
          await again.close()
        }
      })

      it('imports a key where it can, signs with it, and shows it nowhere', async () => {
        const imported = randomBytes(32)
        imported[0] = 1
        const secrets = [...(opened.secrets ?? [])]
        let key: KeyUri
        if (backend.importKey === undefined) {
          key = await backend.createKey({ algorithm, name: 'wal_1' })
        } else {
          secrets.push(imported)
          key = await backend.importKey({ algorithm, name: 'wal_1', secretKey: imported })
          const again = backend.importKey({ algorithm, name: 'wal_1', secretKey: imported })
          expect(await codeOf(again)).toBe('KEYS_KEY_EXISTS')
          const short = backend.importKey({ algorithm, name: 'wal_2', secretKey: imported.subarray(1) })
          expect(await codeOf(short)).toBe('KEYS_SECRET_KEY_INVALID')
        }
        await backend.sign({ key, payload: new Uint8Array(32) })
        const shown = [
          inspect(backend, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null }),
          inspect(backend, { customInspect: false, depth: 20, showHidden: true, maxArrayLength: null }),
          JSON.stringify(backend),
          String(backend),
        ]
        const failures = [
          backend.createKey({ algorithm, name: 'wal_1' }),
          backend.sign({ key: 'nonsense' as KeyUri, payload: new Uint8Array(32) }),
          backend.publicKey(`${backend.custody.backend}:${algorithm}:absent` as KeyUri),
        ]
        for (const { reason } of (await Promise.allSettled(failures)) as { reason?: unknown }[]) {
          shown.push(inspect(reason, { depth: 20, showHidden: true }), JSON.stringify(reason), String(reason))
        }
        for (const secret of secrets) {
          for (const spelling of spellings(secret)) {
            // Not `toContain`, whose message on failure would print the secret.
            expect(shown.filter((text) => text.includes(spelling)).length).toBe(0)
          }
        }
      })
    })

    if (algorithms.includes('secp256k1')) {
      it('secp256k1: low s, and a recovery hint that is right where there is one', async () => {
        const key = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
        const publicKey = await backend.publicKey(key)
        for (let i = 0; i < 24; i++) {
          const payload = new Uint8Array(randomBytes(32))
          const { bytes, recovery } = await backend.sign({ key, payload })
          // noble refuses a high s.
          expect(nobleSecp256k1.verify(payload, bytes, publicKey.bytes)).toBe(true)
          if (recovery === undefined) continue
          expect(nobleSecp256k1.recover(payload, bytes, recovery)).toEqual(publicKey.bytes)
        }
      })

      it.each([0, 31, 33, 64])('secp256k1: refuses a payload of %i bytes', async (length) => {
        const key = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
        const signing = backend.sign({ key, payload: new Uint8Array(length) })
        expect(await codeOf(signing)).toBe('KEYS_PAYLOAD_INVALID')
      })
    }

    if (algorithms.includes('secp256k1') && !skips.includes('taproot')) {
      it('Taproot: BIP-340 by the tweaked key, under that digest only', async () => {
        const key = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
        const { bytes } = await backend.publicKey(key)
        const outputKey = taprootOutputKey(bytes)
        for (let i = 0; i < 8; i++) {
          const payload = new Uint8Array(randomBytes(32))
          const before = Uint8Array.from(payload)
          const signature = await backend.signTaproot?.({ key, payload })
          expect(signature).toHaveLength(64)
          expect(Uint8Array.from(payload)).toEqual(before)
          expect(schnorr.verify(signature as Uint8Array, payload, outputKey)).toBe(true)
          // Not by the key itself, and not under anything else.
          expect(schnorr.verify(signature as Uint8Array, payload, bytes.subarray(1))).toBe(false)
          expect(schnorr.verify(signature as Uint8Array, new Uint8Array(32), outputKey)).toBe(false)
        }
      })

      it('Taproot: refuses what is no digest, no key of it, and a key of another curve', async () => {
        const key = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
        const sign = (uri: KeyUri, length = 32) =>
          codeOf(Promise.resolve(backend.signTaproot?.({ key: uri, payload: new Uint8Array(length) })))
        for (const length of [0, 31, 33, 64]) expect(await sign(key, length)).toBe('KEYS_PAYLOAD_INVALID')
        expect(await sign(`${backend.custody.backend}:secp256k1:absent` as KeyUri)).toBe('KEYS_KEY_NOT_FOUND')
        if (!algorithms.includes('ed25519') || !hasSeveralKeys) return
        const other = await backend.createKey({ algorithm: 'ed25519', name: 'wal_2' })
        expect(await sign(other)).toBe('KEYS_ALGORITHM_MISMATCH')
      })
    }
    if (skips.includes('taproot')) {
      it('Taproot: a backend that cannot says so', () => {
        expect(isSchnorrSigner(backend)).toBe(false)
      })
    }

    if (hasSeveralKeys) {
      it('creates 64 keys at once, each its own', async () => {
        const created = await Promise.all(
          Array.from({ length: 64 }, (_, i) =>
            backend.createKey({ algorithm: pick(algorithms, i), name: `wal_${i}` }),
          ),
        )
        const seen = new Set<string>()
        for (const key of created) seen.add(Buffer.from((await backend.publicKey(key)).bytes).toString('hex'))
        expect(seen.size).toBe(64)
      })

      it('lets one of many win a name', async () => {
        const racing = Array.from({ length: 16 }, (_, i) =>
          codeOf(backend.createKey({ algorithm: pick(algorithms, i), name: 'wal_race' })),
        )
        const codes = await Promise.all(racing)
        expect(codes.filter((code) => code === 'no error')).toHaveLength(1)
        expect(codes.filter((code) => code === 'KEYS_KEY_EXISTS')).toHaveLength(15)
      })
    }

    it('says in words who can read the key', () => {
      const { statement, architecture, production, durable } = backend.custody
      expect(architecture.length).toBeGreaterThan(5)
      expect(statement).toMatch(/[Ww]hoever/)
      expect(typeof production).toBe('boolean')
      expect(typeof durable).toBe('boolean')
    })
  })
}

function messages(algorithm: Algorithm, skips: readonly BackendSkip[]): Buffer[] {
  const long = algorithm === 'ed25519' && skips.includes('long-messages') ? 4_000 : 100_000
  return [Buffer.alloc(0), Buffer.from('a'), randomBytes(32), randomBytes(33), randomBytes(long)]
}

function payloadOf(algorithm: Algorithm, message: Uint8Array): Uint8Array {
  return algorithm === 'ed25519' ? message : new Uint8Array(createHash('sha256').update(message).digest())
}

/** OpenSSL hashes itself and parses the key itself, so it shares nothing with what made the signature. */
function opensslVerifies(
  { algorithm, bytes }: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const encoded = (part: Uint8Array) => Buffer.from(part).toString('base64url')
  if (algorithm === 'ed25519') {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: encoded(bytes) }
    return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature)
  }
  const prefix = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex')
  const key = createPublicKey({ key: Buffer.concat([prefix, bytes]), format: 'der', type: 'spki' })
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/** BIP-341 on points, where the signers work on scalars. @param publicKey 33 bytes. */
function taprootOutputKey(publicKey: Uint8Array): Uint8Array {
  const { Point } = secp256k1
  const internal = publicKey.subarray(1)
  const even = Point.fromBytes(Uint8Array.of(2, ...internal))
  return even
    .add(Point.BASE.multiply(taprootTweak(internal)))
    .toBytes(true)
    .slice(1)
}

function pick<T>(values: readonly T[], index: number): T {
  return values[index % values.length] as T
}
