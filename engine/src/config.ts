import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isCountersignError, parseJson } from '@countersign/bytes'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { engineError } from './catalogue.ts'

const strict = { additionalProperties: false } as const
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const portMax = 65_535
const hourMs = 3_600_000

export const ChainConfigSchema = Type.Object(
  {
    id: Type.String({ pattern: '^eip155:[1-9][0-9]{0,15}$', description: 'CAIP-2 chain id.' }),
    rpc: Type.String({
      pattern: '^https?://',
      maxLength: 2_000,
      description: 'JSON-RPC endpoint; may hold a secret, so it is never logged.',
    }),
    confirmations: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      description: 'Blocks, its own included, after which a transaction is final.',
    }),
    maxFeeGwei: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1_000_000,
        description: 'Highest price of gas that the engine fills in.',
      }),
    ),
    pollMs: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: hourMs,
        description: 'Between looks at the chain; 1000 by default.',
      }),
    ),
    rebroadcastMs: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: hourMs,
        description: 'After which an unmined transaction is sent again; 15000 by default.',
      }),
    ),
  },
  strict,
)
export type ChainConfig = Static<typeof ChainConfigSchema>

export const EngineConfigSchema = Type.Object(
  {
    listen: Type.Object(
      {
        host: Type.Optional(
          Type.String({ minLength: 1, maxLength: 255, description: '127.0.0.1 by default.' }),
        ),
        port: Type.Integer({
          minimum: 0,
          maximum: portMax,
          description: '0: any free one; the ready line names it.',
        }),
      },
      strict,
    ),
    tilesListen: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(
            Type.String({ minLength: 1, maxLength: 255, description: '127.0.0.1 by default.' }),
          ),
          port: Type.Integer({ minimum: 0, maximum: portMax, description: '0: any free one.' }),
        },
        {
          ...strict,
          description:
            'A second address for auditors: journal tiles and entries, without any signature. Off by default.',
        },
      ),
    ),
    journalCredential: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'File of the engine’s own credential with the power read: for search, reconciliation and tilesListen.',
      }),
    ),
    reconcile: Type.Optional(
      Type.Object(
        {
          everyMs: Type.Optional(
            Type.Integer({ minimum: 50, maximum: 24 * hourMs, description: '60000 by default.' }),
          ),
          fromBlock: Type.Optional(
            Type.Record(
              Type.String({ pattern: '^eip155:[1-9][0-9]{0,15}$' }),
              Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
              { description: 'By chain: what was sent before it is not looked at; 0 by default.' },
            ),
          ),
          accounts: Type.Optional(
            Type.Array(
              Type.Object(
                {
                  wallet: Type.String({ minLength: 1, maxLength: 128 }),
                  address: Type.String({ pattern: '^0x[0-9a-fA-F]{40}$', description: 'Smart account.' }),
                },
                strict,
              ),
              {
                maxItems: 1_000,
                description:
                  'Smart accounts that these wallets sign for; those that the journal names need not stand here.',
              },
            ),
          ),
          sharedAccounts: Type.Optional(
            Type.Array(Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' }), {
              maxItems: 1_000,
              description:
                'Smart accounts that others sign for too: their user operations are not looked at.',
            }),
          ),
        },
        { ...strict, description: 'Match what the chains show to the journal. Off unless it is there.' },
      ),
    ),
    signerSocket: Type.String({ minLength: 1, description: 'The signer’s unix socket.' }),
    dataDir: Type.String({ minLength: 1, description: 'For the embedded Postgres and its password.' }),
    databaseUrl: Type.Optional(
      Type.String({
        pattern: '^postgres(ql)?://',
        description: 'A Postgres of your own; COUNTERSIGN_DATABASE_URL has the last word.',
      }),
    ),
    logLevel: Type.Optional(Type.Union(logLevels.map((level) => Type.Literal(level)))),
    chains: Type.Array(ChainConfigSchema, { maxItems: 64 }),
  },
  strict,
)

export interface EngineConfig {
  readonly listen: { readonly host: string; readonly port: number }
  readonly signerSocket: string
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  readonly logLevel: (typeof logLevels)[number]
  readonly tilesListen: { readonly host: string; readonly port: number } | undefined
  readonly journalCredential: string | undefined
  readonly reconcile: ReconcileConfig | undefined
  readonly chains: readonly ChainConfig[]
}

export type ReconcileConfig = NonNullable<Static<typeof EngineConfigSchema>['reconcile']>

const validator = Compile(EngineConfigSchema)
const configCharsMax = 200_000

/** @throws {CountersignError} ENGINE_CONFIG_INVALID */
export function readEngineConfig(path: string, env: NodeJS.ProcessEnv): EngineConfig {
  let value: unknown
  try {
    value = parseJson(readFileSync(path, 'utf8'), { textCharsMax: configCharsMax, depthMax: 8 })
  } catch (cause) {
    const why = isCountersignError(cause) ? cause.message : 'the file cannot be read.'
    throw engineError('ENGINE_CONFIG_INVALID', `The engine’s configuration ${path} is not usable: ${why}`, {
      cause,
    })
  }
  return parseEngineConfig(value, env, resolve(path, '..'))
}

/** @param base Folder that relative paths start from.
 * @throws {CountersignError} ENGINE_CONFIG_INVALID */
export function parseEngineConfig(value: unknown, env: NodeJS.ProcessEnv, base: string): EngineConfig {
  if (!validator.Check(value)) {
    const [first] = validator.Errors(value)
    // The path and the rule only: the value itself may be a URL with a password.
    const where = first === undefined || first.instancePath === '' ? 'The configuration' : first.instancePath
    const what = first?.keyword === 'boolean' ? 'is not a known setting' : (first?.message ?? 'is not valid')
    throw engineError('ENGINE_CONFIG_INVALID', `${where} ${what}.`)
  }
  const ids = value.chains.map(({ id }) => id)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) throw engineError('ENGINE_CONFIG_INVALID', `The chain ${twice} stands twice.`)
  const { tilesListen, journalCredential, reconcile } = value
  const reading = tilesListen ?? reconcile
  if (reading !== undefined && journalCredential === undefined) {
    const what = tilesListen === undefined ? 'reconcile' : 'tilesListen'
    throw engineError(
      'ENGINE_CONFIG_INVALID',
      `${what} needs journalCredential: the engine reads the journal for it.`,
    )
  }
  return {
    tilesListen:
      tilesListen === undefined
        ? undefined
        : { host: tilesListen.host ?? '127.0.0.1', port: tilesListen.port },
    journalCredential: journalCredential === undefined ? undefined : resolve(base, journalCredential),
    reconcile,
    listen: { host: value.listen.host ?? '127.0.0.1', port: value.listen.port },
    signerSocket: resolve(base, value.signerSocket),
    dataDir: resolve(base, value.dataDir),
    databaseUrl: env.COUNTERSIGN_DATABASE_URL ?? value.databaseUrl,
    logLevel: value.logLevel ?? 'info',
    chains: value.chains,
  }
}
