import type { ChainId } from '@countersign/bytes'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { Transaction } from '@scure/btc-signer'
import { uintBytes } from '../src/bitcoin/bitcoin-bytes.ts'
import { p2trScript, p2wpkhScript, taggedHash } from '../src/bitcoin/bitcoin-script.ts'
import type { BitcoinSigningInput } from '../src/bitcoin/bitcoin-transaction.ts'
import { encodeTransaction, transactionIdBytes } from '../src/bitcoin/transaction-bytes.ts'

export const bitcoinMain = 'bip122:000000000019d6689c085ae165831e93' as ChainId
export const bitcoinTest = 'bip122:000000000933ea01ad0ee984209779ba' as ChainId

export const secret = new Uint8Array(32).fill(0x17)
export const publicKey = secp256k1.getPublicKey(secret, true)
export const keys = { publicKey }
export const ownScripts = { p2wpkh: p2wpkhScript(publicKey), p2tr: p2trScript(publicKey) }
const otherKey = secp256k1.getPublicKey(new Uint8Array(32).fill(0x18), true)
export const otherSecret = new Uint8Array(32).fill(0x18)
export const otherScripts = { p2wpkh: p2wpkhScript(otherKey), p2tr: p2trScript(otherKey) }

export interface Spend {
  readonly script: Uint8Array
  readonly amount: bigint
  /** Which proof of the amount comes along. */
  readonly proof: 'previous' | 'stated' | 'both'
  readonly sequence?: number
  readonly sighashType?: number
  /** What is stated, where it is not the truth. */
  readonly lie?: bigint
  /** Of a Taproot script that is none of the two below. */
  readonly internalKey?: Uint8Array
}

/** A PSBT that @scure/btc-signer makes, with a previous transaction for each input. */
export function psbtOf(
  spends: readonly Spend[],
  outputs: readonly { readonly script: Uint8Array; readonly amount: bigint }[],
  { version = 0, lockTime = 0 }: { version?: 0 | 2; lockTime?: number } = {},
): { readonly psbt: Uint8Array; readonly transaction: Transaction } {
  const transaction = new Transaction({ version: 2, lockTime, allowUnknownOutputs: true })
  for (const [i, spend] of spends.entries()) {
    const { script, amount, proof, lie, sequence, sighashType, internalKey } = spend
    const previous = previousTransaction(i, script, amount)
    const witnessUtxo = { script, amount: lie ?? amount }
    transaction.addInput({
      txid: transactionIdBytes(previous).reverse(),
      index: 1,
      sequence: sequence ?? 0xfffffffd,
      ...(proof === 'stated' ? {} : { nonWitnessUtxo: encodeTransaction(previous) }),
      ...(proof === 'previous' ? {} : { witnessUtxo }),
      ...(sighashType === undefined ? {} : { sighashType }),
      ...(script[0] === 0x51 ? { tapInternalKey: internalKey ?? internalKeyOf(script) } : {}),
    } as never)
  }
  for (const output of outputs) transaction.addOutput(output)
  return { psbt: transaction.toPSBT(version), transaction }
}

function internalKeyOf(script: Uint8Array): Uint8Array {
  return (script === ownScripts.p2tr ? publicKey : otherKey).slice(1)
}

export function previousTransaction(salt: number, script: Uint8Array, amountMinor: bigint) {
  return {
    version: 2,
    inputs: [
      {
        previousId: new Uint8Array(32).fill(salt + 1),
        previousIndex: salt,
        scriptSig: new Uint8Array(0),
        sequence: 0xffffffff,
        witness: salt % 2 === 0 ? [] : [Uint8Array.of(1, 2)],
      },
    ],
    outputs: [
      { amountMinor: 7n, script: Uint8Array.of(0x51, 2, 0x4e, 0x73) },
      { amountMinor, script },
    ],
    lockTime: 0,
  }
}

const order = secp256k1.Point.Fn.ORDER
const noAux = new Uint8Array(32)

/** What a backend does: ECDSA by the key, or BIP-340 by the key tweaked as BIP-341 says. */
export function sign({ algorithm, toSign }: BitcoinSigningInput, key = secret): Uint8Array {
  if (algorithm === 'ecdsa') return secp256k1.sign(toSign, key, { prehash: false, lowS: true })
  return schnorr.sign(toSign, tweakedSecret(key), noAux)
}

export function tweakedSecret(key: Uint8Array): Uint8Array {
  const point = secp256k1.getPublicKey(key, true)
  const scalar = BigInt(`0x${Buffer.from(key).toString('hex')}`)
  const even = point[0] === 2 ? scalar : order - scalar
  const tweak = BigInt(`0x${Buffer.from(taggedHash('TapTweak', point.slice(1))).toString('hex')}`)
  return uintBytes((even + tweak) % order, 32).reverse()
}
