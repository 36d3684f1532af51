export interface SourceManifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly exports: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

export interface PublishedManifest {
  readonly name: string
  readonly bin?: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>
  readonly [field: string]: unknown
}

// node:sqlite without a flag, and stable type stripping in the sources that the maps point to.
const nodeNeeded = '>=24'

/** The manifest as published: the same package, but its entries are the built files. */
export function publishedManifest(source: SourceManifest): PublishedManifest {
  const { name, version, description, license, bin } = source
  const kept = ['dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta'] as const
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    engines: { node: nodeNeeded },
    files: ['dist'],
    exports: Object.fromEntries(
      Object.entries(source.exports)
        .filter(([entry]) => !isForTests(entry))
        .map(([entry, path]) => [entry, { types: built(path, '.d.ts'), default: built(path, '.js') }]),
    ),
    ...(bin === undefined
      ? {}
      : {
          bin: Object.fromEntries(
            Object.entries(bin).map(([command, path]) => [command, built(path, '.js')]),
          ),
        }),
    ...Object.fromEntries(
      kept.filter((field) => source[field] !== undefined).map((field) => [field, source[field]]),
    ),
  }
}

/** Suites for other packages' tests need a test runner, which nobody who installs the package has. */
function isForTests(entry: string): boolean {
  return entry === './testing' || entry.startsWith('./testing/')
}

/** `./src/x.ts` becomes `./dist/x.js`. */
function built(path: string, extension: '.js' | '.d.ts'): string {
  const match = /^\.\/src\/(.+)\.ts$/.exec(path)
  if (match === null) throw new Error(`The entry ${path} is not a TypeScript file under ./src.`)
  return `./dist/${match[1]}${extension}`
}
