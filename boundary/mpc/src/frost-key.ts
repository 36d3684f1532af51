import { derivePublic } from './bip32.ts'
import { bip340Hash } from './bip340-hash.ts'
import { concatBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { frostSuiteOf } from './frost-suites.ts'
import type { Group, Point, Secp256k1Group } from './group.ts'
import type { KeyShare } from './key-share.ts'
import { readUint256 } from './scalar-field.ts'

/** Which key of a share's family signs. */
export interface FrostKeyChoice {
  /** BIP-32, non-hardened, on suites 3 and 4; empty on suite 2, whose keys have no public derivation. */
  readonly path?: readonly number[]
  /**
   * Suite 4. Absent: the derived key itself signs, by BIP-340. Present: the taproot output key signs (BIP-341, key
   * path): no bytes for an output without scripts, 32 bytes for the Merkle root of its scripts. */
  readonly merkleRoot?: Uint8Array
}

/**
 * The key that signs, and how to get there from the shares of the family's first key: each share s becomes
 * (isNegated ? -s : s) + offset. Lagrange's weights sum to 1, so the same is done to the key itself. */
export interface FrostKey {
  readonly publicKey: Point
  /** As the group encodes it; of even y on suite 4. */
  readonly encoded: Uint8Array
  /** t of BIP-341, 32 bytes, or none. */
  readonly taproot: Uint8Array
  readonly isNegated: boolean
  readonly offset: bigint
}

type Parent = Pick<KeyShare, 'suite' | 'group' | 'publicKey' | 'chainCode'>

/** @throws {CountersignError} MPC_INPUT_INVALID */
export function chooseFrostKey(parent: Parent, { path = [], merkleRoot }: FrostKeyChoice): FrostKey {
  const { group } = parent
  const suite = frostSuiteOf(parent.suite)
  if (merkleRoot !== undefined && !suite.isXOnly) {
    throw mpcError('MPC_INPUT_INVALID', `A key of suite ${suite.id} has no taproot output.`)
  }
  const derived = derive(parent, path)
  if (!suite.isXOnly) {
    const { publicKey, tweak } = derived
    const encoded = group.encode(publicKey)
    return { publicKey, encoded, taproot: new Uint8Array(0), isNegated: false, offset: tweak }
  }
  const internal = withEvenY(group, { publicKey: derived.publicKey, isNegated: false, offset: derived.tweak })
  if (merkleRoot === undefined) return { ...internal, taproot: new Uint8Array(0) }
  const taproot = taprootTweak(internal.encoded.subarray(1), merkleRoot)
  const t = readUint256(taproot, false)
  // Chance 2^-128: BIP-341 gives up here too.
  if (t >= group.scalars.order) throw noOutputKey()
  const publicKey = group.add(internal.publicKey, group.multiplyBase(t))
  if (group.isIdentity(publicKey)) throw noOutputKey()
  const { isNegated } = internal
  const output = withEvenY(group, { publicKey, isNegated, offset: group.scalars.add(internal.offset, t) })
  return { ...output, taproot }
}

/**
 * The public key whose signatures a choice gives, as the suite's verifiers know it: 32 bytes on suites 2 and 4, 33 on
 * suite 3. @throws {CountersignError} MPC_INPUT_INVALID */
export function frostPublicKey(parent: Parent, choice: FrostKeyChoice = {}): Uint8Array {
  return frostSuiteOf(parent.suite).encodeKey(chooseFrostKey(parent, choice).encoded).slice()
}

/** BIP-341, "Constructing and spending": t = H_TapTweak(x(P) || root).
 * @param root No bytes, or 32. @throws {CountersignError} MPC_INPUT_INVALID */
export function taprootTweak(internalKey: Uint8Array, root: Uint8Array): Uint8Array {
  if (root.length !== 0 && root.length !== 32) {
    throw mpcError('MPC_INPUT_INVALID', 'A Merkle root is 32 bytes, or none for an output without scripts.')
  }
  return bip340Hash('TapTweak', concatBytes(internalKey, root))
}

function derive({ suite, group, publicKey, chainCode }: Parent, path: readonly number[]) {
  if (suite !== 2) return derivePublic({ group: group as Secp256k1Group, publicKey, chainCode }, path)
  if (path.length !== 0) {
    throw mpcError('MPC_INPUT_INVALID', 'Keys of Ed25519 have no public derivation: the path must be empty.')
  }
  return { publicKey, tweak: 0n }
}

type Affine = Pick<FrostKey, 'publicKey' | 'isNegated' | 'offset'>

function withEvenY(group: Group, key: Affine): Affine & Pick<FrostKey, 'encoded'> {
  const encoded = group.encode(key.publicKey)
  // SEC 1, section 2.3.3: 2 for an even y, 3 for an odd one.
  if (encoded[0] === 2) return { ...key, encoded }
  encoded[0] = 2
  return {
    publicKey: group.negate(key.publicKey),
    encoded,
    isNegated: !key.isNegated,
    offset: group.scalars.mod(-key.offset),
  }
}

function noOutputKey() {
  return mpcError('MPC_INPUT_INVALID', 'This Merkle root gives no output key with this key.')
}
