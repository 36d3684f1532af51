import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { findChromium } from '../test/deployment/find-chromium.ts'
import type { SigningMeasure } from './mpc-signing.ts'

/** The same measurement in headless Chromium, which has wall-clock time only. @throws where there is no Chromium. */
export async function measureInChromium(runs: number): Promise<SigningMeasure> {
  const bundle = await build({
    stdin: {
      contents: `
        import { nobleSecp256k1Group } from '@countersign/mpc'
        import { measureSigning } from './mpc-signing.ts'
        globalThis.measure = (runs) => measureSigning({
          group: nobleSecp256k1Group, runs, threshold: 2, clockMs: () => performance.now(),
        })`,
      resolveDir: import.meta.dirname,
      loader: 'ts',
    },
    absWorkingDir: join(import.meta.dirname, '..'),
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'silent',
  })
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage()
    await page.addScriptTag({ content: bundle.outputFiles[0]?.text ?? '' })
    return await page.evaluate(
      (count) =>
        (globalThis as unknown as { measure: (runs: number) => Promise<SigningMeasure> }).measure(count),
      runs,
    )
  } finally {
    await browser.close()
  }
}
