import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const intentErrors = {
  INTENT_TOO_LARGE: {
    status: 413,
    retry: 'after-fix',
    summary: 'A payload, or a list or nesting inside it, is over the limit of its kind.',
    fix: 'Send a smaller payload; the message names the limit.',
  },
  INTENT_CHAIN_UNREADABLE: {
    status: 502,
    retry: 'later',
    summary: 'A chain’s endpoint answers with what a chain cannot hold.',
    fix: 'Use another JSON-RPC endpoint; it must give whole blocks, and for exactness the history of accounts.',
  },
  INTENT_RLP_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'Bytes that must be RLP are not, or are not in its one canonical form.',
    fix: 'Serialise with a canonical RLP encoder (no leading zeros, shortest lengths, nothing after the end).',
  },
  INTENT_TRANSACTION_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'The bytes are not an unsigned EVM transaction of types 0 to 4, or a field is out of its range.',
    fix: 'Send the unsigned serialisation of the transaction, the bytes whose Keccak-256 would be signed.',
  },
  INTENT_TRANSACTION_TYPE_UNKNOWN: {
    status: 400,
    retry: 'after-fix',
    summary: 'The first byte names a transaction type that this version does not decode.',
    fix: 'Use a legacy, EIP-2930, EIP-1559, EIP-4844 or EIP-7702 transaction.',
  },
  INTENT_TRANSACTION_WITHOUT_CHAIN: {
    status: 400,
    retry: 'after-fix',
    summary: 'A legacy transaction without EIP-155 chain id, which would be valid on every chain.',
    fix: 'Add the chain id: the nine-item form of EIP-155, or a typed transaction.',
  },
  INTENT_TRANSACTION_SIGNED: {
    status: 400,
    retry: 'after-fix',
    summary: 'The transaction carries a signature already.',
    fix: 'Send the transaction without its signature fields.',
  },
  INTENT_ABI_SIGNATURE_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A human-readable function signature does not parse.',
    fix: 'Write it as in Solidity, for example "function transfer(address to, uint256 amount)".',
  },
  INTENT_CALLDATA_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'Calldata is not the canonical ABI encoding of a call of the function.',
    fix: 'Encode the call with a standard ABI encoder, with nothing after the arguments.',
  },
  INTENT_ARGUMENTS_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'Values do not fit the parameters of the function that they are to be encoded for.',
    fix: 'Give every parameter by name, with a value of its type and range.',
  },
  INTENT_MESSAGE_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A message to sign is neither text nor {raw: 0x…} bytes, or its text is not well-formed Unicode.',
    fix: 'Send the message as a string, or its bytes as {"raw": "0x…"}.',
  },
  INTENT_TYPED_DATA_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'Typed data is not EIP-712: a type is unknown, a value is missing, out of range, or not in its type.',
    fix: 'Make domain, types, primaryType and message agree; the message names the place.',
  },
  INTENT_AUTHORIZATION_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'An EIP-7702 authorization has a chain id, address or nonce out of range.',
    fix: 'Send a chain id from 0 to 2^53-1, a contract address, and the nonce that the account will have.',
  },
  INTENT_USER_OPERATION_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A user operation is not one of ERC-4337 0.6, 0.7 or 0.8 at its canonical entry point, or a field is out of range.',
    fix: 'Send the fields of the version as eth_sendUserOperation takes them, its entry point, and a signature form that it has.',
  },
  INTENT_DIGEST_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A raw digest is not 32 bytes, or a raw message is empty.',
    fix: 'Send exactly 32 bytes as the digest, or at least one byte as the message.',
  },
  INTENT_SIGNATURE_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A signature to put into a transaction is out of range, or its s is in the upper half.',
    fix: 'Give r and s from 1 below the order of secp256k1, s at most half of it, and yParity 0 or 1.',
  },
  INTENT_SOLANA_MESSAGE_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'The bytes are not the message of a Solana transaction, legacy or version 0, that a validator would take.',
    fix: 'Send the compiled message alone, without signatures, as it would be signed; it must do more than pay a fee.',
  },
  INTENT_SOLANA_LOOKUP_UNRESOLVED: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A Solana message takes accounts from an address lookup table whose content the request does not carry.',
    fix: 'Put the table and its addresses, in their order on chain, into the signed request.',
  },
  INTENT_SOLANA_NOT_A_SIGNER: {
    status: 400,
    retry: 'after-fix',
    summary: 'The wallet is not among the signers that a Solana message asks for.',
    fix: "Compile the message with the wallet's address as fee payer or as a signer.",
  },
  INTENT_SOLANA_TOKEN_ACCOUNT_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A hint on a token account is not an owner and a mint, or there are too many hints.',
    fix: 'Send owner and mint, both Solana addresses, and the token program where it is not the first one.',
  },
  INTENT_PSBT_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'The bytes are no PSBT of version 0 or 2, or pay to a script that has no address, or pay more than comes in.',
    fix: 'Send the PSBT in binary (BIP-174 or BIP-370), complete with all inputs and outputs; the message names the place.',
  },
  INTENT_PSBT_NOT_OWN: {
    status: 400,
    retry: 'after-fix',
    summary:
      'No input of the PSBT is locked to the wallet, as P2WPKH or as a P2TR key path without scripts (BIP-86).',
    fix: "Spend outputs of the wallet's own addresses.",
  },
  INTENT_PSBT_AMOUNT_UNPROVEN: {
    status: 400,
    retry: 'after-fix',
    summary: 'The amount of an input is stated only, where a signature would not commit to it.',
    fix: 'Add the whole previous transaction (PSBT_IN_NON_WITNESS_UTXO) to every input.',
  },
  INTENT_PSBT_SIGHASH: {
    status: 400,
    retry: 'after-fix',
    summary: 'An input of the wallet asks for a signature that does not commit to the whole transaction.',
    fix: 'Leave the sighash type out, or set SIGHASH_ALL (or SIGHASH_DEFAULT for Taproot).',
  },
  INTENT_MESSAGE_IS_TRANSACTION: {
    status: 400,
    retry: 'after-fix',
    summary: 'Bytes that were to be signed as a message are, or could be, a transaction of Solana.',
    fix: 'Send a transaction to sign-transaction, where its effects are decoded; send messages as UTF-8 text.',
  },
} as const satisfies ErrorCatalogue

export const intentError = errorsOf(intentErrors)
