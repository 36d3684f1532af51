import { concatBytes, encodeHex } from '@countersign/bytes'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { intentError } from '../catalogue.ts'
import { littleEndianOf, psbtInvalid } from './bitcoin-bytes.ts'
import { p2trScript, p2wpkhScript } from './bitcoin-script.ts'
import type { PsbtMap } from './psbt.ts'

/** The wallet's keys: its own one, and where it has a chain code those below it, `<0 or 1>/<index>` (BIP-44). */
export interface WalletKeys {
  /** secp256k1, 33 bytes. */
  readonly publicKey: Uint8Array
  /** 32 bytes: then `publicKey` is an extended key (BIP-32), and the backend can sign below it. */
  readonly chainCode?: Uint8Array
  /** What the backend can sign for, both where absent. Coins in another form would not be the wallet's to spend. */
  readonly forms?: readonly OwnKeyForm[]
}

export type OwnKeyForm = 'p2wpkh' | 'p2tr'

/** Receiving and change. */
const branchMax = 1
/** Far over any wallet's gap; coins at an absurd index would be lost to most wallets, which is a way to hold them to ransom. */
export const derivationIndexMax = 1_000_000
/** Keys below the wallet's that one PSBT may make the signer derive; each takes milliseconds. */
export const derivationsMax = 200

export interface OwnKey {
  readonly publicKey: Uint8Array
  readonly path: readonly number[]
  readonly form: OwnKeyForm
}

/** @param derivationTypes The types of the fields in the map that hint at a path: plain, then Taproot's. */
export type OwnKeyFinder = (
  script: Uint8Array,
  map: PsbtMap,
  derivationTypes: readonly [number, number],
) => OwnKey | undefined

/**
 * Finds out whether scripts are locked to the wallet, by making them again from the wallet's own key. A PSBT's
 * derivation fields only say which key to try; nothing in them is believed. */
export function ownKeyFinder(keys: WalletKeys): OwnKeyFinder {
  checkWalletKeys(keys)
  // Curve arithmetic is slow and a PSBT has many scripts: each key and script is made once.
  const publicKeys = new Map<string, ExtendedKey | undefined>()
  const scripts = new Map<string, string>()
  const keyAt = (path: readonly number[]): ExtendedKey | undefined => {
    const index = path.at(-1)
    if (index === undefined)
      return { publicKey: keys.publicKey, chainCode: keys.chainCode ?? new Uint8Array(32) }
    const name = path.join('/')
    if (!publicKeys.has(name)) {
      if (publicKeys.size === derivationsMax) {
        throw intentError(
          'INTENT_TOO_LARGE',
          `The PSBT names more than ${derivationsMax} keys below the wallet's.`,
        )
      }
      const parent = keyAt(path.slice(0, -1))
      publicKeys.set(name, parent && deriveChild(parent, index))
    }
    return publicKeys.get(name)
  }
  const scriptAt = (path: readonly number[], form: OwnKeyForm, publicKey: Uint8Array): string => {
    const name = `${form} ${path.join('/')}`
    const made =
      scripts.get(name) ?? encodeHex(form === 'p2tr' ? p2trScript(publicKey) : p2wpkhScript(publicKey))
    scripts.set(name, made)
    return made
  }
  return (script, map, derivationTypes) => {
    const form = formOf(script)
    if (form === undefined || keys.forms?.includes(form) === false) return undefined
    const wanted = encodeHex(script)
    const hinted = keys.chainCode === undefined ? undefined : hintedPath(map, derivationTypes)
    for (const path of hinted === undefined ? [[]] : [[], hinted]) {
      const publicKey = keyAt(path)?.publicKey
      if (publicKey !== undefined && scriptAt(path, form, publicKey) === wanted)
        return { publicKey, path, form }
    }
    return undefined
  }
}

function formOf(script: Uint8Array): OwnKeyForm | undefined {
  if (script.length === 22 && script[0] === 0 && script[1] === 20) return 'p2wpkh'
  return script.length === 34 && script[0] === 0x51 && script[1] === 32 ? 'p2tr' : undefined
}

/** @throws {CountersignError} INTENT_PSBT_INVALID */
function checkWalletKeys({ publicKey, chainCode }: WalletKeys): void {
  if (publicKey.length !== 33 || !secp256k1.utils.isValidPublicKey(publicKey, true)) {
    throw psbtInvalid("the wallet's key is no compressed key of secp256k1")
  }
  if (chainCode !== undefined && chainCode.length !== 32)
    throw psbtInvalid('the chain code is not 32 bytes long')
}

/** The last two steps of the first hint: what precedes them led to the wallet's key. A second hint is a multisignature's. */
function hintedPath(map: PsbtMap, [plain, taproot]: readonly [number, number]): number[] | undefined {
  const hint = map.find(({ type }) => type === plain || type === taproot)
  if (hint === undefined) return undefined
  const { type, value } = hint
  // Taproot: a count of leaf hashes, which is 0 for a key path, comes first. Then 4 bytes of fingerprint.
  if (type === taproot && value[0] !== 0) return undefined
  const steps = value.subarray(type === taproot ? 5 : 4)
  if (steps.length < 8 || steps.length % 4 !== 0) return undefined
  const branch = Number(littleEndianOf(steps.subarray(-8, -4)))
  const index = Number(littleEndianOf(steps.subarray(-4)))
  return branch > branchMax || index > derivationIndexMax ? undefined : [branch, index]
}

interface ExtendedKey {
  readonly publicKey: Uint8Array
  readonly chainCode: Uint8Array
}

/** BIP-32, CKDpub, for steps that are not hardened. @returns undefined for the one index in 2^127 that has no key. */
export function deriveChild({ publicKey, chainCode }: ExtendedKey, index: number): ExtendedKey | undefined {
  const { Point } = secp256k1
  const step = new Uint8Array(4)
  new DataView(step.buffer).setUint32(0, index)
  const hash = hmac(sha512, chainCode, concatBytes(publicKey, step))
  const tweak = BigInt(encodeHex(hash.subarray(0, 32)))
  if (tweak === 0n || tweak >= Point.Fn.ORDER) return undefined
  const child = Point.BASE.multiply(tweak).add(Point.fromBytes(publicKey))
  return child.is0() ? undefined : { publicKey: child.toBytes(true), chainCode: hash.slice(32) }
}
