import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const elsewhere = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']

/**
 * The path of a Chromium on this machine. Never a reason to skip: a test of passkeys that runs nowhere proves nothing.
 * @throws {Error} saying what is missing and how to get it. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string {
  const stated = env.CHROMIUM_PATH
  const folders = (env.PATH ?? '').split(delimiter)
  const candidates =
    stated === undefined
      ? [...names.flatMap((name) => folders.map((folder) => join(folder, name))), ...elsewhere]
      : [stated]
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  throw new Error(
    'Chromium is missing, so passkeys cannot be tested in a browser. Install it (Debian: apt-get install chromium; node tools/setup.mjs does it for root), or name one in CHROMIUM_PATH.',
  )
}
