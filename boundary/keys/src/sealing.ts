import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { inspect } from 'node:util'
import {
  canonicalJson,
  decodeBase64Url,
  encodeBase64Url,
  encodeUtf8,
  isEqualConstantTime,
} from '@countersign/bytes'
import { keysError } from './catalogue.ts'
import {
  digestOfSealed,
  headerBytes,
  type KdfParams,
  type SealedFile,
  type SealedHeader,
} from './sealed-file.ts'
import { Secret } from './secret.ts'

const secretBytesMin = 16
const masterBytes = 32
const keyBytes = 32
const tagBytes = 16

/** 128 MiB and about 0.4 s: RFC 7914's costs at the level that OWASP's password storage guidance asks for. */
const defaultCosts = { N: 2 ** 17, r: 8, p: 1 }
/** Below: cheap to guess. N·r is the memory in units of 128 bytes, N·r·p the work. */
const floor = { Nr: 2 ** 19, Nrp: 2 ** 20 }
/** Above: a changed file could exhaust the machine before it is found out. 128·N·r is at most 512 MiB. */
const ceiling = { Nr: 2 ** 22, p: 8, r: 32 }

export interface DeriveOptions {
  /** Tests only: accepts costs under the floor. Nothing in configuration reaches this. */
  readonly allowWeakKdf?: boolean
}

export function createKdfParams(costs: { N: number; r: number; p: number } = defaultCosts): KdfParams {
  const { N, r, p } = costs
  return { name: 'scrypt', N, r, p, salt: encodeBase64Url(randomBytes(32)) }
}

/**
 * The key under which files are sealed: scrypt (RFC 7914) once, then HKDF-SHA-256 (RFC 5869) with a salt per
 * file, then AES-256-GCM with a random 96-bit IV. A hundred thousand files of one store cost one scrypt. */
export class SealingKey {
  readonly kdf: KdfParams
  readonly #check: Uint8Array
  #master: Uint8Array | undefined

  private constructor(kdf: KdfParams, master: Uint8Array) {
    this.kdf = kdf
    this.#master = master
    this.#check = hkdf(master, '', 'key check', 16)
  }

  /** @throws {CountersignError} KEYS_SECRET_MISSING, KEYS_SECRET_WEAK, KEYS_KDF_REFUSED */
  static async derive(
    secret: string | Uint8Array | Secret,
    kdf: KdfParams,
    options: DeriveOptions = {},
  ): Promise<SealingKey> {
    checkCosts(kdf, options.allowWeakKdf === true)
    const bytes = secret instanceof Secret ? secret.reveal() : new Secret(secret).reveal()
    try {
      checkSecret(bytes)
      return new SealingKey(kdf, await runScrypt(bytes, kdf))
    } finally {
      bytes.fill(0)
    }
  }

  seal(header: SealedHeader, plaintext: Uint8Array): SealedFile {
    const master = this.#open()
    const salt = randomBytes(32)
    const { type, name, algorithm } = header
    const check = encodeBase64Url(this.#check)
    const head = {
      version: 1 as const,
      type,
      name,
      algorithm,
      kdf: this.kdf,
      salt: encodeBase64Url(salt),
      check,
    }
    const iv = randomBytes(12)
    const key = hkdf(master, salt, 'file key', keyBytes)
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
    key.fill(0)
    cipher.setAAD(headerBytes(head))
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
    const members = {
      ...head,
      iv: encodeBase64Url(iv),
      ciphertext: encodeBase64Url(ciphertext),
      tag: encodeBase64Url(cipher.getAuthTag()),
    }
    return { ...members, digest: digestOfSealed(members) }
  }

  /**
   * @param file From `parseSealedFile`.
   * @param expected What the place of the file says it is; a file that says otherwise is refused.
   * @returns the plaintext; the caller zeroes it.
   * @throws {CountersignError} KEYS_FILE_SWAPPED, KEYS_SECRET_WRONG, KEYS_ALGORITHM_MISMATCH, KEYS_FILE_DAMAGED */
  open(file: SealedFile, expected: SealedHeader): Uint8Array {
    const master = this.#open()
    if (file.type !== expected.type || file.name !== expected.name) {
      throw keysError('KEYS_FILE_SWAPPED', `The file in the place of ${expected.name} is another one’s.`)
    }
    if (file.algorithm !== expected.algorithm) {
      throw keysError(
        'KEYS_ALGORITHM_MISMATCH',
        `The file of ${expected.name} does not hold a key of ${expected.algorithm}.`,
      )
    }
    if (canonicalJson(file.kdf) !== canonicalJson(this.kdf)) {
      throw keysError('KEYS_FILE_SWAPPED', `The file of ${expected.name} belongs to another key store.`)
    }
    if (!isEqualConstantTime(decodeBase64Url(file.check), this.#check)) {
      throw keysError('KEYS_SECRET_WRONG', `The secret is not the one that sealed ${expected.name}.`)
    }
    const key = hkdf(master, decodeBase64Url(file.salt), 'file key', keyBytes)
    const decipher = createDecipheriv('aes-256-gcm', key, decodeBase64Url(file.iv), {
      authTagLength: tagBytes,
    })
    key.fill(0)
    decipher.setAAD(headerBytes(file))
    decipher.setAuthTag(decodeBase64Url(file.tag))
    const plaintext = decipher.update(decodeBase64Url(file.ciphertext))
    try {
      decipher.final()
    } catch {
      plaintext.fill(0)
      throw keysError(
        'KEYS_FILE_DAMAGED',
        `The file of ${expected.name} was changed: its authentication tag does not hold.`,
      )
    }
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
  }

  /** For the holder's other needs, for example a MAC over database rows.
   * @param info Names the purpose; another purpose gives an unrelated key.
   * @returns 32 bytes; the caller zeroes them. */
  deriveKey(info: string): Uint8Array {
    return hkdf(this.#open(), '', `derived key: ${info}`, keyBytes)
  }

  close(): void {
    this.#master?.fill(0)
    this.#master = undefined
    this.#check.fill(0)
  }

  toJSON(): object {
    return { kdf: this.kdf }
  }

  [inspect.custom](): string {
    return `SealingKey { ${this.#master === undefined ? 'closed' : 'open'} }`
  }

  #open(): Uint8Array {
    if (this.#master === undefined) throw keysError('KEYS_CLOSED', 'The sealing key was closed.')
    return this.#master
  }
}

function hkdf(master: Uint8Array, salt: Uint8Array | '', info: string, length: number): Uint8Array {
  return new Uint8Array(
    hkdfSync('sha256', master, salt, encodeUtf8(`countersign sealing v1 ${info}`), length),
  )
}

function runScrypt(secret: Uint8Array, { N, r, p, salt }: KdfParams): Promise<Uint8Array> {
  const maxmem = 128 * r * (N + p + 2) + 2 ** 20
  return new Promise((resolve, reject) => {
    scrypt(secret, decodeBase64Url(salt), masterBytes, { N, r, p, maxmem }, (error, master) => {
      if (error === null) resolve(new Uint8Array(master.buffer, master.byteOffset, master.length))
      else reject(error)
    })
  })
}

function checkSecret(secret: Uint8Array): void {
  if (secret.length === 0) throw keysError('KEYS_SECRET_MISSING', 'The secret for key files is empty.')
  if (secret.length < secretBytesMin) {
    throw keysError('KEYS_SECRET_WEAK', `The secret for key files is shorter than ${secretBytesMin} bytes.`)
  }
}

function checkCosts({ name, N, r, p, salt }: KdfParams, allowWeak: boolean): void {
  const isWhole = [N, r, p].every((cost) => Number.isSafeInteger(cost) && cost >= 1)
  const isShaped = name === 'scrypt' && isWhole && N >= 2 && Number.isInteger(Math.log2(N))
  const isAffordable = N * r <= ceiling.Nr && p <= ceiling.p && r <= ceiling.r && salt.length <= 128
  const isStrong = N * r >= floor.Nr && N * r * p >= floor.Nrp && salt.length >= 22
  if (!isShaped || !isAffordable) {
    throw keysError('KEYS_KDF_REFUSED', 'The key derivation parameters are not ones this software runs.')
  }
  if (!isStrong && !allowWeak) {
    throw keysError('KEYS_KDF_REFUSED', 'The key derivation parameters are too weak to protect a key.')
  }
}
