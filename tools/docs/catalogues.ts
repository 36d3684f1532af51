import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ErrorDefinition } from '@countersign/bytes'
import type { Tree } from '../tidy/tree.ts'

export interface Catalogue {
  readonly file: string
  readonly codes: Readonly<Record<string, ErrorDefinition>>
}

/** Every package's own error catalogue, found by its place. */
export async function listCatalogues(tree: Tree): Promise<Catalogue[]> {
  const catalogues: Catalogue[] = []
  for (const file of tree.files) {
    if (!/\/src\/catalogue\.ts$/.test(file)) continue
    const face = await loadModule(tree, file)
    for (const [name, value] of Object.entries(face)) {
      if (name.endsWith('Errors') && typeof value === 'object' && value !== null) {
        catalogues.push({ file, codes: value as Catalogue['codes'] })
      }
    }
  }
  return catalogues
}

const reasonsFile = 'kernel/policy/src/reasons.ts'

/** The codes of a decision's reasons: not errors, but documented beside them. */
export async function listPolicyReasons(tree: Tree): Promise<Readonly<Record<string, string>>> {
  if (!tree.files.includes(reasonsFile)) return {}
  const { policyReasons } = await loadModule(tree, reasonsFile)
  return (policyReasons ?? {}) as Readonly<Record<string, string>>
}

export async function loadModule(tree: Tree, file: string): Promise<Record<string, unknown>> {
  return await import(pathToFileURL(join(tree.root, file)).href)
}
