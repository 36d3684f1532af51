import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeHex } from '@countersign/bytes'
import {
  apiKeyForm,
  apiKeyHash,
  credentialId,
  parseRequestSignatures,
  registrationChallenge,
  type SignedRequest,
} from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testAuthenticator } from '../../../../kernel/wire/src/testing/authenticator.ts'
import { createTestJournal } from '../testing/journal-of.ts'
import { runHere } from '../testing/run-here.ts'

const { audience } = createTestJournal()
// Nobody answers there: whatever works here works offline.
const env = { COUNTERSIGN_AUDIENCE: audience, COUNTERSIGN_URL: 'http://127.0.0.1:9' }
let cwd: string
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'countersign-credential-'))
  await run('credential', 'create', 'admin.json')
})
afterAll(() => rmSync(cwd, { recursive: true, force: true }))

const run = (...args: string[]) => runHere(args, { cwd, env })
const asAdmin = (...args: string[]) => run(...args, '--credential', 'admin.json', '--json')
const read = (name: string) => readFileSync(join(cwd, name), 'utf8')
const idOf = (name: string): string => JSON.parse(read(name)).id

function requestIn(name: string): SignedRequest {
  return (JSON.parse(read(name)) as { request: SignedRequest }).request
}

describe('credential create --bearer', () => {
  it('keeps the key in a file of its owner, and asks the quorum for its hash alone', async () => {
    const made = await asAdmin(
      ...['credential', 'create', '--bearer', 'key.txt', '--name', 'payouts', '--power', 'create-wallet'],
      ...['--rate', '60', '--expires-at', '2027-01-01T00:00:00+01:00', '--wallet-policy', 'payouts'],
      ...['--workflow', 'nightly', '--out', 'bearer.json'],
    )
    expect(made.code, made.stdout + made.stderr).toBe(0)
    const apiKey = read('key.txt').trim()
    expect(apiKey).toMatch(apiKeyForm)
    expect(statSync(join(cwd, 'key.txt')).mode & 0o777).toBe(0o600)
    expect(JSON.parse(requestIn('bearer.json').body)).toEqual({
      algorithm: 'bearer',
      publicKey: encodeHex(apiKeyHash(apiKey)),
      role: 'agent',
      name: 'payouts',
      powers: ['create-wallet'],
      attribution: { workflow: 'nightly' },
      expiresAt: '2026-12-31T23:00:00.000Z',
      walletPolicy: 'payouts',
      ratePerMinute: 60,
    })
    expect(made.stdout + made.stderr + read('bearer.json')).not.toContain(apiKey.slice(4))
    expect(made.json()).toMatchObject({ file: 'bearer.json', signedBy: [idOf('admin.json')] })
  })

  it('overwrites no key, and sends nothing where the key cannot be kept', async () => {
    writeFileSync(join(cwd, 'taken.txt'), 'precious')
    const again = await asAdmin('credential', 'create', '--bearer', 'taken.txt', '--name', 'x')
    expect(again.json()).toMatchObject({ error: { code: 'CLI_FILE_EXISTS' } })
    expect(read('taken.txt')).toBe('precious')
  })

  it('prints no key that the quorum has not added', async () => {
    const unsent = await asAdmin('credential', 'create', '--bearer', '--name', 'x')
    expect(unsent.code).toBe(5)
    expect(unsent.stdout + unsent.stderr).not.toContain('csk_')
  })

  it.each([
    ['without a name', ['--bearer']],
    ['with --out and no file for the key', ['--bearer', '--name', 'x', '--out', 'r.json']],
    ['with an algorithm', ['--bearer', '--name', 'x', '--algorithm', 'p256']],
    ['with a time that is none', ['--bearer', '--name', 'x', '--expires-at', 'tomorrow']],
    ['with a time without its offset', ['--bearer', '--name', 'x', '--expires-at', '2027-01-01T00:00:00']],
    ['that is a key after all, with a name', ['plain.json', '--name', 'x']],
    ['that is a key after all, without a file', []],
  ])('is a wrong use %s', async (_, args) => {
    const refused = await asAdmin('credential', 'create', ...args)
    expect(refused.code, refused.stdout).toBe(2)
    expect(refused.json()).toMatchObject({ error: { code: 'CLI_USAGE' } })
  })
})

describe('credential add --passkey', () => {
  const rpId = 'example.org'
  const origins = ['https://console.example.org']
  const authenticator = testAuthenticator()
  const passkeyFor = (signer: string) => ({
    algorithm: 'webauthn-p256',
    rpId,
    origins,
    registration: authenticator.register({
      rpId,
      origin: origins[0] ?? '',
      challenge: registrationChallenge({ audience: signer, rpId }),
    }),
  })
  const add = (content: unknown, ...more: string[]) => {
    writeFileSync(join(cwd, 'passkey.json'), typeof content === 'string' ? content : JSON.stringify(content))
    return asAdmin('credential', 'add', '--passkey', 'passkey.json', '--name', 'Alice', ...more)
  }

  it('asks the quorum for what the page gave: an approver, where nothing else is said', async () => {
    const passkey = passkeyFor(audience)
    const made = await add({ ...passkey, extra: 'ignored' }, '--out', 'alone.json')
    expect(made.code, made.stdout + made.stderr).toBe(0)
    const body = JSON.parse(requestIn('alone.json').body)
    expect(body).toEqual({ ...passkey, role: 'approver', name: 'Alice', powers: [], attribution: {} })
    const whole = { reference: { id: authenticator.id }, signer: {}, credential: passkey }
    expect((await add(whole, '--role', 'admin', '--out', 'whole.json')).code).toBe(0)
    expect(JSON.parse(requestIn('whole.json').body)).toEqual({ ...body, role: 'admin' })
  })

  it('shows for which page it is, as that is for good', async () => {
    writeFileSync(join(cwd, 'shown.json'), JSON.stringify(passkeyFor(audience)))
    const args = [
      'credential',
      'add',
      '--passkey',
      'shown.json',
      '--name',
      'A',
      '--out',
      'shown-request.json',
    ]
    const made = await run(...args, '--credential', 'admin.json')
    expect(made.stderr).toContain(
      `${authenticator.id} (webauthn-p256), of example.org, used on https://console.example.org`,
    )
  })

  it('refuses a registration for another signer, page or algorithm before anybody signs', async () => {
    const passkey = passkeyFor(audience)
    for (const [wrong, code] of [
      [passkeyFor(createTestJournal().audience), 'WIRE_PASSKEY_CHALLENGE'],
      [{ ...passkey, origins: ['https://evil.example.org'] }, 'WIRE_PASSKEY_ORIGIN'],
      [{ ...passkey, rpId: 'example.net' }, /^WIRE_PASSKEY_/],
      [{ ...passkey, algorithm: 'webauthn-ed25519' }, 'CLI_FILE_UNREADABLE'],
    ] as const) {
      const refused = await add(wrong, '--out', 'never.json')
      expect(refused.code).toBe(1)
      expect(refused.json<{ error: { code: string } }>().error.code).toMatch(code)
    }
    expect(() => read('never.json')).toThrow()
  })

  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['a list', []],
    ['null', null],
    ['a credential that is none', { credential: 'x' }],
    ['a bare key', { algorithm: 'p256', publicKey: '0x02' }],
    ['no registration', { ...passkeyFor(audience), registration: undefined }],
    ['origins that are no texts', { ...passkeyFor(audience), origins: [1] }],
    ['too much', { ...passkeyFor(audience), more: 'x'.repeat(70_000) }],
  ])('refuses %s', async (_, content) => {
    const refused = await add(content, '--out', 'never.json')
    expect(refused.json()).toMatchObject({ error: { code: 'CLI_FILE_UNREADABLE' } })
  })

  it('is one of three ways to name a key, and only one', async () => {
    const usage = async (...more: string[]) =>
      (await asAdmin('credential', 'add', '--name', 'x', ...more)).code
    expect(await usage()).toBe(2)
    expect(await usage('--passkey', 'a.json', '--file', 'admin.json')).toBe(2)
    expect(await usage('--public-key', '0x02', '--file', 'admin.json')).toBe(2)
    expect(await usage('--public-key', '0x02', '--passkey', 'a.json')).toBe(2)
  })
})

describe('credential rotate', () => {
  it('is signed by the old key, then the new one, and the rest of the quorum cosigns', async () => {
    await run('credential', 'create', 'other-admin.json')
    const made = await asAdmin('credential', 'rotate', 'next.json', '--out', 'rotate.json')
    expect(made.code, made.stdout + made.stderr).toBe(0)
    expect(statSync(join(cwd, 'next.json')).mode & 0o777).toBe(0o600)
    const request = requestIn('rotate.json')
    expect(request.path).toBe(`/v1/credentials/${idOf('admin.json')}/rotate`)
    const { publicKey } = JSON.parse(read('next.json'))
    expect(JSON.parse(request.body)).toEqual({ algorithm: 'p256', publicKey })
    const signers = () =>
      parseRequestSignatures(requestIn('rotate.json')).signatures.map((one) => one.credentialId)
    expect(signers()).toEqual([idOf('admin.json'), idOf('next.json')])
    expect(signers()[1]).toBe(credentialId('p256', Buffer.from(publicKey.slice(2), 'hex')))
    expect((await run('cosign', 'rotate.json', '--credential', 'other-admin.json')).code).toBe(0)
    expect(signers()).toEqual([idOf('admin.json'), idOf('next.json'), idOf('other-admin.json')])
    const { privateKey } = JSON.parse(read('next.json'))
    expect(made.stdout + made.stderr + read('rotate.json')).not.toContain(privateKey)
  })

  it('uses the new key that is there already, so that it can be tried again', async () => {
    const first = await asAdmin('credential', 'rotate', 'retried.json', '--overlap', '90m')
    expect(first.code).toBe(5)
    const made = idOf('retried.json')
    expect((await asAdmin('credential', 'rotate', 'retried.json', '--overlap', '90m')).code).toBe(5)
    expect(idOf('retried.json')).toBe(made)
  })

  it('refuses a file that is no key, and a time that is none or too long', async () => {
    writeFileSync(join(cwd, 'nothing.json'), '{}', { mode: 0o600 })
    const nothing = await asAdmin('credential', 'rotate', 'nothing.json')
    expect(nothing.json()).toMatchObject({ error: { code: 'SDK_CREDENTIAL_INVALID' } })
    for (const overlap of ['8d', '-1s', 'soon']) {
      expect((await asAdmin('credential', 'rotate', 'x.json', '--overlap', overlap)).code).toBe(2)
    }
    expect(() => read('x.json')).toThrow()
  })
})
