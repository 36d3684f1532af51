import { canonicalJson, checksumAddress, parseAddress } from '@countersign/bytes'
import { createCredentialBody, parseBody } from '@countersign/wire'
import { encodeFunctionData, parseAbi, serializeTransaction } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NonceMemory } from '../../boundary/signer/src/nonce-memory.ts'
import { parsePolicy } from '../../kernel/policy/src/index.ts'
import { errorCode, openTestSigner, policyFor, type TestSigner } from '../signer/test-signer.ts'

const chain = 'eip155:31337'
const payee = '0x1111111111111111111111111111111111111111'
const token = '0xcccccccccccccccccccccccccccccccccccccccc'

it('a list that is refused for its length is not searched for duplicates in quadratic time', () => {
  const powers = Array.from({ length: 140_000 }, () => 'read')
  const body = { algorithm: 'p256', publicKey: '0x00', role: 'agent', name: 'x', powers }
  // It was two minutes of the signer's only thread, for one body of a megabyte that nobody had signed.
  expect(() => parseBody(createCredentialBody, body)).toThrow(/powers/)
}, 20_000)

it('a nonce is remembered for a day only a limited number of times for one credential', () => {
  const memory = new NonceMemory()
  const nowS = 1_700_000_000
  const day = nowS + 86_400
  let taken = 0
  const flood = () => {
    for (; taken < 1_100_000; taken++) memory.take('cred_a', `n${taken}`, day, nowS)
  }
  expect(flood).toThrow(expect.objectContaining({ code: 'SIGNER_BUSY' }))
  expect(taken).toBeLessThan(10_000)
  memory.take('cred_b', 'n0', day, nowS)
  memory.take('cred_a', 'ordinary', nowS + 300, nowS)
  // Long-lived or not, and whatever time it is: once.
  for (const [id, nonce, expiresS] of [
    ['cred_b', 'n0', day],
    ['cred_a', 'ordinary', nowS + 300],
  ] as const) {
    expect(() => memory.take(id, nonce, expiresS, nowS + 200)).toThrow(/seen before/)
  }
  expect(() => memory.take('cred_b', 'n0', day, day - 10)).toThrow(/seen before/)
})

describe('a malicious agent', () => {
  let test: TestSigner
  let walletId: string
  beforeAll(async () => {
    test = await openTestSigner()
    const rules = Array.from({ length: 40 }, (_, i) => ({
      id: `pay-${i}`,
      action: 'permit' as const,
      effects: ['token-transfer' as const],
      when: {
        asset: [`${chain}/erc1155:${token}/${i}`],
        recipient: [payee],
        amount: { max: '1000' },
      },
    }))
    walletId = (
      await test.walletUnder(policyFor([...rules, { id: 'fee', action: 'permit', effects: ['fee'] }]))
    ).id
  })
  afterAll(() => test.close())

  it('cannot make the signer remember its nonces for a day', async () => {
    const forwarded = (lifetimeS: number) =>
      test.signed(
        'PUT',
        '/v1/organisation/policy',
        { policy: null, expected: null },
        { by: test.agent, lifetimeS },
      )
    expect(errorCode(await test.send(await forwarded(300)))).toBe('WIRE_QUORUM_NOT_MET')
    expect(errorCode(await test.send(await forwarded(301)))).toBe('WIRE_LIFETIME_TOO_LONG')
  })

  it('cannot make the signer compile a policy that no quorum signed', async () => {
    const mixedCase = checksumAddress(parseAddress(`0x${'ab'.repeat(20)}`))
    const policy = policyFor(
      [1, 2].map((n) => ({
        id: `r${n}`,
        action: 'permit',
        effects: ['native-transfer'],
        when: { recipient: Array.from({ length: 10_000 }, () => mixedCase) },
      })),
      'large',
    )
    expect(() => parsePolicy({ ...policy, rules: [{}] })).toThrow()
    const broken = { policy: { ...policy, rules: [...policy.rules, { id: 'broken' }] }, expected: null }
    const answer = await test.ask('PUT', '/v1/policies/large', broken, { by: test.agent })
    expect(errorCode(answer)).toBe('WIRE_QUORUM_NOT_MET')
    const byAdmins = await test.ask('PUT', '/v1/policies/large', broken, { by: test.admins })
    expect(errorCode(byAdmins)).toBe('POLICY_INVALID')
  })

  it('cannot fill the journal with what is refused, nor hide an entry behind its size', async () => {
    const ids = Array.from({ length: 256 }, (_, i) => 2n ** 255n + BigInt(i))
    const data = encodeFunctionData({
      abi: parseAbi(['function safeBatchTransferFrom(address, address, uint256[], uint256[], bytes)']),
      args: [payee, token, ids, ids, '0x'],
    })
    const unsignedTransaction = serializeTransaction({
      type: 'eip1559',
      chainId: 31337,
      to: token,
      data,
      nonce: 0,
      gas: 1_000_000n,
      maxFeePerGas: 1n,
      maxPriorityFeePerGas: 0n,
    })
    const path = `/v1/wallets/${walletId}/sign-transaction`
    const answer = await test.ask('POST', path, { unsignedTransaction }, { by: test.agent })
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
    const { index } = (answer.body as { journal: { index: number } }).journal
    const [leaf = ''] = await test.signer.journal.leaves(index, 1)
    // The request has 33,000 characters; its entry had 3.5 million, which no reader took.
    expect(leaf.length).toBeLessThan(1_000_000)
    expect(canonicalJson(answer.body).length).toBeLessThan(3_000_000)
    const page = await test.ask('GET', `/v1/journal/entries?start=${index}`, undefined, { by: test.admins })
    expect(page.status).toBe(200)
  })
})
