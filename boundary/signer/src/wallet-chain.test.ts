import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeHex, encodeSolanaAddress } from '@countersign/bytes'
import type { WalletAnswer } from '@countersign/wire'
import { p2tr, p2wpkh, TEST_NETWORK } from '@scure/btc-signer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { walletOf } from '../../../test/signer/chain-wallets.ts'
import { errorCode, openTestSigner, policyFor, type TestSigner } from '../../../test/signer/test-signer.ts'
import type { WalletRecord } from './records.ts'
import { accountOf, algorithmOf, chainOfWallet, solanaMainnet } from './wallet-chain.ts'

const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const bitcoinMain = 'bip122:000000000019d6689c085ae165831e93'
const signet = 'bip122:00000008819873e925422c1ff0f99f7c'
const policy = policyFor([{ id: 'none', action: 'permit', effects: ['message'] }])

describe('new wallets', () => {
  let test: TestSigner
  beforeEach(async () => {
    test = await openTestSigner()
  })
  afterEach(() => test.close())

  const create = (body: object) => test.ask('POST', '/v1/wallets', body, { by: test.admins })
  const made = async (body: object) => (await create(body)).body as WalletAnswer

  it('have the network and the address that belong to them', async () => {
    const evm = await made({ type: 'EVM' })
    expect(evm).toMatchObject({ type: 'EVM', chains: ['eip155'], algorithm: 'secp256k1' })
    expect(evm).not.toHaveProperty('form')

    const solana = await made({ type: 'SOLANA' })
    expect(solana).toMatchObject({ type: 'SOLANA', chains: [solanaMainnet], algorithm: 'ed25519' })
    expect(solana.address).toBe(encodeSolanaAddress(decodeHex(solana.publicKey)))
    expect(await made({ type: 'SOLANA', chain: devnet })).toMatchObject({ chains: [devnet] })

    const plain = await made({ type: 'BITCOIN' })
    expect(plain).toMatchObject({ type: 'BITCOIN', chains: [bitcoinMain], form: 'p2wpkh' })
    expect(plain.address).toBe(p2wpkh(decodeHex(plain.publicKey)).address)

    const taproot = await made({ type: 'BITCOIN', chain: signet, form: 'p2tr' })
    expect(taproot).toMatchObject({ chains: [signet], form: 'p2tr', algorithm: 'secp256k1' })
    const internal = decodeHex(taproot.publicKey).slice(1)
    expect(taproot.address).toBe(p2tr(internal, undefined, TEST_NETWORK).address)
  })

  it('stand in journal and record with their network', async () => {
    const { id } = await made({ type: 'BITCOIN', chain: signet, form: 'p2tr' })
    expect(await test.signer.ledger.get('wallet', id)).toMatchObject({
      type: 'BITCOIN',
      chain: signet,
      form: 'p2tr',
    })
    const [leaf] = await test.signer.journal.leaves(test.signer.journal.size() - 1, 1)
    expect(JSON.parse(leaf as string)).toMatchObject({
      type: 'wallet',
      wallet: id,
      chain: signet,
      form: 'p2tr',
    })
  })

  it.each([
    ['an EVM wallet with a network', { type: 'EVM', chain: devnet }],
    ['a form without Bitcoin', { type: 'SOLANA', form: 'p2tr' }],
    ['a Solana wallet on Bitcoin', { type: 'SOLANA', chain: bitcoinMain }],
    ['a Bitcoin wallet on Solana', { type: 'BITCOIN', chain: devnet }],
    ['an unknown network of Bitcoin', { type: 'BITCOIN', chain: `bip122:${'0'.repeat(32)}` }],
  ])('are not made as %s, and no key is left behind', async (_, body) => {
    let keys = 0
    const { backend } = test.signer
    const createKey = backend.createKey.bind(backend)
    backend.createKey = (options) => {
      keys++
      return createKey(options)
    }
    expect(errorCode(await create(body))).toBe('SIGNER_WALLET_CHAIN')
    expect(keys).toBe(0)
  })

  it('need a backend that can sign for Taproot', async () => {
    Object.defineProperty(test.signer.backend, 'signTaproot', { value: undefined })
    expect(errorCode(await create({ type: 'BITCOIN', form: 'p2tr' }))).toBe('SIGNER_BACKEND_UNFIT')
    expect((await create({ type: 'BITCOIN', form: 'p2wpkh' })).status).toBe(201)
  })
})

describe('the record of a wallet', () => {
  it('of before wallets had networks is of Solana’s main one', () => {
    const old = { type: 'SOLANA', address: 'a' } as unknown as WalletRecord
    expect(chainOfWallet(old)).toBe(solanaMainnet)
    expect(algorithmOf(old)).toBe('ed25519')
    expect(() => chainOfWallet({ type: 'EVM' })).toThrow('bug')
    expect(() => chainOfWallet({ type: 'BITCOIN' })).toThrow('bug')
  })

  it('gives the address as effects spell it', () => {
    expect(accountOf({ type: 'EVM', address: '0xAbCd' })).toBe('0xabcd')
    expect(accountOf({ type: 'SOLANA', address: 'AbCd' })).toBe('AbCd')
  })

  it('cannot be moved to another network behind the signer’s back', async () => {
    const test = await openTestSigner({ backend: 'file' })
    const close = test.signer.close
    let attack: (() => void) | undefined
    // What happens while the signer is not running.
    Object.assign(test.signer, {
      close: async () => {
        if (attack === undefined) return
        await close()
        attack()
        attack = undefined
      },
    })
    try {
      const { id } = await walletOf(test, policy, { type: 'SOLANA' })
      attack = () => {
        const database = new DatabaseSync(join(test.directory, 'signer', 'signer.db'))
        const { changes } = database
          .prepare("UPDATE record SET value = replace(value, ?, ?) WHERE kind = 'wallet'")
          .run(solanaMainnet, devnet)
        database.close()
        expect(changes).toBe(1)
      }
      await expect(test.reopen()).rejects.toMatchObject({
        code: 'SIGNER_STORE_TAMPERED',
        message: expect.stringContaining(`record wallet ${id}`),
      })
    } finally {
      await test.close()
    }
  })
})
