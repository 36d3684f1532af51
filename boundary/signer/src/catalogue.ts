import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const signerErrors = {
  SIGNER_SEALED: {
    status: 503,
    retry: 'later',
    summary: 'The signer runs but has not been given the secret that opens its keys.',
    fix: 'Run `countersign signer unseal` on the signer’s machine and type the secret.',
  },
  SIGNER_HALTED: {
    status: 503,
    retry: 'never',
    summary: 'The signer met a state that must not exist and signs nothing until a person has looked.',
    fix: 'Read the signer’s log for the cause, verify the journal, and restart it only when you know why.',
  },
  SIGNER_BUSY: {
    status: 503,
    retry: 'later',
    summary: 'More requests are in flight than the signer takes on.',
    fix: 'Retry after a pause, with the same request id.',
  },
  SIGNER_STORE_FAILED: {
    status: 503,
    retry: 'later',
    summary: 'The signer could not make its journal durable, so it signed nothing.',
    fix: 'Look at the disk under the signer’s data directory (full, read-only, failing?), then retry with the same request id.',
  },
  SIGNER_STORE_LOCKED: {
    status: 503,
    retry: 'after-fix',
    summary: 'Another process has the signer’s database open.',
    fix: 'Stop the other signer or tool; two signers must never share one database.',
  },
  SIGNER_STORE_TAMPERED: {
    status: 503,
    retry: 'never',
    summary:
      'A record of the signer’s database was changed, removed or added by something other than the signer.',
    fix: 'Restore the data directory from a backup, and find out who had access. The message names the record.',
  },
  SIGNER_JOURNAL_TAMPERED: {
    status: 503,
    retry: 'never',
    summary: 'The journal does not hash to the checkpoint that the signer signed.',
    fix: 'Restore the data directory from a backup, and find out who had access. The message names the entry where it can be told.',
  },
  SIGNER_POLICY_UNREADABLE: {
    status: 503,
    retry: 'after-fix',
    summary: 'A stored policy can no longer be read, so nothing under it is signed.',
    fix: 'Apply the policy again with the admin quorum.',
  },
  SIGNER_CLOCK_BACKWARDS: {
    status: 503,
    retry: 'after-fix',
    summary: 'The clock shows a time before one that the journal already holds.',
    fix: 'Correct the clock of the signer’s machine; requests are served again once it has caught up.',
  },
  SIGNER_CLOCK_JUMPED: {
    status: 503,
    retry: 'after-fix',
    summary:
      'The clock moved forward without the time having passed, which would free spending windows early.',
    fix: 'Check the clock of the signer’s machine, then restart the signer.',
  },
  SIGNER_SIGNATURE_INVALID: {
    status: 503,
    retry: 'never',
    summary: 'A key backend returned a signature that does not verify against the wallet’s public key.',
    fix: 'The signer has halted. Check the key backend: a faulty or replaced key store is the usual cause.',
  },
  SIGNER_CONFIG_INVALID: {
    status: 500,
    retry: 'after-fix',
    summary: 'The signer’s configuration cannot be used.',
    fix: 'Correct the setting that the message names.',
  },
  SIGNER_NOT_INITIALISED: {
    status: 500,
    retry: 'after-fix',
    summary: 'The data directory holds no signer.',
    fix: 'Run `countersign init` first.',
  },
  SIGNER_ALREADY_INITIALISED: {
    status: 409,
    retry: 'never',
    summary: 'The data directory already holds a signer.',
    fix: 'Choose an empty data directory; an existing signer is never overwritten.',
  },
  SIGNER_PERMISSIONS: {
    status: 500,
    retry: 'after-fix',
    summary: 'Other users of the machine can read or write the signer’s files or socket.',
    fix: 'Make the directory 0700 and its files 0600, owned by the signer’s user.',
  },
  SIGNER_WALLET_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No wallet has this id.',
    fix: 'Check the wallet id; list the wallets you may read.',
  },
  SIGNER_WALLET_KIND: {
    status: 400,
    retry: 'after-fix',
    summary: 'This operation does not fit the wallet’s kind of key.',
    fix: 'EVM wallets sign transactions, messages, typed data, authorizations and digests; Ed25519 wallets sign raw messages.',
  },
  SIGNER_KEY_TAKEN: {
    status: 409,
    retry: 'never',
    summary: 'The key backend offers a key that is a wallet’s already; one key is one wallet.',
    fix: 'Use the existing wallet. The env backend holds one key; choose the file backend for more.',
  },
  SIGNER_POLICY_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No policy has this id.',
    fix: 'Apply the policy first, or check its id.',
  },
  SIGNER_CHANGE_CONFLICT: {
    status: 409,
    retry: 'after-fix',
    summary: 'What a change says it replaces is not what is there now.',
    fix: 'Read the current version, decide again, and send the change with that version as `expected`.',
  },
  SIGNER_CREDENTIAL_EXISTS: {
    status: 409,
    retry: 'never',
    summary: 'This public key is a credential already.',
    fix: 'Use the existing credential, or make a new key pair. A revoked key never comes back.',
  },
  SIGNER_CREDENTIAL_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No credential has this id.',
    fix: 'Check the credential id.',
  },
  SIGNER_CREDENTIAL_FORM: {
    status: 400,
    retry: 'after-fix',
    summary: 'A credential cannot be added as it is described: its parts do not fit together.',
    fix: 'Correct what the message names.',
  },
  SIGNER_ROTATION_REFUSED: {
    status: 409,
    retry: 'after-fix',
    summary: 'A credential cannot be rotated in this way.',
    fix: 'Sign with the old key first, then with the new one, of the same kind; docs/credentials.md has the rules.',
  },
  SIGNER_QUORUM_LOST: {
    status: 409,
    retry: 'after-fix',
    summary: 'The change would leave fewer active admins than the quorum needs.',
    fix: 'Add another admin first, then revoke this one.',
  },
  SIGNER_FROZEN: {
    status: 403,
    retry: 'later',
    summary: 'The signer, or this wallet, is frozen: nothing is signed, and nothing that loosens is changed.',
    fix: 'Find out why (the message says who froze it and for what reason). The admin quorum lifts it with `countersign thaw`.',
  },
  SIGNER_CHANGE_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No change has this id.',
    fix: 'Look at `countersign change list`; changes that were settled over 90 days ago stand in the journal only.',
  },
  SIGNER_CHANGE_SETTLED: {
    status: 409,
    retry: 'never',
    summary: 'The change waits no longer: it was applied, vetoed or dropped.',
    fix: 'Look at it with `countersign change show`. To undo what was applied, make the opposite change; what tightens acts at once.',
  },
  SIGNER_CHANGES_FULL: {
    status: 409,
    retry: 'later',
    summary: 'As many changes wait for their delay as the signer keeps.',
    fix: 'Veto those that are not wanted, or wait until some are due.',
  },
  SIGNER_BOOK_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No address book has this id.',
    fix: 'Check the id of the book; list them with `countersign book list`.',
  },
  SIGNER_GROUP_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'No group of wallets has this id.',
    fix: 'Check the id of the group; list them with `countersign wallet-group list`.',
  },
  SIGNER_WALLET_GROUPED: {
    status: 409,
    retry: 'after-fix',
    summary: 'The wallet is in another group; a wallet is in one at most.',
    fix: 'Take it out of the other group first. Leaving a group that has a policy loosens, so it waits for the delay.',
  },
  SIGNER_ENTRY_UNKNOWN: {
    status: 404,
    retry: 'after-fix',
    summary: 'The journal has no such entry, size or receipt.',
    fix: 'Ask for indices below the size in the latest checkpoint.',
  },
  SIGNER_BUG: {
    status: 500,
    retry: 'never',
    summary: 'The signer met an error that it does not know. Nothing was signed.',
    fix: 'Look at the signer’s log, and report it.',
  },
} as const satisfies ErrorCatalogue

export const signerError = errorsOf(signerErrors)
