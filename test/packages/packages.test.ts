import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { type Hex, recoverMessageAddress } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StartedProcess, startDaemon } from '../../clients/cli/src/child-process.ts'

const repository = resolve(import.meta.dirname, '../..')
const installTimeoutMs = 300_000

/** The whole of what this test leaves on disk, and the application's folder in it. */
let root: string | undefined
let folder: string
let dev: StartedProcess | undefined

/** Node 24 first, and of this machine's settings only what npm needs: an empty folder on somebody's machine. */
const env = () => ({
  ...process.env,
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  HOME: process.env.HOME,
  COUNTERSIGN_URL: '',
  NODE_OPTIONS: '',
})

function run(command: string, args: readonly string[], cwd = folder): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env: env(), encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status ?? error}\n${stdout}\n${stderr}`)
  return stdout
}

/** As a person in that folder would type it. */
function countersign<T>(...args: string[]): T {
  return JSON.parse(run('npx', ['--no-install', 'countersign', ...args, '--json'])) as T
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'countersign-packages-'))
  // Under root the embedded Postgres runs as another user, who must be able to reach its program.
  chmodSync(root, 0o755)
  const out = join(root, 'out')
  run(process.execPath, [join(repository, 'tools/build/build.ts'), '--out', out], repository)
  const tarballs = readdirSync(join(out, 'tarballs')).map((name) => join(out, 'tarballs', name))
  folder = join(root, 'app')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true, "type": "module" }')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error', ...tarballs])
}, installTimeoutMs)

afterAll(async () => {
  await dev?.stop()
  if (root !== undefined) rmSync(root, { recursive: true, force: true, maxRetries: 5 })
})

describe('the packed packages, installed into an empty folder', () => {
  it('hold built files only', () => {
    const installed = readdirSync(join(folder, 'node_modules/@countersign'))
    expect(installed).toEqual(
      expect.arrayContaining(['bytes', 'engine', 'intent', 'policy', 'sdk', 'signer', 'wire']),
    )
    for (const name of installed) {
      const files = readdirSync(join(folder, 'node_modules/@countersign', name), {
        recursive: true,
      }) as string[]
      const own = files.filter((file) => !file.includes('node_modules'))
      expect(
        own.filter((file) => /(?<!\.d)\.ts$|\.test\.|(^|\/)(src|testing|vectors)(\/|$)/.test(file)),
      ).toEqual([])
      expect(own).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    }
  })

  it('have the command', () => {
    const help = run('npx', ['--no-install', 'countersign', '--help'])
    expect(help).toContain('Usage: countersign')
    expect(run('npx', ['--no-install', 'countersign', '--version']).trim()).toBe('0.1.0')
  })

  it(
    'sign a message through npx countersign, and through the SDK in plain JavaScript',
    async () => {
      const started = await startDaemon({
        name: 'countersign dev',
        command: join(folder, 'node_modules/.bin/countersign'),
        args: ['dev', '--folder', join(folder, '.countersign'), '--port', '0', '--json'],
        env: { PATH: env().PATH },
      })
      dev = started
      const { url, agent } = started.ready as unknown as { url: string; agent: string }
      const policy = {
        version: 1,
        id: 'talk',
        rules: [{ id: 'talk', action: 'permit', effects: ['message'] }],
      }
      writeFileSync(join(folder, 'policy.json'), JSON.stringify(policy))

      expect(countersign('policy', 'apply', 'policy.json')).toMatchObject({ id: 'talk', version: 1 })
      const wallet = countersign<{ id: string; address: Hex }>('wallet', 'create', '--policy', 'talk')
      const { signature } = countersign<{ signature: Hex }>('sign', 'message', 'hello', '--wallet', wallet.id)
      expect(await recoverMessageAddress({ message: 'hello', signature })).toBe(wallet.address)
      expect(countersign('journal', 'verify')).toMatchObject({ valid: true })

      const script = `
      import { createCountersign, createCountersignAccount } from '@countersign/sdk'
      import { credentialFromFile } from '@countersign/sdk/node'
      const [url, file, walletId] = process.argv.slice(2)
      const countersign = await createCountersign({ url, credential: credentialFromFile(file), walletId })
      console.log(await createCountersignAccount(countersign).signMessage({ message: 'from the SDK' }))
    `
      writeFileSync(join(folder, 'sign.js'), script)
      const fromSdk = run(process.execPath, ['sign.js', url, agent, wallet.id]).trim() as Hex
      expect(await recoverMessageAddress({ message: 'from the SDK', signature: fromSdk })).toBe(
        wallet.address,
      )
    },
    installTimeoutMs,
  )

  it('have types that a strict TypeScript program accepts', () => {
    const program = `
      import { CountersignRefused, createCountersignClient, createCredentialKey, type Wallet } from '@countersign/sdk'
      import { credentialFromFile } from '@countersign/sdk/node'
      export async function make(): Promise<Wallet> {
        const client = createCountersignClient({ url: 'http://localhost', credential: credentialFromFile('x') })
        for await (const wallet of client.wallets.list()) return wallet
        return client.wallets.create({ type: 'EVM' })
      }
      export const key = await createCredentialKey('p256')
      // @ts-expect-error there is no such type of wallet
      export const wrong = (client: ReturnType<typeof createCountersignClient>) => client.wallets.create({ type: 'BTC' })
      export const isRefused = (error: unknown) => error instanceof CountersignRefused && error.decision.effects
    `
    writeFileSync(join(folder, 'program.ts'), program)
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,dom',
      '--skipLibCheck',
    ]
    const types = ['--types', 'node', '--typeRoots', join(repository, 'node_modules/@types')]
    run(join(repository, 'node_modules/.bin/tsc'), [...options, ...types, 'program.ts'])
  })
})
