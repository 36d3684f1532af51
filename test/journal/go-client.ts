import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** What read-log.go found. */
export interface GoFound {
  readonly size: number
  readonly root: string
  readonly types: readonly string[]
  readonly witnesses: readonly string[]
  readonly continues: number
  readonly records: number
}

export interface GoClient {
  /** Rejects with what Go says is wrong. */
  read(args: readonly string[]): Promise<GoFound>
  close(): void
}

const source = join(import.meta.dirname, 'read-log.go')

/** Why a client in Go cannot be built here; undefined: it can. */
export const withoutGo: string | undefined = whyNot()

function whyNot(): string | undefined {
  const go = findGo()
  if (go === undefined) return 'Go is not on this machine'
  const modules = sumdbOf(go)
  return existsSync(join(modules, 'note/note.go')) && existsSync(join(modules, 'tlog/tile.go'))
    ? undefined
    : `${modules}, which Go's own command is built from, is not on this machine`
}

function findGo(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/go/bin']
  return folders.map((folder) => join(folder, 'go')).find((path) => existsSync(path))
}

/** golang.org/x/mod/sumdb as Go's own distribution brings it: no network is needed. */
function sumdbOf(go: string): string {
  const root = execFileSync(go, ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
  return join(root, 'src/cmd/vendor/golang.org/x/mod/sumdb')
}

/** Builds the client in a folder of its own, out of Go's own note and tlog. Go's cache makes all but the first fast. */
export function buildGoClient(): GoClient {
  const go = findGo()
  if (go === undefined) throw new Error(withoutGo)
  const folder = mkdtempSync(join(tmpdir(), 'countersign-go-'))
  const at = (...parts: string[]) => join(folder, ...parts)
  mkdirSync(at('client'))
  cpSync(source, at('client/main.go'))
  for (const name of ['note', 'tlog'])
    cpSync(join(sumdbOf(go), name), at('mod/sumdb', name), { recursive: true })
  const version = versionOf(go)
  writeFileSync(at('mod/go.mod'), `module golang.org/x/mod\n\ngo ${version}\n`)
  writeFileSync(
    at('client/go.mod'),
    `module client\n\ngo ${version}\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ../mod\n`,
  )
  const env = {
    ...process.env,
    GOFLAGS: '-mod=mod',
    GOPROXY: 'off',
    GOSUMDB: 'off',
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
  }
  execFileSync(go, ['build', '-o', at('read-log'), '.'], { cwd: at('client'), env, stdio: 'pipe' })
  return {
    async read(args) {
      const { stdout } = await promisify(execFile)(at('read-log'), [...args]).catch((error) => {
        throw new Error(String((error as { stderr?: string }).stderr ?? error).trim())
      })
      return JSON.parse(stdout) as GoFound
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** For example 1.26: its own library may use what is as new as itself. */
function versionOf(go: string): string {
  const text = execFileSync(go, ['env', 'GOVERSION'], { encoding: 'utf8' })
  return /^go(\d+\.\d+)/.exec(text)?.[1] ?? '1.22'
}
