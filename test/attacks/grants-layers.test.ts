import { randomBytes } from 'node:crypto'
import type { PolicyDocument } from '@countersign/policy'
import { addSignature, prepareRequest, type SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  flags,
  type TestAuthenticator,
  testAuthenticator,
  testOrigin,
  testRpId,
} from '../../kernel/wire/src/testing/authenticator.ts'
import { payment } from '../faults/payment.ts'
import {
  dayMs,
  type GrantingSigner,
  hourMs,
  openGrantingSigner,
  paymentRules,
} from '../signer/granting-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner()
})
afterAll(() => test.close())

const must = async (answer: ReturnType<GrantingSigner['ask']>, ...statuses: number[]) => {
  const { status, body } = await answer
  expect({ status, body, fine: statuses.includes(status) }).toMatchObject({ fine: true })
  return body as Record<string, unknown>
}
const shown = async (id: string) => {
  const { body } = await test.ask('GET', `/v1/grants/${id}`, undefined, { by: test.admins[0] as TestKey })
  return body as { uses: number; unusable: string | null; expires: string; state: string }
}

describe('four layers', () => {
  const layers = ['organisation', 'group', 'wallet', 'grant'] as const
  /** Each combination of layers that permit has a recipient of its own. */
  const recipient = (bits: number) => `0x${String(bits).padStart(40, '5')}` as const
  const rulesOf = (layer: number, id: string): PolicyDocument => {
    const [pay, ...others] = paymentRules().rules
    const all = Array.from({ length: 1 << layers.length }, (_, bits) => bits)
    const listed = all.filter((bits) => (bits >> layer) & 1).map(recipient)
    const when = { ...pay?.when, recipient: listed }
    return { version: 1, id, rules: [{ ...pay, when }, ...others] as PolicyDocument['rules'] }
  }

  it('must all permit: fifteen combinations of some that do and some that do not are refused', async () => {
    for (const [i, layer] of layers.slice(0, 3).entries()) {
      const body = { policy: rulesOf(i, layer), expected: null }
      await must(test.change('PUT', `/v1/policies/${layer}`, body), 200)
    }
    const by = test.admins[0] as TestKey
    const made = await must(
      test.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'wallet', owner: test.owner.id }, { by }),
      201,
    )
    const wallet = String(made.id)
    await must(
      test.change('PUT', '/v1/wallet-groups/desk', { wallets: [wallet], policy: 'group', expected: null }),
      200,
    )
    await must(test.change('PUT', '/v1/organisation/policy', { policy: 'organisation', expected: null }), 200)
    try {
      const { id: _id, ...rules } = rulesOf(3, 'any')
      const grant = await test.granted({ wallets: [wallet], rules })
      const signed: number[] = []
      for (let bits = 0; bits < 1 << layers.length; bits++) {
        const body = { ...payment(1n, bits, recipient(bits)), grant }
        const path = `/v1/wallets/${wallet}/sign-transaction`
        const answer = await test.ask('POST', path, body, { by: test.grantee })
        if (answer.status === 200) signed.push(bits)
        else expect(errorCode(answer)).toBe('POLICY_REFUSED')
      }
      expect(signed).toEqual([0b1111])
      expect((await shown(grant)).uses).toBe(1)
    } finally {
      const body = { policy: null, expected: 'organisation' }
      await must(test.change('PUT', '/v1/organisation/policy', body), 200)
    }
  })
})

describe('an owner with a passkey', () => {
  let count = 0
  const signedBy = async (by: TestAuthenticator, path: string, body: object, userFlags?: number) => {
    const request = prepareRequest({
      method: 'POST',
      path,
      body: JSON.stringify(body),
      audience: test.test.audience,
      requestId: randomBytes(12).toString('hex'),
    })
    const created = Math.floor(test.nowMs() / 1000)
    const change = { created, expires: created + 120, nonce: randomBytes(16).toString('base64url') }
    return addSignature(request, by.signer(userFlags === undefined ? {} : { flags: userFlags }, change))
  }
  const send = (request: SignedRequest) => test.test.send({ request })
  const passkey = async () => {
    const by = testAuthenticator('webauthn-p256', new Uint8Array(32).fill(100 + ++count))
    const body = {
      algorithm: by.algorithm,
      registration: by.register({ audience: test.test.audience }),
      rpId: testRpId,
      origins: [testOrigin],
      role: 'grantee',
      name: 'a user',
    }
    await must(test.change('POST', '/v1/credentials', body), 201)
    return by
  }
  const terms = (wallet: string) => ({
    to: test.grantee.id,
    wallets: [wallet],
    rules: paymentRules(),
    expires: test.timeIn(hourMs),
  })

  it('grants alone, ends it alone, and has to be verified by the authenticator', async () => {
    const [user, stranger] = [await passkey(), await passkey()]
    const wallet = await test.wallet({ ...test.owner, id: user.id })
    const made = await send(await signedBy(user, '/v1/grants', terms(wallet)))
    expect(made).toMatchObject({ status: 201, body: { grantedBy: { owner: user.id } } })
    const { id } = made.body as { id: string }
    expect(await test.pay(1n, id, { wallet })).toBe('signed')
    const unverified = await signedBy(user, '/v1/grants', terms(wallet), flags.up)
    expect(errorCode(await send(unverified))).toBe('WIRE_PASSKEY_NOT_VERIFIED')
    expect(errorCode(await send(await signedBy(stranger, '/v1/grants', terms(wallet))))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(errorCode(await send(await signedBy(stranger, `/v1/grants/${id}/revoke`, {})))).toBe(
      'SIGNER_GRANT_UNKNOWN',
    )
    // Another order than the one that the user has seen and signed.
    const request = await signedBy(user, '/v1/grants', terms(wallet))
    const wider = { ...request, body: JSON.stringify({ ...terms(wallet), maxUses: 9 }) }
    expect((await send(wider)).status).toBeGreaterThanOrEqual(400)
    expect((await send(await signedBy(user, `/v1/grants/${id}/revoke`, {}))).status).toBe(200)
    expect(await test.pay(1n, id, { wallet })).toBe('SIGNER_GRANT_REVOKED')
  })
})

describe('a grant whose rules ask for approvals', () => {
  const approving = async (more: object = {}) => {
    const approver = await test.credential('approver')
    const [pay, ...others] = paymentRules().rules
    const rules = {
      version: 1,
      groups: { board: { credentials: [approver.id] } },
      rules: [{ ...pay, approvals: [{ group: 'board', count: 1 }] }, ...others],
    }
    const id = await test.granted({ rules, ...more })
    const wait = async () => {
      const body = await must(test.payment(1n, id), 202)
      return (body.approval as { id: string }).id
    }
    const approve = async (approval: string) => {
      const path = `/v1/approvals/${approval}`
      const { statement } = await must(test.ask('GET', path, undefined, { by: approver }), 200)
      const { digest } = statement as { digest: string }
      return test.ask('POST', `${path}/approve`, { digest }, { by: approver })
    }
    const state = async (approval: string) =>
      JSON.stringify(
        await must(test.ask('GET', `/v1/approvals/${approval}`, undefined, { by: approver }), 200),
      )
    return { id, wait, approve, state }
  }

  it('spends a use when it is signed, not while it waits, and never more than there are', async () => {
    const { id, wait, approve, state } = await approving({ maxUses: 1 })
    const [first, second] = [await wait(), await wait()]
    expect((await shown(id)).uses).toBe(0)
    await must(approve(first), 200)
    expect(await state(first)).toContain('"state":"signed"')
    expect(await shown(id)).toMatchObject({ uses: 1, unusable: 'SIGNER_GRANT_USED_UP' })
    await approve(second)
    expect(await state(second)).not.toContain('"state":"signed"')
    expect((await shown(id)).uses).toBe(1)
  })

  it('signs nothing that was approved after its end', async () => {
    const ends: ((id: string) => Promise<unknown>)[] = [
      (id) => test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: test.grantee }),
      async () => test.advance(hourMs / 2),
    ]
    for (const end of ends) {
      const { id, wait, approve, state } = await approving({ expires: test.timeIn(hourMs / 2) })
      const approval = await wait()
      await end(id)
      await approve(approval)
      expect(await state(approval)).not.toContain('"state":"signed"')
      expect((await shown(id)).uses).toBe(0)
    }
  })
})

describe('a request that an engine keeps', () => {
  it('makes no second grant, also after the first was revoked', async () => {
    const body = {
      to: test.grantee.id,
      wallets: [test.walletId],
      rules: paymentRules(),
      expires: test.timeIn(dayMs),
    }
    const createdS = Math.floor(test.nowMs() / 1000)
    const asked = await test.test.signed('POST', '/v1/grants', body, { by: test.owner, createdS })
    const made = await test.test.send(asked)
    const { id } = made.body as { id: string }
    await must(test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: test.owner }), 200)
    const before = (await test.entries('grant')).length
    const again = await test.test.send(asked)
    expect(errorCode(again)).toBe('WIRE_NONCE_REPLAYED')
    expect((await test.entries('grant')).length).toBe(before)
    expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_REVOKED')
  })

  it('prolongs nothing when it is sent twice, or at another grant', async () => {
    const terms = {
      expires: test.timeIn(hourMs),
      keepAlive: { extendBy: '2h', hardEnd: test.timeIn(dayMs) },
    }
    const [id, other] = [await test.granted(terms), await test.granted(terms)]
    const createdS = Math.floor(test.nowMs() / 1000)
    const signed = (path: string) =>
      test.test.signed('POST', path, {}, { by: test.grantee, createdS, lifetimeS: 300 })
    const prolong = await signed(`/v1/grants/${id}/keep-alive`)
    expect((await test.test.send(prolong)).status).toBe(200)
    const { expires } = await shown(id)
    test.advance(60_000)
    expect(errorCode(await test.test.send(prolong))).toBe('WIRE_NONCE_REPLAYED')
    expect((await shown(id)).expires).toBe(expires)
    const moved = { ...prolong.request, path: `/v1/grants/${other}/keep-alive` }
    expect(errorCode(await test.test.send({ request: moved }))).toBe('WIRE_BAD_SIGNATURE')
    expect((await shown(other)).expires).toBe(terms.expires)
  })
})

describe('a race', () => {
  it('of a revocation with payments and prolongations ends with nothing after it', async () => {
    const keepAlive = { extendBy: '1h', hardEnd: test.timeIn(dayMs) }
    const id = await test.granted({ keepAlive, expires: test.timeIn(hourMs) })
    const asked = Array.from({ length: 150 }, (_, i) => {
      if (i === 70) return test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: test.owner })
      if (i % 3 === 0) return test.ask('POST', `/v1/grants/${id}/keep-alive`, {}, { by: test.grantee })
      return test.payment(1n, id)
    })
    const answers = await Promise.all(asked)
    const codes = new Set(answers.map((answer) => errorCode(answer) ?? 'done'))
    expect(codes).toEqual(new Set(['done', 'SIGNER_GRANT_REVOKED']))
    const order = (await test.entries())
      .filter((entry) => entry.grant === (id as never))
      .map(({ type, change }): string => change ?? type)
    const after = order.slice(order.indexOf('revoked') + 1)
    // What was permitted before is still signed.
    expect(new Set(after)).not.toContain('permit')
    expect(new Set(after)).not.toContain('kept-alive')
    const permits = order.filter((one) => one === 'permit')
    expect(order.filter((one) => one === 'signed')).toHaveLength(permits.length)
    expect((await shown(id)).state).toBe('revoked')
  })

  it('of hundreds over two wallets leaves exactly what the grant’s total leaves', async () => {
    const wallets = [await test.wallet(test.owner), await test.wallet(test.owner)]
    const [pay, ...others] = paymentRules().rules
    const limits = (pay?.limits ?? []).map((limit) => ({ ...limit, per: 'grant' as const }))
    const id = await test.granted({ wallets, rules: { version: 1, rules: [{ ...pay, limits }, ...others] } })
    const asked = Array.from({ length: 300 }, (_, i) =>
      test.pay(7n, id, { wallet: wallets[i % 2] as string }),
    )
    const signed = (await Promise.all(asked)).filter((result) => result === 'signed')
    expect(signed).toHaveLength(Math.floor(1_000 / 7))
    expect(await test.pay(1_000n - 7n * BigInt(signed.length), id, { wallet: wallets[0] as string })).toBe(
      'signed',
    )
    expect(await test.pay(1n, id, { wallet: wallets[1] as string })).toBe('POLICY_REFUSED')
  })

  it('for a hundred grants at once makes each once, under its own id', async () => {
    const wallet = await test.wallet(test.owner)
    const made = await Promise.all(Array.from({ length: 100 }, () => test.granted({ wallets: [wallet] })))
    expect(new Set(made).size).toBe(100)
  })
})

describe('one wallet of several', () => {
  it('that is frozen is left out, and the grant goes on for the other', async () => {
    const [a, b] = [await test.wallet(test.owner), await test.wallet(test.owner)]
    const keepAlive = { extendBy: '1h', hardEnd: test.timeIn(dayMs) }
    const id = await test.granted({ wallets: [a, b], keepAlive, expires: test.timeIn(hourMs) })
    const [by] = test.admins as [TestKey]
    await must(test.ask('POST', '/v1/freeze', { wallet: a, reason: 'drill' }, { by }), 200)
    expect(await test.pay(1n, id, { wallet: a })).toBe('SIGNER_FROZEN')
    expect(await test.pay(1n, id, { wallet: b })).toBe('signed')
    const kept = await test.ask('POST', `/v1/grants/${id}/keep-alive`, {}, { by: test.grantee })
    expect(errorCode(kept)).toBe('SIGNER_FROZEN')
    expect(errorCode(await test.grant({ wallets: [a, b] }))).toBe('SIGNER_FROZEN')
  })

  it('that has another owner now is lost to the grant, and the rest is not', async () => {
    const [a, b] = [await test.wallet(test.owner), await test.wallet(test.owner)]
    const heir = await test.credential('grantee', 'heir')
    const id = await test.granted({ wallets: [a, b] })
    const body = { owner: heir.id, expected: test.owner.id }
    await must(test.ask('PUT', `/v1/wallets/${a}/owner`, body, { by: test.owner }), 200)
    expect(await test.pay(1n, id, { wallet: a })).toBe('SIGNER_GRANT_ORPHANED')
    expect(await test.pay(1n, id, { wallet: b })).toBe('signed')
    // The old owner makes no new one over it, and the new one may end what is about a wallet of its own.
    expect(errorCode(await test.grant({ wallets: [a, b] }))).toBe('WIRE_QUORUM_NOT_MET')
    await must(test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: heir }), 200)
  })

  it('is not given back to old grants when the wallet comes back to its owner', async () => {
    const wallet = await test.wallet(test.owner)
    const heir = await test.credential('grantee', 'heir for a day')
    const id = await test.granted({ wallets: [wallet] })
    const set = (owner: TestKey, by: TestKey) =>
      must(test.ask('PUT', `/v1/wallets/${wallet}/owner`, { owner: owner.id, expected: by.id }, { by }), 200)
    await set(heir, test.owner)
    await set(test.owner, heir)
    expect(await test.pay(1n, id, { wallet })).toBe('SIGNER_GRANT_ORPHANED')
    expect(await test.pay(1n, await test.granted({ wallets: [wallet] }), { wallet })).toBe('signed')
  })
})

describe('an owner with a new key', () => {
  it('has to grant with it: the old one, though it still asks for an hour, neither grants nor hands over', async () => {
    const owner = await test.credential('grantee', 'owner')
    const wallet = await test.wallet(owner)
    const fresh = createTestKey('fresh')
    const body = { algorithm: 'p256', publicKey: fresh.publicKey, overlapS: 3_600 }
    await must(test.ask('POST', `/v1/credentials/${owner.id}/rotate`, body, { by: [owner, fresh] }), 201)
    expect(errorCode(await test.grant({ wallets: [wallet] }, owner))).toBe('WIRE_QUORUM_NOT_MET')
    const handOver = (by: TestKey) =>
      test.ask('PUT', `/v1/wallets/${wallet}/owner`, { owner: test.grantee.id, expected: owner.id }, { by })
    expect(errorCode(await handOver(owner))).toBe('SIGNER_OWNER_NEEDED')
    const id = await test.granted({ wallets: [wallet] }, fresh)
    expect(await test.pay(1n, id, { wallet })).toBe('signed')
    await must(handOver(fresh), 200)
  })
})

describe('a grantee with a new key', () => {
  it('goes on under its grants, keep-alive and windows included', async () => {
    const old = await test.credential('grantee', 'old')
    const keepAlive = { extendBy: '2h', hardEnd: test.timeIn(dayMs) }
    const id = await test.granted({ to: old.id, keepAlive, expires: test.timeIn(hourMs) })
    expect(await test.pay(600n, id, { by: old })).toBe('signed')
    const fresh = createTestKey('fresh')
    const body = { algorithm: 'p256', publicKey: fresh.publicKey }
    await must(test.ask('POST', `/v1/credentials/${old.id}/rotate`, body, { by: [old, fresh] }), 201)
    const path = `/v1/grants/${id}/keep-alive`
    expect(errorCode(await test.ask('POST', path, {}, { by: old }))).toBe('WIRE_CREDENTIAL_REVOKED')
    await must(test.ask('POST', path, {}, { by: fresh }), 200)
    expect(await test.pay(600n, id, { by: fresh })).toBe('POLICY_REFUSED')
    expect(await test.pay(400n, id, { by: fresh })).toBe('signed')
  })
})

it('uses, totals, ends and revocations outlast a restart', async () => {
  const own = await openGrantingSigner({ backend: 'file' })
  try {
    const keepAlive = { extendBy: '2h', hardEnd: own.timeIn(dayMs) }
    const used = await own.granted({ maxUses: 2, rules: paymentRules(10n) })
    const revoked = await own.granted()
    const kept = await own.granted({ keepAlive, expires: own.timeIn(hourMs) })
    expect(await own.pay(7n, used)).toBe('signed')
    expect((await own.ask('POST', `/v1/grants/${revoked}/revoke`, {}, { by: own.grantee })).status).toBe(200)
    expect((await own.ask('POST', `/v1/grants/${kept}/keep-alive`, {}, { by: own.grantee })).status).toBe(200)
    await own.reopen()
    expect(await own.pay(4n, used)).toBe('POLICY_REFUSED')
    expect(await own.pay(3n, used)).toBe('signed')
    expect(await own.pay(1n, used)).toBe('SIGNER_GRANT_USED_UP')
    expect(await own.pay(1n, revoked)).toBe('SIGNER_GRANT_REVOKED')
    own.advance(hourMs + 1)
    expect(await own.pay(1n, kept)).toBe('signed')
    await own.reopen()
    own.advance(hourMs)
    expect(await own.pay(1n, kept)).toBe('SIGNER_GRANT_EXPIRED')
    // A clock that is set back while the signer is down brings nothing back that ended before the last entry.
    expect(await own.pay(1n, await own.granted())).toBe('signed')
    own.setClock(-hourMs)
    const outcome = await own.reopen().then(
      () => own.pay(1n, kept),
      (error: { code: string }) => error.code,
    )
    expect(['SIGNER_CLOCK_BACKWARDS', 'SIGNER_GRANT_EXPIRED']).toContain(outcome)
  } finally {
    await own.close()
  }
})
