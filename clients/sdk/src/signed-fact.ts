import { canonicalJson, encodeBase64, encodeHex, encodeUtf8, type Hex, sha256 } from '@countersign/bytes'
import { sdkError } from './catalogue.ts'
import type { CredentialSigner } from './credential-key.ts'

export interface PriceInput {
  readonly type: 'price'
  /** CAIP-19. */
  readonly asset: string
  readonly currency: string
  /** For one whole unit of the asset, for example "3012.45". */
  readonly price: string
  readonly decimals: number
}

export interface SimulationInput {
  readonly type: 'simulation'
  /** SHA-256 of the unsigned bytes that were tried out; of a waiting request its `payloadDigest`. */
  readonly payloadDigest: Hex
  /** Address of the wallet by which they were tried out. */
  readonly account: string
  readonly outcome: 'success' | 'revert'
  /** What left the account, at most. */
  readonly maxOutflows?: readonly { readonly asset: string; readonly amount: string }[]
}

export type FactInput = (PriceInput | SimulationInput) & {
  /** For how long it holds; a minute where it is left out, a day at most. */
  readonly lifetimeMs?: number
  /** When it was so. */
  readonly atMs?: number
}

const lifetimeMsDefault = 60_000
/** The signer takes nothing from the future: so a clock that is a little ahead does no harm. */
const leewayMs = 3_000

export interface SignedFactInput {
  readonly fact: object
  /** base64. */
  readonly signature: string
  /** SHA-256 of what was signed: the signer's statement names it. */
  readonly digest: Hex
}

/**
 * A fact in the words of one credential. The prefix keeps its signature from being taken for that of a request.
 * @throws {CountersignError} SDK_INPUT_INVALID for a passkey, which signs nothing but requests */
export async function signFact(
  credential: CredentialSigner,
  { lifetimeMs = lifetimeMsDefault, atMs = Date.now() - leewayMs, ...said }: FactInput,
): Promise<SignedFactInput> {
  if (credential.algorithm.startsWith('webauthn-')) {
    throw sdkError('SDK_INPUT_INVALID', 'A passkey signs no facts; use a key.')
  }
  const fact = { v: 1, ...said, atMs, expiresAtMs: atMs + lifetimeMs, credentialId: credential.id }
  const payload = encodeUtf8(`countersign-fact-v1\n${canonicalJson(fact)}\n`)
  const signature = encodeBase64(await credential.sign(payload))
  return { fact, signature, digest: encodeHex(sha256(payload)) }
}
