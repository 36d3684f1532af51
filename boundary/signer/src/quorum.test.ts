import type { Credential } from '@countersign/wire'
import { expect, it } from 'vitest'
import type { Caller } from './authenticate.ts'
import type { LedgerTx } from './ledger.ts'
import { checkQuorum } from './quorum.ts'

const nowMs = 1_800_000_000_000

/** What the commit holds; what the caller once was does not matter. */
function count(...records: readonly Partial<Credential>[]): Promise<unknown> {
  const stored = new Map<string, unknown>(
    records.map((record, i) => [
      `c${i}`,
      { id: `c${i}`, publicKey: `0x0${i}`, role: 'admin', status: 'active', ...record },
    ]),
  )
  stored.set('organisation', { quorum: 2, policy: null })
  const tx = { nowMs, get: async (_kind: string, key: string) => stored.get(key) } as unknown as LedgerTx
  const credentials = records.map((_, i) => ({ id: `c${i}`, role: 'admin', status: 'active' }))
  return checkQuorum(tx, { credentials } as unknown as Caller)
}

it('counts each admin that is active in this commit once', async () => {
  await expect(count({}, {})).resolves.toMatchObject({ quorum: 2 })
  await expect(count({}, { role: 'agent' }, {})).resolves.toMatchObject({ quorum: 2 })
})

const short: readonly (readonly [string, Partial<Credential>])[] = [
  ['two keys of one admin', { subject: 'c0' }],
  ['two credentials of one key', { publicKey: '0x00' }],
  ['an approver', { role: 'approver' }],
  ['an agent', { role: 'agent' }],
  ['one that was revoked meanwhile', { status: 'revoked' }],
  ['one that has ended', { expiresAt: new Date(nowMs).toISOString() }],
  ['an API key, were it ever an admin’s', { bearer: true }],
]
it.each(short)('does not count %s', async (_what, second) => {
  await expect(count({}, second)).rejects.toMatchObject({ code: 'WIRE_QUORUM_NOT_MET' })
})

it('does not count one that is not there', async () => {
  const tx = {
    nowMs,
    get: async (kind: string) => (kind === 'organisation' ? { quorum: 1, policy: null } : undefined),
  } as unknown as LedgerTx
  const caller = { credentials: [{ id: 'c0', role: 'admin', status: 'active' }] } as unknown as Caller
  await expect(checkQuorum(tx, caller)).rejects.toMatchObject({ code: 'WIRE_QUORUM_NOT_MET' })
})
