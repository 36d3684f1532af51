import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type GrantingSigner, openGrantingSigner, paymentRules } from '../signer/granting-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

/** A grant as docs/grants.md describes it, in as few words as possible: what the signer does must be this. */
interface Model {
  nowMs: number
  readonly fromMs: number
  expiresMs: number
  readonly hardEndMs: number
  readonly extendByMs: number
  readonly maxUses: number
  uses: number
  revoked: boolean
  ownerGone: boolean
  /** Of the last day. */
  readonly paid: { readonly atMs: number; readonly value: bigint }[]
  readonly limit: bigint
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** Rolling totals are kept in buckets, and so may count a little longer than a day: longer than that, too. */
const longMs = dayMs + 60 * minuteMs

type Step =
  | { readonly op: 'pay'; readonly value: bigint; readonly by: 'grantee' | 'owner' | 'stranger' }
  | { readonly op: 'pass'; readonly ms: number }
  | { readonly op: 'keep'; readonly by: 'grantee' | 'owner' | 'stranger' }
  | { readonly op: 'revoke'; readonly by: 'grantee' | 'owner' | 'admin' | 'stranger' }
  | { readonly op: 'rotate'; readonly who: 'grantee' | 'owner' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('pay' as const),
      value: fc.bigInt({ min: 1n, max: 400n }),
      by: fc.constantFrom(
        'grantee' as const,
        'grantee' as const,
        'grantee' as const,
        'owner' as const,
        'stranger' as const,
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('pass' as const),
      ms: fc.constantFrom(1, minuteMs, 7 * minuteMs, longMs),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('keep' as const),
      by: fc.constantFrom('grantee' as const, 'grantee' as const, 'owner' as const, 'stranger' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('revoke' as const),
      by: fc.constantFrom(
        'grantee' as const,
        'owner' as const,
        'admin' as const,
        'stranger' as const,
        'stranger' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('rotate' as const),
      who: fc.constantFrom('grantee' as const, 'grantee' as const, 'owner' as const),
    }),
  },
)

let test: GrantingSigner
beforeAll(async () => {
  test = await openGrantingSigner()
})
afterAll(() => test.close())

/** What a request under the grant meets, in the order in which the signer looks; undefined: nothing. */
function ended(model: Model): string | undefined {
  if (model.revoked) return 'SIGNER_GRANT_REVOKED'
  if (model.ownerGone) return 'SIGNER_GRANT_ORPHANED'
  if (model.nowMs < model.fromMs) return 'SIGNER_GRANT_EARLY'
  if (model.nowMs >= model.expiresMs) return 'SIGNER_GRANT_EXPIRED'
  if (model.uses >= model.maxUses) return 'SIGNER_GRANT_USED_UP'
  return undefined
}

it('a grant does what its description says, whatever is done to it', async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.record({
        from: fc.constantFrom(0, minuteMs),
        lasts: fc.constantFrom(5 * minuteMs, 2 * dayMs),
        hardEnd: fc.constantFrom(6 * minuteMs, 3 * dayMs),
        maxUses: fc.integer({ min: 1, max: 8 }),
        limit: fc.constantFrom(300n, 1_000n),
      }),
      async (steps, { from, lasts, hardEnd, maxUses, limit }) => {
        const keys: Record<'grantee' | 'owner' | 'stranger' | 'admin', TestKey> = {
          grantee: await test.credential('grantee'),
          owner: await test.credential('grantee', 'owner'),
          stranger: await test.credential('grantee', 'stranger'),
          admin: test.admins[0] as TestKey,
        }
        const wallet = await test.wallet(keys.owner)
        const start = test.nowMs()
        const model: Model = {
          nowMs: start,
          fromMs: start + from,
          expiresMs: start + lasts,
          hardEndMs: start + Math.max(lasts, hardEnd),
          extendByMs: 10 * minuteMs,
          maxUses,
          uses: 0,
          revoked: false,
          ownerGone: false,
          paid: [],
          limit,
        }
        const terms = {
          to: keys.grantee.id,
          wallets: [wallet],
          rules: paymentRules(limit),
          notBefore: new Date(model.fromMs).toISOString(),
          expires: new Date(model.expiresMs).toISOString(),
          maxUses,
          keepAlive: { extendBy: '10m', hardEnd: new Date(model.hardEndMs).toISOString() },
        }
        const id = await test.granted(terms, keys.owner)
        const outcome = async (path: string, by: TestKey) =>
          errorCode(await test.ask('POST', `/v1/grants/${id}/${path}`, {}, { by })) ?? 'done'

        for (const one of steps) {
          model.nowMs = test.nowMs()
          let found = 'done'
          let wanted = 'done'
          switch (one.op) {
            case 'pass':
              test.advance(one.ms)
              break
            case 'pay': {
              const left = model.paid
                .filter(({ atMs }) => atMs > model.nowMs - dayMs)
                .reduce((sum, { value }) => sum - value, model.limit)
              wanted =
                one.by === 'grantee'
                  ? (ended(model) ?? (one.value <= left ? 'signed' : 'POLICY_REFUSED'))
                  : 'SIGNER_GRANT_FOREIGN'
              found = await test.pay(one.value, id, { by: keys[one.by], wallet })
              if (wanted === 'signed') {
                model.uses++
                model.paid.push({ atMs: model.nowMs, value: one.value })
              }
              break
            }
            case 'keep':
              wanted =
                one.by === 'stranger'
                  ? 'SIGNER_GRANT_UNKNOWN'
                  : one.by === 'owner'
                    ? 'SIGNER_GRANT_FOREIGN'
                    : (ended(model) ?? 'done')
              found = await outcome('keep-alive', keys[one.by])
              if (wanted === 'done') {
                const prolonged = Math.max(model.expiresMs, model.nowMs + model.extendByMs)
                model.expiresMs = Math.min(model.hardEndMs, prolonged)
              }
              break
            case 'revoke':
              wanted =
                one.by === 'stranger'
                  ? 'SIGNER_GRANT_UNKNOWN'
                  : model.revoked
                    ? 'SIGNER_GRANT_REVOKED'
                    : 'done'
              found = await outcome('revoke', keys[one.by])
              if (wanted === 'done') model.revoked = true
              break
            case 'rotate': {
              const [old, fresh] = [keys[one.who], createTestKey(one.who)]
              const body = { algorithm: 'p256', publicKey: fresh.publicKey }
              const path = `/v1/credentials/${old.id}/rotate`
              const { status } = await test.ask('POST', path, body, { by: [old, fresh] })
              // At most once an hour.
              if (status !== 201) break
              keys[one.who] = fresh
              if (one.who === 'owner') model.ownerGone = true
            }
          }
          seen.set(found, (seen.get(found) ?? 0) + 1)
          expect({ ...one, found }).toEqual({ ...one, found: wanted })
        }
        const { body } = await test.ask('GET', `/v1/grants/${id}`, undefined, { by: keys.admin })
        model.nowMs = test.nowMs()
        expect(body).toMatchObject({
          uses: model.uses,
          expires: new Date(model.expiresMs).toISOString(),
          unusable: ended(model) ?? null,
          state: model.revoked ? 'revoked' : 'active',
        })
      },
    ),
    { numRuns: Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 100) },
  )
  // Whatever can become of a request under a grant was met.
  for (const code of [
    'signed',
    'POLICY_REFUSED',
    'SIGNER_GRANT_REVOKED',
    'SIGNER_GRANT_ORPHANED',
    'SIGNER_GRANT_EARLY',
    'SIGNER_GRANT_EXPIRED',
    'SIGNER_GRANT_USED_UP',
    'SIGNER_GRANT_FOREIGN',
    'SIGNER_GRANT_UNKNOWN',
  ])
    expect([code, seen.get(code) ?? 0]).not.toEqual([code, 0])
})
