import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'

/** That hold over one wallet at the same time. */
export const grantsPerWalletMax = 250

/** When each grant over a wallet ends at the latest: so that making one need not read all the others. */
export interface GrantEndsRecord {
  readonly endsMs: readonly number[]
}

/** A place over each of these wallets, not taken yet. */
export type GrantRoom = readonly { readonly wallet: string; readonly endsMs: readonly number[] }[]

/** @throws {CountersignError} SIGNER_GRANTS_FULL */
export async function findRoom(tx: LedgerTx, wallets: readonly string[]): Promise<GrantRoom> {
  const room: { wallet: string; endsMs: readonly number[] }[] = []
  for (const wallet of wallets) {
    const endsMs = await liveEnds(tx, wallet)
    if (endsMs.length >= grantsPerWalletMax) {
      throw signerError(
        'SIGNER_GRANTS_FULL',
        `${grantsPerWalletMax} grants hold over the wallet ${wallet} already.`,
      )
    }
    room.push({ wallet, endsMs })
  }
  return room
}

export function takeRoom(tx: LedgerTx, room: GrantRoom, untilMs: number): void {
  for (const { wallet, endsMs } of room) putEnds(tx, wallet, [...endsMs, untilMs])
}

/** Of a grant that was revoked. */
export async function leaveRoom(tx: LedgerTx, wallets: readonly string[], untilMs: number): Promise<void> {
  for (const wallet of wallets) {
    const endsMs = await liveEnds(tx, wallet)
    const place = endsMs.indexOf(untilMs)
    // It has ended by itself.
    if (place === -1) continue
    putEnds(tx, wallet, endsMs.toSpliced(place, 1))
  }
}

async function liveEnds(tx: LedgerTx, wallet: string): Promise<readonly number[]> {
  const { endsMs = [] } = (await tx.get('grant-ends', wallet)) ?? {}
  return endsMs.filter((endMs) => endMs > tx.nowMs)
}

function putEnds(tx: LedgerTx, wallet: string, endsMs: readonly number[]): void {
  if (endsMs.length === 0) tx.delete('grant-ends', wallet)
  else tx.put('grant-ends', wallet, { endsMs }, Math.max(...endsMs))
}
