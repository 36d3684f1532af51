import type { Tree } from '../tidy/tree.ts'
import { loadModule } from './catalogues.ts'

export const policySchemaSource = 'kernel/policy/src/schema.ts'

/** docs/policy.schema.json: what editors and CI check policy files with. */
export async function renderPolicySchema(tree: Tree): Promise<string> {
  const { policyJsonSchema } = await loadModule(tree, policySchemaSource)
  if (typeof policyJsonSchema !== 'function')
    throw new Error(`${policySchemaSource} exports no policyJsonSchema`)
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`
}
