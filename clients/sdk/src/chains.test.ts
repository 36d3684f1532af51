import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase58,
  encodeBase64,
  encodeHex,
  encodeSolanaAddress,
  type Hex,
  type JsonObject,
  sha256,
} from '@countersign/bytes'
import {
  bitcoinTransactionIntent,
  bitcoinWalletAddress,
  finalizePsbt,
  serializeSolanaTransaction,
} from '@countersign/intent'
import type { SignedRequest } from '@countersign/wire'
import { ed25519 } from '@noble/curves/ed25519.js'
import {
  address,
  createNoopSigner,
  createSignableMessage,
  isMessagePartialSigner,
  isTransactionPartialSigner,
  type MessagePartialSigner,
  type TransactionPartialSigner,
} from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import { hashMessage } from 'viem'
import { entryPoint07Address, entryPoint08Address, getUserOperationHash } from 'viem/account-abstraction'
import { generatePrivateKey, privateKeyToAccount, sign as signHash } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import {
  publicKey as bitcoinKey,
  bitcoinMain,
  keys,
  otherScripts,
  ownScripts,
  psbtOf,
  sign as signBitcoin,
} from '../../../kernel/intent/testing/bitcoin-psbts.ts'
import { kitMessage, solanaAccount } from '../../../kernel/intent/testing/solana-messages.ts'
import { createCountersignClient } from './client.ts'
import { createCredentialKey } from './credential-key.ts'
import { signPsbt } from './sign-psbt.ts'
import { signSolanaTransaction } from './sign-solana-transaction.ts'
import { createUserOperationSigner, signUserOperation } from './sign-user-operation.ts'
import { createCountersignSolanaSigner } from './solana-signer.ts'
import { createProvingSigner } from './testing/proving-signer.ts'

const id = 'wal_000000000000000000000001'
const signer = createProvingSigner()

interface Made {
  readonly fields: JsonObject
  readonly signatures: readonly Uint8Array[]
  readonly facts?: JsonObject
}

/** Answers with what `make` makes, under a receipt that fits it, as a signer that is owned too could. */
async function clientOf(make: (body: JsonObject, path: string) => Made) {
  const { signer: credential } = await createCredentialKey('ed25519')
  const seen: JsonObject[] = []
  const client = createCountersignClient({
    url: 'http://engine.test',
    credential,
    audience: signer.audience,
    retries: 0,
    fetch: async (url, init) => {
      const { pathname } = new URL(url)
      const body = JSON.parse(String(init.body)) as JsonObject
      seen.push(body)
      const { fields, signatures, facts = {} } = make(body, pathname)
      const request = { ...init, path: pathname } as unknown as SignedRequest
      const signatureDigest = encodeHex(sha256(concatBytes(...signatures)))
      const receipt = signer.receipt(request, { type: 'signed', signatureDigest, ...facts })
      return new Response(JSON.stringify({ ...fields, receipt }))
    },
  })
  return { client, seen }
}

const mismatch = expect.objectContaining({ code: 'SDK_SIGNATURE_MISMATCH' })
const unproven = expect.objectContaining({ code: 'SDK_ANSWER_UNPROVEN' })

describe('wallets of Solana', () => {
  const secret = new Uint8Array(32).fill(7)
  const publicKey = ed25519.getPublicKey(secret)
  const own = encodeSolanaAddress(publicKey)
  const wallet = { id, address: own as string, publicKey: encodeHex(publicKey) }
  const transfer = (from: string = own) =>
    getTransferSolInstruction({
      source: createNoopSigner(address(from)),
      destination: address(solanaAccount(0xaa)),
      amount: 5n,
    })
  const message = kitMessage([transfer()], { feePayer: own })

  const honest = (body: JsonObject, path: string, by = secret): Made => {
    if (path.endsWith('/sign-message')) {
      const bytes = decodeHex((body.message as { raw: Hex }).raw)
      const signature = ed25519.sign(bytes, by)
      return { fields: { signature: encodeHex(signature) }, signatures: [signature] }
    }
    const bytes = decodeBase64(body.message as string)
    const signature = ed25519.sign(bytes, by)
    const signedTransaction = encodeBase64(serializeSolanaTransaction(bytes, [{ signer: own, signature }]))
    return { fields: { signature: encodeBase58(signature), signedTransaction }, signatures: [signature] }
  }

  it('are signers of @solana/kit, by type and by its own check', async () => {
    const { client } = await clientOf(honest)
    const made = createCountersignSolanaSigner({ client, wallet })
    const kit: TransactionPartialSigner & MessagePartialSigner = made
    expect(isTransactionPartialSigner(kit)).toBe(true)
    expect(isMessagePartialSigner(kit)).toBe(true)
    const transactions = [
      { messageBytes: message, signatures: {} },
      { messageBytes: message, signatures: {} },
    ]
    const signed = await made.signTransactions(transactions)
    expect(signed).toHaveLength(2)
    expect(ed25519.verify(signed[1]?.[made.address] as Uint8Array, message, publicKey)).toBe(true)
    const said = createSignableMessage('hello')
    const [first] = await kit.signMessages([said])
    expect(ed25519.verify(first?.[made.address] as Uint8Array, said.content, publicKey)).toBe(true)
  })

  it('send the tables that a message uses, and no others', async () => {
    const { client, seen } = await clientOf(honest)
    const table = solanaAccount(0x77)
    const other = solanaAccount(0x78)
    const tables = { [address(table)]: [address(solanaAccount(0xaa))] }
    const lookupTables = { ...tables, [other]: [other] }
    const tokenAccounts = [{ owner: own as string, mint: other as string }]
    const made = createCountersignSolanaSigner({ client, wallet }, { lookupTables, tokenAccounts })
    await made.signTransactions([{ messageBytes: kitMessage([transfer()], { feePayer: own, tables }) }])
    expect(seen[0]).toMatchObject({
      lookupTables: [{ table, addresses: [solanaAccount(0xaa)] }],
      tokenAccounts,
    })
    await made.signTransactions([{ messageBytes: message }])
    expect(seen[1]).not.toHaveProperty('lookupTables')
  })

  it('hand out no signature by another key, over other bytes, or in another transaction', async () => {
    const other = new Uint8Array(32).fill(8)
    const otherMessage = kitMessage([transfer()], { feePayer: own, version: 'legacy' })
    const lies: ((body: JsonObject, path: string) => Made)[] = [
      (body, path) => honest(body, path, other),
      (_, path) => honest({ message: encodeBase64(otherMessage) }, path),
      (body, path) => {
        const made = honest(body, path)
        const { signedTransaction } = honest({ message: encodeBase64(otherMessage) }, path).fields
        return { ...made, fields: { ...made.fields, signedTransaction: signedTransaction as string } }
      },
    ]
    for (const lie of lies) {
      const { client } = await clientOf(lie)
      await expect(signSolanaTransaction({ client, wallet }, { message })).rejects.toEqual(mismatch)
      const made = createCountersignSolanaSigner({ client, wallet })
      await expect(made.signTransactions([{ messageBytes: message }])).rejects.toEqual(mismatch)
    }
    const { client } = await clientOf((body, path) => honest(body, path, other))
    const made = createCountersignSolanaSigner({ client, wallet })
    await expect(made.signMessages([createSignableMessage('hello')])).rejects.toEqual(mismatch)
  })

  it('believe no signature that its receipt is not about', async () => {
    const { client } = await clientOf((body, path) => ({
      ...honest(body, path),
      signatures: [new Uint8Array(64)],
    }))
    await expect(signSolanaTransaction({ client, wallet }, { message })).rejects.toEqual(unproven)
    const { client: wrongId } = await clientOf((body, path) => ({
      ...honest(body, path),
      facts: { transactionHash: 'another' },
    }))
    await expect(signSolanaTransaction({ client: wrongId, wallet }, { message })).rejects.toEqual(unproven)
  })

  it('are refused where key and address do not belong together', async () => {
    const { client } = await clientOf(honest)
    for (const wrong of [{ address: solanaAccount(1) as string }, { publicKey: encodeHex(bitcoinKey) }]) {
      expect(() => createCountersignSolanaSigner({ client, wallet: { ...wallet, ...wrong } })).toThrow(
        expect.objectContaining({ code: 'SDK_ANSWER_INVALID' }),
      )
    }
  })
})

describe.each(['p2wpkh', 'p2tr'] as const)('wallets of Bitcoin, %s', (form) => {
  const address = {
    p2wpkh: 'bc1q',
    p2tr: 'bc1p',
  }
  const script = ownScripts[form]
  const { psbt } = psbtOf(
    [1n, 2n].map((i) => ({ script, amount: 50_000n * i, proof: 'both' as const })),
    [{ script: otherScripts.p2wpkh, amount: 149_000n }],
  )
  const request = { psbt, chain: bitcoinMain, keys: { ...keys, forms: [form] } }
  const wallet = {
    id,
    address: bitcoinWalletAddress(bitcoinKey, form, bitcoinMain) as string,
    publicKey: encodeHex(bitcoinKey),
    chains: [bitcoinMain as string],
    form,
  }
  const signaturesBy = (key?: Uint8Array<ArrayBuffer>) =>
    (bitcoinTransactionIntent(request).bitcoin?.inputs ?? []).map((input) => ({
      index: input.index,
      signature: signBitcoin(input, key),
    }))
  const honest = (): Made & { fields: JsonObject } => {
    const signatures = signaturesBy()
    const signed = finalizePsbt(request, signatures)
    const txid = bitcoinTransactionIntent(request).bitcoin?.transactionId as string
    return {
      fields: {
        psbt: encodeBase64(signed.psbt),
        signatures: signatures.map(({ index, signature }) => ({ index, signature: encodeHex(signature) })),
        transaction: encodeHex(signed.transaction as Uint8Array),
        txid,
      },
      signatures: signatures.map(({ signature }) => signature),
      facts: { transactionHash: txid },
    }
  }

  it('get their PSBT signed, checked input by input', async () => {
    const made = honest()
    expect(wallet.address.startsWith(address[form])).toBe(true)
    const { client, seen } = await clientOf(() => made)
    const signed = await signPsbt({ client, wallet }, { psbt })
    expect(signed).toMatchObject({ transaction: made.fields.transaction, txid: made.fields.txid })
    expect(encodeBase64(signed.psbt)).toBe(made.fields.psbt)
    await signPsbt({ client, wallet }, { psbt: encodeBase64(psbt), attribution: { agent: 'a' } })
    expect(seen[1]).toEqual({ psbt: encodeBase64(psbt), attribution: { agent: 'a' } })
  })

  it('hand out nothing with a signature that is wrong, missing, or in another PSBT', async () => {
    const good = honest()
    const list = good.fields.signatures as { index: number; signature: string }[]
    const others = signaturesBy(new Uint8Array(32).fill(0x18))
    const lies: Made[] = [
      { ...good, fields: { ...good.fields, transaction: `${good.fields.transaction}00` } },
      { ...good, fields: { ...good.fields, psbt: encodeBase64(psbt) } },
      {
        ...good,
        fields: {
          ...good.fields,
          signatures: others.map(({ index, signature }) => ({ index, signature: encodeHex(signature) })),
        },
        signatures: others.map(({ signature }) => signature),
      },
      {
        ...good,
        fields: { ...good.fields, signatures: list.slice(0, 1) },
        signatures: good.signatures.slice(0, 1),
      },
    ]
    for (const lie of lies) {
      const { client } = await clientOf(() => lie)
      await expect(signPsbt({ client, wallet }, { psbt })).rejects.toEqual(mismatch)
    }
    const { client } = await clientOf(() => ({ ...good, fields: { ...good.fields, txid: 'ab' } }))
    await expect(signPsbt({ client, wallet }, { psbt })).rejects.toEqual(unproven)
  })

  it('are refused where key and address do not belong together', async () => {
    const wrong = { ...wallet, form: form === 'p2tr' ? ('p2wpkh' as const) : ('p2tr' as const) }
    const { client, seen } = await clientOf(honest)
    await expect(signPsbt({ client, wallet: wrong }, { psbt })).rejects.toMatchObject({
      code: 'SDK_ANSWER_INVALID',
    })
    expect(seen).toEqual([])
  })
})

describe('user operations', () => {
  const secret = generatePrivateKey()
  const owner = privateKeyToAccount(secret)
  const wallet = { id, address: owner.address, publicKey: owner.publicKey }
  const sender = '0x8888888888888888888888888888888888888888'
  const operation = {
    sender,
    nonce: 5n,
    callData: '0x12345678',
    callGasLimit: 100n,
    verificationGasLimit: 50n,
    preVerificationGas: 10n,
    maxFeePerGas: 7n,
    maxPriorityFeePerGas: 1n,
    paymaster: undefined,
  } as const
  const hash = (version: '0.7' | '0.8', more: object = {}) =>
    getUserOperationHash({
      chainId: 8453,
      entryPointAddress: version === '0.7' ? entryPoint07Address : entryPoint08Address,
      entryPointVersion: version,
      userOperation: { ...operation, signature: '0x', ...more },
    } as Parameters<typeof getUserOperationHash>[0])
  const signed = async (digest: Hex, userOpHash: Hex, by: Hex = secret): Promise<Made> => {
    const signature = await signHash({ hash: digest, privateKey: by, to: 'hex' })
    return {
      fields: { signature, userOpHash },
      signatures: [decodeHex(signature).subarray(0, 64)],
      facts: { userOpHash },
    }
  }
  const at07 = { entryPoint: entryPoint07Address, chainId: 8453 } as const
  const at08 = { entryPoint: entryPoint08Address, chainId: 8453 } as const

  it('are signed over the hash that viem computes, in the form of their version', async () => {
    const made = await signed(hashMessage({ raw: hash('0.7') }), hash('0.7'))
    const { client, seen } = await clientOf(() => made)
    const answer = await signUserOperation({ client, wallet }, { ...at07, userOperation: operation })
    expect(answer).toMatchObject(made.fields)
    expect(seen[0]).toMatchObject({ chainId: 8453, userOperation: { nonce: '5', callGasLimit: '100' } })
    expect(seen[0]?.userOperation).not.toHaveProperty('paymaster')

    const digest = await signed(hash('0.8'), hash('0.8'))
    const { client: other } = await clientOf(() => digest)
    await signUserOperation({ client: other, wallet }, { ...at08, userOperation: operation })
    await expect(
      signUserOperation(
        { client: other, wallet },
        { ...at08, userOperation: operation, signatureForm: 'eip191' },
      ),
    ).rejects.toEqual(mismatch)
  })

  it('serve the smart accounts of viem, with an EIP-7702 authorization too', async () => {
    const authorization = { address: '0x4444444444444444444444444444444444444444' } as const
    const more = { factory: '0x7702', factoryData: '0x', authorization } as const
    const made = await signed(hash('0.8', more), hash('0.8', more))
    const { client, seen } = await clientOf(() => made)
    const sign = createUserOperationSigner({ client, wallet }, at08)
    expect(await sign({ ...operation, ...more })).toBe(made.fields.signature)
    expect(seen[0]).toMatchObject({ userOperation: { factory: '0x7702', eip7702Auth: authorization } })
    expect(seen[0]?.userOperation).not.toHaveProperty('authorization')
  })

  it('hand out no signature by another key, over another hash, or cut short', async () => {
    const digest = hashMessage({ raw: hash('0.7') })
    const good = await signed(digest, hash('0.7'))
    const lies = [
      await signed(digest, hash('0.7'), generatePrivateKey()),
      await signed(hash('0.7'), hash('0.7')),
      await signed(digest, hash('0.8')),
      { ...good, fields: { ...good.fields, signature: String(good.fields.signature).slice(0, 130) } },
    ]
    for (const lie of lies) {
      const { client } = await clientOf(() => lie)
      await expect(
        signUserOperation({ client, wallet }, { ...at07, userOperation: operation }),
      ).rejects.toEqual(mismatch)
    }
    const { client } = await clientOf(() => ({ ...good, facts: { userOpHash: hash('0.8') } }))
    await expect(
      signUserOperation({ client, wallet }, { ...at07, userOperation: operation }),
    ).rejects.toEqual(unproven)
  })

  it('go to known entry points only', async () => {
    const { client, seen } = await clientOf(() => ({ fields: {}, signatures: [] }))
    await expect(
      signUserOperation({ client, wallet }, { ...at07, entryPoint: sender, userOperation: operation }),
    ).rejects.toMatchObject({ code: 'SDK_INPUT_INVALID' })
    expect(seen).toEqual([])
  })
})
