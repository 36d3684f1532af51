/**
 * Passkeys in a real browser: a page of our own on http://localhost, Chromium with a virtual authenticator (CTAP 2.1),
 * and the SDK's bundle in it, against a real signer and engine.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  carriedOut,
  createCountersignAccount,
  createCountersignClient,
  createCredentialKey,
  encodeSession,
  importSession,
  type NewPasskey,
  type PasskeyReference,
  type Wallet,
} from '@countersign/sdk'
import type { SignedRequest } from '@countersign/wire'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { build } from 'esbuild'
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deployment, startDeployment } from './deployment.ts'
import { findChromium } from './find-chromium.ts'

const talk = { action: 'permit', effects: ['message'] }
const policyFor = (id: string, credential: string) => ({
  version: 1,
  id,
  rules: [{ id: 'talk', action: 'permit', who: { credentials: [credential] }, effects: ['message'] }],
})

let deployment: Deployment
let site: Server
let browser: Browser
let origin: string
beforeAll(async () => {
  ;[deployment, site, browser] = await Promise.all([
    startDeployment(),
    openSite(),
    chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] }),
  ])
  origin = `http://localhost:${(site.address() as AddressInfo).port}`
})
afterAll(async () => {
  await browser?.close()
  site?.close()
  await deployment?.stop()
})

/** The SDK as browsers get it, on an otherwise empty page. */
async function openSite(): Promise<Server> {
  const { outputFiles } = await build({
    stdin: {
      contents: "export * from '@countersign/sdk'; export * from '@countersign/wire'",
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'countersign',
    platform: 'browser',
    logLevel: 'error',
  })
  const script = outputFiles[0]?.text ?? ''
  const server = createServer((request, response) => {
    const isScript = request.url === '/sdk.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(
      isScript ? script : '<!doctype html><title>Countersign</title><script src="/sdk.js"></script>',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** A person: a browser profile of their own, with an authenticator that does what a test tells it. */
interface Person {
  readonly page: Page
  readonly context: BrowserContext
  readonly cdp: CDPSession
  readonly authenticatorId: string
  close(): Promise<void>
}

async function openPerson(options: { verified?: boolean; url?: string } = {}): Promise<Person> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: options.verified ?? true,
      automaticPresenceSimulation: true,
    },
  })
  await page.goto(options.url ?? origin)
  return { page, context, cdp, authenticatorId, close: () => context.close() }
}

// biome-ignore lint/suspicious/noExplicitAny: the bundle's global, inside the page
type Sdk = any

const register = (page: Page, audience = deployment.audience, rpId?: string): Promise<NewPasskey> =>
  page.evaluate(
    async ({ audience, rpId }) => {
      const { countersign } = globalThis as unknown as { countersign: Sdk }
      const options = { audience, userName: 'alice', ...(rpId === undefined ? {} : { rpId }) }
      const { reference, credential } = await countersign.registerPasskey(options)
      return { reference, credential }
    },
    { audience, rpId },
  ) as Promise<NewPasskey>

/** Adds it by the admins. */
async function addPasskey(
  page: Page,
  role: 'agent' | 'grantee' | 'approver' | 'admin',
  powers: readonly 'read'[] = [],
) {
  const made = await register(page)
  const added = await deployment.admin.credentials.create({ ...made.credential, role, name: 'Alice', powers })
  expect(added).toMatchObject({
    id: made.reference.id,
    role,
    passkey: { rpId: 'localhost', origins: [origin] },
  })
  return made.reference
}

interface Asked {
  readonly reference: PasskeyReference
  readonly method: SignedRequest['method']
  readonly path: string
  readonly body?: object
  /** What the page signs with, where a test has it do something else. */
  readonly userVerification?: string
  readonly challenge?: string
}

/** Signs in the page; the request comes back to the test, which sends it, or changes it first. */
const signIn = (page: Page, asked: Asked): Promise<SignedRequest> =>
  page.evaluate(
    async ({ asked: { reference, method, path, body, userVerification, challenge }, audience }) => {
      const { countersign } = globalThis as unknown as { countersign: Sdk }
      const tampering = userVerification !== undefined || challenge !== undefined
      const credentials = {
        get: (options: Sdk) => {
          if (userVerification !== undefined) options.publicKey.userVerification = userVerification
          if (challenge !== undefined) options.publicKey.challenge = new TextEncoder().encode(challenge)
          return navigator.credentials.get(options)
        },
      }
      const signer = countersign.passkeySigner(reference, tampering ? { credentials } : navigator)
      return countersign.signRequest({
        call: { method, path, body, admin: false },
        audience,
        requestId: countersign.newRequestId(),
        signers: [signer],
        nowMs: Date.now(),
      })
    },
    { asked, audience: deployment.audience },
  ) as Promise<SignedRequest>

interface Sent {
  readonly status: number
  readonly body: unknown
  readonly code: string | undefined
}

async function send({ method, path, headers, body }: SignedRequest): Promise<Sent> {
  const answer = await fetch(deployment.url + path, { method, headers, ...(body === '' ? {} : { body }) })
  const json = (await answer.json()) as { error?: { code: string } }
  return { status: answer.status, body: json, code: json.error?.code }
}

const read = (reference: PasskeyReference): Asked => ({ reference, method: 'GET', path: '/v1/credentials' })
const codeOf = async (page: Page, asked: Asked) => (await send(await signIn(page, asked))).code

describe('a passkey in a browser', () => {
  it('is registered, added, and signs a request that the signer takes', async () => {
    const person = await openPerson()
    try {
      const reference = await addPasskey(person.page, 'agent')
      await deployment.admin.policies.put({
        id: 'talk',
        policy: policyFor('talk', reference.id),
        expected: null,
      })
      const wallet: Wallet = await deployment.agent.wallets.create({ policy: 'talk' })
      const path = `/v1/wallets/${wallet.id}/sign-message`
      const request = await signIn(person.page, {
        reference,
        method: 'POST',
        path,
        body: { message: 'hello' },
      })
      const answer = await send(request)
      expect(answer).toMatchObject({
        status: 200,
        body: { receipt: { entry: { credential: reference.id } } },
      })
      await expect(
        deployment.agent.signMessage({ walletId: wallet.id, message: 'hello' }),
      ).rejects.toMatchObject({ code: 'POLICY_REFUSED' })
    } finally {
      await person.close()
    }
  })

  it('owns a wallet, hands a session to a server, and ends it', async () => {
    const person = await openPerson()
    try {
      const user = await addPasskey(person.page, 'grantee')
      const policy = { ...policyFor('owned', user.id), rules: [{ ...talk, id: 'talk' }] }
      await deployment.admin.policies.put({ id: 'owned', policy, expected: null })
      const wallet: Wallet = await deployment.agent.wallets.create({ policy: 'owned', owner: user.id })
      const server = await createCredentialKey('p256')
      const added = { algorithm: 'p256', publicKey: server.signer.publicKey, role: 'grantee' } as const
      await deployment.admin.credentials.create({ ...added, name: 'server' })
      const body = {
        to: server.signer.id,
        wallets: [wallet.id],
        rules: { version: 1, rules: [{ ...talk, id: 'hello', when: { text: { in: ['hello'] } } }] },
        expires: new Date(Date.now() + 900_000).toISOString(),
      }
      const asked = { reference: user, method: 'POST', path: '/v1/grants', body } as const
      const made = await send(await signIn(person.page, asked))
      expect(made).toMatchObject({ status: 201, body: { grantedBy: { owner: user.id } } })
      const grant = (made.body as { id: string }).id
      const { url, audience } = deployment
      const text = encodeSession({ signer: audience, url, wallet: wallet.id, grant, to: server.signer.id })
      const session = await importSession(text, { credential: server.signer, audience })
      const account = createCountersignAccount(session)
      expect(account.address).toBe(wallet.address)
      await account.signMessage({ message: 'hello' })
      await expect(account.signMessage({ message: 'goodbye' })).rejects.toMatchObject({
        code: 'POLICY_REFUSED',
      })
      const end = { ...asked, path: `/v1/grants/${grant}/revoke`, body: { reason: 'signed out' } }
      expect((await send(await signIn(person.page, end))).status).toBe(200)
      await expect(account.signMessage({ message: 'hello' })).rejects.toMatchObject({
        code: 'SIGNER_GRANT_REVOKED',
      })
    } finally {
      await person.close()
    }
  })

  it('signs changes as an admin', async () => {
    const person = await openPerson()
    try {
      const reference = await addPasskey(person.page, 'admin', ['read'])
      expect((await send(await signIn(person.page, read(reference)))).status).toBe(200)
      const policy = policyFor('by-passkey', reference.id)
      const change = {
        reference,
        method: 'PUT' as const,
        path: '/v1/policies/by-passkey',
        body: { policy, expected: null },
      }
      expect(await send(await signIn(person.page, change))).toMatchObject({
        status: 200,
        body: { id: 'by-passkey', receipt: { entry: { credentials: [reference.id] } } },
      })
    } finally {
      await person.close()
    }
  })

  it('is refused by name where anything is not what it must be', async () => {
    const person = await openPerson()
    try {
      const reference = await addPasskey(person.page, 'approver', ['read'])
      const good = await signIn(person.page, read(reference))
      expect((await send(good)).status).toBe(200)
      expect((await send(good)).code).toBe('WIRE_NONCE_REPLAYED')

      // Altered on the way.
      const other = await signIn(person.page, read(reference))
      expect((await send({ ...other, path: '/v1/policies' })).code).toBe('WIRE_PASSKEY_CHALLENGE')
      const posted = await signIn(person.page, {
        reference,
        method: 'POST',
        path: `/v1/wallets/wal_${'0'.repeat(24)}/sign-message`,
        body: { message: 'one' },
      })
      expect((await send({ ...posted, body: '{"message":"two"}' })).code).toBe('WIRE_DIGEST_MISMATCH')

      // Another challenge than the request's.
      expect(await codeOf(person.page, { ...read(reference), challenge: 'something else' })).toBe(
        'WIRE_PASSKEY_CHALLENGE',
      )

      // The user is not verified, and the page does not insist.
      await person.cdp.send('WebAuthn.setUserVerified', {
        authenticatorId: person.authenticatorId,
        isUserVerified: false,
      })
      const unverified = { ...read(reference), userVerification: 'discouraged' }
      expect(await codeOf(person.page, unverified)).toBe('WIRE_PASSKEY_NOT_VERIFIED')
      await expect(signIn(person.page, read(reference))).rejects.toThrow(
        /SDK_PASSKEY_REFUSED|gave no passkey/,
      )
      await person.cdp.send('WebAuthn.setUserVerified', {
        authenticatorId: person.authenticatorId,
        isUserVerified: true,
      })
      expect((await send(await signIn(person.page, read(reference)))).status).toBe(200)
    } finally {
      await person.close()
    }
  })

  it('on a page of another origin is refused, though the relying party is the same', async () => {
    const person = await openPerson()
    // Another port is another origin, and has the same relying party id.
    const evil = await openSite()
    try {
      const reference = await addPasskey(person.page, 'approver', ['read'])
      await person.page.goto(`http://localhost:${(evil.address() as AddressInfo).port}`)
      expect(await codeOf(person.page, read(reference))).toBe('WIRE_PASSKEY_ORIGIN')
      await person.page.goto(origin)
      expect((await send(await signIn(person.page, read(reference)))).status).toBe(200)
    } finally {
      evil.close()
      await person.close()
    }
  })

  it('of another relying party is refused', async () => {
    const { port } = site.address() as AddressInfo
    const person = await openPerson({ url: `http://a.app.localhost:${port}` })
    try {
      // Registered for its own page, and pinned to localhost by somebody who says so.
      const made = await register(person.page)
      expect(made.credential.rpId).toBe('a.app.localhost')
      const pinned = { ...made.credential, rpId: 'localhost', role: 'approver', name: 'x' } as const
      await expect(deployment.admin.credentials.create(pinned)).rejects.toMatchObject({
        code: 'WIRE_PASSKEY_CHALLENGE',
      })
      const added = await deployment.admin.credentials.create({
        ...made.credential,
        role: 'approver',
        name: 'x',
        powers: ['read'],
      })
      expect(carriedOut(added).passkey?.rpId).toBe('a.app.localhost')
      // The browser itself asks no authenticator for a foreign id.
      await expect(signIn(person.page, read({ ...made.reference, rpId: 'example.org' }))).rejects.toThrow()
      // A second passkey, on the same page but of the parent as relying party, does not pass for the first.
      const second = await register(person.page, deployment.audience, 'app.localhost')
      const forged = { ...second.reference, id: made.reference.id }
      expect(await codeOf(person.page, read(forged))).toBe('WIRE_PASSKEY_RP')
      // From another page the browser does not even ask.
      await person.page.goto(origin)
      await expect(signIn(person.page, read(forged))).rejects.toThrow(/SecurityError/)
    } finally {
      await person.close()
    }
  })

  it('with a counter that does not grow is refused as a copy, and the journal says so', async () => {
    const person = await openPerson()
    try {
      const reference = await addPasskey(person.page, 'approver', ['read'])
      for (let i = 0; i < 3; i++)
        expect((await send(await signIn(person.page, read(reference)))).status).toBe(200)
      const { cdp, authenticatorId } = person
      const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
      const [held] = credentials
      expect(held?.signCount).toBeGreaterThan(2)
      // The copy: the same key with the counter as it was.
      await cdp.send('WebAuthn.clearCredentials', { authenticatorId })
      await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...held!, signCount: 1 } })
      expect(await codeOf(person.page, read(reference))).toBe('WIRE_PASSKEY_CLONED')
      const { entries } = await deployment.admin.journal.entries({ start: 0, limit: 500 })
      expect(entries.map(({ entry }) => entry)).toContainEqual(
        expect.objectContaining({ type: 'alarm', alarm: 'passkey-cloned', credential: reference.id }),
      )
    } finally {
      await person.close()
    }
  })

  it('registered for another signer is not added', async () => {
    const person = await openPerson()
    try {
      const made = await register(person.page, `sgn_${'0'.repeat(32)}`)
      await expect(
        deployment.admin.credentials.create({ ...made.credential, role: 'approver', name: 'x' }),
      ).rejects.toMatchObject({ code: 'WIRE_PASSKEY_CHALLENGE' })
    } finally {
      await person.close()
    }
  })

  it('without user verification is not registered', async () => {
    const person = await openPerson({ verified: false })
    try {
      await expect(register(person.page)).rejects.toThrow(/gave no passkey/)
    } finally {
      await person.close()
    }
  })

  it('what Chromium makes, @simplewebauthn/server takes as well', async () => {
    const person = await openPerson()
    try {
      const made = await register(person.page)
      const { registration, rpId } = made.credential
      const { passkeyId } = made.reference
      const frame = {
        id: passkeyId,
        rawId: passkeyId,
        type: 'public-key' as const,
        clientExtensionResults: {},
      }
      const theirs = await verifyRegistrationResponse({
        response: { ...frame, response: { ...registration, transports: [] } },
        expectedChallenge: () => true,
        expectedOrigin: origin,
        expectedRPID: rpId,
      })
      expect(theirs.verified).toBe(true)
      const assertion = await person.page.evaluate(async (id) => {
        const { countersign } = globalThis as unknown as { countersign: Sdk }
        const text = (buffer: ArrayBuffer) =>
          btoa(String.fromCharCode(...new Uint8Array(buffer)))
            .replaceAll('+', '-')
            .replaceAll('/', '_')
            .replaceAll('=', '')
        const credentials = {
          get: async (options: Sdk) => {
            const got = (await navigator.credentials.get(options)) as Sdk
            const { authenticatorData, clientDataJSON, signature } = got.response
            Object.assign(globalThis, {
              got: {
                authenticatorData: text(authenticatorData),
                clientDataJSON: text(clientDataJSON),
                signature: text(signature),
              },
            })
            return got
          },
        }
        await countersign.passkeySigner(id, { credentials }).sign(new TextEncoder().encode('base'))
        return (
          globalThis as unknown as {
            got: Record<'authenticatorData' | 'clientDataJSON' | 'signature', string>
          }
        ).got
      }, made.reference)
      const checked = await verifyAuthenticationResponse({
        response: { ...frame, response: assertion },
        expectedChallenge: Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from('base'))).toString(
          'base64url',
        ),
        expectedOrigin: origin,
        expectedRPID: rpId,
        credential: theirs.registrationInfo!.credential,
        requireUserVerification: true,
      })
      expect(checked.verified).toBe(true)
    } finally {
      await person.close()
    }
  })
})

describe('the client in the page', () => {
  it('is the same as elsewhere: it asks the engine itself', async () => {
    // Same calls from Node, with a signer that stands in the page.
    const person = await openPerson()
    try {
      const reference = await addPasskey(person.page, 'approver', ['read'])
      const bridge = {
        ...reference,
        sign: async (base: Uint8Array) =>
          new Uint8Array(
            await person.page.evaluate(
              async ({ bytes, facts }) => {
                const { countersign } = globalThis as unknown as { countersign: Sdk }
                return [...(await countersign.passkeySigner(facts).sign(new Uint8Array(bytes)))]
              },
              { bytes: [...base], facts: reference },
            ),
          ),
      }
      const client = createCountersignClient({
        url: deployment.url,
        audience: deployment.audience,
        credential: bridge,
      })
      const found = []
      for await (const credential of client.credentials.list()) found.push(credential.id)
      expect(found).toContain(reference.id)
      // This one the engine answers, and so verifies, by itself.
      await deployment.agent.wallets.create({})
      const wallets = []
      for await (const wallet of client.wallets.list()) wallets.push(wallet.id)
      expect(wallets.length).toBeGreaterThan(0)
    } finally {
      await person.close()
    }
  })
})

describe('findChromium', () => {
  it('says what is missing instead of nothing', () => {
    expect(() => findChromium({ PATH: '/nowhere', CHROMIUM_PATH: '/nowhere/chromium' })).toThrow(
      /Chromium is missing.*apt-get install chromium/,
    )
  })
})
