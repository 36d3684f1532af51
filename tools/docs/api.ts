import type { Tree } from '../tidy/tree.ts'
import { loadModule } from './catalogues.ts'

export const routesSource = 'kernel/wire/src/routes.ts'

interface RouteFacts {
  readonly method: string
  readonly pattern: string
  readonly auth: 'public' | 'credential' | 'quorum' | 'rotation' | 'owner'
  readonly signer: boolean
  readonly status: number
  readonly summary: string
}

const opening = `# REST API

Generated from \`${routesSource}\` by \`npm run docs\`; do not edit. [openapi.json](openapi.json) has the schemas, [errors.md](errors.md) every error code.

JSON over HTTP. Amounts are decimal strings in smallest units, addresses 0x-hexadecimal, chains CAIP-2, assets CAIP-19. Object keys may stand once only, and unknown keys are errors.

## Signing a request

Every route but the public ones needs a signature by RFC 9421, in this one form:

| part | what it is |
|---|---|
| components | \`"@method" "@path" "@query" "content-digest" "countersign-audience" "idempotency-key"\`, in this order |
| parameters | \`created\`, \`expires\`, \`nonce\`, \`keyid\`, \`alg\`, \`tag="countersign-v1"\`, in this order |
| \`content-digest\` | RFC 9530 \`sha-256\` of the exact body, also of an empty one |
| \`countersign-audience\` | the signer's id, \`sgn_\` and 32 hexadecimal digits; \`GET /v1/identity\` tells it |
| \`idempotency-key\` | the request id: 8 to 64 of letters, digits, \`_\`, \`-\` |
| \`nonce\` | base64url of 16 to 32 random bytes, new for each signature |
| \`keyid\` | the credential's id: \`cred_\` and the first 32 hexadecimal digits of SHA-256 over algorithm, a zero byte and public key |
| \`alg\` | \`ecdsa-p256-sha256\`, \`ed25519\` or \`ecdsa-secp256k1-sha256\`; ECDSA signatures are r and s, 64 bytes, over SHA-256. Passkeys: \`webauthn-p256\` or \`webauthn-ed25519\`; [credentials.md](credentials.md) has the form of theirs |

Valid for at most 300 seconds, on routes that need the quorum 24 hours; \`created\` at most 30 seconds ahead of the signer's clock. Headers stand in the canonical serialisation of RFC 8941. A quorum is several signatures (\`sig1\`, \`sig2\`, …) of different credentials on one request.

The same request id with the same method, path and body, signed anew, gives the same answer as before; with other content it is an error (\`WIRE_REQUEST_ID_REUSED\`). The same signature twice is a replay (\`WIRE_NONCE_REPLAYED\`).

Instead of a signature, some routes take an API key (\`X-API-Key: csk_…\` or \`Authorization: Bearer csk_…\`), for what a policy grants to \`bearer\`: see [credentials.md](credentials.md).

A refusal by policy is HTTP 403 with \`error\`, the whole \`decision\` and the \`journal\` index under which it stands.

## Routes

\`credential\`: one signature; role, powers and policy decide. \`quorum\`: the signatures of the admin quorum. \`rotation\`: the old key's signature and the new one's. \`owner\`: the signature of the wallet's owner, or those of the quorum.

| route | needs | answered by | status | |
|---|---|---|---|---|
`

/** docs/api.md: how to sign a request, and every route. */
export async function renderApi(tree: Tree): Promise<string> {
  const { routes } = (await loadModule(tree, routesSource)) as { routes: readonly RouteFacts[] }
  const rows = routes.map(({ method, pattern, auth, signer, status, summary }) => {
    return `| \`${method} ${pattern}\` | ${auth} | ${signer ? 'signer' : 'engine'} | ${status} | ${summary} |\n`
  })
  return opening + rows.join('')
}
