import { concatBytes } from '@countersign/bytes'
import { AccountRole, address } from '@solana/kit'
import { describe, expect, it } from 'vitest'
import { kitMessage, solanaAccount, wallet } from '../../testing/solana-messages.ts'
import { systemProgram } from './programs.ts'
import {
  couldBeSolanaMessage,
  decodeSolanaMessage,
  encodeSolanaMessage,
  type SolanaMessage,
} from './solana-message.ts'

const bytesOf = (byte: number) => new Uint8Array(32).fill(byte)

/** One instruction of program 0x22… on accounts 0 and 1. */
const plain: SolanaMessage = {
  version: 'legacy',
  requiredSignatures: 1,
  readonlySigned: 0,
  readonlyUnsigned: 1,
  staticAccounts: [bytesOf(1), bytesOf(0x11), bytesOf(0x22)],
  blockhash: bytesOf(9),
  instructions: [{ programIndex: 2, accountIndexes: Uint8Array.of(0, 1), data: Uint8Array.of(7) }],
  lookups: [],
}
const withLookup: SolanaMessage = {
  ...plain,
  version: 0,
  lookups: [{ table: bytesOf(5), writableIndexes: Uint8Array.of(0), readonlyIndexes: Uint8Array.of(3, 4) }],
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'taken'
}
const verdict = (message: SolanaMessage) => codeOf(() => decodeSolanaMessage(encodeSolanaMessage(message)))
const refused = 'INTENT_SOLANA_MESSAGE_INVALID'

describe('decodeSolanaMessage', () => {
  it('takes both versions and gives back what was encoded', () => {
    for (const message of [plain, withLookup, { ...plain, version: 0 as const }]) {
      expect(decodeSolanaMessage(encodeSolanaMessage(message))).toEqual(message)
    }
  })

  it('refuses every cut and every byte after the end', () => {
    for (const message of [plain, withLookup]) {
      const bytes = encodeSolanaMessage(message)
      for (let end = 0; end < bytes.length; end++) {
        expect(codeOf(() => decodeSolanaMessage(bytes.subarray(0, end)))).toBe(refused)
      }
      expect(codeOf(() => decodeSolanaMessage(concatBytes(bytes, Uint8Array.of(0))))).toBe(refused)
    }
  })

  it('refuses lengths in more bytes than needed, and over 65535', () => {
    const bytes = encodeSolanaMessage(plain)
    const count = bytes[3]!
    expect(count).toBe(3)
    const withCount = (...length: number[]) =>
      codeOf(() =>
        decodeSolanaMessage(concatBytes(bytes.subarray(0, 3), Uint8Array.from(length), bytes.subarray(4))),
      )
    expect(withCount(3)).toBe('taken')
    expect(withCount(0x83, 0)).toBe(refused)
    expect(withCount(0x83, 0x80, 0)).toBe(refused)
    expect(withCount(0x83, 0x80, 0x04)).toBe(refused)
    expect(withCount(0x83, 0x80, 0x80, 0)).toBe(refused)
    expect(withCount(0xff, 0xff, 0xff)).toBe(refused)
  })

  it('refuses an account or a table that stands twice', () => {
    expect(verdict({ ...plain, staticAccounts: [bytesOf(1), bytesOf(1), bytesOf(2)] })).toBe(refused)
    expect(verdict({ ...withLookup, lookups: [...withLookup.lookups, ...withLookup.lookups] })).toBe(refused)
  })

  it('refuses headers that no validator takes', () => {
    expect(verdict({ ...plain, requiredSignatures: 0 })).toBe(refused)
    expect(verdict({ ...plain, readonlySigned: 1 })).toBe(refused)
    expect(verdict({ ...plain, readonlyUnsigned: 2 })).toBe('taken')
    expect(verdict({ ...plain, readonlyUnsigned: 3 })).toBe(refused)
    expect(verdict({ ...plain, requiredSignatures: 3 })).toBe(refused)
  })

  it('refuses programs and accounts that are not there', () => {
    const change = (change: object) =>
      verdict({ ...plain, instructions: [{ ...plain.instructions[0]!, ...change }] })
    expect(change({ programIndex: 0 })).toBe(refused)
    expect(change({ programIndex: 3 })).toBe(refused)
    expect(change({ accountIndexes: Uint8Array.of(2) })).toBe('taken')
    expect(change({ accountIndexes: Uint8Array.of(3) })).toBe(refused)
    // Three of its own, three from the table; the program may only be its own.
    const looked = (change: object) =>
      verdict({ ...withLookup, instructions: [{ ...plain.instructions[0]!, ...change }] })
    expect(looked({ accountIndexes: Uint8Array.of(5) })).toBe('taken')
    expect(looked({ accountIndexes: Uint8Array.of(6) })).toBe(refused)
    expect(looked({ programIndex: 3 })).toBe(refused)
  })

  it('refuses empty lookups and more than 256 accounts', () => {
    const none = { table: bytesOf(5), writableIndexes: new Uint8Array(0), readonlyIndexes: new Uint8Array(0) }
    expect(verdict({ ...withLookup, lookups: [none] })).toBe(refused)
    const many = (count: number) =>
      verdict({
        ...withLookup,
        lookups: [{ ...none, readonlyIndexes: Uint8Array.from({ length: count }, (_, i) => i) }],
      })
    expect(many(253)).toBe('taken')
    expect(many(254)).toBe(refused)
  })

  it('refuses other versions and what is over a packet', () => {
    const bytes = encodeSolanaMessage(withLookup)
    for (const first of [0x81, 0x82, 0xff]) {
      const other = bytes.slice()
      other[0] = first
      expect(codeOf(() => decodeSolanaMessage(other))).toBe('INTENT_TRANSACTION_TYPE_UNKNOWN')
    }
    const withData = (count: number) =>
      verdict({ ...plain, instructions: [{ ...plain.instructions[0]!, data: new Uint8Array(count) }] })
    // 1 + 64 for the signature, 3 + 1 + 96 + 32 + 1 + 1 + 1 + 2 + 2 before the data.
    expect(withData(1232 - 65 - 139)).toBe('taken')
    expect(withData(1232 - 65 - 138)).toBe('INTENT_TOO_LARGE')
  })

  it('does not follow the caller into its buffer', () => {
    const bytes = encodeSolanaMessage(plain)
    const decoded = decodeSolanaMessage(bytes)
    bytes.fill(0xee)
    expect(decoded).toEqual(plain)
  })
})

describe('couldBeSolanaMessage', () => {
  it('holds for what is decoded, and for what is only near it', () => {
    for (const message of [plain, withLookup]) {
      const bytes = encodeSolanaMessage(message)
      expect(couldBeSolanaMessage(bytes)).toBe(true)
      expect(couldBeSolanaMessage(concatBytes(bytes, Uint8Array.of(0)))).toBe(true)
    }
    expect(couldBeSolanaMessage(encodeSolanaMessage({ ...plain, requiredSignatures: 3 }))).toBe(true)
    // A version that is not decoded here is a transaction all the same.
    expect(couldBeSolanaMessage(Uint8Array.of(0x81, 1, 2, 3))).toBe(true)
  })

  it('does not hold for text, however long, nor for off-chain messages', () => {
    const text = new TextEncoder()
    expect(couldBeSolanaMessage(text.encode('Sign in to example.com'))).toBe(false)
    expect(couldBeSolanaMessage(text.encode('!!! '.repeat(10_000)))).toBe(false)
    expect(couldBeSolanaMessage(text.encode('\t\t\t '.repeat(10_000)))).toBe(false)
    expect(couldBeSolanaMessage(text.encode('é is no version'))).toBe(false)
    expect(couldBeSolanaMessage(text.encode(''))).toBe(false)
    expect(couldBeSolanaMessage(concatBytes(Uint8Array.of(0xff), text.encode('solana offchain')))).toBe(false)
  })
})

describe('against @solana/kit', () => {
  it('reads what it compiles', () => {
    const instruction = {
      programAddress: address(systemProgram),
      accounts: [{ address: address(solanaAccount(4)), role: AccountRole.READONLY_SIGNER }],
      data: Uint8Array.of(1, 2),
    }
    const decoded = decodeSolanaMessage(kitMessage([instruction], { version: 'legacy' }))
    expect(decoded).toMatchObject({ requiredSignatures: 2, readonlySigned: 1, readonlyUnsigned: 1 })
    expect(wallet).toBe(solanaAccount(1))
  })
})
