import type { Wallet } from './answers.ts'
import { type ClientOptions, type CountersignClient, createCountersignClient } from './client.ts'

export interface CountersignOptions extends ClientOptions {
  readonly walletId: string
}

/** A client bound to one wallet: the only argument that an account or a viem client needs. */
export interface Countersign {
  readonly client: CountersignClient
  readonly wallet: Wallet
}

/** Looks the wallet up once, so that everything made from it needs no further questions. */
export async function createCountersign(options: CountersignOptions): Promise<Countersign> {
  const { walletId, ...clientOptions } = options
  const client = createCountersignClient(clientOptions)
  return { client, wallet: await client.wallets.get(walletId) }
}
