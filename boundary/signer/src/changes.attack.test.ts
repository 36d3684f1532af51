import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, hourMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { policyFor, type TestKey } from '../../../test/signer/test-signer.ts'
import type { Ledger } from './ledger.ts'
import { settle } from './pending-changes.ts'

const alice = `0x${'a1'.repeat(20)}`
const mallory = `0x${'66'.repeat(20)}`

let signer: DelayedSigner
beforeEach(async () => {
  signer = await openDelayedSigner()
})
afterEach(() => signer.close())

const book = (...addresses: string[]) => ({
  version: 1,
  id: 'friends',
  addresses: addresses.map((address) => ({ address })),
})
const putBook = async (document: object) => {
  const expected = (await signer.test.signer.ledger.get('book', 'friends'))?.hash ?? null
  return signer.change('PUT', '/v1/books/friends', { book: document, expected })
}
const paying = (recipient: string) =>
  policyFor(
    [
      { id: 'pay', action: 'permit', effects: ['native-transfer'], when: { recipient: [recipient] } },
      { id: 'fee', action: 'permit', effects: ['fee'] },
    ],
    'pays',
  )
const putPolicy = async (policy: object) => {
  const expected = (await signer.test.signer.ledger.get('policy', 'pays'))?.hash ?? null
  return signer.change('PUT', '/v1/policies/pays', { policy, expected })
}
const touch = () => signer.ask('GET', '/v1/organisation', undefined, { by: signer.admins[0] as TestKey })

describe('a quorum that splits what loosens', () => {
  it('cannot fill a book at once that only a change which waits names', async () => {
    await putPolicy(paying(alice))
    expect((await putBook(book(alice))).status).toBe(200)
    const opened = await putPolicy(paying('@friends'))
    expect(opened.status).toBe(202)
    // Everybody has looked at it by now: the book holds nobody but alice.
    signer.advance(dayMs - hourMs)
    const filled = await putBook(book(alice, mallory))
    expect(filled).toMatchObject({
      status: 202,
      body: { loosens: [{ why: expect.stringContaining('waits') }] },
    })
    signer.advance(hourMs)
    await touch()
    const stored = await signer.test.signer.ledger.get('book', 'friends')
    expect(stored?.document).toEqual(book(alice))
    expect((await signer.test.signer.ledger.get('policy', 'pays'))?.version).toBe(2)
  })

  it('cannot scatter wallets over groups at once while limits per group wait', async () => {
    const made = async () => {
      const answer = await signer.ask(
        'POST',
        '/v1/wallets',
        { type: 'EVM', policy: 'pays' },
        { by: signer.admins[0] as TestKey },
      )
      return (answer.body as { id: string }).id
    }
    const limited = (amount: string) => ({
      ...paying(mallory),
      rules: paying(mallory).rules.map((rule) =>
        rule.id === 'pay'
          ? {
              ...rule,
              limits: [
                { id: 'all', amount, asset: 'eip155:1/slip44:60', per: 'group', window: { rolling: '24h' } },
              ],
            }
          : rule,
      ),
    })
    await putPolicy(paying(alice))
    const wallets = [await made(), await made()].sort() as [string, string]
    const group = (id: string, members: string[]) =>
      signer.change('PUT', `/v1/wallet-groups/${id}`, { wallets: members, policy: null, expected: null })
    expect((await putPolicy(limited('5'))).status).toBe(202)
    // Twice the total that everybody has agreed to wait for.
    expect((await group('one', [wallets[0]])).status).toBe(202)
    expect((await group('two', [wallets[1]])).status).toBe(202)
  })

  it('may change a book that a settled change named and nothing names now', async () => {
    await putPolicy(paying(alice))
    await putBook(book(alice))
    const opened = await putPolicy(paying('@friends'))
    const { change } = opened.body as { change: string }
    await signer.ask('POST', `/v1/changes/${change}/veto`, {}, { by: signer.admins[2] as TestKey })
    expect((await putBook(book(mallory))).status).toBe(200)
  })
})

describe('a change whose time has come', () => {
  const propose = async () => {
    await putPolicy(paying(alice))
    const answer = await putPolicy(paying(mallory))
    return (answer.body as { change: string }).change
  }
  const stateOf = async (id: string) => (await signer.test.signer.ledger.get('change', id))?.state
  const version = async () => (await signer.test.signer.ledger.get('policy', 'pays'))?.version
  /** The ledger is the signer's own: the timer sees what the test makes of it, a commit does not. */
  const ledger = () => signer.test.signer.ledger as { -readonly [Name in keyof Ledger]: Ledger[Name] }

  it('is not carried out where a veto is committed between the look and the commit', async () => {
    const id = await propose()
    const { get } = ledger()
    let looks = 0
    ledger().get = async (kind, key) => {
      const found = await get(kind, key)
      if (kind === 'change' && key === id && looks++ === 0) {
        await ledger().submit(async (tx) => {
          const record = await tx.get('change', id)
          if (record?.state !== 'pending') throw new Error('it was carried out already')
          const { index } = tx.append({ type: 'change-vetoed', changeId: id })
          settle(tx, record, { state: 'vetoed', by: 'cred_veto', index })
        })
      }
      return found
    }
    signer.advance(dayMs)
    await touch()
    expect(looks).toBeGreaterThan(0)
    expect(await stateOf(id)).toBe('vetoed')
    expect(await version()).toBe(1)
    expect(await signer.entries('change-applied')).toEqual([])
  })

  it('is not carried out before it, whatever the list of what is due says', async () => {
    const id = await propose()
    const { range } = ledger()
    let looks = 0
    ledger().range = async (kind, ...rest) => {
      const rows = await range(kind, ...rest)
      if (kind !== 'change-due') return rows
      looks++
      return rows.map(({ key, value }) => ({ key: `${'0'.repeat(15)}${key.slice(15)}`, value }))
    }
    signer.test.signer.due.expect(0)
    await touch()
    expect(looks).toBeGreaterThan(0)
    expect(await stateOf(id)).toBe('pending')
    expect(await version()).toBe(1)
  })
})
