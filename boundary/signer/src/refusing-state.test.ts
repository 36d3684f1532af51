import { join } from 'node:path'
import { Secret } from '@countersign/keys'
import type { PolicyId } from '@countersign/policy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner, testSecret } from '../../../test/signer/test-signer.ts'
import { parseSignerConfig } from './config.ts'
import { openSigner } from './open-signer.ts'

const hourMs = 60 * 60 * 1000
/** A clock that the test moves: `wall` alone, as an attacker would, or both together, as time does. */
class MovedClock {
  wallMs = Date.now()
  monotonicMs = 0
  readonly source = { wallMs: () => this.wallMs, monotonicMs: () => this.monotonicMs }
  pass(ms: number): void {
    this.wallMs += ms
    this.monotonicMs += ms
  }
  get nowS(): number {
    return Math.floor(this.wallMs / 1000)
  }
}

async function walletPath(test: TestSigner, limit = 100n): Promise<string> {
  return `/v1/wallets/${(await test.walletUnder(paymentPolicy('test', limit))).id}/sign-transaction`
}

describe('a stored policy that cannot be read', () => {
  let test: TestSigner
  let path: string
  beforeEach(async () => {
    test = await openTestSigner()
    path = await walletPath(test)
  })
  afterEach(() => test.close())

  const expectRefusal = async () => {
    const size = test.signer.journal.size()
    const answer = await test.ask('POST', path, payment(1n), { by: test.agent })
    expect(answer.status).toBe(503)
    expect(errorCode(answer)).toBe('SIGNER_POLICY_UNREADABLE')
    expect(test.signer.journal.size()).toBe(size)
    expect(test.signer.phase()).toBe('ready')
  }
  // With a genuine MAC, through the signer's own ledger: what a later or earlier version may have written.
  const store = (document: unknown) =>
    test.signer.ledger.submit(async (tx) => {
      const record = await tx.get('policy', 'test')
      if (record === undefined) throw new Error('no policy')
      tx.put('policy', 'test', { ...record, hash: `0x${'5'.repeat(64)}`, document })
    })

  it.each([
    ['of a later version', { ...paymentPolicy('test'), version: 2 }],
    [
      'with a rule of unknown effect',
      { version: 1, id: 'test', rules: [{ id: 'x', action: 'permit', effects: ['teleport'] }] },
    ],
    ['with an unknown member', { ...paymentPolicy('test'), unless: [] }],
    ['that is null', null],
    ['that is text', 'permit everything'],
  ])('%s: nothing is signed', async (_name, document) => {
    await store(document)
    await expectRefusal()
  })

  it('that is assigned but gone', async () => {
    await test.signer.ledger.submit(async (tx) => tx.delete('policy', 'test'))
    await expectRefusal()
  })

  it('of the organisation, whatever the wallet’s says', async () => {
    await test.signer.ledger.submit(async (tx) =>
      tx.put('organisation', 'organisation', { quorum: 1, policy: 'gone' as PolicyId }),
    )
    await expectRefusal()
  })

  it('signs again when the quorum has applied a policy that can be read', async () => {
    await store({ version: 2 })
    await expectRefusal()
    expect((await test.putPolicy(paymentPolicy('test'))).status).toBe(200)
    expect((await test.ask('POST', path, payment(1n), { by: test.agent })).status).toBe(200)
  })
})

describe('a clock that is moved', () => {
  let clock: MovedClock
  let test: TestSigner
  let path: string
  const pay = async (value: bigint, requestId?: string) => {
    const id = requestId === undefined ? {} : { requestId }
    const answer = await test.ask('POST', path, payment(value), {
      by: test.agent,
      createdS: clock.nowS,
      ...id,
    })
    return errorCode(answer) ?? answer.status
  }
  beforeEach(async () => {
    clock = new MovedClock()
    test = await openTestSigner({ clockSource: clock.source, at: (point) => at(point) })
    path = await walletPath(test)
  })
  afterEach(async () => {
    at = () => undefined
    await test.close()
  })
  let at: (point: string) => void = () => undefined

  it('back: nothing is signed until it has caught up, and no window frees up', async () => {
    expect(await pay(100n)).toBe(200)
    const size = test.signer.journal.size()
    for (const back of [1_001, hourMs, 25 * hourMs]) {
      clock.wallMs -= back
      expect(await pay(1n)).toBe('SIGNER_CLOCK_BACKWARDS')
      clock.wallMs += back
    }
    expect(test.signer.journal.size()).toBe(size)
    expect(await pay(1n)).toBe('POLICY_REFUSED')
  })

  it('forward: nothing is signed, and the window is as full as before when it is put right', async () => {
    expect(await pay(100n)).toBe(200)
    for (const ahead of [60_001, 24 * hourMs + 2_000, 1_000 * hourMs]) {
      clock.wallMs += ahead
      expect(await pay(1n)).toBe('SIGNER_CLOCK_JUMPED')
      clock.wallMs -= ahead
    }
    expect(await pay(1n)).toBe('POLICY_REFUSED')
  })

  it('forward in small steps: no more than a minute in all', async () => {
    expect(await pay(100n)).toBe(200)
    const seen = new Set<unknown>()
    for (let i = 0; i < 30; i++) {
      clock.wallMs += 10_000
      seen.add(await pay(1n))
    }
    expect(seen).toEqual(new Set(['POLICY_REFUSED', 'SIGNER_CLOCK_JUMPED']))
  })

  it('by time itself: the window frees up after its length, and not a second before', async () => {
    expect(await pay(100n)).toBe(200)
    clock.pass(24 * hourMs - 1_000)
    expect(await pay(1n)).toBe('POLICY_REFUSED')
    clock.pass(3_000)
    expect(await pay(100n)).toBe(200)
  })

  it.each(['permitted', 'signed', 'verified'])(
    'back at the point %s: no signature; resolved when it is right',
    async (moved) => {
      at = (point) => {
        if (point !== moved) return
        at = () => undefined
        clock.wallMs -= hourMs
      }
      expect(await pay(100n, 'in-between')).toBe('SIGNER_CLOCK_BACKWARDS')
      clock.wallMs += hourMs
      await vi.waitFor(async () => expect(await pay(100n, 'in-between')).toBe(200), 5_000)
      expect(await pay(1n)).toBe('POLICY_REFUSED')
    },
  )
})

describe('a clock that is moved while the signer is stopped', () => {
  let test: TestSigner
  let path: string
  beforeAll(async () => {
    test = await openTestSigner({ backend: 'file' })
    path = await walletPath(test)
  })
  afterAll(() => test.close())

  it('back: it opens, and signs nothing', async () => {
    const clock = new MovedClock()
    clock.wallMs -= hourMs
    test = await test.reopen({ clockSource: clock.source })
    const ask = { by: test.agent, createdS: clock.nowS }
    expect(errorCode(await test.ask('POST', path, payment(1n), ask))).toBe('SIGNER_CLOCK_BACKWARDS')
    clock.pass(hourMs)
    expect((await test.ask('POST', path, payment(1n), { by: test.agent })).status).toBe(200)
  })

  it('a second signer does not open the same data directory', async () => {
    const admins = [{ algorithm: 'p256', publicKey: test.admins[0]?.publicKey, name: 'admin' }]
    const config = { dataDir: join(test.directory, 'signer'), backend: 'file', quorum: 1, admins }
    const opening = openSigner({
      config: parseSignerConfig(config, {}, test.directory),
      env: {},
      secret: new Secret(testSecret),
      onHalt: () => undefined,
    })
    await expect(opening).rejects.toMatchObject({ code: 'SIGNER_STORE_LOCKED' })
    expect((await test.ask('POST', path, payment(1n), { by: test.agent })).status).toBe(200)
  })
})
