import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCode, openTestSigner, policyFor, type TestSigner } from '../signer/test-signer.ts'

/** USDC.e on Polygon: its domain has a salt where others have a chain id. */
const token = '0x2791bca1f2de4661ed88a30c99a7a9449aa84174'
const spender = '0x9999999999999999999999999999999999999999'
const thief = '0x6666666666666666666666666666666666666666'
const salt = `0x${'0'.repeat(62)}89`
const erc2612 = ['address owner', 'address spender', 'uint256 value', 'uint256 nonce', 'uint256 deadline']
const fields = (list: readonly string[]) =>
  list.map((field) => {
    const [type, name] = field.split(' ')
    return { name, type }
  })

// The rules that docs/policy.md shows for permits by signature.
const documented = policyFor([
  {
    id: 'permits-that-end',
    action: 'permit',
    operations: ['sign-typed-data'],
    effects: ['approval'],
    when: { spender: [spender], expiresWithin: '30m' },
    limits: [{ id: 'daily', amount: '100', asset: `eip155:137/erc20:${token}`, window: { rolling: '24h' } }],
  },
  {
    id: 'the-permit-itself',
    action: 'permit',
    operations: ['sign-typed-data'],
    effects: ['typed-data'],
    when: { contract: [token], typedData: { primaryType: ['Permit', 'PermitForAll'] } },
  },
])

describe('a malicious agent whose policy permits small permits', () => {
  let test: TestSigner
  let wallet: { id: string; address: string }
  beforeAll(async () => {
    test = await openTestSigner()
    wallet = await test.walletUnder(documented)
  })
  afterAll(() => test.close())

  const permit = (domain: object, change: object = {}, more: readonly string[] = []) => {
    const deadline = Math.floor(Date.now() / 1_000) + 600
    const message = { owner: wallet.address, spender, value: '10', nonce: '0', deadline, ...change }
    const typedData = {
      domain: { name: 'USD Coin (PoS)', version: '1', verifyingContract: token, ...domain },
      types: { Permit: fields([...erc2612, ...more]) },
      primaryType: 'Permit',
      message,
    }
    return test.ask('POST', `/v1/wallets/${wallet.id}/sign-typed-data`, { typedData }, { by: test.agent })
  }
  const all = { spender: thief, value: String(2n ** 256n - 1n), deadline: String(2n ** 256n - 1n) }

  it('gets them, and no larger ones', async () => {
    expect((await permit({ chainId: 137 })).status).toBe(200)
    expect(errorCode(await permit({ chainId: 137 }, all))).toBe('POLICY_REFUSED')
  })

  it('gets no unlimited one by leaving the chain out of the domain', async () => {
    expect(errorCode(await permit({ salt }, all))).toBe('POLICY_REFUSED')
    expect(errorCode(await permit({}, all))).toBe('POLICY_REFUSED')
  })

  it('gets none that is not the standard one', async () => {
    expect(errorCode(await permit({ chainId: 137 }, { ...all, extra: true }, ['bool extra']))).toBe(
      'POLICY_REFUSED',
    )
  })
})
