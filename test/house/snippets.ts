export interface Snippet {
  readonly name: string
  readonly language: string
  readonly text: string
}

/** The code blocks of a document that are marked `<!-- run: name -->`, for the tests that run them. */
export function listSnippets(markdown: string): Snippet[] {
  return listBlocks(markdown).flatMap(({ mark, language, text }) => {
    const [, name] = /^<!-- run: ([a-z0-9-]+) -->$/.exec(mark) ?? []
    return name === undefined ? [] : [{ name, language, text }]
  })
}

/** Every code block with the line that stands before it. */
export function listBlocks(markdown: string): { mark: string; language: string; text: string }[] {
  const blocks = markdown.matchAll(/(?:^|\n)([^\n]*)\n```([a-z]*)\n([\s\S]*?)\n```/g)
  return [...blocks].map(([, mark = '', language = '', text = '']) => ({ mark, language, text }))
}
