import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { engineError } from '../catalogue.ts'

/** Root's own, so that nobody else can put a program there. */
const copiesFolder = '/var/lib/countersign'

/**
 * Root starts Postgres under another account, which cannot reach the package where a folder above it is closed (a
 * clone below a 0700 folder). It then gets a copy of the programs (60 MB, once per version).
 * @param native The package's folder with bin, lib and share.
 * @returns a folder of the same content that the account can run.
 * @throws {CountersignError} ENGINE_DATABASE_FAILED */
export async function reachableBinaries(
  native: string,
  version: string,
  account: { readonly uid: number; readonly gid: number } | undefined,
): Promise<string> {
  if (account === undefined || canRun(native, account)) return native
  const copy = join(copiesFolder, `postgres-${version}-${process.arch}`)
  if (!existsSync(copy)) await makeCopy(native, copy)
  checkRootsOwn(copiesFolder)
  checkRootsOwn(copy)
  if (canRun(copy, account)) return copy
  throw engineError(
    'ENGINE_DATABASE_FAILED',
    `Neither ${native} nor its copy ${copy} can be run by the user postgres.`,
    {
      fix: `Make the folders above ${native} reachable for the user postgres, or set databaseUrl.`,
    },
  )
}

async function makeCopy(native: string, copy: string): Promise<void> {
  const draft = `${copy}.${process.pid}`
  await mkdir(dirname(copy), { recursive: true, mode: 0o755 })
  await chmod(dirname(copy), 0o755)
  await cp(native, draft, { recursive: true, verbatimSymlinks: true })
  // One step: another engine may be making the same copy.
  await rename(draft, copy).catch(() => rm(draft, { recursive: true }))
}

function canRun(folder: string, account: { readonly uid: number; readonly gid: number }): boolean {
  const found = spawnSync(join(folder, 'bin/postgres'), ['--version'], {
    ...account,
    cwd: '/',
    stdio: 'ignore',
  })
  return found.status === 0
}

function checkRootsOwn(path: string): void {
  const { uid, mode } = statSync(path)
  if (uid === 0 && (mode & 0o022) === 0) return
  throw engineError(
    'ENGINE_DATABASE_FAILED',
    `${path} can be written by others than root; programs from it are not run.`,
    {
      fix: `Remove ${path}; the next start makes it anew.`,
    },
  )
}
