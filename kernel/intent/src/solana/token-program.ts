import type { SolanaAddress } from '@countersign/bytes'
import type { Effect, TokenApproval, TokenTransfer } from '../effect.ts'
import type { AccountCreation, TokenAuthority } from '../solana-effect.ts'
import {
  actingAs,
  type InstructionContext,
  type InstructionDecoder,
  lamportsMax,
  lamportsOut,
  mintAsset,
  programCall,
  type SolanaInstruction,
} from './instruction.ts'
import { type FieldName, readFields } from './instruction-data.ts'
import { token2022Program, tokenProgram } from './programs.ts'

/**
 * Instructions of SPL Token (also as p-token) and those that Token-2022 has in common with it. Where more happens
 * than tokens moving from one account to another, a program-call with the instruction's name stands beside the rest.
 * @see spl-token-interface, TokenInstruction */
export const decodeTokenInstruction: InstructionDecoder = (instruction, context) => {
  const number = instruction.data[0]
  if (number === undefined) return undefined
  if (number === batchNumber && instruction.program === tokenProgram) {
    return decodeBatch(instruction, context)
  }
  const form = plainForms[number]
  if (form !== undefined) {
    const [name, layout, accounts] = form
    if (instruction.accounts.length < accounts || readFields(instruction.data, 1, layout) === undefined) {
      return undefined
    }
    return [programCall(instruction, context, name)]
  }
  return decodeMove(number, instruction, context) ?? decodePower(number, instruction, context)
}

/** Instructions that move nothing by themselves: name, data, least number of accounts. */
const plainForms: Readonly<Record<number, readonly [string, readonly FieldName[], number]>> = {
  0: ['initializeMint', ['u8', 'address', 'addressOption'], 1],
  2: ['initializeMultisig', ['u8'], 1],
  4: ['approve', ['u64'], 3],
  5: ['revoke', [], 2],
  10: ['freezeAccount', [], 3],
  11: ['thawAccount', [], 3],
  17: ['syncNative', [], 1],
  19: ['initializeMultisig2', ['u8'], 1],
  20: ['initializeMint2', ['u8', 'address', 'addressOption'], 1],
  22: ['initializeImmutableOwner', [], 1],
}

function decodeMove(
  number: number,
  instruction: SolanaInstruction,
  context: InstructionContext,
): readonly Effect[] | undefined {
  const { data } = instruction
  const [first, second, third, fourth] = instruction.accounts.map(({ address }) => address)
  if (first === undefined || second === undefined || third === undefined) return undefined
  switch (number) {
    case 3: {
      // The mint is not in the bytes. Only where the source's address proves it is the asset known.
      const fields = readFields(data, 1, ['u64'])
      if (fields === undefined) return undefined
      const mint = context.tokenAccount(first, instruction.program, undefined)?.mint
      if (mint === undefined) return [programCall(instruction, context, 'transfer')]
      const move = { mint, source: first, destination: second, authority: third, amountMinor: fields[0] }
      return [tokenTransfer(instruction, context, move), ...hookCall(instruction, context, 3)]
    }
    case 12: {
      const fields = readFields(data, 1, ['u64', 'u8'])
      if (fields === undefined || fourth === undefined) return undefined
      const move = {
        source: first,
        mint: second,
        destination: third,
        authority: fourth,
        amountMinor: fields[0],
      }
      return [tokenTransfer(instruction, context, move), ...hookCall(instruction, context, 4)]
    }
    case 7:
    case 14: {
      const fields = number === 7 ? readFields(data, 1, ['u64']) : readFields(data, 1, ['u64', 'u8'])
      if (fields === undefined) return undefined
      const move = {
        mint: first,
        source: first,
        destination: second,
        authority: third,
        amountMinor: fields[0],
      }
      return [
        programCall(instruction, context, number === 7 ? 'mintTo' : 'mintToChecked'),
        tokenTransfer(instruction, context, move),
      ]
    }
    case 8:
    case 15: {
      const fields = number === 8 ? readFields(data, 1, ['u64']) : readFields(data, 1, ['u64', 'u8'])
      if (fields === undefined) return undefined
      const move = {
        mint: second,
        source: first,
        destination: second,
        authority: third,
        amountMinor: fields[0],
      }
      return [
        programCall(instruction, context, number === 8 ? 'burn' : 'burnChecked'),
        tokenTransfer(instruction, context, move),
      ]
    }
    default:
      return decodeLamports(number, instruction, context)
  }
}

/** Instructions that take lamports out of a token account or a mint. */
function decodeLamports(
  number: number,
  instruction: SolanaInstruction,
  context: InstructionContext,
): readonly Effect[] | undefined {
  const [from, to] = instruction.accounts.map(({ address }) => address)
  if (from === undefined || to === undefined || instruction.accounts.length < 3) return undefined
  if (number === 9 || number === 38) {
    if (readFields(instruction.data, 1, []) === undefined) return undefined
    return [
      programCall(instruction, context, number === 9 ? 'closeAccount' : 'withdrawExcessLamports'),
      ...lamportsOut(context, { from, to, amountMinor: lamportsMax }),
    ]
  }
  if (number !== 45) return undefined
  const fields = readFields(instruction.data, 1, ['u64Option'])
  if (fields === undefined) return undefined
  return [
    programCall(instruction, context, 'unwrapLamports'),
    ...lamportsOut(context, { from, to, amountMinor: fields[0] ?? lamportsMax }),
  ]
}

const authorityNames = [
  'mintTokens',
  'freezeAccount',
  'accountOwner',
  'closeAccount',
  'transferFeeConfig',
  'withheldWithdraw',
  'closeMint',
  'interestRate',
  'permanentDelegate',
  'confidentialTransferMint',
  'transferHookProgramId',
  'confidentialTransferFeeConfig',
  'metadataPointer',
  'groupPointer',
  'groupMemberPointer',
  'scaledUiAmount',
  'pause',
]

/** Approvals, authorities, and accounts that get an owner. */
function decodePower(
  number: number,
  instruction: SolanaInstruction,
  context: InstructionContext,
): readonly Effect[] | undefined {
  const { data, program } = instruction
  const [first, second, third, fourth] = instruction.accounts.map(({ address }) => address)
  if (first === undefined || second === undefined) return undefined
  switch (number) {
    case 1:
      if (readFields(data, 1, []) === undefined || third === undefined) return undefined
      return [ownedAccount(context, { program, address: first, mint: second, owner: third })]
    case 16:
    case 18: {
      const fields = readFields(data, 1, ['address'])
      if (fields === undefined) return undefined
      return [ownedAccount(context, { program, address: first, mint: second, owner: fields[0] })]
    }
    case 6: {
      const fields = readFields(data, 1, ['u8', 'addressOption'])
      if (fields === undefined) return undefined
      const [type, newAuthority] = fields
      const effect: TokenAuthority = {
        kind: 'token-authority',
        ...actingAs(second, context),
        chain: context.chain,
        address: first,
        authority: authorityNames[type] ?? `authority ${type}`,
        newAuthority,
      }
      return [effect]
    }
    case 13: {
      const fields = readFields(data, 1, ['u64', 'u8'])
      if (fields === undefined || third === undefined || fourth === undefined) return undefined
      const effect: TokenApproval = {
        kind: 'approval',
        ...actingAs(fourth, context),
        by: 'transaction',
        chain: context.chain,
        contract: second,
        assets: [mintAsset(context.chain, second)],
        spender: third,
        amountMinor: fields[0],
        mode: 'set',
        expiresAtS: undefined,
        selector: undefined,
      }
      return [effect]
    }
    default:
      return undefined
  }
}

interface TokenMove {
  readonly mint: SolanaAddress
  readonly source: SolanaAddress
  readonly destination: SolanaAddress
  readonly authority: SolanaAddress
  readonly amountMinor: bigint
}

/**
 * `from` is undefined where the source is proven to be the acting account's own; the recipient is the owner where the
 * destination's address proves who that is, else the token account. What is minted comes from the mint, and what is
 * burned goes to it. */
export function tokenTransfer(
  { program }: SolanaInstruction,
  context: InstructionContext,
  { mint, source, destination, authority, amountMinor }: TokenMove,
): TokenTransfer {
  const ownerOf = (account: SolanaAddress): SolanaAddress => {
    const known = context.tokenAccount(account, program, mint)
    return known?.mint === mint ? known.owner : account
  }
  const from = ownerOf(source)
  return {
    kind: 'token-transfer',
    ...actingAs(authority, context),
    chain: context.chain,
    contract: mint,
    assets: [mintAsset(context.chain, mint)],
    from: from === authority ? undefined : from,
    recipient: ownerOf(destination),
    amountMinor,
    selector: undefined,
  }
}

/**
 * Token-2022 hands a mint's transfer hook what accounts follow the authority; a hook can only run if its program is
 * among them. Signers are those of a multisignature authority, and a program does not sign.
 * @see spl-transfer-hook-interface */
export function hookCall(
  instruction: SolanaInstruction,
  context: InstructionContext,
  accounts: number,
): readonly Effect[] {
  if (instruction.program !== token2022Program) return []
  const more = instruction.accounts.slice(accounts)
  if (more.every(({ isSigner }) => isSigner)) return []
  return [programCall({ ...instruction, accounts: more }, context, 'transferHook')]
}

function ownedAccount(
  { chain }: InstructionContext,
  account: { address: SolanaAddress; program: SolanaAddress; owner: SolanaAddress; mint: SolanaAddress },
): AccountCreation {
  // The lamports came with the instruction that created the account.
  return { kind: 'account-creation', chain, amountMinor: 0n, ...account }
}

const batchNumber = 255

/** p-token: instructions one after another, each after its number of accounts and of bytes. They do not nest. */
function decodeBatch(
  instruction: SolanaInstruction,
  context: InstructionContext,
): readonly Effect[] | undefined {
  const { accounts, data, program } = instruction
  const effects: Effect[] = []
  let [at, account] = [1, 0]
  while (at < data.length) {
    const [accountCount, dataBytes] = [data[at], data[at + 1]]
    if (accountCount === undefined || dataBytes === undefined) return undefined
    const inner = {
      program,
      accounts: accounts.slice(account, account + accountCount),
      data: data.subarray(at + 2, at + 2 + dataBytes),
    }
    if (inner.accounts.length !== accountCount || inner.data.length !== dataBytes) return undefined
    if (inner.data[0] === batchNumber) return undefined
    effects.push(...(decodeTokenInstruction(inner, context) ?? [programCall(inner, context)]))
    at += 2 + dataBytes
    account += accountCount
  }
  return effects.length === 0 || account !== accounts.length ? undefined : effects
}
