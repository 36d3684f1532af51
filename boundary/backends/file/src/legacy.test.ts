import { createCipheriv, createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, createTestKdf, spellings } from '@countersign/keys/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileBackend } from './file-backend.ts'
import { importLegacyKey, openLegacyKeyFile } from './legacy.ts'

const secret = 'old secret'
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-legacy-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Writes a file as the older software does, with node:crypto only. */
function writeOldFile(
  plaintext: string,
  change: (file: Record<string, string>) => unknown = (file) => file,
): string {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), iv)
  const encrypted = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  const file = {
    iv: iv.toString('base64'),
    encrypted: encrypted.toString('base64'),
    authTag: cipher.getAuthTag().toString('base64'),
  }
  const path = join(folder, `${randomBytes(8).toString('hex')}.json`)
  writeFileSync(path, JSON.stringify(change(file)), { mode: 0o600 })
  return path
}

const seed = randomBytes(32)
const pair = (): number[] => {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const jwk = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  return [...seed, ...Buffer.from(jwk.x ?? '', 'base64url')]
}

describe('older key files', () => {
  it('opens a Solana key pair and leaves the file as it is', async () => {
    const path = writeOldFile(JSON.stringify(pair()))
    const before = [readFileSync(path, 'utf8'), statSync(path).mtimeMs, statSync(path).mode]
    const opened = await openLegacyKeyFile({ path, secret })
    expect(opened).toEqual({ algorithm: 'ed25519', secretKey: new Uint8Array(seed), wasExposed: false })
    expect([readFileSync(path, 'utf8'), statSync(path).mtimeMs, statSync(path).mode]).toEqual(before)
  })

  it('opens one written with spaces, as bytes, and says when others could read it', async () => {
    const path = writeOldFile(JSON.stringify(pair()))
    const text = JSON.stringify(JSON.parse(readFileSync(path, 'utf8')), null, 2)
    writeFileSync(`${path}.spaced`, text, { mode: 0o644 })
    const opened = await openLegacyKeyFile({ path: `${path}.spaced`, secret: Buffer.from(secret) })
    expect(opened.wasExposed).toBe(true)
  })

  it('opens 32 bytes as what the caller says, and only then', async () => {
    const path = writeOldFile(JSON.stringify([...seed]))
    expect(await codeOf(openLegacyKeyFile({ path, secret }))).toBe('KEYS_ALGORITHM_MISMATCH')
    for (const algorithm of ['secp256k1', 'ed25519'] as const) {
      const opened = await openLegacyKeyFile({ path, secret, algorithm })
      expect(opened).toMatchObject({ algorithm, secretKey: new Uint8Array(seed) })
    }
    const solana = writeOldFile(JSON.stringify(pair()))
    const wrong = openLegacyKeyFile({ path: solana, secret, algorithm: 'secp256k1' })
    expect(await codeOf(wrong)).toBe('KEYS_ALGORITHM_MISMATCH')
    const zero = writeOldFile(JSON.stringify(new Array(32).fill(0)))
    const none = openLegacyKeyFile({ path: zero, secret, algorithm: 'secp256k1' })
    expect(await codeOf(none)).toBe('KEYS_SECRET_KEY_INVALID')
  })

  it('imports into the file backend under a new name, once', async () => {
    const path = writeOldFile(JSON.stringify(pair()))
    const backend = await openFileBackend({
      directory: join(folder, 'keys'),
      secret: 'a secret of enough bytes',
      kdf: createTestKdf(),
      allowWeakKdf: true,
    })
    const { key, wasExposed } = await importLegacyKey(backend, { path, secret, name: 'wal_imported' })
    expect([key, wasExposed]).toEqual(['file:ed25519:wal_imported', false])
    expect([...(await backend.publicKey(key)).bytes]).toEqual(pair().slice(32))
    const again = importLegacyKey(backend, { path, secret, name: 'wal_imported' })
    expect(await codeOf(again)).toBe('KEYS_KEY_EXISTS')
    await backend.close()
  })

  it('refuses a wrong secret and every change of the file', async () => {
    const path = writeOldFile(JSON.stringify(pair()))
    expect(await codeOf(openLegacyKeyFile({ path, secret: `${secret}!` }))).toBe('KEYS_LEGACY_UNREADABLE')
    const original = readFileSync(path)
    for (let i = 0; i < original.length; i++) {
      const changed = Buffer.from(original)
      changed[i] = (changed[i] ?? 0) ^ (1 << (i % 7))
      writeFileSync(path, changed)
      expect(await codeOf(openLegacyKeyFile({ path, secret }))).toBe('KEYS_LEGACY_UNREADABLE')
    }
  })

  it.each([
    ['a short tag', (file: Record<string, string>) => ({ ...file, authTag: file.authTag?.slice(0, 4) })],
    ['a 12-byte IV', (file: Record<string, string>) => ({ ...file, iv: randomBytes(12).toString('base64') })],
    ['a member more', (file: Record<string, string>) => ({ ...file, version: 1 })],
    ['a number', (file: Record<string, string>) => ({ ...file, iv: 7 })],
    ['an array', () => []],
    ['null', () => null],
  ])('refuses %s', async (_, change) => {
    const path = writeOldFile(JSON.stringify(pair()), change)
    expect(await codeOf(openLegacyKeyFile({ path, secret }))).toBe('KEYS_LEGACY_UNREADABLE')
  })

  it.each([
    'rubbish',
    '[]',
    '{}',
    JSON.stringify(new Array(31).fill(1)),
    JSON.stringify(new Array(32).fill(256)),
    JSON.stringify(new Array(32).fill(-1)),
    JSON.stringify(new Array(32).fill(0.5)),
    JSON.stringify(new Array(32).fill('1')),
    JSON.stringify(new Array(64).fill(1)),
  ])('refuses a file that holds no key (case %#)', async (plaintext) => {
    const path = writeOldFile(plaintext)
    expect(await codeOf(openLegacyKeyFile({ path, secret, algorithm: 'ed25519' }))).toBe(
      'KEYS_LEGACY_UNREADABLE',
    )
  })

  it('repeats nothing of the key or secret when it refuses', async () => {
    const path = writeOldFile(JSON.stringify([...pair().slice(0, 63), 999]))
    const failure = await openLegacyKeyFile({ path, secret }).catch((error: Error) => error)
    const shown = `${JSON.stringify(failure)} ${failure instanceof Error ? `${failure.stack} ${failure.cause}` : ''}`
    for (const spelling of [...spellings(seed), secret]) expect(shown.includes(spelling)).toBe(false)
  })

  it('refuses links, folders and what is not there', async () => {
    const path = writeOldFile(JSON.stringify(pair()))
    symlinkSync(path, `${path}.link`)
    expect(await codeOf(openLegacyKeyFile({ path: `${path}.link`, secret }))).toBe('KEYS_PERMISSIONS')
    expect(await codeOf(openLegacyKeyFile({ path: folder, secret }))).toBe('KEYS_LEGACY_UNREADABLE')
    expect(await codeOf(openLegacyKeyFile({ path: `${path}.none`, secret }))).toBe('KEYS_KEY_NOT_FOUND')
  })
})
