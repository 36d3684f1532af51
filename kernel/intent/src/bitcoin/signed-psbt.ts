import { concatBytes } from '@countersign/bytes'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { intentError } from '../catalogue.ts'
import { compactSize, vector } from './bitcoin-bytes.ts'
import { taprootOutputKey } from './bitcoin-script.ts'
import { sighashAll } from './bitcoin-sighash.ts'
import type { BitcoinSigningInput } from './bitcoin-transaction.ts'
import {
  type BitcoinTransactionInput,
  bitcoinTransactionIntent,
  sighashTypeOf,
} from './bitcoin-transaction-intent.ts'
import { decodePsbt, encodePsbt, fieldValue, inputField, type PsbtMap, withoutModifiable } from './psbt.ts'
import { decodeWitness, encodeTransaction } from './transaction-bytes.ts'

export interface BitcoinSignature {
  /** Of the input. */
  readonly index: number
  /** 64 bytes: r||s with low s, or BIP-340. */
  readonly signature: Uint8Array
}

export interface SignedPsbt {
  /** The wallet's inputs finalized (BIP-174, "Input Finalizer"), all others as they came. */
  readonly psbt: Uint8Array
  /** For the network; undefined while inputs of others are not finalized. */
  readonly transaction: Uint8Array | undefined
}

/**
 * Puts a signature into each of the wallet's inputs. The PSBT is decoded and checked again as for signing.
 * @throws {CountersignError} INTENT_SIGNATURE_INVALID and those of `bitcoinTransactionIntent` */
export function finalizePsbt(
  input: BitcoinTransactionInput,
  signatures: readonly BitcoinSignature[],
): SignedPsbt {
  const { bitcoin } = bitcoinTransactionIntent(input)
  if (bitcoin === undefined) throw new Error('bug: an intent of Bitcoin without its inputs')
  const psbt = decodePsbt(input.psbt)
  const own = new Map(bitcoin.inputs.map((one) => [one.index, one]))
  const byIndex = new Map(signatures.map(({ index, signature }) => [index, signature]))
  if (signatures.length !== own.size || byIndex.size !== own.size) {
    throw badSignature(`there are ${signatures.length} for ${own.size} inputs`)
  }
  const inputs = psbt.inputs.map((map, index) => {
    const signing = own.get(index)
    if (signing === undefined) return map
    const signature = byIndex.get(index)
    if (signature === undefined) throw badSignature(`input ${index} has none`)
    return finalizedMap(map, witnessOf(signing, signature, map))
  })
  const signed = { ...psbt, global: withoutModifiable(psbt.global), inputs }
  return { psbt: encodePsbt(signed), transaction: extract(psbt.transaction, inputs) }
}

function witnessOf(
  { algorithm, index, publicKey, toSign }: BitcoinSigningInput,
  signature: Uint8Array,
  map: PsbtMap,
): readonly Uint8Array[] {
  if (signature.length !== 64) throw badSignature(`that of input ${index} is not 64 bytes long`)
  if (algorithm === 'schnorr-taproot') {
    if (!schnorr.verify(signature, toSign, taprootOutputKey(publicKey.subarray(1)))) {
      throw badSignature(`that of input ${index} does not verify`)
    }
    // BIP-341: the default type is not written.
    const type = sighashTypeOf(map, 'p2tr', index)
    return [type === sighashAll ? concatBytes(signature, Uint8Array.of(sighashAll)) : signature]
  }
  // Low s is a rule of relay (BIP-146).
  const verifies = secp256k1.verify(signature, toSign, publicKey, { prehash: false, lowS: true })
  if (!verifies) throw badSignature(`that of input ${index} does not verify, or its s is in the upper half`)
  const der = secp256k1.Signature.fromBytes(signature, 'compact').toBytes('der')
  return [concatBytes(der, Uint8Array.of(sighashAll)), publicKey]
}

/** Types that a reader of BIP-174, 370 and 371 knows and a finalized input does not need. */
const droppedTypes: readonly number[] = [
  0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
]

function finalizedMap(map: PsbtMap, witness: readonly Uint8Array[]): PsbtMap {
  const value = concatBytes(compactSize(witness.length), ...witness.map(vector))
  return [
    ...map.filter(({ type }) => !droppedTypes.includes(type)),
    { type: inputField.finalScriptWitness, keyData: new Uint8Array(0), value },
  ]
}

function extract(
  transaction: ReturnType<typeof decodePsbt>['transaction'],
  maps: readonly PsbtMap[],
): Uint8Array | undefined {
  const finals = maps.map((map) => ({
    scriptSig: fieldValue(map, inputField.finalScriptSig),
    witness: fieldValue(map, inputField.finalScriptWitness),
  }))
  if (finals.some(({ scriptSig, witness }) => scriptSig === undefined && witness === undefined))
    return undefined
  return encodeTransaction({
    ...transaction,
    inputs: transaction.inputs.map((input, i) => ({
      ...input,
      scriptSig: finals[i]?.scriptSig ?? input.scriptSig,
      witness: decodeWitness(finals[i]?.witness ?? Uint8Array.of(0)),
    })),
  })
}

function badSignature(what: string) {
  return intentError('INTENT_SIGNATURE_INVALID', `The signatures do not fit the PSBT: ${what}.`, {
    fix: 'Give one signature of 64 bytes for each input of the wallet.',
  })
}
