/** Bytes of the frame header and of `ctx0`: what the parties compute, and on which curve. */
export const suites = {
  'dkls23-secp256k1': 1,
  'frost-ed25519': 2,
  'frost-secp256k1': 3,
  'frost-secp256k1-bip340': 4,
} as const

export type SuiteName = keyof typeof suites
export type SuiteId = (typeof suites)[SuiteName]
