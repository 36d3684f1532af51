import { describe, expect, it } from 'vitest'
import { runToEnd, startDaemon } from './child-process.ts'

const node = (script: string) => ({ name: 'thing', command: process.execPath, args: ['-e', script] })

describe('a daemon', () => {
  it('is ready once it says so, and ends with its parent’s word', async () => {
    const started = await startDaemon(
      node(`console.log('noise'); console.log('{"ready":true,"port":7}'); setInterval(() => {}, 1000)`),
    )
    expect(started.ready).toEqual({ ready: true, port: 7 })
    process.kill(started.pid, 0)
    await started.stop()
    expect(() => process.kill(started.pid, 0)).toThrow()
    expect(await started.ended).toBe('SIGTERM')
  })

  it('that ends early says why, with its own code and fix', async () => {
    const line = JSON.stringify({
      level: 'error',
      code: 'SIGNER_PERMISSIONS',
      message: 'Others can read it.',
      fix: 'chmod',
    })
    const failing = startDaemon(
      node(`console.error('starting'); console.error(${JSON.stringify(line)}); process.exit(3)`),
    )
    await expect(failing).rejects.toMatchObject({
      code: 'CLI_PROCESS_FAILED',
      message: 'The thing ended with 3. SIGNER_PERMISSIONS: Others can read it.',
      fix: 'chmod',
      details: { process: 'thing', code: 'SIGNER_PERMISSIONS' },
    })
  })

  it('that cannot be started, or crashes, gives its last words', async () => {
    const missing = { ...node(''), command: '/nowhere/node' }
    await expect(startDaemon(missing)).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') })
    await expect(startDaemon(node(`throw new Error('out of luck')`))).rejects.toMatchObject({
      message: expect.stringContaining('out of luck'),
    })
  })

  it('gets no variable of this shell but those it is given', async () => {
    process.env.SOME_SHELL_SECRET = 'hidden'
    try {
      const printed = await runToEnd({
        ...node('console.log(JSON.stringify(process.env))'),
        env: { GIVEN: 'yes' },
      })
      expect(JSON.parse(printed)).toMatchObject({ GIVEN: 'yes' })
      expect(printed).not.toContain('SOME_SHELL_SECRET')
    } finally {
      delete process.env.SOME_SHELL_SECRET
    }
  })
})
