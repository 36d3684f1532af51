import { bigintRowAlgebra, type RowAlgebra } from './row-algebra.ts'
import { loadWasmRowAlgebra } from './row-algebra-wasm.ts'

let fastest: RowAlgebra | undefined

/** The fastest that this platform has. They agree on every byte. */
export function rowAlgebra(): RowAlgebra {
  fastest ??= loadWasmRowAlgebra() ?? bigintRowAlgebra
  return fastest
}
