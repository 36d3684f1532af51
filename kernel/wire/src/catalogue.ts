import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const wireErrors = {
  WIRE_SIGNATURE_MISSING: {
    status: 401,
    retry: 'after-fix',
    summary: 'The request carries no signature where one is needed.',
    fix: 'Sign the request with a credential, as docs/api.md describes (RFC 9421, tag countersign-v1).',
  },
  WIRE_SIGNATURE_MALFORMED: {
    status: 401,
    retry: 'after-fix',
    summary:
      'A Signature or Signature-Input header does not follow RFC 9421, or not the profile that is accepted here.',
    fix: 'Cover exactly the components of the profile in their order, with created, expires, nonce, keyid, alg and tag.',
  },
  WIRE_BAD_SIGNATURE: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request signature does not verify with the key of its credential.',
    fix: 'Sign exactly the method, path, body and headers that are sent, with the private key of the credential in keyid.',
  },
  WIRE_UNKNOWN_CREDENTIAL: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request is signed by a credential that the signer does not know.',
    fix: 'Ask an admin quorum to add the credential, or use one that `countersign credential list` shows.',
  },
  WIRE_CREDENTIAL_REVOKED: {
    status: 401,
    retry: 'never',
    summary: 'A request is signed by a credential that was revoked.',
    fix: 'Use another credential; a revoked one never comes back.',
  },
  WIRE_CREDENTIAL_EXPIRED: {
    status: 401,
    retry: 'never',
    summary: 'A request is by a credential whose time is over: it has expired, or was replaced by rotation.',
    fix: 'Use the credential that took its place, or ask an admin quorum to add one.',
  },
  WIRE_API_KEY_INVALID: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request carries something as API key that cannot be one, or two of them.',
    fix: 'Send the key as it was shown (csk_…), in X-API-Key or in Authorization: Bearer, once.',
  },
  WIRE_BEARER_NOT_ENOUGH: {
    status: 403,
    retry: 'after-fix',
    summary: 'A request that an API key is not enough for: changes, approvals and grants are signed.',
    fix: 'Sign the request with a key or a passkey that may ask for it.',
  },
  WIRE_RATE_LIMITED: {
    status: 429,
    retry: 'later',
    summary: 'A credential has made more requests than its rate allows.',
    fix: 'Wait for the seconds in Retry-After (details.retryAfterS), or ask an admin quorum for a key with a higher rate.',
  },
  WIRE_PASSKEY_MALFORMED: {
    status: 400,
    retry: 'after-fix',
    summary: 'What a passkey’s browser or authenticator has given is not in the form of WebAuthn.',
    fix: 'Send authenticatorData, clientDataJSON and signature exactly as navigator.credentials gave them; the SDK does.',
  },
  WIRE_PASSKEY_CHALLENGE: {
    status: 401,
    retry: 'after-fix',
    summary:
      'A passkey has signed another challenge: the request was altered, or the assertion is of another one.',
    fix: 'Ask the passkey again, with SHA-256 of this request’s signature base as challenge.',
  },
  WIRE_PASSKEY_ORIGIN: {
    status: 401,
    retry: 'after-fix',
    summary: 'A passkey was used, or is to be pinned, on an origin that is not its own.',
    fix: 'Use it on a page of one of its pinned origins, not inside another page. If nobody meant to use another page, take it as phishing.',
  },
  WIRE_PASSKEY_RP: {
    status: 401,
    retry: 'after-fix',
    summary:
      'A passkey was used for another relying party id than the one it is pinned to, or that id is no domain.',
    fix: 'Pass the rpId of the credential to navigator.credentials.',
  },
  WIRE_PASSKEY_NOT_VERIFIED: {
    status: 401,
    retry: 'after-fix',
    summary:
      'The authenticator does not say that its user was present and verified (PIN, fingerprint, face).',
    fix: 'Ask with userVerification: "required", on an authenticator that can verify its user.',
  },
  WIRE_PASSKEY_CLONED: {
    status: 401,
    retry: 'after-fix',
    summary:
      'A passkey’s counter did not grow, or its backup flag changed: the authenticator may have been copied.',
    fix: 'If requests only arrived in another order than they were signed, sign again. Otherwise have the passkey revoked; the journal has an entry of type alarm.',
  },
  WIRE_PASSKEY_REGISTRATION: {
    status: 400,
    retry: 'after-fix',
    summary: 'The registration of a passkey cannot be taken.',
    fix: 'Register with attestation "none" and the challenge of registrationChallenge; the SDK’s registerPasskey does.',
  },
  WIRE_NONCE_REPLAYED: {
    status: 409,
    retry: 'after-fix',
    summary: 'A signature nonce was used before by the same credential.',
    fix: 'Sign again with a fresh random nonce; the same request id gives the earlier answer.',
  },
  WIRE_STALE: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request signature has expired.',
    fix: 'Sign the request again with the present time; if that fails too, set the clock of this machine.',
  },
  WIRE_FROM_THE_FUTURE: {
    status: 401,
    retry: 'later',
    summary: 'A request signature says that it was created later than now.',
    fix: 'Set the clock of the machine that signs requests.',
  },
  WIRE_LIFETIME_TOO_LONG: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request signature is valid for longer than its route allows, or ends before it starts.',
    fix: 'Let expires be at most 300 seconds after created (24 hours for policies, credentials and organisation).',
  },
  WIRE_WRONG_AUDIENCE: {
    status: 401,
    retry: 'after-fix',
    summary: 'A request was signed for another signer.',
    fix: 'Send the header countersign-audience with the id that GET /v1/identity gives, and check that it is the signer you trust.',
  },
  WIRE_DIGEST_MISMATCH: {
    status: 400,
    retry: 'after-fix',
    summary: 'The Content-Digest header is not the SHA-256 of the body as received.',
    fix: 'Compute Content-Digest (RFC 9530, sha-256) over the exact bytes of the body, also when it is empty.',
  },
  WIRE_REQUEST_ID_REUSED: {
    status: 422,
    retry: 'after-fix',
    summary: 'The idempotency-key was used before by the same credential for another request.',
    fix: 'Use a new idempotency-key for a new request.',
  },
  WIRE_REQUEST_IN_FLIGHT: {
    status: 409,
    retry: 'later',
    summary: 'A request with the same idempotency-key is being worked on.',
    fix: 'Wait a moment, then send the same request again (with a new nonce) to get its answer.',
  },
  WIRE_INVALID_REQUEST: {
    status: 400,
    retry: 'after-fix',
    summary: 'The method, path, query or a header of the request is not of the accepted form.',
    fix: 'Send the method, path and headers as docs/api.md describes.',
  },
  WIRE_INVALID_BODY: {
    status: 400,
    retry: 'after-fix',
    summary: 'The body of a request does not have the form that its route asks for.',
    fix: 'Correct the field that details.path names; the OpenAPI document has every form.',
  },
  WIRE_BODY_TOO_LARGE: {
    status: 413,
    retry: 'after-fix',
    summary: 'The body of a request is over the size that is accepted.',
    fix: 'Send a smaller body.',
  },
  WIRE_NOT_FOUND: {
    status: 404,
    retry: 'after-fix',
    summary: 'There is no such route, or no such thing that this credential may see.',
    fix: 'Check the path and the id in it.',
  },
  WIRE_METHOD_NOT_ALLOWED: {
    status: 405,
    retry: 'after-fix',
    summary: 'The path exists, but not with this method.',
    fix: 'Use one of the methods in details.allowed.',
  },
  WIRE_PREPARED_DIFFERS: {
    status: 403,
    retry: 'after-fix',
    summary: 'The transaction that the engine prepared is not the one that the credential asked for.',
    fix: 'If the caller stated everything as intended, take this as a sign that the engine is compromised; otherwise raise maxFeeMinor.',
  },
  WIRE_TOO_MANY_SIGNATURES: {
    status: 400,
    retry: 'after-fix',
    summary: 'Several credentials have signed a request to a route that takes one signature.',
    fix: 'Let one credential sign the request; only changes by the admin quorum are signed by several.',
  },
  WIRE_QUORUM_NOT_MET: {
    status: 403,
    retry: 'after-fix',
    summary: 'The request needs the signatures of more administrators.',
    fix: 'Let as many admin credentials sign the same request as the quorum asks for.',
  },
  WIRE_NOT_PERMITTED: {
    status: 403,
    retry: 'after-fix',
    summary: 'The role and powers of the credential do not allow this request.',
    fix: 'Use a credential with the role or power that the message names, or ask an admin quorum to add one.',
  },
  WIRE_SIGNER_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    summary: 'The signer does not answer, is sealed, or is halted.',
    fix: 'Start or unseal the signer; `GET /v1/health` says in which phase it is.',
  },
  WIRE_PUBLIC_KEY_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A public key is not a usable point of its curve in the accepted encoding.',
    fix: 'Send a compressed point (33 bytes) for p256 and secp256k1, the 32-byte key for ed25519, as 0x-hexadecimal.',
  },
  WIRE_PROOF_OUT_OF_RANGE: {
    status: 400,
    retry: 'after-fix',
    summary: 'A journal proof is asked for an index or size that the journal does not have.',
    fix: 'Ask for an index below size, and a size up to that of the latest checkpoint.',
  },
  WIRE_CHECKPOINT_INVALID: {
    status: 400,
    retry: 'never',
    summary: 'A checkpoint is not a C2SP signed note, or not signed by the expected key.',
    fix: 'Get the checkpoint again; if it still fails, compare its key with the one pinned for this signer.',
  },
  WIRE_TILE_INVALID: {
    status: 400,
    retry: 'never',
    summary: 'A tile or an entry bundle of a journal does not have the form of C2SP tlog-tiles.',
    fix: 'Get it again; if it still fails, do not trust where it came from.',
  },
  WIRE_WITNESS_KEY_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A text is not the key of a witness.',
    fix: 'Give the verifier key as `countersign witness init` prints it: name+keyid+base64.',
  },
  WIRE_DOCUMENT_INVALID: {
    status: 400,
    retry: 'never',
    summary:
      'A document that stands beside a journal entry is missing or is not the one that the entry names.',
    fix: 'Get it again; if it still fails, do not trust where it came from.',
  },
  WIRE_STATEMENT_INVALID: {
    status: 502,
    retry: 'never',
    summary: 'A statement is not one that the trusted signer has signed in answer to this question.',
    fix: 'Decide nothing by it, and approve nothing. Ask again; if it still fails, take the engine in between for compromised.',
  },
  WIRE_RECEIPT_INVALID: {
    status: 400,
    retry: 'never',
    summary: 'A receipt does not verify with the journal key of its signer.',
    fix: 'Get the receipt again; if it still fails, do not trust it.',
  },
} as const satisfies ErrorCatalogue

export type WireErrorCode = keyof typeof wireErrors

export const wireError = errorsOf(wireErrors)
