import { decodeHex, encodeHex } from '@countersign/bytes'
import { keysError, type Signature } from '@countersign/keys'
import type { PolicyDocument } from '@countersign/policy'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'
import { answerForwarded } from './forward.ts'
import { errorAnswer } from './server.ts'

const orderN = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const word = (value: bigint) => decodeHex(`0x${value.toString(16).padStart(64, '0')}`)
const raw: PolicyDocument = {
  version: 1,
  id: 'raw',
  rules: [{ id: 'raw', action: 'permit', effects: ['raw-message'], operations: ['sign-raw'] }],
}

describe('a key backend that misbehaves', () => {
  let test: TestSigner
  let path: string
  let genuine: (payload: Uint8Array) => Promise<Signature>
  let foreign: (payload: Uint8Array) => Promise<Signature>
  beforeEach(async () => {
    test = await openTestSigner()
    path = `/v1/wallets/${(await test.walletUnder(paymentPolicy('test', 100n))).id}/sign-transaction`
    const { backend, ledger } = test.signer
    const wallet = await ledger.get('wallet', path.split('/')[3] as string)
    const other = await backend.createKey({ algorithm: 'secp256k1', name: 'other' })
    const sign = backend.sign.bind(backend)
    genuine = (payload) => sign({ key: wallet?.key ?? other, payload })
    foreign = (payload) => sign({ key: other, payload })
  })
  afterEach(() => test.close())

  const misbehave = (act: (payload: Uint8Array) => Promise<Signature>) =>
    vi.spyOn(test.signer.backend, 'sign').mockImplementation(({ payload }) => act(payload))
  const pay = async (value: bigint, requestId?: string) => {
    const options = requestId === undefined ? { by: test.agent } : { by: test.agent, requestId }
    const forwarded = await test.signed('POST', path, payment(value), options)
    try {
      test.signer.checkReady()
      return await answerForwarded(test.signer, forwarded)
    } catch (error) {
      return errorAnswer(error)
    }
  }
  const spent = async () => {
    const windows = await test.signer.ledger.range('window', '', '\uffff', 10)
    return windows.map(({ value }) => value.sumMinor)
  }
  const lastEntry = async () =>
    JSON.parse((await test.signer.journal.leaves(test.signer.journal.size() - 1, 1))[0] as string)

  const faulty: [string, (payload: Uint8Array) => Promise<Signature>][] = [
    [
      'the higher of the two forms of s',
      async (payload) => {
        const { bytes } = await genuine(payload)
        return {
          bytes: Buffer.concat([bytes.subarray(0, 32), word(orderN - BigInt(encodeHex(bytes.subarray(32))))]),
        }
      },
    ],
    ['another key’s signature', (payload) => foreign(payload)],
    ['this key’s signature over another payload', () => genuine(new Uint8Array(32).fill(7))],
    [
      'a bit wrong',
      async (payload) => {
        const bytes = (await genuine(payload)).bytes.slice()
        bytes[40] = (bytes[40] as number) ^ 1
        return { bytes }
      },
    ],
    ['a byte short', async (payload) => ({ bytes: (await genuine(payload)).bytes.slice(0, 63) })],
    [
      'a byte long',
      async (payload) => ({ bytes: Buffer.concat([(await genuine(payload)).bytes, Buffer.of(0)]) }),
    ],
    ['nothing', async () => ({ bytes: new Uint8Array(0) })],
    ['zeros', async () => ({ bytes: new Uint8Array(64) })],
    [
      'r of zero',
      async (payload) => ({ bytes: Buffer.concat([word(0n), (await genuine(payload)).bytes.subarray(32)]) }),
    ],
    [
      'r beyond the order',
      async (payload) => ({
        bytes: Buffer.concat([word(2n ** 256n - 1n), (await genuine(payload)).bytes.subarray(32)]),
      }),
    ],
  ]
  it.each(faulty)('%s: no signature leaves, and the signer halts', async (_name, act) => {
    expect((await pay(1n)).status).toBe(200)
    misbehave(act)
    const answer = await pay(5n, 'faulty-request')
    expect(errorCode(answer)).toBe('SIGNER_SIGNATURE_INVALID')
    expect(JSON.stringify(answer.body)).not.toContain('"signature"')
    expect(test.signer.phase()).toBe('halted')
    expect(await lastEntry()).toMatchObject({ type: 'abandoned', requestId: 'faulty-request' })
    expect(await spent()).toEqual(['1'])
    vi.restoreAllMocks()
    for (const value of [1n, 5n]) expect(errorCode(await pay(value))).toBe('SIGNER_HALTED')
    expect(await spent()).toEqual(['1'])
  })

  it('says itself that what it has made is not this key’s: no signature leaves, and the signer halts', async () => {
    const { backend } = test.signer
    const signChecked = async () => ({ bytes: new Uint8Array(64), recovery: undefined })
    Object.assign(backend, { checksSignatures: true, signChecked })
    expect(errorCode(await pay(5n, 'faulty-request'))).toBe('SIGNER_SIGNATURE_INVALID')
    expect(test.signer.phase()).toBe('halted')
    expect(await lastEntry()).toMatchObject({ type: 'abandoned', requestId: 'faulty-request' })
    expect(await spent()).toEqual(['0'])
  })

  it('is asked to check by the public key in the signer’s books', async () => {
    const { backend, ledger } = test.signer
    const wallet = await ledger.get('wallet', path.split('/')[3] as string)
    const asked: unknown[] = []
    const signChecked = async (request: { payload: Uint8Array; publicKey: Uint8Array }) => {
      asked.push(encodeHex(request.publicKey))
      return genuine(request.payload)
    }
    Object.assign(backend, { checksSignatures: true, signChecked })
    expect((await pay(1n)).status).toBe(200)
    expect(asked).toEqual([wallet?.publicKey])
  })

  it.each([
    ['a typed error', keysError('KEYS_STORE_UNAVAILABLE', 'The disk is away.'), 'KEYS_STORE_UNAVAILABLE'],
    ['an unknown error', new Error('secret in the message'), 'SIGNER_BUG'],
    ['no error object', 'thrown text', 'SIGNER_BUG'],
  ])(
    'throws %s: the budget is free again, and the same request id may try again',
    async (_name, error, code) => {
      misbehave(() => Promise.reject(error))
      const answer = await pay(100n, 'first-try-fails')
      expect(errorCode(answer)).toBe(code)
      expect(JSON.stringify(answer.body)).not.toMatch(/secret in|thrown text/)
      expect(await spent()).toEqual(['0'])
      expect(test.signer.phase()).toBe('ready')
      vi.restoreAllMocks()
      expect((await pay(100n, 'first-try-fails')).status).toBe(200)
      expect(errorCode(await pay(1n))).toBe('POLICY_REFUSED')
    },
  )

  it('answers with no signature at all: refused, and the budget is free again', async () => {
    misbehave(async () => undefined as unknown as Signature)
    expect((await pay(100n)).status).toBeGreaterThanOrEqual(500)
    expect(await spent()).toEqual(['0'])
  })

  it('hints at the wrong recovery id: the signer finds the right one itself', async () => {
    misbehave(async (payload) => {
      const { bytes, recovery } = await genuine(payload)
      return { bytes, recovery: recovery === 0 ? 1 : 0 }
    })
    expect((await pay(1n)).status).toBe(200)
    expect(test.signer.phase()).toBe('ready')
  })

  it('never answers: its budget stays booked, its request id stays in flight, others are served', async () => {
    let answerNow: (signature: Signature) => void = () => undefined
    misbehave(
      () =>
        new Promise((resolve) => {
          answerNow = resolve
        }),
    )
    const hanging = pay(90n, 'hanging-request')
    await vi.waitFor(() => expect(test.signer.backend.sign).toHaveBeenCalled())
    vi.restoreAllMocks()
    expect(errorCode(await pay(11n))).toBe('POLICY_REFUSED')
    expect(errorCode(await pay(90n, 'hanging-request'))).toBe('WIRE_REQUEST_IN_FLIGHT')
    expect((await pay(10n)).status).toBe(200)
    answerNow({ bytes: new Uint8Array(64) })
    expect(errorCode(await hanging)).toBe('SIGNER_SIGNATURE_INVALID')
  })

  it('turns bad under load: what leaves after the halt is nothing', async () => {
    let calls = 0
    misbehave((payload) => (++calls === 12 ? foreign(payload) : genuine(payload)))
    const answers = await Promise.all(Array.from({ length: 40 }, () => pay(1n)))
    const codes = answers.map((answer) => errorCode(answer) ?? 'signed')
    expect(codes.filter((code) => code === 'SIGNER_SIGNATURE_INVALID')).toHaveLength(1)
    expect(new Set(codes)).toEqual(
      new Set([...new Set(codes)].filter((code) => /signed|HALTED|INVALID/.test(code))),
    )
    expect(codes).toContain('SIGNER_HALTED')
    const leaves = await test.signer.journal.leaves(0, 1_000)
    const count = (type: string) => leaves.filter((leaf) => JSON.parse(leaf).type === type).length
    const signed = count('signed')
    expect(signed).toBeGreaterThanOrEqual(codes.filter((code) => code === 'signed').length)
    // A halted signer leaves the rest to the recovery at the next start: booked, never free too early.
    expect(await spent()).toEqual([String(count('permit') - count('abandoned'))])
  })

  it('Ed25519: another key’s signature halts too', async () => {
    await test.putPolicy(raw)
    const made = await test.ask('POST', '/v1/wallets', { type: 'SOLANA', policy: 'raw' }, { by: test.admins })
    const { id } = made.body as { id: string }
    const ask = () => test.ask('POST', `/v1/wallets/${id}/sign-raw`, { data: '0x1234' }, { by: test.agent })
    expect((await ask()).status).toBe(200)
    const { backend } = test.signer
    const other = await backend.createKey({ algorithm: 'ed25519', name: 'ed' })
    const sign = backend.sign.bind(backend)
    misbehave((payload) => sign({ key: other, payload }))
    expect(errorCode(await ask())).toBe('SIGNER_SIGNATURE_INVALID')
    expect(errorCode(await ask())).toBe('SIGNER_HALTED')
  })
})
