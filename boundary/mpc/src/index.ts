export * from './abort.ts'
export * from './bip32.ts'
export * from './byte-reader.ts'
export * from './byte-writer.ts'
export * from './catalogue.ts'
export * from './context.ts'
export * from './drive-streams.ts'
export * from './driver.ts'
export * from './ed25519-group.ts'
export * from './epoch.ts'
export * from './export.ts'
export * from './frame.ts'
export * from './frost.ts'
export * from './frost-epoch.ts'
export * from './frost-key.ts'
export { type FrostSuiteId, isFrostSignatureValid, type SignedMessage } from './frost-suites.ts'
export * from './group.ts'
export * from './inbox.ts'
export {
  type KeyGenerationInput,
  type RefreshInput,
  startKeyGeneration,
  startRefresh,
} from './key-generation.ts'
export * from './key-share.ts'
export * from './messages.ts'
export * from './parties.ts'
export * from './polynomial.ts'
export * from './pool.ts'
export * from './presignature.ts'
export * from './random-source.ts'
export * from './recovery.ts'
export * from './reshare.ts'
export * from './scalar-field.ts'
export * from './schnorr-proof.ts'
export * from './secp256k1-noble.ts'
export * from './session.ts'
export * from './sha256-kernel.ts'
export * from './sha256-kernels.ts'
export * from './share-codec.ts'
export {
  openPresignature,
  openSignature,
  type PresignInput,
  type SignInput,
  startPresignature,
  startSignature,
} from './sign.ts'
export * from './suites.ts'
export * from './tagged-hash.ts'
export * from './tags.ts'
