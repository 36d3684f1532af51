import { hmac } from '@noble/hashes/hmac.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, encodeU32 } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { Point, Secp256k1Group } from './group.ts'
import { readUint256 } from './scalar-field.ts'

/** BIP-32: the depth of a key is one byte. */
export const pathDepthMax = 255
/** From here on indices are hardened; they need the secret key, which nobody has. */
export const hardenedIndex = 0x8000_0000

interface ParentKey {
  readonly group: Secp256k1Group
  readonly publicKey: Point
  /** 32 bytes. */
  readonly chainCode: Uint8Array
}

export interface DerivedKey {
  /** The derived key is the parent's plus this, times the generator. Public, not secret. */
  readonly tweak: bigint
  readonly publicKey: Point
  readonly chainCode: Uint8Array
}

/** BIP-32, public parent key to public child key, along a path; an empty one is the parent itself.
 * @throws {CountersignError} MPC_INPUT_INVALID */
export function derivePublic(
  { group, publicKey, chainCode }: ParentKey,
  path: readonly number[],
): DerivedKey {
  checkPath(path)
  if (chainCode.length !== 32) throw mpcError('MPC_INPUT_INVALID', 'A chain code is 32 bytes long.')
  let key: DerivedKey = { tweak: 0n, publicKey, chainCode }
  for (const index of path) {
    const message = concatBytes(group.encode(key.publicKey), encodeU32(index))
    const digest = hmac(sha512, key.chainCode, message)
    const step = readUint256(digest.subarray(0, 32), false)
    const child = step < group.scalars.order ? group.add(key.publicKey, group.multiplyBase(step)) : undefined
    // Chance 2^-127; BIP-32 says to go on with the next index.
    if (child === undefined || group.isIdentity(child)) {
      throw mpcError('MPC_INPUT_INVALID', `Index ${index} gives no key here; take the next one.`)
    }
    key = { tweak: group.scalars.add(key.tweak, step), publicKey: child, chainCode: digest.slice(32) }
  }
  return key
}

/** The path as one field of a hash: u32 after u32.
 * @throws {CountersignError} MPC_INPUT_INVALID */
export function encodePath(path: readonly number[]): Uint8Array {
  checkPath(path)
  return concatBytes(...path.map(encodeU32))
}

function checkPath(path: readonly number[]): void {
  if (path.length > pathDepthMax) {
    throw mpcError('MPC_INPUT_INVALID', `The path has ${path.length} levels; ${pathDepthMax} are possible.`)
  }
  for (const index of path) {
    if (Number.isInteger(index) && index >= 0 && index < hardenedIndex) continue
    throw mpcError(
      'MPC_INPUT_INVALID',
      `${index} is no index of public derivation: hardened ones are not possible.`,
    )
  }
}
