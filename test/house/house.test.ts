import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { formatFinding, rules } from '../../tools/tidy/tidy.ts'
import { openTree } from '../../tools/tidy/tree.ts'

const tree = openTree(resolve(import.meta.dirname, '../..'))

// The rules' own tests, on small bad trees, stand beside them in tools/tidy; here is the house itself.
it.each(Object.entries(rules))('%s', async (_, rule) => {
  expect((await rule(tree)).map(formatFinding)).toEqual([])
})
