import { encodeHex, encodeSolanaAddress, type SolanaAddress, sha256 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import {
  AccountRole,
  address,
  createNoopSigner,
  getAddressEncoder,
  getTransactionDecoder,
  type Instruction,
} from '@solana/kit'
import {
  getSetComputeUnitLimitInstruction,
  getSetComputeUnitPriceInstruction,
  getSetLoadedAccountsDataSizeLimitInstruction,
} from '@solana-program/compute-budget'
import { getAddMemoInstruction } from '@solana-program/memo'
import { getAdvanceNonceAccountInstruction, getTransferSolInstruction } from '@solana-program/system'
import {
  findAssociatedTokenPda,
  getCreateAssociatedTokenIdempotentInstruction,
  getTransferCheckedInstruction,
  getTransferInstruction,
} from '@solana-program/token'
import { describe, expect, it } from 'vitest'
import { solanaDevnet as chain, kitMessage, solanaAccount, wallet } from '../../testing/solana-messages.ts'
import { associatedTokenAddress, isOnCurve } from './program-address.ts'
import { computeBudgetProgram, systemProgram, token2022Program, tokenProgram } from './programs.ts'
import { serializeSolanaTransaction } from './solana-signed-transaction.ts'
import { solanaRawIntent, solanaTextIntent } from './solana-text-intent.ts'
import { type SolanaTransactionInput, solanaTransactionIntent } from './solana-transaction-intent.ts'

const alice = solanaAccount(0xaa)
const mint = solanaAccount(0x33)
const native = `${chain}/slip44:501`
const signer = (who: SolanaAddress) => createNoopSigner(address(who))
const sol = (amount: bigint, to = alice, from = wallet) =>
  getTransferSolInstruction({ source: signer(from), destination: address(to), amount })

function intentOf(
  instructions: readonly Instruction[],
  more: Partial<SolanaTransactionInput> & Parameters<typeof kitMessage>[1] = {},
) {
  return solanaTransactionIntent({ message: kitMessage(instructions, more), chain, wallet, ...more })
}
const refusal = (code: string) => expect.objectContaining({ code })

describe('solanaTransactionIntent', () => {
  it('signs the message itself', () => {
    for (const version of ['legacy', 0] as const) {
      const message = kitMessage([sol(5n)], { version })
      const intent = solanaTransactionIntent({ message, chain, wallet })
      expect(intent).toMatchObject({ operation: 'sign-transaction', chain, toSign: message })
      expect(intent.payloadDigest).toBe(encodeHex(sha256(message)))
      expect(intent.effects).toEqual([
        { kind: 'native-transfer', chain, asset: native, recipient: alice, amountMinor: 5n },
        { kind: 'fee', chain, asset: native, amountMinor: 5_000n },
      ])
      expect(intent.solana).toEqual({
        version,
        feePayer: wallet,
        signers: [wallet],
        walletIndex: 0,
        blockhash: solanaAccount(9),
        durableNonceAccount: undefined,
        lookupTables: [],
        notes: [],
      })
      message.fill(0)
      expect(intent.toSign[0]).not.toBe(0)
    }
  })

  it('refuses a message that the wallet does not sign', () => {
    const message = kitMessage([sol(5n, wallet, alice)], { feePayer: alice })
    expect(() => solanaTransactionIntent({ message, chain, wallet })).toThrow(
      refusal('INTENT_SOLANA_NOT_A_SIGNER'),
    )
  })

  it('says whose lamports move and who pays where that is not the wallet', () => {
    const payer = solanaAccount(0x77)
    const intent = intentOf([sol(5n), sol(6n, alice, payer)], { feePayer: payer })
    expect(intent.effects).toMatchObject([
      { kind: 'native-transfer', amountMinor: 5n },
      { kind: 'native-transfer', amountMinor: 6n, account: payer },
      { kind: 'fee', amountMinor: 10_000n, account: payer },
    ])
    expect(intent.effects[0]).not.toHaveProperty('account')
    expect(intent.solana?.walletIndex).toBe(1)
    expect(intent.solana?.notes).toEqual([
      `Signatures of ${payer} are needed too.`,
      `The fee is paid by ${payer}.`,
    ])
  })

  it('refuses messages that do nothing but pay a fee', () => {
    expect(() => intentOf([])).toThrow(refusal('INTENT_SOLANA_MESSAGE_INVALID'))
    expect(() => intentOf([getSetComputeUnitLimitInstruction({ units: 1 })])).toThrow(
      refusal('INTENT_SOLANA_MESSAGE_INVALID'),
    )
  })

  it('an instruction of another program is an effect of its own, with its accounts', () => {
    const program = solanaAccount(0x66)
    const instruction = {
      programAddress: address(program),
      accounts: [
        { address: address(wallet), role: AccountRole.WRITABLE_SIGNER },
        { address: address(alice), role: AccountRole.WRITABLE },
      ],
      data: Uint8Array.of(1, 2),
    }
    expect(intentOf([instruction, instruction]).effects.slice(0, 2)).toEqual(
      Array(2).fill({
        kind: 'program-call',
        chain,
        program,
        instruction: undefined,
        data: '0x0102',
        accounts: [
          { address: wallet, isSigner: true, isWritable: true },
          { address: alice, isSigner: false, isWritable: true },
        ],
      }),
    )
  })

  it('memos', () => {
    const [text] = intentOf([getAddMemoInstruction({ memo: 'invoice 7' })]).effects
    expect(text).toEqual({ kind: 'memo', chain, text: 'invoice 7', memoBytes: 9 })
    const bytes = { ...getAddMemoInstruction({ memo: '' }), data: Uint8Array.of(0xff) }
    expect(intentOf([bytes]).effects[0]).toEqual({ kind: 'memo', chain, text: undefined, memoBytes: 1 })
    const withOthers = { ...bytes, accounts: [{ address: address(alice), role: AccountRole.WRITABLE }] }
    expect(intentOf([withOthers]).effects[0]).toMatchObject({ kind: 'program-call', instruction: undefined })
  })

  it('a durable nonce is named, and said not to expire', () => {
    const nonceAccount = solanaAccount(0x44)
    const advance = getAdvanceNonceAccountInstruction({
      nonceAccount: address(nonceAccount),
      nonceAuthority: signer(wallet),
    })
    const first = intentOf([advance, sol(1n)])
    expect(first.effects[0]).toMatchObject({ kind: 'program-call', instruction: 'advanceNonceAccount' })
    expect(first.solana?.durableNonceAccount).toBe(nonceAccount)
    expect(first.solana?.notes[0]).toContain('does not expire')
    // Only in the first place is it the message's nonce.
    expect(intentOf([sol(1n), advance]).solana?.durableNonceAccount).toBeUndefined()
  })
})

describe('fees', () => {
  const feeOf = (instructions: readonly Instruction[]) => {
    const fee = intentOf([...instructions, sol(1n)]).effects.at(-1)
    return fee?.kind === 'fee' ? fee.amountMinor : undefined
  }
  const limit = (units: number) => getSetComputeUnitLimitInstruction({ units })
  const price = (microLamports: bigint) => getSetComputeUnitPriceInstruction({ microLamports })

  it('limit times price, rounded up', () => {
    expect(feeOf([limit(1_000_000), price(1n)])).toBe(5_001n)
    expect(feeOf([limit(1_000_001), price(1n)])).toBe(5_002n)
    expect(feeOf([limit(0), price(1n << 60n)])).toBe(5_000n)
    expect(feeOf([limit(4_000_000_000), price(1_000_000n)])).toBe(1_405_000n)
    expect(feeOf([limit(7)])).toBe(5_000n)
    expect(feeOf([limit(1_400_000), price((1n << 64n) - 1n)])).toBe(
      5_000n + (1_400_000n * ((1n << 64n) - 1n) + 999_999n) / 1_000_000n,
    )
  })

  it('without a limit, what instructions get by default', () => {
    expect(feeOf([price(1_000_000n)])).toBe(5_000n + 203_000n)
    expect(feeOf([price(1_000_000n), ...Array.from({ length: 9 }, () => sol(1n))])).toBe(5_000n + 1_400_000n)
  })

  it('counts the signatures that precompiled programs check', () => {
    const check = {
      programAddress: address('Ed25519SigVerify111111111111111111111111111'),
      data: Uint8Array.of(3, 0),
    }
    expect(feeOf([check])).toBe(20_000n)
  })

  it('refuses budgets that the runtime refuses', () => {
    const invalid = refusal('INTENT_SOLANA_MESSAGE_INVALID')
    const raw = (...data: number[]) => ({
      programAddress: address(computeBudgetProgram),
      data: Uint8Array.from(data),
    })
    expect(() => feeOf([limit(1), limit(1)])).toThrow(invalid)
    expect(() => feeOf([price(1n), price(0n)])).toThrow(invalid)
    expect(() => feeOf([raw(2, 1, 0, 0)])).toThrow(invalid)
    expect(() => feeOf([raw(2, 1, 0, 0, 0, 0)])).toThrow(invalid)
    expect(() => feeOf([raw(0, 1, 0, 0, 0, 0, 0, 0, 0)])).toThrow(invalid)
    expect(() => feeOf([raw(5)])).toThrow(invalid)
    expect(() => feeOf([raw()])).toThrow(invalid)
    expect(feeOf([getSetLoadedAccountsDataSizeLimitInstruction({ accountDataSizeLimit: 9 })])).toBe(5_000n)
  })
})

describe('lookup tables', () => {
  const table = solanaAccount(0x55)
  const addresses = [solanaAccount(0x10), alice, solanaAccount(0x12)]
  const tables = { [address(table)]: addresses.map((one) => address(one)) }
  const message = kitMessage([sol(5n)], { tables })
  const open = (lookupTables?: SolanaTransactionInput['lookupTables']) =>
    solanaTransactionIntent({ message, chain, wallet, ...(lookupTables ? { lookupTables } : {}) })

  it('resolves from what the request carries, and names each table as an effect', () => {
    const { effects, solana } = open([{ table, addresses }])
    expect(effects).toMatchObject([
      {
        kind: 'program-call',
        program: 'AddressLookupTab1e1111111111111111111111111',
        instruction: 'useLookupTable',
        accounts: [{ address: table }],
      },
      { kind: 'native-transfer', recipient: alice, amountMinor: 5n },
      { kind: 'fee' },
    ])
    expect(solana?.lookupTables).toEqual([table])
    // Another claim on what the table holds is another effect.
    const other = open([{ table, addresses: [addresses[0]!, solanaAccount(0xbb), addresses[2]!] }])
    expect(other.effects[0]).not.toEqual(effects[0])
    expect(other.effects[1]).toMatchObject({ recipient: solanaAccount(0xbb) })
  })

  it('refuses what is not resolved', () => {
    const unresolved = refusal('INTENT_SOLANA_LOOKUP_UNRESOLVED')
    expect(() => open()).toThrow(unresolved)
    expect(() => open([{ table: alice, addresses }])).toThrow(unresolved)
    expect(() => open([{ table, addresses: addresses.slice(0, 1) }])).toThrow(unresolved)
    expect(() =>
      open([
        { table, addresses },
        { table, addresses },
      ]),
    ).toThrow(unresolved)
    expect(() => open([{ table, addresses: Array(257).fill(alice) }])).toThrow(unresolved)
    expect(() => open([{ table, addresses: ['x' as SolanaAddress, alice] }])).toThrow(
      refusal('BYTES_NOT_AN_ADDRESS'),
    )
  })

  it('refuses an account that the message has already', () => {
    expect(() => open([{ table, addresses: [alice, wallet] }])).toThrow(
      refusal('INTENT_SOLANA_MESSAGE_INVALID'),
    )
  })
})

describe('whose a token account is', () => {
  const own = associatedTokenAddress(wallet, mint, tokenProgram)
  const alices = associatedTokenAddress(alice, mint, tokenProgram)
  const transfer = (source: SolanaAddress, destination: SolanaAddress, programAddress = tokenProgram) =>
    getTransferCheckedInstruction(
      {
        source: address(source),
        mint: address(mint),
        destination: address(destination),
        authority: signer(wallet),
        amount: 9n,
        decimals: 6,
      },
      { programAddress: address(programAddress) },
    )
  const token = {
    kind: 'token-transfer',
    contract: mint,
    assets: [`${chain}/token:${mint}`],
    amountMinor: 9n,
  }

  it('derives associated accounts as @solana/kit does', async () => {
    for (let i = 0; i < 40; i++) {
      const [owner, of] = [solanaAccount(i), solanaAccount(255 - i)]
      const program = i % 2 === 0 ? tokenProgram : token2022Program
      const [theirs] = await findAssociatedTokenPda({
        owner: address(owner),
        mint: address(of),
        tokenProgram: address(program),
      })
      expect(associatedTokenAddress(owner, of, program)).toBe(theirs)
      expect(isOnCurve(new Uint8Array(getAddressEncoder().encode(theirs)))).toBe(false)
    }
    expect(isOnCurve(ed25519.getPublicKey(new Uint8Array(32).fill(7)))).toBe(true)
  })

  it('without proof, the token account', () => {
    expect(intentOf([transfer(own, alices)]).effects[0]).toMatchObject({
      ...token,
      from: undefined,
      recipient: alices,
    })
    const [unknown] = intentOf([transfer(alices, own)]).effects
    expect(unknown).toMatchObject({ ...token, from: alices, recipient: wallet })
  })

  it('by an account that the same message creates', () => {
    const create = getCreateAssociatedTokenIdempotentInstruction({
      payer: signer(wallet),
      ata: address(alices),
      owner: address(alice),
      mint: address(mint),
    })
    const [created, moved] = intentOf([create, transfer(own, alices)]).effects
    expect(created).toEqual({
      kind: 'account-creation',
      chain,
      address: alices,
      program: tokenProgram,
      amountMinor: undefined,
      owner: alice,
      mint,
    })
    expect(moved).toMatchObject({ ...token, from: undefined, recipient: alice })
    // An instruction that says so of an address that does not derive proves nothing.
    const lie = {
      ...create,
      accounts: create.accounts.with(2, { ...create.accounts[2], address: address(wallet) }),
    }
    const [refused, stays] = intentOf([lie as Instruction, transfer(own, alices)]).effects
    expect(refused).toMatchObject({ kind: 'program-call', instruction: undefined })
    expect(stays).toMatchObject({ recipient: alices })
  })

  it('by a hint in the request, which is derived again', () => {
    const hinted = (tokenAccounts: SolanaTransactionInput['tokenAccounts']) =>
      intentOf([transfer(own, alices)], { tokenAccounts: tokenAccounts ?? [] }).effects[0]
    expect(hinted([{ owner: alice, mint }])).toMatchObject({ recipient: alice })
    expect(hinted([{ owner: solanaAccount(0xbb), mint }])).toMatchObject({ recipient: alices })
    expect(hinted([{ owner: alice, mint: solanaAccount(0x34) }])).toMatchObject({ recipient: alices })
    expect(hinted([{ owner: alice, mint, tokenProgram: token2022Program }])).toMatchObject({
      recipient: alices,
    })
    const bad = refusal('INTENT_SOLANA_TOKEN_ACCOUNT_INVALID')
    expect(() => hinted([{ owner: alice, mint, tokenProgram: systemProgram }])).toThrow(bad)
    expect(() => hinted(Array(65).fill({ owner: alice, mint }))).toThrow(bad)
    expect(() => hinted([{ owner: 'x' as SolanaAddress, mint }])).toThrow(refusal('BYTES_NOT_AN_ADDRESS'))
  })

  it('an account of another mint is not said to be its owner’s for this one', () => {
    const otherMint = solanaAccount(0x34)
    const other = associatedTokenAddress(alice, otherMint, tokenProgram)
    const hints = { tokenAccounts: [{ owner: alice, mint: otherMint }] }
    expect(intentOf([transfer(own, other)], hints).effects[0]).toMatchObject({ recipient: other })
  })

  it('an account of one token program says nothing on the other', () => {
    expect(intentOf([transfer(own, alices, token2022Program)]).effects[0]).toMatchObject({ from: own })
    const hint = { tokenAccounts: [{ owner: alice, mint }] }
    expect(intentOf([transfer(own, alices, token2022Program)], hint).effects[0]).toMatchObject({
      recipient: alices,
    })
  })

  it('a plain transfer has an asset only where the source proves it', () => {
    const plain = getTransferInstruction({
      source: address(own),
      destination: address(alices),
      authority: signer(wallet),
      amount: 9n,
    })
    expect(intentOf([plain]).effects[0]).toMatchObject({ kind: 'program-call', instruction: 'transfer' })
    const proven = intentOf([plain], { tokenAccounts: [{ owner: wallet, mint }] }).effects[0]
    expect(proven).toMatchObject({ ...token, from: undefined, recipient: alices })
    // The destination's mint is not proof enough of the source's.
    const other = intentOf([plain], { tokenAccounts: [{ owner: alice, mint }] }).effects[0]
    expect(other).toMatchObject({ kind: 'program-call', instruction: 'transfer' })
  })

  it('what others sign for is theirs', () => {
    const bob = solanaAccount(0xbb)
    const { programAddress, data } = transfer(alices, own)
    const instruction = {
      programAddress,
      data,
      accounts: [
        { address: address(associatedTokenAddress(bob, mint, tokenProgram)), role: AccountRole.WRITABLE },
        { address: address(mint), role: AccountRole.READONLY },
        { address: address(alices), role: AccountRole.WRITABLE },
        { address: address(bob), role: AccountRole.READONLY_SIGNER },
      ],
    }
    expect(intentOf([instruction], { tokenAccounts: [{ owner: bob, mint }] }).effects[0]).toMatchObject({
      ...token,
      account: bob,
      from: undefined,
    })
  })
})

describe('serializeSolanaTransaction', () => {
  it('puts signatures in the places of their signers, as @solana/kit reads them', () => {
    const secret = new Uint8Array(32).fill(3)
    const own = encodeSolanaAddress(ed25519.getPublicKey(secret))
    const payer = solanaAccount(0x77)
    const message = kitMessage([sol(5n, alice, own)], { feePayer: payer })
    const intent = solanaTransactionIntent({ message, chain, wallet: own })
    const signature = ed25519.sign(intent.toSign, secret)
    const wire = serializeSolanaTransaction(intent.toSign, [{ signer: own, signature }])
    const decoded = getTransactionDecoder().decode(wire)
    expect(new Uint8Array(decoded.messageBytes)).toEqual(message)
    expect(decoded.signatures).toEqual({ [payer]: null, [own]: signature })
  })

  it('refuses signatures of others, doubled, or of another length', () => {
    const message = kitMessage([sol(5n)])
    const signature = new Uint8Array(64)
    const one = { signer: wallet, signature }
    expect(() => serializeSolanaTransaction(message, [{ signer: alice, signature }])).toThrow(
      refusal('INTENT_SOLANA_NOT_A_SIGNER'),
    )
    const bad = refusal('INTENT_SIGNATURE_INVALID')
    expect(() => serializeSolanaTransaction(message, [one, one])).toThrow(bad)
    expect(() => serializeSolanaTransaction(message, [{ ...one, signature: signature.slice(1) }])).toThrow(
      bad,
    )
  })
})

describe('messages that are no transactions', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)

  it('signs text as it is', () => {
    const intent = solanaTextIntent(bytes('Sign in'))
    expect(intent).toMatchObject({ operation: 'sign-message', toSign: bytes('Sign in') })
    expect(intent.effects).toEqual([
      { kind: 'message', text: 'Sign in', messageBytes: 7, messageHash: encodeHex(sha256(bytes('Sign in'))) },
    ])
  })

  it('refuses transactions, whichever way they come', () => {
    for (const version of ['legacy', 0] as const) {
      const message = kitMessage([sol(5n)], { version })
      const code = refusal('INTENT_MESSAGE_IS_TRANSACTION')
      expect(() => solanaTextIntent(message)).toThrow(code)
      expect(() => solanaRawIntent(message)).toThrow(code)
    }
    expect(() => solanaRawIntent(Uint8Array.of(0x81))).toThrow(refusal('INTENT_MESSAGE_IS_TRANSACTION'))
  })

  it('other bytes are raw, or nothing', () => {
    expect(() => solanaTextIntent(Uint8Array.of(0xff))).toThrow(refusal('INTENT_MESSAGE_INVALID'))
    expect(() => solanaTextIntent(bytes(''))).toThrow(refusal('INTENT_MESSAGE_INVALID'))
    expect(() => solanaTextIntent(bytes('x'.repeat(65_537)))).toThrow(refusal('INTENT_TOO_LARGE'))
    expect(solanaRawIntent(Uint8Array.of(0xff)).effects).toMatchObject([{ kind: 'raw-message' }])
  })
})
