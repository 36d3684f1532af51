import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBase64Url, decodeUtf8, encodeHex } from '@countersign/bytes'
import {
  credentialId,
  decodeEntryBundle,
  decodeHashTile,
  encodeTilePath,
  leafHash,
  MerkleFrontier,
  tilesOf,
  verifyCheckpoint,
} from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseEngineConfig } from '../config.ts'
import { openEngine, type RunningEngine } from '../engine.ts'
import { makeCredential, signRequest } from '../testing/client.ts'
import { eventually, friend, openWorld, stranger, type World } from '../testing/world.ts'

let world: World
let engine: RunningEngine
let wallet: { readonly id: string; readonly address: `0x${string}` }
let hash: string

beforeAll(async () => {
  world = await openWorld()
  const first = await openEngine({ config: world.config() })
  world.use(first.url)
  await world.furnish()
  const journalCredential = await makeReader()
  await first.close()
  engine = await openEngine({
    config: {
      ...world.config(),
      journalCredential,
      tilesListen: { host: '127.0.0.1', port: 0 },
      reconcile: { everyMs: 200 },
    },
  })
  world.use(engine.url)
  wallet = await world.newWallet()
  const sent = await send('0x1')
  hash = sent.hash as string
}, 120_000)

afterAll(async () => {
  await engine?.close()
  await world?.close()
})

/** The engine's own credential, as an admin makes it. */
async function makeReader(): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const bytes = decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '')
  const credential = { algorithm: 'ed25519', publicKey: encodeHex(bytes) }
  const { status, body } = await world.call('POST', '/v1/credentials', {
    ...credential,
    role: 'agent',
    name: 'engine',
    powers: ['read'],
  })
  expect({ status, body }).toMatchObject({ status: 201 })
  const file = join(world.dir, 'engine-credential.json')
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  const text = {
    version: 1,
    id: credentialId('ed25519', bytes),
    ...credential,
    privateKey: der.toString('base64'),
  }
  writeFileSync(file, JSON.stringify(text), { mode: 0o600 })
  return file
}

async function send(value: string, attribution = { agent: 'payer', workflow: 'payroll', operator: 'ops' }) {
  const transaction = { chainId: world.anvil.chainNumber, to: friend, value: String(BigInt(value)) }
  const { status, body } = await world.call('POST', `/v1/wallets/${wallet.id}/transactions`, {
    transaction,
    attribution,
  })
  expect({ status, body }).toMatchObject({ status: 202 })
  return body
}

async function treeOf(read: (path: string) => Promise<Response>) {
  const note = await (await read('/checkpoint')).text()
  const identity = (await world.call('GET', '/v1/identity')).body
  const publicKey = new Uint8Array(Buffer.from(identity.journalKey.slice(2), 'hex'))
  const checkpoint = verifyCheckpoint(note, { name: identity.origin, publicKey })
  const hashes: Uint8Array[] = []
  for (const tile of tilesOf(checkpoint.size)) {
    if (tile.level !== 0) continue
    const response = await read(encodeTilePath(tile))
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    hashes.push(...decodeHashTile(new Uint8Array(await response.arrayBuffer()), tile.width))
  }
  const frontier = new MerkleFrontier()
  for (const one of hashes) frontier.append(one)
  expect(encodeHex(frontier.root())).toBe(encodeHex(checkpoint.root))
  return { checkpoint, hashes }
}

describe('tiles', () => {
  it('give the tree of the checkpoint to anybody', async () => {
    const read = (path: string) => fetch(`${engine.url}${path}`)
    const { checkpoint, hashes } = await treeOf(read)
    expect(hashes).toHaveLength(checkpoint.size)
    const response = await read('/checkpoint')
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('public, max-age=2')
  })

  it.each(['/tile/0/001', '/tile/0/000.p/255', '/tile/0/0', '/tile/1/000.p/1', '/tile/', '/tile/0/../0/000'])(
    'are not there at %s',
    async (path) => {
      const response = await fetch(`${engine.url}${path}`)
      expect(response.status).toBe(404)
      expect(response.headers.get('cache-control') ?? 'no-store').toBe('no-store')
    },
  )

  it('give entries only to a credential that may read', async () => {
    const size = (await treeOf((path) => fetch(`${engine.url}${path}`))).checkpoint.size
    const path = encodeTilePath({ level: 'entries', index: 0, width: size })
    const unsigned = await fetch(`${engine.url}${path}`)
    expect(unsigned.status).toBe(400)
    expect(await unsigned.json()).toMatchObject({ error: { code: expect.stringMatching(/^WIRE_/) } })
    const outsider = makeCredential('ed25519')
    await world.call('POST', '/v1/credentials', {
      algorithm: outsider.algorithm,
      publicKey: outsider.publicKey,
      role: 'agent',
      name: 'outsider',
    })
    const get = async (as: typeof outsider) => {
      const { headers } = await signRequest(as, world.audience, { method: 'GET', path })
      return fetch(`${engine.url}${path}`, { headers })
    }
    expect((await get(outsider)).status).toBe(403)
    const response = await get(world.agent)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('private, max-age=31536000, immutable')
    const entries = decodeEntryBundle(new Uint8Array(await response.arrayBuffer()), size)
    expect(JSON.parse(decodeUtf8(entries[0]!))).toMatchObject({ type: 'init' })
  })

  it('give entries at the auditors’ address, which has nothing else', async () => {
    const { checkpoint, hashes } = await treeOf((path) => fetch(`${engine.tilesUrl}${path}`))
    const path = encodeTilePath({ level: 'entries', index: 0, width: checkpoint.size })
    const response = await fetch(`${engine.tilesUrl}${path}`)
    const entries = decodeEntryBundle(new Uint8Array(await response.arrayBuffer()), checkpoint.size)
    expect(entries.map((entry) => encodeHex(leafHash(entry)))).toEqual(hashes.map((one) => encodeHex(one)))
    for (const other of ['/v1/identity', '/metrics', '/healthz', '/v1/wallets'])
      expect((await fetch(`${engine.tilesUrl}${other}`)).status).toBe(404)
    expect(
      (await fetch(`${engine.tilesUrl}/checkpoint`, { method: 'POST', body: 'x'.repeat(10) })).status,
    ).not.toBe(200)
  })

  it('need the engine’s own credential for that address', () => {
    const base = { listen: { port: 0 }, signerSocket: 's', dataDir: 'd', chains: [] }
    for (const more of [{ tilesListen: { port: 0 } }, { reconcile: {} }])
      expect(() => parseEngineConfig({ ...base, ...more }, {}, '/')).toThrow(/needs journalCredential/)
  })
})

describe('search', () => {
  const search = (query: string, as = world.admin) =>
    world.call('GET', `/v1/journal/entries?${query}`, undefined, { as })

  it.each([
    ['wallet', () => wallet.id],
    ['credential', () => world.admin.id],
    ['agent', () => 'payer'],
    ['workflow', () => 'payroll'],
    ['operator', () => 'ops'],
    ['transactionHash', () => hash],
    ['transactionHash', () => hash.toUpperCase().replace('0X', '0x')],
    ['type', () => 'signed'],
    ['from', () => '2020-01-01'],
    ['to', () => '2999-12-31T00:00:00Z'],
  ])('by %s', async (field, value) => {
    const { status, body } = await search(`${field}=${encodeURIComponent(value())}&limit=500`)
    expect(status).toBe(200)
    const signed = body.entries.filter((one: { entry: { type: string } }) => one.entry.type === 'signed')
    expect(signed[0].entry).toMatchObject({ wallet: wallet.id, transactionHash: hash })
    // Each is where it says, to be proven.
    for (const { index, entry } of body.entries) {
      const own = (await world.call('GET', `/v1/journal/entries?start=${index}&limit=1`)).body.entries[0]
      expect(own).toEqual({ index, entry })
    }
    const none = await search(
      `${field}=${field === 'from' ? '2999-01-01' : field === 'to' ? '1999-01-01' : 'none'}`,
    )
    expect(none.body).toMatchObject({ entries: [], nextStart: null })
  })

  it('page by page, all filters together', async () => {
    const before = (await search(`wallet=${wallet.id}&limit=500`)).body.entries
    const found: unknown[] = []
    for (let start: number | null = 0; start !== null; ) {
      const { body } = await search(`wallet=${wallet.id}&start=${start}&limit=1`)
      found.push(...body.entries)
      start = body.nextStart
    }
    expect(found.slice(0, before.length)).toEqual(before)
    const all = await search(
      `wallet=${wallet.id}&agent=payer&type=signed&transactionHash=${hash}&from=2020-01-01`,
    )
    expect(all.body.entries).toHaveLength(1)
    expect((await search(`agent=payer&type=init`)).body.entries).toEqual([])
  })

  it('refuses who may not read, and times that are none', async () => {
    expect((await search('type=signed', makeCredential('ed25519'))).status).toBe(401)
    for (const query of [
      'from=yesterday',
      'from=2020-13-45',
      'to=2020-01-01T00:00:00',
      'colour=red',
      'wallet=',
    ])
      expect((await search(query)).status).toBe(400)
  })
})

describe('reconciliation', () => {
  const unmatched = async () => {
    const text = await (await fetch(`${engine.url}/metrics`)).text()
    return new RegExp(
      `countersign_unmatched_transactions\\{chain="eip155:${world.anvil.chainNumber}"\\} (\\d+)`,
    ).exec(text)?.[1]
  }

  it('knows every transaction that the signer has signed, and raises the alarm for one that it has not', async () => {
    await eventually(async () => (await unmatched()) === '0')
    await world.anvil.rpc('anvil_impersonateAccount', wallet.address)
    await world.anvil.rpc('eth_sendTransaction', { from: wallet.address, to: stranger, value: '0x5' })
    await eventually(async () => (await unmatched()) === '1')
    // It stays one, however often it is seen.
    await new Promise((done) => setTimeout(done, 500))
    expect(await unmatched()).toBe('1')
  })
})
