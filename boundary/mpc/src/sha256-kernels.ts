import { jsSha256Kernel, type Sha256Kernel } from './sha256-kernel.ts'
import { loadSimdSha256Kernel } from './sha256-simd.ts'

/** Node's own one-shot SHA-256, which long messages are hashed with; browsers have none that answers at once. */
export const hasPlatformSha256 =
  typeof (globalThis as { process?: { getBuiltinModule?: unknown } }).process?.getBuiltinModule === 'function'

let fastest: Sha256Kernel | undefined

/** The fastest kernel that this platform has. They agree on every byte; which one runs is not part of the protocol. */
export function sha256Kernel(): Sha256Kernel {
  fastest ??= loadSimdSha256Kernel() ?? jsSha256Kernel
  return fastest
}
