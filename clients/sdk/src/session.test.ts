import type { Json } from '@countersign/bytes'
import { encodeBase64Url, encodeUtf8, sha256 } from '@countersign/bytes'
import fc from 'fast-check'
import { recoverTransactionAddress, serializeTransaction } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment } from '../../../test/faults/payment.ts'
import { clientOf, credentialOf, type Tamper } from '../../../test/signer/client-of.ts'
import {
  dayMs,
  type GrantingSigner,
  hourMs,
  openGrantingSigner,
  paymentRules,
} from '../../../test/signer/granting-signer.ts'
import type { TestKey } from '../../../test/signer/test-signer.ts'
import { createCountersignAccount } from './account.ts'
import {
  exportSession,
  importSession,
  isSessionActive,
  keepSessionAlive,
  type NewSession,
} from './session.ts'
import { encodeSession, parseSession, type SessionFacts } from './session-string.ts'

let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner()
})
afterAll(() => test.close())

const clientFor = (key: TestKey, tamper?: Tamper) => clientOf(() => test.test, credentialOf(key), tamper)
const exported = (change: Partial<NewSession> = {}) =>
  exportSession(clientFor(test.owner), {
    to: test.grantee.id,
    wallet: test.walletId,
    rules: paymentRules(),
    expires: test.timeIn(hourMs),
    ...change,
  })
const imported = (session: string, by = test.grantee, tamper?: Tamper) => {
  const { fetch } = clientFor(by, tamper).transport
  return importSession(session, { credential: credentialOf(by), ...(fetch === undefined ? {} : { fetch }) })
}
const transaction = (nonce: number) => ({
  type: 'eip1559' as const,
  chainId: 31337,
  to: '0x1111111111111111111111111111111111111111' as const,
  value: 1n,
  nonce,
  gas: 21_000n,
  maxFeePerGas: 1_000_000_000n,
  maxPriorityFeePerGas: 1n,
})
const unproven = { code: 'SDK_ANSWER_UNPROVEN' }

describe('a session', () => {
  it('goes from the owner to the grantee, who signs under it with the own key', async () => {
    const session = await imported(await exported())
    const account = createCountersignAccount(session)
    const signed = await account.signTransaction(transaction(0))
    expect(await recoverTransactionAddress({ serializedTransaction: signed as `0x02${string}` })).toBe(
      account.address,
    )
    const { receipt } = await session.client.signTransaction({
      walletId: session.wallet.id,
      grant: session.grant,
      unsignedTransaction: serializeTransaction(transaction(1)),
    })
    expect(receipt.entry).toMatchObject({ grant: session.grant, credential: test.grantee.id })
    await expect(account.signTransaction({ ...transaction(2), value: 5_000n })).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
    })
  })

  it('is kept alive up to its hard end, and is active until somebody ends it', async () => {
    const hardEnd = test.timeIn(2 * hourMs)
    const text = await exported({ keepAlive: { extendBy: '90m', hardEnd } })
    const session = await imported(text)
    expect(await isSessionActive(session)).toBe(true)
    const first = await keepSessionAlive(session)
    expect(first.getTime() - test.nowMs()).toBeLessThanOrEqual(1.5 * hourMs)
    expect(first.getTime()).toBeGreaterThan(test.nowMs() + hourMs)
    await clientFor(test.owner).grants.revoke(session.grant, { reason: 'logged out' })
    expect(await isSessionActive(session)).toBe(false)
    await expect(keepSessionAlive(session)).rejects.toMatchObject({ code: 'SIGNER_GRANT_REVOKED' })
    await expect(createCountersignAccount(session).signTransaction(transaction(3))).rejects.toMatchObject({
      code: 'SIGNER_GRANT_REVOKED',
    })
  })

  it('is not active before it begins, when it is spent, and when its grantee is gone', async () => {
    expect(
      await isSessionActive(await imported(await exported({ notBefore: test.timeIn(hourMs / 2) }))),
    ).toBe(false)
    const spent = await imported(await exported({ maxUses: 1 }))
    await createCountersignAccount(spent).signTransaction(transaction(4))
    expect(await isSessionActive(spent)).toBe(false)
    const gone = await test.credential('grantee', 'gone')
    const orphan = await imported(await exported({ to: gone.id }), gone)
    expect(await isSessionActive(orphan)).toBe(true)
    await test.change('POST', `/v1/credentials/${gone.id}/revoke`, {})
    expect(await isSessionActive(orphan)).toBe(false)
  })
})

describe('a session string', () => {
  it('has nothing in it that anybody could sign with', async () => {
    const text = await exported()
    expect(text).toMatch(/^css1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{11}$/)
    expect(Object.keys(parseSession(text)).sort()).toEqual(['grant', 'signer', 'to', 'url', 'wallet'])
    expect(encodeSession(parseSession(text))).toBe(text)
  })

  it('is useless to whoever copies it', async () => {
    const text = await exported()
    const { grant, wallet } = parseSession(text)
    const thief = await test.credential('grantee', 'thief')
    await expect(imported(text, thief)).rejects.toMatchObject({ code: 'SIGNER_GRANT_UNKNOWN' })
    const client = clientFor(thief)
    await expect(client.signTransaction({ walletId: wallet, grant, ...payment(1n) })).rejects.toMatchObject({
      code: 'SIGNER_GRANT_FOREIGN',
    })
    await expect(client.grants.keepAlive(grant)).rejects.toMatchObject({ code: 'SIGNER_GRANT_UNKNOWN' })
    await expect(client.grants.revoke(grant)).rejects.toMatchObject({ code: 'SIGNER_GRANT_UNKNOWN' })
    // With the grantee's id, but not its key: the signer checks the signature, not who says to be whom.
    const forger = credentialOf({ ...thief, id: test.grantee.id })
    const forging = clientOf(() => test.test, forger)
    await expect(forging.signTransaction({ walletId: wallet, grant, ...payment(1n) })).rejects.toMatchObject({
      code: 'WIRE_BAD_SIGNATURE',
    })
  })

  it('is refused when it was cut, changed or made up', async () => {
    const text = await exported()
    const facts = parseSession(text)
    const wrong = [
      '',
      'css1',
      'css1..',
      text.slice(0, -1),
      text.slice(0, 60),
      `${text}A`,
      `${text}.A`,
      text.replace('css1', 'css2'),
      text.toUpperCase(),
      `${text}${'A'.repeat(5_000)}`,
      `${text.slice(0, 40)}${text[40] === 'A' ? 'B' : 'A'}${text.slice(41)}`,
      checked(JSON.stringify(facts).slice(0, -1)),
      checked('null'),
      checked('[]'),
      checked(JSON.stringify({ ...facts, secret: 'more' })),
      ...(Object.keys(facts) as (keyof SessionFacts)[]).flatMap((name) => [
        checked(JSON.stringify({ ...facts, [name]: undefined })),
        checked(JSON.stringify({ ...facts, [name]: `${facts[name]} ` })),
        checked(JSON.stringify({ ...facts, [name]: 1 })),
      ]),
      checked(JSON.stringify({ ...facts, url: 'https://user:secret@example.org' })),
      checked(JSON.stringify({ ...facts, url: 'file:///etc/passwd' })),
    ]
    for (const session of wrong) {
      expect(() => parseSession(session), session).toThrow(
        expect.objectContaining({ code: 'SDK_SESSION_INVALID' }),
      )
    }
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'AZaz09-_.'), (at, letter) => {
        if (text[at] === letter) return
        expect(() => parseSession(`${text.slice(0, at)}${letter}${text.slice(at + 1)}`)).toThrow(
          expect.objectContaining({ code: 'SDK_SESSION_INVALID' }),
        )
      }),
    )
  })

  it('that names another wallet, grantee or signer than its grant is not imported', async () => {
    const facts = parseSession(await exported())
    const other = await test.wallet(test.owner)
    for (const change of [{ wallet: other }, { to: test.owner.id }])
      await expect(imported(encodeSession({ ...facts, ...change }))).rejects.toMatchObject({
        code: 'SDK_SESSION_INVALID',
      })
    const elsewhere = encodeSession({ ...facts, signer: `sgn_${'0'.repeat(32)}` })
    await expect(imported(elsewhere)).rejects.toThrow()
    const { fetch } = clientFor(test.grantee).transport
    const trusting = { credential: credentialOf(test.grantee), audience: test.test.audience }
    await expect(
      importSession(elsewhere, { ...trusting, ...(fetch === undefined ? {} : { fetch }) }),
    ).rejects.toMatchObject({ code: 'SDK_AUDIENCE_MISMATCH' })
  })
})

describe('an engine that lies', () => {
  type Body = Record<string, Json> & { wallets: Record<string, Json>[]; receipt: Json }
  const lying = (change: (body: Body) => object): Tamper => ({
    answer: (body, { path }) =>
      path.startsWith('/v1/grants') ? ({ ...(body as Body), ...change(body as Body) } as Json) : body,
  })

  it('about a grant’s wallet, rules, end or parties is not believed', async () => {
    const text = await exported()
    const address = `0x${'66'.repeat(20)}`
    const lies: ((body: Body) => object)[] = [
      ({ wallets }) => ({ wallets: wallets.map((wallet) => ({ ...wallet, address })) }),
      ({ wallets }) => ({
        wallets: wallets.map((wallet) => ({ ...wallet, publicKey: `0x02${'66'.repeat(32)}` })),
      }),
      () => ({ expires: test.timeIn(30 * dayMs) }),
      () => ({ maxUses: 5 }),
      () => ({ to: test.owner.id }),
      () => ({ rules: { version: 1, id: 'x', rules: [] } }),
      () => ({ rulesHash: `0x${'66'.repeat(32)}` }),
      () => ({ state: 'revoked' }),
      () => ({ extra: true }),
      () => ({ receipt: null }),
    ]
    for (const lie of lies)
      await expect(imported(text, test.grantee, lying(lie)), String(lie)).rejects.toMatchObject(unproven)
  })

  it('that shows another grant in its place is not believed', async () => {
    const [wanted, other] = [await exported(), await exported({ maxUses: 3 })]
    const shown = await clientFor(test.grantee).grants.get(parseSession(other).grant)
    await expect(
      imported(
        wanted,
        test.grantee,
        lying(() => JSON.parse(JSON.stringify(shown))),
      ),
    ).rejects.toMatchObject(unproven)
  })

  it('that hides a revocation gains nothing: the signer decides', async () => {
    const text = await exported()
    const grant = await clientFor(test.grantee).grants.get(parseSession(text).grant)
    await clientFor(test.owner).grants.revoke(grant.id)
    const session = await imported(
      text,
      test.grantee,
      lying(() => JSON.parse(JSON.stringify(grant))),
    )
    expect(await isSessionActive(session)).toBe(true)
    await expect(createCountersignAccount(session).signTransaction(transaction(9))).rejects.toMatchObject({
      code: 'SIGNER_GRANT_REVOKED',
    })
  })

  it('that makes up a prolongation is not believed', async () => {
    const keepAlive = { extendBy: '1h', hardEnd: test.timeIn(2 * hourMs) }
    const session = await imported(await exported({ keepAlive }))
    const { grants } = clientFor(
      test.grantee,
      lying(() => ({ expires: keepAlive.hardEnd })),
    )
    await expect(grants.keepAlive(session.grant)).rejects.toMatchObject(unproven)
    const made = clientFor(
      test.owner,
      lying(() => ({ to: test.owner.id })),
    )
    await expect(
      made.grants.create({
        to: test.grantee.id,
        wallets: [test.walletId],
        rules: paymentRules(),
        expires: test.timeIn(hourMs),
      }),
    ).rejects.toMatchObject(unproven)
    const revoking = clientFor(test.owner, {
      answer: (body) => ({ ...(body as object), state: 'active' }) as Json,
    })
    await expect(revoking.grants.revoke(session.grant)).rejects.toMatchObject(unproven)
  })
})

/** As `encodeSession` writes whatever it is given. */
function checked(payload: string): string {
  const body = `css1.${encodeBase64Url(encodeUtf8(payload))}`
  return `${body}.${encodeBase64Url(sha256(encodeUtf8(body)).subarray(0, 8))}`
}
