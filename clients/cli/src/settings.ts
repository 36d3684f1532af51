import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type CountersignClient, type CredentialSigner, createCountersignClient } from '@countersign/sdk'
import { credentialFromFile } from '@countersign/sdk/node'
import { cliError } from './catalogue.ts'

/** `.countersign/config.json`. Paths are relative to its folder. It holds no secret. */
export interface ConfigFile {
  readonly url?: string
  /** The signer that is trusted: its identity is not asked for, but known. */
  readonly audience?: string
  readonly credential?: string
  /** Sign administrative commands, all of them, where no --credential is given. */
  readonly admins?: readonly string[]
}

export interface GlobalOptions {
  readonly url?: string
  readonly credential?: readonly string[]
  readonly json?: boolean
}

export const stateFolderName = '.countersign'

/** Options win over the environment, that over ./.countersign/config.json, that over the one in the home folder. */
export interface Settings {
  readonly url: string | undefined
  readonly audience: string | undefined
  readonly credentialFiles: readonly string[]
  readonly adminFiles: readonly string[]
  /** Holds what the command remembers between runs, for example checkpoints. */
  readonly stateFolder: string
}

export function readSettings(options: GlobalOptions, env: NodeJS.ProcessEnv = process.env): Settings {
  const folder = [process.cwd(), homedir()]
    .map((base) => join(base, stateFolderName))
    .find((candidate) => existsSync(join(candidate, 'config.json')))
  const config = folder === undefined ? {} : readJsonFile<ConfigFile>(join(folder, 'config.json'))
  const inFolder = (path: string) => resolve(folder ?? '.', path)
  // An empty variable is one that is not set.
  const { COUNTERSIGN_CREDENTIAL: file, COUNTERSIGN_URL: address, COUNTERSIGN_AUDIENCE: pinned } = env
  const given = options.credential ?? (file ? [file] : undefined)
  const url = options.url ?? (address || config.url)
  return {
    url,
    // The pinned signer belongs to the pinned url.
    audience: pinned || (url === config.url ? config.audience : undefined),
    credentialFiles: given ?? (config.credential === undefined ? [] : [inFolder(config.credential)]),
    adminFiles: given ?? (config.admins ?? []).map(inFolder),
    stateFolder: folder ?? join(homedir(), stateFolderName),
  }
}

/** @throws {CountersignError} CLI_NOT_CONFIGURED, SDK_CREDENTIAL_* */
export function openClient(settings: Settings, as: 'caller' | 'admins' = 'caller'): CountersignClient {
  const files = as === 'admins' ? settings.adminFiles : settings.credentialFiles
  const [credential, ...cosigners] = files.map((file) => credentialFromFile(file))
  if (credential === undefined) {
    throw cliError('CLI_NOT_CONFIGURED', `No credential is given${as === 'admins' ? ' for an admin' : ''}.`)
  }
  return createCountersignClient({
    url: urlOf(settings),
    credential,
    cosigners: cosigners as CredentialSigner[],
    ...(settings.audience === undefined ? {} : { audience: settings.audience }),
  })
}

export function urlOf({ url }: Settings): string {
  if (url === undefined) throw cliError('CLI_NOT_CONFIGURED', 'No url of an engine is given.')
  return url
}

/** @throws {CountersignError} CLI_FILE_UNREADABLE */
export function readJsonFile<T>(path: string): T {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw cliError('CLI_FILE_UNREADABLE', `${path} cannot be read as JSON: ${code ?? message}`, { cause })
  }
}

/** @throws {CountersignError} CLI_FILE_UNREADABLE */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw cliError('CLI_FILE_UNREADABLE', `${path} cannot be read: ${code}`, { cause })
  }
}

/** Readable by its owner only. @throws {CountersignError} CLI_FILE_EXISTS unless `overwrite` */
export function writeOwnFile(path: string, text: string, { overwrite = false } = {}): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, text, { mode: 0o600, flag: overwrite ? 'w' : 'wx' })
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    if (exists) throw cliError('CLI_FILE_EXISTS', `${path} exists already.`, { cause })
    throw cliError(
      'CLI_FILE_UNREADABLE',
      `${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}`,
      { cause },
    )
  }
}

/** @throws {CountersignError} CLI_FILE_UNREADABLE */
export function readBytesFile(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw cliError('CLI_FILE_UNREADABLE', `${path} cannot be read: ${code}`, { cause })
  }
}
