import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DelayedSigner, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../../../test/signer/test-signer.ts'

let signer: DelayedSigner
let old: TestKey
let fresh: TestKey
beforeEach(async () => {
  signer = await openDelayedSigner({ delay: '0s' })
  old = signer.test.agent
  fresh = createTestKey('fresh')
  const body = { algorithm: 'p256', publicKey: fresh.publicKey }
  const path = `/v1/credentials/${old.id}/rotate`
  expect((await signer.ask('POST', path, body, { by: [old, fresh] })).status).toBe(201)
})
afterEach(() => signer.close())

const talk = { id: 'talk', action: 'permit', effects: ['message'] } as const
const put = (policy: object) =>
  signer.change('PUT', '/v1/policies/talk', {
    policy: { version: 1, id: 'talk', rules: [talk], ...policy },
    expected: null,
  })
const muted = (id: string) => ({
  rules: [talk, { ...talk, id: 'not-the-agent', action: 'forbid', who: { credentials: [id] } }],
})

/** The careless admin stops an agent by the id under which it signs now. */
it('a rule that forbids by the id of a rotated key would forbid nothing, so it is refused', async () => {
  const refused = await put(muted(fresh.id))
  expect(errorCode(refused)).toBe('POLICY_INVALID')
  expect(refused.body).toMatchObject({
    error: { message: expect.stringContaining(old.id), details: { path: 'rules[1].who.credentials' } },
  })
  expect((await put(muted(old.id))).status).toBe(200)
  const wallet = { type: 'EVM', policy: 'talk' }
  const made = await signer.ask('POST', '/v1/wallets', wallet, { by: signer.admins[0] as TestKey })
  const path = `/v1/wallets/${(made.body as { id: string }).id}/sign-message`
  expect(errorCode(await signer.ask('POST', path, { message: 'x' }, { by: fresh }))).toBe('POLICY_REFUSED')
})

it('and so wherever else a policy names credentials; one that is not there yet may be named', async () => {
  const elsewhere = [
    { groups: { board: { credentials: [old.id, fresh.id] } } },
    { prices: { currency: 'USD', by: [fresh.id], maxAge: '10m' } },
    { rules: [{ ...talk, requires: { simulation: { by: [fresh.id] } } }] },
  ]
  for (const policy of elsewhere) expect(errorCode(await put(policy))).toBe('POLICY_INVALID')
  expect(
    (await put({ groups: { board: { credentials: [old.id, createTestKey('later').id] } } })).status,
  ).toBe(200)
})
