import { expect, it } from 'vitest'
import { makeTree } from '../tidy/temporary-tree.ts'
import { checkErrors } from './error-codes.ts'
import { renderErrors } from './errors.ts'
import { checkGenerated } from './generated.ts'

const definition = { status: 400, retry: 'never', summary: 'It is so.', fix: 'Do that.' }

function catalogue(name: string, codes: object): Record<string, string> {
  return { [`${name}/src/catalogue.ts`]: `export const ${name}Errors = ${JSON.stringify(codes)}` }
}

async function messages(files: Record<string, string>): Promise<string[]> {
  using tree = makeTree(files)
  return (await checkErrors(tree)).map(({ message }) => message)
}

const use = (code: string) => ({ 'engine/src/a.ts': `throw engineError('${code}', 'no')` })

it('passes for a code that is well formed and used', async () => {
  expect(
    await messages({ ...catalogue('engine', { ENGINE_BROKEN: definition }), ...use('ENGINE_BROKEN') }),
  ).toEqual([])
})

it('finds a code that nothing but a test or the catalogue uses', async () => {
  const found = await messages({
    ...catalogue('engine', { ENGINE_BROKEN: definition }),
    'engine/src/a.test.ts': "expect('ENGINE_BROKEN')",
  })
  expect(found).toEqual(['ENGINE_BROKEN is used nowhere'])
})

it('finds a code that two packages define', async () => {
  const codes = { ENGINE_BROKEN: definition }
  const found = await messages({
    ...catalogue('engine', codes),
    ...catalogue('clients', codes),
    ...use('ENGINE_BROKEN'),
  })
  expect(found).toEqual(['ENGINE_BROKEN is defined in clients/src/catalogue.ts too'])
})

it.each([
  ['engine_broken', definition],
  ['BROKEN', definition],
  ['ENGINE_BROKEN', { ...definition, status: 200 }],
  ['ENGINE_BROKEN', { ...definition, summary: 'no sentence' }],
  ['ENGINE_BROKEN', { ...definition, fix: '' }],
  ['ENGINE_BROKEN', { ...definition, fix: 'See docs/nowhere.md.' }],
])('finds what is wrong with %s %j', async (code, row) => {
  expect(await messages({ ...catalogue('engine', { [code]: row }), ...use(code) })).toHaveLength(1)
})

it('finds a document that is missing, and one that is not what the code says', async () => {
  const files = { ...catalogue('engine', { ENGINE_BROKEN: definition }), ...use('ENGINE_BROKEN') }
  const found = async (document?: string) => {
    using tree = makeTree(document === undefined ? files : { ...files, 'docs/errors.md': document })
    return {
      text: await renderErrors(tree),
      messages: (await checkGenerated(tree)).map(({ message }) => message),
    }
  }
  const { text, messages: missing } = await found()
  expect(missing).toEqual([expect.stringContaining('does not exist')])
  expect(text).toContain('### ENGINE_BROKEN')
  expect((await found(text)).messages).toEqual([])
  expect((await found(`${text} `)).messages).toEqual([expect.stringContaining('out of date')])
})
