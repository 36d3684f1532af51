import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const mpcErrors = {
  MPC_MALFORMED: {
    status: 400,
    retry: 'never',
    summary:
      'Bytes of a protocol message or key share are too short, too long or not in their one valid form.',
    fix: 'Send the bytes that docs/mpc-protocol.md lays out; a correct party never sends others.',
  },
  MPC_VERSION_UNKNOWN: {
    status: 400,
    retry: 'after-fix',
    summary: 'A protocol message names a protocol version that this software does not speak.',
    fix: 'Run the same version of the protocol on every party.',
  },
  MPC_SCALAR_INVALID: {
    status: 400,
    retry: 'never',
    summary:
      'Bytes that must be a scalar are not 32 bytes long, not below the group order, or zero where zero is refused.',
    fix: 'Send the canonical encoding of a scalar of the suite.',
  },
  MPC_POINT_INVALID: {
    status: 400,
    retry: 'never',
    summary:
      'Bytes that must be a point are not a canonical encoding of a point of the prime-order group other than the identity.',
    fix: 'Send the canonical encoding of a point of the suite.',
  },
  MPC_PARTIES_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A set of parties or a threshold is not possible: an index of 0, one twice, or a threshold out of range.',
    fix: 'Use distinct indices from 1 to 65535 and a threshold from 2 to the number of parties.',
  },
  MPC_INPUT_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'An argument of a protocol start has the wrong length or form.',
    fix: 'See the message for the argument and what it must be.',
  },
  MPC_SPENT: {
    status: 409,
    retry: 'never',
    summary: 'A round, session or other one-use value was used a second time.',
    fix: 'Start a new session; secrets of the old one are gone and must not be rebuilt.',
  },
  MPC_RANDOM_UNAVAILABLE: {
    status: 500,
    retry: 'after-fix',
    summary: 'The source of random bytes is missing, returned the wrong length, or is not random.',
    fix: 'Run where crypto.getRandomValues exists, or pass a random source that works.',
  },
  MPC_SHARE_INVALID: {
    status: 400,
    retry: 'never',
    summary:
      'The bytes of a stored key share are damaged, altered, or not a share of the key that they name.',
    fix: 'Restore the newest backup of the share; if there is none, recover it with the help of the other parties.',
  },
  MPC_NATIVE_UNAVAILABLE: {
    status: 500,
    retry: 'after-fix',
    summary: 'The native libsecp256k1 addon is not installed, does not load, or computes wrong results.',
    fix: 'Install the optional dependency secp256k1 for this platform, or use the noble backend.',
  },
  MPC_PAIR_BURNED: {
    status: 409,
    retry: 'after-fix',
    summary:
      'A pair of the signers is burned in this epoch: one of its checks failed, and every further session could leak a bit of its secret.',
    fix: 'Sign with other parties, or refresh the key with all parties after an operator has decided so.',
  },
  MPC_EPOCH_RETIRED: {
    status: 409,
    retry: 'after-fix',
    summary: 'The key share was replaced by a refresh or a reshare and signs no more.',
    fix: 'Use the key share of the new epoch.',
  },
  MPC_LIMIT_REACHED: {
    status: 429,
    retry: 'later',
    summary: 'A bound on running sessions, presignatures or waiting requests is reached.',
    fix: 'Wait until some have ended, or expire those that hang.',
  },
  MPC_POOL_EMPTY: {
    status: 409,
    retry: 'later',
    summary: 'The pool has no presignature of these signers, this path or this id.',
    fix: 'Make presignatures first, or sign in one go.',
  },
  MPC_POOL_CLOSED: {
    status: 503,
    retry: 'after-fix',
    summary: "The pool's thread has ended; its presignatures are gone.",
    fix: 'Open a new pool from the sealed share and the stored marks.',
  },
  MPC_STORE_FAILED: {
    status: 500,
    retry: 'later',
    summary: 'A mark that must be durable before anything leaves could not be stored.',
    fix: 'See why storing failed; nothing has left.',
  },
  MPC_NOT_SERIALISABLE: {
    status: 500,
    retry: 'never',
    summary: 'A value that must never exist twice was to be written out.',
    fix: 'Keep it in memory; after a restart make a new one.',
  },
} as const satisfies ErrorCatalogue

export const mpcError = errorsOf(mpcErrors)
