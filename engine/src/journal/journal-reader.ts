import { createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { decodeBase64, decodeHex, type Hex, isCountersignError, parseJson } from '@countersign/bytes'
import {
  addSignature,
  credentialId,
  ordinaryLifetimeS,
  prepareRequest,
  type SignedRequest,
} from '@countersign/wire'
import { engineError } from '../catalogue.ts'
import type { SignerAnswer, SignerClient } from '../signer-client.ts'

/**
 * The engine as a reader of the journal, under a credential of its own: the admin quorum has given it the power to
 * read, and can take it away. Without it, the engine knows no more than what passes through it.
 */
export interface JournalReader {
  readonly credentialId: string
  /** @param path From the root on, with its query. */
  get(path: string): Promise<SignerAnswer>
}

interface ReaderKey {
  readonly id: string
  readonly algorithm: 'p256' | 'ed25519'
  readonly key: KeyObject
}

const fileCharsMax = 16_384
const othersMode = 0o077

/** @param file As `countersign credential create` makes it.
 * @throws {CountersignError} ENGINE_CONFIG_INVALID */
export function openJournalReader(file: string, signer: SignerClient): JournalReader {
  const { id, algorithm, key } = readKey(file)
  const signBase = (base: Uint8Array) =>
    new Uint8Array(
      algorithm === 'ed25519'
        ? sign(null, base, key)
        : sign('sha256', base, { key, dsaEncoding: 'ieee-p1363' }),
    )
  return {
    credentialId: id,
    async get(path) {
      const audience = await signer.audience()
      const requestId = randomBytes(16).toString('hex')
      const prepared: SignedRequest = prepareRequest({ method: 'GET', path, audience, requestId })
      const created = Math.floor(Date.now() / 1_000)
      const request = await addSignature(prepared, {
        credential: { id, algorithm },
        created,
        expires: created + ordinaryLifetimeS,
        nonce: randomBytes(18).toString('base64url'),
        sign: signBase,
      })
      return signer.forward(request)
    },
  }
}

function readKey(file: string): ReaderKey {
  let parsed: Partial<Record<'algorithm' | 'publicKey' | 'privateKey', string>>
  try {
    const { mode } = statSync(file)
    if (process.platform !== 'win32' && (mode & othersMode) !== 0) {
      throw unusable('other users have access to it')
    }
    const value = parseJson(readFileSync(file, 'utf8'), { textCharsMax: fileCharsMax, depthMax: 4 })
    parsed = value as typeof parsed
  } catch (cause) {
    // A parser's own words could quote the key.
    if (isCountersignError(cause) && cause.code === 'ENGINE_CONFIG_INVALID') throw cause
    throw unusable('it cannot be read as a credential file')
  }
  const { algorithm, publicKey, privateKey } = parsed
  if (algorithm !== 'p256' && algorithm !== 'ed25519') {
    throw unusable('its algorithm is neither p256 nor ed25519')
  }
  try {
    const der = Buffer.from(decodeBase64(privateKey ?? '', 'privateKey'))
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    return { id: credentialId(algorithm, decodeHex(publicKey as Hex, 'publicKey')), algorithm, key }
  } catch {
    throw unusable('it holds no key')
  }
}

function unusable(why: string) {
  return engineError('ENGINE_CONFIG_INVALID', `The journalCredential cannot be used: ${why}.`)
}
