import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface LyingEngine {
  readonly url: string
  close(): Promise<void>
}

/** What the client gets instead of the answer; undefined: the truth. */
export type Lie = (path: string, body: Buffer) => Buffer | string | undefined

/** Stands before the engine, as one that an attacker owns: passes requests on, and changes answers. */
export async function openLyingEngine(url: string, lie: Lie): Promise<LyingEngine> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { host: _, connection: __, ...headers } = request.headers
    const path = request.url ?? '/'
    const answer = await fetch(`${url}${path}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    })
    const body = Buffer.from(await answer.arrayBuffer())
    const type = answer.headers.get('content-type') ?? 'text/plain'
    response.writeHead(answer.status, { 'content-type': type })
    response.end(lie(path, body) ?? body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}
