import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Witness, witnessBodyCharsMax } from './witness.ts'

const requestTimeoutMs = 10_000
const connectionsMax = 256

/** The witness over HTTP: `POST /add-checkpoint`, and nothing else. */
export async function serveWitness(
  witness: Witness,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs })
  server.maxConnections = connectionsMax
  server.on('request', async (request, response) => {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
      response.end(body)
    }
    const plain = 'text/plain; charset=utf-8'
    if (request.method !== 'POST' || request.url !== '/add-checkpoint') {
      send(404, plain, 'POST /add-checkpoint is all there is.\n')
      return
    }
    try {
      const body = await read(request)
      if (body === undefined) {
        send(400, plain, 'The body is too large.\n')
        return
      }
      const answer = witness.addCheckpoint(body)
      send(answer.status, answer.type, answer.body)
    } catch {
      // The state could not be written: nothing may be cosigned.
      send(500, plain, 'The witness cannot keep what it has seen.\n')
    }
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > witnessBodyCharsMax) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
