import { randomBytes } from 'node:crypto'
import { constants, existsSync } from 'node:fs'
import { chmod, mkdir, open, rename, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openEnvBackend } from '@countersign/backend-env'
import { openFileBackend } from '@countersign/backend-file'
import { openMemoryBackend } from '@countersign/backend-memory'
import { concatBytes, encodeUtf8, isCountersignError, sha256 } from '@countersign/bytes'
import {
  type BackendChoice,
  backendChoice,
  createKdfParams,
  encodeSealedFile,
  type KeyBackend,
  type KeyThread,
  keysError,
  parseSealedFile,
  SealingKey,
  type Secret,
} from '@countersign/keys'
import { audienceOf, formatDelay, type Power } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type Clock, type ClockSource, openClock } from './clock.ts'
import { delayOf, type SignerConfig } from './config.ts'
import { DueApprovals } from './due-approvals.ts'
import { DueChanges } from './due-changes.ts'
import { emptyJournal, type Journal, type JournalKey, openJournal, openJournalKey } from './journal.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { newCredential } from './new-credential.ts'
import { NonceMemory } from './nonce-memory.ts'
import { countUses } from './passkey.ts'
import { PolicyCache } from './policies.ts'
import { openRecordSeal, type RecordSeal } from './records.ts'
import { recover, type VerifiedState, verifyStore } from './recovery.ts'
import { assembleSigner, PhaseSwitch, type Signer } from './signer.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'
import { TokenBuckets } from './token-bucket.ts'
import { Witnesses } from './witnesses.ts'

export interface OpenOptions {
  readonly config: SignerConfig
  readonly env: NodeJS.ProcessEnv
  /** WALLET_KEY_ENCRYPTION_SECRET, or what was typed to unseal. */
  readonly secret: Secret | undefined
  readonly onHalt: (why: unknown) => void
  /** Tests: called at the named points of the main path. */
  readonly at?: (point: string) => Promise<void> | void
  readonly clockSource?: ClockSource
  /** Holds the keys of the file backend, where it is given. */
  readonly keyThread?: KeyThread
}

const keyFileType = 'countersign-signer'

export function signerKeyPath(config: SignerConfig): string {
  return join(config.dataDir, 'signer-key.json')
}

function databasePath(config: SignerConfig): string {
  return join(config.dataDir, 'signer.db')
}

/** Memory without a secret keeps nothing: key, records and journal go with the process. */
export function isEphemeral(choice: BackendChoice, secret: Secret | undefined): boolean {
  return choice.backend === 'memory' && secret === undefined
}

/**
 * Makes a signer: its journal key, its database, the first admins and their quorum. Refuses to touch an existing one.
 * @returns the audience, which is the signer's name.
 * @throws {CountersignError} SIGNER_ALREADY_INITIALISED, SIGNER_PERMISSIONS, KEYS_* */
export async function initSigner({
  config,
  env,
  secret,
  onHalt,
}: OpenOptions): Promise<{ audience: string }> {
  const choice = backendChoice(env, config)
  if (secret === undefined) {
    throw signerError('SIGNER_SEALED', 'A secret is needed to seal the new signer’s keys.', {
      fix: 'Set WALLET_KEY_ENCRYPTION_SECRET (for example to the output of `openssl rand -base64 32`) and run init again.',
    })
  }
  await openDirectory(config.dataDir)
  if (existsSync(signerKeyPath(config)) || existsSync(databasePath(config))) {
    throw signerError('SIGNER_ALREADY_INITIALISED', `There is a signer in ${config.dataDir} already.`)
  }
  const seed = new Uint8Array(randomBytes(32))
  const key = openJournalKey(seed)
  const audience = audienceOf(key.publicKey)
  const sealing = await SealingKey.derive(secret, createKdfParams())
  const store = openSqliteStore(databasePath(config))
  try {
    await foundOrganisation(
      store,
      key,
      openRecordSeal((info) => sealing.deriveKey(info)),
      { config, onHalt },
    )
    const backend = await openBackend(choice, { env, secret, config })
    await backend.close()
    // Last: a data directory with a key file is a signer that is complete.
    const file = sealing.seal({ type: keyFileType, name: audience, algorithm: 'ed25519' }, seed)
    await writeDurably(signerKeyPath(config), encodeSealedFile(file))
  } finally {
    seed.fill(0)
    sealing.close()
    await store.close()
  }
  return { audience }
}

/** The audience of a signer whose secret is not known yet. It is proven when the key file opens. */
export async function readAudience(config: SignerConfig): Promise<string> {
  return (await readKeyFile(config)).name
}

/**
 * Opens a signer: verifies everything that its disk holds, resolves what a crash left open, and is ready.
 * @throws {CountersignError} SIGNER_*, KEYS_* */
export async function openSigner(options: OpenOptions): Promise<Signer> {
  const choice = backendChoice(options.env, options.config)
  if (isEphemeral(choice, options.secret)) return openEphemeral(options, choice)
  if (options.secret === undefined)
    throw signerError('SIGNER_SEALED', 'The signer has not been given its secret.')
  await checkOwnOnly(options.config.dataDir)
  const file = await readKeyFile(options.config)
  const sealing = await SealingKey.derive(options.secret, file.kdf)
  let store: Store | undefined
  try {
    const seed = sealing.open(file, { type: keyFileType, name: file.name, algorithm: 'ed25519' })
    const key = openJournalKey(seed)
    seed.fill(0)
    if (audienceOf(key.publicKey) !== file.name) {
      throw signerError('SIGNER_STORE_TAMPERED', 'The signer’s key file carries another signer’s name.')
    }
    await checkOwnOnly(databasePath(options.config))
    store = openSqliteStore(databasePath(options.config))
    const seal = openRecordSeal((info) => sealing.deriveKey(info))
    return await start(options, { store, seal, key, choice })
  } catch (error) {
    await store?.close()
    throw error
  } finally {
    sealing.close()
  }
}

async function openEphemeral(options: OpenOptions, choice: BackendChoice): Promise<Signer> {
  const store = openSqliteStore(':memory:')
  const key = openJournalKey(new Uint8Array(randomBytes(32)))
  const master = randomBytes(32)
  const seal = openRecordSeal((info) => sha256(concatBytes(master, encodeUtf8(info))))
  await foundOrganisation(store, key, seal, options)
  return start(options, { store, seal, key, choice })
}

interface Opened {
  readonly store: Store
  readonly seal: RecordSeal
  readonly key: JournalKey
  readonly choice: BackendChoice
}

async function start(options: OpenOptions, { store, seal, key, choice }: Opened): Promise<Signer> {
  const state = await verifyStore(store, seal, key)
  const clock = openClock(state.timeMs, options.clockSource)
  const phase = new PhaseSwitch(options.onHalt)
  const { journal, ledger } = openBooks({ store, seal, key, state, clock, phase, at: options.at })
  const backend = await openBackend(choice, options)
  try {
    await recover(ledger, state.open)
  } catch (error) {
    await backend.close()
    throw error
  }
  const due = new DueChanges()
  const approvals = new DueApprovals()
  const witnesses = new Witnesses(options.config, { journal, ledger })
  await witnesses.open()
  const signer = assembleSigner({
    journal,
    ledger,
    backend,
    policies: new PolicyCache(),
    due,
    approvals,
    witnesses,
    authentication: {
      audience: journal.audience,
      nonces: new NonceMemory(),
      rates: new TokenBuckets(),
      countUses: (uses) => countUses(ledger, uses),
      credential: (id) => ledger.get('credential', id),
      nowMs: () => ledger.nowMs(),
    },
    phase,
    sharesUserWithEngine: options.config.socketGroup === undefined,
    ...(options.at === undefined ? {} : { at: options.at }),
    close: async () => {
      await due.close()
      await approvals.close()
      await ledger.close()
      await backend.close()
      await store.close()
    },
  })
  await due.open(signer)
  await approvals.open(signer)
  return signer
}

function openBooks(parts: {
  store: Store
  seal: RecordSeal
  key: JournalKey
  state: Omit<VerifiedState, 'timeMs'>
  clock: Clock
  phase: PhaseSwitch
  at?: OpenOptions['at'] | undefined
}): { journal: Journal; ledger: Ledger } {
  const { store, seal, key, state, clock, phase, at } = parts
  const journal = openJournal(key, store, state.journal)
  const onImpossible = (error: unknown) => phase.halt(error)
  const ledger = openLedger({
    store,
    seal,
    journal,
    clock,
    start: state,
    onImpossible,
    at,
  })
  return { journal, ledger }
}

/** The first entry of every journal: who may change anything. */
async function foundOrganisation(
  store: Store,
  key: JournalKey,
  seal: RecordSeal,
  { config, onHalt }: Pick<OpenOptions, 'config' | 'onHalt'>,
): Promise<void> {
  const state = { journal: emptyJournal(key), setDigest: new Uint8Array(32), open: new Map() }
  const { ledger } = openBooks({
    store,
    seal,
    key,
    state,
    clock: openClock(0),
    phase: new PhaseSwitch(onHalt),
  })
  await ledger.submit(async (tx) => {
    const audience = audienceOf(key.publicKey)
    const admins = config.admins.map(({ algorithm, publicKey, name }) => {
      const powers: Power[] = ['create-wallet', 'read']
      const wanted = {
        algorithm,
        publicKey: publicKey as `0x${string}`,
        name,
        role: 'admin' as const,
        powers,
      }
      return newCredential(wanted, { audience, nowMs: tx.nowMs }).credential
    })
    if (new Set(admins.map(({ id }) => id)).size !== admins.length) {
      throw signerError(
        'SIGNER_CONFIG_INVALID',
        'Two of the admins have the same public key; a quorum counts different ones.',
      )
    }
    for (const admin of admins) tx.put('credential', admin.id, admin)
    const looseningDelayMs = delayOf(config)
    tx.put('organisation', 'organisation', { quorum: config.quorum, policy: null, looseningDelayMs })
    tx.append({
      type: 'init',
      quorum: config.quorum,
      looseningDelay: formatDelay(looseningDelayMs),
      admins,
    })
  })
  await ledger.close()
}

function openBackend(
  choice: BackendChoice,
  { env, secret, config, keyThread }: Pick<OpenOptions, 'env' | 'secret' | 'config' | 'keyThread'>,
): Promise<KeyBackend> {
  if (choice.backend === 'memory') return openMemoryBackend({ env })
  if (choice.backend === 'env') return openEnvBackend({ env })
  if (secret === undefined) throw signerError('SIGNER_SEALED', 'The key files need their secret.')
  return openFileBackend({ directory: join(config.dataDir, 'keys'), secret, keyThread })
}

async function readKeyFile(config: SignerConfig) {
  const path = signerKeyPath(config)
  if (!existsSync(path))
    throw signerError('SIGNER_NOT_INITIALISED', `There is no signer in ${config.dataDir}.`)
  await checkOwnOnly(path)
  let text: string
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    text = await handle.readFile('utf8').finally(() => handle.close())
  } catch (cause) {
    throw signerError('SIGNER_PERMISSIONS', `${path} cannot be read, or is not a plain file.`, { cause })
  }
  try {
    return parseSealedFile(text)
  } catch (error) {
    if (!isCountersignError(error)) throw error
    const code = error.code as Parameters<typeof keysError>[0]
    throw keysError(code, `${basename(path)}: ${error.message}`)
  }
}

/** Makes a directory that only this user can enter. */
export async function openDirectory(path: string): Promise<void> {
  if (!existsSync(path)) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await chmod(path, 0o700)
  }
  await checkOwnOnly(path)
}

/** @throws {CountersignError} SIGNER_PERMISSIONS */
export async function checkOwnOnly(path: string): Promise<void> {
  let found: Awaited<ReturnType<typeof stat>>
  try {
    found = await stat(path)
  } catch (cause) {
    throw signerError('SIGNER_NOT_INITIALISED', `${path} cannot be read.`, { cause })
  }
  const uid = process.getuid?.()
  if ((found.mode & 0o077) !== 0) {
    throw signerError(
      'SIGNER_PERMISSIONS',
      `Other users can reach ${path} (mode ${(found.mode & 0o777).toString(8)}).`,
    )
  }
  if (uid !== undefined && found.uid !== uid) {
    throw signerError('SIGNER_PERMISSIONS', `${path} belongs to another user (uid ${found.uid}).`)
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const handle = await open(temporary, 'wx', 0o600)
  await handle.writeFile(text)
  await handle.sync()
  await handle.close()
  await rename(temporary, path)
  const directory = await open(join(path, '..'), 'r')
  await directory.sync()
  await directory.close()
}
