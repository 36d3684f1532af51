import { inspect } from 'node:util'
import { isCountersignError } from '@countersign/bytes'
import {
  type Algorithm,
  type BackendCustody,
  type CheckedSignature,
  type CheckingSigner,
  checkSecretKeyOf,
  createKdfParams,
  createSecretKey,
  encodeSealedFile,
  formatKeyUri,
  type KdfParams,
  type KeyBackend,
  type KeyImporter,
  type KeyThread,
  type KeyUri,
  keysError,
  LocalKey,
  type PublicKey,
  parseKeyUri,
  parseSealedFile,
  type SchnorrSigner,
  type SealedFile,
  type SealedHeader,
  SealingKey,
  type Secret,
  type Signature,
  type SignRequest,
  ThreadKey,
} from '@countersign/keys'
import { KeyDirectory } from './key-directory.ts'
import { type OpenedKey, OpenedKeys } from './opened-keys.ts'

export interface FileBackendOptions {
  /** Created with mode 0700 where it does not exist. One file per key, `<name>.json`, and `keystore.json`. */
  readonly directory: string
  /** At least 16 bytes; WALLET_KEY_ENCRYPTION_SECRET. */
  readonly secret: string | Uint8Array | Secret
  /** Costs for a store that does not exist yet; an existing one keeps its own. */
  readonly kdf?: KdfParams
  /** Tests only: lets a store have costs under the floor. */
  readonly allowWeakKdf?: boolean
  /** How many opened keys stay in memory. */
  readonly openedKeysMax?: number
  /** Holds the secp256k1 keys that are open; without it they are held in the caller's thread. */
  readonly keyThread?: KeyThread | undefined
}

/**
 * @throws {CountersignError} KEYS_PERMISSIONS, KEYS_SECRET_WRONG, KEYS_SECRET_WEAK, KEYS_FILE_DAMAGED,
 * KEYS_STORE_INCOMPLETE and the other codes of a file that is not as it was written. */
export async function openFileBackend(options: FileBackendOptions): Promise<FileBackend> {
  const directory = await KeyDirectory.open(options.directory)
  try {
    const sealing = await openKeystore(directory, options)
    const { openedKeysMax, keyThread } = options
    return new FileBackend({ directory, sealing, openedKeysMax, keyThread })
  } catch (error) {
    await directory.close()
    throw error
  }
}

const custody: BackendCustody = {
  backend: 'file',
  architecture: 'encrypted key files',
  production: true,
  durable: true,
  statement:
    'Keys are files on the signer’s disk, sealed with AES-256-GCM under a secret given to the signer. ' +
    'Whoever has the files and that secret, wherever the secret is kept, has every key. While the signer runs, keys in use are also in the ' +
    'clear in its memory: whoever controls its process, its user or the machine (root) can read them. ' +
    'Losing the secret or the files loses the keys; there is no other copy than the backups the operator makes.',
}

const keystoreName = 'keystore'
const keystoreHeader: SealedHeader = { type: 'countersign-keystore', name: keystoreName, algorithm: 'none' }
const keyType = 'countersign-key'

interface FileBackendParts {
  readonly directory: KeyDirectory
  readonly sealing: SealingKey
  readonly openedKeysMax: number | undefined
  readonly keyThread: KeyThread | undefined
}

export class FileBackend implements KeyBackend, KeyImporter, SchnorrSigner, CheckingSigner {
  readonly custody = custody
  readonly #directory: KeyDirectory
  readonly #sealing: SealingKey
  readonly #opened: OpenedKeys
  readonly #keyThread: KeyThread | undefined
  #isClosed = false

  constructor({ directory, sealing, openedKeysMax, keyThread }: FileBackendParts) {
    this.#directory = directory
    this.#sealing = sealing
    this.#opened = new OpenedKeys(openedKeysMax)
    this.#keyThread = keyThread
  }

  async createKey({ algorithm, name }: { algorithm: Algorithm; name: string }): Promise<KeyUri> {
    const secretKey = createSecretKey(algorithm)
    try {
      return await this.#add({ algorithm, name, secretKey })
    } finally {
      secretKey.fill(0)
    }
  }

  async importKey(options: { algorithm: Algorithm; name: string; secretKey: Uint8Array }): Promise<KeyUri> {
    checkSecretKeyOf(options.algorithm, options.secretKey)
    const secretKey = Uint8Array.from(options.secretKey)
    try {
      return await this.#add({ ...options, secretKey })
    } finally {
      secretKey.fill(0)
    }
  }

  async publicKey(key: KeyUri): Promise<PublicKey> {
    return this.#get(key).publicKey()
  }

  async sign({ key, payload }: SignRequest): Promise<Signature> {
    return this.#get(key).sign(payload)
  }

  get checksSignatures(): boolean {
    return this.#keyThread !== undefined
  }

  async signChecked({
    key,
    payload,
    publicKey,
  }: SignRequest & { publicKey: Uint8Array }): Promise<CheckedSignature> {
    const opened = this.#get(key)
    if (opened instanceof ThreadKey) return opened.signChecked(payload, publicKey)
    throw new Error(`bug: ${key} is not on the key thread`)
  }

  async signTaproot({ key, payload }: SignRequest): Promise<Uint8Array> {
    return this.#get(key).signTaproot(payload)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#opened.close()
    this.#sealing.close()
    await this.#directory.close()
  }

  [inspect.custom](): string {
    return `FileBackend { ${this.#opened.size} keys opened }`
  }

  async #add(options: { algorithm: Algorithm; name: string; secretKey: Uint8Array }): Promise<KeyUri> {
    this.#checkOpen()
    const { algorithm, name, secretKey } = options
    const uri = formatKeyUri({ backend: 'file', algorithm, name })
    if (name === keystoreName) {
      throw keysError('KEYS_NAME_INVALID', `The name ${keystoreName} is the key store’s own.`)
    }
    const key = this.#hold(algorithm, secretKey)
    try {
      const file = this.#sealing.seal({ type: keyType, name, algorithm }, secretKey)
      if (!(await this.#directory.create(name, encodeSealedFile(file))))
        throw keysError('KEYS_KEY_EXISTS', `A key named ${name} exists already.`)
    } catch (error) {
      key.close()
      throw error
    }
    if (this.#isClosed) key.close()
    else this.#opened.put(uri, key)
    return uri
  }

  #get(uri: KeyUri): OpenedKey {
    this.#checkOpen()
    const known = this.#opened.get(uri)
    if (known !== undefined) return known
    const { backend, algorithm, name } = parseKeyUri(uri)
    const isOurs = backend === 'file' && name !== keystoreName
    const text = isOurs ? this.#directory.read(`${name}.json`) : undefined
    if (text === undefined) throw keysError('KEYS_KEY_NOT_FOUND', `The file backend has no key ${uri}.`)
    const file = named(`${name}.json`, () => parseSealedFile(text))
    const secretKey = this.#sealing.open(file, { type: keyType, name, algorithm })
    try {
      const key = this.#hold(algorithm, secretKey)
      this.#opened.put(uri, key)
      return key
    } finally {
      secretKey.fill(0)
    }
  }

  #hold(algorithm: Algorithm, secretKey: Uint8Array): OpenedKey {
    // Ed25519 signs messages of any length, which do not fit into the ring.
    if (this.#keyThread === undefined || algorithm !== 'secp256k1')
      return new LocalKey({ algorithm, secretKey })
    return this.#keyThread.open(secretKey)
  }

  #checkOpen(): void {
    if (this.#isClosed) throw keysError('KEYS_CLOSED', 'The file backend was closed.')
  }
}

/** `keystore.json` holds the store's one KDF salt, and proves the secret before any key is touched. */
async function openKeystore(directory: KeyDirectory, options: FileBackendOptions): Promise<SealingKey> {
  const derive = (kdf: KdfParams) =>
    SealingKey.derive(options.secret, kdf, { allowWeakKdf: options.allowWeakKdf === true })
  const text = directory.read(`${keystoreName}.json`)
  if (text === undefined) {
    if (await hasSealedKeys(directory)) {
      // A fresh salt beside old keys would make them look as if the secret were wrong. Looked at twice, since
      // another process may have created the store in between.
      if (directory.read(`${keystoreName}.json`) !== undefined) return openKeystore(directory, options)
      throw keysError('KEYS_STORE_INCOMPLETE', 'The directory has sealed keys but no keystore.json.')
    }
    const sealing = await derive(options.kdf ?? createKdfParams())
    const file = sealing.seal(keystoreHeader, new Uint8Array())
    if (await directory.create(keystoreName, encodeSealedFile(file))) return sealing
    // Another process created the store at the same moment: its keystore.json is the one.
    sealing.close()
    return openKeystore(directory, options)
  }
  const file: SealedFile = named(`${keystoreName}.json`, () => parseSealedFile(text))
  const sealing = await derive(file.kdf)
  try {
    sealing.open(file, keystoreHeader)
    return sealing
  } catch (error) {
    sealing.close()
    throw error
  }
}

async function hasSealedKeys(directory: KeyDirectory): Promise<boolean> {
  for (const name of await directory.list()) {
    const text = directory.read(`${name}.json`)
    if (text !== undefined && isSealed(text)) return true
  }
  return false
}

function isSealed(text: string): boolean {
  try {
    return parseSealedFile(text).type === keyType
  } catch (error) {
    // Damaged keys are keys too; only files of the older format leave room for a new store.
    return !isCountersignError(error) || error.code !== 'KEYS_FILE_LEGACY'
  }
}

/** Says which file it was: the parser does not know. */
function named<T>(fileName: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!isCountersignError(error)) throw error
    throw keysError(error.code as Parameters<typeof keysError>[0], `${fileName}: ${error.message}`)
  }
}
