import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Wallet } from '@countersign/sdk'
import { createCredentialFile } from '@countersign/sdk/node'
import { createPublicClient, createTestClient, type Hex, http, parseEther } from 'viem'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CliResult } from '../../clients/cli/src/testing/run-cli.ts'
import { runHere } from '../../clients/cli/src/testing/run-here.ts'
import { listBlocks, listSnippets } from '../house/snippets.ts'
import { type Deployment, startDeployment } from './deployment.ts'

const root = resolve(import.meta.dirname, '../..')
const document = readFileSync(join(root, 'docs/approvals.md'), 'utf8')
const snippets = listSnippets(document)
const scratch = join(root, '.cache', `approvals-${process.pid}`)
const payee: Hex = '0x1111111111111111111111111111111111111111'
const ether = parseEther('1')

let deployment: Deployment
let wallet: Wallet
let cwd: string
const credentials: Record<string, string> = {}

beforeAll(async () => {
  deployment = await startDeployment({ chain: true, engineConfig: { logLevel: 'warn' } })
  cwd = deployment.paths.folder
  mkdirSync(scratch, { recursive: true })
  for (const name of ['ann', 'ben', 'cat', 'oracle', 'simulator']) {
    const { id, algorithm, publicKey } = await createCredentialFile(join(cwd, `${name}.json`))
    const role = name.length === 3 ? 'approver' : 'agent'
    const powers = name === 'simulator' ? (['read'] as const) : []
    await deployment.admin.credentials.create({ algorithm, publicKey, role, name, powers })
    credentials[`cred_${name}`] = id
  }
  const policy = JSON.parse(filled(textOf('policy')))
  wallet = await deployment.createWalletWith(policy)
  await client().setBalance({ address: wallet.address as Hex, value: parseEther('10') })
})
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true })
  await deployment?.stop()
})

const chainUrl = () => (deployment.chain as { url: string }).url
const client = () => createTestClient({ mode: 'anvil', transport: http(chainUrl()) })
const balance = () => createPublicClient({ transport: http(chainUrl()) }).getBalance({ address: payee })
const env = () => ({ COUNTERSIGN_URL: deployment.url, COUNTERSIGN_AUDIENCE: deployment.audience })
const cli = (...args: string[]): Promise<CliResult> => runHere([...args, '--json'], { cwd, env: env() })
const send = (requestId: string, ...more: string[]) =>
  cli(
    ...['send', '--credential', deployment.paths.agentFile, '--wallet', wallet.id, '--chain', '31337'],
    ...['--to', payee, '--value', String(ether), '--request-id', requestId, ...more],
  )

function textOf(name: string): string {
  const snippet = snippets.find((candidate) => candidate.name === name)
  if (snippet === undefined) throw new Error(`docs/approvals.md has no snippet ${name}.`)
  return snippet.text
}

function filled(text: string, approval = ''): string {
  let out = text
  for (const [placeholder, id] of Object.entries(credentials)) out = out.replaceAll(placeholder, id)
  return out
    .replaceAll('agent.json', deployment.paths.agentFile)
    .replaceAll('wal_…', wallet?.id ?? '')
    .replaceAll('apr_…', approval)
    .replaceAll('sgn_…', deployment.audience)
    .replaceAll('http://127.0.0.1:8720', deployment.url)
}

/** Every command of a block, as it stands there but for its placeholders. */
async function runBlock(name: string, approval = ''): Promise<CliResult[]> {
  const results: CliResult[] = []
  for (const line of textOf(name).split('\n')) {
    const [program, ...args] = (filled(line, approval).match(/"[^"]*"|\S+/g) ?? []).map((word) =>
      word.replace(/^"(.*)"$/, '$1'),
    )
    expect(program).toBe('countersign')
    results.push(await runHere(args, { cwd, env: env() }))
  }
  return results
}

async function waiting(requestId: string): Promise<{ id: string; transaction: string; digest: string }> {
  const asked = await send(requestId)
  expect(asked.code, asked.stdout + asked.stderr).toBe(6)
  const { approval, transaction } = asked.json<{
    approval: { id: string; digest: string }
    transaction: string
  }>()
  return { ...approval, transaction }
}

it('marks every code block of docs/approvals.md', () => {
  expect(listBlocks(document).filter(({ mark }) => !/^<!-- run: [a-z0-9-]+ -->$/.test(mark))).toEqual([])
})

it('asks, shows, approves and pays as docs/approvals.md says', async () => {
  const before = await balance()
  const [asked] = await runBlock('ask')
  expect(asked?.code, asked?.stderr).toBe(6)
  expect(asked?.stdout).toMatch(/waits for approval as apr_[0-9a-f]{24}.*2 of board/)
  const [id = ''] = /apr_[0-9a-f]{24}/.exec(asked?.stdout ?? '') ?? []

  const [listed, shown, first, second, settled] = await runBlock('approve', id)
  expect(listed?.stdout).toContain(id)
  expect(shown?.stdout).toMatch(/as this program decodes its bytes too:\n {2}\S.*0x1{40}/)
  expect(shown?.stdout).toContain('needs 2 of board (wallet:pay), has 0')
  expect(first?.stdout).toContain('and now: waiting')
  expect(first?.stderr).toMatch(/approved: .*0x1{40}/)
  expect(second?.stdout).toContain('and now: signed')
  expect(settled?.stdout).toMatch(/state +signed/)
  expect([listed, shown, first, second, settled].map((one) => one?.code)).toEqual([0, 0, 0, 0, 0])

  const paid = await send('rent-november')
  expect(paid.code, paid.stdout).toBe(0)
  expect(paid.json()).toMatchObject({ status: 'confirmed', approval: { id } })
  expect((await balance()) - before).toBe(ether)
  // Once, however often it is asked for.
  expect((await send('rent-november')).json()).toMatchObject({ id: paid.json().id, status: 'confirmed' })
  expect((await balance()) - before).toBe(ether)
})

it('approves from a program as docs/approvals.md shows, while the caller waits', async () => {
  const { id } = await waiting('rent-december')
  const before = await balance()
  const patient = send('rent-december', '--wait-for-approval')
  const file = join(scratch, 'approver.ts')
  for (const who of ['ann.json', 'ben.json']) {
    writeFileSync(file, filled(textOf('approver')).replace("'ann.json'", `'${join(cwd, who)}'`))
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root })
    expect(stdout).toContain(`${id} ${who === 'ann.json' ? 'waiting' : 'signed'}`)
  }
  expect((await patient).json()).toMatchObject({ status: 'confirmed' })
  expect((await balance()) - before).toBe(ether)
})

it('goes on after both processes were killed', async () => {
  const { id, transaction } = await waiting('rent-january')
  expect((await cli('approval', 'approve', id, '--credential', 'ann.json')).code).toBe(0)
  await deployment.kill('engine')
  await deployment.kill('signer')
  await deployment.restart('signer')
  await deployment.restart('engine')
  expect((await cli('approval', 'list', '--credential', 'ben.json')).json()).toMatchObject({
    approvals: [{ approval: id }],
  })
  const before = await balance()
  expect((await cli('approval', 'approve', id, '--credential', 'ben.json')).json()).toMatchObject({
    state: 'signed',
  })
  // Nobody asks again: the engine finds it by itself.
  await deployment.agent.waitForTransaction(transaction)
  expect((await balance()) - before).toBe(ether)
})

it('rejects as docs/approvals.md shows, and the caller learns why', async () => {
  const { id, transaction } = await waiting('rent-february')
  const wrong = await cli(
    'approval',
    'approve',
    id,
    '--credential',
    'ann.json',
    '--digest',
    `0x${'00'.repeat(32)}`,
  )
  expect([wrong.code, wrong.json()]).toMatchObject([4, { error: { code: 'CLI_VERIFICATION_FAILED' } }])
  const [rejected] = await runBlock('reject', id)
  expect(rejected?.code, rejected?.stderr).toBe(0)
  const refused = await send('rent-february')
  expect([refused.code, refused.json()]).toMatchObject([3, { error: { code: 'SIGNER_APPROVAL_REJECTED' } }])
  expect(await deployment.agent.transactions.get(transaction)).toMatchObject({
    status: 'failed',
    error: { code: 'SIGNER_APPROVAL_REJECTED' },
  })
  const late = await cli('approval', 'approve', id, '--credential', 'ann.json')
  expect([late.code, late.json()]).toMatchObject([4, { error: { code: 'SDK_APPROVAL_MISMATCH' } }])
  expect((await cli('approval', 'list', '--credential', 'ann.json')).json()).toEqual({ approvals: [] })
  expect(
    (await cli('approval', 'list', '--state', 'rejected', '--credential', 'ann.json')).json(),
  ).toMatchObject({ approvals: [{ approval: id, state: 'rejected' }] })
  const shown = await runHere(['approval', 'show', id, '--credential', 'ann.json'], { cwd, env: env() })
  expect(shown.stdout).toContain('"we do not know the payee"')
})

it('takes facts as docs/approvals.md shows', async () => {
  const policy = JSON.parse(filled(textOf('policy')))
  const { oracle, simulator } = { oracle: credentials.cred_oracle, simulator: credentials.cred_simulator }
  const rules = policy.rules.map((rule: { id: string; when: object }) =>
    rule.id !== 'pay'
      ? rule
      : {
          ...rule,
          when: { ...rule.when, value: { currency: 'USD', max: '4000' } },
          requires: { simulation: { by: [simulator] } },
        },
  )
  const prices = { currency: 'USD', by: [oracle], maxAge: '5m' }
  const priced = await deployment.createWalletWith({ ...policy, id: 'priced', prices, rules })
  await client().setBalance({ address: priced.address as Hex, value: parseEther('10') })
  const plain = wallet
  try {
    const { id } = await waiting('needs-no-facts')
    const results = await runBlock('facts', id)
    for (const { code, stdout, stderr } of results) {
      expect(code, stderr).toBe(0)
      expect(stdout).toMatch(/^the signer has 0x[0-9a-f]{64}; it holds until /)
    }
    // The simulation was of other bytes, by another wallet.
    wallet = priced
    const refused = await send('needs-facts')
    expect([refused.code, refused.json()]).toMatchObject([3, { error: { code: 'POLICY_REFUSED' } }])
    expect(refused.stdout).toContain('POLICY_SIMULATION')
    expect(refused.stdout).not.toContain('POLICY_VALUE')
    expect(
      (await cli('fact', 'simulation', '--outcome', 'success', '--credential', 'simulator.json')).code,
    ).toBe(2)
  } finally {
    wallet = plain
  }
})
