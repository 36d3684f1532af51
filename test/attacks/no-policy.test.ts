import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { decodeHex, encodeBase64, encodeHex, type Hex } from '@countersign/bytes'
import { effectKinds } from '@countersign/intent'
import type { PolicyDocument } from '@countersign/policy'
import { apiKeyHash, approvableOperations, encodeApiKey, routes, type WalletAnswer } from '@countersign/wire'
import { p2tr, p2wpkh } from '@scure/btc-signer'
import { address, createNoopSigner } from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import { encodeFunctionData, parseAbi } from 'viem'
import { entryPoint07Address } from 'viem/account-abstraction'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { otherScripts, psbtOf } from '../../kernel/intent/testing/bitcoin-psbts.ts'
import { kitMessage, solanaAccount } from '../../kernel/intent/testing/solana-messages.ts'
import { payment } from '../faults/payment.ts'
import { type ApprovingSigner, approvalPolicy, openApprovingSigner } from '../signer/approving-signer.ts'
import { errorCode, policyFor, type TestKey } from '../signer/test-signer.ts'

const payee = '0x1111111111111111111111111111111111111111'
const account = '0x8888888888888888888888888888888888888888'

/** Whatever can be permitted at all, of the wallet and of one smart account. */
const everything: PolicyDocument = policyFor(
  [
    { id: 'own', action: 'permit', effects: [...effectKinds] },
    {
      id: 'account',
      action: 'permit',
      effects: ['user-operation', 'native-transfer', 'fee', 'batch'],
      when: { account: [account] },
    },
  ],
  'everything',
)
const nothing: PolicyDocument = policyFor(
  [{ id: 'never', action: 'forbid', effects: [...effectKinds] }],
  'nothing',
)
/** It forbids nothing, and permits nothing that is asked for here. */
const other: PolicyDocument = policyFor(
  [{ id: 'memo', action: 'permit', effects: ['memo'], when: { text: { equals: 'x' } } }],
  'other',
)

type Kind = 'EVM' | 'SOLANA' | 'p2wpkh' | 'p2tr'
const kinds: readonly Kind[] = ['EVM', 'SOLANA', 'p2wpkh', 'p2tr']

interface Asked {
  readonly operation: string
  readonly kind: Kind
  readonly body: (wallet: WalletAnswer) => object
  readonly preparedTransaction?: Hex
}

const transaction = { chainId: 31337, to: payee, value: '10' }
const { unsignedTransaction } = payment(10n)

const typedData = {
  domain: { name: 'Shop', chainId: 31337, verifyingContract: payee },
  types: { Order: [{ name: 'amount', type: 'uint256' }] },
  primaryType: 'Order',
  message: { amount: '5' },
}

const userOperation = {
  sender: account,
  nonce: '5',
  callData: encodeFunctionData({
    abi: parseAbi(['function execute(address to, uint256 value, bytes data)']),
    args: [payee, 1n, '0x'],
  }),
  callGasLimit: '100',
  verificationGasLimit: '50',
  preVerificationGas: '10',
  maxFeePerGas: '7',
  maxPriorityFeePerGas: '1',
}

function solanaMessage({ address: own }: WalletAnswer): string {
  const source = createNoopSigner(address(own))
  const destination = address(solanaAccount(0xaa))
  const transfer = getTransferSolInstruction({ source, destination, amount: 1n })
  return encodeBase64(kitMessage([transfer], { feePayer: own as never }))
}

function psbt({ publicKey }: WalletAnswer, form: 'p2wpkh' | 'p2tr'): string {
  const key = decodeHex(publicKey)
  const script = form === 'p2wpkh' ? p2wpkh(key).script : p2tr(key.slice(1)).script
  const spend = { script, amount: 100_000n, proof: 'both', internalKey: key.slice(1) } as const
  return encodeBase64(psbtOf([spend], [{ script: otherScripts.p2wpkh, amount: 99_000n }]).psbt)
}

/** Every route that signs, with every form of body that its wallets take. */
const asked: readonly Asked[] = [
  { operation: 'signMessage', kind: 'EVM', body: () => ({ message: 'hello' }) },
  { operation: 'signMessage', kind: 'EVM', body: () => ({ message: { raw: `0x${'07'.repeat(32)}` } }) },
  { operation: 'signMessage', kind: 'SOLANA', body: () => ({ message: 'hello' }) },
  { operation: 'signTypedData', kind: 'EVM', body: () => ({ typedData }) },
  { operation: 'signTransaction', kind: 'EVM', body: () => ({ unsignedTransaction }) },
  {
    operation: 'signTransaction',
    kind: 'EVM',
    body: () => ({ transaction }),
    preparedTransaction: unsignedTransaction,
  },
  { operation: 'signTransaction', kind: 'SOLANA', body: (wallet) => ({ message: solanaMessage(wallet) }) },
  { operation: 'signTransaction', kind: 'p2wpkh', body: (wallet) => ({ psbt: psbt(wallet, 'p2wpkh') }) },
  { operation: 'signTransaction', kind: 'p2tr', body: (wallet) => ({ psbt: psbt(wallet, 'p2tr') }) },
  {
    operation: 'signAuthorization',
    kind: 'EVM',
    body: () => ({ contractAddress: payee, chainId: 31337, nonce: 0 }),
  },
  ...(['eip191', 'digest'] as const).map(
    (signatureForm): Asked => ({
      operation: 'signUserOperation',
      kind: 'EVM',
      body: () => ({ entryPoint: entryPoint07Address, chainId: 31337, userOperation, signatureForm }),
    }),
  ),
  { operation: 'signRaw', kind: 'EVM', body: () => ({ digest: `0x${'11'.repeat(32)}` }) },
  { operation: 'signRaw', kind: 'SOLANA', body: () => ({ data: '0xdeadbeef' }) },
  {
    operation: 'sendTransaction',
    kind: 'EVM',
    body: () => ({ transaction }),
    preparedTransaction: unsignedTransaction,
  },
]

const patternOf = (operation: string) =>
  routes.find((route) => route.operation === operation)?.pattern ?? 'none'

let test: ApprovingSigner
let wallets: Record<Kind, WalletAnswer>
let keyUses: () => number

const must = async (status: number, answer: Promise<Answer>) => {
  const { status: found, body } = await answer
  expect({ found, body }).toMatchObject({ found: status })
  return body
}
const admins = () => test.test.admins
const ask = (path: string, body: unknown, more: object = {}) =>
  test.ask('POST', path, body, { by: test.test.agent, ...more })
const put = (path: string, body: object) => must(200, test.ask('PUT', path, body, { by: admins() }))

async function request({ operation, kind, body, preparedTransaction }: Asked, more: object = {}) {
  const wallet = wallets[kind]
  const prepared = preparedTransaction === undefined ? {} : { preparedTransaction }
  const path = patternOf(operation).replace('{walletId}', wallet.id)
  return ask(path, { ...body(wallet), ...more }, prepared)
}

async function assign(policy: string | null, before: string | null) {
  for (const { id } of Object.values(wallets)) {
    await put(`/v1/wallets/${id}/policy`, { policy, expected: before })
  }
}

function codesOf({ body }: Answer): string[] {
  interface Reasoned {
    readonly reasons: readonly { readonly code: string }[]
  }
  const { decision } = body as { decision: Reasoned & { readonly effects: readonly Reasoned[] } }
  return [decision, ...decision.effects].flatMap(({ reasons }) => reasons.map(({ code }) => code))
}

/** Each route that signs refuses, for this reason, and the key is not touched. */
async function expectRefused(code: string, send: (one: Asked) => Promise<Answer> = request): Promise<void> {
  for (const one of asked) {
    const answer = await send(one)
    const name = `${one.operation} ${one.kind}`
    expect([name, answer.status, errorCode(answer)]).toEqual([name, 403, 'POLICY_REFUSED'])
    expect(codesOf(answer), name).toContain(code)
    expect(JSON.stringify(answer.body), name).not.toMatch(/"signature|"signedTransaction|"psbt/)
  }
  expect(keyUses()).toBe(0)
  expect(await test.entries('permit')).toEqual([])
  expect(await test.entries('signed')).toEqual([])
}

async function openWorld(policy: string | null): Promise<void> {
  test = await openApprovingSigner()
  const { backend } = test.test.signer
  const spies = [vi.spyOn(backend, 'sign'), vi.spyOn(backend as never, 'signTaproot')]
  keyUses = () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0)
  for (const document of [everything, nothing, other]) await must(200, test.putPolicy(document))
  const made: Partial<Record<Kind, WalletAnswer>> = {}
  for (const kind of kinds) {
    const form = kind.startsWith('p2') ? { type: 'BITCOIN', form: kind } : { type: kind }
    const body = { ...form, ...(policy === null ? {} : { policy }) }
    made[kind] = (await must(201, ask('/v1/wallets', body, { by: admins()[0] }))) as WalletAnswer
  }
  wallets = made as typeof wallets
}

describe('the table of routes', () => {
  it('names the ones that sign, and each is asked here', () => {
    const signing = routes.filter(
      ({ method, pattern }) => method === 'POST' && pattern.startsWith('/v1/wallets/{walletId}/'),
    )
    expect(signing.map(({ operation }) => operation).sort()).toEqual([...approvableOperations].sort())
    expect([...new Set(asked.map(({ operation }) => operation))].sort()).toEqual(
      [...approvableOperations].sort(),
    )
  })

  it('leads to the key through one function, which needs a permit', () => {
    const source = resolve(import.meta.dirname, '../../boundary/signer/src')
    const files = readdirSync(source).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    const using = (pattern: RegExp) =>
      files.filter((name) => pattern.test(readFileSync(join(source, name), 'utf8'))).sort()
    expect(using(/\bbackend\.sign|\.signTaproot\(/)).toEqual(['make-signatures.ts'])
    expect(using(/\bmakeSignatures\(/)).toEqual(['make-signatures.ts', 'sign.ts'])
    // Whoever finishes holds a `Permitted`; only these make one.
    expect(using(/\bfinish\(/)).toEqual(['due-approvals.ts', 'sign.ts', 'vote.ts'])
    expect(using(/\bpermit\(tx/)).toEqual(['resume.ts', 'sign.ts'])
  })
})

describe('a wallet without a policy', () => {
  beforeAll(() => openWorld(null))
  afterAll(() => test.close())

  it('signs nothing, on no route', () => expectRefused('POLICY_NONE'))

  it('signs nothing either where the organisation permits everything', async () => {
    await put('/v1/organisation/policy', { policy: 'everything', expected: null })
    await expectRefused('POLICY_NONE')
    await put('/v1/organisation/policy', { policy: null, expected: 'everything' })
  })

  it('signs nothing either under a grant of everything', async () => {
    const { version, rules } = everything
    const ids = Object.values(wallets).map(({ id }) => id)
    const expires = new Date(test.nowMs() + 3_600_000).toISOString()
    const body = { to: test.test.agent.id, wallets: ids, rules: { version, rules }, expires }
    const { id } = (await must(201, ask('/v1/grants', body, { by: admins() }))) as { id: string }
    await expectRefused('POLICY_NONE', (one) => request(one, { grant: id }))
  })

  it('signs nothing for an admin, who is the whole quorum here', async () => {
    for (const one of asked) {
      const wallet = wallets[one.kind]
      const path = patternOf(one.operation).replace('{walletId}', wallet.id)
      const { preparedTransaction } = one
      const prepared = preparedTransaction === undefined ? {} : { preparedTransaction }
      const answer = await ask(path, one.body(wallet), { by: admins()[0], ...prepared })
      expect([one.operation, errorCode(answer)]).toEqual([one.operation, 'POLICY_REFUSED'])
    }
    expect(keyUses()).toBe(0)
  })

  it('signs nothing on any other route, whatever they are sent', async () => {
    const bodies = [undefined, {}, ...asked.map(({ body, kind }) => body(wallets[kind]))]
    const ids: Record<string, string> = { walletId: wallets.EVM.id, policyId: 'everything' }
    for (const route of routes) {
      if (approvableOperations.has(route.operation)) continue
      const path = route.pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? `${name}-1`)
      for (const body of route.method === 'GET' ? [undefined] : bodies) {
        for (const by of [test.test.agent, ...admins()]) {
          const answer = await test.ask(route.method, path, body, { by })
          expect(JSON.stringify(answer.body ?? null), route.operation).not.toMatch(
            /"signedTransaction|"psbt"/,
          )
        }
      }
    }
    expect(keyUses()).toBe(0)
  })
})

describe('a wallet that may sign everything', () => {
  beforeEach(() => openWorld('everything'))
  afterEach(() => test.close())

  it('signs on every route, so what is refused above and below is refused by policy', async () => {
    for (const [i, one] of asked.entries()) {
      const answer = await request(one)
      expect([one.operation, one.kind, answer.status]).toEqual([one.operation, one.kind, 200])
      expect(keyUses()).toBe(i + 1)
    }
    expect(await test.entries('signed')).toHaveLength(asked.length)
  })

  it('signs nothing, on no route, where the organisation forbids it', async () => {
    await put('/v1/organisation/policy', { policy: 'nothing', expected: null })
    await expectRefused('POLICY_FORBIDDEN')
  })

  it('signs nothing, on no route, where the organisation does not permit it', async () => {
    await put('/v1/organisation/policy', { policy: 'other', expected: null })
    await expectRefused('POLICY_NO_RULE')
  })

  it('signs nothing, on no route, where its group forbids it, nor where a grant does', async () => {
    const ids = Object.values(wallets).map(({ id }) => id)
    await put('/v1/wallet-groups/all', { wallets: ids, policy: 'nothing', expected: null })
    await expectRefused('POLICY_FORBIDDEN')
  })

  it('signs nothing, on no route, under a grant of less', async () => {
    const { version, rules } = other
    const ids = Object.values(wallets).map(({ id }) => id)
    const expires = new Date(test.nowMs() + 3_600_000).toISOString()
    const body = { to: test.test.agent.id, wallets: ids, rules: { version, rules }, expires }
    const { id } = (await must(201, ask('/v1/grants', body, { by: admins() }))) as { id: string }
    await expectRefused('POLICY_NO_RULE', (one) => request(one, { grant: id }))
  })

  it('signs nothing, on no route, for an API key: no rule says bearer', async () => {
    const apiKey = encodeApiKey(new Uint8Array(randomBytes(32)))
    const publicKey = encodeHex(apiKeyHash(apiKey))
    const body = { algorithm: 'bearer', publicKey, role: 'agent', name: 'script', ratePerMinute: 600 }
    await must(201, ask('/v1/credentials', body, { by: admins() }))
    await expectRefused('POLICY_WHO', ({ operation, kind, body: bodyOf, preparedTransaction }) => {
      const path = patternOf(operation).replace('{walletId}', wallets[kind].id)
      const headers = { 'x-api-key': apiKey, 'idempotency-key': randomBytes(12).toString('hex') }
      const text = JSON.stringify(bodyOf(wallets[kind]))
      return test.test.send({
        request: { method: 'POST', path, headers, body: text },
        ...(preparedTransaction === undefined ? {} : { preparedTransaction }),
      })
    })
  })

  it('signs nothing any more when its policy is taken away', async () => {
    await assign(null, 'everything')
    await expectRefused('POLICY_NONE')
  })
})

describe('what waits for approval', () => {
  beforeEach(() => openWorld(null))
  afterEach(() => test.close())

  it('is signed with its approvals', async () => {
    const id = await test.wait(10n)
    for (const approver of test.approvers.slice(0, 2)) await test.approve(id, approver as TestKey)
    expect(keyUses()).toBe(1)
  })

  it.each([
    ['its wallet has no policy any more', 'wallet'],
    ['the organisation forbids it', 'organisation'],
    ['the group forbids it', 'group'],
    ['the policy permits nothing any more', 'policy'],
  ] as const)('is not signed where %s', async (_, by) => {
    const id = await test.wait(10n)
    if (by === 'wallet') {
      await put(`/v1/wallets/${test.wallet.id}/policy`, { policy: null, expected: 'treasury' })
    } else if (by === 'organisation') {
      await put('/v1/organisation/policy', { policy: 'nothing', expected: null })
    } else if (by === 'group') {
      const wanted = { wallets: [test.wallet.id], policy: 'nothing', expected: null }
      await put('/v1/wallet-groups/g', wanted)
    } else {
      const { id: policyId, version, groups } = approvalPolicy(test.approvers.map((one) => one.id))
      await must(200, test.putPolicy({ version, id: policyId, ...(groups ? { groups } : {}), rules: [] }))
    }
    const digest = (await test.test.signer.ledger.get('approval', id))?.digest
    for (const approver of test.approvers) {
      await ask(`/v1/approvals/${id}/approve`, { digest }, { by: approver })
    }
    expect((await test.test.signer.ledger.get('approval', id))?.state).not.toBe('signed')
    expect(keyUses()).toBe(0)
    expect(await test.entries('permit')).toEqual([])
  })
})
