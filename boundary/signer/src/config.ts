import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { encodeHex, isCountersignError, parseJson } from '@countersign/bytes'
import { credentialAlgorithms, delayForm, parseDelay, parseWitnessKey, witnessesMax } from '@countersign/wire'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { signerError } from './catalogue.ts'

const adminsMax = 64

const AdminSchema = Type.Object(
  {
    algorithm: Type.Union(credentialAlgorithms.map((algorithm) => Type.Literal(algorithm))),
    publicKey: Type.String({
      pattern: '^0x[0-9a-f]{64,66}$',
      description: 'Compressed point or Ed25519 key.',
    }),
    name: Type.String({ minLength: 1, maxLength: 100 }),
  },
  { additionalProperties: false },
)

export const SignerConfigSchema = Type.Object(
  {
    dataDir: Type.Optional(
      Type.String({ description: 'Where database, keys and socket live; WALLET_ENGINE_DATA_DIR.' }),
    ),
    socket: Type.Optional(
      Type.String({ description: 'Path of the unix socket; by default run/signer.sock under dataDir.' }),
    ),
    socketGroup: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 32 - 2,
        description: 'Group id that may connect to the socket, so that the engine can run as another user.',
      }),
    ),
    backend: Type.Optional(
      Type.Union([Type.Literal('file'), Type.Literal('memory'), Type.Literal('env')], {
        description: 'Key store; WALLET_SIGNER_BACKEND has the last word.',
      }),
    ),
    admins: Type.Array(AdminSchema, {
      minItems: 1,
      maxItems: adminsMax,
      description: 'The first admins; read by init only.',
    }),
    quorum: Type.Integer({
      minimum: 1,
      maximum: adminsMax,
      description: 'How many admins must sign a change.',
    }),
    witnesses: Type.Optional(
      Type.Array(Type.String({ maxLength: 400 }), {
        maxItems: witnessesMax,
        description: 'Verifier keys of the witnesses whose cosignatures are kept (C2SP tlog-cosignature).',
      }),
    ),
    witnessQuorum: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: witnessesMax,
        description: 'How many of them make a checkpoint one that /checkpoint shows; 0 by default.',
      }),
    ),
    looseningDelay: Type.Optional(
      Type.String({
        pattern: delayForm.source,
        description:
          'How long changes wait that loosen, for example 24h, up to 90d; read by init only. 0s: not at all.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type SignerConfigFile = Static<typeof SignerConfigSchema>

export interface SignerConfig extends SignerConfigFile {
  readonly dataDir: string
  readonly socket: string
}

const validator = Compile(SignerConfigSchema)
const configCharsMax = 100_000

/** @throws {CountersignError} SIGNER_CONFIG_INVALID */
export function readSignerConfig(path: string, env: NodeJS.ProcessEnv): SignerConfig {
  let value: unknown
  try {
    value = parseJson(readFileSync(path, 'utf8'), { textCharsMax: configCharsMax, depthMax: 8 })
  } catch (cause) {
    const why = isCountersignError(cause) ? cause.message : 'the file cannot be read.'
    throw signerError('SIGNER_CONFIG_INVALID', `The signer’s configuration ${path} is not usable: ${why}`, {
      cause,
    })
  }
  return parseSignerConfig(value, env, resolve(path, '..'))
}

/** @param base Folder that relative paths start from.
 * @throws {CountersignError} SIGNER_CONFIG_INVALID */
export function parseSignerConfig(value: unknown, env: NodeJS.ProcessEnv, base: string): SignerConfig {
  if (!validator.Check(value)) {
    const [first] = validator.Errors(value)
    const where = first === undefined || first.instancePath === '' ? 'The configuration' : first.instancePath
    throw signerError('SIGNER_CONFIG_INVALID', `${where} ${first?.message ?? 'is not valid'}.`)
  }
  if (value.quorum > value.admins.length) {
    throw signerError(
      'SIGNER_CONFIG_INVALID',
      `quorum is ${value.quorum}, but there are ${value.admins.length} admins.`,
    )
  }
  delayOf(value)
  checkWitnesses(value)
  const directory = env.WALLET_ENGINE_DATA_DIR ?? value.dataDir
  if (directory === undefined) {
    throw signerError('SIGNER_CONFIG_INVALID', 'dataDir is missing, and WALLET_ENGINE_DATA_DIR is not set.')
  }
  const dataDir = resolve(base, directory)
  return {
    ...value,
    dataDir,
    socket: value.socket === undefined ? resolve(dataDir, 'run/signer.sock') : resolve(base, value.socket),
  }
}

/** @throws {CountersignError} SIGNER_CONFIG_INVALID, WIRE_WITNESS_KEY_INVALID */
function checkWitnesses({
  witnesses = [],
  witnessQuorum = 0,
}: Pick<SignerConfigFile, 'witnesses' | 'witnessQuorum'>): void {
  const keys = witnesses.map((text) => parseWitnessKey(text))
  // The message that a witness signs does not name it, so one key under two names would count twice.
  const different = new Set(keys.map(({ publicKey }) => encodeHex(publicKey)))
  if (different.size < keys.length || new Set(keys.map(({ name }) => name)).size < keys.length)
    throw signerError('SIGNER_CONFIG_INVALID', 'Two of the witnesses have the same key or the same name.')
  if (witnessQuorum <= keys.length) return
  throw signerError(
    'SIGNER_CONFIG_INVALID',
    `witnessQuorum is ${witnessQuorum}, but there are ${keys.length} witnesses.`,
  )
}

/** Milliseconds. @throws {CountersignError} SIGNER_CONFIG_INVALID */
export function delayOf({ looseningDelay = '0s' }: Pick<SignerConfigFile, 'looseningDelay'>): number {
  const delayMs = parseDelay(looseningDelay)
  if (delayMs !== undefined) return delayMs
  throw signerError('SIGNER_CONFIG_INVALID', `looseningDelay is ${looseningDelay}; it is at most 90d.`)
}
