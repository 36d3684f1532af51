import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { backendChoice } from './index.ts'
import { codeOf } from './testing.ts'

describe('backend choice', () => {
  it('is encrypted files where nothing is said, sealed until a secret comes', () => {
    expect(backendChoice({})).toEqual({ backend: 'file', directory: 'data/keys', secret: undefined })
    expect(backendChoice({ WALLET_SIGNER_BACKEND: '', WALLET_KEY_ENCRYPTION_SECRET: '' })).toMatchObject({
      backend: 'file',
      secret: undefined,
    })
  })

  it('honours the names of the environment, before the configuration', () => {
    const env = {
      WALLET_SIGNER_BACKEND: 'encrypted-file',
      WALLET_KEY_ENCRYPTION_SECRET: 'a secret of enough bytes',
      WALLET_ENGINE_DATA_DIR: '/srv/wallets',
    }
    const choice = backendChoice(env, { backend: 'memory', dataDir: '/elsewhere' })
    expect(choice).toMatchObject({ backend: 'file', directory: '/srv/wallets/keys' })
    const secret = choice.backend === 'file' ? choice.secret?.reveal() : undefined
    expect(Buffer.from(secret ?? []).toString()).toBe('a secret of enough bytes')
    expect(backendChoice({}, { backend: 'memory' })).toEqual({ backend: 'memory' })
    expect(backendChoice({}, { dataDir: '/elsewhere' })).toMatchObject({ directory: '/elsewhere/keys' })
    expect(backendChoice({ WALLET_SIGNER_BACKEND: 'memory' })).toEqual({ backend: 'memory' })
    expect(backendChoice({ WALLET_SIGNER_BACKEND: 'env' })).toEqual({ backend: 'env' })
  })

  it('shows no secret when printed', () => {
    const choice = backendChoice({ WALLET_KEY_ENCRYPTION_SECRET: 'a secret of enough bytes' })
    const printed = [inspect(choice, { showHidden: true, depth: 9 }), JSON.stringify(choice)]
    if (choice.backend === 'file') printed.push(`${choice.secret}`)
    for (const text of printed) {
      expect(text).not.toContain('enough')
      expect(text).toContain('[secret]')
    }
  })

  it.each(['kms', 'hsm', 'mpc'])('says that %s is not there, and does not pretend', async (name) => {
    const choosing = () => backendChoice({ WALLET_SIGNER_BACKEND: name })
    expect(await codeOf(choosing)).toBe('KEYS_BACKEND_NOT_AVAILABLE')
    expect(choosing).toThrow(/does not simulate/)
  })

  it.each(['File', 'vault', 'constructor', '__proto__', 'toString'])('refuses %s', async (name) => {
    expect(await codeOf(() => backendChoice({ WALLET_SIGNER_BACKEND: name }))).toBe('KEYS_BACKEND_UNKNOWN')
  })

  it.each(['memory', 'env'])('refuses %s in production', async (name) => {
    const env = { COUNTERSIGN_ENV: 'production' }
    expect(await codeOf(() => backendChoice({ ...env, WALLET_SIGNER_BACKEND: name }))).toBe(
      'KEYS_BACKEND_REFUSED',
    )
    expect(await codeOf(() => backendChoice(env, { backend: name }))).toBe('KEYS_BACKEND_REFUSED')
    expect(backendChoice(env)).toMatchObject({ backend: 'file' })
    expect(backendChoice({ COUNTERSIGN_ENV: 'development', WALLET_SIGNER_BACKEND: name })).toEqual({
      backend: name,
    })
  })
})
