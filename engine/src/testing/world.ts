/** A whole deployment for a test: the real signer as a process, anvil, credentials, a policy, and engines before them. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EngineConfig, parseEngineConfig } from '../config.ts'
import { type Anvil, openAnvil } from './anvil.ts'
import { type Child, startNode } from './child.ts'
import {
  type CallOptions,
  makeCredential,
  sendRequest,
  signRequest,
  type TestAnswer,
  type TestCredential,
} from './client.ts'

export interface World {
  readonly dir: string
  readonly anvil: Anvil
  readonly signer: Child
  readonly socket: string
  readonly audience: string
  readonly admin: TestCredential
  /** Has the powers read and create-wallet. */
  readonly agent: TestCredential
  readonly url: () => string
  /** Which engine `call` asks. */
  use(url: string): void
  call(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: unknown,
    options?: CallOptions & { as?: TestCredential },
  ): Promise<TestAnswer>
  /** After the engine is up: credentials and policy. */
  furnish(): Promise<void>
  /** An EVM wallet under the policy, with money. */
  newWallet(more?: object): Promise<{ readonly id: string; readonly address: `0x${string}` }>
  config(more?: { socket?: string; name?: string; chain?: object }): EngineConfig
  close(): Promise<void>
}

/** The one recipient that the policy permits. */
export const friend = '0x00000000000000000000000000000000000f51e0'
export const stranger = '0x00000000000000000000000000000000000bad00'
export const reverter = '0x000000000000000000000000000000000000dead'
const oneEther = 10n ** 18n

const signerMain = new URL('../../../boundary/signer/src/main.ts', import.meta.url).pathname

export async function openWorld(anvilArgs: readonly string[] = []): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-engine-test-'))
  const admin = makeCredential('ed25519')
  const agent = makeCredential('p256')
  const signerConfig = join(dir, 'signer.json')
  const socket = join(dir, 'run', 'signer.sock')
  const admins = [{ algorithm: admin.algorithm, publicKey: admin.publicKey, name: 'admin' }]
  await writeFile(
    signerConfig,
    JSON.stringify({ dataDir: join(dir, 'signer'), socket, backend: 'file', admins, quorum: 1 }),
  )
  const secret = { WALLET_KEY_ENCRYPTION_SECRET: randomBytes(24).toString('base64') }
  const init = await startNode(signerMain, ['init', '--config', signerConfig], secret)
  await init.exited
  const signer = await startNode(signerMain, ['run', '--config', signerConfig], secret)
  const anvil = await openAnvil({ args: anvilArgs }).catch(async (error) => {
    await signer.kill()
    throw error
  })
  const audience = signer.ready.audience as string
  let current = ''
  const world: World = {
    dir,
    anvil,
    signer,
    socket,
    audience,
    admin,
    agent,
    url: () => current,
    use(url) {
      current = url
    },
    async call(method, path, body, { as = admin, ...options } = {}) {
      return sendRequest(current, await signRequest(as, audience, { method, path, body }, options))
    },
    async furnish() {
      const { algorithm, publicKey } = agent
      await expectStatus(
        world.call('POST', '/v1/credentials', {
          algorithm,
          publicKey,
          role: 'agent',
          name: 'agent',
          powers: ['read', 'create-wallet'],
        }),
      )
      await expectStatus(
        world.call('PUT', '/v1/policies/test', { policy: testPolicy(anvil.chainNumber), expected: null }),
      )
    },
    async newWallet(more = {}) {
      const { body } = await expectStatus(
        world.call('POST', '/v1/wallets', { type: 'EVM', policy: 'test', ...more }),
      )
      await anvil.rpc('anvil_setBalance', body.address, `0x${(100n * oneEther).toString(16)}`)
      return { id: body.id, address: body.address }
    },
    config({ socket: otherSocket = socket, name = 'engine', chain = {} } = {}) {
      return parseEngineConfig(
        {
          listen: { port: 0 },
          signerSocket: otherSocket,
          dataDir: join(dir, name),
          logLevel: 'warn',
          chains: [
            {
              id: `eip155:${anvil.chainNumber}`,
              rpc: anvil.url,
              confirmations: 2,
              pollMs: 50,
              rebroadcastMs: 300,
              ...chain,
            },
          ],
        },
        {},
        dir,
      )
    },
    async close() {
      await signer.kill()
      await anvil.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
  return world
}

async function expectStatus(answer: Promise<TestAnswer>): Promise<TestAnswer> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(`status ${status}: ${JSON.stringify(body)}`)
  return { status, body }
}

function testPolicy(chainNumber: number) {
  const chain = [`eip155:${chainNumber}`]
  const asset = `${chain[0]}/slip44:60`
  return {
    version: 1,
    id: 'test',
    rules: [
      {
        id: 'pay-friend',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain, recipient: [friend], amount: { max: String(oneEther) } },
        limits: [{ id: 'day', amount: String(10n * oneEther), asset, window: { rolling: '24h' } }],
      },
      { id: 'calls', action: 'permit', effects: ['contract-call'], when: { chain, contract: [reverter] } },
      { id: 'fees', action: 'permit', effects: ['fee'], when: { chain, amount: { max: String(oneEther) } } },
      { id: 'messages', action: 'permit', effects: ['message'] },
    ],
  }
}

/** Waits for something that another process or a poller brings about. */
export async function eventually<T>(
  look: () => Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error('it did not come about in time')
    await new Promise((done) => setTimeout(done, 50))
  }
}
