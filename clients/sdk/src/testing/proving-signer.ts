import { generateKeyPairSync, sign } from 'node:crypto'
import {
  decodeBase64Url,
  decodeHex,
  encodeBase64,
  encodeHex,
  type Hex,
  type JsonObject,
  sha256,
} from '@countersign/bytes'
import {
  audienceOf,
  createReceipt,
  encodeEntry,
  formatSignedCheckpoint,
  isBearerRequest,
  journalOrigin,
  leafHash,
  MerkleFrontier,
  MerkleGrowth,
  matchRoute,
  parseBearerRequest,
  parseRequestSignatures,
  type Receipt,
  type SignedRequest,
} from '@countersign/wire'

function askersOf(request: SignedRequest) {
  if (isBearerRequest(request)) {
    const { requestId, digest, credentialId } = parseBearerRequest(request)
    return { requestId, digest, ids: [credentialId] }
  }
  const { requestId, digest, signatures } = parseRequestSignatures(request)
  return { requestId, digest, ids: signatures.map(({ credentialId }) => credentialId) }
}

type Entry = JsonObject & { readonly type: string }

/** The signer of a test: a journal key, and answers with receipts as the real one gives them. */
export function createProvingSigner() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '')
  const audience = audienceOf(key)
  const at = '2026-11-21T00:00:00.000Z'
  let journal = new MerkleFrontier()

  const receipt = (request: SignedRequest, entry: Entry): Receipt => {
    const { requestId, digest, ids } = askersOf(request)
    const by = /^(?:signed|wallet)$/.test(entry.type) ? { credential: ids[0] ?? '' } : { credentials: ids }
    const whole = { v: 1, at, requestId, requestDigest: digest, ...by, ...entry }
    const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey))
    const index = journal.size
    const growth = new MerkleGrowth(journal, [leafHash(encodeEntry(whole))])
    journal = growth.frontier()
    const head = { origin: journalOrigin(audience), size: growth.size, root: growth.root }
    const checkpoint = formatSignedCheckpoint(head, { publicKey: key, sign: signBytes })
    const path = growth.path(index).map(encodeBase64)
    return createReceipt({ journalKey: key, index, entry: whole, path, checkpoint })
  }
  const proven = async (request: SignedRequest, fields: JsonObject, entry: Entry) => ({
    ...fields,
    receipt: receipt(request, entry),
  })

  return {
    audience,
    journalKey: encodeHex(key),
    receipt,
    /** @param answer Of a `sign-…` route. */
    signed(request: SignedRequest, answer: { signature: Hex; hash?: Hex }) {
      const signatureDigest = encodeHex(sha256(decodeHex(answer.signature).subarray(0, 64)))
      const transaction = answer.hash === undefined ? {} : { transactionHash: answer.hash }
      return proven(request, { ...answer }, { type: 'signed', signatureDigest, ...transaction })
    },
    async answer(request: SignedRequest): Promise<object> {
      const { route, params } = matchRoute(request.method, request.path)
      const body = JSON.parse(request.body === '' ? '{}' : request.body) as JsonObject
      const hash = `0x${'ab'.repeat(32)}` as const
      const { policy = null } = body
      switch (route.operation) {
        case 'createWallet': {
          const facts = {
            address: '0x1',
            publicKey: '0x02',
            algorithm: 'secp256k1',
            policy,
            backend: 'memory',
          }
          const fields = { id: 'wal_1', type: 'EVM', name: body.name ?? null, createdAt: at, ...facts }
          return proven(request, fields, { type: 'wallet', wallet: 'wal_1', ...facts })
        }
        case 'putPolicy': {
          const facts = { hash, version: 1 }
          const id = params.policyId ?? ''
          const fields = { id, ...facts, appliedAt: at }
          return proven(request, fields, { type: 'policy', policy: id, ...facts })
        }
        case 'setWalletPolicy': {
          const wallet = params.walletId ?? ''
          const fields = { walletId: wallet, policy, hash }
          return proven(request, fields, { type: 'wallet-policy', wallet, policy, hash })
        }
        case 'setOrganisationPolicy':
          return proven(request, { policy, hash }, { type: 'organisation-policy', policy, hash })
        case 'createCredential': {
          const credential = { ...body, id: 'cred_1', status: 'active' }
          return proven(request, credential, { type: 'credential', change: 'added', credential })
        }
        case 'revokeCredential': {
          const credential = { id: params.credentialId ?? '', role: 'agent', status: 'revoked' }
          return proven(request, credential, { type: 'credential', change: 'revoked', credential })
        }
        case 'rotateCredential': {
          const credential = { id: 'cred_2', role: 'agent', status: 'active' }
          const replaced = { id: params.credentialId ?? '', role: 'agent', status: 'revoked' }
          const entry = { type: 'credential', change: 'rotated', credential, replaced }
          return proven(request, { ...credential, replaced }, entry)
        }
        case 'sendTransaction': {
          const wallet = params.walletId ?? ''
          const fields = { id: 'tx_1', walletId: wallet, hash }
          return proven(request, fields, { type: 'signed', wallet, transactionHash: hash })
        }
        case 'signMessage':
          return this.signed(request, { signature: `0x${'01'.repeat(64)}1b` })
        default:
          return { id: 'wal_1' }
      }
    },
  }
}
