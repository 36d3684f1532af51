import type { SignedRequest } from '@countersign/wire'
import { beforeAll, describe, expect, it } from 'vitest'
import { calls } from './calls.ts'
import { type CountersignClient, createCountersignClient } from './client.ts'
import { type CredentialSigner, createCredentialKey } from './credential-key.ts'
import { cosignRequest } from './sign-request.ts'
import { createProvingSigner } from './testing/proving-signer.ts'

type Answer = Record<string, unknown>
type Engine = (request: SignedRequest, honest: Answer) => unknown

const signer = createProvingSigner()
const otherSigner = createProvingSigner()
const hash = `0x${'cd'.repeat(32)}` as const
let credential: CredentialSigner
let stranger: CredentialSigner
beforeAll(async () => {
  credential = (await createCredentialKey('p256')).signer
  stranger = (await createCredentialKey('p256')).signer
})

/** A client whose engine hands the signer's answers on after doing something to them. */
function clientOver(engine: Engine, by = credential): CountersignClient {
  return createCountersignClient({
    url: 'http://engine.test',
    credential: by,
    audience: signer.audience,
    async fetch(url, init) {
      const { pathname } = new URL(url)
      const request = { ...init, path: pathname, body: init.body ?? '' } as unknown as SignedRequest
      return new Response(JSON.stringify(await engine(request, (await signer.answer(request)) as Answer)))
    },
  })
}

const asks: Record<string, (client: CountersignClient, requestId?: string) => Promise<unknown>> = {
  'wallets.create': (client, requestId = 'request-1') =>
    client.wallets.create({ name: 'till', policy: 'p' }, { requestId }),
  'policies.put': (client, requestId = 'request-1') =>
    client.policies.put({ id: 'p', policy: {}, expected: null }, { requestId }),
  'wallets.setPolicy': (client, requestId = 'request-1') =>
    client.wallets.setPolicy({ walletId: 'wal_1', policy: 'p', expected: null }, { requestId }),
  'organisation.setPolicy': (client, requestId = 'request-1') =>
    client.organisation.setPolicy({ policy: 'p', expected: null }, { requestId }),
  'credentials.create': (client, requestId = 'request-1') =>
    client.credentials.create(
      { algorithm: 'p256', publicKey: '0x02', role: 'agent', name: 'a' },
      { requestId },
    ),
  'credentials.revoke': (client, requestId = 'request-1') =>
    client.credentials.revoke('cred_2', { requestId }),
  signMessage: (client, requestId = 'request-1') =>
    client.signMessage({ walletId: 'wal_1', message: 'hello' }, { requestId }),
  sendTransaction: (client, requestId = 'request-1') =>
    client.sendTransaction({ walletId: 'wal_1', transaction: { chainId: 1 } }, { requestId }),
}
const unproven = { code: 'SDK_ANSWER_UNPROVEN' }

describe.each(Object.entries(asks))('%s', (_name, ask) => {
  it('believes the signer', async () => {
    expect(await ask(clientOver((_request, honest) => honest))).toHaveProperty('receipt.entry')
  })

  it('believes nothing without a receipt', async () => {
    for (const receipt of [undefined, null, {}, 'receipt', { journalKey: 1 }]) {
      await expect(ask(clientOver((_request, honest) => ({ ...honest, receipt })))).rejects.toMatchObject(
        unproven,
      )
    }
    await expect(ask(clientOver(() => null))).rejects.toMatchObject(unproven)
  })

  it('believes no other field than the entry has', async () => {
    const honest = (await ask(clientOver((_request, answer) => answer))) as Answer
    const own = /^(?:id|type|name)$/
    for (const field of Object.keys(honest)) {
      // A transaction's id is the engine's own.
      if (field === 'receipt' || (own.test(field) && 'hash' in honest && 'walletId' in honest)) continue
      const swapped = clientOver((_request, answer) => ({ ...answer, [field]: `${answer[field]}0` }))
      await expect(ask(swapped), field).rejects.toMatchObject(unproven)
      const left = clientOver((_request, answer) => ({ ...answer, [field]: undefined }))
      if (honest[field] !== null) await expect(ask(left), field).rejects.toMatchObject(unproven)
    }
  })

  it('believes no receipt of another request, signer or credential', async () => {
    let earlier: Answer = {}
    const replaying = clientOver((_request, honest) => {
      if (Object.keys(earlier).length === 0) earlier = honest
      return earlier
    })
    await ask(replaying)
    await expect(ask(replaying, 'request-2')).rejects.toMatchObject(unproven)
    await expect(ask(clientOver(() => earlier, stranger))).rejects.toMatchObject(unproven)
    const elsewhere = clientOver((request) => otherSigner.answer(request))
    await expect(ask(elsewhere)).rejects.toMatchObject(unproven)
    const renamed = clientOver(async (request) => {
      const answer = (await otherSigner.answer(request)) as { receipt: object }
      const { audience, journalKey } = signer
      return { ...answer, receipt: { ...answer.receipt, signer: audience, journalKey } }
    })
    await expect(ask(renamed)).rejects.toMatchObject(unproven)
  })

  it('believes no entry of another type about the same request', async () => {
    for (const type of [
      'permit',
      'refused',
      'signed',
      'wallet',
      'policy',
      'credential',
      'organisation-policy',
    ]) {
      const engine = clientOver(async (request, honest) => {
        const { receipt } = honest as { receipt: { entry: { type: string } } }
        if (receipt.entry.type === type) return { ...honest, receipt: null }
        return { ...honest, receipt: await signer.receipt(request, { ...receipt.entry, type }) }
      })
      await expect(ask(engine), type).rejects.toMatchObject(unproven)
    }
  })
})

it('a revocation that the signer did not make is not believed', async () => {
  const record = { id: 'cred_2', role: 'agent', status: 'active' }
  const added = clientOver(async (request) => ({
    ...record,
    status: 'revoked',
    receipt: await signer.receipt(request, { type: 'credential', change: 'added', credential: record }),
  }))
  await expect(added.credentials.revoke('cred_2')).rejects.toMatchObject(unproven)
})

it('a request that was signed by hand is checked like others', async () => {
  const engines: [Engine, boolean][] = [
    [(_request, honest) => honest, true],
    [() => ({ id: 'cred_2', role: 'agent', status: 'revoked' }), false],
  ]
  for (const [engine, isHonest] of engines) {
    const client = clientOver(engine)
    const prepared = await client.prepare(calls.revokeCredential('cred_2'))
    const sent = client.submit(await cosignRequest(prepared, stranger))
    if (isHonest) expect(await sent).toMatchObject({ status: 'revoked' })
    else await expect(sent).rejects.toMatchObject(unproven)
  }
})

it('a success on a path that the signer does not have is not believed', async () => {
  const client = createCountersignClient({
    url: 'http://engine.test',
    credential,
    audience: signer.audience,
    fetch: async () => new Response(JSON.stringify({ status: 'revoked' })),
  })
  await expect(client.credentials.revoke('../x')).rejects.toMatchObject(unproven)
})

it('a receipt that is asked for is of the named request and of one’s own', async () => {
  const made = (await asks['wallets.create']!(clientOver((_request, honest) => honest))) as Answer
  const client = clientOver(() => made.receipt)
  expect(await client.receipts.get('request-1')).toEqual(made.receipt)
  await expect(client.receipts.get('request-2')).rejects.toMatchObject(unproven)
  await expect(clientOver(() => made.receipt, stranger).receipts.get('request-1')).rejects.toMatchObject(
    unproven,
  )
})

it('a signed transaction is the one of its hash and of its entry', async () => {
  const ask = (client: CountersignClient) =>
    client.signTransaction({ walletId: 'wal_1', unsignedTransaction: '0x02' })
  const engine = clientOver(async (request) => ({
    ...(await signer.signed(request, { signature: `0x${'01'.repeat(64)}1b`, hash })),
    signedTransaction: '0x02',
  }))
  await expect(ask(engine)).rejects.toMatchObject(unproven)
})

it('no second credential signs a request that no quorum decides', async () => {
  const client = clientOver((_request, honest) => honest)
  const request = await client.sign(calls.signMessage({ walletId: 'wal_1', message: 'hello' }))
  await expect(cosignRequest(request, stranger)).rejects.toMatchObject({ code: 'SDK_INPUT_INVALID' })
})
