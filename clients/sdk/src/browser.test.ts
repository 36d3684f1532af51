import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import {
  parsePublicKey,
  parseRequestSignatures,
  type SignedRequest,
  verifySignature,
} from '@countersign/wire'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { createProvingSigner } from './testing/proving-signer.ts'

const entry = fileURLToPath(new URL('./index.ts', import.meta.url))

/** What a browser has of what the SDK uses, and nothing of Node. */
function browserGlobals(): Record<string, unknown> {
  const names = [
    'crypto',
    'TextEncoder',
    'TextDecoder',
    'URL',
    'URLSearchParams',
    'AbortController',
    'AbortSignal',
  ]
  names.push('setTimeout', 'clearTimeout', 'Response', 'Uint8Array', 'ArrayBuffer', 'atob', 'btoa')
  return Object.fromEntries(names.map((name) => [name, (globalThis as Record<string, unknown>)[name]]))
}

async function bundle(): Promise<{ code: string; inputs: string[] }> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'countersign',
    write: false,
    metafile: true,
    minify: true,
    logLevel: 'silent',
  })
  const [file] = result.outputFiles
  return { code: file!.text, inputs: Object.keys(result.metafile.inputs) }
}

describe('in a browser', () => {
  it('the main entry bundles without anything of Node', async () => {
    const { code, inputs } = await bundle()
    expect(inputs.filter((input) => input.startsWith('node:') || input.includes('sdk/src/node/'))).toEqual([])
    expect(code).not.toMatch(/(?:require|import)\(?\s*["']node:/)
  })

  it('the bundle signs requests with a key that cannot be exported', async () => {
    const { code } = await bundle()
    const seen: SignedRequest[] = []
    const proving = createProvingSigner()
    const context = {
      ...browserGlobals(),
      fetch: async (url: string, init: { method: 'POST'; headers: Record<string, string>; body: string }) => {
        const { method, body } = init
        const request = { method, body, path: new URL(url).pathname, headers: { ...init.headers } }
        seen.push(request)
        return new Response(JSON.stringify(await proving.answer(request)))
      },
    }
    const run = `${code};(async () => {
      const made = []
      for (const algorithm of ['p256', 'ed25519']) {
        const { signer, keyPair } = await countersign.createUnexportableCredential(algorithm)
        if (keyPair.privateKey.extractable) throw new Error('the key can be exported')
        const audience = '${proving.audience}'
        const client = countersign.createCountersignClient({ url: 'http://engine.test', credential: signer, audience })
        await client.signMessage({ walletId: 'wal_1', message: 'hello' })
        made.push({ algorithm, publicKey: signer.publicKey })
      }
      return made
    })()`
    const made = (await runInNewContext(run, context)) as {
      algorithm: 'p256' | 'ed25519'
      publicKey: `0x${string}`
    }[]
    expect(seen).toHaveLength(2)
    for (const [i, { algorithm, publicKey }] of made.entries()) {
      const { method, path, headers, body } = seen[i]!
      const [signature] = parseRequestSignatures({ method, path, headers, body }).signatures
      const key = { algorithm, publicKey: parsePublicKey(algorithm, publicKey) }
      expect(verifySignature(key, signature!.base, signature!.signature)).toBe(true)
    }
  })
})
