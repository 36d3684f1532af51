import { encodeUtf8, type Hex, sha256Hex } from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { checkContentDigest, contentDigest } from './content-digest.ts'
import { credentialIdForm } from './credential.ts'
import {
  isPasskeyAlgorithm,
  type SignedRequest,
  type SigningAlgorithm,
  signatureAlgorithmNames,
  signedHeaders,
  signingAlgorithms,
} from './request.ts'
import {
  component,
  encodeSignatureInput,
  encodeSignatureInputs,
  encodeSignatures,
  parseSignatureInputs,
  parseSignatures,
  type SignatureInput,
  signatureBase,
  signatureBaseLines,
  splitPath,
} from './signature-base.ts'
import { readSingleSignature } from './single-signature.ts'
import { parsePasskeySignature } from './webauthn.ts'

export const signatureTag = 'countersign-v1'

/** Every signature covers exactly these, in this order. */
export const signedComponents = [
  component('@method'),
  component('@path'),
  component('@query'),
  component('content-digest'),
  component('countersign-audience'),
  component('idempotency-key'),
] as const

export const signaturesMax = 8
export const pathCharsMax = 2048
export const bodyCharsMax = 1_000_000
/** How far the clock of a caller may run ahead of the signer's. */
export const clockSkewS = 30
export const ordinaryLifetimeS = 300
/** Members of a quorum sign one after another, so their signatures may wait for one another. */
export const quorumLifetimeS = 86_400

export interface SignatureParams {
  readonly credential: { readonly id: string; readonly algorithm: SigningAlgorithm }
  /** Seconds since 1970. */
  readonly created: number
  readonly expires: number
  /** base64url of 16 to 32 random bytes. */
  readonly nonce: string
}

export interface RequestSigner extends SignatureParams {
  /** ECDSA: r||s over SHA-256 of the base. Ed25519: over the base itself. 64 bytes either way. Passkeys: `encodePasskeySignature`. */
  readonly sign: (base: Uint8Array) => Promise<Uint8Array> | Uint8Array
}

export interface PreparedRequest {
  readonly method: SignedRequest['method']
  /** Path and query. */
  readonly path: string
  readonly body?: string
  readonly audience: string
  readonly requestId: string
}

/** A signature whose form is right. Its cryptography, its clock and its credential are not checked yet. */
export interface ParsedSignature {
  readonly label: string
  readonly credentialId: string
  /** As stated: must be compared with the credential's own. */
  readonly algorithm: SigningAlgorithm
  readonly created: number
  readonly expires: number
  readonly nonce: string
  /** What was signed. */
  readonly base: Uint8Array
  readonly signature: Uint8Array
}

export interface ParsedRequest {
  readonly audience: string
  readonly requestId: string
  /** `requestDigest` of the request. */
  readonly digest: Hex
  /** At least one; no two of one credential. */
  readonly signatures: readonly ParsedSignature[]
}

/** The request with its headers, ready to be signed.
 * @throws {CountersignError} WIRE_INVALID_REQUEST, WIRE_INVALID_BODY, WIRE_BODY_TOO_LARGE */
export function prepareRequest(prepared: PreparedRequest): SignedRequest {
  const { method, path, body = '', audience, requestId } = prepared
  const headers: Record<string, string> = {
    'content-digest': contentDigest(body),
    'countersign-audience': audience,
    'idempotency-key': requestId,
  }
  if (body !== '') headers['content-type'] = 'application/json'
  const request: SignedRequest = { method, path, headers, body }
  checkRequestForm(request)
  return request
}

/** The bytes that a credential signs for `request`.
 * @throws {CountersignError} WIRE_SIGNATURE_MALFORMED, where a header is missing or a parameter has a wrong form */
export function signatureBaseFor(request: SignedRequest, params: SignatureParams): Uint8Array {
  return signatureBase(request, signatureInput(params))
}

/** Adds a signature under the next label; those that are there already stay as they are.
 * @throws {CountersignError} WIRE_SIGNATURE_MALFORMED */
export async function addSignature(request: SignedRequest, signer: RequestSigner): Promise<SignedRequest> {
  const input = signatureInput(signer)
  const signature = await signer.sign(signatureBase(request, input))
  checkSignatureForm(signature, signer.credential.algorithm, 'The new signature')
  const inputs = new Map(parseSignatureInputs(request.headers['signature-input'] ?? ''))
  const signatures = new Map(parseSignatures(request.headers.signature ?? ''))
  if (inputs.size === signaturesMax) throw malformed(`A request carries at most ${signaturesMax} signatures.`)
  let number = inputs.size + 1
  while (inputs.has(`sig${number}`)) number = (number % signaturesMax) + 1
  inputs.set(`sig${number}`, input)
  signatures.set(`sig${number}`, signature)
  const headers = {
    ...request.headers,
    'signature-input': encodeSignatureInputs(inputs),
    signature: encodeSignatures(signatures),
  }
  return { ...request, headers }
}

/**
 * Checks everything about the signatures but their cryptography, the clock, and who the credentials are.
 * Each header must stand in its one canonical serialisation, so that nobody on the way can vary a byte of it.
 * @throws {CountersignError} WIRE_INVALID_REQUEST, WIRE_INVALID_BODY, WIRE_BODY_TOO_LARGE, WIRE_DIGEST_MISMATCH,
 *   WIRE_SIGNATURE_MISSING, WIRE_SIGNATURE_MALFORMED */
export function parseRequestSignatures(request: SignedRequest): ParsedRequest {
  const { audience, requestId, digestHeader } = checkRequestForm(request)
  const inputText = request.headers['signature-input']
  const signatureText = request.headers.signature
  if (inputText === undefined || signatureText === undefined) {
    throw wireError('WIRE_SIGNATURE_MISSING', 'The request has no Signature-Input and Signature headers.')
  }
  const single = parseSingleSignature(request, inputText, signatureText)
  const signatures = single === undefined ? parseAllSignatures(request, inputText, signatureText) : [single]
  return {
    audience,
    requestId,
    digest: digestOf(request, digestHeader, audience, requestId),
    signatures,
  }
}

/** @returns undefined where the headers are not those of one key's signature, or not in order. */
export function parseSingleSignature(
  request: SignedRequest,
  inputText: string,
  signatureText: string,
): ParsedSignature | undefined {
  const single = readSingleSignature(inputText, signatureText)
  if (single === undefined || !isNonce(single.nonce)) return undefined
  const algorithm = algorithmOfName.get(single.alg)
  if (algorithm === undefined || isPasskeyAlgorithm(algorithm)) return undefined
  const { label, credentialId, created, expires, nonce, signature, input } = single
  const base = encodeUtf8(`${plainBaseLines(request)}"@signature-params": ${input}`)
  return { label, credentialId, algorithm, created, expires, nonce, base, signature }
}

/** `signatureBaseLines` of the signed components, for a request whose form has been checked. */
function plainBaseLines({ method, path: pathAndQuery, headers }: SignedRequest): string {
  const { path, query } = splitPath(pathAndQuery)
  return `"@method": ${method}
"@path": ${path}
"@query": ${query}
"content-digest": ${headers['content-digest']}
"countersign-audience": ${headers['countersign-audience']}
"idempotency-key": ${headers['idempotency-key']}
`
}

/** @throws {CountersignError} WIRE_SIGNATURE_MISSING, WIRE_SIGNATURE_MALFORMED */
export function parseAllSignatures(
  request: SignedRequest,
  inputText: string,
  signatureText: string,
): ParsedSignature[] {
  const inputs = parseSignatureInputs(inputText)
  const signatures = parseSignatures(signatureText)
  if (inputs.size === 0) throw wireError('WIRE_SIGNATURE_MISSING', 'The request has no signature.')
  if (signatures.size !== inputs.size) {
    throw malformed('The Signature and Signature-Input headers do not have the same labels.')
  }
  const lines = signatureBaseLines(request, signedComponents)
  const parsed: ParsedSignature[] = []
  const canonicalInputs: string[] = []
  for (const [label, input] of inputs) {
    const signature = signatures.get(label)
    if (signature === undefined) throw malformed(`The Signature header has nothing under ${label}.`)
    const encodedInput = encodeSignatureInput(input)
    const one = parseSignature({ label, input, encodedInput, signature, lines })
    if (parsed.some(({ credentialId }) => credentialId === one.credentialId)) {
      throw malformed(`Two signatures are of one credential (${one.credentialId}).`)
    }
    parsed.push(one)
    canonicalInputs.push(`${label}=${encodedInput}`)
  }
  if (canonicalInputs.join(', ') !== inputText || encodeSignatures(signatures) !== signatureText) {
    throw malformed(
      'The Signature-Input or Signature header is not in its canonical form (RFC 8941 section 4.1).',
    )
  }
  return parsed
}

/** @throws {CountersignError} WIRE_FROM_THE_FUTURE, WIRE_STALE, WIRE_LIFETIME_TOO_LONG */
export function checkFreshness(
  { created, expires }: Pick<ParsedSignature, 'created' | 'expires'>,
  { nowS, maxLifetimeS }: { readonly nowS: number; readonly maxLifetimeS: number },
): void {
  if (expires < created || expires - created > maxLifetimeS) {
    throw wireError(
      'WIRE_LIFETIME_TOO_LONG',
      `The signature is valid for ${expires - created} s; this route allows 0 to ${maxLifetimeS} s.`,
      { details: { created, expires, maxLifetimeS } },
    )
  }
  if (created > nowS + clockSkewS) {
    throw wireError('WIRE_FROM_THE_FUTURE', `The signature was created ${created - nowS} s from now.`, {
      details: { created, now: nowS },
    })
  }
  if (nowS > expires) {
    throw wireError('WIRE_STALE', `The signature expired ${nowS - expires} s ago.`, {
      details: { expires, now: nowS },
    })
  }
}

/** @throws {CountersignError} WIRE_WRONG_AUDIENCE */
export function checkAudience(stated: string, own: string): void {
  if (stated !== own) {
    throw wireError('WIRE_WRONG_AUDIENCE', `The request is for ${stated}; this signer is ${own}.`, {
      details: { stated, own },
    })
  }
}

/** What approvals and idempotency bind: the same for every signature over one request, whatever its nonce.
 * @returns SHA-256. */
export function requestDigest(request: SignedRequest): Hex {
  const { headers, body } = request
  return digestOf(
    request,
    contentDigest(body),
    headers['countersign-audience'] ?? '',
    headers['idempotency-key'] ?? '',
  )
}

const signatureBytes = 64
const audienceForm = /^sgn_[0-9a-f]{32}$/
const requestIdForm = /^[A-Za-z0-9_-]{8,64}$/
const labelForm = /^sig[1-8]$/
/** Visible ASCII; no fragment, and no bare `?`, which the base could not tell from no query. */
const pathForm = /^\/[!"$->@-~]*(?:\?[!"$-~]+)?$/
const methods: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE']
const methodsWithoutBody: readonly string[] = ['GET', 'DELETE']
const headerNames: ReadonlySet<string> = new Set(signedHeaders)
// The header is not signed, so it may only say what is true anyway.
const contentTypes: readonly string[] = ['application/json', 'application/json; charset=utf-8']

const algorithmOfName: ReadonlyMap<unknown, SigningAlgorithm> = new Map(
  signingAlgorithms.map((algorithm) => [signatureAlgorithmNames[algorithm], algorithm]),
)

function signatureInput({ credential, created, expires, nonce }: SignatureParams): SignatureInput {
  const params = new Map<string, string | number>([
    ['created', created],
    ['expires', expires],
    ['nonce', nonce],
    ['keyid', credential.id],
    ['alg', signatureAlgorithmNames[credential.algorithm]],
    ['tag', signatureTag],
  ])
  const input = { components: signedComponents, params }
  checkParams(input, 'The new signature')
  return input
}

function parseSignature(one: {
  readonly label: string
  readonly input: SignatureInput
  readonly encodedInput: string
  readonly signature: Uint8Array
  readonly lines: string
}): ParsedSignature {
  const { label, input, encodedInput, signature, lines } = one
  if (!labelForm.test(label)) throw malformed(`The label ${label} is not one of sig1 to sig${signaturesMax}.`)
  checkComponents(input, label)
  const params = checkParams(input, label)
  checkSignatureForm(signature, params.algorithm, `The signature ${label}`)
  const base = encodeUtf8(`${lines}"@signature-params": ${encodedInput}`)
  return { label, ...params, base, signature }
}

/** What the bytes mean is for the verification to say. */
function checkSignatureForm(signature: Uint8Array, algorithm: SigningAlgorithm, what: string): void {
  if (isPasskeyAlgorithm(algorithm)) {
    parsePasskeySignature(signature)
  } else if (signature.length !== signatureBytes) {
    throw malformed(
      `${what} has ${signature.length} bytes where ${signatureBytes} are needed (r||s, or R||S).`,
    )
  }
}

function checkComponents({ components }: SignatureInput, label: string): void {
  const fits =
    components.length === signedComponents.length &&
    signedComponents.every(({ name }, i) => components[i]?.name === name && components[i].params.size === 0)
  if (fits) return
  throw malformed(
    `The signature ${label} does not cover exactly ${signedComponents.map(({ name }) => `"${name}"`).join(' ')} in this order.`,
  )
}

function checkParams({ params }: SignatureInput, label: string) {
  const created = params.get('created')
  const expires = params.get('expires')
  const nonce = params.get('nonce')
  const credentialId = params.get('keyid')
  const algorithm = algorithmOfName.get(params.get('alg'))
  if (params.get('tag') !== signatureTag) throw malformed(`${label} does not have the tag ${signatureTag}.`)
  if (params.size !== 6) throw malformed(`${label} has a parameter that is not part of ${signatureTag}.`)
  if (!isTime(created)) throw malformed(`${label} lacks created, in whole seconds.`)
  if (!isTime(expires)) throw malformed(`${label} lacks expires, in whole seconds.`)
  if (!isNonce(nonce)) throw malformed(`${label} lacks a nonce, which is base64url of 16 to 32 bytes.`)
  if (typeof credentialId !== 'string' || !credentialIdForm.test(credentialId)) {
    throw malformed(`${label} lacks a keyid, which is a credential id.`)
  }
  if (algorithm === undefined) throw malformed(`${label} has no alg that this version knows.`)
  return { credentialId, algorithm, created, expires, nonce }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 99_999_999_999
}

const nonceForm = /^[A-Za-z0-9_-]{22,43}$/

/** base64url without padding of 16 to 32 bytes, in its one canonical form. */
function isNonce(value: unknown): value is string {
  if (typeof value !== 'string' || !nonceForm.test(value)) return false
  const last = value.charAt(value.length - 1)
  switch (value.length % 4) {
    case 0:
      return true
    case 2:
      return 'AQgw'.includes(last)
    case 3:
      return 'AEIMQUYcgkosw048'.includes(last)
    default:
      return false
  }
}

/** The request is untrusted JSON to the signer, so its types are not taken on trust either. */
function checkRequestForm(request: SignedRequest): {
  readonly audience: string
  readonly requestId: string
  readonly digestHeader: string
} {
  checkRequestLine(request)
  const { headers, body } = request
  if (headers['x-api-key'] !== undefined) {
    throw invalid('The request has an API key beside its signature; it is one or the other.')
  }
  const audience = checkAudienceForm(headers['countersign-audience'])
  const requestId = checkRequestIdForm(headers['idempotency-key'])
  const digestHeader = headers['content-digest']
  checkContentDigest(digestHeader, body)
  return { audience, requestId, digestHeader: digestHeader as string }
}

/** @throws {CountersignError} WIRE_INVALID_REQUEST */
export function checkAudienceForm(audience: string | undefined): string {
  if (audience !== undefined && audienceForm.test(audience)) return audience
  throw invalid('The header countersign-audience is not the id of a signer.')
}

/** @throws {CountersignError} WIRE_INVALID_REQUEST */
export function checkRequestIdForm(requestId: string | undefined): string {
  if (requestId !== undefined && requestIdForm.test(requestId)) return requestId
  throw invalid('The header idempotency-key is not 8 to 64 letters, digits, _ and -.')
}

/**
 * What every request must be, however its caller is proven.
 * @throws {CountersignError} WIRE_INVALID_REQUEST, WIRE_INVALID_BODY, WIRE_BODY_TOO_LARGE */
export function checkRequestLine({ method, path, headers, body }: SignedRequest): void {
  if (!methods.includes(method)) throw invalid('The method is not GET, POST, PUT or DELETE.')
  if (typeof path !== 'string' || path.length > pathCharsMax || !pathForm.test(path)) {
    throw invalid(`The path is not a path and query of visible ASCII, at most ${pathCharsMax} characters.`)
  }
  if (typeof body !== 'string' || !body.isWellFormed()) {
    throw wireError('WIRE_INVALID_BODY', 'The body is not Unicode text.', { details: { path: '' } })
  }
  if (body.length > bodyCharsMax) {
    throw wireError(
      'WIRE_BODY_TOO_LARGE',
      `The body has ${body.length} characters; ${bodyCharsMax} are allowed.`,
    )
  }
  if (body !== '' && methodsWithoutBody.includes(method)) {
    throw wireError('WIRE_INVALID_BODY', `A ${method} request has no body.`, { details: { path: '' } })
  }
  if (typeof headers !== 'object' || headers === null) throw invalid('The request has no headers.')
  for (const [name, value] of Object.entries(headers)) {
    if (!headerNames.has(name))
      throw invalid(`The header ${JSON.stringify(name.slice(0, 64))} does not travel.`)
    if (typeof value !== 'string') throw invalid(`The header ${name} is not one text.`)
  }
  const contentType = headers['content-type']
  if (contentType !== undefined && !contentTypes.includes(contentType)) {
    throw invalid('The header content-type is not application/json.')
  }
}

function digestOf(
  { method, path }: SignedRequest,
  bodyDigest: string,
  audience: string,
  requestId: string,
): Hex {
  // A JSON list of strings has one reading; there is nothing in it that could be ordered or written otherwise.
  const bound = ['countersign-request-v1', method, path, bodyDigest, audience, requestId]
  return sha256Hex(JSON.stringify(bound))
}

function invalid(message: string) {
  return wireError('WIRE_INVALID_REQUEST', message)
}

function malformed(message: string) {
  return wireError('WIRE_SIGNATURE_MALFORMED', message)
}
