import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** Signs with seeded parties in modules that are loaded anew. */
async function sign(): Promise<{ frames: string[]; hash: string; rows: string }> {
  vi.resetModules()
  const { Epoch, nobleSecp256k1Group, openSignature, sha256Kernel } = await import('./index.ts')
  const { rowAlgebra } = await import('./row-algebras.ts')
  const { dealShares, runNetwork, seededRandom } = await import('./testing/index.ts')
  const random = seededRandom(new Uint8Array(32).fill(1))
  const shares = dealShares({ group: nobleSecp256k1Group, threshold: 2, indices: [1, 2], random })
  const common = {
    signers: [1, 2],
    path: [5],
    digest: new Uint8Array(32),
    instance: new Uint8Array(32).fill(2),
  }
  const sessions = new Map(
    [...shares].map(([index, share]) => {
      const epoch = new Epoch({ share, burned: [] })
      return [
        index,
        openSignature({ ...common, epoch, random: seededRandom(new Uint8Array(32).fill(index)) }),
      ]
    }),
  )
  const sent = await runNetwork(sessions)
  for (const { outcome } of sessions.values()) expect(outcome?.status).toBe('done')
  return {
    frames: sent.map(({ bytes }) => String(bytes)),
    hash: sha256Kernel().name,
    rows: rowAlgebra().name,
  }
}

it('signs the same bytes where there is no WebAssembly', async () => {
  const fast = await sign()
  expect(fast).toMatchObject({ hash: 'wasm-simd', rows: 'wasm' })
  vi.stubGlobal('WebAssembly', undefined)
  const slow = await sign()
  expect(slow).toMatchObject({ hash: 'js', rows: 'bigint' })
  expect(slow.frames).toEqual(fast.frames)
})

it('and where the content policy forbids to compile, or the machine computes something else', async () => {
  class Forbidden {
    constructor() {
      throw new Error('Refused to compile or instantiate WebAssembly module')
    }
  }
  vi.stubGlobal('WebAssembly', { ...WebAssembly, Module: Forbidden })
  expect(await sign()).toMatchObject({ hash: 'js', rows: 'bigint' })

  // Memory that nothing is ever written to.
  class Idle {
    readonly exports = {
      memory: { buffer: new ArrayBuffer(1 << 20) },
      ...Object.fromEntries(
        ['hashTails', 'compressBlocks', 'alice', 'bob', 'mus', 'weigh', 'select'].map((name) => [
          name,
          () => undefined,
        ]),
      ),
    }
  }
  class Module {}
  vi.stubGlobal('WebAssembly', { Module, Instance: Idle })
  expect(await sign()).toMatchObject({ hash: 'js', rows: 'bigint' })
})
