import { afterEach, describe, expect, it, vi } from 'vitest'
import { loadNativeSecp256k1Group } from './native.ts'

/**
 * A21: builds of libsecp256k1's bindings that are missing, that were replaced, or that compute something else. The
 * main module of the package would answer with elliptic without a word; here the load fails. */
type Bindings = Record<string, (...args: never[]) => unknown>
const name = 'secp256k1/bindings.js'

afterEach(() => {
  vi.doUnmock(name)
  vi.resetModules()
})

async function loadWith(change: (real: Bindings) => Bindings): Promise<unknown> {
  const { default: real } = (await vi.importActual(name)) as { default: Bindings }
  // The addon's functions sit on the object or on its prototype.
  const own = Object.fromEntries(
    ['contextRandomize', 'ecdsaVerify', 'publicKeyCreate', 'publicKeyConvert', 'publicKeyNegate']
      .concat(['publicKeyCombine', 'publicKeyTweakMul', 'ecdh', 'ecdsaSign'])
      .map((each) => [
        each,
        (...args: never[]) => (real[each] as (...a: never[]) => unknown).apply(real, args),
      ]),
  )
  const changed = change(own)
  vi.doMock(name, () => ({ default: { ...own, ...changed } }))
  return loadNativeSecp256k1Group()
}

const refused = expect.objectContaining({ code: 'MPC_NATIVE_UNAVAILABLE' })

describe('A21: the native backend', () => {
  it('loads as it is', async () => {
    await expect(loadWith(() => ({}))).resolves.toMatchObject({ backend: 'native' })
  })

  it('does not load without its addon, and falls back on nothing', async () => {
    vi.doMock(name, () => {
      throw new Error('no native build was found')
    })
    await expect(loadNativeSecp256k1Group()).rejects.toEqual(refused)
  })

  it.each<[string, (real: Bindings) => Bindings]>([
    [
      'no blinding',
      () => ({
        contextRandomize: () => {
          throw new Error('no')
        },
      }),
    ],
    ['elliptic, which has no such multiplication', () => ({ ecdh: undefined as never })],
    [
      'multiplications that are additions',
      (real) => ({
        publicKeyTweakMul: (point: never) => (real.publicKeyNegate as Bindings['x'])?.(point, false as never),
      }),
    ],
    [
      'sums that forget a summand',
      (real) => ({
        publicKeyCombine: (points: never) =>
          (real.publicKeyConvert as Bindings['x'])?.(points[0] as never, false as never),
      }),
    ],
    [
      'negatives that are not',
      (real) => ({
        publicKeyNegate: (point: never) => (real.publicKeyConvert as Bindings['x'])?.(point, false as never),
      }),
    ],
    ['a verifier that says yes', () => ({ ecdsaVerify: () => true })],
    ['a verifier that says no', () => ({ ecdsaVerify: () => false })],
    [
      'a decoder that takes points off the curve',
      (real) =>
        ({
          publicKeyConvert: (point: Uint8Array, compressed: never) => {
            try {
              return (real.publicKeyConvert as Bindings['x'])?.(point as never, compressed)
            } catch {
              return new Uint8Array(65).fill(4)
            }
          },
        }) as never,
    ],
  ])('with %s does not load', async (_title, change) => {
    await expect(loadWith(change)).rejects.toEqual(refused)
  })
})
