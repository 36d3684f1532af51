import { inspect } from 'node:util'
import {
  type Algorithm,
  type BackendCustody,
  checkNotProduction,
  checkSecretKeyOf,
  formatKeyUri,
  isAlgorithm,
  type KeyBackend,
  type KeyUri,
  keysError,
  LocalKey,
  type PublicKey,
  parseKeyUri,
  type SchnorrSigner,
  type Signature,
  type SignRequest,
} from '@countersign/keys'

export interface EnvBackendOptions {
  /** Where the variables are; the raw key is deleted from it once read. */
  readonly env?: Record<string, string | undefined>
}

/**
 * One raw key from COUNTERSIGN_RAW_KEY (64 hexadecimal digits, with or without 0x), of the algorithm in
 * COUNTERSIGN_RAW_KEY_ALGORITHM (secp256k1 where absent).
 * @throws {CountersignError} KEYS_BACKEND_REFUSED, KEYS_RAW_KEY_INVALID */
export async function openEnvBackend({ env = process.env }: EnvBackendOptions = {}): Promise<EnvBackend> {
  checkNotProduction('env', env)
  const text = env.COUNTERSIGN_RAW_KEY ?? ''
  delete env.COUNTERSIGN_RAW_KEY
  const algorithm = env.COUNTERSIGN_RAW_KEY_ALGORITHM ?? 'secp256k1'
  if (!isAlgorithm(algorithm)) {
    throw keysError('KEYS_RAW_KEY_INVALID', 'COUNTERSIGN_RAW_KEY_ALGORITHM is not secp256k1 or ed25519.')
  }
  if (!/^(?:0x)?[0-9a-fA-F]{64}$/.test(text)) {
    throw keysError('KEYS_RAW_KEY_INVALID', 'COUNTERSIGN_RAW_KEY is not 64 hexadecimal digits.')
  }
  const secretKey = Uint8Array.from(Buffer.from(text.slice(-64), 'hex'))
  try {
    checkSecretKeyOf(algorithm, secretKey)
    return new EnvBackend(new LocalKey({ algorithm, secretKey }))
  } finally {
    secretKey.fill(0)
  }
}

const custody: BackendCustody = {
  backend: 'env',
  architecture: 'raw key in an environment variable',
  production: false,
  durable: false,
  statement:
    'The key was given to the signer in the clear, in an environment variable. Whoever can read that variable ' +
    'where it is set (a shell history, a deployment file, a dashboard), read /proc of the signer’s process, or ' +
    'control its user or the machine (root) has the key. This software deletes the variable from its own ' +
    'environment, which removes none of the other copies. It stores the key nowhere: the key lasts as long as ' +
    'whoever sets the variable keeps it.',
}

export class EnvBackend implements KeyBackend, SchnorrSigner {
  readonly custody = custody
  readonly #key: LocalKey
  /** The one name this key goes by: the first that is asked for, since a restarted signer asks before it creates. */
  #uri: KeyUri | undefined
  #isClosed = false

  constructor(key: LocalKey) {
    this.#key = key
  }

  async createKey({ algorithm, name }: { algorithm: Algorithm; name: string }): Promise<KeyUri> {
    this.#checkOpen()
    const uri = formatKeyUri({ backend: 'env', algorithm, name })
    if (this.#uri !== undefined && this.#uri === uri) {
      throw keysError('KEYS_KEY_EXISTS', `A key named ${name} exists already.`)
    }
    if (this.#uri !== undefined) {
      throw keysError('KEYS_ONE_KEY_ONLY', 'The one key in the environment is bound to another name.')
    }
    this.#checkAlgorithm(algorithm)
    this.#uri = uri
    return uri
  }

  async publicKey(key: KeyUri): Promise<PublicKey> {
    return this.#get(key).publicKey()
  }

  async sign({ key, payload }: SignRequest): Promise<Signature> {
    return this.#get(key).sign(payload)
  }

  async signTaproot({ key, payload }: SignRequest): Promise<Uint8Array> {
    return this.#get(key).signTaproot(payload)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#key.close()
  }

  [inspect.custom](): string {
    return `EnvBackend { ${this.#uri ?? 'no name yet'} }`
  }

  #get(uri: KeyUri): LocalKey {
    this.#checkOpen()
    if (uri === this.#uri) return this.#key
    const { backend, algorithm, name } = parseKeyUri(uri)
    if (this.#uri === undefined && backend === 'env') {
      this.#checkAlgorithm(algorithm)
      this.#uri = uri
      return this.#key
    }
    if (this.#uri !== undefined && backend === 'env' && parseKeyUri(this.#uri).name === name) {
      this.#checkAlgorithm(algorithm)
    }
    throw keysError('KEYS_KEY_NOT_FOUND', `The env backend has no key ${uri}.`)
  }

  #checkAlgorithm(algorithm: Algorithm): void {
    if (algorithm !== this.#key.algorithm) {
      throw keysError('KEYS_ALGORITHM_MISMATCH', `The key in the environment is not a key of ${algorithm}.`)
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw keysError('KEYS_CLOSED', 'The env backend was closed.')
  }
}
