import { sha256 } from '@countersign/bytes'
import type { ScalarField } from './scalar-field.ts'
import { jsSha256Kernel, type Midstate } from './sha256-kernel.ts'
import { hasPlatformSha256, sha256Kernel } from './sha256-kernels.ts'
import { type BlockTag, fullTag, type HashTag, type ScalarTag } from './tags.ts'

/** Beyond this the platform's own SHA-256 is faster than a kept midstate. */
const midstateBytesMax = 1024

interface Prefix {
  readonly block: Uint8Array
  readonly midstate: Midstate
}
const prefixes = new Map<string, Prefix>()

/**
 * TH(tag, x1..xk) = SHA256(SHA256(tag) || SHA256(tag) || LP(x1) || .. || LP(xk)), LP(x) = u32be(length) || x.
 * No field is empty by accident: a field that is absent is passed as zero bytes.
 * @returns 32 bytes. */
export function taggedHash(tag: HashTag, ...fields: readonly Uint8Array[]): Uint8Array {
  return hashFields(fullTag(tag), fields)
}

/**
 * HS(tag, ..) = int(TH(tag/0, ..) || TH(tag/1, ..)) mod q, big endian on every suite: 512 bits, so that the bias is
 * below 2^-255. */
export function hashToScalar(field: ScalarField, tag: ScalarTag, ...fields: readonly Uint8Array[]): bigint {
  const wide = new Uint8Array(64)
  wide.set(hashFields(fullTag(`${tag}/0`), fields))
  wide.set(hashFields(fullTag(`${tag}/1`), fields), 32)
  return field.reduce(wide)
}

/** SHA256(tag) || head: the 64-byte first block of the hashes that are made by the thousand.
 * @param head 32 bytes, for example a session's id. */
export function blockPrefix(tag: BlockTag, head: Uint8Array): Uint8Array {
  if (head.length !== 32) throw new Error('bug: the head of a block is 32 bytes')
  const block = new Uint8Array(64)
  block.set(tagDigest(fullTag(tag)))
  block.set(head, 32)
  return block
}

function hashFields(tag: string, fields: readonly Uint8Array[]): Uint8Array {
  let restBytes = 0
  for (const field of fields) restBytes += 4 + field.length
  const prefix = prefixOf(tag)
  const isLong = restBytes > midstateBytesMax && hasPlatformSha256
  const start = isLong ? 64 : 0
  const message = new Uint8Array(start + restBytes)
  if (isLong) message.set(prefix.block)
  const view = new DataView(message.buffer)
  let at = start
  for (const field of fields) {
    view.setUint32(at, field.length)
    message.set(field, at + 4)
    at += 4 + field.length
  }
  const digest = isLong ? sha256(message) : sha256Kernel().finish(prefix.midstate, message)
  // Fields can be secret: blinds, keys of oblivious transfer.
  message.fill(0)
  return digest
}

function prefixOf(tag: string): Prefix {
  const known = prefixes.get(tag)
  if (known !== undefined) return known
  const digest = tagDigest(tag)
  const block = new Uint8Array(64)
  block.set(digest)
  block.set(digest, 32)
  const prefix = { block, midstate: jsSha256Kernel.midstate(block) }
  // The registry is finite, and so is this map.
  prefixes.set(tag, prefix)
  return prefix
}

function tagDigest(tag: string): Uint8Array {
  return sha256(new TextEncoder().encode(tag))
}
