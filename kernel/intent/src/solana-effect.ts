import type { ChainId, Hex, SolanaAddress } from '@countersign/bytes'

/** An instruction of a program, or of a known program's kind, that is not decoded further. */
export interface ProgramCall {
  readonly kind: 'program-call'
  readonly chain: ChainId
  readonly program: SolanaAddress
  /** Name of the instruction where the program is known, else undefined. */
  readonly instruction: string | undefined
  readonly data: Hex
  readonly accounts: readonly {
    readonly address: SolanaAddress
    readonly isSigner: boolean
    readonly isWritable: boolean
  }[]
}

/** A new account, and the lamports (rent) that go into it. */
export interface AccountCreation {
  readonly kind: 'account-creation'
  readonly chain: ChainId
  readonly address: SolanaAddress
  /** The program that owns it from now on. */
  readonly program: SolanaAddress
  /** Lamports; `undefined` where the program takes what rent needs (associated token accounts). */
  readonly amountMinor: bigint | undefined
  /** For a token account: whose it is, and of which mint. */
  readonly owner: SolanaAddress | undefined
  readonly mint: SolanaAddress | undefined
}

/** Power over a mint, a token account or another account passes to somebody, or to nobody. */
export interface TokenAuthority {
  readonly kind: 'token-authority'
  readonly chain: ChainId
  readonly address: SolanaAddress
  readonly authority: string
  readonly newAuthority: SolanaAddress | undefined
}

export interface Stake {
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
}

export interface Memo {
  readonly kind: 'memo'
  readonly chain: ChainId
  readonly text: string | undefined
  readonly memoBytes: number
}
