import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { createTestKey, errorCode, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'

const talk = policyFor(
  [
    {
      id: 'talk',
      action: 'permit',
      effects: ['message'],
      limits: [{ id: 'n', count: 5, window: { rolling: '1h' } }],
    },
  ],
  'talk',
)

let signer: DelayedSigner
let admins: readonly [TestKey, TestKey, TestKey]
let walletId: string
let reached: ((point: string) => Promise<void>) | undefined

async function open(backend: 'memory' | 'file' = 'memory') {
  signer = await openDelayedSigner({ backend, at: (point) => reached?.(point) })
  admins = signer.admins as [TestKey, TestKey, TestKey]
  walletId = await newWallet()
}
const newWallet = async () => {
  await signer.change('PUT', '/v1/policies/talk', { policy: talk, expected: null })
  const made = await signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'talk' }, { by: admins[0] })
  return (made.body as { id: string }).id
}

beforeEach(async () => {
  reached = undefined
  await open()
})
afterEach(() => signer.close())

const say = (message: string, id = walletId, more: object = {}) =>
  signer.ask('POST', `/v1/wallets/${id}/sign-message`, { message }, { by: signer.test.agent, ...more })
const freeze = (by: TestKey, wallet?: string) =>
  signer.ask(
    'POST',
    '/v1/freeze',
    { reason: 'it looks wrong', ...(wallet === undefined ? {} : { wallet }) },
    { by },
  )
const frozenAt = (answer: { body: unknown }) => (answer.body as { frozen: { at: string } }).frozen.at
const thaw = (expected: string, wallet?: string, by?: readonly TestKey[]) =>
  signer.change('POST', '/v1/thaw', { expected, ...(wallet === undefined ? {} : { wallet }) }, by)

describe('freeze', () => {
  it('stops every signature at once, by one admin, until the quorum lifts it', async () => {
    expect((await say('before')).status).toBe(200)
    const frozen = await freeze(admins[2])
    expect(frozen).toMatchObject({
      status: 200,
      body: {
        wallet: null,
        frozen: { by: admins[2].id },
        receipt: { entry: { type: 'freeze', reason: 'it looks wrong' } },
      },
    })
    expect(await say('during')).toMatchObject({
      status: 403,
      body: { error: { code: 'SIGNER_FROZEN', details: { frozen: { reason: 'it looks wrong' } } } },
    })
    expect((await signer.ask('GET', '/v1/organisation', undefined, { by: signer.test.agent })).status).toBe(
      200,
    )
    expect(errorCode(await thaw(frozenAt(frozen), undefined, [admins[0]]))).toBe('WIRE_QUORUM_NOT_MET')
    expect(errorCode(await say('during'))).toBe('SIGNER_FROZEN')
    expect((await thaw(frozenAt(frozen))).body).toMatchObject({
      frozen: null,
      receipt: { entry: { type: 'thaw' } },
    })
    expect((await say('after')).status).toBe(200)
  })

  it('is for admins and those with the power, for nobody else', async () => {
    expect(errorCode(await freeze(signer.test.agent))).toBe('WIRE_NOT_PERMITTED')
    const guard = createTestKey('guard')
    const body = {
      algorithm: 'p256',
      publicKey: guard.publicKey,
      role: 'agent',
      name: 'guard',
      powers: ['freeze'],
    }
    await signer.change('POST', '/v1/credentials', body)
    signer.advance(dayMs)
    expect((await freeze(guard)).status).toBe(200)
    const { at } = (await signer.test.signer.ledger.get('organisation', 'organisation'))?.frozen ?? { at: '' }
    expect(errorCode(await thaw(at, undefined, [guard]))).toBe('WIRE_QUORUM_NOT_MET')
    await signer.change('POST', `/v1/credentials/${guard.id}/revoke`, {})
    expect(errorCode(await freeze(guard))).toBe('WIRE_CREDENTIAL_REVOKED')
  })

  it('of one wallet leaves the others alone', async () => {
    const other = await newWallet()
    const frozen = await freeze(admins[0], walletId)
    expect(errorCode(await say('here'))).toBe('SIGNER_FROZEN')
    expect((await say('there', other)).status).toBe(200)
    expect(errorCode(await thaw(frozenAt(frozen)))).toBe('SIGNER_CHANGE_CONFLICT')
    expect((await thaw(frozenAt(frozen), walletId)).status).toBe(200)
    expect((await say('here')).status).toBe(200)
    expect(errorCode(await freeze(admins[0], `wal_${'0'.repeat(24)}`))).toBe('SIGNER_WALLET_UNKNOWN')
  })

  it('frozen twice stays frozen as it was first', async () => {
    const first = await freeze(admins[0])
    signer.advance(1_000)
    const second = await freeze(admins[1])
    expect(second.body).toMatchObject({ frozen: { by: admins[0].id, at: frozenAt(first) } })
    expect(await signer.entries('freeze')).toMatchObject([
      { credential: admins[0].id },
      { credential: admins[1].id },
    ])
  })

  it('holds across a restart', async () => {
    await signer.close()
    await open('file')
    const frozen = await freeze(admins[2])
    await freeze(admins[2], walletId)
    await signer.reopen()
    expect(errorCode(await say('hello'))).toBe('SIGNER_FROZEN')
    expect((await thaw(frozenAt(frozen))).status).toBe(200)
    expect(errorCode(await say('hello'))).toBe('SIGNER_FROZEN')
  })

  it.each(['authenticated', 'permitted', 'signed', 'verified'])(
    'stops a request that is at “%s” already, and gives its budget back',
    async (point) => {
      reached = async (now) => {
        if (now !== point) return
        reached = undefined
        expect((await freeze(admins[1])).status).toBe(200)
      }
      expect(errorCode(await say('in flight', walletId, { requestId: 'in-flight-1' }))).toBe('SIGNER_FROZEN')
      const types = (await signer.entries()).map(({ type }) => type)
      const since = types.slice(types.lastIndexOf('freeze'))
      expect(since).not.toContain('signed')
      expect(types.filter((type) => type === 'permit')).toHaveLength(point === 'authenticated' ? 0 : 1)
      expect(types.filter((type) => type === 'abandoned')).toHaveLength(point === 'authenticated' ? 0 : 1)
      const { at } = (await signer.test.signer.ledger.get('organisation', 'organisation'))?.frozen ?? {
        at: '',
      }
      await thaw(at)
      for (let i = 0; i < 5; i++) expect((await say(`${i}`)).status).toBe(200)
      expect(errorCode(await say('too many'))).toBe('POLICY_REFUSED')
    },
  )

  it('never has a signature between freeze and thaw, whatever is in flight', async () => {
    const asks = Array.from({ length: 30 }, (_, i) => say(`${i}`))
    const frozen = await freeze(admins[0])
    await Promise.all(asks)
    await Promise.all(Array.from({ length: 10 }, (_, i) => say(`later ${i}`)))
    const types = (await signer.entries()).map(({ type }) => type)
    expect(types.slice(types.indexOf('freeze'))).not.toContain('signed')
    expect(frozen.status).toBe(200)
  })
})

describe('while everything is frozen', () => {
  const wider = policyFor([{ id: 'talk', action: 'permit', effects: ['message'] }], 'talk')
  const none = policyFor([], 'talk')
  const put = async (policy: typeof talk) => {
    const expected = (await signer.test.signer.ledger.get('policy', 'talk'))?.hash ?? null
    return signer.change('PUT', '/v1/policies/talk', { policy, expected })
  }

  it('nothing is loosened, not even proposed; tightening goes on', async () => {
    await freeze(admins[0])
    expect(errorCode(await put(wider))).toBe('SIGNER_FROZEN')
    expect(await signer.entries('change-proposed')).toEqual([])
    expect((await put(none)).status).toBe(200)
    expect((await signer.change('POST', `/v1/credentials/${signer.test.agent.id}/revoke`, {})).status).toBe(
      200,
    )
  })

  it('nothing that waits is carried out: it is dropped', async () => {
    const asked = await put(wider)
    const frozen = await freeze(admins[0])
    signer.advance(dayMs)
    await signer.test.signer.due.settle()
    expect(await signer.entries('change-dropped')).toMatchObject([
      { reason: expect.stringContaining('frozen') },
    ])
    await thaw(frozenAt(frozen))
    await signer.test.signer.due.settle()
    expect(await signer.entries('change-applied')).toEqual([])
    expect(asked.status).toBe(202)
  })

  it('nothing is loosened either where there is no delay', async () => {
    await signer.close()
    signer = await openDelayedSigner({ delay: '0s' })
    admins = signer.admins as [TestKey, TestKey, TestKey]
    await newWallet()
    await freeze(admins[0])
    expect(errorCode(await put(wider))).toBe('SIGNER_FROZEN')
  })

  it('a frozen wallet gets no other policy, but others do', async () => {
    const other = await newWallet()
    await signer.change('PUT', '/v1/policies/more', { policy: { ...wider, id: 'more' }, expected: null })
    await freeze(admins[0], walletId)
    const assign = (id: string) =>
      signer.change('PUT', `/v1/wallets/${id}/policy`, { policy: 'more', expected: 'talk' })
    expect(errorCode(await assign(walletId))).toBe('SIGNER_FROZEN')
    expect((await assign(other)).status).toBe(202)
  })
})

describe('a thaw that was held back', () => {
  it('lifts no later freeze', async () => {
    const first = await freeze(admins[0])
    const createdS = Math.floor(signer.nowMs() / 1000)
    const held = await signer.test.signed(
      'POST',
      '/v1/thaw',
      { expected: frozenAt(first) },
      {
        by: admins.slice(0, 2),
        createdS,
        lifetimeS: 86_400,
      },
    )
    expect((await thaw(frozenAt(first))).status).toBe(200)
    signer.advance(1_000)
    await freeze(admins[2])
    expect(errorCode(await signer.test.send(held))).toBe('SIGNER_CHANGE_CONFLICT')
    expect(errorCode(await say('hello'))).toBe('SIGNER_FROZEN')
  })

  it('lifts nothing where nothing is frozen', async () => {
    expect(errorCode(await thaw(new Date(signer.nowMs()).toISOString()))).toBe('SIGNER_CHANGE_CONFLICT')
  })
})
