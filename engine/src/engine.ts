import { isCountersignError } from '@countersign/bytes'
import pino from 'pino'
import { buildApi, type Readiness } from './api.ts'
import { openNonceMemory } from './authenticate.ts'
import { engineError } from './catalogue.ts'
import type { EngineConfig } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { type JournalCopy, openJournalCopy } from './journal/journal-copy.ts'
import { type JournalReader, openJournalReader } from './journal/journal-reader.ts'
import { followReconciliation } from './journal/reconcile.ts'
import { errorForLog, type Logger } from './log.ts'
import { openMetrics } from './metrics.ts'
import { answerRequest, type Engine } from './request.ts'
import { openSignerClient, type SignerClient } from './signer-client.ts'
import { openEmbeddedPostgres } from './store/embedded-postgres.ts'
import { openStore, type StoreAddress } from './store/store.ts'
import { buildTileApi } from './tile-api.ts'
import { openChain } from './transactions/chain.ts'
import { type Follower, followChain, followPreparing, repeat } from './transactions/follow.ts'
import { openLanes } from './transactions/lanes.ts'
import type { CrashPoint } from './transactions/send.ts'
import { followWaiting } from './transactions/waiting.ts'

export interface RunningEngine {
  readonly url: string
  /** Where auditors read entries without a signature, if anywhere. */
  readonly tilesUrl: string | undefined
  /** Settles when the engine cannot go on by itself: its database has ended. */
  readonly failed: Promise<string>
  close(): Promise<void>
}

export interface EngineOptions {
  readonly config: EngineConfig
  /** For tests: called at each named point, where they end the process. */
  readonly at?: (point: CrashPoint | 'wallet-claimed' | 'wallet-created') => Promise<void>
}

const checkTimeoutMs = 3_000
const copyEveryMs = 2_000

/** @throws {CountersignError} ENGINE_* */
export async function openEngine({
  config,
  at = async () => undefined,
}: EngineOptions): Promise<RunningEngine> {
  // What was opened is closed in the opposite order, also where a later step fails.
  const opened: (() => unknown)[] = []
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse()) await close()
  }
  try {
    const log = openLog(config.logLevel)
    const metrics = openMetrics()
    opened.push(() => metrics.registry.clear())
    const database = await openDatabase(config, (close) => opened.push(close))
    const store = await openStore(database.address)
    opened.push(() => store.close())
    const signer = openSignerClient(config.signerSocket, metrics)
    opened.push(() => signer.close())
    const chains = new Map(config.chains.map((chain) => [chain.id, openChain(chain)]))
    const lanes = openLanes(store, metrics)
    const reader =
      config.journalCredential === undefined ? undefined : openJournalReader(config.journalCredential, signer)
    const journal =
      reader === undefined ? undefined : openJournalCopy({ store, signer, reader, metrics, log })
    const nonces = openNonceMemory()
    const parts = { store, signer, lanes, chains, nonces, metrics, log, at }
    const waiting = followWaiting(parts)
    opened.push(() => waiting.close())
    const engine: Engine = { ...parts, journal, waiting }

    let isStopping = false
    const app = await buildApi({
      answer(request) {
        if (isStopping) throw engineError('ENGINE_STOPPING', 'The engine is being stopped.')
        return answerRequest(engine, request)
      },
      readiness: () => checkReadiness(engine),
      tiles: { signer },
      metrics,
      log,
    })
    const followers = [
      ...[...chains.values()].map((chain) => followChain(engine, chain)),
      followPreparing(engine),
    ]
    if (journal !== undefined) followers.push(...followJournal(journal, engine, config))
    opened.push(() => Promise.all(followers.map((follower) => follower.close())))
    opened.push(() => app.close())
    const url = await app.listen(config.listen)
    const tilesUrl = await listenForTiles(config, { signer, reader, log }, (close) => opened.push(close))
    log.info({ url, tilesUrl, chains: [...chains.keys()] }, 'the engine is up')
    return {
      url: url.replace('[::1]', 'localhost'),
      tilesUrl,
      failed: database.died,
      async close() {
        isStopping = true
        await closeAll()
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function followJournal(journal: JournalCopy, engine: Engine, config: EngineConfig): Follower[] {
  const { store, metrics, log } = engine
  const copying = repeat(
    copyEveryMs,
    () => journal.catchUp(),
    (error) => log.warn({ error: errorForLog(error) }, 'the journal could not be copied'),
  )
  const { reconcile, chains } = config
  if (reconcile === undefined) return [copying]
  return [copying, followReconciliation({ config: reconcile, chains, journal, store, metrics, log })]
}

async function listenForTiles(
  { tilesListen }: EngineConfig,
  { signer, reader, log }: { signer: SignerClient; reader: JournalReader | undefined; log: Logger },
  onOpen: (close: () => unknown) => void,
): Promise<string | undefined> {
  if (tilesListen === undefined || reader === undefined) return undefined
  const app = buildTileApi({ signer, reader }, log)
  onOpen(() => app.close())
  return (await app.listen(tilesListen)).replace('[::1]', 'localhost')
}

async function openDatabase(
  config: EngineConfig,
  onOpen: (close: () => unknown) => void,
): Promise<{ readonly address: StoreAddress; readonly died: Promise<string> }> {
  if (config.databaseUrl !== undefined) {
    return { address: { connectionString: config.databaseUrl }, died: new Promise(() => undefined) }
  }
  const dataDir = await openDataDir(config.dataDir)
  onOpen(() => dataDir.close())
  const postgres = await openEmbeddedPostgres(dataDir.path)
  onOpen(() => postgres.close())
  return postgres
}

async function checkReadiness({ signer, store, chains }: Engine): Promise<Readiness> {
  const [phase, database, ...chainStates] = await Promise.all([
    stateOf(signer.phase()),
    stateOf(store.ping().then(() => 'ready')),
    ...[...chains].map(
      async ([id, chain]) => [id, await stateOf(chain.check().then(() => 'ready'))] as const,
    ),
  ])
  const ready =
    phase === 'ready' && database === 'ready' && chainStates.every(([, state]) => state === 'ready')
  return { ready, signer: phase, database, chains: Object.fromEntries(chainStates) }
}

/** A dependency that hangs is as good as one that is down. */
async function stateOf(check: Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('unreachable'), checkTimeoutMs)
  })
  try {
    return await Promise.race([check, late])
  } catch (error) {
    if (isCountersignError(error)) return 'unreachable'
    throw error
  } finally {
    clearTimeout(timer)
    check.catch(() => undefined)
  }
}

/** To stderr: stdout carries the ready line. */
function openLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: errorForLog },
      redact: {
        paths: [
          'headers',
          'body',
          'password',
          'rpc',
          'databaseUrl',
          'connectionString',
          'userIdentifier',
          '*.password',
          '*.userIdentifier',
        ],
        remove: true,
      },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}
