import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const engineErrors = {
  ENGINE_CONFIG_INVALID: {
    status: 500,
    retry: 'after-fix',
    summary: 'The engine’s configuration cannot be used.',
    fix: 'Correct the setting that the message names.',
  },
  ENGINE_DATA_DIR_IN_USE: {
    status: 500,
    retry: 'after-fix',
    summary: 'Another engine uses this data directory.',
    fix: 'Stop the other engine, or give this one its own dataDir (several engines may share one databaseUrl).',
  },
  ENGINE_DATABASE_FAILED: {
    status: 500,
    retry: 'after-fix',
    summary: 'The embedded Postgres could not be created or started.',
    fix: 'Read the reason in the message; or run a Postgres of your own and set databaseUrl.',
  },
  ENGINE_DATABASE_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    summary: 'The engine’s database does not answer; nothing was signed for this request after it failed.',
    fix: 'Start the database, then send the request again with the same idempotency-key and a new nonce.',
  },
  ENGINE_SCHEMA_NEWER: {
    status: 500,
    retry: 'after-fix',
    summary: 'The database was written by a newer version of the engine.',
    fix: 'Run the newer version, or restore a backup from before the upgrade.',
  },
  ENGINE_JOURNAL_UNREAD: {
    status: 503,
    retry: 'after-fix',
    summary: 'The engine has no copy of the journal to search in.',
    fix: 'Set journalCredential in the engine’s configuration to a credential with the power read. Entries by index need none.',
  },
  ENGINE_JOURNAL_BROKEN: {
    status: 503,
    retry: 'never',
    summary: 'The signer’s journal does not continue what the engine has seen of it before.',
    fix: 'Treat the signer as tampered with: stop it and compare its journal with exports and witnesses.',
  },
  ENGINE_STOPPING: {
    status: 503,
    retry: 'later',
    summary: 'The engine is being stopped and takes no new requests.',
    fix: 'Send the request to another engine, or again once this one is back.',
  },
  ENGINE_BUSY: {
    status: 503,
    retry: 'later',
    summary: 'More requests wait for one wallet, or for the signer, than the engine takes on.',
    fix: 'Retry after a pause, with the same idempotency-key and a new nonce.',
  },
  ENGINE_INTERNAL: {
    status: 500,
    retry: 'later',
    summary: 'The engine met a bug.',
    fix: 'Report it with the time and the route; the engine’s log has the rest.',
  },
  ENGINE_CHAIN_UNKNOWN: {
    status: 400,
    retry: 'after-fix',
    summary: 'The transaction names a chain for which the engine has no RPC endpoint.',
    fix: 'Use one of the chains in details.chains, or add the chain to the engine’s configuration.',
  },
  ENGINE_CHAIN_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    summary: 'The chain’s RPC endpoint does not answer or answers with an error; nothing was signed.',
    fix: 'Retry later; if it persists, check the endpoint in the engine’s configuration.',
  },
  ENGINE_WOULD_REVERT: {
    status: 422,
    retry: 'after-fix',
    summary: 'The transaction would revert on chain, so it was not signed.',
    fix: 'Correct the call as the reason says; or state `gas` to send it all the same.',
  },
  ENGINE_INSUFFICIENT_FUNDS: {
    status: 422,
    retry: 'after-fix',
    summary:
      'The wallet cannot pay for the value and the highest fee of the transaction, so it was not signed.',
    fix: 'Fund the wallet, or lower the value.',
  },
  ENGINE_FEE_OVER_CAP: {
    status: 422,
    retry: 'later',
    summary:
      'The chain now asks for a higher fee than maxFeeMinor or the engine’s cap for this chain allows.',
    fix: 'Wait for lower fees, or raise maxFeeMinor.',
  },
  ENGINE_NONCE_CONFLICT: {
    status: 409,
    retry: 'after-fix',
    summary: 'The stated nonce is not the next one of this wallet on this chain.',
    fix: 'Leave the nonce out, or state the one in details.next.',
  },
  ENGINE_NONCE_TAKEN: {
    status: 409,
    retry: 'after-fix',
    summary:
      'Another transaction of this wallet has this nonce: mined from elsewhere, or sent while this one waited for approval.',
    fix: 'Send the transaction again with a new idempotency-key; let only one system send from this wallet, and nothing else while a payment waits for approval.',
  },
  ENGINE_APPROVAL_LOST: {
    status: 409,
    retry: 'after-fix',
    summary:
      'A transaction waited for approval, and the signer no longer keeps what became of it; it was not broadcast.',
    fix: 'Look into the journal for the approval. If it was signed, its budget is spent; send the transaction again with a new idempotency-key.',
  },
  ENGINE_INTERRUPTED: {
    status: 503,
    retry: 'now',
    summary: 'The engine stopped before the signer had signed; the nonce is free.',
    fix: 'Send the same request again with a new nonce.',
  },
  ENGINE_ANSWER_MISMATCH: {
    status: 502,
    retry: 'never',
    summary: 'The signer’s answer is not for the transaction that was asked for; it was not broadcast.',
    fix: 'Send the transaction again with a new idempotency-key. If it repeats, compare the versions of signer and engine.',
  },
  ENGINE_WALLET_EXISTS: {
    status: 409,
    retry: 'never',
    summary: 'A wallet for this user identifier exists.',
    fix: 'Find it with GET /v1/wallets?userIdentifier=…&userIdentifierType=…',
  },
  ENGINE_USER_IDENTIFIER_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'The user identifier does not have the form of its type.',
    fix: 'EMAIL: name@host. PHONE: E.164, for example +15551234567. TWITTER and TELEGRAM: the handle. CUSTOM_ID: 1 to 128 visible characters.',
  },
  ENGINE_CURSOR_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A page cursor is not one that this list gave.',
    fix: 'Start again without cursor, and pass nextCursor on unchanged.',
  },
} as const satisfies ErrorCatalogue

export type EngineErrorCode = keyof typeof engineErrors

export const engineError = errorsOf(engineErrors)
