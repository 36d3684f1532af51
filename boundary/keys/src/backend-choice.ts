import { join } from 'node:path'
import { keysError } from './catalogue.ts'
import { Secret } from './secret.ts'

type Environment = Readonly<Record<string, string | undefined>>

export type BackendChoice =
  | {
      readonly backend: 'file'
      /** `<data directory>/keys`. */
      readonly directory: string
      /** Undefined: the signer starts sealed and waits for the secret. */
      readonly secret: Secret | undefined
    }
  | { readonly backend: 'memory' }
  | { readonly backend: 'env' }

export interface BackendDefaults {
  /** From the configuration file; the environment goes before it. */
  readonly backend?: string | undefined
  readonly dataDir?: string | undefined
}

const chosen = { 'encrypted-file': 'file', file: 'file', memory: 'memory', env: 'env' } as const
const notAvailable = ['kms', 'hsm', 'mpc']

/**
 * Reads the choice of a backend from WALLET_SIGNER_BACKEND, WALLET_KEY_ENCRYPTION_SECRET,
 * WALLET_ENGINE_DATA_DIR and COUNTERSIGN_ENV. Opens nothing and changes nothing.
 * @throws {CountersignError} KEYS_BACKEND_UNKNOWN, KEYS_BACKEND_NOT_AVAILABLE, KEYS_BACKEND_REFUSED */
export function backendChoice(env: Environment, defaults: BackendDefaults = {}): BackendChoice {
  const name = nonEmpty(env.WALLET_SIGNER_BACKEND) ?? defaults.backend ?? 'encrypted-file'
  if (notAvailable.includes(name)) {
    throw keysError(
      'KEYS_BACKEND_NOT_AVAILABLE',
      `This version has no ${name} backend, and it does not simulate one.`,
    )
  }
  if (!Object.hasOwn(chosen, name)) {
    throw keysError('KEYS_BACKEND_UNKNOWN', 'The configured signer backend is not one that exists.')
  }
  const backend = chosen[name as keyof typeof chosen]
  if (backend !== 'file') {
    checkNotProduction(backend, env)
    return { backend }
  }
  const dataDir = nonEmpty(env.WALLET_ENGINE_DATA_DIR) ?? defaults.dataDir ?? 'data'
  const secret = nonEmpty(env.WALLET_KEY_ENCRYPTION_SECRET)
  return {
    backend,
    directory: join(dataDir, 'keys'),
    secret: secret === undefined ? undefined : new Secret(secret),
  }
}

/** @throws {CountersignError} KEYS_BACKEND_REFUSED */
export function checkNotProduction(backend: 'memory' | 'env', env: Environment): void {
  if (env.COUNTERSIGN_ENV?.trim().toLowerCase() === 'production') {
    throw keysError(
      'KEYS_BACKEND_REFUSED',
      `COUNTERSIGN_ENV is production, and the ${backend} backend does not protect keys well enough for that.`,
    )
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}
