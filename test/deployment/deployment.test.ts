import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { startDeployment } from './deployment.ts'

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a deployment for tests', () => {
  it('keeps its url over kills and restarts, and leaves nothing behind', async () => {
    const deployment = await startDeployment({ chain: true, database: 'embedded' })
    const pids = () => [deployment.process('signer').pid, deployment.process('engine').pid]
    const seen = pids()
    try {
      const { id } = await deployment.agent.wallets.create()
      await deployment.kill('engine')
      await deployment.restart('engine')
      await deployment.kill('signer')
      await deployment.restart('signer')
      expect((await deployment.agent.wallets.get(id)).id).toBe(id)
      seen.push(...pids(), deployment.chain?.process.pid ?? 0)
      expect(new Set(seen).size).toBe(5)
    } finally {
      await deployment.stop()
    }
    expect(seen.filter(isRunning)).toEqual([])
    expect(existsSync(deployment.paths.folder)).toBe(false)
  })

  it('cleans up when it does not start', async () => {
    const failing = startDeployment({ signerEnv: { COUNTERSIGN_ENV: 'production' }, backend: 'memory' })
    await expect(failing).rejects.toMatchObject({ code: 'CLI_PROCESS_FAILED' })
  })
})
