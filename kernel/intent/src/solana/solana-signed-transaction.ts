import { concatBytes, encodeSolanaAddress, type SolanaAddress } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import { decodeSolanaMessage, solanaSignatureBytes } from './solana-message.ts'

export interface SolanaSignature {
  readonly signer: SolanaAddress
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

/**
 * The wire form: the signatures in the order of the signers, then the message. Places of signers who have not signed
 * are left as zeros, for them to fill in.
 * @param message As `solanaTransactionIntent` returns it in `toSign`.
 * @throws {CountersignError} INTENT_SIGNATURE_INVALID, INTENT_SOLANA_NOT_A_SIGNER and those of `decodeSolanaMessage` */
export function serializeSolanaTransaction(
  message: Uint8Array,
  signatures: readonly SolanaSignature[],
): Uint8Array {
  const { requiredSignatures, staticAccounts } = decodeSolanaMessage(message)
  const signers = staticAccounts.slice(0, requiredSignatures).map(encodeSolanaAddress)
  const places = new Uint8Array(requiredSignatures * solanaSignatureBytes)
  const filled = new Set<number>()
  for (const { signer, signature } of signatures) {
    const index = signers.indexOf(signer)
    if (index < 0) {
      throw intentError('INTENT_SOLANA_NOT_A_SIGNER', `${signer} is not among the signers of the message.`)
    }
    if (signature.length !== solanaSignatureBytes || filled.has(index)) {
      throw intentError(
        'INTENT_SIGNATURE_INVALID',
        `The signature of ${signer} is not 64 bytes long, or stands twice.`,
        { fix: 'Give one Ed25519 signature of 64 bytes for each signer.' },
      )
    }
    filled.add(index)
    places.set(signature, index * solanaSignatureBytes)
  }
  // A compact-u16; a message with 128 signers would not fit into a packet.
  return concatBytes(Uint8Array.of(requiredSignatures), places, message)
}
