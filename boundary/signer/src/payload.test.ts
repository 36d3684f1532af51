import { serializeTransaction, type TransactionSerializableEIP1559 } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCode, openTestSigner, policyFor, type TestSigner } from '../../../test/signer/test-signer.ts'

const payee = '0x1111111111111111111111111111111111111111'
const thief = '0x6666666666666666666666666666666666666666'
// Permits everything that an attacker below tries, so that only the caller's own words stand in the way.
const careless = policyFor([
  {
    id: 'all',
    action: 'permit',
    effects: [
      'native-transfer',
      'token-transfer',
      'approval',
      'contract-call',
      'deploy',
      'delegation',
      'fee',
    ],
  },
])

describe('an owned engine that prepares transactions', () => {
  let test: TestSigner
  let walletId: string
  beforeAll(async () => {
    test = await openTestSigner()
    walletId = (await test.walletUnder(careless)).id
  })
  afterAll(() => test.close())

  const wanted = { chainId: 31337, to: payee, value: '1000' }
  const honest: TransactionSerializableEIP1559 = {
    type: 'eip1559',
    chainId: 31337,
    to: payee,
    value: 1000n,
    nonce: 3,
    gas: 21_000n,
    maxFeePerGas: 10n,
    maxPriorityFeePerGas: 1n,
  }
  const body = { transaction: wanted, maxFeeMinor: '210000' }
  const prepare = (
    change: Partial<TransactionSerializableEIP1559>,
    asked: object = body,
    requestId?: string,
  ) =>
    test.ask('POST', `/v1/wallets/${walletId}/transactions`, asked, {
      by: test.agent,
      preparedTransaction: serializeTransaction({ ...honest, ...change }),
      ...(requestId === undefined ? {} : { requestId }),
    })

  it('may choose nonce, gas and prices, up to the caller’s fee and no further', async () => {
    expect((await prepare({})).status).toBe(200)
    expect((await prepare({ nonce: 9, gas: 20_999n })).status).toBe(200)
    expect(errorCode(await prepare({ gas: 21_001n }))).toBe('WIRE_PREPARED_DIFFERS')
    expect(errorCode(await prepare({ maxFeePerGas: 11n }))).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('may change nothing else', async () => {
    const attacks: [string, Partial<TransactionSerializableEIP1559>][] = [
      ['recipient', { to: thief }],
      ['deploy instead', { to: null }],
      ['amount', { value: 1001n }],
      ['calldata', { data: '0xdeadbeef' }],
      ['chain', { chainId: 1 }],
      ['access list', { accessList: [{ address: thief, storageKeys: [] }] }],
    ]
    for (const [name, change] of attacks)
      expect(errorCode(await prepare(change)), name).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('may not choose what the caller has chosen', async () => {
    const stated = {
      transaction: { ...wanted, nonce: 3, gas: '21000', maxFeePerGas: '10' },
      maxFeeMinor: '210000',
    }
    expect((await prepare({}, stated)).status).toBe(200)
    expect(errorCode(await prepare({ nonce: 4 }, stated))).toBe('WIRE_PREPARED_DIFFERS')
    expect(errorCode(await prepare({ gas: 20_000n }, stated))).toBe('WIRE_PREPARED_DIFFERS')
    expect(errorCode(await prepare({ maxFeePerGas: 9n }, stated))).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('gets one signature for one request, whatever nonces it tries', async () => {
    const forwarded = await test.signed('POST', `/v1/wallets/${walletId}/transactions`, body, {
      by: test.agent,
      preparedTransaction: serializeTransaction(honest),
      requestId: 'one-payment-1',
    })
    const first = await test.send(forwarded)
    expect(first.status).toBe(200)
    const again = { ...forwarded, preparedTransaction: serializeTransaction({ ...honest, nonce: 4 }) }
    expect(errorCode(await test.send(again))).toBe('WIRE_NONCE_REPLAYED')
    // Even when the caller itself asks again with the same id: the first answer, with the first nonce.
    expect(await prepare({ nonce: 4 }, body, 'one-payment-1')).toEqual(first)
  })

  it('can put nothing beside bytes that the caller signed itself', async () => {
    const unsignedTransaction = serializeTransaction(honest)
    const options = { by: test.agent, preparedTransaction: serializeTransaction({ ...honest, to: thief }) }
    const answer = await test.ask(
      'POST',
      `/v1/wallets/${walletId}/sign-transaction`,
      { unsignedTransaction },
      options,
    )
    expect(errorCode(answer)).toBe('WIRE_PREPARED_DIFFERS')
    const bare = await test.ask('POST', `/v1/wallets/${walletId}/transactions`, body, { by: test.agent })
    expect(errorCode(bare)).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('cannot redirect a request to another wallet or operation', async () => {
    const other = await test.walletUnder({ ...careless, id: 'other' })
    const forwarded = await test.signed(
      'POST',
      `/v1/wallets/${walletId}/sign-message`,
      { message: 'x' },
      { by: test.agent },
    )
    for (const path of [`/v1/wallets/${other.id}/sign-message`, `/v1/wallets/${walletId}/sign-raw`]) {
      const answer = await test.send({ request: { ...forwarded.request, path } })
      expect(answer.status, path).toBeGreaterThanOrEqual(400)
      expect(['WIRE_BAD_SIGNATURE', 'WIRE_INVALID_BODY']).toContain(errorCode(answer))
    }
  })
})

describe('wallets of other kinds', () => {
  let test: TestSigner
  beforeAll(async () => {
    test = await openTestSigner()
  })
  afterAll(() => test.close())

  it('sign raw messages with Ed25519 where a rule names it, and no digests', async () => {
    const policy = policyFor([{ id: 'raw', action: 'permit', effects: ['raw-message'] }], 'raw')
    await test.putPolicy(policy)
    const made = await test.ask(
      'POST',
      '/v1/wallets',
      { type: 'SOLANA', policy: 'raw' },
      { by: test.admins[0] as never },
    )
    const { id } = made.body as { id: string }
    const ask = (path: string, body: object) =>
      test.ask('POST', `/v1/wallets/${id}/${path}`, body, { by: test.agent })
    expect((await ask('sign-raw', { data: '0x010203' })).status).toBe(200)
    expect(errorCode(await ask('sign-raw', { digest: `0x${'11'.repeat(32)}` }))).toBe('SIGNER_WALLET_KIND')
    expect(errorCode(await ask('sign-message', { message: 'hi' }))).toBe('POLICY_REFUSED')
  })

  it('sign no raw digest unless a rule names it', async () => {
    const everythingElse = { ...careless, id: 'no-raw' }
    const { id } = await test.walletUnder(everythingElse)
    const digest = `0x${'11'.repeat(32)}`
    const answer = await test.ask('POST', `/v1/wallets/${id}/sign-raw`, { digest }, { by: test.agent })
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
  })

  it('sign nothing without a policy', async () => {
    const made = await test.ask('POST', '/v1/wallets', { type: 'EVM' }, { by: test.admins[0] as never })
    const { id } = made.body as { id: string }
    const answer = await test.ask(
      'POST',
      `/v1/wallets/${id}/sign-message`,
      { message: 'hi' },
      { by: test.agent },
    )
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
    expect(JSON.stringify(answer.body)).toContain('POLICY_NONE')
  })
})
