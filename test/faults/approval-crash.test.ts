import { afterAll, beforeAll, expect, it } from 'vitest'
import { crashPoints } from '../../boundary/signer/src/sign.ts'
import { approvalPolicy } from '../signer/approving-signer.ts'
import { createTestKey } from '../signer/test-signer.ts'
import { payment } from './payment.ts'
import {
  crashingSigner,
  createSignerHome,
  initHome,
  must,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

/** Reached by the last vote: its own commit with the permit, what signs, and the commit of the outcome. */
const moments = [
  ...crashPoints.filter((point) => point !== 'authenticated').map((point) => [point, 1] as const),
  ['before-commit', 2],
  ['after-commit', 2],
] as const
const value = 7n

const alice = createTestKey('alice')
const bob = createTestKey('bob')
let home: SignerHome
let running: SignerProcess
let path: string
beforeAll(async () => {
  home = createSignerHome({ backend: 'env' })
  await initHome(home)
  running = await startSigner(home)
  const policy = approvalPolicy([alice.id, bob.id], { limit: 1_000_000n })
  path = `/v1/wallets/${(await setUp(running, home, policy)).id}/sign-transaction`
  for (const { publicKey, name } of [alice, bob]) {
    const body = { algorithm: 'p256', publicKey, name, role: 'approver' }
    await must(201, running.ask('POST', '/v1/credentials', body, { by: home.admin }))
  }
})
afterAll(async () => {
  await running.kill()
  home.remove()
})

let nonce = 0
const pay = (requestId: string) =>
  running.ask('POST', path, payment(value, nonce), { by: home.agent, requestId })
interface Shown {
  readonly state: string
  readonly digest: string
  readonly needs: readonly { readonly have: number }[]
}
const view = async (id: string) => {
  const asked = running.ask('GET', `/v1/approvals/${id}`, undefined, { by: bob })
  return ((await must(200, asked)) as { statement: Shown }).statement
}
const approve = (id: string, digest: string, by: typeof alice, requestId?: string) =>
  running.ask(
    'POST',
    `/v1/approvals/${id}/approve`,
    { digest },
    {
      by,
      ...(requestId === undefined ? {} : { requestId }),
    },
  )
interface Entries {
  readonly entries: readonly { readonly entry: Record<string, unknown> }[]
  readonly size: number
}
const entries = async (requestId: string) => {
  const found: Record<string, unknown>[] = []
  for (let start = 0; ; start += 100) {
    const page = `/v1/journal/entries?start=${start}&limit=100`
    const { entries: some, size } = (await must(
      200,
      running.ask('GET', page, undefined, { by: home.admin }),
    )) as Entries
    found.push(...some.map(({ entry }) => entry))
    if (start + 100 >= size) return found.filter((entry) => entry.requestId === requestId)
  }
}
const settled = async (id: string) => {
  for (let tries = 0; tries < 100; tries++) {
    const shown = await view(id)
    if (shown.state !== 'waiting') return shown.state
    await new Promise((done) => setTimeout(done, 50))
  }
  return 'waiting'
}

/** Waits for one approval, which is then given to a process that does not survive it. */
async function waitForLast(requestId: string): Promise<{ id: string; digest: string }> {
  nonce++
  const { approval } = (await must(202, pay(requestId))) as { approval: { id: string; digest: string } }
  await must(200, approve(approval.id, approval.digest, alice))
  return approval
}

async function isSignedOnce(requestId: string, { id, digest }: { id: string; digest: string }) {
  const { needs, state } = await view(id)
  // Durable before the process ended: then the signer goes on with it by itself. Not durable: it is given again.
  if (state === 'waiting' && needs[0]?.have === 1)
    await must(200, approve(id, digest, bob, `last-vote-${requestId}`))
  expect(await settled(id)).toBe('signed')
  const first = await must(200, pay(requestId))
  expect(await must(200, pay(requestId))).toEqual(first)
  const found = await entries(requestId)
  const count = (type: string) => found.filter((entry) => entry.type === type).length
  // Every permit but the last was undone, so the budget is booked once.
  expect([count('signed'), count('permit') - count('abandoned')]).toEqual([1, 1])
}

it.each(moments)(
  'killed at %s (%i) of the last approval: signed once, without anybody asking again',
  async (point, nth) => {
    const requestId = `crash-${point}-${nth}`
    const approval = await waitForLast(requestId)
    await running.kill()
    running = await startSigner(home, {
      main: crashingSigner,
      env: { CRASH_AT: point, CRASH_NTH: String(nth) },
    })
    await expect(approve(approval.id, approval.digest, bob, `last-vote-${requestId}`)).rejects.toThrow()
    expect((await running.ended).signal).toBe('SIGKILL')
    running = await startSigner(home)
    await isSignedOnce(requestId, approval)
  },
)

it.each(['permitted', 'verified', 'recorded'] as const)(
  'killed at %s again and again while it goes on after a crash: signed once',
  async (point) => {
    const requestId = `again-${point}`
    const approval = await waitForLast(requestId)
    await running.kill()
    running = await startSigner(home, { main: crashingSigner, env: { CRASH_AT: 'permitted' } })
    await expect(approve(approval.id, approval.digest, bob)).rejects.toThrow()
    await running.ended
    for (let round = 0; round < 2; round++) {
      // What it resumes by itself at the start kills it, before or after it says that it is ready.
      const started = await startSigner(home, {
        main: crashingSigner,
        env: { CRASH_AT: point, CRASH_FROM: 'start' },
      }).catch(() => undefined)
      if (started === undefined) continue
      running = started
      // After `recorded` there is nothing to go on with.
      if (point === 'recorded' && round > 0) await running.kill()
      expect((await running.ended).signal).toBe('SIGKILL')
    }
    running = await startSigner(home)
    await isSignedOnce(requestId, approval)
  },
)
