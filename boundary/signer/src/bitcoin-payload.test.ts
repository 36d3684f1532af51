import type { MemoryBackend } from '@countersign/backend-memory'
import { concatBytes, decodeBase64, decodeHex, encodeBase64, encodeHex, sha256 } from '@countersign/bytes'
import type { KeyUri } from '@countersign/keys'
import type { PolicyDocument } from '@countersign/policy'
import { verifyReceipt, type WalletAnswer } from '@countersign/wire'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { Address, NETWORK, OutScript, p2tr, p2wpkh, Transaction } from '@scure/btc-signer'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  bitcoinMain,
  otherScripts,
  psbtOf,
  type Spend,
} from '../../../kernel/intent/testing/bitcoin-psbts.ts'
import { walletOf } from '../../../test/signer/chain-wallets.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'
import { ownInputsMax } from './bitcoin-payload.ts'

const payee = otherScripts.p2wpkh
const addressOf = (script: Uint8Array) => Address(NETWORK).encode(OutScript.decode(script))
const stranger = p2wpkh(secp256k1.getPublicKey(new Uint8Array(32).fill(0x19), true)).script
const signet = 'bip122:00000008819873e925422c1ff0f99f7c'

const policyOn = (chain: string, id: string): PolicyDocument => {
  const asset = `${chain}/slip44:${chain === bitcoinMain ? 0 : 1}`
  return {
    version: 1,
    id,
    rules: [
      {
        id: 'pay',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [addressOf(payee)] },
        limits: [{ id: 'day', amount: '1000000', asset, window: { rolling: '24h' } }],
      },
      { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain], amount: { max: '1000' } } },
    ],
  }
}

interface SignedPsbt {
  readonly psbt: string
  readonly signatures: readonly { index: number; signature: `0x${string}` }[]
  readonly transaction?: `0x${string}`
  readonly txid?: string
  readonly receipt: { readonly entry: Record<string, unknown> }
}

describe.each(['p2wpkh', 'p2tr'] as const)('a wallet of Bitcoin, %s', (form) => {
  let test: TestSigner
  beforeAll(async () => {
    test = await openTestSigner()
  })
  afterAll(() => test.close())

  let wallet: WalletAnswer
  let script: Uint8Array
  let publicKey: Uint8Array
  beforeEach(async () => {
    wallet = await walletOf(test, policyOn(bitcoinMain, 'bitcoin'), { type: 'BITCOIN', form })
    publicKey = decodeHex(wallet.publicKey)
    script = form === 'p2wpkh' ? p2wpkh(publicKey).script : p2tr(publicKey.slice(1)).script
  })

  const ask = (body: object, path = 'sign-transaction', id = wallet.id) =>
    test.ask('POST', `/v1/wallets/${id}/${path}`, body, { by: test.agent })
  const spend = (amount: bigint, more: Partial<Spend> = {}): Spend => ({
    script,
    amount,
    proof: 'both',
    ...(more.script === undefined ? { internalKey: publicKey.slice(1) } : {}),
    ...more,
  })
  const psbt = (
    spends: readonly Spend[],
    outputs: readonly (readonly [bigint, Uint8Array])[],
    version: 0 | 2 = 0,
  ) =>
    encodeBase64(
      psbtOf(
        spends,
        outputs.map(([amount, to]) => ({ amount, script: to })),
        { version },
      ).psbt,
    )
  const isSigned = (input: Uint8Array, digest: Uint8Array) =>
    form === 'p2wpkh'
      ? secp256k1.verify(input, digest, publicKey, { prehash: false, lowS: true })
      : schnorr.verify(input, digest, p2tr(publicKey.slice(1)).tweakedPubkey)

  it.each([0, 2] as const)('signs each of its inputs, of a PSBT of version %i', async (version) => {
    const request = psbt(
      [spend(300_000n), spend(200_000n)],
      [
        [100_000n, payee],
        [399_500n, script],
      ],
      version,
    )
    const answer = await ask({ psbt: request })
    expect(answer.status).toBe(200)
    const body = answer.body as SignedPsbt
    expect(body.signatures.map(({ index }) => index)).toEqual([0, 1])

    // @scure/btc-signer makes the digests itself, from the transaction that it reads.
    const theirs = Transaction.fromPSBT(decodeBase64(request), { allowUnknownOutputs: true })
    const digest = (index: number) =>
      form === 'p2wpkh'
        ? theirs.preimageWitnessV0(index, p2pkhOf(publicKey), 1, [300_000n, 200_000n][index] as bigint)
        : theirs.preimageWitnessV1(index, [script, script], 0, [300_000n, 200_000n])
    for (const { index, signature } of body.signatures) {
      expect(isSigned(decodeHex(signature), digest(index))).toBe(true)
      expect(isSigned(decodeHex(signature), digest(1 - index))).toBe(false)
    }

    const final = Transaction.fromPSBT(decodeBase64(body.psbt), { allowUnknownOutputs: true })
    expect(encodeHex(final.extract())).toBe(body.transaction)
    const sent = Transaction.fromRaw(decodeHex(body.transaction), { allowUnknownOutputs: true })
    expect(sent.id).toBe(body.txid)
    expect(sent.id).toBe(theirs.id)

    const receipt = JSON.parse(JSON.stringify(body.receipt))
    expect(verifyReceipt(receipt, { journalKey: decodeHex(test.signer.journal.publicKey) }).valid).toBe(true)
    const all = concatBytes(...body.signatures.map(({ signature }) => decodeHex(signature)))
    expect(body.receipt.entry).toMatchObject({
      type: 'signed',
      address: wallet.address,
      transactionHash: body.txid,
      signatureDigest: encodeHex(sha256(all)),
    })
  })

  it('stops at the limit, exact to one satoshi; change does not count', async () => {
    const pay = (amount: bigint) =>
      ask({
        psbt: psbt(
          [spend(9_000_000n)],
          [
            [amount, payee],
            [9_000_000n - amount - 1_000n, script],
          ],
        ),
      })
    expect((await pay(600_000n)).status).toBe(200)
    expect(errorCode(await pay(400_001n))).toBe('POLICY_REFUSED')
    expect((await pay(400_000n)).status).toBe(200)
    expect(errorCode(await pay(1n))).toBe('POLICY_REFUSED')
  })

  it('refuses other recipients, change that is not proven its own, and fees over the limit', async () => {
    const out = async (outputs: readonly (readonly [bigint, Uint8Array])[]) =>
      errorCode(await ask({ psbt: psbt([spend(100_000n)], outputs) }))
    expect(await out([[99_500n, stranger]])).toBe('POLICY_REFUSED')
    expect(
      await out([
        [1_000n, payee],
        [98_500n, stranger],
      ]),
    ).toBe('POLICY_REFUSED')
    // The other form of the same key is no address of this wallet: its signer would not sign for it again.
    const otherForm = form === 'p2wpkh' ? p2tr(publicKey.slice(1)).script : p2wpkh(publicKey).script
    expect(
      await out([
        [1_000n, payee],
        [98_500n, otherForm],
      ]),
    ).toBe('POLICY_REFUSED')
    expect(await out([[98_999n, payee]])).toBe('POLICY_REFUSED')
    expect(await out([[99_000n, payee]])).toBeUndefined()
  })

  it('signs nothing of amounts that it cannot be sure of, and no coins of others', async () => {
    const others = psbt([spend(100_000n, { script: otherScripts[form] })], [[99_500n, payee]])
    expect(errorCode(await ask({ psbt: others }))).toBe('INTENT_PSBT_NOT_OWN')
    // Two amounts that are only stated: a signature for Taproot commits to both, one for P2WPKH to its own.
    const stated = [spend(50_000n, { proof: 'stated' }), spend(50_000n, { proof: 'stated' })]
    expect(errorCode(await ask({ psbt: psbt(stated, [[99_500n, payee]]) }))).toBe(
      form === 'p2wpkh' ? 'INTENT_PSBT_AMOUNT_UNPROVEN' : undefined,
    )
    const open = psbt([spend(100_000n, { sighashType: 0x81 })], [[99_500n, payee]])
    expect(errorCode(await ask({ psbt: open }))).toBe('INTENT_PSBT_SIGHASH')
  })

  it('leaves inputs of others for them, and then has no transaction yet', async () => {
    const other = spend(50_000n, { script: otherScripts[form] })
    const answer = await ask({ psbt: psbt([other, spend(60_000n)], [[109_500n, payee]]) })
    expect(answer.status).toBe(200)
    const body = answer.body as SignedPsbt
    expect(body.signatures.map(({ index }) => index)).toEqual([1])
    expect(body).not.toHaveProperty('transaction')
    expect(body).not.toHaveProperty('txid')
    expect(body.receipt.entry).not.toHaveProperty('transactionHash')
  })

  it('takes the network from the wallet', async () => {
    const onSignet = await walletOf(test, policyOn(bitcoinMain, 'bitcoin'), {
      type: 'BITCOIN',
      form,
      chain: signet,
    })
    const key = decodeHex(onSignet.publicKey)
    const own = form === 'p2wpkh' ? p2wpkh(key).script : p2tr(key.slice(1)).script
    const spends = [{ script: own, amount: 5_000n, proof: 'both', internalKey: key.slice(1) } as const]
    const request = psbt(spends, [[4_500n, payee]])
    expect(errorCode(await ask({ psbt: request }, 'sign-transaction', onSignet.id))).toBe('POLICY_REFUSED')
  })

  it.each([
    ['sign-transaction', { message: 'AQID' }, 'SIGNER_WALLET_KIND'],
    ['sign-transaction', { unsignedTransaction: '0x02c0' }, 'SIGNER_WALLET_KIND'],
    ['sign-transaction', { psbt: 'AQID' }, 'INTENT_PSBT_INVALID'],
    ['sign-message', { message: 'hello' }, 'SIGNER_WALLET_KIND'],
    ['sign-raw', { digest: `0x${'11'.repeat(32)}` }, 'SIGNER_WALLET_KIND'],
    ['sign-raw', { data: '0x11' }, 'SIGNER_WALLET_KIND'],
  ])('%s of %j is %s', async (path, body, code) => {
    expect(errorCode(await ask(body, path))).toBe(code)
  })

  it('refuses more coins at once than it signs for', async () => {
    const spends = Array.from({ length: ownInputsMax + 1 }, () => spend(1_000n, { proof: 'stated' }))
    const request = psbt(form === 'p2tr' ? spends : spends.map((one) => ({ ...one, proof: 'previous' })), [
      [128_500n, payee],
    ])
    expect(errorCode(await ask({ psbt: request }))).toBe('INTENT_TOO_LARGE')
  })

  it('is signed also where the backend checks its ECDSA signatures itself', async () => {
    const { backend } = test.signer
    const asked: string[] = []
    const checking = {
      checksSignatures: true,
      async signChecked(request: { key: KeyUri; payload: Uint8Array }) {
        asked.push(form)
        return backend.sign(request)
      },
    }
    Object.assign(backend, checking)
    try {
      const answer = await test.send(
        await test.signed(
          'POST',
          `/v1/wallets/${wallet.id}/sign-transaction`,
          {
            psbt: psbt(
              [spend(100_000n)],
              [
                [50_000n, payee],
                [49_500n, script],
              ],
            ),
          },
          { by: test.agent },
        ),
      )
      expect(answer.status).toBe(200)
    } finally {
      for (const name of Object.keys(checking)) delete (backend as unknown as Record<string, unknown>)[name]
    }
    // Schnorr signatures are no business of that check.
    expect(asked).toEqual(form === 'p2wpkh' ? ['p2wpkh'] : [])
  })

  it('gives all signatures or none: a fault at the second frees the budget', async () => {
    const { backend, ledger } = test.signer
    const name = form === 'p2wpkh' ? 'sign' : 'signTaproot'
    const target = backend as unknown as Record<string, (request: object) => Promise<unknown>>
    const genuine = (target[name] as (request: object) => Promise<unknown>).bind(backend)
    let calls = 0
    const spy = vi.spyOn(target, name).mockImplementation((request) => {
      if (++calls === 2) return Promise.reject(new Error('the key store is away'))
      return genuine(request)
    })
    const request = psbt(
      [spend(600_000n), spend(600_000n)],
      [
        [1_000_000n, payee],
        [199_500n, script],
      ],
    )
    const requestId = `twice-${form}`
    const send = async () =>
      test.send(
        await test.signed(
          'POST',
          `/v1/wallets/${wallet.id}/sign-transaction`,
          { psbt: request },
          { by: test.agent, requestId },
        ),
      )
    await expect(send()).rejects.toThrow('the key store is away')
    spy.mockRestore()
    const windows = await ledger.range('window', wallet.id, `${wallet.id}\uffff`, 10)
    expect(windows.map(({ value }) => value.sumMinor)).toEqual(['0'])
    const retried = await send()
    expect(retried.status).toBe(200)
    expect((retried.body as SignedPsbt).signatures).toHaveLength(2)
    // Answered again, byte for byte, with one entry in the journal.
    expect(await send()).toEqual(retried)
  })
})

describe('a key backend that signs wrongly for Taproot', () => {
  it.each([
    [
      'by the key without its tweak',
      (digest: Uint8Array, secret: Uint8Array) => schnorr.sign(digest, secret),
    ],
    ['zeros', () => new Uint8Array(64)],
    ['a byte short', () => new Uint8Array(63)],
    ['nothing', () => undefined],
  ])('%s: nothing leaves, and the signer halts', async (_, make) => {
    const test = await openTestSigner()
    const secretKey = new Uint8Array(32).fill(3)
    const backend = test.signer.backend as MemoryBackend
    backend.createKey = (options) => backend.importKey({ ...options, secretKey })
    try {
      const wallet = await walletOf(test, policyOn(bitcoinMain, 'bitcoin'), { type: 'BITCOIN', form: 'p2tr' })
      const internalKey = decodeHex(wallet.publicKey).slice(1)
      const { script } = p2tr(internalKey)
      Object.defineProperty(test.signer.backend, 'signTaproot', {
        value: async ({ payload }: { payload: Uint8Array }) => make(payload, secretKey),
      })
      const request = psbtOf(
        [{ script, amount: 5_000n, proof: 'both', internalKey }],
        [{ script: payee, amount: 4_500n }],
      )
      const answer = await test.ask(
        'POST',
        `/v1/wallets/${wallet.id}/sign-transaction`,
        { psbt: encodeBase64(request.psbt) },
        { by: test.agent },
      )
      expect(errorCode(answer)).toBe('SIGNER_SIGNATURE_INVALID')
      expect(JSON.stringify(answer.body)).not.toContain('"psbt"')
      expect(test.signer.phase()).toBe('halted')
    } finally {
      await test.close()
    }
  })
})

function p2pkhOf(publicKey: Uint8Array): Uint8Array {
  const hash = p2wpkh(publicKey).script.slice(2)
  return Uint8Array.of(0x76, 0xa9, 0x14, ...hash, 0x88, 0xac)
}
