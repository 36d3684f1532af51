import {
  type BitcoinNetwork,
  type ChainId,
  encodeHex,
  isEqual,
  nativeAsset,
  sha256,
} from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import type { Effect } from '../effect.ts'
import type { Intent } from '../intent.ts'
import { type ByteReader, littleEndianOf, psbtInvalid, readUint64, readVector } from './bitcoin-bytes.ts'
import { addressOfScript, bitcoinNetwork, dataOfScript } from './bitcoin-script.ts'
import { type SighashContext, sighashAll, sighashContext, sighashDefault } from './bitcoin-sighash.ts'
import type { BitcoinChange, BitcoinSigningInput } from './bitcoin-transaction.ts'
import { type OwnKey, type OwnKeyFinder, ownKeyFinder, type WalletKeys } from './own-keys.ts'
import { decodePsbt, fieldValue, hasField, inputField, outputField, type Psbt, type PsbtMap } from './psbt.ts'
import {
  checkAmount,
  decodeTransaction,
  encodeWithoutWitness,
  shownTransactionId,
  type TransactionInput,
  type TransactionOutput,
  transactionIdBytes,
} from './transaction-bytes.ts'

export interface BitcoinTransactionInput {
  /** PSBT version 0 or 2, in binary. */
  readonly psbt: Uint8Array
  /**
   * The network, from the wallet's own record. A transaction names none, and the same key is good on every one: with
   * the network from the request, a rule for a test network would cover coins of the main one. */
  readonly chain: ChainId
  readonly keys: WalletKeys
}

/**
 * What signatures for a PSBT do: every output that does not come back to the wallet, and the fee, which is all that the
 * inputs bring and no output takes.
 *
 * What comes back is proven by making its script again from the wallet's own key; whatever a field says of change is
 * not believed.
 *
 * The fee needs every input's amount, and amounts stand outside of the transaction. Each is proven in one of two ways:
 * - by the previous transaction in full, whose hash the input names;
 * - by being signed for: a BIP-341 signature commits to the amounts of all inputs, so it is void if one is not true; a
 *   BIP-143 signature commits to the amount of its own input alone.
 * So a signature for a P2WPKH input is given only if every other input comes with its previous transaction. Otherwise
 * somebody could ask twice for one transaction with two such inputs, each time lying about the other one, and put two
 * good signatures under a fee that neither request showed. It does not help that only one amount is stated at a time, or
 * that another input claims to be this wallet's P2TR: the claim is only stated too.
 *
 * Inputs of others may stand beside the wallet's; the fee shown is then the whole transaction's.
 * @throws {CountersignError} INTENT_PSBT_*, INTENT_TRANSACTION_SIGNED, INTENT_TOO_LARGE */
export function bitcoinTransactionIntent({ psbt: bytes, chain, keys }: BitcoinTransactionInput): Intent {
  const network = bitcoinNetwork(chain)
  const ownKeyOf = ownKeyFinder(keys)
  const psbt = decodePsbt(bytes)
  const { transaction } = psbt
  const spent = transaction.inputs.map((input, i) => spentOutput(input, psbt.inputs[i] ?? []))
  const owners = spent.map(({ output }, i) =>
    ownKeyOf(output.script, psbt.inputs[i] ?? [], [
      inputField.bip32Derivation,
      inputField.taprootBip32Derivation,
    ]),
  )
  checkProven(spent, owners)
  const outputs = spent.map(({ output }) => output)
  const sighashes = sighashContext(transaction, outputs)
  const inputs = owners.flatMap((owner, index) =>
    owner === undefined ? [] : [signingInput(psbt.inputs[index] ?? [], owner, { index, outputs, sighashes })],
  )
  const first = inputs[0]
  if (first === undefined) {
    throw intentError('INTENT_PSBT_NOT_OWN', `None of the ${owners.length} inputs is locked to the wallet.`)
  }
  const { effects, change } = effectsOfOutputs(psbt, { chain, ownKeyOf, network })
  const feeMinor = sumOf(outputs) - sumOf(transaction.outputs)
  if (feeMinor < 0n) throw psbtInvalid('its outputs take more than its inputs bring')
  const others = owners.length - inputs.length
  return {
    operation: 'sign-transaction',
    chain,
    effects: [...effects, { kind: 'fee', chain, asset: nativeAsset(chain), amountMinor: feeMinor }],
    toSign: first.toSign,
    // The transaction without witnesses, whose double hash is its id.
    payloadDigest: encodeHex(sha256(encodeWithoutWitness(transaction))),
    bitcoin: {
      psbtVersion: psbt.version,
      transactionId: shownTransactionId(transactionIdBytes(transaction)),
      lockTime: transaction.lockTime,
      inputs,
      change,
      notes: [
        ...(others === 0
          ? []
          : [`${others} of ${owners.length} inputs are not this wallet's; others must sign too.`]),
        ...(transaction.lockTime === 0 ? [] : [`It is valid only from lock time ${transaction.lockTime}.`]),
      ],
    },
  }
}

interface SpentOutput {
  readonly output: TransactionOutput
  /** By the previous transaction; else the output is only stated. */
  readonly isProven: boolean
}

function spentOutput(input: TransactionInput, map: PsbtMap): SpentOutput {
  const stated = statedOutput(fieldValue(map, inputField.witnessOutput))
  const bytes = fieldValue(map, inputField.previousTransaction)
  if (bytes === undefined) {
    if (stated === undefined) throw unproven('an input comes without what it spends')
    return { output: stated, isProven: false }
  }
  const previous = decodeTransaction(bytes, 'any')
  if (!isEqual(transactionIdBytes(previous), input.previousId)) {
    throw psbtInvalid('the previous transaction of an input is not the one that the input names')
  }
  const output = previous.outputs[input.previousIndex]
  if (output === undefined) throw psbtInvalid('an input spends an output that its previous transaction lacks')
  if (
    stated !== undefined &&
    !(stated.amountMinor === output.amountMinor && isEqual(stated.script, output.script))
  ) {
    throw psbtInvalid('what an input states to spend is not what its previous transaction has')
  }
  return { output, isProven: true }
}

function statedOutput(value: Uint8Array | undefined): TransactionOutput | undefined {
  if (value === undefined) return undefined
  const reader: ByteReader = { bytes: value, at: 0 }
  const output = { amountMinor: checkAmount(readUint64(reader)), script: readVector(reader) }
  if (reader.at !== value.length) throw psbtInvalid('bytes follow the end of a spent output')
  return output
}

function checkProven(spent: readonly SpentOutput[], owners: readonly (OwnKey | undefined)[]): void {
  const unprovenIndexes = spent.flatMap(({ isProven }, i) => (isProven ? [] : [i]))
  for (const [index, owner] of owners.entries()) {
    if (owner?.form !== 'p2wpkh') continue
    const other = unprovenIndexes.find((one) => one !== index)
    if (other !== undefined) {
      throw unproven(
        `input ${other} only states what it spends, and the signature for input ${index} does not commit to that`,
      )
    }
  }
}

/** What another signature, or a finished input, would stand in. */
const signedFields = [
  inputField.partialSignature,
  inputField.finalScriptSig,
  inputField.finalScriptWitness,
  inputField.taprootKeySignature,
  inputField.taprootScriptSignature,
]

function signingInput(
  map: PsbtMap,
  owner: OwnKey,
  {
    index,
    outputs,
    sighashes,
  }: { index: number; outputs: readonly TransactionOutput[]; sighashes: SighashContext },
): BitcoinSigningInput {
  if (hasField(map, signedFields)) {
    throw intentError(
      'INTENT_TRANSACTION_SIGNED',
      `Input ${index}, the wallet's own, carries a signature already.`,
    )
  }
  const type = sighashTypeOf(map, owner.form, index)
  const { publicKey, path } = owner
  const amountMinor = (outputs[index] as TransactionOutput).amountMinor
  return owner.form === 'p2wpkh'
    ? { index, algorithm: 'ecdsa', toSign: sighashes.witnessV0(index), publicKey, path, amountMinor }
    : {
        index,
        algorithm: 'schnorr-taproot',
        toSign: sighashes.taproot(index, type),
        publicKey,
        path,
        amountMinor,
      }
}

/** SIGHASH_ALL, or for Taproot SIGHASH_DEFAULT, which means the same: every other type leaves something open.
 * @throws {CountersignError} INTENT_PSBT_SIGHASH */
export function sighashTypeOf(
  map: PsbtMap,
  form: OwnKey['form'],
  index: number,
): typeof sighashDefault | typeof sighashAll {
  const value = fieldValue(map, inputField.sighashType)
  if (value === undefined) return form === 'p2tr' ? sighashDefault : sighashAll
  const type = value.length === 4 ? littleEndianOf(value) : undefined
  if (type === 1n) return sighashAll
  if (type === 0n && form === 'p2tr') return sighashDefault
  throw intentError(
    'INTENT_PSBT_SIGHASH',
    `Input ${index} asks for the sighash type ${type ?? 'of wrong length'}.`,
  )
}

function effectsOfOutputs(
  psbt: Psbt,
  { chain, ownKeyOf, network }: { chain: ChainId; ownKeyOf: OwnKeyFinder; network: BitcoinNetwork },
): { effects: Effect[]; change: BitcoinChange[] } {
  const effects: Effect[] = []
  const change: BitcoinChange[] = []
  for (const [index, { amountMinor, script }] of psbt.transaction.outputs.entries()) {
    const data = dataOfScript(script)
    if (data !== undefined) {
      effects.push({ kind: 'data-output', chain, data: encodeHex(data), amountMinor })
      continue
    }
    const address = addressOfScript(script, network)
    if (address === undefined) throw psbtInvalid(`output ${index} pays to a script that has no address`)
    const types = [outputField.bip32Derivation, outputField.taprootBip32Derivation] as const
    if (ownKeyOf(script, psbt.outputs[index] ?? [], types) === undefined) {
      effects.push({
        kind: 'native-transfer',
        chain,
        asset: nativeAsset(chain),
        recipient: address,
        amountMinor,
      })
    } else {
      change.push({ index, address, amountMinor })
    }
  }
  return { effects, change }
}

function sumOf(outputs: readonly TransactionOutput[]): bigint {
  return outputs.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)
}

function unproven(what: string) {
  return intentError('INTENT_PSBT_AMOUNT_UNPROVEN', `The fee of the PSBT cannot be known: ${what}.`)
}
