import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, sign as signWithNode } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Hex } from '@countersign/bytes'
import type { PolicyDocument } from '@countersign/policy'
import { addSignature, type ForwardedRequest, prepareRequest, type SignedRequest } from '@countersign/wire'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { createTestKey, type TestKey } from '../signer/test-signer.ts'

export const signerMain = resolve(import.meta.dirname, '../../boundary/signer/src/main.ts')
export const crashingSigner = resolve(import.meta.dirname, 'crashing-signer.ts')

/** What a signer process needs to live, and outlives it. */
export interface SignerHome {
  readonly folder: string
  readonly dataDir: string
  readonly configPath: string
  readonly secret: string
  readonly admin: TestKey
  readonly agent: TestKey
  readonly env: Readonly<Record<string, string>>
  remove(): void
}

export interface Ask {
  readonly by: TestKey
  readonly requestId?: string
}

export interface SignerProcess {
  readonly child: ChildProcess
  readonly socket: string
  readonly audience: string
  readonly phase: string
  /** Everything that it has printed so far. */
  output(): string
  /** Resolves when the process is gone, whatever ended it. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  get(path: string): Promise<Answer>
  post(path: string, body: unknown): Promise<Answer>
  signed(
    method: SignedRequest['method'],
    path: string,
    body: unknown,
    options: Ask,
  ): Promise<ForwardedRequest>
  ask(method: SignedRequest['method'], path: string, body: unknown, options: Ask): Promise<Answer>
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** @param options.dataDir Where it already exists, for example another file system. */
export function createSignerHome(
  options: { backend?: 'file' | 'env'; dataDir?: string; secret?: string; rawKey?: string } = {},
): SignerHome {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-faults-'))
  const dataDir = options.dataDir ?? join(folder, 'data')
  if (options.dataDir === undefined) mkdirSync(dataDir, { mode: 0o700 })
  const admin = createTestKey('admin')
  const configPath = join(folder, 'signer.json')
  const admins = [{ algorithm: 'p256', publicKey: admin.publicKey, name: admin.name }]
  const backend = options.backend ?? 'file'
  writeFileSync(
    configPath,
    JSON.stringify({ dataDir, socket: join(folder, 'run/signer.sock'), backend, admins, quorum: 1 }),
  )
  return {
    folder,
    dataDir,
    configPath,
    secret: options.secret ?? randomBytes(24).toString('base64'),
    admin,
    agent: createTestKey('agent'),
    env: backend === 'env' ? { COUNTERSIGN_RAW_KEY: options.rawKey ?? randomBytes(32).toString('hex') } : {},
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

interface StartOptions {
  readonly main?: string
  readonly env?: Readonly<Record<string, string>>
  /** Without the secret: the signer starts sealed. */
  readonly sealed?: boolean
  readonly nodeOptions?: readonly string[]
}

function spawnSigner(home: SignerHome, command: 'init' | 'run', options: StartOptions): ChildProcess {
  const args = [
    ...(options.nodeOptions ?? []),
    options.main ?? signerMain,
    command,
    '--config',
    home.configPath,
  ]
  const secret = options.sealed === true ? {} : { WALLET_KEY_ENCRYPTION_SECRET: home.secret }
  return spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...home.env, ...secret, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function collect(child: ChildProcess) {
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += chunk
  })
  child.stderr?.on('data', (chunk) => {
    text += chunk
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) =>
    child.once('close', (code, signal) => done({ code, signal })),
  )
  return { output: () => text, ended }
}

/** @returns what it printed; throws where it fails. */
export async function initHome(home: SignerHome): Promise<string> {
  const { output, ended } = collect(spawnSigner(home, 'init', {}))
  const { code } = await ended
  if (code !== 0) throw new Error(`init ended with ${code}: ${output()}`)
  return output()
}

/** A start that is expected to fail: what it printed. */
export async function failToStart(home: SignerHome, options: StartOptions = {}): Promise<string> {
  const child = spawnSigner(home, 'run', options)
  const { output, ended } = collect(child)
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000)
  const { code } = await ended
  clearTimeout(tooLong)
  if (code !== 1) throw new Error(`the signer did not refuse to start: ${code} ${output()}`)
  return output()
}

export async function startSigner(home: SignerHome, options: StartOptions = {}): Promise<SignerProcess> {
  const child = spawnSigner(home, 'run', options)
  const { output, ended } = collect(child)
  const ready = await new Promise<{ socket: string; audience: string; phase: string }>((done, fail) => {
    child.stdout?.on('data', () => {
      const line = output()
        .split('\n')
        .find((text) => text.startsWith('{"ready":true'))
      if (line !== undefined) done(JSON.parse(line))
    })
    ended.then(({ code, signal }) => fail(new Error(`the signer ended (${code} ${signal}): ${output()}`)))
  })
  const send = (method: string, path: string, text: string) => exchange(ready.socket, method, path, text)
  const running: SignerProcess = {
    child,
    ...ready,
    output,
    ended,
    get: (path) => send('GET', path, ''),
    post: (path, body) => send('POST', path, typeof body === 'string' ? body : JSON.stringify(body)),
    signed: (method, path, body, options) =>
      signRequest({ method, path, body, audience: ready.audience, ...options }),
    async ask(method, path, body, options) {
      return running.post('/v1/forward', await running.signed(method, path, body, options))
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      await ended
    },
  }
  return running
}

export interface RequestToSign extends Ask {
  readonly method: SignedRequest['method']
  readonly path: string
  /** Text as it is; anything else as JSON; undefined for none. */
  readonly body: unknown
  readonly audience: string
}

export async function signRequest(asked: RequestToSign): Promise<ForwardedRequest> {
  const { method, path, body, audience, by, requestId = randomBytes(12).toString('hex') } = asked
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const created = Math.floor(Date.now() / 1000)
  const request = await addSignature(prepareRequest({ method, path, body: text, audience, requestId }), {
    credential: { id: by.id, algorithm: 'p256' },
    created,
    expires: created + 120,
    nonce: randomBytes(16).toString('base64url'),
    sign: (base) => signWithNode('sha256', base, { key: by.key, dsaEncoding: 'ieee-p1363' }),
  })
  return { request }
}

/** One exchange on its own connection; rejects where the signer goes away before the answer. */
function exchange(socketPath: string, method: string, path: string, text: string): Promise<Answer> {
  return new Promise((done, fail) => {
    const request = httpRequest({ socketPath, method, path, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', fail)
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString()
        done({ status: response.statusCode ?? 0, body: answer === '' ? undefined : JSON.parse(answer) })
      })
    })
    request.on('error', fail)
    request.end(text)
  })
}

/** The home's agent as a credential of the signer, and a wallet under a policy; both by the admin. */
export async function setUp(
  running: SignerProcess,
  home: SignerHome,
  policy: PolicyDocument,
  kind: object = { type: 'EVM' },
) {
  const { admin, agent } = home
  const credential = { algorithm: 'p256', publicKey: agent.publicKey, role: 'agent', name: 'agent' }
  await must(201, running.ask('POST', '/v1/credentials', credential, { by: admin }))
  const put = { policy, expected: null }
  await must(200, running.ask('PUT', `/v1/policies/${policy.id}`, put, { by: admin }))
  const wallet = { ...kind, policy: policy.id }
  return (await must(201, running.ask('POST', '/v1/wallets', wallet, { by: admin }))) as {
    id: string
    address: string
    publicKey: Hex
  }
}

/** @returns the body of an answer that must have this status. */
export async function must(status: number, asked: Promise<Answer>): Promise<unknown> {
  const answer = await asked
  if (answer.status !== status) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
