import { type Account, type Chain, createWalletClient, type Transport, type WalletClient } from 'viem'
import { type CountersignAccount, createCountersignAccount, type SigningFor } from './account.ts'

export interface ViemClientOptions<
  transport extends Transport,
  chain extends Chain | undefined,
  account extends Account,
> {
  readonly account?: account
  readonly chain?: chain
  readonly transport: transport
}

/** viem's wallet client with the bound wallet as its account: everything after this line is plain viem. */
export function createCountersignViemClient<
  transport extends Transport,
  chain extends Chain | undefined = undefined,
  account extends Account = CountersignAccount,
>(
  countersign: SigningFor,
  options: ViemClientOptions<transport, chain, account>,
): WalletClient<transport, chain, account> {
  const account = options.account ?? createCountersignAccount(countersign)
  return createWalletClient({ ...options, account }) as unknown as WalletClient<transport, chain, account>
}
