import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const main = join(import.meta.dirname, 'bench.ts')

describe('npm run bench', () => {
  it('prints one JSON object with the figures that the targets are about', async () => {
    const { stdout } = await run(process.execPath, [main, 'sign', '--json'], { timeout: 170_000 })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ name: 'sign', full: false, commit: expect.any(String) })
    expect(report.machine.cores).toBeGreaterThan(0)
    // That they were measured; how fast this machine is now is nobody's test.
    for (const figure of [
      report.ratios.signer32,
      report.ratios.api32,
      report.journalSlope,
      report.walletSlope,
    ]) {
      expect(figure).toBeGreaterThan(0)
    }
    expect(Number.isFinite(report.aloneMs)).toBe(true)
    expect(report.results.journal).toHaveLength(2)
  }, 180_000)

  it('times decisions at every size', async () => {
    const { stdout } = await run(process.execPath, [main, 'policy', '--json'], { timeout: 110_000 })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ name: 'policy', full: false, commit: expect.any(String) })
    for (const figure of [...Object.values(report.ratios), report.usAt100Rules, report.usAt1000Rules]) {
      expect(figure).toBeGreaterThan(0)
    }
    expect(report.results.map(({ size }: { size: number }) => size)).toContain(10_000)
  }, 120_000)

  it('weighs threshold signing in plain signatures', async () => {
    const { stdout } = await run(process.execPath, [main, 'mpc', '--json'], { timeout: 170_000 })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ name: 'mpc', full: false, commit: expect.any(String) })
    expect(Object.keys(report.ratios)).toEqual([
      'signNoble',
      'signFast',
      'onlineNoble',
      'onlineFast',
      'dkgNoble',
      'dkgFast',
      'frostEd25519',
    ])
    const { signUnits, onlineUnits } = report.results.browser
    for (const figure of [...Object.values(report.ratios), signUnits, onlineUnits])
      expect(figure).toBeGreaterThan(0)
    // Not how fast, but how much: sizes are the protocol's.
    expect(report.bytes.sign).toBeLessThanOrEqual(62_000)
    expect(report.bytes.online).toBeLessThanOrEqual(200)
  }, 180_000)

  it('looks for timing that depends on secrets', async () => {
    const { stdout } = await run(process.execPath, [main, 'dudect', '--json'], { timeout: 110_000 })
    const report = JSON.parse(stdout)
    expect(report.results.length).toBeGreaterThan(10)
    for (const { t } of report.results) expect(Number.isFinite(t)).toBe(true)
  }, 120_000)

  it('explains itself', async () => {
    expect((await run(process.execPath, [main, '--help'])).stdout).toContain('--full')
    await expect(run(process.execPath, [main, 'nothing'])).rejects.toMatchObject({ code: 2 })
  })
})
