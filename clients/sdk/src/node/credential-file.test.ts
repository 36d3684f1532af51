import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentialAlgorithms } from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCredentialFile, credentialFromFile } from './credential-file.ts'
import { credentialFromKeyObject } from './key-object-credential.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-credential-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function code(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

describe('credential files', () => {
  it.each(credentialAlgorithms)('hold a %s key that only their owner reads', async (algorithm) => {
    const path = join(folder, 'agent.json')
    const made = await createCredentialFile(path, algorithm)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(credentialFromFile(path).id).toBe(made.id)
  })

  it('are not opened when group or others have any access', async () => {
    const path = join(folder, 'agent.json')
    await createCredentialFile(path)
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      chmodSync(path, mode)
      expect(code(() => credentialFromFile(path))).toBe('SDK_CREDENTIAL_FILE_EXPOSED')
    }
    chmodSync(path, 0o400)
    expect(code(() => credentialFromFile(path))).toBe('none')
  })

  it('are never overwritten', async () => {
    const path = join(folder, 'agent.json')
    await createCredentialFile(path)
    const before = readFileSync(path, 'utf8')
    await expect(createCredentialFile(path)).rejects.toMatchObject({ code: 'SDK_CREDENTIAL_INVALID' })
    expect(readFileSync(path, 'utf8')).toBe(before)
  })

  it('with a public part of another key are refused', async () => {
    const first = join(folder, 'first.json')
    const second = join(folder, 'second.json')
    await createCredentialFile(first)
    await createCredentialFile(second)
    const mixed = {
      ...JSON.parse(readFileSync(first, 'utf8')),
      id: JSON.parse(readFileSync(second, 'utf8')).id,
    }
    writeFileSync(first, JSON.stringify(mixed))
    expect(code(() => credentialFromFile(first))).toBe('SDK_CREDENTIAL_INVALID')
  })

  it('may be a PKCS #8 PEM as openssl writes it', () => {
    const path = join(folder, 'agent.pem')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
    expect(credentialFromFile(path).id).toBe(credentialFromKeyObject(privateKey).id)
  })

  it('that are missing, empty, too large or something else give one error without their content', async () => {
    const path = join(folder, 'agent.json')
    expect(code(() => credentialFromFile(path))).toBe('SDK_CREDENTIAL_INVALID')
    for (const text of [
      '',
      '{',
      '{"version":1}',
      'deadbeefsecret',
      `"${'x'.repeat(20_000)}"`,
      '-----BEGIN deadbeefsecret',
    ]) {
      writeFileSync(path, text, { mode: 0o600 })
      try {
        credentialFromFile(path)
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ code: 'SDK_CREDENTIAL_INVALID' })
        expect(String((error as Error).stack)).not.toContain('deadbeefsecret')
      }
    }
  })
})
