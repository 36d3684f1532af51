import { sha256 } from '@countersign/bytes'
import { concatBytes } from './byte-writer.ts'

/** Tags of BIP-340 and BIP-341 that are hashed here: theirs, so they are not in our registry. */
export type Bip340Tag = 'BIP0340/challenge' | 'TapTweak'

const prefixes = new Map<Bip340Tag, Uint8Array>()

/** BIP-340, "Design": SHA256(SHA256(tag) || SHA256(tag) || parts), the parts without lengths. */
export function bip340Hash(tag: Bip340Tag, ...parts: readonly Uint8Array[]): Uint8Array {
  const prefix = prefixes.get(tag) ?? prefixOf(tag)
  // Two tags, so two entries.
  prefixes.set(tag, prefix)
  return sha256(concatBytes(prefix, ...parts))
}

function prefixOf(tag: Bip340Tag): Uint8Array {
  const digest = sha256(new TextEncoder().encode(tag))
  return concatBytes(digest, digest)
}
