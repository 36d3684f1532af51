import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOfSealed, Secret } from '@countersign/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyDataDir } from '../../../test/faults/copy-data-dir.ts'
import { paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner, testSecret } from '../../../test/signer/test-signer.ts'
import { parseSignerConfig } from './config.ts'
import { answerForwarded } from './forward.ts'
import { openSigner } from './open-signer.ts'
import { errorAnswer } from './server.ts'

type Alter = (path: string, folder: string) => void
const truncate: Alter = (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -40))
/** @param isClever With the file's own digest made again, so that only the authentication tag can tell. */
const alter =
  (member: string, isClever: boolean, change: (text: string) => unknown): Alter =>
  (path) => {
    const { digest, ...members } = JSON.parse(readFileSync(path, 'utf8'))
    const changed = { ...members, [member]: change(members[member]) }
    const whole = { ...changed, digest: isClever ? digestOfSealed(changed) : digest }
    const keys = Object.keys(whole).sort()
    writeFileSync(path, `${JSON.stringify(Object.fromEntries(keys.map((key) => [key, whole[key]])))}\n`)
  }
const flip = (text: string) => `${text[0] === 'A' ? 'B' : 'A'}${text.slice(1)}`
const link: Alter = (path, folder) => {
  renameSync(path, join(folder, 'elsewhere.json'))
  symlinkSync(join(folder, 'elsewhere.json'), path)
}

let test: TestSigner
let other: TestSigner
let dataDir: string
let otherDir: string
const wallets = new Map<string, string>()
const altered: [string, Alter, string, RegExp][] = [
  ['truncated', truncate, 'KEYS_FILE_TRUNCATED', /wal_/],
  ['a bit flipped', alter('ciphertext', false, flip), 'KEYS_FILE_DAMAGED', /wal_/],
  ['a bit flipped, digest made again', alter('ciphertext', true, flip), 'KEYS_FILE_DAMAGED', /wal_/],
  ['its name changed', alter('name', true, () => 'wal_0'), 'KEYS_FILE_SWAPPED', /wal_/],
  ['its algorithm changed', alter('algorithm', true, () => 'ed25519'), 'KEYS_ALGORITHM_MISMATCH', /wal_/],
  ['swapped with another wallet’s', (path) => cpSync(keyFile('healthy'), path), 'KEYS_FILE_SWAPPED', /wal_/],
  [
    'of another store',
    (path) => cpSync(join(otherDir, 'keys', 'wal_foreign.json'), path),
    'KEYS_FILE_SWAPPED',
    /wal_/,
  ],
  ['removed', (path) => rmSync(path), 'KEYS_KEY_NOT_FOUND', /wal_/],
  ['a symbolic link', link, 'KEYS_PERMISSIONS', /wal_/],
  ['readable by the group', (path) => chmodSync(path, 0o640), 'KEYS_PERMISSIONS', /wal_/],
]
const keyFile = (name: string) => join(dataDir, 'keys', `${wallets.get(name)}.json`)

beforeAll(async () => {
  test = await openTestSigner({ backend: 'file' })
  other = await openTestSigner({ backend: 'file' })
  dataDir = join(test.directory, 'signer')
  otherDir = join(other.directory, 'signer')
  await test.putPolicy(paymentPolicy('test'))
  for (const name of ['healthy', ...altered.map(([name]) => name)]) {
    const body = { type: 'EVM', policy: 'test' }
    const made = await test.ask('POST', '/v1/wallets', body, { by: test.admins })
    wallets.set(name, (made.body as { id: string }).id)
  }
  const foreign = wallets.get('of another store') as string
  const key = await other.signer.backend.createKey({ algorithm: 'secp256k1', name: foreign })
  expect(key).toContain(foreign)
  renameSync(join(otherDir, 'keys', `${foreign}.json`), join(otherDir, 'keys', 'wal_foreign.json'))
  for (const [name, change] of altered) change(keyFile(name), test.directory)
  test = await test.reopen()
})
afterAll(async () => {
  await test.close()
  await other.close()
})

describe('a wallet’s key file', () => {
  const signMessage = async (name: string) => {
    const path = `/v1/wallets/${wallets.get(name)}/sign-message`
    const forwarded = await test.signed('POST', path, { message: `signed by ${name}` }, { by: test.agent })
    return answerForwarded(test.signer, forwarded).catch(errorAnswer)
  }

  it.each(altered)('%s: nothing is signed with it', async (name, _change, code, named) => {
    const answer = await signMessage(name)
    expect(errorCode(answer)).toBe(code)
    expect((answer.body as { error: { message: string } }).error.message).toMatch(named)
    expect(JSON.stringify(answer.body)).not.toContain('signature"')
    const last = await test.signer.journal.leaves(test.signer.journal.size() - 1, 1)
    expect(JSON.parse(last[0] as string)).toMatchObject({ type: 'abandoned' })
  })

  it('and the other wallets sign on', async () => {
    expect((await signMessage('healthy')).status).toBe(200)
    expect(test.signer.phase()).toBe('ready')
  })
})

describe('the signer’s own files', () => {
  const at = (folder: string, name: string) => join(folder, 'signer', name)
  const own = (change: Alter) => (folder: string) => change(at(folder, 'signer-key.json'), folder)
  const store = (change: Alter) => (folder: string) => change(at(folder, 'keys/keystore.json'), folder)
  const attacks: [string, (folder: string) => void, string, RegExp][] = [
    ['signer-key.json truncated', own(truncate), 'KEYS_FILE_TRUNCATED', /signer-key/],
    ['signer-key.json flipped', own(alter('ciphertext', false, flip)), 'KEYS_FILE_DAMAGED', /signer-key/],
    [
      'signer-key.json flipped, digest made again',
      own(alter('ciphertext', true, flip)),
      'KEYS_FILE_DAMAGED',
      /sgn_/,
    ],
    [
      'signer-key.json with another name',
      own(alter('name', true, () => `sgn_${'0'.repeat(32)}`)),
      'KEYS_FILE_DAMAGED',
      /sgn_/,
    ],
    [
      'signer-key.json with cheap key derivation',
      own(alter('kdf', true, (kdf) => ({ ...(kdf as unknown as object), N: 2 }))),
      'KEYS_KDF_REFUSED',
      /weak/,
    ],
    [
      'signer-key.json of another signer',
      own((path) => cpSync(join(otherDir, 'signer-key.json'), path)),
      'SIGNER_STORE_TAMPERED',
      /record/,
    ],
    [
      'signer-key.json a wallet’s key',
      own((path) => cpSync(keyFile('healthy'), path)),
      'KEYS_FILE_SWAPPED',
      /wal_/,
    ],
    ['signer-key.json a link', own(link), 'SIGNER_PERMISSIONS', /signer-key/],
    [
      'signer-key.json open to others',
      own((path) => chmodSync(path, 0o604)),
      'SIGNER_PERMISSIONS',
      /signer-key/,
    ],
    ['signer-key.json gone', own((path) => rmSync(path)), 'SIGNER_NOT_INITIALISED', /no signer/],
    [
      'signer.db open to the group',
      (folder) => chmodSync(at(folder, 'signer.db'), 0o660),
      'SIGNER_PERMISSIONS',
      /signer\.db/,
    ],
    ['signer.db gone', (folder) => rmSync(at(folder, 'signer.db')), 'SIGNER_NOT_INITIALISED', /signer\.db/],
    [
      'signer.db empty',
      (folder) => writeFileSync(at(folder, 'signer.db'), ''),
      'SIGNER_NOT_INITIALISED',
      /empty/,
    ],
    [
      'the data directory open to others',
      (folder) => chmodSync(at(folder, '.'), 0o755),
      'SIGNER_PERMISSIONS',
      /signer/,
    ],
    [
      'the key directory open to the group',
      (folder) => chmodSync(at(folder, 'keys'), 0o750),
      'KEYS_PERMISSIONS',
      /750/,
    ],
    ['keystore.json flipped', store(alter('tag', true, flip)), 'KEYS_FILE_DAMAGED', /keystore/],
    ['keystore.json gone', store((path) => rmSync(path)), 'KEYS_STORE_INCOMPLETE', /keystore/],
  ]
  let folder: string
  let pristine: string
  beforeAll(async () => {
    await test.signer.close()
    // What the attacks above left behind would be met first, or last, as the directory happens to list it.
    for (const [name] of altered) rmSync(keyFile(name), { force: true })
    folder = mkdtempSync(join(tmpdir(), 'countersign-attacked-'))
    pristine = dataDir
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    test = { ...test, close: async () => rmSync(test.directory, { recursive: true, force: true }) }
  })

  it.each(attacks)('%s', async (name, attack, code, named) => {
    const copy = mkdtempSync(join(folder, 'copy-'))
    copyDataDir(pristine, join(copy, 'signer'))
    attack(copy)
    const config = parseSignerConfig(
      {
        dataDir: join(copy, 'signer'),
        backend: 'file',
        quorum: 1,
        admins: [{ algorithm: 'p256', publicKey: test.admins[0]?.publicKey, name }],
      },
      {},
      copy,
    )
    const opening = openSigner({ config, env: {}, secret: new Secret(testSecret), onHalt: () => undefined })
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(named) })
  })
})
