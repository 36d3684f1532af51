import { describe, expect, it } from 'vitest'
import { checkDirection } from './direction.ts'
import { makeTree, manifestOf } from './temporary-tree.ts'

const bytes = {
  'kernel/bytes/package.json': manifestOf('@countersign/bytes'),
  'kernel/bytes/src/index.ts': 'export const a = 1',
}
const signer = {
  'boundary/signer/package.json': manifestOf('@countersign/signer'),
  'boundary/signer/src/index.ts': "export * from '@countersign/bytes'",
}
const engine = {
  'engine/package.json': manifestOf('@countersign/engine'),
  'engine/src/index.ts': "export * from '@countersign/bytes'",
}
const cli = { 'clients/cli/package.json': manifestOf('countersign') }

function messages(files: Record<string, string | object>): string[] {
  using tree = makeTree({ ...bytes, ...files })
  return checkDirection(tree).map(({ file, message }) => `${file} ${message}`)
}

describe('checkDirection', () => {
  it('lets imports through that go the right way', () => {
    expect(messages({ ...signer, ...engine })).toEqual([])
  })

  it.each([
    ["import { b } from '@countersign/engine'"],
    ["import type { B } from '@countersign/engine'"],
    ["const b = await import('@countersign/engine/deep')"],
    ["const b = createRequire(import.meta.url)('@countersign/engine')"],
  ])('stops the signer from importing the engine: %s', (source) => {
    const found = messages({ ...signer, ...engine, 'boundary/signer/src/b.ts': source })
    expect(found).toEqual([
      expect.stringMatching(/signer\/src\/b\.ts @countersign\/signer -> @countersign\/engine/),
    ])
  })

  it('stops the engine from importing the signer, and a client from importing either', () => {
    expect(
      messages({ ...signer, ...engine, 'engine/src/b.ts': "import '@countersign/signer'" }),
    ).toHaveLength(1)
    expect(
      messages({ ...signer, ...cli, 'clients/cli/src/b.ts': "import '@countersign/signer'" }),
    ).toHaveLength(1)
    expect(
      messages({ ...engine, ...cli, 'clients/cli/src/b.ts': "import '@countersign/engine'" }),
    ).toHaveLength(1)
  })

  it('lets a client find a process to start it, which loads nothing of it', () => {
    expect(
      messages({ ...signer, ...cli, 'clients/cli/src/b.ts': "import.meta.resolve('@countersign/signer')" }),
    ).toEqual([])
  })

  it('follows the transitive closure', () => {
    const found = messages({
      ...signer,
      ...engine,
      'kernel/wire/package.json': manifestOf('@countersign/wire'),
      'kernel/wire/src/a.ts': "import '@countersign/engine'",
      'boundary/signer/src/b.ts': "import '@countersign/wire'",
    })
    expect(found).toContainEqual(
      expect.stringMatching(
        /signer\/src\/b\.ts @countersign\/signer -> @countersign\/wire -> @countersign\/engine/,
      ),
    )
  })

  it('keeps the order inside the kernel, and sees circles', () => {
    const wire = { 'kernel/wire/package.json': manifestOf('@countersign/wire') }
    expect(
      messages({
        ...wire,
        'kernel/intent/package.json': manifestOf('@countersign/intent'),
        'kernel/intent/src/a.ts': "import '@countersign/wire'",
      }),
    ).toHaveLength(1)
    const circle = messages({
      ...wire,
      'kernel/wire/src/a.ts': "import '@countersign/bytes'",
      'kernel/bytes/src/b.ts': "import '@countersign/wire'",
    })
    expect(circle).toContainEqual(expect.stringContaining('circle of packages'))
  })

  it('stops relative paths into another package', () => {
    const found = messages({
      ...signer,
      ...engine,
      'boundary/signer/src/b.ts': "import '../../../engine/src/index.ts'",
    })
    expect(found).toEqual([expect.stringContaining('a file of another package (@countersign/engine)')])
  })

  it('stops code from importing what is for tests', () => {
    const found = messages({
      ...signer,
      'boundary/signer/src/x.test.ts': '',
      'boundary/signer/src/b.ts': "import './x.test.ts'",
      'boundary/signer/src/c.ts': "import '@countersign/keys/testing'",
    })
    expect(found).toHaveLength(2)
  })

  it('lets tests import anything', () => {
    const source = "import '@countersign/engine'\nimport 'viem'\nimport '../../../engine/src/index.ts'"
    expect(messages({ ...signer, ...engine, 'boundary/signer/src/b.test.ts': source })).toEqual([])
  })

  it('stops computed imports and chain libraries in trusted code, and unknown packages in the kernel', () => {
    expect(messages({ ...signer, 'boundary/signer/src/b.ts': 'await import(name)' })).toHaveLength(1)
    expect(
      messages({ ...signer, 'boundary/signer/src/b.ts': "import { c } from 'viem/utils'" }),
    ).toHaveLength(1)
    expect(messages({ 'kernel/bytes/src/b.ts': "import 'lodash'" })).toHaveLength(1)
    expect(messages({ 'kernel/bytes/src/b.ts': "import '@noble/hashes/sha2.js'" })).toEqual([])
  })

  it('asks for a row for a part of the house that it does not know', () => {
    expect(messages({ 'annex/package.json': manifestOf('annex') })).toEqual([
      expect.stringContaining('has no row'),
    ])
  })
})
