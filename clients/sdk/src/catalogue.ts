import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const sdkErrors = {
  SDK_INPUT_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'An option or argument given to the client cannot be used.',
    fix: 'Correct the named option.',
  },
  SDK_UNREACHABLE: {
    status: 503,
    retry: 'later',
    summary: 'The engine gave no answer, also after retries with the same request id.',
    fix: 'Check that the url is right and that the engine runs; then repeat with the same request id.',
  },
  SDK_ANSWER_INVALID: {
    status: 502,
    retry: 'later',
    summary: 'Something answered that is not a Countersign engine of this version.',
    fix: 'Check the url and what stands between client and engine.',
  },
  SDK_ANSWER_UNPROVEN: {
    status: 502,
    retry: 'never',
    summary:
      'What an answer says was signed, made or changed is not proven by a receipt of the trusted signer.',
    fix: 'Use nothing of it: no address, no signature, and take no change for made. Look into the journal: the engine in between may have been tampered with.',
  },
  SDK_AUDIENCE_MISMATCH: {
    status: 502,
    retry: 'never',
    summary: 'The identity behind the url is not the signer that this client trusts.',
    fix: 'Find out why the signer changed before pinning another audience: a false engine can look like this.',
  },
  SDK_SIGNATURE_MISMATCH: {
    status: 502,
    retry: 'never',
    summary: 'A returned signature is not one by this wallet over what was asked.',
    fix: 'Do not use it. Check the signer journal: the engine in between may have been tampered with.',
  },
  SDK_CREDENTIAL_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A credential key or file is not in a form that can be read, or its parts do not fit together.',
    fix: 'Create the credential again with createCredentialKey, or pass an unencrypted PKCS #8 key.',
  },
  SDK_PASSKEY_REFUSED: {
    status: 400,
    retry: 'after-fix',
    summary: 'The browser or the authenticator did not make a passkey, or did not sign with one.',
    fix: 'Ask again from a click, on a page of the passkey’s origin, with an authenticator that can verify its user.',
  },
  SDK_CREDENTIAL_FILE_EXPOSED: {
    status: 400,
    retry: 'after-fix',
    summary: 'Other users can read a file that holds a private key.',
    fix: 'Run chmod 600 on the file; if others could have read it, revoke the credential and make a new one.',
  },
  SDK_SESSION_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A session string cannot be used: it is damaged, of another version, or says something else than its grant.',
    fix: 'Ask the owner of the wallet to export the session again, and copy all of it.',
  },
  SDK_APPROVAL_NEEDED: {
    status: 409,
    retry: 'later',
    summary: 'The policy asks for approvals, so the request waits and nothing is signed yet.',
    fix: 'Tell the approvers (`countersign approval list`), then send the same request with the same request id; or pass waitForApproval.',
  },
  SDK_APPROVAL_MISMATCH: {
    status: 502,
    retry: 'never',
    summary: 'What would be signed, decoded here, is not what the description of the request says.',
    fix: 'Do not approve it. Bring this program and the signer to the same version; if it happens again, take the signer or what is in between for compromised.',
  },
  SDK_CHANGE_WAITS: {
    status: 409,
    retry: 'later',
    summary: 'A change that the program counts on loosens, so it waits for the organisation’s delay.',
    fix: 'Go on once it is due; `countersign change list` shows what waits. One admin can veto it until then.',
  },
  SDK_WAIT_TIMED_OUT: {
    status: 504,
    retry: 'later',
    summary: 'A transaction did not reach its final state while the client waited.',
    fix: 'It may still be mined: ask for it again by its id. Do not send it a second time.',
  },
} as const satisfies ErrorCatalogue

export const sdkError = errorsOf(sdkErrors)
