import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DelayedSigner, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { errorCode, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'
import type { Ledger } from './ledger.ts'

/**
 * A request is proven first and carried out in a commit later; in between comes, at worst, the commit that revokes its
 * credential. What counts is what the later commit holds.
 */
let signer: DelayedSigner
let admin: TestKey
let wallet: string
let change: string
beforeEach(async () => {
  signer = await openDelayedSigner()
  admin = signer.admins[2] as TestKey
  const talk = policyFor([{ id: 'talk', action: 'permit', effects: ['message'] }], 'talk')
  await signer.change('PUT', '/v1/policies/talk', { policy: talk, expected: null })
  const made = await signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'talk' }, { by: admin })
  wallet = (made.body as { id: string }).id
  const waiting = await signer.change('PUT', '/v1/organisation/loosening-delay', {
    delay: '0s',
    expected: '24h',
  })
  change = (waiting.body as { change: string }).change
})
afterEach(() => signer.close())

/** The next commit revokes it; whatever was asked comes in the one after. */
function revokeBeforeTheNextCommit(key: TestKey): void {
  const ledger = signer.test.signer.ledger as { -readonly [Name in keyof Ledger]: Ledger[Name] }
  const { submit } = ledger
  ledger.submit = async (job) => {
    ledger.submit = submit
    await submit(async (tx) => {
      const credential = await tx.get('credential', key.id)
      if (credential === undefined) throw new Error('no such credential')
      tx.put('credential', key.id, { ...credential, status: 'revoked' })
      tx.append({ type: 'credential', change: 'revoked', credential: key.id })
    })
    return submit(job)
  }
}

const requests: readonly (readonly [what: string, ask: () => Promise<unknown>, by: 'admin' | 'agent'])[] = [
  [
    'a new wallet',
    () => signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'talk' }, { by: admin }),
    'admin',
  ],
  ['a freeze', () => signer.ask('POST', '/v1/freeze', { reason: 'now' }, { by: admin }), 'admin'],
  ['a veto', () => signer.ask('POST', `/v1/changes/${change}/veto`, {}, { by: admin }), 'admin'],
  [
    'a signature',
    () =>
      signer.ask('POST', `/v1/wallets/${wallet}/sign-message`, { message: 'x' }, { by: signer.test.agent }),
    'agent',
  ],
  [
    'a change of two',
    () =>
      signer.change('POST', `/v1/credentials/${signer.test.agent.id}/revoke`, {}, [
        signer.admins[0] as TestKey,
        admin,
      ]),
    'admin',
  ],
]

it.each(requests)('%s', async (_what, ask, by) => {
  const before = signer.test.signer.journal.size()
  revokeBeforeTheNextCommit(by === 'admin' ? admin : signer.test.agent)
  const answer = (await ask()) as Parameters<typeof errorCode>[0]
  expect(errorCode(answer)).toMatch(/^WIRE_(NOT_PERMITTED|CREDENTIAL_REVOKED|QUORUM_NOT_MET)$/)
  expect(signer.test.signer.journal.size()).toBe(before + 1)
})

it.each(requests)('%s, where nobody revokes', async (_what, ask) => {
  expect((await ask()) as { status: number }).toMatchObject({ status: expect.toBeOneOf([200, 201]) })
})

it('one key is one wallet, also where its backend hands the same out twice', async () => {
  const { backend } = signer.test.signer
  const { key } = (await signer.test.signer.ledger.get('wallet', wallet)) ?? {}
  const { createKey } = backend
  backend.createKey = async () => key as never
  const twice = await signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'talk' }, { by: admin })
  backend.createKey = createKey
  expect(errorCode(twice)).toBe('SIGNER_KEY_TAKEN')
})
