import { describe, expect, it } from 'vitest'
import { publishedManifest } from './published-manifest.ts'
import { unrewrittenPaths } from './unrewritten-paths.ts'

const source = {
  name: '@countersign/example',
  version: '1.2.3',
  description: 'An example',
  license: 'Apache-2.0',
  exports: { '.': './src/index.ts', './node': './src/node/index.ts', './testing': './src/testing/index.ts' },
  bin: { example: './src/main.ts' },
  dependencies: { '@countersign/bytes': '1.2.3' },
  scripts: { build: 'nothing that a user runs' },
  devDependencies: { vitest: '5' },
}

describe('a published manifest', () => {
  it('has the built files as its entries, with their types first', () => {
    expect(publishedManifest(source)).toMatchObject({
      exports: {
        '.': { types: './dist/index.d.ts', default: './dist/index.js' },
        './node': { types: './dist/node/index.d.ts', default: './dist/node/index.js' },
      },
      bin: { example: './dist/main.js' },
      files: ['dist'],
    })
  })

  it('keeps what is needed to run, and nothing of development', () => {
    const published = publishedManifest(source)
    expect(published.dependencies).toEqual(source.dependencies)
    expect(Object.keys(published.exports)).not.toContain('./testing')
    expect(published).not.toHaveProperty('scripts')
    expect(published).not.toHaveProperty('devDependencies')
  })

  it('cannot be made of an entry that is no source file', () => {
    expect(() => publishedManifest({ ...source, exports: { '.': './index.js' } })).toThrow('./index.js')
  })
})

describe('paths in built files', () => {
  it('to TypeScript files are found', () => {
    expect(unrewrittenPaths('a.js', "new Worker(new URL('./worker.ts', import.meta.url))")).toEqual([
      { file: 'a.js', path: './worker.ts' },
    ])
    expect(unrewrittenPaths('a.js', "import { b } from './b.js'\nconst name = 'c.ts'")).toEqual([])
  })
})
