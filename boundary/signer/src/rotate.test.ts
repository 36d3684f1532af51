import { randomBytes, sign } from 'node:crypto'
import { encodeHex } from '@countersign/bytes'
import {
  addSignature,
  apiKeyHash,
  type Credential,
  credentialId,
  encodeApiKey,
  isActive,
  isBearerRequest,
  prepareRequest,
  type SignedRequest,
} from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  flags,
  type TestAuthenticator,
  testAuthenticator,
  testOrigin,
  testRpId,
} from '../../../kernel/wire/src/testing/authenticator.ts'
import {
  createTestKey,
  errorCode,
  openTestSigner,
  policyFor,
  type TestKey,
  type TestSigner,
} from '../../../test/signer/test-signer.ts'
import type { Answer } from './signer.ts'

let test: TestSigner
let admins: readonly TestKey[]
let timeMs: number
beforeEach(async () => {
  // Ahead of the moment at which the signer is founded, which goes by the system's clock.
  timeMs = Date.now() + 5_000
  test = await openTestSigner({
    admins: 3,
    quorum: 2,
    clockSource: { wallMs: () => timeMs, monotonicMs: () => timeMs },
  })
  admins = test.admins
})
afterEach(() => test.close())

const hourMs = 3_600_000
const nowS = () => Math.floor(timeMs / 1000)

const newKeyBody = (key: TestKey, change: object = {}) => ({
  algorithm: 'p256',
  publicKey: key.publicKey,
  ...change,
})

const rotate = (old: TestKey, by: readonly TestKey[], body: object, requestId?: string): Promise<Answer> =>
  test.ask('POST', `/v1/credentials/${old.id}/rotate`, body, {
    by,
    createdS: nowS(),
    ...(requestId === undefined ? {} : { requestId }),
  })

const look = (by: TestKey) => test.ask('GET', '/v1/journal/checkpoint', undefined, { by, createdS: nowS() })
const credential = async (key: { id: string }) =>
  test.signer.ledger.get('credential', key.id) as Promise<Credential>

describe('an agent’s rotation', () => {
  it('keeps role, name, powers, attribution and subject, and ends the old key at once', async () => {
    const next = createTestKey('next')
    const answer = await rotate(test.agent, [test.agent, next], newKeyBody(next))
    expect(answer).toMatchObject({
      status: 201,
      body: {
        id: next.id,
        role: 'agent',
        name: 'agent',
        attribution: { agent: 'agent-7' },
        subject: test.agent.id,
        status: 'active',
        replaced: { id: test.agent.id, status: 'revoked', replacedBy: next.id },
        receipt: { entry: { type: 'credential', change: 'rotated', credentials: [test.agent.id] } },
      },
    })
    expect(errorCode(await look(test.agent))).toBe('WIRE_CREDENTIAL_REVOKED')
    expect((await look(next)).status).toBe(200)
  })

  it('with an overlap both keys work until it ends, to the millisecond', async () => {
    const next = createTestKey('next')
    await rotate(test.agent, [test.agent, next], newKeyBody(next, { overlapS: 600 }))
    timeMs += 599_999
    expect((await look(test.agent)).status).toBe(200)
    expect((await look(next)).status).toBe(200)
    timeMs += 1
    expect(errorCode(await look(test.agent))).toBe('WIRE_CREDENTIAL_EXPIRED')
    expect((await look(next)).status).toBe(200)
    expect(isActive(await credential(test.agent), timeMs)).toBe(false)
  })

  it('is the same asker to policies, windows and request ids', async () => {
    const next = createTestKey('next')
    const wallet = await test.walletUnder(
      policyFor(
        [
          {
            id: 'two',
            action: 'permit',
            who: { credentials: [test.agent.id] },
            effects: ['message'],
            limits: [{ id: 'day', count: 2, window: { rolling: '24h' } }],
          },
        ],
        'two-a-day',
      ),
    )
    const path = `/v1/wallets/${wallet.id}/sign-message`
    const sign = (by: TestKey, message: string, requestId?: string) =>
      test.ask(
        'POST',
        path,
        { message },
        { by, createdS: nowS(), ...(requestId === undefined ? {} : { requestId }) },
      )
    const first = await sign(test.agent, 'one', 'request-before')
    expect(first.status).toBe(200)
    await rotate(test.agent, [test.agent, next], newKeyBody(next))
    // A retry after the rotation is the same request, not a second one.
    expect(await sign(next, 'one', 'request-before')).toEqual(first)
    expect(errorCode(await sign(next, 'other', 'request-before'))).toBe('WIRE_REQUEST_ID_REUSED')
    expect((await sign(next, 'two')).status).toBe(200)
    expect(errorCode(await sign(next, 'three'))).toBe('POLICY_REFUSED')
    const receipt = await test.ask('GET', '/v1/receipts/request-before', undefined, {
      by: next,
      createdS: nowS(),
    })
    expect(receipt).toMatchObject({ status: 200, body: { entry: { credential: test.agent.id } } })
  })

  it.each<[string, (keys: { old: TestKey; next: TestKey; other: TestKey }) => readonly TestKey[], string]>([
    ['the old key alone', ({ old }) => [old], 'SIGNER_ROTATION_REFUSED'],
    ['the new key alone', ({ next }) => [next], 'SIGNER_ROTATION_REFUSED'],
    ['the new key first', ({ old, next }) => [next, old], 'SIGNER_ROTATION_REFUSED'],
    ['another new key', ({ old, other }) => [old, other], 'WIRE_UNKNOWN_CREDENTIAL'],
    ['an admin and the new key', ({ next }) => [admins[0] as TestKey, next], 'SIGNER_ROTATION_REFUSED'],
    ['a further key', ({ old, next }) => [old, next, admins[0] as TestKey], 'WIRE_TOO_MANY_SIGNATURES'],
  ])('refuses the signatures of %s', async (_what, by, code) => {
    const keys = { old: test.agent, next: createTestKey('next'), other: createTestKey('other') }
    expect(errorCode(await rotate(test.agent, by(keys), newKeyBody(keys.next)))).toBe(code)
    expect(await credential(keys.next)).toBeUndefined()
    expect((await look(test.agent)).status).toBe(200)
  })

  it('refuses a new key that is not the one that signed', async () => {
    const [next, other] = [createTestKey('next'), createTestKey('other')]
    const forged = { ...other, id: next.id }
    expect(errorCode(await rotate(test.agent, [test.agent, forged], newKeyBody(next)))).toBe(
      'WIRE_BAD_SIGNATURE',
    )
  })

  it('refuses another’s credential, one that is not there, and one that is gone', async () => {
    const next = createTestKey('next')
    expect(errorCode(await rotate(admins[1] as TestKey, [test.agent, next], newKeyBody(next)))).toBe(
      'SIGNER_ROTATION_REFUSED',
    )
    expect(errorCode(await rotate(createTestKey('nobody'), [test.agent, next], newKeyBody(next)))).toBe(
      'WIRE_UNKNOWN_CREDENTIAL',
    )
    await test.ask(
      'POST',
      `/v1/credentials/${test.agent.id}/revoke`,
      {},
      { by: admins.slice(0, 2), createdS: nowS() },
    )
    expect(errorCode(await rotate(test.agent, [test.agent, next], newKeyBody(next)))).toBe(
      'WIRE_CREDENTIAL_REVOKED',
    )
  })

  it('refuses a key that is a credential already', async () => {
    const answer = await rotate(
      test.agent,
      [test.agent, admins[2] as TestKey],
      newKeyBody(admins[2] as TestKey),
    )
    expect(errorCode(answer)).toBe('SIGNER_CREDENTIAL_EXISTS')
  })

  it.each([-1, 604_801, 0.5])('refuses an overlap of %d s', async (overlapS) => {
    const next = createTestKey('next')
    expect(errorCode(await rotate(test.agent, [test.agent, next], newKeyBody(next, { overlapS })))).toBe(
      'WIRE_INVALID_BODY',
    )
  })

  it('takes the longest overlap', async () => {
    const next = createTestKey('next')
    expect(
      (await rotate(test.agent, [test.agent, next], newKeyBody(next, { overlapS: 604_800 }))).status,
    ).toBe(201)
  })

  it('happens once: neither the old key nor the fresh one rotates again at once', async () => {
    const [next, third] = [createTestKey('next'), createTestKey('third')]
    await rotate(test.agent, [test.agent, next], newKeyBody(next, { overlapS: 86_400 }))
    expect(errorCode(await rotate(test.agent, [test.agent, third], newKeyBody(third)))).toBe(
      'SIGNER_ROTATION_REFUSED',
    )
    timeMs += hourMs - 1
    expect(errorCode(await rotate(next, [next, third], newKeyBody(third)))).toBe('SIGNER_ROTATION_REFUSED')
    timeMs += 1
    const again = await rotate(next, [next, third], newKeyBody(third))
    expect(again).toMatchObject({ status: 201, body: { subject: test.agent.id } })
  })

  it('prolongs nothing', async () => {
    const key = createTestKey('short')
    const expiresAt = new Date(timeMs + 100_000).toISOString()
    const body = { algorithm: 'p256', publicKey: key.publicKey, role: 'agent', name: 'short', expiresAt }
    await test.ask('POST', '/v1/credentials', body, { by: admins.slice(0, 2), createdS: nowS() })
    const next = createTestKey('next')
    const rotated = await rotate(key, [key, next], newKeyBody(next, { overlapS: 604_800 }))
    expect(rotated).toMatchObject({ body: { expiresAt, replaced: { expiresAt } } })
    timeMs += 100_000
    for (const one of [key, next]) expect(errorCode(await look(one))).toBe('WIRE_CREDENTIAL_EXPIRED')
  })

  it('revoking any of its keys ends them all: a thief who has rotated is not rid of it', async () => {
    const [thief, third] = [createTestKey('thief'), createTestKey('third')]
    await rotate(test.agent, [test.agent, thief], newKeyBody(thief, { overlapS: 604_800 }))
    timeMs += hourMs
    await rotate(thief, [thief, third], newKeyBody(third, { overlapS: 604_800 }))
    for (const one of [test.agent, thief, third]) expect((await look(one)).status).toBe(200)
    const revoked = await test.ask(
      'POST',
      `/v1/credentials/${test.agent.id}/revoke`,
      {},
      { by: admins.slice(0, 2), createdS: nowS() },
    )
    expect(revoked).toMatchObject({
      status: 200,
      body: { receipt: { entry: { others: [thief.id, third.id] } } },
    })
    for (const one of [test.agent, thief, third])
      expect(errorCode(await look(one))).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('the same signed request again is a replay, and changes nothing', async () => {
    const next = createTestKey('next')
    const forwarded = await test.signed(
      'POST',
      `/v1/credentials/${test.agent.id}/rotate`,
      newKeyBody(next, { overlapS: 600 }),
      {
        by: [test.agent, next],
        createdS: nowS(),
      },
    )
    expect((await test.send(forwarded)).status).toBe(201)
    const size = test.signer.journal.size()
    expect(['WIRE_NONCE_REPLAYED', 'SIGNER_ROTATION_REFUSED']).toContain(
      errorCode(await test.send(forwarded)),
    )
    expect(test.signer.journal.size()).toBe(size)
  })
})

describe('an admin’s rotation', () => {
  it('takes the quorum, the old key among it, and leaves the number of admins as it was', async () => {
    const [first, second, third] = admins as [TestKey, TestKey, TestKey]
    const next = createTestKey('next admin')
    expect(errorCode(await rotate(first, [first, next], newKeyBody(next)))).toBe('WIRE_QUORUM_NOT_MET')
    // The new key is not a second vote.
    expect(errorCode(await rotate(first, [first, next, test.agent], newKeyBody(next)))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(await rotate(first, [first, next, second], newKeyBody(next))).toMatchObject({
      status: 201,
      body: { role: 'admin' },
    })
    expect(errorCode(await look(first))).toBe('WIRE_CREDENTIAL_REVOKED')
    const policy = policyFor([{ id: 'm', action: 'permit', effects: ['message'] }], 'after')
    const put = (by: readonly TestKey[]) =>
      test.ask('PUT', '/v1/policies/after', { policy, expected: null }, { by, createdS: nowS() })
    expect(errorCode(await put([next]))).toBe('WIRE_QUORUM_NOT_MET')
    expect((await put([next, third])).status).toBe(200)
  })

  it('has no overlap: two keys of one person would be two votes', async () => {
    const [first, second] = admins as [TestKey, TestKey]
    const next = createTestKey('next admin')
    expect(errorCode(await rotate(first, [first, next, second], newKeyBody(next, { overlapS: 1 })))).toBe(
      'SIGNER_ROTATION_REFUSED',
    )
  })
})

describe('the kind of key', () => {
  const passkeyBody = (by: TestAuthenticator, change: object = {}) => ({
    algorithm: by.algorithm,
    registration: by.register({ audience: test.audience, ...change }),
  })
  const by = testAuthenticator('webauthn-p256', new Uint8Array(32).fill(0x31))
  const after = testAuthenticator('webauthn-ed25519', new Uint8Array(32).fill(0x32))
  const addPasskey = () =>
    test.ask(
      'POST',
      '/v1/credentials',
      { ...passkeyBody(by), rpId: testRpId, origins: [testOrigin], role: 'approver', name: 'Alice' },
      { by: admins.slice(0, 2), createdS: nowS() },
    )
  async function rotatePasskey(
    signers: readonly TestAuthenticator[],
    body: object,
    also: readonly TestKey[] = [],
  ) {
    let request: SignedRequest = prepareRequest({
      method: 'POST',
      path: `/v1/credentials/${by.id}/rotate`,
      body: JSON.stringify(body),
      audience: test.audience,
      requestId: randomBytes(12).toString('hex'),
    })
    for (const one of signers) {
      const change = { created: nowS(), expires: nowS() + 120, nonce: randomBytes(16).toString('base64url') }
      request = await addSignature(request, one.signer({}, change))
    }
    for (const key of also) {
      const created = nowS()
      request = await addSignature(request, {
        credential: { id: key.id, algorithm: 'p256' },
        created,
        expires: created + 120,
        nonce: randomBytes(16).toString('base64url'),
        sign: (base) => sign('sha256', base, { key: key.key, dsaEncoding: 'ieee-p1363' }),
      })
    }
    return test.send({ request })
  }

  it('passkey to passkey, on the same origins, of an approver without overlap', async () => {
    await addPasskey()
    expect(errorCode(await rotatePasskey([by, after], { ...passkeyBody(after), overlapS: 5 }))).toBe(
      'SIGNER_ROTATION_REFUSED',
    )
    expect(await rotatePasskey([by, after], passkeyBody(after))).toMatchObject({
      status: 201,
      body: {
        id: after.id,
        role: 'approver',
        subject: by.id,
        passkey: { rpId: testRpId, origins: [testOrigin] },
      },
    })
  })

  it('a registration elsewhere, or without its user, is refused', async () => {
    await addPasskey()
    expect(
      errorCode(await rotatePasskey([by, after], passkeyBody(after, { origin: 'https://evil.test' }))),
    ).toBe('WIRE_PASSKEY_ORIGIN')
    const unverified = passkeyBody(after, { flags: flags.up | flags.at })
    expect(errorCode(await rotatePasskey([by, after], unverified))).toBe('WIRE_PASSKEY_NOT_VERIFIED')
    expect(
      errorCode(await rotatePasskey([by, after], { ...passkeyBody(after), algorithm: 'webauthn-p256' })),
    ).toBe('SIGNER_ROTATION_REFUSED')
  })

  it('never becomes a weaker one', async () => {
    await addPasskey()
    const key = createTestKey('software')
    // Both keys have signed, as it must be: the kind alone stands against it.
    const weaker = await rotatePasskey([by], newKeyBody(key), [key])
    expect(errorCode(weaker)).toBe('SIGNER_ROTATION_REFUSED')
    expect((weaker.body as { error: { message: string } }).error.message).toContain('a passkey by a passkey')
    expect(errorCode(await rotate(test.agent, [test.agent], passkeyBody(after)))).toBe(
      'SIGNER_ROTATION_REFUSED',
    )
    const apiKey = encodeApiKey(new Uint8Array(randomBytes(32)))
    const bearer = { algorithm: 'bearer', publicKey: encodeHex(apiKeyHash(apiKey)) }
    expect(errorCode(await rotate(test.agent, [test.agent], bearer))).toBe('WIRE_INVALID_BODY')
  })

  it('an API key is not rotated: it cannot sign for itself', async () => {
    const apiKey = encodeApiKey(new Uint8Array(randomBytes(32)))
    const hash = apiKeyHash(apiKey)
    await test.ask(
      'POST',
      '/v1/credentials',
      { algorithm: 'bearer', publicKey: encodeHex(hash), role: 'agent', name: 'script' },
      { by: admins.slice(0, 2), createdS: nowS() },
    )
    const id = credentialId('bearer', hash)
    const next = createTestKey('next')
    const request: SignedRequest = {
      method: 'POST',
      path: `/v1/credentials/${id}/rotate`,
      body: JSON.stringify(newKeyBody(next)),
      headers: { 'x-api-key': apiKey, 'idempotency-key': 'rotate-bearer' },
    }
    expect(isBearerRequest(request)).toBe(true)
    expect(['WIRE_BEARER_NOT_ENOUGH', 'SIGNER_ROTATION_REFUSED']).toContain(
      errorCode(await test.send({ request })),
    )
    const asAdmin = await test.ask('POST', `/v1/credentials/${id}/rotate`, newKeyBody(next), {
      by: admins.slice(0, 2),
      createdS: nowS(),
    })
    expect(errorCode(asAdmin)).toBe('SIGNER_ROTATION_REFUSED')
  })
})
