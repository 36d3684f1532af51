import type { ChainId, Hex, SolanaAddress } from '@countersign/bytes'
import type { Acting } from './effect.ts'

/** An instruction of a program, or of a known program's kind, that is not decoded further. */
export interface ProgramCall {
  readonly kind: 'program-call'
  readonly chain: ChainId
  readonly program: SolanaAddress
  /**
   * Name of the instruction where the program is known and the data has the form of that instruction, else undefined.
   * Two names are no instructions of their own: `transferHook` (accounts beyond those of a Token-2022 transfer, with
   * which the mint's own program runs) and `useLookupTable` (the message takes accounts from the table in `accounts`;
   * `data` is the SHA-256 of the addresses that the caller says it holds).
   */
  readonly instruction: string | undefined
  readonly data: Hex
  readonly accounts: readonly {
    readonly address: SolanaAddress
    readonly isSigner: boolean
    readonly isWritable: boolean
  }[]
}

/** A new account, and the lamports (rent) that go into it. */
export interface AccountCreation extends Acting {
  readonly kind: 'account-creation'
  readonly chain: ChainId
  readonly address: SolanaAddress
  /** The program that owns it from now on. */
  readonly program: SolanaAddress
  /**
   * Lamports, which leave the acting account; `undefined` where the program takes what rent needs (associated token
   * accounts). */
  readonly amountMinor: bigint | undefined
  /** For a token account: whose it is, and of which mint. */
  readonly owner: SolanaAddress | undefined
  readonly mint: SolanaAddress | undefined
}

/** Power over a mint, a token account or another account passes to somebody, or to nobody. */
export interface TokenAuthority extends Acting {
  readonly kind: 'token-authority'
  readonly chain: ChainId
  readonly address: SolanaAddress
  /** `accountOwner`, `mintTokens` and so on; `program`: the program that owns the account; `nonce`: of a nonce account. */
  readonly authority: string
  readonly newAuthority: SolanaAddress | undefined
}

export interface Stake extends Acting {
  readonly kind: 'stake'
  readonly chain: ChainId
  readonly action:
    | 'initialize'
    | 'delegate'
    | 'deactivate'
    | 'withdraw'
    | 'authorize'
    | 'split'
    | 'merge'
    | 'lockup'
  readonly stakeAccount: SolanaAddress
  /** Validator's vote account, new authority, destination or other stake account: whoever gains. */
  readonly counterparty: SolanaAddress | undefined
  readonly amountMinor: bigint | undefined
  /** For `initialize` and `authorize`: which power the counterparty gets. The withdrawer can take everything. */
  readonly role?: 'staker' | 'withdrawer'
}

export interface Memo {
  readonly kind: 'memo'
  readonly chain: ChainId
  readonly text: string | undefined
  readonly memoBytes: number
}
