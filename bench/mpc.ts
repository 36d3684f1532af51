/**
 * Threshold signing with one unit in the same run: a plain secp256k1 signature by noble. All parties are in this
 * process, so every figure is the sum of their work. In Node it is CPU time, because other work on the machine does
 * not count; in Chromium there is only the wall clock, and its figures are in `results.browser`.
 */
import { nobleSecp256k1Group, sha256Kernel } from '@countersign/mpc'
import { loadNativeSecp256k1Group } from '@countersign/mpc/native'
import type { BenchOptions, BenchOutcome } from './bench.ts'
import { measureInChromium } from './mpc-chromium.ts'
import { measureDkg } from './mpc-dkg.ts'
import { measureFrost } from './mpc-frost.ts'
import { measureSigning } from './mpc-signing.ts'

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export async function benchMpc({ full, say }: BenchOptions): Promise<BenchOutcome> {
  const native = await loadNativeSecp256k1Group()
  const runs = full ? 60 : 5
  const signing = { threshold: 2, clockMs: cpuMs } as const
  const noble = await measureSigning({ ...signing, group: nobleSecp256k1Group, runs })
  say(`noble: ${shown(noble.signUnits)} units to sign, ${shown(noble.onlineUnits)} online`)
  const fast = await measureSigning({ ...signing, group: native, runs: 3 * runs })
  say(`native: ${shown(fast.signUnits)} units to sign, ${shown(fast.onlineUnits)} online`)
  const three = await measureSigning({ ...signing, group: native, threshold: 3, runs })
  say(`native, 3 of 3: ${shown(three.signUnits)} units to sign, ${shown(three.onlineUnits)} online`)
  const dkgNoble = await measureDkg({ runs: full ? 5 : 1 })
  const dkgFast = await measureDkg({ runs: full ? 7 : 1, group: native })
  say(`key generation: noble ${shown(dkgNoble.totalUnits)} units, native ${shown(dkgFast.totalUnits)}`)
  const frost = measureFrost({ runs: full ? 40 : 5, clockMs: cpuMs })
  say(`FROST over Ed25519, 2 of 3: ${shown(frost.signUnits)} units; noble’s own ${shown(frost.nobleUnits)}`)
  const browser = await measureInChromium(full ? 60 : 5)
  say(`Chromium, noble: ${shown(browser.signUnits)} units to sign, ${shown(browser.onlineUnits)} online`)
  return {
    results: { noble, fast, three, dkgNoble, dkgFast, frost, browser, hash: sha256Kernel().name },
    ratios: {
      signNoble: noble.signUnits,
      signFast: fast.signUnits,
      onlineNoble: noble.onlineUnits,
      onlineFast: fast.onlineUnits,
      dkgNoble: dkgNoble.totalUnits,
      dkgFast: dkgFast.totalUnits,
      frostEd25519: frost.signUnits,
    },
    bytes: {
      sign: noble.signBytes,
      online: noble.onlineBytes,
      dkg: dkgNoble.bytesPerParty,
      frost: frost.signBytes,
    },
  }
}

function shown(value: number): string {
  return value.toFixed(1)
}
