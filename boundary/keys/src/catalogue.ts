import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const keysErrors = {
  KEYS_URI_MALFORMED: {
    status: 400,
    retry: 'after-fix',
    summary: 'A key URI is not <backend>:<algorithm>:<name>.',
    fix: 'Use the URI that createKey returned, for example file:secp256k1:wal_5f0c.',
  },
  KEYS_NAME_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A key name has characters or a length that a backend cannot store, or is reserved.',
    fix: 'Use 1 to 64 of a-z, 0-9, _ and -.',
  },
  KEYS_KEY_NOT_FOUND: {
    status: 404,
    retry: 'after-fix',
    summary: 'The backend has no key under this name.',
    fix: 'Check that the signer runs with the backend and the data directory that hold the key.',
  },
  KEYS_KEY_EXISTS: {
    status: 409,
    retry: 'never',
    summary: 'A key of this name exists already, and keys are never overwritten.',
    fix: 'Create the key under another name.',
  },
  KEYS_ALGORITHM_MISMATCH: {
    status: 409,
    retry: 'after-fix',
    summary: 'The key of this name has another algorithm than the one asked for.',
    fix: 'Ask for the key with the algorithm it was created with.',
  },
  KEYS_PAYLOAD_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'The payload is not what the algorithm signs: secp256k1 signs a digest of 32 bytes.',
    fix: 'Hash the message first and pass the 32-byte digest.',
  },
  KEYS_SECRET_KEY_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'Bytes that must be a secret key are not one of the algorithm.',
    fix: 'Pass 32 bytes; for secp256k1 a number from 1 to the order of the curve less one.',
  },
  KEYS_CLOSED: {
    status: 503,
    retry: 'later',
    summary: 'The backend or sealing key was closed and its secrets are gone from memory.',
    fix: 'Unseal or restart the signer.',
  },
  KEYS_SECRET_MISSING: {
    status: 503,
    retry: 'after-fix',
    summary: 'The secret that opens the key files was not given.',
    fix: 'Set WALLET_KEY_ENCRYPTION_SECRET or unseal the signer.',
  },
  KEYS_SECRET_WEAK: {
    status: 400,
    retry: 'after-fix',
    summary: 'The secret for key files is too short to protect them.',
    fix: 'Generate one with: openssl rand -base64 32',
  },
  KEYS_SECRET_WRONG: {
    status: 403,
    retry: 'after-fix',
    summary: 'The secret is not the one with which the file was sealed. The file itself is intact.',
    fix: 'Give the secret that was set when the key store was created.',
  },
  KEYS_KDF_REFUSED: {
    status: 500,
    retry: 'after-fix',
    summary: 'Key derivation parameters are weaker than the floor or costlier than the ceiling.',
    fix: 'Restore the file from a backup; parameters like these are not written by this software.',
  },
  KEYS_FILE_TRUNCATED: {
    status: 500,
    retry: 'after-fix',
    summary: 'A sealed file ends before its end.',
    fix: 'Restore the file from a backup, then check the disk.',
  },
  KEYS_FILE_DAMAGED: {
    status: 500,
    retry: 'after-fix',
    summary: 'A sealed file was changed after it was written: header or body, by accident or on purpose.',
    fix: 'Restore the file from a backup; find out who or what changed it.',
  },
  KEYS_FILE_SWAPPED: {
    status: 500,
    retry: 'after-fix',
    summary: 'A sealed file is intact but belongs to another key, purpose or store than its place says.',
    fix: 'Put the file back under its own name; find out who moved it.',
  },
  KEYS_FILE_VERSION_UNKNOWN: {
    status: 500,
    retry: 'after-fix',
    summary: 'A sealed file has a format version that this software does not read.',
    fix: 'Run the version of the software that wrote it, or a newer one.',
  },
  KEYS_FILE_LEGACY: {
    status: 409,
    retry: 'after-fix',
    summary: 'A key file is in the older {iv, encrypted, authTag} format, which is opened for import only.',
    fix: 'Import it under a new name; the old file is left as it is.',
  },
  KEYS_LEGACY_UNREADABLE: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A file of the older format does not open. The format cannot tell a wrong secret from a changed file.',
    fix: 'Check the secret first, then the file against its backup.',
  },
  KEYS_PERMISSIONS: {
    status: 500,
    retry: 'after-fix',
    summary: 'A key file or directory is open to other users, owned by one, or not a plain file.',
    fix: 'chown it to the signer’s user; chmod 700 the directory and 600 the files.',
  },
  KEYS_STORE_INCOMPLETE: {
    status: 500,
    retry: 'after-fix',
    summary: 'The key directory has sealed keys, but its keystore.json is missing.',
    fix: 'Restore keystore.json from the backup of this directory.',
  },
  KEYS_STORE_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    summary: 'The file system refused a read or write of the key store, for example because it is full.',
    fix: 'Check space, mounts and quotas of the key directory.',
  },
  KEYS_BACKEND_UNKNOWN: {
    status: 500,
    retry: 'after-fix',
    summary: 'WALLET_SIGNER_BACKEND or the configuration names a backend that does not exist.',
    fix: 'Set WALLET_SIGNER_BACKEND to encrypted-file, memory or env.',
  },
  KEYS_BACKEND_NOT_AVAILABLE: {
    status: 501,
    retry: 'after-fix',
    summary: 'The backend named (kms, hsm, mpc) is not part of this version, and it is not simulated.',
    fix: 'Set WALLET_SIGNER_BACKEND to encrypted-file, memory or env.',
  },
  KEYS_BACKEND_REFUSED: {
    status: 500,
    retry: 'after-fix',
    summary: 'COUNTERSIGN_ENV=production does not run with this backend.',
    fix: 'Set WALLET_SIGNER_BACKEND=encrypted-file, or do not call this deployment production.',
  },
  KEYS_RAW_KEY_INVALID: {
    status: 500,
    retry: 'after-fix',
    summary: 'COUNTERSIGN_RAW_KEY is missing or not the hexadecimal of a secret key.',
    fix: 'Set COUNTERSIGN_RAW_KEY to 64 hexadecimal digits, or choose another backend.',
  },
  KEYS_ONE_KEY_ONLY: {
    status: 409,
    retry: 'never',
    summary: 'The env backend holds one key, and it is bound to another name already.',
    fix: 'Use another backend for more than one wallet.',
  },
} as const satisfies ErrorCatalogue

export const keysError = errorsOf(keysErrors)
