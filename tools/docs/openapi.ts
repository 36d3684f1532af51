import type { Tree } from '../tidy/tree.ts'
import { loadModule } from './catalogues.ts'

export const openapiSource = 'engine/src/api.ts'

interface Api {
  ready(): PromiseLike<unknown>
  inject(request: { url: string }): Promise<{ statusCode: number; json(): unknown }>
  close(): PromiseLike<unknown>
}

/** docs/openapi.json: what the engine serves at /openapi.json, without a server, a signer or a database. */
export async function renderOpenapi(tree: Tree): Promise<string> {
  const { buildApi } = (await loadModule(tree, openapiSource)) as { buildApi: (deps: object) => Promise<Api> }
  const unused = () => {
    throw new Error('bug: the document needs no work of the engine')
  }
  const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const api = await buildApi({ answer: unused, readiness: unused, metrics: {}, log: silent })
  try {
    await api.ready()
    const answer = await api.inject({ url: '/openapi.json' })
    if (answer.statusCode !== 200) throw new Error(`${openapiSource} serves no OpenAPI document.`)
    return `${JSON.stringify(answer.json(), null, 2)}\n`
  } finally {
    await api.close()
  }
}

function ignore(): void {}
