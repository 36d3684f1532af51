import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalJson } from '@countersign/bytes'
import {
  isCheckingSigner,
  type KeyThread,
  type KeyUri,
  keysOn,
  Secret,
  type TaskThread,
} from '@countersign/keys'
import { codeOf, createTestKdf, describeBackend } from '@countersign/keys/testing'
import { startKeyThread } from '@countersign/keys/testing/key-thread'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FileBackend, openFileBackend } from './file-backend.ts'

const secret = 'a secret of enough bytes'
const kdf = createTestKdf()
const roots: string[] = []

function freshDirectory(): string {
  const root = mkdtempSync(join(tmpdir(), 'countersign-file-'))
  roots.push(root)
  return join(root, 'data', 'keys')
}

function openStore(directory: string, given: string | Secret = secret): Promise<FileBackend> {
  return openFileBackend({ directory, secret: given, kdf, allowWeakKdf: true })
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

describeBackend('file', async () => {
  const directory = freshDirectory()
  return {
    backend: await openStore(directory),
    reopen: () => openStore(directory),
    secrets: [Buffer.from(secret)],
  }
})

describe('with its keys on their own thread', () => {
  let thread: TaskThread
  let keyThread: KeyThread
  beforeAll(() => {
    thread = startKeyThread((error) => {
      throw error
    })
    keyThread = keysOn(thread)
  })
  afterAll(() => thread.stop())

  describeBackend('file', async () => {
    const directory = freshDirectory()
    const open = () => openFileBackend({ directory, secret, kdf, allowWeakKdf: true, keyThread })
    return { backend: await open(), reopen: open, secrets: [Buffer.from(secret)] }
  })

  it('checks what it has signed against the public key that it is given', async () => {
    const options = {
      directory: freshDirectory(),
      secret,
      kdf,
      allowWeakKdf: true,
      openedKeysMax: 1,
      keyThread,
    }
    const backend = await openFileBackend(options)
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => backend.createKey({ algorithm: 'secp256k1', name })),
    )
    if (one === undefined || two === undefined) throw new Error('no keys')
    const payload = new Uint8Array(randomBytes(32))
    const [ours, others] = await Promise.all(
      [one, two].map(async (key) => (await backend.publicKey(key)).bytes),
    )
    if (ours === undefined || others === undefined) throw new Error('no public keys')
    // With room for one, each call opens a key and closes the other's.
    for (let i = 0; i < 10; i++) {
      const [right, wrong] = await Promise.all([
        backend.signChecked({ key: one, payload, publicKey: ours }),
        backend.signChecked({ key: two, payload, publicKey: ours }),
      ])
      expect(right.recovery).toBe((await backend.sign({ key: one, payload })).recovery)
      expect(right.bytes).toEqual((await backend.sign({ key: one, payload })).bytes)
      expect(wrong).toEqual({ bytes: new Uint8Array(64), recovery: undefined })
    }
    expect((await backend.signChecked({ key: two, payload, publicKey: others })).recovery).toBeDefined()
    expect(isCheckingSigner(backend)).toBe(true)
    await backend.close()
    expect(await codeOf(backend.signChecked({ key: one, payload, publicKey: ours }))).toBe('KEYS_CLOSED')
  })

  it('does not say that it checks where it has no such thread', async () => {
    const backend = await openStore(freshDirectory())
    expect(isCheckingSigner(backend)).toBe(false)
    await backend.close()
  })
})

describe('file backend', () => {
  let directory: string
  let backend: FileBackend
  let key: KeyUri
  let file: string
  beforeEach(async () => {
    directory = freshDirectory()
    backend = await openStore(directory)
    key = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
    file = join(directory, 'wal_1.json')
  })
  afterEach(async () => {
    await backend.close()
  })

  /** What a freshly started signer says of the key. */
  async function codeAfterRestart(uri = key): Promise<string> {
    const again = await openStore(directory)
    try {
      const code = await codeOf(again.sign({ key: uri, payload: new Uint8Array(32) }))
      expect(await codeOf(again.publicKey(uri))).toBe(code)
      return code
    } finally {
      await again.close()
    }
  }

  it('keeps the directory to 0700 and the files to 0600, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      const open = freshDirectory()
      const store = await openStore(open)
      await store.createKey({ algorithm: 'ed25519', name: 'a' })
      await store.close()
      expect(statSync(open).mode & 0o777).toBe(0o700)
      expect(readdirSync(open).sort()).toEqual(['a.json', 'keystore.json'])
      for (const name of readdirSync(open)) expect(statSync(join(open, name)).mode & 0o777).toBe(0o600)
    } finally {
      process.umask(before)
    }
  })

  it('writes its costs, and neither key nor secret', async () => {
    const text = readFileSync(file, 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      version: 1,
      type: 'countersign-key',
      name: 'wal_1',
      algorithm: 'secp256k1',
      kdf: { name: 'scrypt', N: 16, r: 1, p: 1 },
    })
    expect(text.includes(secret)).toBe(false)
    expect(readFileSync(join(directory, 'keystore.json'), 'utf8').includes(secret)).toBe(false)
  })

  it('refuses costs as low as these tests’ unless told so', async () => {
    expect(await codeOf(openFileBackend({ directory, secret }))).toBe('KEYS_KDF_REFUSED')
    const options = { directory: freshDirectory(), secret, kdf }
    expect(await codeOf(openFileBackend(options))).toBe('KEYS_KDF_REFUSED')
  })

  it('opens with its real costs, and takes the secret in its wrapper', async () => {
    const real = freshDirectory()
    const first = await openFileBackend({ directory: real, secret: new Secret(secret) })
    const uri = await first.createKey({ algorithm: 'ed25519', name: 'a' })
    const publicKey = await first.publicKey(uri)
    await first.close()
    const second = await openFileBackend({ directory: real, secret })
    expect(await second.publicKey(uri)).toEqual(publicKey)
    await second.close()
  })

  it('refuses every byte of a key file changed, always as damaged or truncated', async () => {
    const again = await openStore(directory)
    const original = readFileSync(file)
    for (let i = 0; i < original.length; i++) {
      const changed = Buffer.from(original)
      changed[i] = (changed[i] ?? 0) ^ (1 << (i & 7))
      writeFileSync(file, changed)
      const code = await codeOf(again.sign({ key, payload: new Uint8Array(32) }))
      expect(code).toBe(i >= original.length - 2 ? 'KEYS_FILE_TRUNCATED' : 'KEYS_FILE_DAMAGED')
    }
    writeFileSync(file, original)
    expect(await codeOf(again.sign({ key, payload: new Uint8Array(32) }))).toBe('no error')
    await again.close()
  })

  it('refuses every byte of keystore.json changed', async () => {
    const path = join(directory, 'keystore.json')
    const original = readFileSync(path)
    for (let i = 0; i < original.length; i++) {
      const changed = Buffer.from(original)
      changed[i] = (changed[i] ?? 0) ^ (1 << (i & 7))
      writeFileSync(path, changed)
      expect(await codeOf(openStore(directory))).toMatch(/^KEYS_FILE_(DAMAGED|TRUNCATED)$/)
    }
  })

  it('names a truncated file, also an empty one', async () => {
    const original = readFileSync(file)
    for (const length of [0, 1, 100, original.length - 1]) {
      writeFileSync(file, original.subarray(0, length))
      expect(await codeAfterRestart()).toBe('KEYS_FILE_TRUNCATED')
    }
  })

  it('names a wrong secret, whether at the store or at one file', async () => {
    expect(await codeOf(openStore(directory, `${secret}!`))).toBe('KEYS_SECRET_WRONG')
    expect(await codeOf(openStore(directory, 'short'))).toBe('KEYS_SECRET_WEAK')
    expect(await codeOf(openStore(directory, ''))).toBe('KEYS_SECRET_MISSING')
    const other = freshDirectory()
    const store = await openStore(other, `${secret}!`)
    await store.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
    await store.close()
    copyFileSync(join(other, 'wal_1.json'), file)
    expect(await codeAfterRestart()).toBe('KEYS_SECRET_WRONG')
  })

  it('names a file of another wallet, another purpose, another store', async () => {
    const second = await backend.createKey({ algorithm: 'secp256k1', name: 'wal_2' })
    const original = readFileSync(file)
    copyFileSync(join(directory, 'wal_2.json'), file)
    expect(await codeAfterRestart()).toBe('KEYS_FILE_SWAPPED')
    expect(await codeAfterRestart(second)).toBe('no error')
    copyFileSync(join(directory, 'keystore.json'), file)
    expect(await codeAfterRestart()).toBe('KEYS_FILE_SWAPPED')
    const other = freshDirectory()
    const store = await openFileBackend({
      directory: other,
      secret,
      kdf: createTestKdf(),
      allowWeakKdf: true,
    })
    await store.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
    await store.close()
    copyFileSync(join(other, 'wal_1.json'), file)
    expect(await codeAfterRestart()).toBe('KEYS_FILE_SWAPPED')
    writeFileSync(file, original)
    expect(await codeAfterRestart()).toBe('no error')
  })

  it('does not open a file whose name was changed inside, digest and all', async () => {
    const text = readFileSync(file, 'utf8')
    const { digest: _, ...members } = { ...JSON.parse(text), name: 'wal_2' }
    const digest = createHash('sha256').update(canonicalJson(members)).digest('base64url')
    const forged = `${canonicalJson({ ...members, digest })}\n`
    writeFileSync(join(directory, 'wal_2.json'), forged, { mode: 0o600 })
    expect(await codeAfterRestart('file:secp256k1:wal_2' as KeyUri)).toBe('KEYS_FILE_DAMAGED')
  })

  it('names a version of the future', async () => {
    const { digest: _, ...members } = { ...JSON.parse(readFileSync(file, 'utf8')), version: 2 }
    const digest = createHash('sha256').update(canonicalJson(members)).digest('base64url')
    writeFileSync(file, `${canonicalJson({ ...members, digest })}\n`)
    expect(await codeAfterRestart()).toBe('KEYS_FILE_VERSION_UNKNOWN')
  })

  it('names a file of the older format, and opens a store beside such files', async () => {
    const old = JSON.stringify({ iv: 'AA==', encrypted: 'AA==', authTag: 'AA==' })
    writeFileSync(file, old)
    expect(await codeAfterRestart()).toBe('KEYS_FILE_LEGACY')
    unlinkSync(join(directory, 'keystore.json'))
    await (await openStore(directory)).close()
    expect(existsSync(join(directory, 'keystore.json'))).toBe(true)
  })

  it('does not start a new store beside keys of a lost one', async () => {
    unlinkSync(join(directory, 'keystore.json'))
    expect(await codeOf(openStore(directory))).toBe('KEYS_STORE_INCOMPLETE')
    writeFileSync(file, 'rubbish')
    expect(await codeOf(openStore(directory))).toBe('KEYS_STORE_INCOMPLETE')
    expect(existsSync(join(directory, 'keystore.json'))).toBe(false)
  })

  it.each([0o640, 0o604, 0o660, 0o620, 0o601, 0o644, 0o666])('refuses a file of mode %o', async (mode) => {
    chmodSync(file, mode)
    expect(await codeAfterRestart()).toBe('KEYS_PERMISSIONS')
    chmodSync(file, 0o400)
    expect(await codeAfterRestart()).toBe('no error')
    chmodSync(join(directory, 'keystore.json'), mode)
    expect(await codeOf(openStore(directory))).toBe('KEYS_PERMISSIONS')
  })

  it.each([0o750, 0o705, 0o711, 0o770, 0o755, 0o777])('refuses a directory of mode %o', async (mode) => {
    chmodSync(directory, mode)
    expect(await codeOf(openStore(directory))).toBe('KEYS_PERMISSIONS')
  })

  it.runIf(process.getuid?.() === 0)('refuses files and directories of another user', async () => {
    chownSync(file, 65_534, 65_534)
    expect(await codeAfterRestart()).toBe('KEYS_PERMISSIONS')
    chownSync(file, 0, 0)
    chownSync(directory, 65_534, 65_534)
    expect(await codeOf(openStore(directory))).toBe('KEYS_PERMISSIONS')
  })

  it('follows no symbolic link, and hangs on no pipe', async () => {
    renameSync(file, join(directory, 'elsewhere'))
    symlinkSync(join(directory, 'elsewhere'), file)
    expect(await codeAfterRestart()).toBe('KEYS_PERMISSIONS')
    unlinkSync(file)
    mkdirSync(file, { mode: 0o700 })
    expect(await codeAfterRestart()).toBe('KEYS_PERMISSIONS')
    rmSync(file, { recursive: true })
    expect(spawnSync('mkfifo', ['-m', '600', file]).status).toBe(0)
    expect(await codeAfterRestart()).toBe('KEYS_PERMISSIONS')
    const linked = join(freshDirectory(), '..', '..', 'linked')
    symlinkSync(directory, linked)
    expect(await codeOf(openStore(linked))).toBe('KEYS_PERMISSIONS')
    writeFileSync(`${linked}-file`, '', { mode: 0o600 })
    expect(await codeOf(openStore(`${linked}-file`))).toBe('KEYS_STORE_UNAVAILABLE')
  })

  it('refuses a file longer than any of its own', async () => {
    writeFileSync(file, Buffer.alloc(70_000, 0x20))
    expect(await codeAfterRestart()).toBe('KEYS_FILE_DAMAGED')
  })

  it('takes no half-written file for a key, and removes those of a writer killed long ago', async () => {
    const whole = readFileSync(file)
    const young = join(directory, `.wal_9.${randomBytes(8).toString('hex')}.tmp`)
    const old = join(directory, `.wal_8.${randomBytes(8).toString('hex')}.tmp`)
    const linked = join(directory, `.wal_1.${randomBytes(8).toString('hex')}.tmp`)
    for (const path of [young, old]) writeFileSync(path, whole.subarray(0, 200), { mode: 0o600 })
    linkSync(file, linked)
    utimesSync(old, new Date(0), new Date(0))
    utimesSync(linked, new Date(0), new Date(0))
    expect(await codeAfterRestart('file:secp256k1:wal_9' as KeyUri)).toBe('KEYS_KEY_NOT_FOUND')
    expect([existsSync(young), existsSync(old), existsSync(linked)]).toEqual([true, false, false])
    expect(await codeAfterRestart()).toBe('no error')
    await backend.createKey({ algorithm: 'secp256k1', name: 'wal_9' })
    expect(await codeAfterRestart('file:secp256k1:wal_9' as KeyUri)).toBe('no error')
  })

  it('acknowledges nothing that a kill can lose', async () => {
    const killed = freshDirectory()
    const index = new URL('./index.ts', import.meta.url).href
    const script = `
      import { openFileBackend } from ${JSON.stringify(index)}
      const backend = await openFileBackend({ directory: ${JSON.stringify(killed)}, secret: ${JSON.stringify(secret)},
        kdf: ${JSON.stringify(kdf)}, allowWeakKdf: true })
      let made = 0
      for (let i = 0; i < 200; i++) {
        backend.createKey({ algorithm: 'ed25519', name: 'k' + i }).then((key) => {
          process.stdout.write(key + '\\n')
          if (++made === 40) process.kill(process.pid, 'SIGKILL')
        })
      }`
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    expect(signal).toBe('SIGKILL')
    const acknowledged = stdout.trim().split('\n') as KeyUri[]
    expect(acknowledged.length).toBeGreaterThanOrEqual(40)
    const again = await openStore(killed)
    for (const uri of acknowledged) expect((await again.publicKey(uri)).bytes).toHaveLength(32)
    for (const name of readdirSync(killed)) {
      if (name.startsWith('.') || name === 'keystore.json') continue
      const uri = `file:ed25519:${name.slice(0, -5)}` as KeyUri
      expect((await again.publicKey(uri)).bytes).toHaveLength(32)
    }
    await again.close()
  })

  it('never writes over a key that appeared meanwhile, and leaves no temporary file', async () => {
    const before = readFileSync(file)
    const other = await openStore(directory)
    expect(await codeOf(other.createKey({ algorithm: 'ed25519', name: 'wal_1' }))).toBe('KEYS_KEY_EXISTS')
    expect(readFileSync(file).equals(before)).toBe(true)
    const codes = await Promise.all(
      [backend, other, backend, other].map((store) =>
        codeOf(store.createKey({ algorithm: 'ed25519', name: 'wal_2' })),
      ),
    )
    expect(codes.filter((code) => code === 'no error')).toHaveLength(1)
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
    const uri = 'file:ed25519:wal_2' as KeyUri
    expect(await other.publicKey(uri)).toEqual(await backend.publicKey(uri))
    await other.close()
  })

  it('makes one store when two processes start at once', async () => {
    const shared = freshDirectory()
    const stores = await Promise.all(
      Array.from({ length: 8 }, () =>
        openFileBackend({ directory: shared, secret, kdf: createTestKdf(), allowWeakKdf: true }),
      ),
    )
    for (const [i, store] of stores.entries()) await store.createKey({ algorithm: 'ed25519', name: `k${i}` })
    const [first] = stores
    for (const i of stores.keys()) {
      expect((await first?.publicKey(`file:ed25519:k${i}` as KeyUri))?.bytes).toHaveLength(32)
    }
    for (const store of stores) await store.close()
  })

  it('keeps the name of keystore.json to itself', async () => {
    const creating = backend.createKey({ algorithm: 'ed25519', name: 'keystore' })
    expect(await codeOf(creating)).toBe('KEYS_NAME_INVALID')
    expect(await codeOf(backend.publicKey('file:ed25519:keystore' as KeyUri))).toBe('KEYS_KEY_NOT_FOUND')
  })

  it('opens keys again that were pushed out of memory, also under load', async () => {
    const small = await openFileBackend({ directory, secret, allowWeakKdf: true, openedKeysMax: 2 })
    const uris = await Promise.all(
      Array.from({ length: 12 }, (_, i) => small.createKey({ algorithm: 'ed25519', name: `k${i}` })),
    )
    const before = await Promise.all(uris.map((uri) => small.publicKey(uri)))
    const many = [...uris, ...uris, ...uris]
    const after = await Promise.all(many.map((uri) => small.publicKey(uri)))
    expect(after).toEqual([...before, ...before, ...before])
    await small.close()
  })

  it('gives an error, not a key, when it is closed in the middle', async () => {
    const closing = await openStore(directory)
    const pending = [
      codeOf(closing.sign({ key, payload: new Uint8Array(32) })),
      codeOf(closing.createKey({ algorithm: 'ed25519', name: 'late' })),
    ]
    await closing.close()
    for (const code of await Promise.all(pending)) {
      expect(['no error', 'KEYS_CLOSED', 'KEYS_STORE_UNAVAILABLE']).toContain(code)
    }
    expect(await codeOf(closing.publicKey(key))).toBe('KEYS_CLOSED')
  })

  it('reports a disk that takes no more, and leaves nothing of the key behind', async () => {
    const script = `
      import { openFileBackend } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const backend = await openFileBackend({ directory: ${JSON.stringify(directory)},
        secret: ${JSON.stringify(secret)}, allowWeakKdf: true })
      const failure = await backend.createKey({ algorithm: 'ed25519', name: 'wal_2' }).catch((error) => error)
      process.stdout.write(String(failure.code))`
    // A limit of 0 on the size of files stands in for the full disk: every write fails.
    const limited = `trap '' XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1"`
    const { stdout } = spawnSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
    expect(stdout).toBe('KEYS_STORE_UNAVAILABLE')
    expect(readdirSync(directory).sort()).toEqual(['keystore.json', 'wal_1.json'])
  })

  it('reports a directory that went away', async () => {
    rmSync(directory, { recursive: true })
    const creating = backend.createKey({ algorithm: 'ed25519', name: 'a' })
    expect(await codeOf(creating)).toBe('KEYS_STORE_UNAVAILABLE')
  })
})
