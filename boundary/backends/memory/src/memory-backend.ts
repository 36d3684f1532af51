import { inspect } from 'node:util'
import {
  type Algorithm,
  type BackendCustody,
  checkNotProduction,
  createSecretKey,
  formatKeyUri,
  type KeyBackend,
  type KeyImporter,
  type KeyUri,
  keysError,
  LocalKey,
  type PublicKey,
  parseKeyUri,
  type SchnorrSigner,
  type Secp256k1,
  type Signature,
  type SignRequest,
} from '@countersign/keys'

export interface MemoryBackendOptions {
  /** Where COUNTERSIGN_ENV is looked up; production is refused. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Another implementation of the curve, for comparison. */
  readonly curve?: Secp256k1
}

/** @throws {CountersignError} KEYS_BACKEND_REFUSED */
export async function openMemoryBackend(options: MemoryBackendOptions = {}): Promise<MemoryBackend> {
  checkNotProduction('memory', options.env ?? process.env)
  return new MemoryBackend(options.curve)
}

const custody: BackendCustody = {
  backend: 'memory',
  architecture: 'keys in process memory',
  production: false,
  durable: false,
  statement:
    'Keys are held in the clear in the memory of the signer process and nowhere else. ' +
    'Whoever controls that process, its user or the machine (root, a memory dump, swap) can read every key. ' +
    'When the process ends the keys are gone and nobody can recover them.',
}

export class MemoryBackend implements KeyBackend, KeyImporter, SchnorrSigner {
  readonly custody = custody
  readonly #curve: Secp256k1 | undefined
  readonly #keys = new Map<KeyUri, LocalKey>()
  readonly #uriOfName = new Map<string, KeyUri>()
  #isClosed = false

  constructor(curve?: Secp256k1) {
    this.#curve = curve
  }

  async createKey({ algorithm, name }: { algorithm: Algorithm; name: string }): Promise<KeyUri> {
    const secretKey = createSecretKey(algorithm)
    try {
      return this.#add({ algorithm, name, secretKey })
    } finally {
      secretKey.fill(0)
    }
  }

  async importKey(options: { algorithm: Algorithm; name: string; secretKey: Uint8Array }): Promise<KeyUri> {
    return this.#add(options)
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
    for (const key of this.#keys.values()) key.close()
    this.#keys.clear()
    this.#uriOfName.clear()
  }

  [inspect.custom](): string {
    return `MemoryBackend { ${this.#keys.size} keys }`
  }

  #add(options: { algorithm: Algorithm; name: string; secretKey: Uint8Array }): KeyUri {
    this.#checkOpen()
    const { algorithm, name, secretKey } = options
    const uri = formatKeyUri({ backend: 'memory', algorithm, name })
    if (this.#uriOfName.has(name)) {
      throw keysError('KEYS_KEY_EXISTS', `A key named ${name} exists already.`)
    }
    const curve = this.#curve
    this.#keys.set(uri, new LocalKey({ algorithm, secretKey, ...(curve === undefined ? {} : { curve }) }))
    this.#uriOfName.set(name, uri)
    return uri
  }

  #get(uri: KeyUri): LocalKey {
    this.#checkOpen()
    const key = this.#keys.get(uri)
    if (key !== undefined) return key
    const { backend, algorithm, name } = parseKeyUri(uri)
    if (backend === 'memory' && this.#uriOfName.has(name)) {
      throw keysError('KEYS_ALGORITHM_MISMATCH', `The key ${name} is not a key of ${algorithm}.`)
    }
    throw keysError('KEYS_KEY_NOT_FOUND', `The memory backend has no key ${uri}.`)
  }

  #checkOpen(): void {
    if (this.#isClosed) throw keysError('KEYS_CLOSED', 'The memory backend was closed.')
  }
}
