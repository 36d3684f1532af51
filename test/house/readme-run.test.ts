import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { createPublicClient, createTestClient, http, parseEther } from 'viem'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Deployment, startDeployment } from '../deployment/deployment.ts'
import { listSnippets } from './snippets.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = join(root, '.cache', `readme-${process.pid}`)
const snippets = listSnippets(readFileSync(join(root, 'README.md'), 'utf8'))
const payee = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'

let deployment: Deployment
let walletId: string
let chainUrl: string

beforeAll(async () => {
  // The README speaks of Base, so the local chain takes its number.
  deployment = await startDeployment({ chain: { chainId: 8453 } })
  chainUrl = (deployment.chain as { url: string }).url
  const wallet = await deployment.createWalletWith(JSON.parse(textOf('policy')))
  walletId = wallet.id
  const money = createTestClient({ mode: 'anvil', transport: http(chainUrl) })
  await money.setBalance({ address: wallet.address as `0x${string}`, value: parseEther('10') })
  mkdirSync(folder, { recursive: true })
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await deployment.stop()
})

it('runs the viem account as it stands there', async () => {
  const before = await balance()
  await runSnippet('viem-account', [['transport: http(),', `transport: http('${chainUrl}'),`]])
  // The account's transaction is broadcast, not awaited, in the example.
  await expect.poll(async () => (await balance()) - before, { timeout: 20_000 }).toBe(parseEther('0.3'))
})

it('runs the client as it stands there, and shows the reasons of a refusal', async () => {
  // 0.3 of the 0.5 a day are gone: the example's own 0.3 is refused, and its handler says why.
  const output = await runSnippet('client', [])
  expect(output).toContain('limit daily')
  const smaller = await runSnippet('client', [["value: '300000000000000000'", "value: '100000000000000000'"]])
  expect(smaller).toMatch(/^confirmed 0x[0-9a-f]{64}$/m)
})

function textOf(name: string): string {
  const snippet = snippets.find((candidate) => candidate.name === name)
  if (snippet === undefined) throw new Error(`The README has no snippet ${name}.`)
  return snippet.text
}

async function runSnippet(name: string, changes: readonly (readonly [string, string])[]): Promise<string> {
  const placeholders = [
    ['http://127.0.0.1:8720', deployment.url],
    ['sgn_…', deployment.audience],
    ['wal_…', walletId],
    ["'agent.json'", JSON.stringify(deployment.paths.agentFile)],
  ] as const
  let text = textOf(name)
  for (const [from, to] of [...changes, ...placeholders]) {
    // The audience is optional, and only one of the examples names it.
    if (from !== 'sgn_…') expect(text, `${name} has ${from}`).toContain(from)
    text = text.replaceAll(from, to)
  }
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, text)
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root, timeout: 60_000 })
  return stdout
}

function balance(): Promise<bigint> {
  return createPublicClient({ transport: http(chainUrl) }).getBalance({ address: payee })
}
