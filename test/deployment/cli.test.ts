import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createTestClient,
  type Hex,
  http,
  parseEther,
  parseGwei,
  recoverMessageAddress,
  serializeTransaction,
} from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StartedProcess, startDaemon } from '../../clients/cli/src/child-process.ts'
import { freePort } from '../../clients/cli/src/free-port.ts'
import { type CliResult, runCli } from '../../clients/cli/src/testing/run-cli.ts'
import { createDatabase } from './shared-postgres.ts'

const main = join(import.meta.dirname, '../../clients/cli/src/main.ts')
const recipient = '0x00000000000000000000000000000000000000aa'
const policy = {
  version: 1,
  id: 'payroll',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: ['eip155:31337'], recipient: [recipient] },
      limits: [
        {
          id: 'day',
          amount: String(parseEther('0.5')),
          asset: 'eip155:31337/slip44:60',
          window: { rolling: '24h' },
        },
      ],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { amount: { max: String(parseEther('0.01')) } } },
    { id: 'talk', action: 'permit', effects: ['message'], when: { text: { in: ['hello'] } } },
  ],
}

let cwd: string
let dev: StartedProcess | undefined
let ready: { url: string; audience: string; admin: string; agent: string; chains: { rpc: string }[] }
let databaseUrl: string

async function startDev(port: number): Promise<void> {
  const args = ['dev', '--folder', join(cwd, '.countersign'), '--port', String(port), '--anvil', '--json']
  const started = await startDaemon({
    name: 'countersign dev',
    command: process.execPath,
    args: [main, ...args, '--database-url', databaseUrl],
  })
  dev = started
  ready = started.ready as unknown as typeof ready
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'countersign-cli-'))
  databaseUrl = await createDatabase()
  await startDev(await freePort())
})
afterAll(async () => {
  await dev?.stop()
  rmSync(cwd, { recursive: true, force: true, maxRetries: 5 })
})

const run = (...args: string[]): Promise<CliResult> => runCli([...args, '--json'], { cwd })

async function done<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const result = await run(...args)
  if (result.code !== 0)
    throw new Error(`countersign ${args.join(' ')}: ${result.code}\n${result.stdout}${result.stderr}`)
  return result.json<T>()
}

function write(name: string, content: unknown): string {
  writeFileSync(join(cwd, name), JSON.stringify(content))
  return join(cwd, name)
}

describe('countersign dev', () => {
  it('keeps its secrets to their owner, and out of what it prints', () => {
    const state = join(cwd, '.countersign')
    for (const name of ['secret', 'config.json', 'signer.json', 'engine.json', 'credentials/admin.json']) {
      expect(statSync(join(state, name)).mode & 0o077, name).toBe(0)
    }
    const secret = readFileSync(join(state, 'secret'), 'utf8').trim()
    expect(JSON.stringify(ready) + dev?.errorOutput()).not.toContain(secret)
    expect(readFileSync(join(state, 'config.json'), 'utf8')).not.toContain('privateKey')
    expect(readFileSync(`/proc/${dev?.pid}/cmdline`, 'utf8')).not.toContain(secret)
  })
})

describe('the main job, on the command line', () => {
  let wallet: { id: string; address: Hex }

  it('makes a policy and a wallet, and signs a message', async () => {
    expect(await done('policy', 'apply', write('policy.json', policy))).toMatchObject({
      id: 'payroll',
      version: 1,
    })
    wallet = await done('wallet', 'create', '--policy', 'payroll', '--name', 'treasury')
    const signed = await done<{ signature: Hex; receipt: object }>(
      'sign',
      'message',
      'hello',
      '--wallet',
      wallet.id,
    )
    expect(await recoverMessageAddress({ message: 'hello', signature: signed.signature })).toBe(
      wallet.address,
    )
    const receipt = write('receipt.json', signed.receipt)
    expect(await done('receipt', 'verify', receipt)).toMatchObject({ valid: true })
    expect(await done('receipt', 'verify', receipt, '--inclusion')).toMatchObject({ valid: true })
  })

  it('sends a transaction that is mined', async () => {
    const chain = createTestClient({ mode: 'anvil', transport: http(ready.chains[0]?.rpc) })
    await chain.setBalance({ address: wallet.address, value: parseEther('2') })
    const send = [
      'send',
      '--wallet',
      wallet.id,
      '--chain',
      '31337',
      '--to',
      recipient,
      '--value',
      String(parseEther('0.2')),
    ]
    expect(await done(...send)).toMatchObject({ status: 'confirmed' })
  })

  it('ends with 3 where the policy refuses, and says why', async () => {
    const unsigned = serializeTransaction({
      chainId: 31337,
      type: 'eip1559',
      to: recipient,
      value: parseEther('0.3') + 1n,
      nonce: 1,
      gas: 21_000n,
      maxFeePerGas: parseGwei('2'),
    })
    const over = await run('sign', 'transaction', unsigned, '--wallet', wallet.id)
    expect(over.code).toBe(3)
    expect(over.stdout).toContain('POLICY_WINDOW')
    const raw = await runCli(['sign', 'raw', `0x${'01'.repeat(32)}`, '--wallet', wallet.id], { cwd })
    expect(raw.code).toBe(3)
    expect(raw.stderr).toMatch(/error POLICY_REFUSED: .*\n {2}- Raw digest .*\nfix: /)
    const other = await run(
      'send',
      '--wallet',
      wallet.id,
      '--chain',
      '31337',
      '--to',
      wallet.address,
      '--value',
      '1',
    )
    expect(other.code).toBe(3)
  })

  it('replaces the policy knowingly, assigns it, and adds and revokes a credential', async () => {
    const wider = { ...policy, description: 'the second version' }
    const stale = await run('policy', 'apply', write('wider.json', wider), '--expected', 'none')
    expect(stale.code).toBe(1)
    expect(await done('policy', 'apply', join(cwd, 'wider.json'))).toMatchObject({ version: 2 })
    await done('policy', 'apply', write('other.json', { ...policy, id: 'other' }))
    expect(await done('policy', 'assign', 'other', '--wallet', wallet.id)).toMatchObject({ policy: 'other' })
    expect(await done('wallet', 'get', wallet.id)).toMatchObject({ policy: 'other', name: 'treasury' })

    await done('credential', 'create', 'second.json')
    const added = await done<{ id: string }>(
      'credential',
      'add',
      '--file',
      'second.json',
      '--name',
      'second',
      '--power',
      'read',
    )
    const list = await done<{ credentials: { id: string }[] }>('credential', 'list')
    expect(list.credentials.map(({ id }) => id)).toContain(added.id)
    expect(await done('credential', 'revoke', added.id)).toMatchObject({ status: 'revoked' })
  })

  it('lists, proves, exports and verifies the journal', async () => {
    const { entries } = await done<{ entries: object[] }>('journal', 'list', '--limit', '5')
    expect(entries).toHaveLength(5)
    expect(await done('journal', 'prove', '3')).toMatchObject({ valid: true })
    expect(await done('journal', 'verify')).toMatchObject({ valid: true })
    expect(await done('journal', 'verify', '--quick')).toMatchObject({ valid: true })
    await done('journal', 'export', 'journal.json')
    expect(await done('journal', 'verify', 'journal.json')).toMatchObject({ valid: true })
    expect(await done('custody', wallet.id)).toMatchObject({ signer: ready.audience })
  })

  it('knows the signer again after a restart, and notices when its store was set back: exit code 4', async () => {
    const { audience } = ready
    const port = Number(new URL(ready.url).port)
    const store = join(cwd, '.countersign', 'signer')
    await dev?.stop()
    expect((await run('wallet', 'list')).code).toBe(5)
    execFileSync('cp', ['-a', store, join(cwd, 'backup')])

    await startDev(port)
    expect(ready.audience).toBe(audience)
    expect(await done('wallet', 'get', wallet.id)).toMatchObject({ address: wallet.address })
    await done('wallet', 'create')
    expect(await done('journal', 'verify')).toMatchObject({ valid: true, continues: expect.any(Number) })

    await dev?.stop()
    rmSync(store, { recursive: true })
    execFileSync('cp', ['-a', join(cwd, 'backup'), store])
    await startDev(port)
    for (const more of [[], ['--quick']]) {
      const setBack = await run('journal', 'verify', ...more)
      expect(setBack.code).toBe(4)
      expect(setBack.json()).toMatchObject({ error: { code: 'CLI_ROLLED_BACK' } })
    }
  })
})

describe('countersign init, signer and engine', () => {
  it('run a deployment of their own, sealed until it is unsealed from standard input', async () => {
    const folder = join(cwd, 'own')
    mkdirSync(folder)
    const secretFile = join(cwd, 'own-secret')
    const made = await done<{
      signerConfig: string
      engineConfig: string
      credentials: string[]
      audience: string
    }>(...['init', '--folder', folder, '--admins', '2', '--quorum', '2', '--generate-secret', secretFile])
    expect(statSync(secretFile).mode & 0o077).toBe(0)
    expect(
      (await run('init', '--folder', folder, '--admins', '1', '--generate-secret', `${secretFile}2`)).code,
    ).toBe(1)
    const engineConfig = JSON.parse(readFileSync(made.engineConfig, 'utf8')) as object
    writeFileSync(
      made.engineConfig,
      JSON.stringify({ ...engineConfig, listen: { port: 0 }, databaseUrl: await createDatabase() }),
    )

    const start = (name: string, ...args: string[]) =>
      startDaemon({ name, command: process.execPath, args: [main, name, ...args] })
    const signer = await start('signer', '--config', made.signerConfig)
    try {
      expect(signer.ready).toMatchObject({ phase: 'sealed', audience: made.audience })
      const wrong = await runCli(['signer', 'unseal', '--config', made.signerConfig], {
        cwd,
        input: 'wrong\n',
      })
      expect(wrong.code).toBe(1)
      expect(wrong.stderr).not.toContain('wrong\n')
      const input = readFileSync(secretFile, 'utf8')
      const unsealed = await runCli(['signer', 'unseal', '--config', made.signerConfig, '--json'], {
        cwd,
        input,
      })
      expect(unsealed.json(), unsealed.stderr).toMatchObject({ phase: 'ready' })

      const engine = await start('engine', '--config', made.engineConfig)
      try {
        const url = ['--url', String(engine.ready.url)]
        const [first = '', second = ''] = made.credentials
        const apply = ['policy', 'apply', write('own.json', policy), '--out', 'own-request.json']
        await done(...apply, ...url, '--credential', first)
        const alone = await run('policy', 'apply', join(cwd, 'own.json'), ...url, '--credential', first)
        expect(alone.code).toBe(1)
        expect(alone.json()).toMatchObject({ error: { code: expect.stringMatching(/QUORUM/) } })
        await done('cosign', 'own-request.json', '--credential', second)
        const submitted = await run('submit', 'own-request.json', ...url, '--credential', first)
        expect(submitted.code, submitted.stdout).toBe(0)
        expect(submitted.json()).toMatchObject({ id: 'payroll' })
      } finally {
        await engine.stop()
      }
    } finally {
      await signer.stop()
    }
  })
})
