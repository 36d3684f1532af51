import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliResult, runCli } from '../../clients/cli/src/testing/run-cli.ts'
import { type Deployment, startDeployment } from './deployment.ts'

let deployment: Deployment
let walletId: string
beforeAll(async () => {
  deployment = await startDeployment({ admins: 3, quorum: 2 })
  await deployment.admin.policies.put({ id: 'talk', policy: policy('message'), expected: null })
  walletId = (await deployment.agent.wallets.create({ type: 'EVM', policy: 'talk' })).id
})
afterAll(() => deployment?.stop())

const policy = (...effects: string[]) => ({
  version: 1,
  id: 'talk',
  rules: [{ id: 'talk', action: 'permit', effects }],
})
const file = (name: string, content: object) => {
  const path = join(deployment.paths.folder, name)
  writeFileSync(path, JSON.stringify(content))
  return path
}
/** By the first two admins, or by the one at `by`. */
const cli = (args: readonly string[], by?: number): Promise<CliResult> => {
  const files =
    by === undefined ? deployment.paths.adminFiles.slice(0, 2) : [deployment.paths.adminFiles[by] as string]
  const credentials = files.flatMap((path) => ['--credential', path])
  return runCli([...args, '--url', deployment.url, ...credentials, '--json'], {
    cwd: deployment.paths.folder,
    env: { COUNTERSIGN_AUDIENCE: deployment.audience },
  })
}
const say = () => deployment.agent.signMessage({ walletId, message: 'hello' })

it('without a delay everything acts at once', async () => {
  const applied = await cli(['policy', 'apply', file('wide.json', policy('message', 'fee'))])
  expect([applied.code, applied.json().version]).toEqual([0, 2])
})

it('a delay is set at once; what loosens then waits, is shown, and one admin stops it', async () => {
  expect((await cli(['delay', 'set', '1h'])).json()).toMatchObject({ delay: '1h' })
  expect((await cli(['organisation'])).json()).toMatchObject({
    quorum: 2,
    admins: 3,
    looseningDelay: '1h',
    frozen: null,
  })
  const narrowed = await cli(['policy', 'apply', file('narrow.json', policy('message'))])
  expect([narrowed.code, narrowed.json().version]).toEqual([0, 3])
  const asked = await cli(['policy', 'apply', file('wide.json', policy('message', 'raw-digest'))])
  expect(asked.code).toBe(6)
  const { change } = asked.json<{ change: string }>()
  expect(asked.json()).toMatchObject({ state: 'pending', loosens: [{ rule: 'talk' }] })
  expect((await cli(['change', 'list', '--state', 'pending'])).json()).toMatchObject({
    changes: [{ id: change }],
  })
  expect((await cli(['change', 'show', change])).json()).toMatchObject({
    state: 'pending',
    path: '/v1/policies/talk',
  })
  const vetoed = await cli(['change', 'veto', change, '--reason', 'not now'], 2)
  expect([vetoed.code, vetoed.json().state]).toEqual([0, 'vetoed'])
  expect((await cli(['change', 'show', change])).json()).toMatchObject({ state: 'vetoed', reason: 'not now' })
  expect((await cli(['change', 'veto', change], 2)).json()).toMatchObject({
    error: { code: 'SIGNER_CHANGE_SETTLED' },
  })
})

it('one admin is no quorum', async () => {
  const refused = await cli(['quorum', 'set', '1'], 0)
  expect([refused.code, refused.json()]).toMatchObject([1, { error: { code: 'WIRE_QUORUM_NOT_MET' } }])
  expect((await cli(['quorum', 'set', '1'])).code).toBe(6)
  expect((await cli(['delay', 'set', '0s'])).code).toBe(6)
  expect((await cli(['delay', 'set', 'soon'])).code).not.toBe(0)
})

it('books and groups', async () => {
  const book = { version: 1, id: 'friends', addresses: [{ address: `0x${'a1'.repeat(20)}` }] }
  expect((await cli(['book', 'check', file('book.json', book)])).json()).toMatchObject({
    valid: true,
    entries: 1,
  })
  expect((await cli(['book', 'apply', file('book.json', book)])).json()).toMatchObject({
    version: 1,
    entries: 1,
  })
  expect((await cli(['book', 'show', 'friends'])).json()).toMatchObject({ book })
  expect((await cli(['book', 'show'])).json()).toMatchObject({ books: [{ id: 'friends' }] })
  const set = await cli(['wallet-group', 'set', 'ops', '--add', walletId, '--policy', 'talk'])
  expect(set.json()).toMatchObject({ id: 'ops', wallets: [walletId], policy: 'talk' })
  expect((await cli(['wallet-group', 'set', 'ops', '--remove', walletId])).code).toBe(6)
  expect((await cli(['wallet-group', 'show', 'ops'])).json()).toMatchObject({ wallets: [walletId] })
  expect((await cli(['wallet-group', 'show'])).json()).toMatchObject({ groups: [{ id: 'ops', size: 1 }] })
})

it('one admin freezes, the quorum thaws, across a restart', async () => {
  expect((await say()).signature).toMatch(/^0x/)
  const frozen = await cli(['freeze', '--reason', 'looks odd'], 2)
  expect(frozen.code).toBe(0)
  await expect(say()).rejects.toMatchObject({ code: 'SIGNER_FROZEN', status: 403 })
  await deployment.kill('signer')
  await deployment.restart('signer')
  await expect(say()).rejects.toMatchObject({ code: 'SIGNER_FROZEN' })
  expect((await cli(['thaw'], 1)).json()).toMatchObject({ error: { code: 'WIRE_QUORUM_NOT_MET' } })
  expect((await cli(['thaw'])).json()).toMatchObject({ frozen: null })
  expect((await say()).signature).toMatch(/^0x/)
})

it.each([
  [['change', 'list'], /--state/],
  [['change', 'veto'], /one admin suffices/],
  [['freeze'], /power freeze/],
  [['thaw'], /admin quorum/],
  [['quorum', 'set'], /fewer waits/],
  [['delay', 'set'], /shorter waits/],
  [['book', 'apply'], /admin quorum/],
  [['wallet-group', 'set'], /--remove/],
  [['organisation'], /frozen/],
] as const)('%j --help', async (args, text) => {
  const help = await runCli([...args, '--help'], { cwd: deployment.paths.folder })
  expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(text)])
})
