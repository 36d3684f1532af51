import type { KeyUri } from '@countersign/keys'
import { codeOf, describeBackend } from '@countersign/keys/testing'
import { describe, expect, it } from 'vitest'
import { openEnvBackend } from './env-backend.ts'

const raw = `${'1f'.repeat(31)}07`

for (const algorithm of ['secp256k1', 'ed25519'] as const) {
  describeBackend(
    `env with ${algorithm}`,
    async () => ({
      backend: await openEnvBackend({
        env: { COUNTERSIGN_RAW_KEY: raw, COUNTERSIGN_RAW_KEY_ALGORITHM: algorithm },
      }),
      secrets: [Buffer.from(raw, 'hex')],
    }),
    ['several-keys', algorithm === 'secp256k1' ? 'ed25519' : 'secp256k1'],
  )
}

describe('env backend', () => {
  it('says that it is a raw key and not for production', async () => {
    const { custody } = await openEnvBackend({ env: { COUNTERSIGN_RAW_KEY: raw } })
    expect(custody.architecture).toBe('raw key in an environment variable')
    expect(custody.production).toBe(false)
    expect(custody.durable).toBe(false)
  })

  it('deletes the variable once read, also from process.env, and also when it refuses its value', async () => {
    process.env.COUNTERSIGN_RAW_KEY = raw
    await openEnvBackend()
    expect(process.env.COUNTERSIGN_RAW_KEY).toBeUndefined()
    const env = { COUNTERSIGN_RAW_KEY: `${raw}00` }
    expect(await codeOf(openEnvBackend({ env }))).toBe('KEYS_RAW_KEY_INVALID')
    expect(env).toEqual({})
  })

  it.each([
    {},
    { COUNTERSIGN_RAW_KEY: '' },
    { COUNTERSIGN_RAW_KEY: raw.slice(2) },
    { COUNTERSIGN_RAW_KEY: `${raw.slice(0, 63)}g` },
    { COUNTERSIGN_RAW_KEY: ` ${raw}` },
    { COUNTERSIGN_RAW_KEY: raw, COUNTERSIGN_RAW_KEY_ALGORITHM: 'rsa' },
  ])('refuses a variable that is not a key (case %#)', async (env: Record<string, string | undefined>) => {
    const failure = await openEnvBackend({ env }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'KEYS_RAW_KEY_INVALID' })
    expect(JSON.stringify(failure).includes(raw.slice(0, 12))).toBe(false)
  })

  it.each(['00'.repeat(32), 'ff'.repeat(32)])('refuses a number that is no secp256k1 key', async (value) => {
    expect(await codeOf(openEnvBackend({ env: { COUNTERSIGN_RAW_KEY: value } }))).toBe(
      'KEYS_SECRET_KEY_INVALID',
    )
  })

  it('refuses production before it reads the key', async () => {
    const env = { COUNTERSIGN_RAW_KEY: raw, COUNTERSIGN_ENV: 'production' }
    expect(await codeOf(openEnvBackend({ env }))).toBe('KEYS_BACKEND_REFUSED')
  })

  it('binds the key to the first name and refuses a second', async () => {
    const backend = await openEnvBackend({ env: { COUNTERSIGN_RAW_KEY: `0x${raw}` } })
    await backend.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
    const second = backend.createKey({ algorithm: 'secp256k1', name: 'wal_2' })
    expect(await codeOf(second)).toBe('KEYS_ONE_KEY_ONLY')
  })

  it('is the same key after a restart with the same variable, and then has no room for another name', async () => {
    const before = await openEnvBackend({ env: { COUNTERSIGN_RAW_KEY: raw } })
    const key = await before.createKey({ algorithm: 'secp256k1', name: 'wal_1' })
    const after = await openEnvBackend({ env: { COUNTERSIGN_RAW_KEY: raw } })
    expect(await codeOf(after.publicKey('env:ed25519:wal_1' as KeyUri))).toBe('KEYS_ALGORITHM_MISMATCH')
    expect(await after.publicKey(key)).toEqual(await before.publicKey(key))
    expect(await codeOf(after.createKey({ algorithm: 'secp256k1', name: 'wal_2' }))).toBe('KEYS_ONE_KEY_ONLY')
  })
})
