/**
 * Secrets appear in no log, error, answer, process list, diagnostic report, database or journal.
 *
 * What this cannot hold: /proc/<pid>/environ keeps showing the environment that a process was started with, to its
 * own user and root; taking a variable out of `process.env` does not erase that memory. Where that matters, start
 * the signer sealed and give it the secret by `unseal`. The raw key of the env backend has no such way: that is one
 * reason why it is refused in production. The last test pins this down, so that the documents keep telling it.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseSealedFile, SealingKey, Secret } from '@countersign/keys'
import { afterAll, describe, expect, it } from 'vitest'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { payment, paymentPolicy } from './payment.ts'
import {
  createSignerHome,
  failToStart,
  initHome,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

/** All that a reader of logs, answers, processes or files could see. */
class Seen {
  readonly #places = new Map<string, Buffer>()
  add(place: string, what: string | Buffer): void {
    this.#places.set(`${this.#places.size} ${place}`, Buffer.from(what))
  }
  addFiles(folder: string): void {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (statSync(path).isDirectory()) this.addFiles(path)
      else if (statSync(path).isFile()) this.add(path, readFileSync(path))
    }
  }
  /** Where any of these forms occurs. */
  placesOf(forms: readonly (string | Buffer)[]): string[] {
    return [...this.#places]
      .filter(([, bytes]) => forms.some((form) => bytes.includes(form)))
      .map(([place]) => place)
  }
}

function formsOfKey(key: Buffer): (string | Buffer)[] {
  const hex = key.toString('hex')
  const texts = [
    hex,
    hex.toUpperCase(),
    key.toString('base64'),
    key.toString('base64url'),
    BigInt(`0x${hex}`).toString(),
  ]
  return [
    key,
    ...texts,
    key.toString('base64').replace(/=+$/, ''),
    JSON.stringify([...key]),
    [...key].join(', '),
  ]
}

function formsOfSecret(secret: string): (string | Buffer)[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('base64'),
    bytes.toString('base64url'),
  ]
}

const reportOptions = (folder: string) => [
  '--report-on-signal',
  `--report-directory=${folder}`,
  '--report-filename=report.json',
]

/** What a crash report would hold: Node writes it at once, with the environment as the process now has it. */
async function reportOf(running: SignerProcess, folder: string): Promise<string> {
  running.child.kill('SIGUSR2')
  const read = () => JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))
  await expect.poll(read, { timeout: 5_000 }).toBeDefined()
  return readFileSync(join(folder, 'report.json'), 'utf8')
}

const canReadProc = process.platform === 'linux'

/** Everything that a signer answers: grants, refusals and errors. */
async function exercise(running: SignerProcess, home: SignerHome, wallet: string, seen: Seen): Promise<void> {
  const path = `/v1/wallets/${wallet}/sign-transaction`
  const by = home.agent
  const answers: [string, Promise<Answer>][] = [
    ['signed', running.ask('POST', path, payment(1n), { by, requestId: 'signed-request' })],
    ['refused', running.ask('POST', path, payment(1n, 0, `0x${'2'.repeat(40)}`), { by })],
    ['raw', running.ask('POST', `/v1/wallets/${wallet}/sign-raw`, { digest: `0x${'1'.repeat(64)}` }, { by })],
    ['malformed', running.post('/v1/forward', '{"request":')],
    ['unknown wallet', running.ask('POST', path.replace(/wal_..../, 'wal_0000'), payment(1n), { by })],
    ['bad body', running.ask('POST', path, { unsignedTransaction: '0x02c0' }, { by })],
    ['custody', running.ask('GET', `/v1/custody/${wallet}`, undefined, { by: home.admin })],
    ['journal', running.ask('GET', '/v1/journal/entries?start=0', undefined, { by: home.admin })],
    ['credentials', running.ask('GET', '/v1/credentials', undefined, { by: home.admin })],
    ['unsealed already', running.post('/v1/unseal', { secret: home.secret })],
    ['identity', running.get('/v1/identity')],
  ]
  for (const [what, asked] of answers) seen.add(`answer: ${what}`, JSON.stringify((await asked).body))
  const outcome = running.get(`/v1/outcomes/${by.id}/signed-request`)
  seen.add('answer: outcome', JSON.stringify((await outcome).body))
  if (canReadProc) seen.add('cmdline', readFileSync(`/proc/${running.child.pid}/cmdline`))
}

describe('secrets', () => {
  const homes: SignerHome[] = []
  const all: SignerProcess[] = []
  afterAll(async () => {
    for (const running of all) await running.kill()
    for (const home of homes) home.remove()
  })
  async function start(home: SignerHome, options: Parameters<typeof startSigner>[1]): Promise<SignerProcess> {
    const running = await startSigner(home, options)
    all.push(running)
    return running
  }

  it('of key files: sealed, unsealed with a wrong secret and the right one, and stopped', async () => {
    const home = createSignerHome({ secret: `recognisable secret ${randomBytes(12).toString('hex')} "+/=` })
    homes.push(home)
    const seen = new Seen()
    seen.add('init', await initHome(home))
    const running = await start(home, { sealed: true, nodeOptions: reportOptions(home.folder) })
    expect(running.phase).toBe('sealed')
    const attempts: [unknown, number][] = [
      [{ secret: `not the ${home.secret}` }, 403],
      [`{"secret":${JSON.stringify(home.secret)}`, 400],
      [{ secret: [home.secret] }, 400],
      [{ secret: home.secret }, 200],
    ]
    for (const [body, status] of attempts) {
      const answer = await running.post('/v1/unseal', body)
      expect([body, answer.status]).toEqual([body, status])
      seen.add('answer: unseal', JSON.stringify(answer.body))
    }
    const wallet = await setUp(running, home, paymentPolicy('test'))
    await exercise(running, home, wallet.id, seen)
    seen.add('report', await reportOf(running, home.folder))
    if (canReadProc) seen.add('environ', readFileSync(`/proc/${running.child.pid}/environ`))
    await running.kill('SIGTERM')
    seen.add('log', running.output())
    const wrong = { ...home, secret: `${home.secret} wrong` }
    seen.add('wrong secret in the environment', await failToStart(wrong))
    seen.addFiles(home.dataDir)
    seen.addFiles(home.folder)

    expect(seen.placesOf(formsOfSecret(home.secret))).toEqual([])
    for (const name of ['signer-key.json', `keys/${wallet.id}.json`]) {
      const file = parseSealedFile(readFileSync(join(home.dataDir, name), 'utf8'))
      const sealing = await SealingKey.derive(new Secret(home.secret), file.kdf)
      const key = Buffer.from(sealing.open(file, file))
      expect(key).toHaveLength(32)
      expect(seen.placesOf(formsOfKey(key))).toEqual([])
    }
    // The search does find what is there.
    expect(seen.placesOf([wallet.address]).length).toBeGreaterThan(3)
  })

  it('of the environment: the raw key and the secret, from the start to a failed start', async () => {
    const rawKey = randomBytes(32)
    const home = createSignerHome({ backend: 'env', rawKey: rawKey.toString('hex') })
    homes.push(home)
    const seen = new Seen()
    seen.add('init', await initHome(home))
    const running = await start(home, { nodeOptions: reportOptions(home.folder) })
    const wallet = await setUp(running, home, paymentPolicy('test'))
    await exercise(running, home, wallet.id, seen)
    seen.add('report', await reportOf(running, home.folder))
    const environ = canReadProc ? readFileSync(`/proc/${running.child.pid}/environ`) : undefined
    await running.kill('SIGTERM')
    seen.add('log', running.output())
    const misspelt = `${rawKey.toString('hex').slice(0, 60)}zzzz`
    seen.add('a raw key that is none', await failToStart(home, { env: { COUNTERSIGN_RAW_KEY: misspelt } }))
    seen.add('production', await failToStart(home, { env: { COUNTERSIGN_ENV: 'production' } }))
    seen.addFiles(home.dataDir)

    expect(seen.placesOf(formsOfSecret(home.secret))).toEqual([])
    expect(seen.placesOf([...formsOfKey(rawKey), misspelt])).toEqual([])
    // The documented limit: see the head of this file.
    if (environ !== undefined) expect(environ.includes(home.secret)).toBe(true)
  })
})
