import { sign as signWithNode } from 'node:crypto'
import type { Json } from '@countersign/bytes'
import { type CredentialSigner, createCountersignClient } from '@countersign/sdk'
import type { SignedRequest } from '@countersign/wire'
import type { TestKey, TestSigner } from './test-signer.ts'

/** What a false engine does with a request and with the signer's answer to it. */
export interface Tamper {
  readonly request?: (request: SignedRequest) => SignedRequest | undefined
  readonly answer?: (body: Json, request: SignedRequest) => Json
}

export function credentialOf({ id, publicKey, key }: TestKey): CredentialSigner {
  return {
    id,
    algorithm: 'p256',
    publicKey,
    sign: async (base) => new Uint8Array(signWithNode('sha256', base, { key, dsaEncoding: 'ieee-p1363' })),
  }
}

/** A client whose engine is this process: it hands on what it gets, or (`tamper`) something else. */
export function clientOf(test: () => TestSigner, credential: CredentialSigner, tamper: Tamper = {}) {
  return createCountersignClient({
    url: 'http://127.0.0.1:1',
    credential,
    audience: test().audience,
    retries: 0,
    async fetch(url, init) {
      const { pathname, search } = new URL(url)
      const sent: SignedRequest = {
        method: (init.method ?? 'GET') as SignedRequest['method'],
        path: `${pathname}${search}`,
        headers: init.headers as Record<string, string>,
        body: typeof init.body === 'string' ? init.body : '',
      }
      const request = tamper.request === undefined ? sent : tamper.request(sent)
      if (request === undefined)
        return Response.json({ error: { code: 'GONE', message: 'gone' } }, { status: 500 })
      const { status, body } = await test().send({ request })
      const plain = JSON.parse(JSON.stringify(body)) as Json
      return Response.json(tamper.answer === undefined ? plain : tamper.answer(plain, sent), { status })
    },
  })
}
