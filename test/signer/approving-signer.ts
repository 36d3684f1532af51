import type { PolicyDocument } from '@countersign/policy'
import { type ApprovalStatement, parseRequestSignatures, verifyApproval } from '@countersign/wire'

import type { JournalEntry } from '../../boundary/signer/src/journal.ts'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { payee, payment } from '../faults/payment.ts'
import {
  type AskOptions,
  createTestKey,
  openTestSigner,
  type TestKey,
  type TestSigner,
  type TestSignerOptions,
} from './test-signer.ts'

export const chain = 'eip155:31337'
export const native = `${chain}/slip44:60`
export const minuteMs = 60_000
export const hourMs = 60 * minuteMs

/** A signer with three approvers, a wallet whose payments two of them must approve, and a clock that the test moves. */
export interface ApprovingSigner {
  test: TestSigner
  readonly approvers: readonly [alice: TestKey, bob: TestKey, carol: TestKey]
  readonly wallet: { readonly id: string; readonly address: `0x${string}` }
  nowMs(): number
  advance(ms: number): void
  ask(method: 'GET' | 'POST' | 'PUT', path: string, body: unknown, options: AskOptions): Promise<Answer>
  /** Asks for a payment. */
  pay(value: bigint, options?: Partial<AskOptions> & { nonce?: number; to?: `0x${string}` }): Promise<Answer>
  /** The same, which must end up waiting. @returns the approval's id. */
  wait(value: bigint, options?: Partial<AskOptions> & { nonce?: number }): Promise<string>
  /** What the signer says of it, verified as the SDK does. */
  view(id: string, by?: TestKey): Promise<ApprovalStatement>
  approve(id: string, by: TestKey, options?: Partial<AskOptions>): Promise<Answer>
  reject(id: string, by: TestKey, reason?: string): Promise<Answer>
  putPolicy(policy: PolicyDocument): Promise<Answer>
  addCredential(key: TestKey, role: string): Promise<void>
  entries(type?: string): Promise<(JournalEntry & Record<string, never>)[]>
  reopen(): Promise<void>
  close(): Promise<void>
}

export interface Asking {
  readonly id?: string
  readonly members?: readonly string[]
  readonly count?: number
  readonly limit?: bigint
  readonly more?: object
}

/** Payments need approvals, fees and messages do not. */
export function approvalPolicy(members: readonly string[], asking: Asking = {}): PolicyDocument {
  const { id = 'treasury', count = 2, limit = 1000n, more = {} } = asking
  return {
    version: 1,
    id,
    groups: { board: { credentials: [...members] } },
    rules: [
      {
        id: 'pay',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [payee] },
        approvals: [{ group: 'board', count, ...more }],
        limits: [{ id: 'daily', amount: String(limit), asset: native, window: { rolling: '24h' } }],
      },
      { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] } },
      { id: 'hello', action: 'permit', effects: ['message'], operations: ['sign-message'] },
    ],
  }
}

export async function openApprovingSigner(
  options: TestSignerOptions & { readonly asking?: Asking } = {},
): Promise<ApprovingSigner> {
  // The signer is founded by the real clock, which this one must not be behind.
  const time = { wallMs: Date.now() + 60_000, monotonicMs: 1_000 }
  const { asking, ...rest } = options
  const test = await openTestSigner({
    clockSource: { wallMs: () => time.wallMs, monotonicMs: () => time.monotonicMs },
    ...rest,
  })
  const approvers = [createTestKey('alice'), createTestKey('bob'), createTestKey('carol')] as const
  const created = () => ({ createdS: Math.floor(time.wallMs / 1000) })
  const must = async (status: number, answer: Promise<Answer>) => {
    const { status: found, body } = await answer
    if (found !== status) throw new Error(`${found}: ${JSON.stringify(body)}`)
    return body
  }
  const admins = test.admins
  const signer: ApprovingSigner = {
    test,
    approvers,
    wallet: undefined as never,
    nowMs: () => time.wallMs,
    advance(ms) {
      time.wallMs += ms
      time.monotonicMs += ms
    },
    ask: (method, path, body, asked) => signer.test.ask(method, path, body, { ...created(), ...asked }),
    pay(value, { nonce = 0, to, ...more } = {}) {
      const path = `/v1/wallets/${signer.wallet.id}/sign-transaction`
      return signer.ask('POST', path, payment(value, nonce, to), { by: test.agent, ...more })
    },
    async wait(value, more) {
      const { approval } = (await must(202, signer.pay(value, more))) as { approval: { id: string } }
      return approval.id
    },
    async view(id, by = approvers[2]) {
      const forwarded = await signer.test.signed('GET', `/v1/approvals/${id}`, undefined, {
        by,
        ...created(),
      })
      const { digest } = parseRequestSignatures(forwarded.request)
      const body = JSON.parse(JSON.stringify(await must(200, signer.test.send(forwarded))))
      return verifyApproval(body, { audience: test.audience, asked: digest, approval: id })
    },
    async approve(id, by, more = {}) {
      const { digest } = await signer.view(id)
      return signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by, ...more })
    },
    async reject(id, by, reason) {
      const { digest } = await signer.view(id)
      return signer.ask('POST', `/v1/approvals/${id}/reject`, { digest, reason }, { by })
    },
    async putPolicy(policy) {
      const expected = (await signer.test.signer.ledger.get('policy', policy.id))?.hash ?? null
      return signer.ask('PUT', `/v1/policies/${policy.id}`, { policy, expected }, { by: admins })
    },
    async addCredential({ publicKey, name }, role) {
      const body = { algorithm: 'p256', publicKey, role, name }
      await must(201, signer.ask('POST', '/v1/credentials', body, { by: admins }))
    },
    async entries(type) {
      const { journal } = signer.test.signer
      const leaves = await journal.leaves(0, journal.size())
      const all = leaves.map((leaf) => JSON.parse(leaf))
      return type === undefined ? all : all.filter((entry) => entry.type === type)
    },
    async reopen() {
      signer.test = await signer.test.reopen()
    },
    close: () => signer.test.close(),
  }
  for (const approver of approvers) await signer.addCredential(approver, 'approver')
  await must(200, signer.putPolicy(approvalPolicy(asking?.members ?? approvers.map(({ id }) => id), asking)))
  const wallet = { type: 'EVM', policy: asking?.id ?? 'treasury' }
  const made = await must(201, signer.ask('POST', '/v1/wallets', wallet, { by: admins[0] as TestKey }))
  Object.assign(signer, { wallet: made })
  return signer
}
