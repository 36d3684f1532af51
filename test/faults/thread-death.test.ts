import { expect, it } from 'vitest'
import { payment, paymentPolicy } from './payment.ts'
import { createSignerHome, initHome, setUp, startSigner } from './signer-process.ts'

/** The thread beside the deciding one ends, as if it had crashed, in the place of telling of its nth task. */
function endingAfter(tasks: number): string {
  const source = `
    import { isMainThread } from 'node:worker_threads'
    const exchange = Atomics.exchange
    let tasks = 0
    if (!isMainThread) Atomics.exchange = (...args) => ++tasks === ${tasks} ? process.exit(7) : exchange(...args)`
  return `data:text/javascript,${encodeURIComponent(source)}`
}

// The env backend's key is not on the thread: there it is verification that ends it.
it.each(['env', 'file'] as const)(
  'the signer with the backend %s ends when the thread that verifies and signs has ended',
  async (backend) => {
    const home = createSignerHome({ backend })
    await initHome(home)
    const running = await startSigner(home, { nodeOptions: ['--import', endingAfter(24)] })
    const { id } = await setUp(running, home, paymentPolicy('first'))
    const statuses: number[] = []
    for (let nonce = 0; running.child.exitCode === null && nonce < 1_000; nonce++) {
      const path = `/v1/wallets/${id}/sign-transaction`
      const asked = running.ask('POST', path, payment(1n, nonce), { by: home.agent })
      // Refused, or cut off with the process.
      statuses.push(await asked.then(({ status }) => status).catch(() => 0))
    }
    expect(await running.ended).toEqual({ code: 1, signal: null })
    expect(running.output()).toContain('"level":"fatal","message":"Error: A thread of the signer has ended')
    expect(statuses[0]).toBe(200)
    expect(statuses.filter((status) => status === 200).length).toBeLessThan(24)
    expect(statuses.at(-1)).not.toBe(200)

    // What was permitted and not signed is abandoned by the next start.
    const again = await startSigner(home)
    expect(again.phase).toBe('ready')
    const asked = await again.ask(
      'POST',
      `/v1/wallets/${id}/sign-message`,
      { message: 'hello' },
      { by: home.agent },
    )
    expect(asked.status).toBe(200)
    await again.kill()
    home.remove()
  },
)
