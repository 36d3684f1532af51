import { createECDH, createPrivateKey, type KeyObject, randomBytes, sign as signWithNode } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeHex, type Hex } from '@countersign/bytes'
import { Secret } from '@countersign/keys'
import type { PolicyDocument } from '@countersign/policy'
import {
  addSignature,
  credentialId,
  type ForwardedRequest,
  prepareRequest,
  type SignedRequest,
} from '@countersign/wire'
import { parseSignerConfig } from '../../boundary/signer/src/config.ts'
import { answerForwarded } from '../../boundary/signer/src/forward.ts'
import { initSigner, type OpenOptions, openSigner } from '../../boundary/signer/src/open-signer.ts'
import { errorAnswer } from '../../boundary/signer/src/server.ts'
import type { Answer, Signer } from '../../boundary/signer/src/signer.ts'

/** A P-256 credential key of a test. */
export interface TestKey {
  readonly id: string
  readonly publicKey: Hex
  readonly key: KeyObject
  readonly name: string
}

export function createTestKey(name: string): TestKey {
  const ecdh = createECDH('prime256v1')
  ecdh.generateKeys()
  const point = ecdh.getPublicKey()
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: ecdh.getPrivateKey().toString('base64url').padStart(43, 'A'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  const publicKey = new Uint8Array(ecdh.getPublicKey(null, 'compressed'))
  return {
    id: credentialId('p256', publicKey),
    publicKey: encodeHex(publicKey),
    key: createPrivateKey({ key: { ...jwk, d: padded(ecdh.getPrivateKey()) }, format: 'jwk' }),
    name,
  }
}

function padded(secret: Buffer): string {
  return Buffer.concat([Buffer.alloc(32 - secret.length), secret]).toString('base64url')
}

export interface AskOptions {
  readonly by: TestKey | readonly TestKey[]
  readonly requestId?: string
  readonly preparedTransaction?: Hex
  readonly createdS?: number
  readonly lifetimeS?: number
  readonly audience?: string
}

export interface TestSigner {
  readonly signer: Signer
  readonly audience: string
  readonly admins: readonly TestKey[]
  readonly agent: TestKey
  readonly directory: string
  /** Signs a request; nothing is sent. */
  signed(
    method: SignedRequest['method'],
    path: string,
    body: unknown,
    options: AskOptions,
  ): Promise<ForwardedRequest>
  send(forwarded: ForwardedRequest): Promise<Answer>
  ask(method: SignedRequest['method'], path: string, body: unknown, options: AskOptions): Promise<Answer>
  /** A wallet under a policy, both made by the admins. */
  walletUnder(policy: PolicyDocument): Promise<{ id: string; address: Hex; publicKey: Hex }>
  putPolicy(policy: PolicyDocument): Promise<Answer>
  /** Closes and opens again, as after a restart. */
  reopen(change?: Partial<OpenOptions>): Promise<TestSigner>
  close(): Promise<void>
}

export interface TestSignerOptions {
  readonly admins?: number
  readonly quorum?: number
  /** `memory` keeps nothing; `file` can be opened again, and costs key derivations. */
  readonly backend?: 'memory' | 'file'
  readonly at?: OpenOptions['at']
  readonly clockSource?: OpenOptions['clockSource']
}

export const testSecret = 'a secret that only the tests of this project use'

export async function openTestSigner(options: TestSignerOptions = {}): Promise<TestSigner> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-test-'))
  const admins = Array.from({ length: options.admins ?? 1 }, (_, i) => createTestKey(`admin ${i + 1}`))
  const backend = options.backend ?? 'memory'
  const config = parseSignerConfig(
    {
      dataDir: join(directory, 'signer'),
      backend,
      admins: admins.map(({ publicKey, name }) => ({ algorithm: 'p256', publicKey, name })),
      quorum: options.quorum ?? admins.length,
    },
    {},
    directory,
  )
  const halts: unknown[] = []
  const open: OpenOptions = {
    config,
    env: {},
    secret: backend === 'memory' ? undefined : new Secret(testSecret),
    onHalt: (why) => halts.push(why),
    ...(options.at === undefined ? {} : { at: options.at }),
    ...(options.clockSource === undefined ? {} : { clockSource: options.clockSource }),
  }
  if (backend === 'file') await initSigner(open)
  const agent = createTestKey('agent')
  const first = await wrap(await openSigner(open), { open, admins, agent, directory })
  const added = await first.ask(
    'POST',
    '/v1/credentials',
    {
      algorithm: 'p256',
      publicKey: agent.publicKey,
      role: 'agent',
      name: 'agent',
      attribution: { agent: 'agent-7' },
    },
    { by: admins },
  )
  if (added.status !== 201) throw new Error(`the agent was not added: ${JSON.stringify(added.body)}`)
  return first
}

interface Parts {
  readonly open: OpenOptions
  readonly admins: readonly TestKey[]
  readonly agent: TestKey
  readonly directory: string
}

async function wrap(signer: Signer, parts: Parts): Promise<TestSigner> {
  const { admins, agent, directory } = parts
  const { audience } = signer.journal
  const test: TestSigner = {
    signer,
    audience,
    admins,
    agent,
    directory,
    async signed(method, path, body, options) {
      const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
      const requestId = options.requestId ?? randomBytes(12).toString('hex')
      let request = prepareRequest({
        method,
        path,
        body: text,
        audience: options.audience ?? audience,
        requestId,
      })
      const created = options.createdS ?? Math.floor(Date.now() / 1000)
      for (const by of Array.isArray(options.by) ? options.by : [options.by as TestKey]) {
        request = await addSignature(request, {
          credential: { id: by.id, algorithm: 'p256' },
          created,
          expires: created + (options.lifetimeS ?? 120),
          nonce: randomBytes(16).toString('base64url'),
          sign: (base) => signWithNode('sha256', base, { key: by.key, dsaEncoding: 'ieee-p1363' }),
        })
      }
      const { preparedTransaction } = options
      return preparedTransaction === undefined ? { request } : { request, preparedTransaction }
    },
    async send(forwarded) {
      try {
        signer.checkReady()
        return await answerForwarded(signer, forwarded)
      } catch (error) {
        const answer = errorAnswer(error)
        // A bug must fail its test with its own stack, not as a 500 among others.
        if (answer.status === 500) throw error
        return answer
      }
    },
    async ask(method, path, body, options) {
      return test.send(await test.signed(method, path, body, options))
    },
    async putPolicy(policy) {
      const before = await signer.ledger.get('policy', policy.id)
      const expected = before?.hash ?? null
      return test.ask('PUT', `/v1/policies/${policy.id}`, { policy, expected }, { by: admins })
    },
    async walletUnder(policy) {
      const put = await test.putPolicy(policy)
      if (put.status !== 200) throw new Error(`the policy was refused: ${JSON.stringify(put.body)}`)
      const made = await test.ask(
        'POST',
        '/v1/wallets',
        { type: 'EVM', policy: policy.id },
        { by: admins[0] as TestKey },
      )
      if (made.status !== 201) throw new Error(`no wallet: ${JSON.stringify(made.body)}`)
      return made.body as { id: string; address: Hex; publicKey: Hex }
    },
    async reopen(change = {}) {
      await signer.close()
      return wrap(await openSigner({ ...parts.open, ...change }), parts)
    },
    async close() {
      await signer.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return test
}

export function errorCode(answer: Answer): string | undefined {
  return (answer.body as { error?: { code: string } }).error?.code
}

export function policyFor(rules: PolicyDocument['rules'], id = 'test'): PolicyDocument {
  return { version: 1, id, rules }
}
