import type { Wallet } from './answers.ts'
import { type ClientOptions, type CountersignClient, createCountersignClient } from './client.ts'

export interface CountersignOptions extends ClientOptions {
  readonly walletId: string
  /** The grant under which everything is asked for; a grantee needs one. */
  readonly grant?: string
}

/** A client bound to one wallet: the only argument that an account or a viem client needs. */
export interface Countersign {
  readonly client: CountersignClient
  readonly wallet: Wallet
  readonly grant?: string
}

/** Looks the wallet up once, so that everything made from it needs no further questions. */
export async function createCountersign(options: CountersignOptions): Promise<Countersign> {
  const { walletId, grant, ...clientOptions } = options
  const client = createCountersignClient(clientOptions)
  const wallet = await client.wallets.get(walletId)
  return grant === undefined ? { client, wallet } : { client, wallet, grant }
}
