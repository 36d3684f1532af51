import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchDudect } from './dudect.ts'
import { currentCommit, describeMachine } from './machine.ts'
import { benchMpc } from './mpc.ts'
import { benchPolicy } from './policy.ts'
import { benchSign } from './sign.ts'

export interface BenchOptions {
  /** Sizes that take minutes; otherwise small ones that only show that everything runs. */
  readonly full: boolean
  /** For people, while it runs. */
  readonly say: (line: string) => void
}

/** What a benchmark measured: `results` in full, and the figures that its targets are about. */
export type BenchOutcome = { readonly results: unknown; readonly [figure: string]: unknown }

const benches: Readonly<Record<string, (options: BenchOptions) => Promise<BenchOutcome>>> = {
  sign: benchSign,
  policy: benchPolicy,
  mpc: benchMpc,
  dudect: benchDudect,
}

const usage = `npm run bench -- NAME [--full] [--json] [--record]

  NAME      ${Object.keys(benches).join(', ')}
  --full    real sizes (minutes); otherwise small ones
  --json    print one JSON object {name, machine, commit, results, …} and nothing else
  --record  write that object to bench/results/NAME.json too
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const [name = ''] = positionals
const run = benches[name]
if (values.help || run === undefined) {
  process.stdout.write(usage)
  process.exit(values.help ? 0 : 2)
}
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`)
const outcome = await run({ full: values.full, say })
const report = { name, full: values.full, machine: describeMachine(), commit: currentCommit(), ...outcome }
const text = JSON.stringify(report, null, values.json ? 0 : 2)
process.stdout.write(`${text}\n`)
if (values.record) {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`)
}
process.exit(0)
