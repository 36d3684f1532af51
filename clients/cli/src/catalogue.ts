import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const cliErrors = {
  CLI_USAGE: {
    status: 400,
    retry: 'after-fix',
    summary: 'An option or argument of the command cannot be used.',
    fix: 'Run the command with --help.',
  },
  CLI_NOT_CONFIGURED: {
    status: 400,
    retry: 'after-fix',
    summary: 'The command needs a url or a credential and found none.',
    fix: 'Give --url and --credential, set COUNTERSIGN_URL and COUNTERSIGN_CREDENTIAL, or run countersign dev in this folder.',
  },
  CLI_FILE_UNREADABLE: {
    status: 400,
    retry: 'after-fix',
    summary: 'A file given to the command cannot be read, or does not hold what the command expects.',
    fix: 'Check the path and what the file holds.',
  },
  CLI_FILE_EXISTS: {
    status: 409,
    retry: 'after-fix',
    summary: 'The command would overwrite a file.',
    fix: 'Choose another path, or move the file away.',
  },
  CLI_PROCESS_FAILED: {
    status: 500,
    retry: 'after-fix',
    summary: 'A process that the command started ended early or did not become ready.',
    fix: 'Read what the process said; it is part of the message.',
  },
  CLI_VERIFICATION_FAILED: {
    status: 422,
    retry: 'never',
    summary: 'A journal, receipt, proof or signature does not verify.',
    fix: 'Do not trust it. Compare with an earlier export and with the journal key that you pinned.',
  },
  CLI_CHAIN_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    summary: 'A chain’s endpoint does not answer, or serves another chain.',
    fix: 'Check the chain and the url that were given with --rpc.',
  },
  CLI_NOT_WITNESSED: {
    status: 422,
    retry: 'later',
    summary: 'The journal’s checkpoint does not have the cosignatures of witnesses that were asked for.',
    fix: 'Ask the witnesses what they have seen of this journal before you trust it: they cosign nothing that was rolled back or forked.',
  },
  CLI_UNMATCHED: {
    status: 422,
    retry: 'never',
    summary:
      'A wallet’s transaction is on a chain and not in the journal: its key, or the journal, is in other hands.',
    fix: 'Freeze (`countersign freeze`), move what is left to new wallets, and find out who has signed it.',
  },
  CLI_ROLLED_BACK: {
    status: 422,
    retry: 'never',
    summary: 'The journal is shorter than, or another one than, a checkpoint that was seen before.',
    fix: 'Treat the signer as tampered with: stop it and compare its store with your backups and exports.',
  },
} as const satisfies ErrorCatalogue

export const cliError = errorsOf(cliErrors)
