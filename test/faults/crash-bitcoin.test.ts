import { decodeHex, encodeBase64 } from '@countersign/bytes'
import type { PolicyDocument } from '@countersign/policy'
import { p2tr } from '@scure/btc-signer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bitcoinMain, otherScripts, psbtOf } from '../../kernel/intent/testing/bitcoin-psbts.ts'
import { errorCode } from '../signer/test-signer.ts'
import {
  crashingSigner,
  createSignerHome,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

const policy: PolicyDocument = {
  version: 1,
  id: 'bitcoin',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      limits: [{ id: 'day', amount: '1000', asset: `${bitcoinMain}/slip44:0`, window: { rolling: '24h' } }],
    },
    { id: 'fee', action: 'permit', effects: ['fee'] },
  ],
}

let home: SignerHome
let running: SignerProcess
let wallet: { readonly id: string; readonly publicKey: `0x${string}` }
beforeAll(async () => {
  home = createSignerHome({ backend: 'env' })
  await initHome(home)
  running = await startSigner(home)
  wallet = await setUp(running, home, policy, { type: 'BITCOIN', form: 'p2tr' })
})
afterAll(async () => {
  await running.kill()
  home.remove()
})

/** Three coins of the wallet, so three signatures under one permit. */
function pay(amount: bigint) {
  const internalKey = decodeHex(wallet.publicKey).slice(1)
  const { script } = p2tr(internalKey)
  const spends = [1n, 2n, 3n].map(
    (i) => ({ script, amount: 10_000n * i, proof: 'both', internalKey }) as const,
  )
  const { psbt } = psbtOf(spends, [
    { script: otherScripts.p2wpkh, amount },
    { script, amount: 59_000n - amount },
  ])
  return { psbt: encodeBase64(psbt) }
}

const ask = (amount: bigint, requestId?: string) =>
  running.ask('POST', `/v1/wallets/${wallet.id}/sign-transaction`, pay(amount), {
    by: home.agent,
    ...(requestId === undefined ? {} : { requestId }),
  })

it.each([
  ['between two of the signatures', 'signed', '2'],
  ['with all of them made', 'verified', '1'],
  ['with the outcome in the journal', 'recorded', '1'],
])('killed %s: all signatures in the end, from one budget', async (_, point, nth) => {
  await running.kill()
  running = await startSigner(home, { main: crashingSigner, env: { CRASH_AT: point, CRASH_NTH: nth } })
  const requestId = `killed-at-${point}`
  expect(await ask(100n, requestId).catch(() => undefined)).toBeUndefined()
  expect((await running.ended).signal).toBe('SIGKILL')

  running = await startSigner(home)
  const again = await ask(100n, requestId)
  expect(again.status).toBe(200)
  expect((again.body as { signatures: unknown[] }).signatures).toHaveLength(3)
  expect(await ask(100n, requestId)).toEqual(again)
})

it('and afterwards what is left of the budget is exact to one satoshi', async () => {
  expect(errorCode(await ask(701n))).toBe('POLICY_REFUSED')
  expect((await ask(700n)).status).toBe(200)
  expect(errorCode(await ask(1n))).toBe('POLICY_REFUSED')
})
