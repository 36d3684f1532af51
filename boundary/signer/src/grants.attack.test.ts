import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type GrantingSigner,
  openGrantingSigner,
  paymentRules,
} from '../../../test/signer/granting-signer.ts'
import { createTestKey, errorCode } from '../../../test/signer/test-signer.ts'

let signer: GrantingSigner
beforeEach(async () => {
  signer = await openGrantingSigner()
})
afterEach(() => signer.close())

it('a grant by a key that was replaced ends at once, though the key goes on for a while, and none comes after it', async () => {
  const owner = await signer.credential('agent', 'owner')
  const wallet = await signer.wallet(owner)
  const id = await signer.granted({ wallets: [wallet] }, owner)
  expect(await signer.pay(1n, id, { wallet })).toBe('signed')
  const fresh = createTestKey('fresh')
  const body = { algorithm: 'p256', publicKey: fresh.publicKey, overlapS: 3_600 }
  const by = [owner, fresh]
  expect((await signer.ask('POST', `/v1/credentials/${owner.id}/rotate`, body, { by })).status).toBe(201)
  expect((await signer.test.signer.ledger.get('credential', owner.id))?.status).toBe('active')
  expect(await signer.pay(1n, id, { wallet })).toBe('SIGNER_GRANT_ORPHANED')
  // The old key still signs, so it may ask; what it grants holds for nobody.
  const { status, body: made } = await signer.grant({ wallets: [wallet] }, owner)
  if (status === 201) {
    const late = (made as { id: string }).id
    expect(await signer.pay(1n, late, { wallet })).toBe('SIGNER_GRANT_ORPHANED')
  }
  const again = await signer.granted({ wallets: [wallet] }, fresh)
  expect(await signer.pay(1n, again, { wallet })).toBe('signed')
})

it('its rules name credentials by their first id, or it is not made', async () => {
  const agent = await signer.credential('agent')
  const fresh = createTestKey('fresh')
  const body = { algorithm: 'p256', publicKey: fresh.publicKey }
  const by = [agent, fresh]
  expect((await signer.ask('POST', `/v1/credentials/${agent.id}/rotate`, body, { by })).status).toBe(201)
  const rules = (id: string) => {
    const { rules: payments, ...rest } = paymentRules()
    return { ...rest, rules: payments.map((rule) => ({ ...rule, who: { credentials: [id] } })) }
  }
  expect(errorCode(await signer.grant({ rules: rules(fresh.id) }))).toBe('POLICY_INVALID')
  expect((await signer.grant({ rules: rules(agent.id) })).status).toBe(201)
})
