/**
 * Every hash of the protocol has a tag of its own, listed here and nowhere else.
 * A tag that served two purposes would let a value of one proof stand in another (docs/mpc-protocol.md, "Tags").
 */
export const tagPrefix = 'countersign/dkls/v1/'

/** Names all parameters that change the transcript. Another width or another check must change it. */
export const protocolVersion = 'countersign/dkls/v1/kappa128/sigma128/xi512/rho1'

/** Tags of `taggedHash`: one SHA-256 each. */
export const hashTags = [
  'ctx',
  'dkg/com',
  'dkg/sid',
  'dkg/echo',
  'dkg/cc',
  'dkg/zero',
  'dkg/epoch',
  'dkg/ok',
  'refresh/subject',
  'refresh/com',
  'refresh/sid',
  'recover/subject',
  'export/subject',
  'reshare/subject',
  'reshare/com',
  'reshare/sid',
  'reshare/retire',
  'ot/sid',
  'ot/key',
  'ote/chi',
  'ote/chi-k',
  'rvole/tr',
  'rvole/mu',
  'sig/start',
  'sig/com',
  'sig/id',
  'sig/vole',
  'frost/start',
  'frost/id',
  'share/check',
] as const

/** Tags of `hashToScalar`: two SHA-256 each, under tag/0 and tag/1. */
export const scalarTags = ['dkg/pok', 'dkg/share-pok', 'rvole/gadget', 'rvole/theta', 'sig/zero'] as const

/** Tags whose SHA-256 is the first half of a 64-byte block, for hashes made by the thousand (`blockPrefix`). */
export const blockTags = ['ote/prg', 'ote/row'] as const

/** Domain separation tags of RFC 9380 hash-to-curve; they are not SHA-256 tags but share the registry. */
export const curveTags = ['ot/hp/secp256k1_XMD:SHA-256_SSWU_RO_'] as const

export type HashTag = (typeof hashTags)[number]
export type ScalarTag = (typeof scalarTags)[number]
export type BlockTag = (typeof blockTags)[number]
export type CurveTag = (typeof curveTags)[number]

/** The tag as it is hashed, in ASCII. */
export function fullTag(tag: HashTag | BlockTag | CurveTag | `${ScalarTag}/0` | `${ScalarTag}/1`): string {
  return `${tagPrefix}${tag}`
}

/** Every string that is hashed as a tag. */
export function listFullTags(): string[] {
  return [
    ...hashTags.map(fullTag),
    ...scalarTags.flatMap((tag) => [fullTag(`${tag}/0`), fullTag(`${tag}/1`)]),
    ...blockTags.map(fullTag),
    ...curveTags.map(fullTag),
  ]
}
