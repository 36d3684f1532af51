import { decodeHex } from '@countersign/bytes'
import {
  type CountersignClient,
  CountersignRefused,
  createCountersign,
  createCountersignAccount,
  createCountersignViemClient,
  createCredentialKey,
  type Wallet,
} from '@countersign/sdk'
import { verifyReceipt } from '@countersign/wire'
import {
  createPublicClient,
  createTestClient,
  defineChain,
  type Hex,
  http,
  keccak256,
  parseEther,
  parseGwei,
  recoverMessageAddress,
  recoverTransactionAddress,
  recoverTypedDataAddress,
} from 'viem'
import { recoverAuthorizationAddress } from 'viem/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deployment, startDeployment } from './deployment.ts'

const recipient = '0x00000000000000000000000000000000000000aa'
const stranger = '0x00000000000000000000000000000000000000bb'
const chainId = 31337
const dayLimit = parseEther('0.5')

const policy = {
  version: 1,
  id: 'everything',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [`eip155:${chainId}`], recipient: [recipient] },
      limits: [
        {
          id: 'day',
          amount: String(dayLimit),
          asset: `eip155:${chainId}/slip44:60`,
          window: { rolling: '24h' },
        },
      ],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { amount: { max: String(parseEther('0.01')) } } },
    { id: 'talk', action: 'permit', effects: ['message'], when: { text: { in: ['hello'] } } },
    { id: 'mail', action: 'permit', effects: ['typed-data'], when: { typedData: { primaryType: ['Mail'] } } },
    { id: 'delegate', action: 'permit', effects: ['delegation'], when: { delegate: [recipient] } },
    { id: 'digest', action: 'permit', effects: ['raw-digest'], when: { digest: [keccak256('0x01')] } },
  ],
} as const

const typedData = {
  domain: { name: 'Mail', chainId, verifyingContract: recipient },
  types: {
    Mail: [
      { name: 'to', type: 'address' },
      { name: 'amount', type: 'uint256' },
    ],
  },
  primaryType: 'Mail',
  message: { to: recipient, amount: 2n ** 200n },
} as const

let deployment: Deployment
let wallet: Wallet
let agent: CountersignClient
beforeAll(async () => {
  deployment = await startDeployment({ chain: true })
  wallet = await deployment.createWalletWith(policy)
  agent = deployment.agent
  const chain = createTestClient({ mode: 'anvil', transport: http(deployment.chain?.url) })
  await chain.setBalance({ address: wallet.address as Hex, value: parseEther('10') })
})
afterAll(() => deployment?.stop())

function localChain() {
  const url = deployment.chain?.url ?? ''
  const nativeCurrency = { name: 'Ether', symbol: 'ETH', decimals: 18 }
  return defineChain({ id: chainId, name: 'local', nativeCurrency, rpcUrls: { default: { http: [url] } } })
}

async function boundCountersign() {
  const { url, audience, agentCredential: credential } = deployment
  return createCountersign({ url, audience, credential, walletId: wallet.id })
}

describe('a viem account over a real signer', () => {
  it('sends a transaction that is mined, with the code of a viem integration', async () => {
    const countersign = await boundCountersign()
    const account = createCountersignAccount(countersign)
    const chain = localChain()
    const client = createCountersignViemClient(countersign, { account, chain, transport: http() })
    const request = await client.prepareTransactionRequest({
      account,
      to: recipient,
      value: parseEther('0.01'),
      chain,
    })
    const hash = await client.sendTransaction(request)
    const receipt = await createPublicClient({ chain, transport: http() }).waitForTransactionReceipt({ hash })
    expect(receipt).toMatchObject({ status: 'success', from: wallet.address.toLowerCase() })
  })

  it('signs everything that a local account signs', async () => {
    const account = createCountersignAccount(await boundCountersign())
    const { address } = account
    const signature = await account.signMessage({ message: 'hello' })
    expect(await recoverMessageAddress({ message: 'hello', signature })).toBe(address)
    const typed = await account.signTypedData(typedData)
    expect(await recoverTypedDataAddress({ ...typedData, signature: typed })).toBe(address)
    const authorization = await account.signAuthorization({ address: recipient, chainId, nonce: 9 })
    expect(await recoverAuthorizationAddress({ authorization })).toBe(address)
    await account.sign({ hash: keccak256('0x01') })
    const fees = { gas: 21_000n, maxFeePerGas: parseGwei('3'), maxPriorityFeePerGas: 1n }
    for (const transaction of [
      { type: 'eip1559', chainId, to: recipient, value: 1n, nonce: 7, ...fees },
      { type: 'legacy', chainId, to: recipient, value: 1n, nonce: 7, gas: 21_000n, gasPrice: 5n },
      {
        type: 'eip2930',
        chainId,
        to: recipient,
        value: 1n,
        nonce: 7,
        gas: 30_000n,
        gasPrice: 5n,
        accessList: [],
      },
    ] as const) {
      const serializedTransaction = await account.signTransaction(transaction)
      expect(await recoverTransactionAddress({ serializedTransaction: serializedTransaction as never })).toBe(
        address,
      )
    }
  })

  it('throws the signer’s refusal with its reasons', async () => {
    const account = createCountersignAccount(await boundCountersign())
    const refusals: [string, () => Promise<unknown>][] = [
      ['POLICY_TEXT', () => account.signMessage({ message: 'hello!' })],
      ['POLICY_DIGEST', () => account.sign({ hash: keccak256('0x02') })],
      ['POLICY_DELEGATE', () => account.signAuthorization({ address: stranger, chainId, nonce: 9 })],
      [
        'POLICY_RECIPIENT',
        () =>
          account.signTransaction({
            type: 'legacy',
            chainId,
            to: stranger,
            value: 1n,
            nonce: 0,
            gas: 21_000n,
            gasPrice: 5n,
          }),
      ],
    ]
    for (const [code, refusal] of refusals) {
      const error = (await refusal().catch((thrown) => thrown)) as CountersignRefused
      expect(error).toBeInstanceOf(CountersignRefused)
      const codes = error.decision.effects.flatMap(({ reasons }) => reasons.map((reason) => reason.code))
      expect(codes).toContain(code)
    }
  })
})

describe('the client over a real signer', () => {
  it('sends a transaction through the engine and follows it to the end', async () => {
    const sent = await agent.sendTransaction({
      walletId: wallet.id,
      transaction: { chainId, to: recipient, value: parseEther('0.01') },
      maxFeeMinor: parseEther('0.01'),
    })
    expect(sent.hash).toMatch(/^0x[0-9a-f]{64}$/)
    const last = await agent.waitForTransaction(sent.id)
    expect(last.status).toBe('confirmed')
    const ids: string[] = []
    for await (const { id } of agent.transactions.list({ walletId: wallet.id })) ids.push(id)
    expect(ids).toContain(sent.id)
  })

  it('repeats a request with its id and gets the same answer, and another content an error', async () => {
    const requestId = `repeat-${Date.now()}`
    const first = await agent.signMessage({ walletId: wallet.id, message: 'hello' }, { requestId })
    const again = await agent.signMessage({ walletId: wallet.id, message: 'hello' }, { requestId })
    expect(again).toEqual(first)
    await expect(
      agent.signMessage(
        { walletId: wallet.id, message: 'hello', attribution: { agent: 'x' } },
        { requestId },
      ),
    ).rejects.toMatchObject({ code: 'WIRE_REQUEST_ID_REUSED' })
    expect(await agent.receipts.get(requestId)).toEqual(first.receipt)
  })

  it('gets receipts that verify offline', async () => {
    const { journalKey } = await agent.identity()
    const { receipt } = await agent.signMessage({ walletId: wallet.id, message: 'hello' })
    expect(verifyReceipt(receipt, { journalKey: decodeHex(journalKey) })).toMatchObject({ valid: true })
    const forged = { ...receipt, index: receipt.index + 1 }
    expect(verifyReceipt(forged, { journalKey: decodeHex(journalKey) })).toMatchObject({ valid: false })
  })

  it('lists wallets page by page, and finds one by whom it is for', async () => {
    const made: string[] = []
    for (let i = 0; i < 5; i++) {
      const userIdentifier = `user-${i}@example.com`
      made.push((await agent.wallets.create({ userIdentifier, userIdentifierType: 'EMAIL' })).id)
    }
    const listed: string[] = []
    for await (const { id } of agent.wallets.list({ limit: 2 })) listed.push(id)
    expect(listed).toEqual(expect.arrayContaining([wallet.id, ...made]))
    expect(new Set(listed).size).toBe(listed.length)
    const query = { userIdentifier: 'user-3@example.com', userIdentifierType: 'EMAIL' } as const
    const found = await agent.wallets.page(query)
    expect(found.items.map(({ id }) => id)).toEqual([made[3]])
  })

  it('reads policies, credentials, journal, custody and health', async () => {
    const policies: string[] = []
    for await (const { id } of agent.policies.list()) policies.push(id)
    expect(policies).toEqual(['everything'])
    expect((await agent.policies.get('everything')).policy).toEqual(policy)
    const { size = 0 } = await agent.journal.entries({ start: 0, limit: 1 })
    expect((await agent.journal.proof({ index: 0, size })).hashes.length).toBeGreaterThan(0)
    expect((await agent.journal.consistency({ from: 1, to: size })).hashes.length).toBeGreaterThan(0)
    expect(JSON.stringify(await agent.custody.get(wallet.id))).toContain('custodial')
    expect(await agent.health()).toMatchObject({ phase: 'ready' })
  })

  it('adds and revokes credentials of every algorithm', async () => {
    // The signer itself answers for custody: the engine may know a credential from a second ago.
    for (const algorithm of ['p256', 'ed25519', 'secp256k1'] as const) {
      const { signer } = await createCredentialKey(algorithm)
      const client = deployment.clientFor(signer)
      await expect(client.custody.get(wallet.id)).rejects.toMatchObject({ status: 401 })
      const { publicKey } = signer
      await deployment.admin.credentials.create({
        algorithm,
        publicKey,
        role: 'agent',
        name: algorithm,
        powers: ['read'],
      })
      expect(await client.custody.get(wallet.id)).toBeTypeOf('object')
      await deployment.admin.credentials.revoke(signer.id)
      await expect(client.custody.get(wallet.id)).rejects.toMatchObject({ status: 401 })
    }
  })

  it('changes nothing for an agent', async () => {
    const change = agent.policies.put({ id: 'everything', policy, expected: null })
    await expect(change).rejects.toMatchObject({ status: 403 })
    await expect(
      agent.wallets.setPolicy({ walletId: wallet.id, policy: null, expected: 'everything' }),
    ).rejects.toMatchObject({ status: 403 })
  })

  it('outlives a signer that was killed: the repeated request has the same id', async () => {
    await deployment.kill('signer')
    const signing = agent.signMessage({ walletId: wallet.id, message: 'hello' })
    signing.catch(() => undefined)
    await deployment.restart('signer')
    const { signature } = await signing.catch(() =>
      agent.signMessage({ walletId: wallet.id, message: 'hello' }),
    )
    expect(await recoverMessageAddress({ message: 'hello', signature })).toBe(wallet.address)
  })
})
