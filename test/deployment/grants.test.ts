/** Grants and sessions as docs/grants.md shows them: command line, SDK, engine and signer as processes of their own. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { createCountersignClient, parseSession } from '@countersign/sdk'
import { credentialFromFile } from '@countersign/sdk/node'
import {
  createPublicClient,
  createTestClient,
  http,
  parseEther,
  parseTransaction,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerialized,
} from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../clients/cli/src/testing/run-cli.ts'
import { listBlocks, listSnippets } from '../house/snippets.ts'
import { type Deployment, startDeployment } from './deployment.ts'

const root = resolve(import.meta.dirname, '../..')
const document = readFileSync(join(root, 'docs/grants.md'), 'utf8')
const snippets = listSnippets(document)
/** Below the repository, so that what the examples import is found. */
const folder = join(root, '.cache', `grants-${process.pid}`)

let deployment: Deployment
const known = { alice: '', bot: '', wallet: '', address: '', grant: '' }
beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  // The examples speak of Base, so the local chain takes its number.
  deployment = await startDeployment({ chain: { chainId: 8453 } })
  writeFileSync(join(folder, 'payouts.json'), textOf('wallet-policy'))
  writeFileSync(join(folder, 'agent-rules.json'), textOf('agent-rules'))
  writeFileSync(join(folder, 'rent-rules.json'), textOf('schedule-rules'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await deployment?.stop()
})

function textOf(name: string): string {
  const text = snippets.find((snippet) => snippet.name === name)?.text
  if (text === undefined) throw new Error(`docs/grants.md has no example ${name}.`)
  return text
}

const filled = (text: string) =>
  [
    ['http://127.0.0.1:8720', deployment.url],
    ['sgn_…', deployment.audience],
    ['wal_…', known.wallet],
    ['grt_…', known.grant],
    ['cred_alice', known.alice],
    ['cred_bot', known.bot],
  ].reduce((all, [from = '', to = '']) => all.replaceAll(from, to), text)

async function run(...args: string[]) {
  const env = { COUNTERSIGN_URL: deployment.url, COUNTERSIGN_AUDIENCE: deployment.audience }
  const by = args.includes('--credential') ? [] : ['--credential', deployment.paths.adminFiles[0] ?? '']
  return runCli([...args, ...by, '--json'], { cwd: folder, env })
}

/** A line as it stands in the document. */
async function line(text: string): Promise<Record<string, unknown>> {
  const [program, ...args] = [...filled(text).matchAll(/"([^"]*)"|(\S+)/g)].map(([, a, b]) => a ?? b ?? '')
  expect(program).toBe('countersign')
  const result = await run(...args)
  expect(result.code, `${text}\n${result.stdout}${result.stderr}`).toBe(0)
  return result.json()
}

async function lines(name: string): Promise<Record<string, unknown>[]> {
  const answers: Record<string, unknown>[] = []
  for (const text of textOf(name).split('\n')) {
    const answer = await line(text)
    if (text.includes('create alice.json')) known.alice = String(answer.id)
    if (text.includes('create bot.json')) known.bot = String(answer.id)
    if (text.includes('wallet create')) Object.assign(known, { wallet: answer.id, address: answer.address })
    if (text.includes('grant create')) known.grant = String(answer.id)
    answers.push(answer)
  }
  return answers
}

async function program(name: string, env: Record<string, string> = {}): Promise<string> {
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, filled(textOf(name)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    cwd: folder,
    env: { ...process.env, ...env },
  })
  return stdout.trim()
}

const fileOf = (name: string) => credentialFromFile(join(folder, name))
const clientOf = (name: string) =>
  createCountersignClient({ url: deployment.url, audience: deployment.audience, credential: fileOf(name) })
const pay = (
  by: string,
  grant: string | undefined,
  change: { to?: string; value?: bigint; nonce?: number } = {},
) => {
  const { to = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', value = 1n, nonce = 1 } = change
  return clientOf(by)
    .signTransaction({
      walletId: known.wallet,
      ...(grant === undefined ? {} : { grant }),
      unsignedTransaction: serializeTransaction({
        type: 'eip1559',
        chainId: 8453,
        nonce,
        to: to as `0x${string}`,
        value,
        gas: 21_000n,
        maxFeePerGas: 1_000_000_000n,
        maxPriorityFeePerGas: 1_000_000n,
      }),
    })
    .then(
      () => 'signed',
      (error: { code: string }) => error.code,
    )
}

it('marks every code block of docs/grants.md', () => {
  const unmarked = listBlocks(document).filter(
    ({ mark }) => !/^<!-- (?:run: [a-z0-9-]+|shown: .{10,}) -->$/.test(mark),
  )
  expect(unmarked).toEqual([])
})

describe('docs/grants.md', () => {
  it('makes an owner, a grantee and a wallet', async () => {
    const made = await lines('owner')
    expect(made.at(-1)).toMatchObject({ policy: 'payouts', owner: known.alice })
    expect(await pay('bot.json', undefined)).toBe('SIGNER_GRANT_NEEDED')
  })

  it('gives an agent its mandate, and says what a robbed agent costs', async () => {
    const [made, list, one, radius] = await lines('agent-grant')
    expect(made).toMatchObject({ to: known.bot, grantedBy: { owner: known.alice }, maxUses: 1000 })
    expect(list).toMatchObject({ grants: [{ id: known.grant, unusable: null, uses: 0 }] })
    expect(one).toMatchObject({ id: known.grant, name: 'gas bot', rules: { id: known.grant } })
    expect(radius).toMatchObject({
      wallets: [
        {
          bounded: true,
          assets: [{ bounds: [{ amountMinor: '32000000000000000', windowMs: 86_400_000 }] }],
        },
      ],
    })
    const signed = (await program('agent')) as TransactionSerialized
    expect(await recoverTransactionAddress({ serializedTransaction: signed })).toBe(known.address)
    expect(parseTransaction(signed)).toMatchObject({ value: 5_000_000_000_000_000n })
    const stranger = `0x${'22'.repeat(20)}`
    const refused = await Promise.all([
      pay('bot.json', known.grant, { to: stranger }),
      pay('bot.json', known.grant, { value: 10n ** 16n + 1n }),
    ])
    expect(refused).toEqual(['POLICY_REFUSED', 'POLICY_REFUSED'])
    expect(await pay('alice.json', known.grant)).toBe('SIGNER_GRANT_FOREIGN')
    expect(await pay('alice.json', undefined)).toBe('SIGNER_GRANT_NEEDED')
    // The second within a minute fits the rule; the third does not.
    expect(await pay('bot.json', known.grant, { nonce: 2 })).toBe('signed')
    expect(await pay('bot.json', known.grant, { nonce: 3 })).toBe('POLICY_REFUSED')
  })

  it('gives a schedule its mandate, which pays once a month however often it runs', async () => {
    await lines('schedule-grant')
    const url = deployment.chain?.url ?? ''
    const money = createTestClient({ mode: 'anvil', transport: http(url) })
    await money.setBalance({ address: known.address as `0x${string}`, value: parseEther('1') })
    const landlord = '0x90F79bf6EB2c4f870365E785982E1f101E93b906'
    const balance = () => createPublicClient({ transport: http(url) }).getBalance({ address: landlord })
    const before = await balance()
    const first = await program('schedule')
    expect(first).toMatch(/^confirmed 0x[0-9a-f]{64}$/)
    expect(await program('schedule')).toBe(first)
    expect((await balance()) - before).toBe(parseEther('0.05'))
    expect(await pay('bot.json', known.grant, { to: landlord, nonce: 8 })).toBe('POLICY_REFUSED')
    expect(await pay('bot.json', known.grant, { nonce: 8 })).toBe('POLICY_REFUSED')
    const grant = await clientOf('bot.json').grants.get(known.grant)
    expect(grant).toMatchObject({ uses: 1, maxUses: 12, unusable: null })
    const custody = await line('countersign custody wal_…')
    expect(custody).toMatchObject({
      statement: {
        owner: known.alice,
        grants: expect.arrayContaining([expect.objectContaining({ id: known.grant, uses: 1 })]),
      },
    })
  })

  it('hands a session over, keeps it alive, and ends it', async () => {
    const session = await program('session-export')
    known.grant = parseSession(session).grant
    const [first = '', until] = (await program('session-import', { SESSION: session })).split('\n')
    const [signed = '', active] = first.split(' ')
    expect(await recoverTransactionAddress({ serializedTransaction: signed as TransactionSerialized })).toBe(
      known.address,
    )
    expect(active).toBe('true')
    expect(until).toMatch(/^until 2/)
    const [kept, revoked] = await lines('end')
    expect(kept).toMatchObject({ id: known.grant, state: 'active' })
    expect(revoked).toMatchObject({ state: 'revoked', revoked: { by: known.alice, reason: 'job done' } })
    expect(await pay('bot.json', known.grant)).toBe('SIGNER_GRANT_REVOKED')
    const refused = await run('grant', 'keep-alive', known.grant, '--credential', 'bot.json')
    expect(refused.code).toBe(3)
    expect(refused.json()).toMatchObject({ error: { code: 'SIGNER_GRANT_REVOKED' } })
  })
})

describe('countersign grant', () => {
  const create = (...more: string[]) => [
    'grant',
    'create',
    '--to',
    known.bot,
    '--wallet',
    known.wallet,
    '--rules',
    'agent-rules.json',
    ...more,
  ]

  it('is made by the quorum where it is not made by the owner, and ended by one admin', async () => {
    const made = await run(...create('--expires', '24h'))
    expect(made.json()).toMatchObject({ grantedBy: { quorum: [deployment.adminCredentials[0]?.id] } })
    const id = String(made.json().id)
    const ended = await run('grant', 'revoke', id, '--as-admin', '--reason', 'mistake')
    expect(ended.json()).toMatchObject({ state: 'revoked', revoked: { reason: 'mistake' } })
    const foreign = await run(...create('--expires', '24h', '--as-owner', '--credential', 'bot.json'))
    expect(foreign.json()).toMatchObject({ error: { code: 'WIRE_QUORUM_NOT_MET' } })
  })

  it('says how it is used wrongly', async () => {
    const wrong = [
      create(),
      create('--expires', 'tomorrow'),
      create('--expires', '2027-01-01'),
      create('--expires', '24h', '--max-uses', 'many'),
      create('--expires', '24h', '--extend-by', '1h'),
      create('--expires', '24h', '--hard-end', '48h'),
      ['grant', 'show'],
    ]
    const codes = await Promise.all(wrong.map(async (args) => (await run(...args)).code))
    expect(codes).toEqual(wrong.map(() => 2))
    const long = await run(...create('--expires', '3000d'))
    expect(long.json()).toMatchObject({ error: { code: 'SIGNER_GRANT_FORM' } })
    const unknown = await run('grant', 'show', `grt_${'0'.repeat(24)}`)
    expect(unknown.json()).toMatchObject({ error: { code: 'SIGNER_GRANT_UNKNOWN' } })
  })

  it('goes with its owner: a wallet that is handed over has none of the old ones', async () => {
    const made = await run(...create('--expires', '24h', '--as-owner', '--credential', 'alice.json'))
    const id = String(made.json().id)
    expect(await pay('bot.json', id, { nonce: 30 })).toBe('signed')
    const hand = (to: string, from: string, ...more: string[]) =>
      run('wallet', 'owner', known.wallet, to, '--expected', from, ...more)
    expect((await hand(known.bot, known.alice)).json()).toMatchObject({
      error: { code: 'SIGNER_OWNER_NEEDED' },
    })
    const handed = await hand('none', known.alice, '--as-owner', '--credential', 'alice.json')
    expect(handed.json()).toMatchObject({ owner: null })
    expect(await pay('bot.json', id, { nonce: 31 })).toBe('SIGNER_GRANT_ORPHANED')
    expect((await hand(known.alice, 'none')).json()).toMatchObject({ owner: known.alice })
  })

  it('survives a restart of both processes', async () => {
    const made = await run(
      ...create('--expires', '24h', '--max-uses', '2', '--as-owner', '--credential', 'alice.json'),
    )
    const id = String(made.json().id)
    expect(await pay('bot.json', id, { nonce: 20 })).toBe('signed')
    await deployment.restart('signer')
    await deployment.restart('engine')
    expect(await pay('bot.json', id, { nonce: 21 })).toBe('signed')
    expect(await pay('bot.json', id, { nonce: 22 })).toBe('SIGNER_GRANT_USED_UP')
  })
})
