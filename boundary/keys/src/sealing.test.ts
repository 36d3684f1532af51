import { createHash, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { canonicalJson } from '@countersign/bytes'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  createKdfParams,
  encodeSealedFile,
  type KdfParams,
  parseSealedFile,
  type SealedFile,
  SealingKey,
} from './index.ts'
import { codeOf, createTestKdf, spellings } from './testing.ts'

const secret = 'correct horse battery staple'
const weak = { allowWeakKdf: true }
const kdf = createTestKdf()
const header = { type: 'countersign-key', name: 'wal_1', algorithm: 'secp256k1' }
const plaintext = new Uint8Array(randomBytes(32))

describe('sealing', () => {
  let key: SealingKey
  let text: string
  beforeAll(async () => {
    key = await SealingKey.derive(secret, kdf, weak)
    text = encodeSealedFile(key.seal(header, plaintext))
  })

  it('opens what it sealed, also after a restart, also empty', async () => {
    const again = await SealingKey.derive(Buffer.from(secret), kdf, weak)
    expect(again.open(parseSealedFile(text), header)).toEqual(plaintext)
    const empty = again.seal(header, new Uint8Array())
    expect(key.open(parseSealedFile(encodeSealedFile(empty)), header)).toHaveLength(0)
  })

  it('seals the same thing differently each time: own salt, own IV', () => {
    const one = key.seal(header, plaintext)
    const other = key.seal(header, plaintext)
    for (const member of ['salt', 'iv', 'ciphertext', 'tag'] as const)
      expect(one[member]).not.toBe(other[member])
    expect(one.kdf).toEqual(other.kdf)
  })

  it('refuses each byte changed, whichever bit, and says that the file is damaged', async () => {
    const bytes = Buffer.from(text)
    for (let i = 0; i < bytes.length; i++) {
      for (const mask of [1, 0x20, 0x80, 0xff]) {
        const changed = Buffer.from(bytes)
        changed[i] = (changed[i] ?? 0) ^ mask
        for (const encoding of ['latin1', 'utf8'] as const) {
          const code = await codeOf(() => key.open(parseSealedFile(changed.toString(encoding)), header))
          // The last two bytes are how the end is known.
          expect(code).toBe(i >= bytes.length - 2 ? 'KEYS_FILE_TRUNCATED' : 'KEYS_FILE_DAMAGED')
        }
      }
    }
  })

  it('names a truncated file, wherever it ends', async () => {
    for (let length = 0; length < text.length; length++) {
      expect(await codeOf(() => parseSealedFile(text.slice(0, length)))).toBe('KEYS_FILE_TRUNCATED')
    }
  })

  it('refuses bytes added and another spelling of the same JSON', async () => {
    const file = JSON.parse(text) as SealedFile
    for (const other of [
      `${text}\n`,
      ` ${text}`,
      `${JSON.stringify(file, null, 2)}\n`,
      text.replace('{', '{ '),
      text.replace('"name"', '"n\\u0061me"'),
    ]) {
      expect(await codeOf(() => parseSealedFile(other))).toMatch(/^KEYS_FILE_(DAMAGED|TRUNCATED)$/)
    }
  })

  it('refuses each member changed by someone who also mends the digest', async () => {
    const file = parseSealedFile(text)
    const changes: [Partial<SealedFile>, string][] = [
      [{ salt: b64(32) }, 'KEYS_FILE_DAMAGED'],
      [{ iv: b64(12) }, 'KEYS_FILE_DAMAGED'],
      [{ tag: b64(16) }, 'KEYS_FILE_DAMAGED'],
      [{ ciphertext: b64(32) }, 'KEYS_FILE_DAMAGED'],
      [{ ciphertext: '' }, 'KEYS_FILE_DAMAGED'],
      [{ check: b64(16) }, 'KEYS_SECRET_WRONG'],
      [{ kdf: { ...kdf, N: 32 } }, 'KEYS_FILE_SWAPPED'],
      [{ kdf: { ...kdf, salt: b64(32) } }, 'KEYS_FILE_SWAPPED'],
      [{ name: 'wal_2' }, 'KEYS_FILE_SWAPPED'],
      [{ type: 'countersign-other' }, 'KEYS_FILE_SWAPPED'],
      [{ algorithm: 'ed25519' }, 'KEYS_ALGORITHM_MISMATCH'],
      [{ version: 2 as 1 }, 'KEYS_FILE_VERSION_UNKNOWN'],
      [{ iv: b64(16) }, 'KEYS_FILE_DAMAGED'],
      [{ tag: b64(4) }, 'KEYS_FILE_DAMAGED'],
      [{ check: b64(0) }, 'KEYS_FILE_DAMAGED'],
      [{ salt: 7 as unknown as string }, 'KEYS_FILE_DAMAGED'],
      [{ kdf: null as unknown as KdfParams }, 'KEYS_FILE_DAMAGED'],
      [{ kdf: { ...kdf, name: 'none' as 'scrypt' } }, 'KEYS_FILE_DAMAGED'],
      [{ extra: 1 } as Partial<SealedFile>, 'KEYS_FILE_DAMAGED'],
    ]
    for (const [change, code] of changes) {
      const mended = encodeSealedFile(withDigest({ ...file, ...change }))
      expect([change, await codeOf(() => key.open(parseSealedFile(mended), header))]).toEqual([change, code])
    }
  })

  it('authenticates the header: a file renamed from the inside does not open under its new name', async () => {
    const file = parseSealedFile(text)
    for (const change of [{ name: 'wal_2' }, { type: 'other' }, { algorithm: 'ed25519' }]) {
      const renamed = parseSealedFile(encodeSealedFile(withDigest({ ...file, ...change })))
      const opening = () => key.open(renamed, { ...header, ...change })
      expect(await codeOf(opening)).toBe('KEYS_FILE_DAMAGED')
    }
  })

  it('tells a wrong secret from a damaged file', async () => {
    const other = await SealingKey.derive(`${secret}.`, kdf, weak)
    expect(await codeOf(() => other.open(parseSealedFile(text), header))).toBe('KEYS_SECRET_WRONG')
  })

  it('knows the older format by its members', async () => {
    const old = JSON.stringify({ iv: b64(16), encrypted: b64(16), authTag: b64(16) })
    for (const spelled of [old, `${old}\n`]) {
      expect(await codeOf(() => parseSealedFile(spelled))).toBe('KEYS_FILE_LEGACY')
    }
  })

  it.each(['', ' ', 'short', '15 bytes long..'])('refuses the secret %j', async (value) => {
    const code = value === '' ? 'KEYS_SECRET_MISSING' : 'KEYS_SECRET_WEAK'
    expect(await codeOf(SealingKey.derive(value, kdf, weak))).toBe(code)
  })

  it('refuses weak costs unless a test allows them, and costs that would exhaust the machine always', async () => {
    const at = (N: number, r: number, p: number): KdfParams => ({ ...kdf, N, r, p })
    for (const costs of [kdf, at(2 ** 15, 8, 1), at(2 ** 16, 8, 1), at(2 ** 14, 8, 8)]) {
      expect(await codeOf(SealingKey.derive(secret, costs))).toBe('KEYS_KDF_REFUSED')
    }
    for (const costs of [
      at(2 ** 20, 8, 1),
      at(2 ** 17, 64, 1),
      at(2 ** 17, 8, 9),
      at(2 ** 40, 8, 1),
      at(3, 8, 1),
      at(1, 8, 1),
      at(0, 8, 1),
      at(-16, 8, 1),
      at(16, 0, 1),
      at(16, 1, 0),
      at(16.5, 1, 1),
      { ...kdf, name: 'pbkdf2' as 'scrypt' },
    ]) {
      expect(await codeOf(SealingKey.derive(secret, costs, weak))).toBe('KEYS_KDF_REFUSED')
    }
  })

  it('runs at the costs that it writes by default', async () => {
    const params = createKdfParams()
    expect(params).toMatchObject({ N: 131_072, r: 8, p: 1 })
    const real = await SealingKey.derive(secret, params)
    expect(real.open(real.seal(header, plaintext), header)).toEqual(plaintext)
  })

  it('derives a key per purpose, the same each time, unlike under another secret', async () => {
    const again = await SealingKey.derive(secret, kdf, weak)
    const other = await SealingKey.derive(`${secret}!`, kdf, weak)
    expect(key.deriveKey('rows')).toHaveLength(32)
    expect(again.deriveKey('rows')).toEqual(key.deriveKey('rows'))
    expect(key.deriveKey('journal')).not.toEqual(key.deriveKey('rows'))
    expect(other.deriveKey('rows')).not.toEqual(key.deriveKey('rows'))
  })

  it('does nothing once closed', async () => {
    const closing = await SealingKey.derive(secret, kdf, weak)
    const file = closing.seal(header, plaintext)
    closing.close()
    closing.close()
    expect(await codeOf(() => closing.open(file, header))).toBe('KEYS_CLOSED')
    expect(await codeOf(() => closing.seal(header, plaintext))).toBe('KEYS_CLOSED')
    expect(await codeOf(() => closing.deriveKey('rows'))).toBe('KEYS_CLOSED')
  })

  it('shows neither the secret nor what is derived from it', () => {
    const shown = [
      inspect(key, { showHidden: true, customInspect: false }),
      inspect(key),
      JSON.stringify(key),
      text,
    ]
    for (const hidden of [Buffer.from(secret), plaintext, key.deriveKey('rows')]) {
      for (const spelling of spellings(hidden)) {
        expect(shown.filter((one) => one.includes(spelling)).length).toBe(0)
      }
    }
  })
})

function withDigest(file: SealedFile): SealedFile {
  const { digest: _, ...members } = file
  const digest = createHash('sha256').update(canonicalJson(members)).digest('base64url')
  return { ...members, digest } as SealedFile
}

function b64(length: number): string {
  return randomBytes(length).toString('base64url')
}
