import { addSignature, audienceOf, prepareRequest } from '@countersign/wire'
import { expect, it } from 'vitest'
import { authenticate } from './authenticate.ts'
import type { SignerClient } from './signer-client.ts'

it('takes one signature, and asks nobody about a request with two', async () => {
  const audience = audienceOf(new Uint8Array(32))
  let request = prepareRequest({ method: 'GET', path: '/v1/wallets', audience, requestId: 'request-1' })
  for (const digit of ['1', '2']) {
    request = await addSignature(request, {
      credential: { id: `cred_${digit.repeat(32)}`, algorithm: 'ed25519' },
      created: 0,
      expires: 1,
      nonce: 'A'.repeat(22),
      sign: () => new Uint8Array(64),
    })
  }
  await expect(authenticate(request, {} as SignerClient)).rejects.toMatchObject({
    code: 'WIRE_TOO_MANY_SIGNATURES',
    status: 400,
  })
})
