import { decodeBase64, decodeHex, encodeBase64, type SolanaAddress } from '@countersign/bytes'
import type { PolicyDocument } from '@countersign/policy'
import { verifyReceipt, type WalletAnswer } from '@countersign/wire'
import {
  AccountRole,
  type Address,
  address,
  appendTransactionMessageInstructions,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getBase58Encoder,
  getPublicKeyFromAddress,
  getTransactionDecoder,
  type Instruction,
  lamports,
  pipe,
  type SignatureBytes,
  setTransactionMessageFeePayer,
  verifySignature,
} from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import {
  findAssociatedTokenPda,
  getTransferCheckedInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from '@solana-program/token'
import { LiteSVM } from 'litesvm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kitMessage, solanaAccount } from '../../../kernel/intent/testing/solana-messages.ts'
import { walletOf } from '../../../test/signer/chain-wallets.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'
import { solanaMainnet } from './wallet-chain.ts'

const alice = solanaAccount(0xaa)
const mallory = solanaAccount(0x66)
const mint = solanaAccount(0x33)
const table = solanaAccount(0x77)
const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'

type Rule = PolicyDocument['rules'][number]

const policyOn = (chain: string, id: string): PolicyDocument => ({
  version: 1,
  id,
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [alice] },
      limits: [{ id: 'day', amount: '1000000', asset: `${chain}/slip44:501`, window: { rolling: '24h' } }],
    },
    {
      id: 'token',
      action: 'permit',
      effects: ['token-transfer'],
      when: { asset: [`${chain}/token:${mint}`], recipient: [alice] },
      limits: [{ id: 'day', amount: '50', asset: `${chain}/token:${mint}`, window: { rolling: '24h' } }],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain], amount: { max: '5000' } } },
    {
      id: 'text',
      action: 'permit',
      effects: ['message'],
      when: { text: { in: ['sign in to example.org'] } },
    },
    { id: 'raw', action: 'permit', effects: ['raw-message'] },
  ],
})

describe('a wallet of Solana', () => {
  let test: TestSigner
  let wallet: WalletAnswer
  let own: SolanaAddress
  beforeAll(async () => {
    test = await openTestSigner()
    wallet = await walletOf(test, policyOn(solanaMainnet, 'mainnet'), { type: 'SOLANA' })
    own = wallet.address as SolanaAddress
  })
  afterAll(() => test.close())

  const ask = (path: string, body: object, id = wallet.id) =>
    test.ask('POST', `/v1/wallets/${id}/${path}`, body, { by: test.agent })
  const signMessage = (message: Uint8Array, more: object = {}, id = wallet.id) =>
    ask('sign-transaction', { message: encodeBase64(message), ...more }, id)
  const signer = (who: string) => createNoopSigner(address(who))
  const sol = (amount: bigint, to: string = alice, from: string = own) =>
    getTransferSolInstruction({ source: signer(from), destination: address(to), amount })
  const compiled = (instructions: readonly Instruction[], more: Parameters<typeof kitMessage>[1] = {}) =>
    kitMessage(instructions, { feePayer: own, ...more })
  const isSigned = async (signature: Uint8Array, bytes: Uint8Array) =>
    verifySignature(await getPublicKeyFromAddress(address(own)), signature as SignatureBytes, bytes)

  it('signs a transfer within its limit; @solana/kit verifies it', async () => {
    const message = compiled([sol(400_000n)])
    const answer = await signMessage(message)
    expect(answer.status).toBe(200)
    const body = answer.body as { signature: string; signedTransaction: string; receipt: unknown }
    const transaction = getTransactionDecoder().decode(decodeBase64(body.signedTransaction))
    expect(new Uint8Array(transaction.messageBytes)).toEqual(message)
    const signature = transaction.signatures[address(own)] as SignatureBytes
    expect(new Uint8Array(signature)).toEqual(new Uint8Array(getBase58Encoder().encode(body.signature)))
    expect(await isSigned(signature, message)).toBe(true)
    const journalKey = decodeHex(test.signer.journal.publicKey)
    const receipt = verifyReceipt(JSON.parse(JSON.stringify(body.receipt)), { journalKey })
    expect(receipt).toMatchObject({
      valid: true,
      receipt: {
        entry: { type: 'signed', wallet: wallet.id, transactionHash: body.signature, address: own },
      },
    })
  })

  it('stops at the limit, exact to one lamport, over messages of both versions', async () => {
    const { id, address: from } = await walletOf(test, policyOn(solanaMainnet, 'mainnet'), { type: 'SOLANA' })
    const pay = (amount: bigint, version: 'legacy' | 0) => {
      const options = { feePayer: from as SolanaAddress, version }
      return signMessage(kitMessage([sol(amount, alice, from)], options), {}, id)
    }
    expect((await pay(600_000n, 'legacy')).status).toBe(200)
    expect(errorCode(await pay(400_001n, 0))).toBe('POLICY_REFUSED')
    expect((await pay(400_000n, 0)).status).toBe(200)
    expect(errorCode(await pay(1n, 'legacy'))).toBe('POLICY_REFUSED')
  })

  it('counts what several instructions of one message move together', async () => {
    const { id, address: from } = await walletOf(test, policyOn(solanaMainnet, 'mainnet'), { type: 'SOLANA' })
    const message = (last: bigint) =>
      kitMessage([sol(999_999n, alice, from), sol(last, alice, from)], { feePayer: from as SolanaAddress })
    expect(errorCode(await signMessage(message(2n), {}, id))).toBe('POLICY_REFUSED')
    expect((await signMessage(message(1n), {}, id)).status).toBe(200)
  })

  it('refuses other recipients, unknown programs, and higher fees', async () => {
    expect(errorCode(await signMessage(compiled([sol(1n, mallory)])))).toBe('POLICY_REFUSED')
    expect(errorCode(await signMessage(compiled([sol(1n), sol(1n, mallory)])))).toBe('POLICY_REFUSED')
    const unknown: Instruction = {
      programAddress: address(mallory),
      accounts: [{ address: address(own), role: AccountRole.WRITABLE_SIGNER }],
      data: Uint8Array.of(1),
    }
    const answer = await signMessage(compiled([sol(1n), unknown]))
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
    expect(JSON.stringify(answer.body)).toContain(mallory)
    // A second signature costs a second fee, and this wallet pays it.
    const two = compiled([sol(1n), sol(1n, alice, mallory)])
    expect(errorCode(await signMessage(two))).toBe('POLICY_REFUSED')
  })

  it('takes the network from the wallet, not from the request', async () => {
    const onDevnet = await walletOf(test, policyOn(devnet, 'devnet'), { type: 'SOLANA', chain: devnet })
    const feePayer = onDevnet.address as SolanaAddress
    const message = kitMessage([sol(1n, alice, feePayer)], { feePayer })
    expect((await signMessage(message, {}, onDevnet.id)).status).toBe(200)
    // The same rules for the test network cover nothing of a wallet of the main one.
    const strict = await walletOf(test, policyOn(devnet, 'devnet'), { type: 'SOLANA' })
    const payer = strict.address as SolanaAddress
    const same = kitMessage([sol(1n, alice, payer)], { feePayer: payer })
    expect(errorCode(await signMessage(same, {}, strict.id))).toBe('POLICY_REFUSED')
    expect(errorCode(await signMessage(same, { chain: devnet }, strict.id))).toBe('WIRE_INVALID_BODY')
  })

  it('refuses what a table is said to hold unless a rule names it', async () => {
    const tables = { [address(table)]: [address(alice), address(mallory)] }
    const message = compiled([sol(1n)], { tables })
    expect(errorCode(await signMessage(message))).toBe('INTENT_SOLANA_LOOKUP_UNRESOLVED')
    const lookupTables = [{ table, addresses: [alice, mallory] }]
    expect(errorCode(await signMessage(message, { lookupTables }))).toBe('POLICY_REFUSED')
    // Said to hold the payee in the place of another: the same, and never silently a payment to the payee.
    const lying = [{ table, addresses: [alice, alice] }]
    expect((await signMessage(message, { lookupTables: lying })).status).toBeGreaterThanOrEqual(400)

    const withTables = policyOn(solanaMainnet, 'tables')
    const rule: Rule = {
      id: 'tables',
      action: 'permit',
      effects: ['program-call'],
      when: { instruction: ['useLookupTable'] },
    }
    const trusting = await walletOf(
      test,
      { ...withTables, rules: [...withTables.rules, rule] },
      { type: 'SOLANA' },
    )
    const feePayer = trusting.address as SolanaAddress
    const theirs = kitMessage([sol(1n, alice, feePayer)], { feePayer, tables })
    expect((await signMessage(theirs, { lookupTables }, trusting.id)).status).toBe(200)
  })

  it('sends tokens to whom a proven account belongs, up to the limit', async () => {
    const accountOf = async (owner: string) =>
      (
        await findAssociatedTokenPda({
          owner: address(owner),
          mint: address(mint),
          tokenProgram: TOKEN_PROGRAM_ADDRESS,
        })
      )[0]
    const pay = async (amount: bigint, to: Address) =>
      compiled([
        getTransferCheckedInstruction({
          source: await accountOf(own),
          mint: address(mint),
          destination: to,
          authority: signer(own),
          amount,
          decimals: 6,
        }),
      ])
    const tokenAccounts = [{ owner: alice, mint }]
    const to = await accountOf(alice)
    // Without the owner nobody knows whose account it is.
    expect(errorCode(await signMessage(await pay(1n, to)))).toBe('POLICY_REFUSED')
    expect(errorCode(await signMessage(await pay(51n, to), { tokenAccounts }))).toBe('POLICY_REFUSED')
    expect((await signMessage(await pay(50n, to), { tokenAccounts })).status).toBe(200)
    expect(errorCode(await signMessage(await pay(1n, to), { tokenAccounts }))).toBe('POLICY_REFUSED')
    // The owner is derived, not believed.
    const stolen = await accountOf(mallory)
    expect(errorCode(await signMessage(await pay(0n, stolen), { tokenAccounts }))).toBe('POLICY_REFUSED')
  })

  it('signs text as it is, and no transaction as text or raw bytes, whatever the rules', async () => {
    const text = 'sign in to example.org'
    const answer = await ask('sign-message', { message: text })
    expect(answer.status).toBe(200)
    const { signature } = answer.body as { signature: `0x${string}` }
    expect(await isSigned(decodeHex(signature), new TextEncoder().encode(text))).toBe(true)
    expect(errorCode(await ask('sign-message', { message: `${text}.` }))).toBe('POLICY_REFUSED')

    const message = compiled([sol(1_000_000n, mallory)])
    const raw = `0x${Buffer.from(message).toString('hex')}`
    expect(errorCode(await ask('sign-raw', { data: raw }))).toBe('INTENT_MESSAGE_IS_TRANSACTION')
    expect(errorCode(await ask('sign-message', { message: { raw } }))).toBe('INTENT_MESSAGE_IS_TRANSACTION')
    expect((await ask('sign-raw', { data: '0xff00' })).status).toBe(200)
  })

  it.each([
    ['sign-transaction', { unsignedTransaction: '0x02c0' }, 'SIGNER_WALLET_KIND'],
    ['sign-transaction', { transaction: { chainId: 1 } }, 'SIGNER_WALLET_KIND'],
    ['sign-transaction', { psbt: 'cHNidP8=' }, 'SIGNER_WALLET_KIND'],
    ['sign-transaction', { message: 'AQI' }, 'BYTES_NOT_BASE64'],
    ['sign-transaction', { message: 'AQID' }, 'INTENT_SOLANA_MESSAGE_INVALID'],
    ['sign-raw', { digest: `0x${'11'.repeat(32)}` }, 'SIGNER_WALLET_KIND'],
    [
      'sign-authorization',
      { contractAddress: `0x${'11'.repeat(20)}`, chainId: 1, nonce: 0 },
      'SIGNER_WALLET_KIND',
    ],
    [
      'sign-typed-data',
      { typedData: { domain: {}, types: { A: [] }, primaryType: 'A', message: {} } },
      'SIGNER_WALLET_KIND',
    ],
  ])('%s of %j is %s', async (path, body, code) => {
    expect(errorCode(await ask(path, body))).toBe(code)
  })

  it('takes nothing that an engine adds to the request', async () => {
    const body = { message: encodeBase64(compiled([sol(1n)])) }
    const options = { by: test.agent, preparedTransaction: '0x02c0' } as const
    const answer = await test.ask('POST', `/v1/wallets/${wallet.id}/sign-transaction`, body, options)
    expect(errorCode(answer)).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('leaves the places of other signers empty', async () => {
    const payer = solanaAccount(0x55)
    const message = compiled([sol(1n)], { feePayer: payer })
    const answer = await signMessage(message)
    // Whoever pays, the fee is an effect of that account, which no rule here covers.
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
    const sponsored = policyOn(solanaMainnet, 'sponsored')
    const fee: Rule = { id: 'their-fee', action: 'permit', effects: ['fee'], when: { account: [payer] } }
    const other = await walletOf(test, { ...sponsored, rules: [...sponsored.rules, fee] }, { type: 'SOLANA' })
    const theirs = kitMessage([sol(1n, alice, other.address)], { feePayer: payer })
    const signed = await signMessage(theirs, {}, other.id)
    expect(signed.status).toBe(200)
    const body = signed.body as { signedTransaction: string; receipt: { entry: object } }
    const transaction = getTransactionDecoder().decode(decodeBase64(body.signedTransaction))
    expect(transaction.signatures[address(payer)]).toBeNull()
    expect(transaction.signatures[address(other.address)]).not.toBeNull()
    // Its id is the payer's signature, which is not known yet.
    expect(body.receipt.entry).not.toHaveProperty('transactionHash')
  })

  it('signs what the runtime of Solana executes', async () => {
    const { id, address: from } = await walletOf(test, policyOn(solanaMainnet, 'mainnet'), { type: 'SOLANA' })
    const svm = new LiteSVM()
    svm.airdrop(address(from), lamports(10_000_000n))
    svm.airdrop(address(alice), lamports(1_000_000n))
    const message = pipe(
      createTransactionMessage({ version: 0 }),
      (one) => setTransactionMessageFeePayer(address(from), one),
      (one) => svm.setTransactionMessageLifetimeUsingLatestBlockhash(one),
      (one) => appendTransactionMessageInstructions([sol(500_000n, alice, from)], one),
    )
    const { messageBytes } = compileTransaction(message)
    const answer = await signMessage(new Uint8Array(messageBytes), {}, id)
    const { signedTransaction } = answer.body as { signedTransaction: string }
    const signed = getTransactionDecoder().decode(decodeBase64(signedTransaction))
    svm.sendTransaction(signed)
    expect(svm.getBalance(address(alice))).toBe(1_500_000n)
    expect(svm.getBalance(address(from))).toBe(10_000_000n - 500_000n - 5_000n)
  })
})
