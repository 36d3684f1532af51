import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, readdir, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { encodeUtf8 } from '@countersign/bytes'
import { keysError } from '@countersign/keys'

export const fileBytesMax = 65_536
/** A temporary file this old belongs to a writer that was killed: a live one needs milliseconds. */
const abandonedAfterMs = 600_000
const temporaryForm = /^\.[a-z0-9_-]{1,64}\.[0-9a-f]{16}\.tmp$/

/**
 * A directory that only its owner can enter, with files that are written whole and never overwritten.
 * Every refusal names the file by its name only, and never its content. */
export class KeyDirectory {
  readonly #path: string
  readonly #handle: FileHandle
  #running: Promise<void> | undefined
  #waiting: Promise<void> | undefined

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /** Creates the directory, 0700, where it does not exist.
   * @throws {CountersignError} KEYS_PERMISSIONS, KEYS_STORE_UNAVAILABLE */
  static async open(path: string): Promise<KeyDirectory> {
    return guarded('the key directory', async () => {
      const firstCreated = await mkdir(path, { recursive: true, mode: 0o700 })
      if (firstCreated !== undefined) await syncParents(path, firstCreated)
      const link = await lstat(path)
      if (link.isSymbolicLink() || !link.isDirectory()) {
        throw keysError('KEYS_PERMISSIONS', 'The key directory is a symbolic link or not a directory.')
      }
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
      const handle = await open(path, flags)
      const directory = new KeyDirectory(path, handle)
      try {
        checkPrivate('The key directory', await handle.stat())
        await directory.#removeAbandoned()
        return directory
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  /**
   * Synchronous on purpose: a key file is one page that is read once per process, which takes microseconds,
   * while the thread pool adds more to a signature than the signature itself takes.
   * @returns undefined where there is no such file.
   * @throws {CountersignError} KEYS_PERMISSIONS, KEYS_STORE_UNAVAILABLE, KEYS_FILE_DAMAGED */
  read(fileName: string): string | undefined {
    try {
      return readPrivateFile(join(this.#path, fileName), fileName)
    } catch (error) {
      throw translated(fileName, error)
    }
  }

  /**
   * Durable when it resolves; a crash before leaves the whole file or none.
   * @returns false where a file of this name exists, which is left as it is.
   * @throws {CountersignError} KEYS_STORE_UNAVAILABLE */
  async create(name: string, text: string): Promise<boolean> {
    const temporary = join(this.#path, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
    return guarded(`${name}.json`, async () => {
      try {
        await writeDurably(temporary, encodeUtf8(text))
        // link, unlike rename, never replaces a file that is there.
        await link(temporary, join(this.#path, `${name}.json`))
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false
        throw error
      } finally {
        await unlink(temporary).catch(() => undefined)
      }
      await this.#sync()
      return true
    })
  }

  /** Names of the `.json` files, without the ending. */
  async list(): Promise<string[]> {
    return guarded('the key directory', async () => {
      const files = await readdir(this.#path)
      return files.filter((file) => /^[^.].*\.json$/.test(file)).map((file) => file.slice(0, -5))
    })
  }

  async close(): Promise<void> {
    await this.#waiting?.catch(() => undefined)
    await this.#running?.catch(() => undefined)
    await this.#handle.close()
  }

  /** Makes new names durable. One fsync serves every caller that came while the one before it ran. */
  #sync(): Promise<void> {
    if (this.#waiting !== undefined) return this.#waiting
    if (this.#running === undefined) return this.#startSync()
    const next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#waiting = undefined
        return this.#startSync()
      })
    this.#waiting = next
    return next
  }

  #startSync(): Promise<void> {
    const sync: Promise<void> = this.#handle.sync().finally(() => {
      if (this.#running === sync) this.#running = undefined
    })
    this.#running = sync
    return sync
  }

  async #removeAbandoned(): Promise<void> {
    for (const file of await readdir(this.#path)) {
      if (!temporaryForm.test(file)) continue
      const path = join(this.#path, file)
      try {
        const { mtimeMs } = await lstat(path)
        if (Date.now() - mtimeMs > abandonedAfterMs) await unlink(path)
      } catch (error) {
        // Its writer was alive after all and has taken it away itself.
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
  }
}

/** Makes the new directories themselves durable: each name stands in its parent. */
async function syncParents(path: string, firstCreated: string): Promise<void> {
  const top = dirname(resolve(firstCreated))
  for (let parent = dirname(resolve(path)); ; parent = dirname(parent)) {
    const handle = await open(parent, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (parent === top || parent === dirname(parent)) return
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(path, flags, 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function readPrivateFile(path: string, fileName: string): string | undefined {
  let descriptor: number
  try {
    // O_NONBLOCK: a named pipe in the place of a key must not hang the signer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ELOOP') {
      throw keysError('KEYS_PERMISSIONS', `${fileName} is a symbolic link; key files are plain files.`)
    }
    throw error
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw keysError('KEYS_PERMISSIONS', `${fileName} is not a plain file.`)
    checkPrivate(fileName, stat)
    if (stat.size > fileBytesMax) {
      throw keysError('KEYS_FILE_DAMAGED', `${fileName} is longer than any file this software writes.`)
    }
    // latin1 maps every byte to one character, so a changed byte can never be read as the same text.
    return readFileSync(descriptor, 'latin1')
  } finally {
    closeSync(descriptor)
  }
}

function checkPrivate(what: string, stat: { mode: number; uid: number }): void {
  if (process.geteuid !== undefined && stat.uid !== process.geteuid()) {
    throw keysError('KEYS_PERMISSIONS', `${what} belongs to another user than the one running the signer.`)
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8)
    throw keysError('KEYS_PERMISSIONS', `${what} is open to other users: its mode is ${mode}.`)
  }
}

async function guarded<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw translated(what, error)
  }
}

function translated(what: string, error: unknown): unknown {
  const code = codeOf(error)
  if (!(error instanceof Error) || !/^E[A-Z0-9]+$/.test(code)) return error
  const isRefused = code === 'EACCES' || code === 'EPERM'
  return keysError(
    isRefused ? 'KEYS_PERMISSIONS' : 'KEYS_STORE_UNAVAILABLE',
    `The file system refused ${what}: ${code}.`,
  )
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}
