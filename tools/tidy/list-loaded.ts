// Loads one module and prints, as a JSON array, every third-party package whose code was run on the way.
import { createRequire, registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const files = new Set<string>()
registerHooks({
  load(url, context, nextLoad) {
    files.add(url)
    return nextLoad(url, context)
  },
})

const entry = process.argv[2]
if (entry === undefined) throw new Error('usage: node tools/tidy/list-loaded.ts FILE')
await import(pathToFileURL(entry).href)
for (const file of Object.keys(createRequire(import.meta.url).cache)) files.add(file)

const names = new Set<string>()
for (const file of files) {
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? []
  if (name !== undefined) names.add(name)
}
process.stdout.write(`${JSON.stringify([...names].sort())}\n`)
process.exit(0)
