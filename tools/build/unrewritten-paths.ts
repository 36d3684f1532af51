export interface SourceFileProblem {
  readonly file: string
  readonly path: string
}

const pathInString = /(['"`])(\.{1,2}\/[^'"`\n]*\.ts)\1/g

/** Relative paths to TypeScript files that are still in the text of a built file. */
export function unrewrittenPaths(file: string, text: string): SourceFileProblem[] {
  return [...text.matchAll(pathInString)].map((match) => ({ file, path: match[2] as string }))
}
