import { nobleSecp256k1 } from '@countersign/keys'
import { codeOf, describeBackend } from '@countersign/keys/testing'
import { describe, expect, it } from 'vitest'
import { openMemoryBackend } from './memory-backend.ts'

describeBackend('memory', async () => ({ backend: await openMemoryBackend() }))
describeBackend('memory on noble', async () => ({
  backend: await openMemoryBackend({ curve: nobleSecp256k1 }),
}))

describe('memory backend', () => {
  it.each(['production', 'PRODUCTION', ' production '])('refuses COUNTERSIGN_ENV=%j', async (value) => {
    expect(await codeOf(openMemoryBackend({ env: { COUNTERSIGN_ENV: value } }))).toBe('KEYS_BACKEND_REFUSED')
  })

  it('does not keep the caller’s buffer', async () => {
    const backend = await openMemoryBackend()
    const secretKey = new Uint8Array(32).fill(7)
    const key = await backend.importKey({ algorithm: 'secp256k1', name: 'a', secretKey })
    const { bytes } = await backend.publicKey(key)
    secretKey.fill(0)
    const digest = new Uint8Array(32).fill(1)
    expect(nobleSecp256k1.verify(digest, (await backend.sign({ key, payload: digest })).bytes, bytes)).toBe(
      true,
    )
  })
})
