import { type InstructionDecoder, programCall } from './instruction.ts'
import { readFields } from './instruction-data.ts'
import { decodeTokenInstruction, hookCall, tokenTransfer } from './token-program.ts'

/**
 * Token-2022's own instructions, by their first byte. Those with a second number are named with it, as in
 * `confidentialTransferExtension/7`; their data is not read further.
 * @see spl-token-2022-interface, TokenInstruction */
const extensionNames: Readonly<Record<number, string>> = {
  26: 'transferFeeExtension',
  27: 'confidentialTransferExtension',
  28: 'defaultAccountStateExtension',
  30: 'memoTransferExtension',
  33: 'interestBearingMintExtension',
  34: 'cpiGuardExtension',
  36: 'transferHookExtension',
  37: 'confidentialTransferFeeExtension',
  39: 'metadataPointerExtension',
  40: 'groupPointerExtension',
  41: 'groupMemberPointerExtension',
  42: 'confidentialMintBurnExtension',
  43: 'scaledUiAmountExtension',
  44: 'pausableExtension',
  46: 'permissionedBurnExtension',
}

const plainNames: Readonly<Record<number, string>> = {
  25: 'initializeMintCloseAuthority',
  29: 'reallocate',
  31: 'createNativeMint',
  32: 'initializeNonTransferableMint',
  35: 'initializePermanentDelegate',
}

const transferFeeNumber = 26
const transferCheckedWithFeeNumber = 1

export const decodeToken2022Instruction: InstructionDecoder = (instruction, context) => {
  const { accounts, data } = instruction
  const [number, subnumber] = data
  if (number === undefined) return undefined
  if (number === transferFeeNumber && subnumber === transferCheckedWithFeeNumber) {
    const fields = readFields(data, 2, ['u64', 'u8', 'u64'])
    const [source, mint, destination, authority] = accounts.map(({ address }) => address)
    if (fields === undefined || !source || !mint || !destination || !authority) return undefined
    // The fee is withheld from the amount in the destination account: the amount is all that leaves.
    const move = { source, mint, destination, authority, amountMinor: fields[0] }
    return [tokenTransfer(instruction, context, move), ...hookCall(instruction, context, 4)]
  }
  const plain = plainNames[number]
  if (plain !== undefined) return [programCall(instruction, context, plain)]
  const extension = extensionNames[number]
  if (extension !== undefined && subnumber !== undefined) {
    return [programCall(instruction, context, `${extension}/${subnumber}`)]
  }
  return decodeTokenInstruction(instruction, context)
}
