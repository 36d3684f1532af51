import { createServer } from 'node:http'
import { Pool } from 'undici'

/** Stands between engine and signer and loses, delays or answers what a test says. */
export interface SignerProxy {
  /** `lose`: the signer works, but its answer never arrives. `block`: the request does not arrive either. */
  mode: 'pass' | 'lose' | 'block'
  readonly forwarded: string[]
  close(): Promise<void>
}

export async function openSignerProxy(path: string, signerSocket: string): Promise<SignerProxy> {
  const pool = new Pool('http://signer', { socketPath: signerSocket, connections: 16 })
  const proxy: SignerProxy = {
    mode: 'pass',
    forwarded: [],
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await pool.close()
    },
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const isForward = request.url === '/v1/forward'
    if (isForward) proxy.forwarded.push(body)
    if (isForward && proxy.mode === 'block') return void request.socket.destroy()
    const answer = await pool.request({
      method: request.method as 'GET',
      path: request.url as string,
      ...(body === '' ? {} : { body, headers: { 'content-type': 'application/json' } }),
    })
    const text = await answer.body.text()
    if (isForward && proxy.mode === 'lose') return void request.socket.destroy()
    response.writeHead(answer.statusCode, { 'content-type': 'application/json' })
    response.end(text)
  })
  await new Promise<void>((done) => server.listen(path, done))
  return proxy
}
