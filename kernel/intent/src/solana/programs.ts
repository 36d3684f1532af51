import { parseSolanaAddress } from '@countersign/bytes'

export const systemProgram = parseSolanaAddress('11111111111111111111111111111111')
export const tokenProgram = parseSolanaAddress('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA')
export const token2022Program = parseSolanaAddress('TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb')
export const associatedTokenProgram = parseSolanaAddress('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL')
export const stakeProgram = parseSolanaAddress('Stake11111111111111111111111111111111111111')
export const computeBudgetProgram = parseSolanaAddress('ComputeBudget111111111111111111111111111111')
export const lookupTableProgram = parseSolanaAddress('AddressLookupTab1e1111111111111111111111111')
export const memoPrograms = [
  parseSolanaAddress('Memo4c2pN8afCj432Lb7RMVKi9PbQnnW7ewFFaV3oAH'),
  parseSolanaAddress('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'),
  parseSolanaAddress('Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo'),
]
/** Programs that check signatures in their data; each of those costs as much as a transaction's own. */
export const signatureProgramAddresses = [
  parseSolanaAddress('Ed25519SigVerify111111111111111111111111111'),
  parseSolanaAddress('KeccakSecp256k11111111111111111111111111111'),
  parseSolanaAddress('Secp256r1SigVerify1111111111111111111111111'),
]
