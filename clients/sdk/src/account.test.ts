import { encodeHex, type Hex } from '@countersign/bytes'
import { compressPublicKey, type SignedRequest } from '@countersign/wire'
import {
  createPublicClient,
  custom,
  hashTypedData,
  keccak256,
  parseEther,
  parseGwei,
  parseTransaction,
  recoverAddress,
  recoverMessageAddress,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerializable,
  type TransactionSerializableGeneric,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { mainnet } from 'viem/chains'
import { recoverAuthorizationAddress } from 'viem/utils'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCountersignAccount } from './account.ts'
import type { Wallet } from './answers.ts'
import { type CountersignClient, createCountersignClient } from './client.ts'
import { createCountersign } from './countersign.ts'
import { createCredentialKey } from './credential-key.ts'
import { createProvingSigner } from './testing/proving-signer.ts'
import { createCountersignViemClient } from './viem-client.ts'

const owner = privateKeyToAccount(generatePrivateKey())
const stranger = privateKeyToAccount(generatePrivateKey())
const signer = createProvingSigner()
const { audience } = signer

const wallet = {
  id: 'wal_000000000000000000000001',
  type: 'EVM',
  algorithm: 'secp256k1',
  address: owner.address,
  publicKey: encodeHex(compressPublicKey('secp256k1', Buffer.from(owner.publicKey.slice(2), 'hex'))),
} as unknown as Wallet

/** Signs with a key of its own as the engine and the signer together would. */
function engineWith(
  key: typeof owner,
  tamper: (answer: Record<string, unknown>) => unknown = (answer) => answer,
) {
  const sign = async (path: string, body: Record<string, unknown>): Promise<Record<string, unknown>> => {
    if (path.endsWith('/sign-message'))
      return { signature: await key.signMessage({ message: body.message as never }) }
    if (path.endsWith('/sign-typed-data'))
      return { signature: await key.signTypedData(body.typedData as never) }
    if (path.endsWith('/sign-raw')) return { signature: await key.sign({ hash: body.digest as Hex }) }
    if (path.endsWith('/sign-authorization')) {
      const { r, s, yParity } = await key.signAuthorization(body as never)
      return { r, s, yParity, signature: `${r}${s.slice(2)}${yParity === 0 ? '1b' : '1c'}` }
    }
    if (path.endsWith('/sign-transaction')) {
      const unsigned = body.unsignedTransaction as Hex
      const transaction = parseTransaction(unsigned) as TransactionSerializable
      const signedTransaction = await key.signTransaction(transaction)
      const signature = await key.sign({ hash: keccak256(unsigned) })
      return { signature, signedTransaction, hash: keccak256(signedTransaction) }
    }
    return wallet as unknown as Record<string, unknown>
  }
  return async (url: string, init: RequestInit) => {
    const { pathname } = new URL(url)
    const body = init.body === undefined ? {} : (JSON.parse(init.body as string) as Record<string, unknown>)
    const answer = await sign(pathname, body)
    if (!pathname.includes('/sign-')) return new Response(JSON.stringify(answer))
    // Tampered with before the receipt is made, as by a signer that is owned too: the account finds that out by itself.
    const tampered = tamper(answer) as { signature: Hex; signedTransaction?: Hex; hash?: Hex }
    const hash = tampered.signedTransaction && keccak256(tampered.signedTransaction)
    const request = { ...init, path: pathname } as unknown as SignedRequest
    const given = hash === undefined ? tampered : { ...tampered, hash }
    return new Response(JSON.stringify(await signer.signed(request, given)))
  }
}

async function clientWith(fetch: ReturnType<typeof engineWith>): Promise<CountersignClient> {
  const { signer } = await createCredentialKey('ed25519')
  return createCountersignClient({ url: 'http://engine.test', credential: signer, audience, fetch })
}

const typedData = {
  domain: { name: 'Ether Mail', version: '1', chainId: 1n, verifyingContract: stranger.address },
  types: {
    Mail: [
      { name: 'to', type: 'address' },
      { name: 'amount', type: 'uint256' },
    ],
  },
  primaryType: 'Mail',
  message: { to: stranger.address, amount: 2n ** 255n },
} as const

const fees = { maxFeePerGas: parseGwei('30'), maxPriorityFeePerGas: parseGwei('1'), gas: 21_000n }
const transactions: Record<string, TransactionSerializable> = {
  legacy: {
    chainId: 1,
    type: 'legacy',
    to: stranger.address,
    value: 1n,
    nonce: 0,
    gas: 21_000n,
    gasPrice: 7n,
  },
  eip2930: {
    chainId: 1,
    type: 'eip2930',
    to: stranger.address,
    gasPrice: 7n,
    gas: 50_000n,
    accessList: [{ address: stranger.address, storageKeys: [`0x${'01'.repeat(32)}`] }],
  },
  eip1559: {
    chainId: 8453,
    type: 'eip1559',
    to: stranger.address,
    value: parseEther('0.01'),
    nonce: 5,
    ...fees,
  },
  eip1559Deploy: { chainId: 8453, type: 'eip1559', data: '0x6001', nonce: 5, ...fees },
  eip4844: {
    chainId: 1,
    type: 'eip4844',
    to: stranger.address,
    nonce: 1,
    maxFeePerBlobGas: 1n,
    blobVersionedHashes: [`0x01${'00'.repeat(31)}`],
    ...fees,
  },
}

describe('an account', () => {
  let client: CountersignClient
  let account: ReturnType<typeof createCountersignAccount>
  beforeAll(async () => {
    client = await clientWith(engineWith(owner))
    account = createCountersignAccount({ client, wallet })
  })

  it('has the address and the public key of its wallet, in viem’s form', () => {
    expect(account).toMatchObject({
      address: owner.address,
      publicKey: owner.publicKey,
      type: 'local',
      source: 'countersign',
    })
  })

  it('can be made from the wallet’s id alone, or from a bound client', async () => {
    expect((await createCountersignAccount({ client, walletId: wallet.id })).address).toBe(owner.address)
    expect(createCountersignAccount({ client, wallet }).address).toBe(owner.address)
  })

  it('signs messages, text and bytes, like a private key of the same address', async () => {
    for (const message of ['hello', { raw: '0xdeadbeef' as Hex }, { raw: new Uint8Array([1, 2]) }]) {
      const signature = await account.signMessage({ message })
      expect(await recoverMessageAddress({ message, signature })).toBe(owner.address)
      expect(signature).toBe(await owner.signMessage({ message }))
    }
  })

  it('signs typed data with bigints', async () => {
    const signature = await account.signTypedData(typedData)
    expect(await recoverAddress({ hash: hashTypedData(typedData), signature })).toBe(owner.address)
    expect(signature).toBe(await owner.signTypedData(typedData))
  })

  it('signs a hash through sign-raw', async () => {
    const hash = keccak256('0x01')
    expect(await account.sign({ hash })).toBe(await owner.sign({ hash }))
  })

  it.each(Object.entries(transactions))('signs a transaction: %s', async (_name, transaction) => {
    const signed = await account.signTransaction(transaction)
    expect(await recoverTransactionAddress({ serializedTransaction: signed as never })).toBe(owner.address)
    expect(signed).toBe(await owner.signTransaction(transaction))
  })

  it('signs a transaction that carries an authorization', async () => {
    const authorization = await owner.signAuthorization({ address: stranger.address, chainId: 1, nonce: 3 })
    const transaction = {
      chainId: 1,
      type: 'eip7702',
      to: owner.address,
      authorizationList: [authorization],
      ...fees,
    } as const
    expect(await account.signTransaction(transaction)).toBe(await owner.signTransaction(transaction))
  })

  it('uses the serializer that it is given', async () => {
    const transaction = transactions.eip1559 as TransactionSerializableGeneric
    const used: number[] = []
    const signed = await account.signTransaction(transaction as never, {
      serializer: ((tx: TransactionSerializable, signature: never) => {
        used.push(1)
        return serializeTransaction(tx, signature)
      }) as never,
    })
    expect(used.length).toBeGreaterThan(1)
    expect(signed).toBe(await owner.signTransaction(transaction as never))
  })

  it('signs EIP-7702 authorizations', async () => {
    const authorization = await account.signAuthorization({ address: stranger.address, chainId: 1, nonce: 3 })
    expect(await recoverAuthorizationAddress({ authorization })).toBe(owner.address)
    expect(authorization).toMatchObject({ address: stranger.address, chainId: 1, nonce: 3 })
    const byContract = await account.signAuthorization({
      contractAddress: stranger.address,
      chainId: 1,
      nonce: 3,
    })
    expect(byContract).toEqual(authorization)
  })

  it('works with the code of a viem integration after changing the import', async () => {
    const countersign = await createCountersign({
      url: 'http://engine.test',
      credential: (await createCredentialKey()).signer,
      audience,
      fetch: engineWith(owner),
      walletId: wallet.id,
    })
    const sent: Hex[] = []
    const transport = custom({
      async request({ method, params }: { method: string; params: Hex[] }) {
        if (method === 'eth_sendRawTransaction') {
          sent.push(params[0] as Hex)
          return keccak256(params[0] as Hex)
        }
        const answers: Record<string, unknown> = {
          eth_chainId: '0x1',
          eth_getTransactionCount: '0x5',
          eth_estimateGas: '0x5208',
          eth_maxPriorityFeePerGas: '0x1',
        }
        if (method === 'eth_getBlockByNumber')
          return { baseFeePerGas: '0x7', number: '0x1', transactions: [] }
        return answers[method]
      },
    })

    const account = createCountersignAccount(countersign)
    const client = createCountersignViemClient(countersign, { account, chain: mainnet, transport })
    const request = await client.prepareTransactionRequest({
      account,
      to: stranger.address,
      value: parseEther('0.01'),
      chain: mainnet,
    })
    const hash = await client.sendTransaction(request)

    expect(sent).toHaveLength(1)
    expect(hash).toBe(keccak256(sent[0] as Hex))
    expect(await recoverTransactionAddress({ serializedTransaction: sent[0] as never })).toBe(owner.address)
    expect(parseTransaction(sent[0] as Hex)).toMatchObject({ nonce: 5, value: parseEther('0.01') })
    expect(createPublicClient({ transport }).type).toBe('publicClient')
  })
})

describe('an engine that answers with something else', () => {
  const transaction = transactions.eip1559 as TransactionSerializable
  const asks: Record<string, (account: ReturnType<typeof createCountersignAccount>) => Promise<unknown>> = {
    message: (account) => account.signMessage({ message: 'hello' }),
    'typed data': (account) => account.signTypedData(typedData),
    hash: (account) => account.sign({ hash: keccak256('0x01') }),
    transaction: (account) => account.signTransaction(transaction),
    authorization: (account) =>
      account.signAuthorization({ address: stranger.address, chainId: 1, nonce: 1 }),
  }

  it.each(Object.entries(asks))('is found out when another key signed: %s', async (_name, ask) => {
    const client = await clientWith(engineWith(stranger))
    await expect(ask(createCountersignAccount({ client, wallet }))).rejects.toMatchObject({
      code: 'SDK_SIGNATURE_MISMATCH',
    })
  })

  it.each(Object.entries(asks))('is found out when the signature is garbage: %s', async (_name, ask) => {
    const client = await clientWith(
      engineWith(owner, (answer) => ({
        ...answer,
        signature: `0x${'00'.repeat(64)}1b`,
        r: `0x${'00'.repeat(32)}`,
        s: `0x${'00'.repeat(32)}`,
        yParity: 0,
      })),
    )
    await expect(ask(createCountersignAccount({ client, wallet }))).rejects.toMatchObject({
      code: 'SDK_SIGNATURE_MISMATCH',
    })
  })

  it('is found out when it returns another signed transaction than was asked for', async () => {
    const other = await owner.signTransaction({
      ...transactions.eip1559,
      value: 1n,
    } as TransactionSerializable)
    const client = await clientWith(engineWith(owner, (answer) => ({ ...answer, signedTransaction: other })))
    await expect(
      createCountersignAccount({ client, wallet }).signTransaction(transaction),
    ).rejects.toMatchObject({
      code: 'SDK_SIGNATURE_MISMATCH',
    })
  })

  it('is found out when the public key is not the address’s', async () => {
    const client = await clientWith(engineWith(owner))
    expect(() =>
      createCountersignAccount({ client, wallet: { ...wallet, address: stranger.address } }),
    ).toThrow(expect.objectContaining({ code: 'SDK_ANSWER_INVALID' }))
  })
})
