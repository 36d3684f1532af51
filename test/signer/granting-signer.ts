import { randomBytes } from 'node:crypto'
import type { PolicyDocument } from '@countersign/policy'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { payment, paymentPolicy } from '../faults/payment.ts'
import { type DelayedSigner, dayMs, hourMs, openDelayedSigner } from './delayed-signer.ts'
import {
  type AskOptions,
  createTestKey,
  errorCode,
  type TestKey,
  type TestSignerOptions,
} from './test-signer.ts'

/** A signer with a wallet that is somebody's, and with somebody to grant to. */
export interface GrantingSigner extends DelayedSigner {
  readonly owner: TestKey
  readonly grantee: TestKey
  readonly walletId: string
  /** By the owner, to the grantee, over the wallet, for a day, where nothing else is said. */
  grant(wanted?: Readonly<Record<string, unknown>>, by?: TestKey | readonly TestKey[]): Promise<Answer>
  /** The same, which must succeed. @returns the grant's id. */
  granted(wanted?: Readonly<Record<string, unknown>>, by?: TestKey | readonly TestKey[]): Promise<string>
  /** A payment by the grantee, where nothing else is said. @returns the code of the refusal, or `signed`. */
  pay(
    value: bigint,
    grant: string | undefined,
    more?: Partial<AskOptions> & { wallet?: string },
  ): Promise<string>
  payment(
    value: bigint,
    grant: string | undefined,
    more?: Partial<AskOptions> & { wallet?: string },
  ): Promise<Answer>
  /** One more credential that the admins have added. */
  credential(role: string, name?: string): Promise<TestKey>
  /** A wallet under the policy for payments. */
  wallet(owner?: TestKey): Promise<string>
  /** As the signer writes times. */
  timeIn(ms: number): string
}

/** What the wallet's policy permits in a day; grants of the tests narrow it. */
export const walletLimit = 100_000n

export async function openGrantingSigner(
  options: TestSignerOptions & { readonly delay?: string } = {},
): Promise<GrantingSigner> {
  const delayed = await openDelayedSigner({ delay: '0s', ...options })
  const expectStatus = (answer: Answer, status: number) => {
    if (answer.status !== status) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body as { id: string }
  }
  const credential = async (role: string, name = role) => {
    const key = createTestKey(name)
    const body = { algorithm: 'p256', publicKey: key.publicKey, role, name }
    expectStatus(await delayed.change('POST', '/v1/credentials', body), 201)
    return key
  }
  const put = { policy: paymentPolicy('wallets', walletLimit), expected: null }
  expectStatus(await delayed.change('PUT', '/v1/policies/wallets', put), 200)
  const wallet = async (owner?: TestKey) => {
    const body = { type: 'EVM', policy: 'wallets', ...(owner === undefined ? {} : { owner: owner.id }) }
    const [by] = delayed.admins as [TestKey]
    return expectStatus(await delayed.ask('POST', '/v1/wallets', body, { by }), 201).id
  }
  const [owner, grantee] = [await credential('grantee', 'owner'), await credential('grantee')]
  const walletId = await wallet(owner)
  const timeIn = (ms: number) => new Date(delayed.nowMs() + ms).toISOString()
  const grant: GrantingSigner['grant'] = (wanted = {}, by = owner) => {
    const body = {
      to: grantee.id,
      wallets: [walletId],
      rules: paymentRules(),
      expires: timeIn(dayMs),
      ...wanted,
    }
    return delayed.ask('POST', '/v1/grants', body, { by })
  }
  const pay: GrantingSigner['payment'] = (value, id, { wallet: on = walletId, ...more } = {}) =>
    delayed.ask(
      'POST',
      `/v1/wallets/${on}/sign-transaction`,
      { ...payment(value), ...(id === undefined ? {} : { grant: id }) },
      { by: grantee, requestId: randomBytes(12).toString('hex'), ...more },
    )
  return Object.assign(delayed, {
    owner,
    grantee,
    walletId,
    grant,
    granted: async (wanted = {}, by = owner as TestKey | readonly TestKey[]) =>
      expectStatus(await grant(wanted, by), 201).id,
    payment: pay,
    pay: async (value, id, more) => {
      const answer = await pay(value, id, more)
      return answer.status === 200 ? 'signed' : (errorCode(answer) ?? `status ${answer.status}`)
    },
    credential,
    wallet,
    timeIn,
  } satisfies Omit<GrantingSigner, keyof DelayedSigner>)
}

export function paymentRules(limit = 1_000n): Omit<PolicyDocument, 'id'> {
  const { id: _id, ...rest } = paymentPolicy('any', limit)
  return rest
}

export { dayMs, hourMs }
