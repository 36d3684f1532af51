import { encodeApiKey, isBearerRequest } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { toSignedRequest } from './request.ts'

const apiKey = encodeApiKey(new Uint8Array(32).fill(3))
const incoming = (headers: Readonly<Record<string, string | readonly string[]>>) =>
  toSignedRequest({ method: 'POST', path: '/v1/wallets', headers, body: '{}' })

describe('what of a request travels to the signer', () => {
  it('with a signature: the headers of the profile, and never a key', () => {
    const signed = {
      signature: 'sig1=:AA==:',
      'signature-input': 'sig1=()',
      'content-digest': 'd',
      cookie: 'c',
    }
    const { headers } = incoming({ ...signed, 'x-api-key': apiKey, authorization: `Bearer ${apiKey}` })
    expect(headers).toEqual({ signature: 'sig1=:AA==:', 'signature-input': 'sig1=()', 'content-digest': 'd' })
    expect(isBearerRequest(incoming({ 'signature-input': 'sig1=()', 'x-api-key': apiKey }))).toBe(false)
  })

  it('with a key: the key, the request id, the audience, and nothing else', () => {
    const more = {
      'content-type': 'text/plain',
      'user-agent': 'python',
      accept: '*/*',
      'content-digest': 'd',
    }
    expect(
      incoming({ ...more, authorization: `Bearer ${apiKey}`, 'idempotency-key': 'mine-mine' }).headers,
    ).toEqual({
      'x-api-key': apiKey,
      'idempotency-key': 'mine-mine',
    })
    expect(
      incoming({ 'x-api-key': apiKey, 'countersign-audience': 'sgn_1', 'idempotency-key': 'x' }).headers,
    ).toEqual({
      'x-api-key': apiKey,
      'countersign-audience': 'sgn_1',
      'idempotency-key': 'x',
    })
  })

  it('with a key and no request id: a new one each time', () => {
    const ids = [1, 2].map(() => incoming({ 'x-api-key': apiKey }).headers['idempotency-key'])
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(ids[0]).not.toBe(ids[1])
  })

  it('with another kind of authorization: nothing of it', () => {
    expect(incoming({ authorization: 'Basic YTpi' }).headers).toEqual({})
    expect(incoming({ authorization: 'Bearer eyJ.e30.' }).headers).toEqual({})
  })

  it('with two keys: a refusal that shows neither', () => {
    const other = encodeApiKey(new Uint8Array(32))
    const both = () => incoming({ 'x-api-key': apiKey, authorization: `Bearer ${other}` })
    expect(both).toThrow(expect.objectContaining({ code: 'WIRE_API_KEY_INVALID' }))
    expect(() => incoming({ 'x-api-key': [apiKey, other] })).toThrow(
      expect.objectContaining({ code: 'WIRE_API_KEY_INVALID' }),
    )
  })
})
