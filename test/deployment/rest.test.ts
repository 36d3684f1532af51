/** The REST API with an API key alone, as scripts in any language use it: against a real signer, engine and chain. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createApiKey, createCountersignClient, type NewApiKey } from '@countersign/sdk'
import { verifyReceipt } from '@countersign/wire'
import pg from 'pg'
import { type Hex, parseEther, parseTransaction, recoverTransactionAddress } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deployment, startDeployment } from './deployment.ts'

const chainId = 8453
const recipient = '0x00000000000000000000000000000000000000aa'
const value = 10n ** 16n
const script = resolve(import.meta.dirname, '../../examples/rest/pay.py')

const coin = `eip155:${chainId}/slip44:60`
const policy = {
  version: 1,
  id: 'scripts',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      who: { bearer: true },
      effects: ['native-transfer'],
      when: { chain: [`eip155:${chainId}`], recipient: [recipient] },
      limits: [{ id: 'day', amount: String(3n * value), asset: coin, window: { rolling: '24h' } }],
    },
    {
      id: 'fees',
      action: 'permit',
      who: { bearer: true },
      effects: ['fee'],
      when: { chain: [`eip155:${chainId}`], amount: { max: String(parseEther('0.001')) } },
    },
  ],
}

/** For machines whose Python lacks `requests`: the one call of it that the example makes. */
const requestsShim = `
import json as _json
import urllib.error
import urllib.request

class _Answer:
    def __init__(self, text):
        self._text = text
    def json(self):
        return _json.loads(self._text)

def post(url, headers, json):
    asked = urllib.request.Request(url, data=_json.dumps(json).encode(), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(asked) as answer:
            return _Answer(answer.read())
    except urllib.error.HTTPError as error:
        return _Answer(error.read())
`

const hasPython = spawnSync('python3', ['--version']).status === 0
const hasRequests = spawnSync('python3', ['-c', 'import requests']).status === 0

let deployment: Deployment
let key: NewApiKey
beforeAll(async () => {
  deployment = await startDeployment({ chain: { chainId }, engineConfig: { logLevel: 'debug' } })
  await deployment.admin.policies.put({ id: policy.id, policy, expected: null })
  key = await addKey({ powers: ['create-wallet'], walletPolicy: policy.id })
})
afterAll(() => deployment?.stop())

async function addKey(change: object = {}): Promise<NewApiKey> {
  const made = createApiKey()
  await deployment.admin.credentials.create({ ...made.credential, role: 'agent', name: 'script', ...change })
  return made
}

function post(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(deployment.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

const withKey = (path: string, body: unknown, apiKey = key.apiKey) =>
  post(path, body, { 'X-API-Key': apiKey })
// biome-ignore lint/suspicious/noExplicitAny: answers of every form
const jsonOf = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json()
const newWallet = () =>
  jsonOf(withKey('/v1/wallets', { type: 'EVM' })) as Promise<{ id: string; address: Hex }>
const payment = { to: recipient, chainId, value: '0x2386F26FC10000' } as const

function runPython(...args: string[]): {
  wallet: { id: string; address: Hex }
  signed: { signedTransaction: Hex }
} {
  const shim = join(deployment.paths.folder, 'python')
  mkdirSync(shim, { recursive: true })
  if (!hasRequests) writeFileSync(join(shim, 'requests.py'), requestsShim)
  const run = spawnSync('python3', [script, ...args], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      PYTHONPATH: shim,
      COUNTERSIGN_URL: deployment.url,
      COUNTERSIGN_API_KEY: key.apiKey,
    },
  })
  expect(run.stderr).toBe('')
  return JSON.parse(run.stdout)
}

describe('with an API key, over plain HTTP', () => {
  it.runIf(hasPython)(
    'the Python example makes a wallet and signs; nonce, gas and fees are filled in',
    async () => {
      const { wallet, signed } = runPython('alice@example.com', recipient, String(chainId))
      expect(wallet).toMatchObject({ id: expect.stringMatching(/^wal_/), policy: policy.id, status: 'ready' })
      const raw = signed.signedTransaction as `0x02${string}`
      expect(await recoverTransactionAddress({ serializedTransaction: raw })).toBe(wallet.address)
      const made = parseTransaction(raw)
      expect(made).toMatchObject({ chainId, value, gas: 21_000n, type: 'eip1559' })
      expect(made.to?.toLowerCase()).toBe(recipient)
      expect(BigInt(made.maxFeePerGas ?? 0) * 21_000n).toBeLessThanOrEqual(parseEther('0.001'))
      // It is a transaction that the chain takes, once there is money.
      await rpc('anvil_setBalance', wallet.address, `0x${parseEther('1').toString(16)}`)
      const hash = await rpc('eth_sendRawTransaction', raw)
      await rpc('evm_mine')
      expect(await rpc('eth_getTransactionReceipt', hash)).toMatchObject({ status: '0x1' })
    },
  )

  it.runIf(hasPython)('the Python example is told why, in JSON, where policy refuses', async () => {
    const { signed } = runPython(
      'bob@example.com',
      '0x00000000000000000000000000000000000000bb',
      String(chainId),
    )
    expect(signed).toMatchObject({ error: { code: 'POLICY_REFUSED' } })
  })

  it('takes the key in either header, and no other', async () => {
    const { id } = await newWallet()
    const path = `/v1/wallets/${id}/sign-transaction`
    expect(
      (await post(path, { transaction: payment }, { authorization: `Bearer ${key.apiKey}` })).status,
    ).toBe(200)
    const codes = [
      await jsonOf(post(path, { transaction: payment })),
      await jsonOf(post(path, { transaction: payment }, { authorization: `Basic ${key.apiKey}` })),
      await jsonOf(withKey(path, { transaction: payment }, createApiKey().apiKey)),
      await jsonOf(withKey(path, { transaction: payment }, `${key.apiKey}, ${key.apiKey}`)),
    ].map(({ error }) => error.code)
    expect(codes).toEqual([
      'WIRE_INVALID_REQUEST',
      'WIRE_INVALID_REQUEST',
      'WIRE_UNKNOWN_CREDENTIAL',
      'WIRE_API_KEY_INVALID',
    ])
  })

  it('holds the policy’s limits to the last unit, and its fee cap', async () => {
    const { id } = await newWallet()
    const path = `/v1/wallets/${id}/sign-transaction`
    for (let i = 0; i < 3; i++) expect((await withKey(path, { transaction: payment })).status).toBe(200)
    const one = { ...payment, value: '1' }
    expect(await jsonOf(withKey(path, { transaction: one }))).toMatchObject({
      error: { code: 'POLICY_REFUSED' },
    })
    const dear = {
      ...payment,
      value: '0',
      gas: 21_000,
      maxFeePerGas: String(parseEther('0.001') / 21_000n + 1n),
    }
    const other = await newWallet()
    const refused = await jsonOf(withKey(`/v1/wallets/${other.id}/sign-transaction`, { transaction: dear }))
    expect(refused).toMatchObject({ error: { code: 'POLICY_REFUSED' } })
  })

  it('gives the same answer to the same request id', async () => {
    const { id } = await newWallet()
    const body = { transaction: { ...payment, nonce: 0 } }
    const headers = { 'X-API-Key': key.apiKey, 'Idempotency-Key': 'rest-request-1' }
    const first = await jsonOf(post(`/v1/wallets/${id}/sign-transaction`, body, headers))
    expect(first.signedTransaction).toMatch(/^0x02/)
    expect(await jsonOf(post(`/v1/wallets/${id}/sign-transaction`, body, headers))).toEqual(first)
  })

  it('sends, follows and reads its own transaction', async () => {
    const { id, address } = await newWallet()
    await rpc('anvil_setBalance', address, `0x${parseEther('1').toString(16)}`)
    const sent = await jsonOf(withKey(`/v1/wallets/${id}/transactions`, { transaction: payment }))
    expect(sent).toMatchObject({ walletId: id, hash: expect.stringMatching(/^0x/) })
    const read = async (apiKey: string) =>
      jsonOf(fetch(`${deployment.url}/v1/transactions/${sent.id}`, { headers: { 'x-api-key': apiKey } }))
    expect(await read(key.apiKey)).toMatchObject({ id: sent.id })
    expect(await read((await addKey()).apiKey)).toMatchObject({ error: { code: 'WIRE_NOT_FOUND' } })
  })

  it('is told to wait where it asks too often', async () => {
    const slow = await addKey({ ratePerMinute: 2 })
    const ask = () =>
      fetch(`${deployment.url}/v1/journal/proof?index=0&size=1`, { headers: { 'x-api-key': slow.apiKey } })
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 200])
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(30)
  })

  it('is enough for no change', async () => {
    const changes: [string, string, unknown][] = [
      ['POST', '/v1/credentials', { ...createApiKey().credential, role: 'agent', name: 'more' }],
      ['POST', `/v1/credentials/${key.id}/revoke`, {}],
      ['PUT', '/v1/policies/scripts', { policy, expected: null }],
      ['PUT', '/v1/organisation/policy', { policy: null, expected: null }],
    ]
    for (const [method, path, body] of changes) {
      const answer = await fetch(deployment.url + path, {
        method,
        headers: { 'x-api-key': key.apiKey },
        body: JSON.stringify(body),
      })
      expect([path, (await jsonOf(answer)).error.code]).toEqual([path, 'WIRE_BEARER_NOT_ENOUGH'])
    }
  })

  it('the SDK takes one too, and its answers are proven', async () => {
    const client = createCountersignClient({
      url: deployment.url,
      audience: deployment.audience,
      apiKey: key.apiKey,
    })
    const wallet = await client.wallets.create({})
    const signed = await client.signTransaction({ walletId: wallet.id, transaction: payment })
    const { journalKey } = await client.identity()
    const checked = verifyReceipt(signed.receipt, {
      journalKey: Buffer.from(String(journalKey).slice(2), 'hex'),
    })
    expect(checked).toMatchObject({ valid: true, receipt: { entry: { credential: key.id, bearer: true } } })
  })

  it('the key stands in no log, file, table or journal entry', async () => {
    const forms = [
      key.apiKey,
      key.apiKey.slice(8, 40),
      Buffer.from(key.apiKey.slice(4), 'base64url').toString('hex'),
    ]
    const places = [
      deployment.process('engine').errorOutput(),
      deployment.process('signer').errorOutput(),
      JSON.stringify(await deployment.admin.journal.entries({ start: 0, limit: 500 })),
      ...(await tables()),
      ...filesBelow(deployment.paths.signerData),
      ...filesBelow(deployment.paths.engineData),
    ]
    for (const form of forms) expect(places.filter((text) => text.includes(form))).toEqual([])
    // The search does find what is there.
    expect(places.filter((text) => text.includes(key.id)).length).toBeGreaterThan(2)
  })
})

async function rpc(method: string, ...params: unknown[]): Promise<unknown> {
  const answer = await fetch(deployment.chain?.url ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  return ((await answer.json()) as { result: unknown }).result
}

async function tables(): Promise<string[]> {
  const client = new pg.Client({ connectionString: deployment.databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
    )
    const texts: string[] = []
    for (const { table_name } of rows) {
      const { rows: found } = await client.query(`SELECT t::text FROM "${table_name}" t`)
      texts.push(JSON.stringify(found))
    }
    return texts
  } finally {
    await client.end()
  }
}

function filesBelow(folder: string): string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names.flatMap((name) => {
    const path = join(folder, name)
    const found = statSync(path)
    if (found.isDirectory()) return filesBelow(path)
    return found.isFile() ? [readFileSync(path, 'latin1')] : []
  })
}
