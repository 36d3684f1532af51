import type { Address, AssetId, ChainId, Hex } from '@countersign/bytes'
import type { Acting } from './effect.ts'

/**
 * An exchange through a router: at most this leaves, at least that comes. Whether `contract` is a router the bytes do not
 * say. Where one call pays several recipients, each has a swap that names the whole spending; what is received is never
 * counted twice. Coins that are spent are a native-transfer beside it, too.
 */
export interface Swap extends Acting {
  readonly kind: 'swap'
  readonly chain: ChainId
  /** The router that is called. */
  readonly contract: Address
  readonly selector: Hex
  readonly asset: AssetId
  /** What is spent, at most. */
  readonly amountMinor: bigint
  readonly receivedAsset: AssetId
  /** What is received, at least. */
  readonly receivedMinor: bigint
  /** `undefined`: the acting account. */
  readonly recipient: Address | undefined
  /** Seconds since 1970; `undefined`: no deadline in the bytes. */
  readonly deadlineS: bigint | undefined
}

/** ERC-4626 deposit and mint. The bytes name the vault, not its asset. */
export interface VaultDeposit extends Acting {
  readonly kind: 'vault-deposit'
  readonly chain: ChainId
  /** The vault. */
  readonly contract: Address
  readonly selector: Hex
  readonly amountMinor: bigint
  /** `assets`: smallest units of the vault's asset. `shares`: of the vault's shares. */
  readonly unit: 'assets' | 'shares'
  /** Who gets the shares. */
  readonly recipient: Address
}

/** ERC-4626 withdraw and redeem. */
export interface VaultWithdrawal extends Acting {
  readonly kind: 'vault-withdrawal'
  readonly chain: ChainId
  readonly contract: Address
  readonly selector: Hex
  readonly amountMinor: bigint
  readonly unit: 'assets' | 'shares'
  /** Who gets the assets. */
  readonly recipient: Address
  /** Whose shares are burned. */
  readonly owner: Address
}

/** WETH's deposit and withdraw, at wrapped coins that are known by address. The coins are a native-transfer beside it. */
export interface Wrap extends Acting {
  readonly kind: 'wrap'
  readonly chain: ChainId
  readonly contract: Address
  readonly selector: Hex
  readonly direction: 'wrap' | 'unwrap'
  /** `wrap`: the chain's coin. `unwrap`: the wrapped one. What is spent. */
  readonly asset: AssetId
  readonly amountMinor: bigint
}
