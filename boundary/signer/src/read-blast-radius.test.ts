import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'

const chain = 'eip155:31337'
const coin = `${chain}/slip44:60`
const payee = '0x1111111111111111111111111111111111111111'
let test: TestSigner
let walletId: string

beforeAll(async () => {
  test = await openTestSigner()
  const limits = [{ id: 'day', amount: '500', asset: coin, window: { rolling: '24h' } }]
  const when = { chain: [chain], recipient: [payee] }
  await test.putPolicy({
    version: 1,
    id: 'pay',
    rules: [{ id: 'pay', action: 'permit', effects: ['native-transfer'], when, limits }],
  })
  const made = await test.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'pay' }, { by: test.admins })
  walletId = (made.body as { id: string }).id
})
afterAll(() => test.close())

interface Radius {
  readonly bounded: boolean
  readonly assets: readonly { bounds: readonly { amountMinor: string }[] }[]
  readonly unbounded: readonly { why: string }[]
  readonly lines: readonly string[]
}

async function radius(owned: string, more = ''): Promise<{ wallet: Radius; assumptions: string[] }> {
  const path = `/v1/blast-radius?owned=${encodeURIComponent(owned)}&walletId=${walletId}${more}`
  const { status, body } = await test.ask('GET', path, undefined, { by: test.admins })
  expect({ status, body }).toMatchObject({ status: 200 })
  const { wallets, assumptions } = body as { wallets: Radius[]; assumptions: string[] }
  return { wallet: wallets[0] as Radius, assumptions }
}

describe('GET /v1/blast-radius', () => {
  it('is nothing for the engine alone, and the limit with an agent’s credential', async () => {
    const alone = await radius('engine')
    expect(alone.wallet).toMatchObject({ bounded: true, assets: [] })
    expect(alone.assumptions[0]).toContain('it holds no credential')
    const both = await radius(`engine,${test.agent.id}`)
    expect(both.wallet).toMatchObject({ bounded: true, assets: [{ bounds: [{ amountMinor: '500' }] }] })
  })

  it('is unbounded for the signer’s process and for the quorum of admins', async () => {
    expect((await radius('signer')).wallet.unbounded[0]?.why).toContain('has the key')
    const admins = await radius(test.admins.map(({ id }) => id).join(','))
    expect(admins.wallet.lines[0]).toContain('Unbounded')
    expect(admins.wallet.bounded).toBe(false)
  })

  it('takes names, and refuses what it does not know', async () => {
    const refused = await test.ask('GET', '/v1/blast-radius?owned=nobody', undefined, { by: test.admins })
    expect(refused).toMatchObject({ status: 404, body: { error: { code: 'SIGNER_CREDENTIAL_UNKNOWN' } } })
    for (const query of ['', '?owned=', '?owned=engine&walletId=wal_none', '?owned=engine&limit=0']) {
      const path = `/v1/blast-radius${query}`
      const answer = await test.ask('GET', path, undefined, { by: test.admins })
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
  })

  it('is not for everybody to read', async () => {
    const answer = await test.ask('GET', '/v1/blast-radius?owned=engine', undefined, { by: test.agent })
    expect(answer).toMatchObject({ status: 403, body: { error: { code: 'WIRE_NOT_PERMITTED' } } })
  })
})
