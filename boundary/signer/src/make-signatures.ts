import { decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { type Intent, taprootOutputKey } from '@countersign/intent'
import { type CheckedSignature, isCheckingSigner, isSchnorrSigner } from '@countersign/keys'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'
import type { Signer } from './signer.ts'
import { verifyMade } from './verifier.ts'
import type { MadeSignature } from './verify.ts'

export interface Made {
  readonly bytes: Uint8Array
  /** Undefined but for ECDSA. */
  readonly recovery: 0 | 1 | undefined
}

/**
 * Every signature that an intent needs: one, but for Bitcoin, where each input of the wallet has its own. Each is
 * checked before the next is made; at the first that is wrong the signer halts and none of them leaves.
 * @throws {CountersignError} SIGNER_SIGNATURE_INVALID and those of the backend */
export async function makeSignatures(
  signer: Signer,
  wallet: WalletRecord,
  intent: Intent,
): Promise<readonly Made[]> {
  const made: Made[] = []
  for (const wanted of wantedSignatures(wallet, intent)) made.push(await makeOne(signer, wallet, wanted))
  return made
}

type Wanted = Pick<MadeSignature, 'algorithm' | 'publicKey' | 'payload'>

function wantedSignatures(wallet: WalletRecord, intent: Intent): readonly Wanted[] {
  const { algorithm, publicKey } = wallet
  if (intent.bitcoin === undefined) return [{ algorithm, publicKey, payload: intent.toSign }]
  let outputKey: Hex | undefined
  return intent.bitcoin.inputs.map((input) => {
    if (input.algorithm === 'ecdsa') return { algorithm, publicKey, payload: input.toSign }
    outputKey ??= encodeHex(taprootOutputKey(decodeHex(publicKey).subarray(1)))
    return { algorithm: 'bip340', publicKey: outputKey, payload: input.toSign }
  })
}

async function makeOne(signer: Signer, { key }: WalletRecord, wanted: Wanted): Promise<Made> {
  const { bytes, recovery } = await signedAndChecked(signer, key, wanted)
  if (recovery === 0 || recovery === 1) {
    return { bytes, recovery: wanted.algorithm === 'secp256k1' ? recovery : undefined }
  }
  const error = signerError(
    'SIGNER_SIGNATURE_INVALID',
    `The signature by ${key} does not verify; it was thrown away.`,
  )
  signer.halt(error)
  throw error
}

async function signedAndChecked(
  signer: Signer,
  key: WalletRecord['key'],
  wanted: Wanted,
): Promise<CheckedSignature> {
  const { algorithm, payload, publicKey } = wanted
  if (algorithm === 'secp256k1' && isCheckingSigner(signer.backend)) {
    const made = await signer.backend.signChecked({ key, payload, publicKey: decodeHex(publicKey) })
    await signer.at('signed')
    return made
  }
  const { bytes, recovery: hint } = await signed(signer, { key, payload }, algorithm)
  await signer.at('signed')
  return { bytes, recovery: await verifyMade({ ...wanted, bytes, recovery: hint }) }
}

async function signed(
  { backend }: Signer,
  request: { readonly key: WalletRecord['key']; readonly payload: Uint8Array },
  algorithm: Wanted['algorithm'],
): Promise<{ readonly bytes: Uint8Array; readonly recovery: 0 | 1 | undefined }> {
  if (algorithm !== 'bip340') {
    const { bytes, recovery } = await backend.sign(request)
    return { bytes, recovery }
  }
  if (isSchnorrSigner(backend)) return { bytes: await backend.signTaproot(request), recovery: undefined }
  // The signer may have been started with another backend than the one that made the wallet.
  throw signerError(
    'SIGNER_BACKEND_UNFIT',
    `The ${backend.custody.backend} backend makes no Schnorr signatures, which p2tr wallets need.`,
  )
}
