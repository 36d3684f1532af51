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
  readonly chains: readonly ChainConfig[]
}

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
  return {
    listen: { host: value.listen.host ?? '127.0.0.1', port: value.listen.port },
    signerSocket: resolve(base, value.signerSocket),
    dataDir: resolve(base, value.dataDir),
    databaseUrl: env.COUNTERSIGN_DATABASE_URL ?? value.databaseUrl,
    logLevel: value.logLevel ?? 'info',
    chains: value.chains,
  }
}
