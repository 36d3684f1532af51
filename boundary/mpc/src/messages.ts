import type { Group } from './group.ts'

/** High half: the ceremony. Low half: the round, and 8 more for new members of a reshare. docs/mpc-protocol.md, "Codes". */
export const codes = {
  dkg1: 0x11,
  dkg2: 0x12,
  dkg3: 0x13,
  dkg4: 0x14,
  refresh1: 0x21,
  refresh2: 0x22,
  refresh3: 0x23,
  refresh4: 0x24,
  recover1: 0x31,
  recover2: 0x32,
  reshare1: 0x41,
  reshare2: 0x42,
  reshare3: 0x43,
  reshare5: 0x45,
  reshareNew1: 0x49,
  reshareNew2: 0x4a,
  reshareNew3: 0x4b,
  reshareNew4: 0x4c,
  sign1: 0x51,
  sign2: 0x52,
  sign3: 0x53,
  sign4: 0x54,
  frost1: 0x61,
  frost2: 0x62,
  export1: 0x81,
} as const

export function ceremonyOf(code: number): number {
  return code & 0xf0
}

/** 1..7, the same for both roles of a reshare. */
export function roundOf(code: number): number {
  return code & 0x07
}

/** The ceremony's byte in `ctx0`: the high half of its codes. Import is a reshare with a context of its own. */
export const ceremonies = {
  keygen: 0x10,
  refresh: 0x20,
  recover: 0x30,
  reshare: 0x40,
  import: 0x70,
  export: 0x80,
} as const
export type Ceremony = (typeof ceremonies)[keyof typeof ceremonies]

/** Widths of oblivious transfer and its extension (docs/mpc-protocol.md, "Parameters"). */
export const kappa = 128
export const sigma = 128
export const xi = 512
export const columns = xi + sigma

/** Exact payload lengths in bytes; docs/mpc-protocol.md has the fields. */
export const payloadBytes = {
  /** session share, commitment */
  dkg1: 64,
  /** @param coefficients t, or t - 1 in a refresh. @param withChainCode False in refresh and reshare. */
  dkg2Broadcast: ({ pointBytes }: Group, coefficients: number, withChainCode: boolean) =>
    coefficients * (2 * pointBytes + 32) + 32 + (withChainCode ? 32 : 0),
  dkg2Direct: ({ pointBytes }: Group, withTransfer: boolean) =>
    32 + (withTransfer ? 32 + kappa * 2 * pointBytes : 0),
  dkg3Broadcast: 32,
  dkg3Direct: ({ pointBytes }: Group) => kappa * 2 * pointBytes,
  dkg4: ({ pointBytes }: Group) => 32 + pointBytes + 32,
  recover1: 32,
  recover2: ({ pointBytes }: Group, parties: number) =>
    32 + 32 + 32 + pointBytes + 2 + parties * (2 + pointBytes),
  reshareNew1: 32,
  reshareNew2: ({ pointBytes }: Group) => 32 + kappa * 2 * pointBytes,
  reshareRetire: 32,
  sign1: 48,
  sign2: (kappa * columns) / 8 + 16 + kappa * 16,
  sign3: xi * 96 + 64 + 196,
  sign4: 64,
  frost1: ({ pointBytes }: Group) => 2 * pointBytes,
  frost2: 32,
  export1: 32,
} as const
