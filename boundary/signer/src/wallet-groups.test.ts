import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { errorCode, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'

const all = policyFor([{ id: 'all', action: 'permit', effects: ['message', 'raw-digest'] }], 'all')
const talk = policyFor([{ id: 'talk', action: 'permit', effects: ['message'] }], 'talk')
const counted = policyFor(
  [
    {
      id: 'n',
      action: 'permit',
      effects: ['message'],
      limits: [{ id: 'n', count: 2, per: 'group', window: { rolling: '1h' } }],
    },
  ],
  'counted',
)

let signer: DelayedSigner
let wallets: string[]
beforeEach(async () => {
  signer = await openDelayedSigner()
  for (const policy of [all, talk, counted]) {
    await signer.change('PUT', `/v1/policies/${policy.id}`, { policy, expected: null })
  }
  wallets = [await newWallet('all'), await newWallet('all'), await newWallet('counted')].sort()
})
afterEach(() => signer.close())

async function newWallet(policy: string): Promise<string> {
  const made = await signer.ask(
    'POST',
    '/v1/wallets',
    { type: 'EVM', policy },
    { by: signer.admins[0] as TestKey },
  )
  return (made.body as { id: string }).id
}
const put = async (
  id: string,
  members: readonly string[],
  policy: string | null,
  by?: readonly TestKey[],
) => {
  const expected = (await signer.test.signer.ledger.get('wallet-group', id))?.hash ?? null
  return signer.change('PUT', `/v1/wallet-groups/${id}`, { wallets: members, policy, expected }, by)
}
const under = async (policy: string) => {
  for (const id of wallets)
    if ((await signer.test.signer.ledger.get('wallet', id))?.policy === policy) return id
  throw new Error('no such wallet')
}
const digest = (id: string) =>
  signer.ask(
    'POST',
    `/v1/wallets/${id}/sign-raw`,
    { digest: `0x${'ab'.repeat(32)}` },
    { by: signer.test.agent },
  )
const say = (id: string) =>
  signer.ask('POST', `/v1/wallets/${id}/sign-message`, { message: 'hi' }, { by: signer.test.agent })
const read = (path: string) => signer.ask('GET', path, undefined, { by: signer.admins[0] as TestKey })

describe('a group of wallets', () => {
  it('puts its policy over each of them at once, and takes it away after the delay', async () => {
    const one = await under('all')
    expect((await digest(one)).status).toBe(200)
    const made = await put('ops', [one], 'talk')
    expect(made).toMatchObject({
      status: 200,
      body: {
        id: 'ops',
        wallets: [one],
        policy: 'talk',
        receipt: { entry: { type: 'wallet-group', group: 'ops' } },
      },
    })
    expect(errorCode(await digest(one))).toBe('POLICY_REFUSED')
    expect(await digest(one)).toMatchObject({
      body: { decision: { effects: [{ reasons: [{ layer: 'group' }] }] } },
    })
    const left = await put('ops', [], 'talk')
    expect(left).toMatchObject({ status: 202, body: { loosens: [{ why: expect.stringContaining('talk') }] } })
    expect(errorCode(await digest(one))).toBe('POLICY_REFUSED')
    signer.advance(dayMs)
    expect((await digest(one)).status).toBe(200)
  })

  it('loosens with another policy or none, not with its first', async () => {
    const one = await under('all')
    expect((await put('ops', [one], null)).status).toBe(200)
    expect((await put('ops', [one], 'all')).status).toBe(200)
    expect((await put('ops', [one], 'talk')).status).toBe(200)
    expect((await put('ops', [one], 'all')).status).toBe(202)
    expect((await put('ops', [one], null)).status).toBe(202)
    expect((await put('ops', [], 'talk')).status).toBe(202)
  })

  it('is left freely where it has no policy', async () => {
    const one = await under('all')
    await put('ops', [one], null)
    expect((await put('ops', [], null)).status).toBe(200)
    expect((await put('other', [one], 'talk')).status).toBe(200)
  })

  it('is one at most', async () => {
    const one = await under('all')
    await put('ops', [one], 'talk')
    expect(errorCode(await put('other', [one], null))).toBe('SIGNER_WALLET_GROUPED')
    // Coming and going at once is going first, and that waits.
    expect((await put('ops', [one], 'talk')).status).toBe(200)
  })

  it('opens totals per group, so that joining one waits', async () => {
    const one = await under('counted')
    expect(errorCode(await say(one))).toBe('POLICY_REFUSED')
    const joined = await put('fresh', [one], null)
    expect(joined).toMatchObject({
      status: 202,
      body: { loosens: [{ why: expect.stringContaining('counted') }] },
    })
    signer.advance(dayMs)
    for (let i = 0; i < 2; i++) expect((await say(one)).status).toBe(200)
    expect(errorCode(await say(one))).toBe('POLICY_REFUSED')
  })

  it('is the quorum’s, of wallets that there are, each once, under a policy that there is', async () => {
    const one = await under('all')
    expect(errorCode(await put('ops', [one], null, [signer.admins[0] as TestKey]))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(errorCode(await put('ops', [`wal_${'0'.repeat(24)}`], null))).toBe('SIGNER_WALLET_UNKNOWN')
    expect(errorCode(await put('ops', [one, one], null))).toBe('WIRE_INVALID_BODY')
    expect(errorCode(await put('ops', [one], 'none'))).toBe('SIGNER_POLICY_UNKNOWN')
    const stale = { wallets: [one], policy: null, expected: `0x${'00'.repeat(32)}` }
    expect(errorCode(await signer.change('PUT', '/v1/wallet-groups/ops', stale))).toBe(
      'SIGNER_CHANGE_CONFLICT',
    )
  })

  it('can be read', async () => {
    const members: string[] = []
    for (const id of wallets)
      if ((await signer.test.signer.ledger.get('wallet', id))?.policy === 'all') members.push(id)
    await put('ops', members, 'talk')
    expect((await read('/v1/wallet-groups/ops')).body).toMatchObject({ policy: 'talk', version: 1 })
    expect((await read('/v1/wallet-groups')).body).toMatchObject({ items: [{ id: 'ops', size: 2 }] })
    expect(errorCode(await read('/v1/wallet-groups/none'))).toBe('SIGNER_GROUP_UNKNOWN')
  })
})
