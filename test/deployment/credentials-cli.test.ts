import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { registrationChallenge } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../clients/cli/src/testing/run-cli.ts'
import { testAuthenticator } from '../../kernel/wire/src/testing/authenticator.ts'
import { type Deployment, startDeployment } from './deployment.ts'

let deployment: Deployment
let cwd: string
beforeAll(async () => {
  deployment = await startDeployment({ admins: 2 })
  cwd = deployment.paths.folder
})
afterAll(async () => deployment?.stop())

const run = (...args: string[]) => {
  const env = { COUNTERSIGN_URL: deployment.url, COUNTERSIGN_AUDIENCE: deployment.audience }
  return runCli(args, { cwd, env })
}
const admins = () => deployment.paths.adminFiles.flatMap((file) => ['--credential', file])
const agent = () => ['--credential', deployment.paths.agentFile]
const idIn = (name: string): string => JSON.parse(readFileSync(join(cwd, name), 'utf8')).id

async function done<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const result = await run(...args, '--json')
  if (result.code !== 0) throw new Error(`countersign ${args.join(' ')}: ${result.stdout}${result.stderr}`)
  return result.json<T>()
}

describe('credentials on the command line', () => {
  it('an API key is shown once, works, and is kept nowhere', async () => {
    const create = ['credential', 'create', '--bearer', '--name', 'script', '--power', 'create-wallet']
    const shown = await run(...create, '--rate', '60', ...admins())
    expect(shown.code, shown.stderr).toBe(0)
    const [added, apiKey = '', once] = shown.stdout.trim().split('\n')
    expect(added).toMatch(/^cred_[0-9a-f]{32} added as agent "script"$/)
    expect(once).toBe('This is the only time that the key is shown.')
    const post = (key: string) =>
      fetch(`${deployment.url}/v1/wallets`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: '{"type":"EVM"}',
      })
    expect((await post(apiKey)).status).toBe(201)
    expect((await post(`csk_${'A'.repeat(43)}`)).status).toBe(401)
    const list = await done<{ credentials: { name: string }[] }>('credential', 'list', ...agent())
    expect(list.credentials.map(({ name }) => name)).toContain('script')
    expect(JSON.stringify(list)).not.toContain(apiKey)

    const asJson = await done<{ apiKey: string; id: string }>(...create, ...admins())
    expect((await post(asJson.apiKey)).status).toBe(201)
    expect(await done('credential', 'revoke', asJson.id, ...admins())).toMatchObject({ status: 'revoked' })
    expect((await post(asJson.apiKey)).status).toBe(401)
    const alone = await run(...create, '--json', '--credential', deployment.paths.adminFiles[0] ?? '')
    expect(alone.code).toBe(1)
    expect(alone.stdout).not.toContain('csk_')
  })

  it('a passkey that was registered in a browser is added', async () => {
    const authenticator = testAuthenticator()
    const rpId = 'example.org'
    const origin = 'https://console.example.org'
    const challenge = registrationChallenge({ audience: deployment.audience, rpId })
    const passkey = {
      algorithm: 'webauthn-p256',
      registration: authenticator.register({ rpId, origin, challenge }),
      rpId,
      origins: [origin],
    }
    writeFileSync(join(cwd, 'passkey.json'), JSON.stringify(passkey))
    const add = ['credential', 'add', '--passkey', 'passkey.json', '--name', 'Alice', ...admins()]
    expect(await done(...add)).toMatchObject({
      id: authenticator.id,
      role: 'approver',
      algorithm: 'webauthn-p256',
      passkey: { rpId, origins: [origin] },
    })
    expect((await run(...add, '--json')).json()).toMatchObject({
      error: { code: 'SIGNER_CREDENTIAL_EXISTS' },
    })
  })

  it('an agent goes over to a new key, and both work for as long as it says', async () => {
    const rotate = ['credential', 'rotate', 'agent-2.json']
    const { id, publicKey } = deployment.agentCredential
    const rotated = await done(...rotate, '--overlap', '1h', ...agent())
    expect(rotated).toMatchObject({
      id: idIn('agent-2.json'),
      subject: id,
      replaced: { id, status: 'active' },
    })
    expect(rotated.publicKey).not.toBe(publicKey)
    for (const credential of [deployment.paths.agentFile, 'agent-2.json']) {
      expect((await run('wallet', 'list', '--credential', credential)).code).toBe(0)
    }
    const again = await run('credential', 'rotate', 'agent-3.json', '--json', '--credential', 'agent-2.json')
    expect(again.code).toBe(1)
    expect(again.json()).toMatchObject({ error: { code: 'SIGNER_ROTATION_REFUSED' } })
    expect(existsSync(join(cwd, 'agent-3.json'))).toBe(true)
  })

  it('an admin goes over to a new key with the quorum, one after another, and the old one ends', async () => {
    const [first = '', second = ''] = deployment.paths.adminFiles
    const alone = await run('credential', 'rotate', 'admin-a.json', '--json', '--credential', first)
    expect(alone.json()).toMatchObject({ error: { code: expect.stringMatching(/QUORUM/) } })
    await done('credential', 'rotate', 'admin-a.json', '--out', 'rotate.json', '--credential', first)
    await done('cosign', 'rotate.json', '--credential', second)
    const rotated = await done('submit', 'rotate.json', '--credential', second)
    expect(rotated).toMatchObject({ id: idIn('admin-a.json'), replaced: { status: 'revoked' } })
    expect((await run('credential', 'list', '--credential', first)).code).toBe(1)
    expect((await run('credential', 'list', '--credential', 'admin-a.json')).code).toBe(0)

    const both = ['--credential', second, '--credential', 'admin-a.json']
    const direct = await done('credential', 'rotate', 'admin-b.json', '--admin', ...both)
    expect(direct).toMatchObject({ id: idIn('admin-b.json'), role: 'admin', replaced: { status: 'revoked' } })
  })
})
