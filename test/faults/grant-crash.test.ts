import { afterAll, beforeAll, expect, it } from 'vitest'
import { crashPoints } from '../../boundary/signer/src/sign.ts'
import { errorCode } from '../signer/test-signer.ts'
import { payment, paymentPolicy } from './payment.ts'
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

const maxUses = 12
const inFlight = 8

let home: SignerHome
let running: SignerProcess
let path: string
let walletId: string
beforeAll(async () => {
  home = createSignerHome({ backend: 'env' })
  await initHome(home)
  running = await startSigner(home)
  walletId = (await setUp(running, home, paymentPolicy('pay', 1_000_000n))).id
  path = `/v1/wallets/${walletId}/sign-transaction`
})
afterAll(async () => {
  await running.kill()
  home.remove()
})

async function grant(): Promise<string> {
  const { id: _id, ...rules } = paymentPolicy('any', 1_000n)
  const body = {
    to: home.agent.id,
    wallets: [walletId],
    rules,
    maxUses,
    expires: new Date(Date.now() + 3_600_000).toISOString(),
  }
  return ((await must(201, running.ask('POST', '/v1/grants', body, { by: home.admin }))) as { id: string }).id
}

it.each(crashPoints)(
  'killed at %s: as many are signed under a grant as it allows, and no use is lost',
  async (point) => {
    const id = await grant()
    const pay = (requestId: string, nonce: number) =>
      running.ask('POST', path, { ...payment(1n, nonce), grant: id }, { by: home.agent, requestId })
    await running.kill()

    running = await startSigner(home, { main: crashingSigner, env: { CRASH_AT: point, CRASH_NTH: '3' } })
    const ids: string[] = []
    const caller = async (number: number) => {
      for (let i = 0; ; i++) {
        const requestId = `${point}-${number}-${i}`
        ids.push(requestId)
        if ((await pay(requestId, number).catch(() => undefined)) === undefined) return
      }
    }
    await Promise.all(Array.from({ length: inFlight }, (_, number) => caller(number)))
    expect((await running.ended).signal).toBe('SIGKILL')

    // Whatever was asked before is asked again, and then more of it than the grant allows.
    running = await startSigner(home)
    const more = Array.from({ length: maxUses }, (_, i) => `${point}-more-${i}`)
    const results = await Promise.all(
      [...ids, ...more].map((requestId) =>
        pay(requestId, requestId.includes('more') ? 99 : Number(requestId.split('-').at(-2))),
      ),
    )
    const codes = results.map((answer) => errorCode(answer) ?? 'signed')
    expect(codes.filter((code) => code === 'signed')).toHaveLength(maxUses)
    expect(new Set(codes)).toEqual(new Set(['signed', 'SIGNER_GRANT_USED_UP']))
    const shown = await must(200, running.ask('GET', `/v1/grants/${id}`, undefined, { by: home.agent }))
    expect(shown).toMatchObject({ uses: maxUses, unusable: 'SIGNER_GRANT_USED_UP' })
  },
)
