import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const intentErrors = {
  INTENT_TOO_LARGE: {
    status: 413,
    retry: 'after-fix',
    summary: 'A payload, or a list or nesting inside it, is over the limit of its kind.',
    fix: 'Send a smaller payload; the message names the limit.',
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
} as const satisfies ErrorCatalogue

export const intentError = errorsOf(intentErrors)
