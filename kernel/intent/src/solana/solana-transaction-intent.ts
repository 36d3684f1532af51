import {
  type ChainId,
  concatBytes,
  decodeSolanaAddress,
  encodeHex,
  encodeSolanaAddress,
  parseSolanaAddress,
  type SolanaAddress,
  sha256,
} from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import type { Intent } from '../intent.ts'
import type { ProgramCall } from '../solana-effect.ts'
import { associatedAccountOf } from './associated-token-program.ts'
import type {
  InstructionAccount,
  InstructionContext,
  SolanaInstruction,
  TokenAccountOwner,
} from './instruction.ts'
import { associatedTokenAddress } from './program-address.ts'
import { lookupTableProgram, systemProgram, token2022Program, tokenProgram } from './programs.ts'
import { effectsOfInstructions } from './solana-effects.ts'
import { solanaFee } from './solana-fee.ts'
import { decodeSolanaMessage, encodeSolanaMessage, type SolanaMessage } from './solana-message.ts'
import type { SolanaTransaction } from './solana-transaction.ts'
import { durableNonceAccount } from './system-program.ts'

/** As many as a table holds on chain. */
export const lookupTableAddressesMax = 256
export const tokenAccountHintsMax = 64

export interface SolanaTransactionInput {
  /** The message of a transaction, as it is signed: without signatures. */
  readonly message: Uint8Array
  /**
   * The cluster, from the wallet's own record. A message names none, and the same key signs on every one: with the
   * cluster from the request, a rule for a test network would cover messages of the main one. */
  readonly chain: ChainId
  readonly wallet: SolanaAddress
  /** From the signed request: the tables that the message uses, each with its addresses in their order on chain. */
  readonly lookupTables?: readonly LookupTable[]
  /**
   * From the signed request: whose the associated token accounts in the message are. Each is checked by deriving the
   * address, so a wrong one only matches nothing. */
  readonly tokenAccounts?: readonly TokenAccountHint[]
}

export interface LookupTable {
  readonly table: SolanaAddress
  readonly addresses: readonly SolanaAddress[]
}

export interface TokenAccountHint extends TokenAccountOwner {
  /** SPL Token where absent. */
  readonly tokenProgram?: SolanaAddress
}

/**
 * What a signature over a Solana message can do: every instruction as effects of its own, the fee last.
 *
 * The content of lookup tables is the caller's word: no message proves it. So each table yields a program-call
 * `useLookupTable` before the rest, with the hash of what the table is said to hold, and a policy permits messages
 * with tables only if one of its rules names that effect.
 *
 * That an associated token account belongs to its owner is proven by its address alone, with one exception: an owner
 * can give such an account away (SPL Token's setAuthority). Only the owner can, so tokens for an owner whom a policy
 * lists reach whomever that owner chose.
 * @throws {CountersignError} INTENT_SOLANA_*, INTENT_TRANSACTION_TYPE_UNKNOWN, INTENT_TOO_LARGE, BYTES_NOT_AN_ADDRESS */
export function solanaTransactionIntent(input: SolanaTransactionInput): Intent {
  const { chain, wallet } = input
  const message = decodeSolanaMessage(input.message)
  const toSign = encodeSolanaMessage(message)
  const signers = message.staticAccounts.slice(0, message.requiredSignatures).map(encodeSolanaAddress)
  const walletIndex = signers.indexOf(wallet)
  if (walletIndex < 0) {
    throw intentError(
      'INTENT_SOLANA_NOT_A_SIGNER',
      `The wallet ${wallet} is not among the ${signers.length} signers of the message.`,
    )
  }
  const tables = resolveTables(message, input.lookupTables ?? [])
  const accounts = resolveAccounts(message, tables)
  const instructions = message.instructions.map((instruction): SolanaInstruction => {
    const at = (index: number) => accounts[index] as InstructionAccount
    return {
      program: at(instruction.programIndex).address,
      accounts: Array.from(instruction.accountIndexes, at),
      data: instruction.data,
    }
  })
  const context = contextOf(input, instructions)
  const feePayer = signers[0] as SolanaAddress
  const { requiredSignatures } = message
  const effects = [
    ...tables.map((table) => useOfTable(table, chain)),
    ...effectsOfInstructions(instructions, context),
    solanaFee({ instructions, requiredSignatures, feePayer, wallet, chain }),
  ]
  const first = instructions[0]
  const transaction: Omit<SolanaTransaction, 'notes'> = {
    version: message.version,
    feePayer,
    signers,
    walletIndex,
    blockhash: encodeSolanaAddress(message.blockhash),
    durableNonceAccount: first?.program === systemProgram ? durableNonceAccount(first) : undefined,
    lookupTables: tables.map(({ table }) => table),
  }
  return {
    operation: 'sign-transaction',
    chain,
    effects,
    toSign,
    payloadDigest: encodeHex(sha256(toSign)),
    solana: { ...transaction, notes: notesOf(transaction) },
  }
}

/** The tables that the message uses, in its order. */
function resolveTables(message: SolanaMessage, given: readonly LookupTable[]): LookupTable[] {
  const byTable = new Map<string, LookupTable>()
  for (const { table, addresses } of given) {
    if (byTable.has(table)) throw unresolved(`the table ${table} is given twice`)
    if (addresses.length > lookupTableAddressesMax) throw unresolved(`the table ${table} is too long`)
    const parsed = addresses.map((address) => parseSolanaAddress(address, 'an address of a table'))
    byTable.set(table, { table: parseSolanaAddress(table, 'a lookup table'), addresses: parsed })
  }
  return message.lookups.map((lookup) => {
    const address = encodeSolanaAddress(lookup.table)
    const table = byTable.get(address)
    if (table === undefined) throw unresolved(`the content of the table ${address} is not in the request`)
    return table
  })
}

/** Every account that instructions can name: the message's own, then the writable ones of tables, then the rest. */
function resolveAccounts(message: SolanaMessage, tables: readonly LookupTable[]): InstructionAccount[] {
  const { requiredSignatures, readonlySigned, readonlyUnsigned, staticAccounts, lookups } = message
  const own = staticAccounts.map((bytes, i) => {
    const isSigner = i < requiredSignatures
    const isWritable = isSigner
      ? i < requiredSignatures - readonlySigned
      : i < staticAccounts.length - readonlyUnsigned
    return { address: encodeSolanaAddress(bytes), isSigner, isWritable }
  })
  const looked = (indexes: 'writableIndexes' | 'readonlyIndexes') =>
    lookups.flatMap((lookup, i) =>
      Array.from(lookup[indexes], (index) => {
        const table = tables[i]
        const address = table?.addresses[index]
        if (address === undefined)
          throw unresolved(`the table ${table?.table} is given without its ${index}th`)
        return { address, isSigner: false, isWritable: indexes === 'writableIndexes' }
      }),
    )
  const accounts = [...own, ...looked('writableIndexes'), ...looked('readonlyIndexes')]
  // The runtime refuses an account that is loaded twice.
  if (new Set(accounts.map(({ address }) => address)).size !== accounts.length) {
    throw intentError(
      'INTENT_SOLANA_MESSAGE_INVALID',
      'The Solana message takes an account from a table that it has already.',
    )
  }
  return accounts
}

function useOfTable({ table, addresses }: LookupTable, chain: ChainId): ProgramCall {
  return {
    kind: 'program-call',
    chain,
    program: lookupTableProgram,
    instruction: 'useLookupTable',
    data: encodeHex(sha256(concatBytes(...addresses.map(decodeSolanaAddress)))),
    accounts: [{ address: table, isSigner: false, isWritable: false }],
  }
}

function contextOf(
  { chain, wallet, tokenAccounts = [] }: SolanaTransactionInput,
  instructions: readonly SolanaInstruction[],
): InstructionContext {
  if (tokenAccounts.length > tokenAccountHintsMax) {
    throw badHint(`there are ${tokenAccounts.length}; ${tokenAccountHintsMax} are allowed`)
  }
  const known = new Map<string, TokenAccountOwner>()
  const learn = (owner: SolanaAddress, mint: SolanaAddress, program: SolanaAddress) => {
    known.set(`${associatedTokenAddress(owner, mint, program)} ${program}`, { owner, mint })
  }
  for (const hint of tokenAccounts) {
    const program = hint.tokenProgram ?? tokenProgram
    if (program !== tokenProgram && program !== token2022Program) {
      throw badHint(`${program} is no token program`)
    }
    learn(parseSolanaAddress(hint.owner, 'owner'), parseSolanaAddress(hint.mint, 'mint'), program)
  }
  const createdBy = new Map(instructions.map((one) => [one, associatedAccountOf(one)]))
  for (const created of createdBy.values()) {
    if (created === undefined) continue
    const { owner, mint } = created
    known.set(`${created.address} ${created.tokenProgram}`, { owner, mint })
  }
  const ownLearned = new Set<string>()
  return {
    chain,
    wallet,
    tokenAccount(account, program, mint) {
      if (mint !== undefined && !ownLearned.has(`${mint} ${program}`)) {
        ownLearned.add(`${mint} ${program}`)
        learn(wallet, mint, program)
      }
      return known.get(`${account} ${program}`)
    },
    associatedAccount: (instruction) => createdBy.get(instruction),
  }
}

function notesOf({
  signers,
  walletIndex,
  feePayer,
  durableNonceAccount: nonceAccount,
  lookupTables,
}: Omit<SolanaTransaction, 'notes'>): string[] {
  const others = signers.filter((_, i) => i !== walletIndex)
  return [
    ...(others.length > 0 ? [`Signatures of ${others.join(', ')} are needed too.`] : []),
    ...(walletIndex === 0 ? [] : [`The fee is paid by ${feePayer}.`]),
    ...(nonceAccount === undefined
      ? []
      : [`The signature does not expire: it stands on the durable nonce of ${nonceAccount}.`]),
    ...lookupTables.map((table) => `What the lookup table ${table} holds is the caller's word.`),
  ]
}

function unresolved(what: string) {
  return intentError('INTENT_SOLANA_LOOKUP_UNRESOLVED', `The accounts of the message are not known: ${what}.`)
}

function badHint(what: string) {
  return intentError('INTENT_SOLANA_TOKEN_ACCOUNT_INVALID', `The token account hints are refused: ${what}.`)
}
