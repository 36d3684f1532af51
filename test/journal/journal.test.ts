import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCredentialFile } from '@countersign/sdk/node'
import {
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  parseAbi,
  parseEther,
  publicActions,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../../clients/cli/src/testing/run-here.ts'
import { type Deployment, startDeployment } from '../deployment/deployment.ts'
import { listBlocks, listSnippets } from '../house/snippets.ts'
import { buildGoClient, type GoClient, withoutGo } from './go-client.ts'
import { type Lie, openLyingEngine } from './lying-engine.ts'

/**
 * The journal of a real deployment as others meet it: an auditor with Go's own tools, witnesses, an accountant, and
 * whoever compares it with the chain. The attackers have the engine, a copied key, or the signer's backups.
 */
const chainId = 'eip155:31337'
const rawKey: Hex = `0x${randomBytes(32).toString('hex')}`
const thief = privateKeyToAccount(rawKey)
const payee = '0x00000000000000000000000000000000000000aa'
const account = '0x00000000000000000000000000000000000acc07'
const entryPoint = '0x0000000071727De22E5E9d8BAf0edAc6f37da032'
const env = { COUNTERSIGN_RAW_KEY: rawKey.slice(2) }
const policy = {
  version: 1,
  id: 'journal',
  rules: [
    { id: 'pay', action: 'permit', effects: ['native-transfer'], when: { recipient: [payee] } },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { amount: { max: String(parseEther('1')) } } },
    { id: 'talk', action: 'permit', effects: ['message'] },
    {
      id: 'operate',
      action: 'permit',
      effects: ['user-operation', 'batch', 'native-transfer', 'fee'],
      when: { account: [account] },
    },
  ],
}

let deployment: Deployment
let go: GoClient | undefined
let wallet: { readonly id: string; readonly address: Hex }
let tilesUrl: string
let witnesses: readonly { readonly folder: string; readonly key: string }[]
let logKey: string
let keptHead: string | undefined

const cli = (args: readonly string[], more: Readonly<Record<string, string>> = {}, cwd?: string) => {
  const { url, audience, paths } = deployment
  return runHere([...args], {
    cwd: cwd ?? paths.folder,
    env: {
      COUNTERSIGN_URL: url,
      COUNTERSIGN_CREDENTIAL: paths.agentFile,
      COUNTERSIGN_AUDIENCE: audience,
      ...more,
    },
  })
}
const at = (...parts: string[]) => join(deployment.paths.folder, ...parts)
const editConfig = (file: string, more: object) =>
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...more }), { mode: 0o600 })

beforeAll(async () => {
  if (withoutGo === undefined) go = buildGoClient()
  deployment = await startDeployment({ chain: true, backend: 'env', signerEnv: env })
  const { paths, admin } = deployment
  const reader = await createCredentialFile(at('credentials', 'engine.json'))
  const { algorithm, publicKey } = reader
  await admin.credentials.create({ algorithm, publicKey, role: 'agent', name: 'engine', powers: ['read'] })
  editConfig(paths.engineConfig, {
    journalCredential: at('credentials', 'engine.json'),
    tilesListen: { port: 0 },
    reconcile: { everyMs: 300 },
  })
  tilesUrl = String((await deployment.restart('engine')).tilesUrl)

  witnesses = []
  for (const name of ['one', 'two']) {
    const made = await cli(['witness', 'init', at(name), '--name', `witness.example/${name}`])
    witnesses = [...witnesses, { folder: at(name), key: made.stdout.trim() }]
  }
  editConfig(paths.signerConfig, { witnesses: witnesses.map(({ key }) => key), witnessQuorum: 2 })
  await deployment.restart('signer', env)
  logKey = (await cli(['journal', 'key'])).stdout.trim()

  const made = await deployment.createWalletWith(policy)
  wallet = { id: made.id, address: made.address as Hex }
  expect(made.address.toLowerCase()).toBe(thief.address.toLowerCase())
  await chain().request({
    method: 'anvil_setBalance' as never,
    params: [made.address, '0x56bc75e2d63100000'] as never,
  })
}, 400_000)

afterAll(async () => {
  go?.close()
  await deployment?.stop()
})

function chain(client = deployment) {
  return createWalletClient({ account: thief, chain: foundry, transport: http(client.chain?.url) }).extend(
    publicActions,
  )
}

/** More entries than one tile holds. */
async function fill(count: number): Promise<void> {
  const one = (i: number) => deployment.agent.signMessage({ walletId: wallet.id, message: `note ${i}` })
  for (let done = 0; done < count; done += 20)
    await Promise.all(Array.from({ length: 20 }, (_, i) => one(done + i)))
}

async function pay(amount: bigint, attribution = {}) {
  const { agent } = deployment
  const sent = await agent.sendTransaction({
    walletId: wallet.id,
    transaction: { chainId: 31337, to: payee, value: amount },
    attribution,
  })
  return agent.waitForTransaction(sent.id)
}

const cosign = (index: number) => cli(['witness', 'cosign', witnesses[index]?.folder ?? '', '--log', logKey])
const checkpoint = async () => (await fetch(`${deployment.url}/checkpoint`)).text()
const sizeOf = (note: string) => Number(note.split('\n')[1])
const isCosigned = (note: string, name: string) => note.includes(`\u2014 witness.example/${name} `)

describe('witnesses', () => {
  it('cosign what the engine shows, and it shows what enough of them have cosigned', async () => {
    await fill(280)
    const first = await cosign(0)
    expect(first, first.stderr).toMatchObject({ code: 0 })
    // One of two is no quorum: nothing has changed for those who ask.
    const { size } = await deployment.agent.journal.entries({ start: 0, limit: 1 })
    const second = await cosign(1)
    expect(second.stdout).toContain(`Cosigned ${size} entries`)
    const shown = await checkpoint()
    expect(sizeOf(shown)).toBe(size)
    expect(['one', 'two'].map((name) => isCosigned(shown, name))).toEqual([true, true])
    // A newer one without a quorum does not take its place.
    await fill(20)
    expect((await cosign(0)).code).toBe(0)
    expect(await checkpoint()).toBe(shown)
    expect((await cosign(1)).code).toBe(0)
    expect(sizeOf(await checkpoint())).toBeGreaterThan(size)
  })

  it('are heard only where they are configured, and only over what is this journal', async () => {
    const post = async (note: string) => {
      const response = await fetch(`${deployment.url}/v1/journal/cosignatures`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ checkpoint: note }),
      })
      const { error } = (await response.json()) as { error?: { code: string } }
      return error?.code
    }
    const shown = await checkpoint()
    const [text] = shown.split('\n\n') as [string]
    expect(await post(shown)).toBeUndefined()
    const forged = shown.replace(/(witness.example.one \S{80})(.)/, (_, head: string, sign: string) => {
      return `${head}${sign === 'A' ? 'B' : 'A'}`
    })
    expect(await post(forged)).toBe('WIRE_CHECKPOINT_INVALID')
    const own = shown.split('\n').find((line) => line.startsWith('\u2014 countersign/'))
    expect(await post(`${text}\n\n${own}\n`)).toBe('SIGNER_COSIGNATURE_REFUSED')
    const stranger = shown
      .split('\n')
      .filter((line) => !line.includes('countersign/sgn') || line === text.split('\n')[0])
    expect(await post(`${stranger.join('\n')}`)).toBe('SIGNER_COSIGNATURE_REFUSED')
    expect(await post(shown.replace(/\n\d+\n/, '\n5\n'))).toBe('WIRE_CHECKPOINT_INVALID')
    expect(await post('nothing')).toBe('WIRE_CHECKPOINT_INVALID')
    expect(await post(`${shown}${'x'.repeat(20_000)}`)).toBe('WIRE_INVALID_BODY')
  })
})

describe('an auditor', () => {
  const goIt = it.skipIf(withoutGo !== undefined)
  if (withoutGo !== undefined) it.skip(`reads it with Go: skipped, ${withoutGo}`)
  const keys = () => witnesses.flatMap(({ key }) => ['-w', key])

  goIt(
    'reads it over HTTP with Go’s note and tlog, each entry against the tree',
    async () => {
      const found = await go?.read([tilesUrl, logKey, ...keys()])
      expect(found?.size).toBe(sizeOf(await checkpoint()))
      expect(found?.size).toBeGreaterThan(512)
      expect(found).toMatchObject({
        records: found?.size,
        witnesses: ['witness.example/one', 'witness.example/two'],
      })
      expect(found?.types.slice(0, 3)).toEqual(['init', 'credential', 'credential'])
      const [name, , data] = logKey.split('+')
      await expect(go?.read([tilesUrl, `${name}+00000000+${data}`])).rejects.toThrow(
        /malformed verifier id|id/,
      )
    },
    120_000,
  )

  it('exports it, and checks the export with nothing else at hand', async () => {
    writeFileSync(at('kept.txt'), await checkpoint())
    await fill(20)
    const exported = await cli(['journal', 'export', at('export'), '--prove', '3'])
    expect(exported, exported.stderr).toMatchObject({ code: 0 })
    const asked = witnesses.flatMap(({ key }) => ['--witness', key])
    const offline = { COUNTERSIGN_URL: 'http://127.0.0.1:9' }
    const verify = ['journal', 'verify', '--offline', at('export'), '--checkpoint', at('kept.txt'), ...asked]
    const verified = await cli([...verify, '--json'], offline)
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
    expect(verified.json()).toMatchObject({
      valid: true,
      pinned: true,
      proofs: 1,
      witnesses: ['witness.example/one', 'witness.example/two'],
    })
    const stranger = await cli(['witness', 'init', at('stranger'), '--name', 'witness.example/three'])
    const missing = await cli([...verify, '--witness', stranger.stdout.trim(), '--json'], offline)
    expect(missing.code).toBe(4)
    expect(missing.json()).toMatchObject({ error: { code: 'CLI_NOT_WITNESSED' } })
  })

  goIt('reads the export with Go too, and finds that it continues what was kept', async () => {
    const found = await go?.read([at('export'), logKey, '-old', at('kept.txt')])
    expect(found?.continues).toBe(sizeOf(readFileSync(at('kept.txt'), 'utf8')))
    expect(found?.size).toBeGreaterThan(found?.continues ?? Number.POSITIVE_INFINITY)
  })

  it.each([
    ['an entry', 'tile/entries/000', 60],
    ['a hash of an entry', 'tile/0/000', 40],
    ['a hash above', 'tile/1/000.p/2', 40],
    ['the signature', 'checkpoint', 180],
  ])('finds %s that was changed in it, as Go does', async (_name, path, offset) => {
    const copy = at(`export-${path.replaceAll('/', '-')}`)
    cpSync(at('export'), copy, { recursive: true })
    const bytes = readFileSync(join(copy, path))
    bytes[offset] = (bytes[offset] as number) === 0x41 ? 0x42 : 0x41
    writeFileSync(join(copy, path), bytes)
    expect((await cli(['journal', 'verify', '--offline', copy])).code).toBe(4)
    if (go !== undefined) await expect(go.read([copy, logKey])).rejects.toThrow()
  })

  it('finds entries by what they say, in the engine’s copy', async () => {
    await pay(1n, { agent: 'payer', workflow: 'payroll', operator: 'ops' })
    const find = async (...args: string[]) => {
      const found = await cli(['journal', 'search', ...args, '--json'])
      expect(found, found.stdout).toMatchObject({ code: 0 })
      return found.json() as {
        entries: { index: number; entry: { type: string; transactionHash?: string } }[]
      }
    }
    const { entries } = await find('--agent', 'payer', '--workflow', 'payroll', '--operator', 'ops')
    expect(entries.map(({ entry }) => entry.type)).toEqual(['permit', 'signed'])
    const [, signed] = entries
    const hash = signed?.entry.transactionHash ?? ''
    expect((await find('--transaction', hash)).entries.map(({ index }) => index)).toEqual([signed?.index])
    expect((await find('--wallet', 'wal_none')).entries).toEqual([])
    expect((await cli(['journal', 'search'])).code).toBe(2)
  })
})

describe('reconciliation', () => {
  const reconcile = async (...args: string[]) => {
    const rpc = `${chainId}=${deployment.chain?.url}`
    const { code, stdout, json } = await cli(['journal', 'reconcile', '--rpc', rpc, '--json', ...args])
    return {
      code,
      stdout,
      ...(code === 0 || code === 7 ? (json() as Found) : { unmatched: -1, accounts: [] }),
    }
  }
  interface Found {
    readonly unmatched: number
    readonly accounts: readonly {
      readonly address: string
      readonly method: string
      readonly matched: readonly { readonly hash: string }[]
      readonly unmatched: readonly { readonly hash: string | null }[]
      readonly unseen: readonly { readonly hash: string; readonly state: string }[]
    }[]
  }
  const metric = async () => {
    const text = await (await fetch(`${deployment.url}/metrics`)).text()
    return Number(/countersign_unmatched_transactions\{chain="eip155:31337"\} (\d+)/.exec(text)?.[1])
  }
  const eventually = async (wanted: number) => {
    for (let i = 0; i < 100 && (await metric()) !== wanted; i++)
      await new Promise((next) => setTimeout(next, 200))
    expect(await metric()).toBe(wanted)
  }

  it('finds every transaction, and lists what was signed and never sent', async () => {
    await pay(2n)
    const { nonce, ...fees } = await prepared()
    const signed = await deployment.agent.signTransaction({
      walletId: wallet.id,
      transaction: { chainId: 31337, to: payee, value: 3n, gas: 21_000n, nonce: nonce + 5, ...fees },
    })
    const found = await reconcile()
    expect(found, found.stdout).toMatchObject({ code: 0, unmatched: 0 })
    const own = found.accounts.find(({ method }) => method === 'nonces')
    expect(own?.matched.length).toBe(nonce)
    expect(own?.unseen).toEqual([{ index: expect.any(Number), hash: signed.hash, state: 'pending' }])
    await eventually(0)
  })

  it('raises the alarm for a transaction that was sent with a copied key', async () => {
    const stolen = await chain().sendTransaction({ to: payee, value: 4n })
    const found = await reconcile()
    expect(found).toMatchObject({ code: 7, unmatched: 1 })
    expect(found.accounts.flatMap(({ unmatched }) => unmatched)).toMatchObject([{ hash: stolen }])
    const { stdout } = await cli(['journal', 'reconcile', '--rpc', `${chainId}=${deployment.chain?.url}`])
    expect(stdout).toContain(`ALARM block`)
    await eventually(1)
    expect(deployment.process('engine').errorOutput()).toMatch(
      new RegExp(`"event":"unmatched-transaction".*"transaction":"${stolen}"`),
    )
  })

  it('knows the user operations that the wallet has signed, and no others', async () => {
    const abi = parseAbi(['function execute(address to, uint256 value, bytes data)'])
    const execute = encodeFunctionData({ abi, functionName: 'execute', args: [payee, 1n, '0x'] })
    const fields = { nonce: '0', callGasLimit: '1', verificationGasLimit: '1', preVerificationGas: '1' }
    const userOperation = {
      sender: account as Hex,
      callData: execute,
      maxFeePerGas: '1',
      maxPriorityFeePerGas: '1',
      ...fields,
    }
    const signing = { walletId: wallet.id, entryPoint, chainId: 31337, userOperation } as never
    const { userOpHash } = await deployment.agent.signUserOperation(signing)
    await emitting()
    await emit(userOpHash as Hex, account)
    const known = await reconcile()
    expect(known.unmatched).toBe(1)
    const smart = known.accounts.find(({ address }) => address === account.toLowerCase())
    expect(smart).toMatchObject({ method: 'events', matched: [{ hash: userOpHash }], unseen: [] })

    const forged: Hex = `0x${'f'.repeat(64)}`
    await emit(forged, account)
    // EIP-7702 makes the wallet's own account a smart one: what it does then uses no nonce of it.
    const delegated: Hex = `0x${'d'.repeat(64)}`
    await emit(delegated, wallet.address)
    const found = await reconcile()
    expect(found).toMatchObject({ code: 7, unmatched: 3 })
    const hashes = found.accounts.flatMap(({ unmatched }) => unmatched.map(({ hash }) => hash))
    expect(hashes).toEqual(expect.arrayContaining([forged, delegated]))
    await eventually(3)
    // An account that others sign for too can be left out, and nothing else with it.
    expect(await reconcile('--shared', account)).toMatchObject({ code: 7, unmatched: 2 })
  })

  it('believes no endpoint of another chain', async () => {
    const wrong = await cli(['journal', 'reconcile', '--rpc', `eip155:1=${deployment.chain?.url}`])
    expect(wrong.code).toBe(5)
    expect(wrong.stderr).not.toContain(deployment.chain?.url)
  })

  async function prepared() {
    const { maxFeePerGas, maxPriorityFeePerGas } = await chain().estimateFeesPerGas()
    const nonce = await chain().getTransactionCount({ address: wallet.address })
    return { nonce, maxFeePerGas, maxPriorityFeePerGas }
  }

  /** What the entry point says of an operation, without all that leads to it. */
  async function emitting() {
    const topic = '49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f'
    const code = `0x6000602035600035${`7f${topic}`}60006000a400`
    await chain().request({ method: 'anvil_setCode' as never, params: [entryPoint, code] as never })
  }
  async function emit(hash: Hex, sender: string) {
    const data: Hex = `${hash}${sender.slice(2).toLowerCase().padStart(64, '0')}`
    const from = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
    const send = { method: 'eth_sendTransaction' as never, params: [{ from, to: entryPoint, data }] as never }
    await chain().waitForTransactionReceipt({ hash: (await chain().request(send)) as Hex })
  }
})

describe('an accountant', () => {
  it('gets a line for each payment, exact, with what it cost, and no formulas', async () => {
    const amount = 1_234_567_890_123_456_789n
    const sent = await pay(amount, { agent: '=HYPERLINK("http://evil","x")', operator: '@SUM(A1:A9)' })
    const rpc = ['--rpc', `${chainId}=${deployment.chain?.url}`]
    const { code, stderr } = await cli([
      'journal',
      'csv',
      '--out',
      at('payments.csv'),
      '--from',
      '2020-01-01',
      ...rpc,
    ])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const lines = readFileSync(at('payments.csv'), 'utf8').split('\r\n')
    const line = lines.find((one) => one.includes(sent.hash ?? 'none')) ?? ''
    expect(line).toContain('1.234567890123456789')
    expect(line).toContain(',mined,')
    expect(line).toContain(`"'=HYPERLINK(""http://evil"",""x"")"`)
    expect(line).toContain(`"'@SUM(A1:A9)"`)
    expect((await cli(['journal', 'csv', '--out', at('payments.csv')])).code).toBe(1)
    const rows = (await cli(['journal', 'csv', '--json'])).json() as { payments: { amount_minor: string }[] }
    expect(rows.payments.map((row) => row.amount_minor)).toContain(String(amount))
  })

  it('gets the same out of an export, and nothing out of one that was changed', async () => {
    await cli(['journal', 'export', at('books')])
    const offline = { COUNTERSIGN_URL: 'http://127.0.0.1:9' }
    const { stdout } = await cli(['journal', 'csv', '--offline', at('books')], offline)
    expect(stdout).toContain('1.234567890123456789')
    const path = at('books', 'tile/entries/002.p')
    const [file] = readdirSync(path)
    const bundle = join(path, file ?? '')
    writeFileSync(
      bundle,
      readFileSync(bundle, 'latin1').replace('1234567890123456789', '1234567890123456780'),
      'latin1',
    )
    const changed = await cli(['journal', 'csv', '--offline', at('books')], offline)
    expect(changed).toMatchObject({ code: 4, stdout: '' })
  })
})

describe('an engine that an attacker owns', () => {
  interface Page {
    entries: { index: number; entry: { type: string; wallet?: string } }[]
  }
  const isEntries = (path: string) => path.startsWith('/v1/journal/entries')
  const pages =
    (change: (page: Page) => void): Lie =>
    (path, body) => {
      if (!isEntries(path)) return undefined
      const page = JSON.parse(body.toString('utf8')) as Page
      change(page)
      return JSON.stringify(page)
    }
  const hide = pages((page) => {
    page.entries = page.entries.filter(({ index }) => index !== 7).map((one, i) => ({ ...one, index: i }))
  })
  const older = readOnce()

  it.each<readonly [string, Lie, readonly string[]]>([
    ['hides an entry', hide, ['journal', 'verify']],
    [
      'changes an entry',
      pages((page) => Object.assign(page.entries[3]?.entry ?? {}, { wallet: 'wal_x' })),
      ['journal', 'verify'],
    ],
    [
      'exchanges two entries',
      pages(({ entries }) => {
        const [a, b] = [entries[4], entries[5]]
        if (a !== undefined && b !== undefined) [a.entry, b.entry] = [b.entry, a.entry]
      }),
      ['journal', 'verify'],
    ],
    [
      'leaves out the end',
      pages((page) => {
        page.entries = page.entries.filter(({ index }) => index < 100)
      }),
      ['journal', 'verify'],
    ],
    ['hides an entry from an export', hide, ['journal', 'export', 'hidden']],
    ['hides an entry from an accountant', hide, ['journal', 'csv']],
    ['shows an older state', (path) => older(path), ['journal', 'verify', '--quick']],
    [
      'shows another entry as proven',
      pages((page) => {
        if (page.entries[0] !== undefined) page.entries[0].entry.type = 'refused'
      }),
      ['journal', 'prove', '2'],
    ],
    [
      'gives a witness another tree',
      (path, body) => {
        if (!path.startsWith('/tile/0/')) return undefined
        return Buffer.from(body.map((byte, i) => (i < 32 ? byte ^ 1 : byte)))
      },
      ['witness', 'cosign', 'one', '--log', 'KEY'],
    ],
  ])('%s: found out', async (_name, lie, args) => {
    await checkpointKept()
    const engine = await openLyingEngine(deployment.url, lie)
    try {
      const given = args.map((arg) => (arg === 'KEY' ? logKey : arg))
      const truth = await cli(given.includes('export') ? ['journal', 'verify'] : given)
      expect(truth, truth.stderr).toMatchObject({ code: 0 })
      await fill(20)
      const lied = await cli([...given, '--json'], { COUNTERSIGN_URL: engine.url })
      expect(lied, lied.stdout).toMatchObject({ code: 4 })
    } finally {
      await engine.close()
    }
  })

  /** What a signer once said stays signed: an engine can show it again. */
  function readOnce(): (path: string) => string | undefined {
    return (path) => (path === '/v1/journal/checkpoint' ? keptHead : undefined)
  }
  async function checkpointKept(): Promise<void> {
    keptHead ??= await (await fetch(`${deployment.url}/v1/journal/checkpoint`)).text()
  }
})

describe('docs/journal.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/journal.md'), 'utf8')
  const snippets = listSnippets(text)

  it('marks every block of code', () => {
    const marks = listBlocks(text).map(({ mark }) => mark)
    expect(marks.filter((mark) => !/^<!-- (?:run: [a-z]+|shown: .{10,}) -->$/.test(mark))).toEqual([])
    expect(snippets.map(({ name }) => name)).toEqual([
      'check',
      'export',
      'witness',
      'search',
      'reconcile',
      'csv',
    ])
  })

  it('runs as it stands, in its order', async () => {
    const there = at('documented')
    mkdirSync(there)
    for (const { text: commands } of snippets) {
      for (const line of commands.split('\n')) {
        const [, ...args] = line
          .replace('$CHAIN', chainId)
          .replace('$RPC', deployment.chain?.url ?? '')
          .split(' ')
        const { code, stderr } = await cli(args, {}, there)
        // The alarms of the tests before.
        expect({ line, code, stderr }).toMatchObject({ code: args[1] === 'reconcile' ? 7 : 0 })
      }
    }
    expect(readdirSync(there).sort()).toEqual(
      expect.arrayContaining(['audit', 'kept.txt', 'offline.csv', 'payments.csv', 'watcher']),
    )
    expect(readFileSync(join(there, 'offline.csv'), 'utf8').split('\r\n').length).toBeGreaterThan(3)
  }, 120_000)
})

describe('a signer that was put back to a backup', () => {
  it('is found out by what was kept: by readers, witnesses, the engine and a newer checkpoint', async () => {
    await deployment.kill('signer')
    execFileSync('cp', ['-a', deployment.paths.signerData, at('backup')])
    await deployment.restart('signer', env)
    await fill(20)
    for (const index of [0, 1]) expect((await cosign(index)).code).toBe(0)
    expect((await cli(['journal', 'verify'])).code).toBe(0)
    const newest = await checkpoint()
    writeFileSync(at('newest.txt'), newest)
    await deployment.kill('signer')
    rmSync(deployment.paths.signerData, { recursive: true })
    execFileSync('cp', ['-a', at('backup'), deployment.paths.signerData])
    await deployment.restart('signer', env)

    const quick = await cli(['journal', 'verify', '--quick', '--json'])
    expect(quick.code).toBe(4)
    expect(quick.json()).toMatchObject({ error: { code: 'CLI_ROLLED_BACK' } })
    const witnessed = await cosign(0)
    expect(witnessed).toMatchObject({ code: 4 })
    expect(witnessed.stderr).toContain('do not continue')
    await cli(['journal', 'export', at('rolled-back')])
    const offline = [
      'journal',
      'verify',
      '--offline',
      at('rolled-back'),
      '--checkpoint',
      at('newest.txt'),
      '--json',
    ]
    expect((await cli(offline)).json()).toMatchObject({ error: { code: 'CLI_ROLLED_BACK' } })
    if (go !== undefined)
      await expect(go.read([at('rolled-back'), logKey, '-old', at('newest.txt')])).rejects.toThrow(
        /rolled back/,
      )
    const broken = async () =>
      /countersign_journal_broken (\d)/.exec(await (await fetch(`${deployment.url}/metrics`)).text())?.[1]
    for (let i = 0; i < 50 && (await broken()) !== '1'; i++)
      await new Promise((next) => setTimeout(next, 200))
    expect(await broken()).toBe('1')

    // It goes on to the same size with another history: its own signature over the lost one now speaks against it.
    await fill(20)
    await fill(20)
    const { size } = await deployment.agent.journal.entries({ start: 0, limit: 1 })
    expect(size).toBeGreaterThan(sizeOf(newest))
    expect((await cli(['journal', 'verify', '--json'])).json()).toMatchObject({
      error: { code: 'CLI_ROLLED_BACK' },
    })
    expect((await cosign(0)).code).toBe(4)
    const answer = await fetch(`${deployment.url}/v1/journal/cosignatures`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ checkpoint: newest }),
    })
    expect(await answer.json()).toMatchObject({ error: { code: 'SIGNER_FORKED' } })
    const alarm = (await deployment.agent.journal.entries({ start: size, limit: 5 })).entries
    expect(alarm.map(({ entry }) => entry.type)).toContain('alarm')
  }, 120_000)
})
