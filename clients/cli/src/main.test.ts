import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeHex } from '@countersign/bytes'
import {
  parsePublicKey,
  parseRequestSignatures,
  type SignedRequest,
  verifySignature,
} from '@countersign/wire'
import type { Command } from 'commander'
import { parseEther, parseGwei, serializeTransaction } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProgram } from './program.ts'
import { createTestJournal } from './testing/journal-of.ts'
import { runCli } from './testing/run-cli.ts'

let cwd: string
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'countersign-cli-'))
})
afterAll(() => rmSync(cwd, { recursive: true, force: true }))

const run = (args: string[], env: Record<string, string> = {}) => runCli(args, { cwd, env })

function write(name: string, content: unknown): string {
  const path = join(cwd, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  return path
}

const recipient = '0x00000000000000000000000000000000000000aa'
const policy = {
  version: 1,
  id: 'payroll',
  rules: [
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: ['eip155:31337'], recipient: [recipient] },
      limits: [
        {
          id: 'day',
          amount: '500000000000000000',
          asset: 'eip155:31337/slip44:60',
          window: { rolling: '24h' },
        },
      ],
    },
    {
      id: 'fee',
      action: 'permit',
      effects: ['fee'],
      when: { chain: ['eip155:31337'], amount: { max: '10000000000000000' } },
    },
  ],
}

function payment(value: bigint, to: `0x${string}` = recipient): string {
  return serializeTransaction({
    chainId: 31337,
    type: 'eip1559',
    to,
    value,
    nonce: 0,
    gas: 21_000n,
    maxFeePerGas: parseGwei('2'),
    maxPriorityFeePerGas: parseGwei('1'),
  })
}

describe('the program', () => {
  it('has help for every command, with its arguments described or plain', () => {
    const commands: Command[] = []
    const walk = (command: Command) => {
      commands.push(command)
      for (const inner of command.commands) walk(inner as Command)
    }
    walk(createProgram('0.1.0'))
    expect(commands.length).toBeGreaterThan(35)
    for (const command of commands) {
      expect(command.description(), command.name()).not.toBe('')
      expect(command.helpInformation()).toContain('--help')
    }
  })

  it('prints help and the version, and refuses what it does not know', async () => {
    const help = await run(['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('Exit codes:')
    expect((await run(['sign', 'message', '--help'])).code).toBe(0)
    expect((await run(['--version'])).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/)
    expect((await run(['nonsense'])).code).toBe(2)
    expect((await run(['sign', 'message', 'hello'])).code).toBe(2)
    const asJson = await run(['wallet', 'create', '--type', 'BTC', '--json'])
    expect(asJson.code).toBe(2)
    expect(asJson.json()).toMatchObject({ error: { code: 'CLI_USAGE' } })
  })

  it('says what is missing, and that nobody answers', async () => {
    const nothing = await run(['wallet', 'list', '--json'])
    expect(nothing).toMatchObject({ code: 2 })
    expect(nothing.json()).toMatchObject({ error: { code: 'CLI_NOT_CONFIGURED' } })
    await run(['credential', 'create', 'lonely.json'])
    const away = await run(['wallet', 'list', '--url', 'http://127.0.0.1:9', '--credential', 'lonely.json'])
    expect(away.code).toBe(5)
    expect(away.stderr).toMatch(/error SDK_UNREACHABLE: .*\nfix: /)
  })
})

describe('credential', () => {
  it('create makes a file for the owner only and prints no secret', async () => {
    const made = await run(['credential', 'create', 'one.json', '--algorithm', 'ed25519', '--json'])
    expect(made.code).toBe(0)
    expect(statSync(join(cwd, 'one.json')).mode & 0o777).toBe(0o600)
    const { privateKey } = JSON.parse(readFileSync(join(cwd, 'one.json'), 'utf8'))
    expect(made.stdout + made.stderr).not.toContain(privateKey)
    const shown = await run(['credential', 'show', 'one.json', '--json'])
    expect(shown.json()).toEqual({
      id: made.json().id,
      algorithm: 'ed25519',
      publicKey: made.json().publicKey,
    })
    expect((await run(['credential', 'create', 'one.json'])).code).toBe(1)
  })
})

describe('policy', () => {
  it('check accepts a policy and names what is wrong with another', async () => {
    const good = await run(['policy', 'check', write('good.json', policy), '--json'])
    expect(good.json()).toMatchObject({ valid: true, id: 'payroll', rules: 2 })
    const misspelt = { ...policy, rules: [{ ...policy.rules[0], limit: [] }] }
    const bad = await run(['policy', 'check', write('bad.json', misspelt), '--json'])
    expect(bad.code).toBe(1)
    expect(bad.json()).toMatchObject({
      error: { code: 'POLICY_INVALID', details: { path: 'rules[0].limit' } },
    })
    const twice = await run(['policy', 'check', write('twice.json', '{"version":1,"version":1}'), '--json'])
    expect(twice.json()).toMatchObject({ error: { code: 'JSON_INVALID' } })
    expect((await run(['policy', 'check', 'missing.json', '--json'])).json()).toMatchObject({
      error: { code: 'CLI_FILE_UNREADABLE' },
    })
  })

  it('explain decides as the signer would, to the minor unit', async () => {
    const file = write('explained.json', policy)
    const limit = parseEther('0.5')
    const permitted = await run(['policy', 'explain', file, '--transaction', payment(limit), '--json'])
    expect(permitted.code).toBe(0)
    expect(permitted.json()).toMatchObject({ permitted: true })
    const over = await run(['policy', 'explain', file, '--transaction', payment(limit + 1n)])
    expect(over.code).toBe(3)
    expect(over.stdout).toContain('[POLICY_WINDOW]')
    const stranger = payment(1n, '0x00000000000000000000000000000000000000bb')
    const other = await run(['policy', 'explain', file, '--transaction', stranger])
    expect(other.code).toBe(3)
    expect(other.stdout).toContain('[POLICY_RECIPIENT]')
  })

  it('explain knows the books that it is given, and says where approvals are missing', async () => {
    const [pay, fees] = policy.rules
    const file = write('books.json', {
      ...policy,
      groups: { treasurers: { credentials: ['cred_a'] } },
      rules: [
        { ...pay, when: { recipient: ['@payees'] }, approvals: [{ group: 'treasurers', count: 1 }] },
        fees,
      ],
    })
    const payees = write('payees.json', { version: 1, id: 'payees', addresses: [{ address: recipient }] })
    const explain = ['policy', 'explain', file, '--transaction', payment(1n)]
    const without = await run(explain)
    expect(without.code).toBe(3)
    expect(without.stdout).toContain('[POLICY_BOOK]')
    const waiting = await run([...explain, '--book', payees])
    expect(waiting.code, waiting.stdout).toBe(6)
    expect(waiting.stdout).toContain('[POLICY_APPROVAL]')
  })

  it('test decides every case, and fails where one is not as expected', async () => {
    const file = write('tested.json', policy)
    const cases = [
      { name: 'half a coin', request: { transaction: payment(parseEther('0.5')) }, expect: 'permitted' },
      {
        name: 'one unit more',
        request: { transaction: payment(parseEther('0.5') + 1n) },
        expect: 'refused',
        reasons: ['POLICY_WINDOW'],
      },
    ]
    const good = await run(['policy', 'test', file, write('tests.json', { version: 1, cases })])
    expect(good.code, good.stdout).toBe(0)
    expect(good.stdout).toContain('2 of 2 cases are as expected')
    const wrong = [{ ...cases[0], expect: 'refused' }]
    const bad = await run([
      'policy',
      'test',
      file,
      write('wrong.json', { version: 1, cases: wrong }),
      '--json',
    ])
    expect(bad.code).toBe(1)
    expect(bad.json()).toMatchObject({
      passed: 0,
      failed: 1,
      cases: [{ problems: ['it is permitted, not refused'] }],
    })
    const broken = await run([
      'policy',
      'test',
      file,
      write('broken.json', { version: 1, cases: [] }),
      '--json',
    ])
    expect(broken.json()).toMatchObject({ error: { code: 'POLICY_TEST_INVALID' } })
  })

  it('explain takes messages, typed data and digests too, one at a time', async () => {
    const file = write('explained.json', policy)
    const typedData = write('typed.json', {
      domain: { name: 'x' },
      types: { EIP712Domain: [{ name: 'name', type: 'string' }], A: [{ name: 'b', type: 'uint256' }] },
      primaryType: 'A',
      message: { b: '1' },
    })
    for (const payload of [
      ['--message', 'hello'],
      ['--typed-data', typedData],
      ['--raw', `0x${'01'.repeat(32)}`],
    ]) {
      const refused = await run(['policy', 'explain', file, ...payload, '--json'])
      expect(refused.code, refused.stdout).toBe(3)
      expect(refused.json()).toMatchObject({ permitted: false })
    }
    const request = write('authorization.json', {
      authorization: { contractAddress: recipient, chainId: 1, nonce: 0 },
    })
    const delegation = await run(['policy', 'explain', file, '--request', request])
    expect(delegation.code, delegation.stdout).toBe(3)
    expect(delegation.stdout).toContain('[POLICY_NO_RULE]')
    const noRequest = await run(['policy', 'explain', file, '--request', typedData, '--json'])
    expect(noRequest.json()).toMatchObject({ error: { code: 'POLICY_TEST_INVALID' } })
    expect((await run(['policy', 'explain', file])).code).toBe(2)
    expect((await run(['policy', 'explain', file, '--message', 'a', '--raw', '0x'])).code).toBe(2)
    expect((await run(['policy', 'explain', file, '--transaction', '0x02ff'])).code).toBe(1)
  })
})

describe('a quorum', () => {
  it('signs one after another, offline, exactly the same request', async () => {
    const { audience } = createTestJournal()
    const env = { COUNTERSIGN_AUDIENCE: audience, COUNTERSIGN_URL: 'http://127.0.0.1:9' }
    for (const name of ['a', 'b', 'c']) await run(['credential', 'create', `admin-${name}.json`])
    const file = write('quorum-policy.json', policy)

    const apply = ['policy', 'apply', file, '--expected', 'none', '--out', 'request.json']
    const made = await run([...apply, '--credential', 'admin-a.json', '--json'], env)
    expect(made.code, made.stdout + made.stderr).toBe(0)
    expect(made.json().signedBy).toHaveLength(1)
    expect((await run([...apply, '--credential', 'admin-a.json', '--json'], env)).json()).toMatchObject({
      error: { code: 'CLI_FILE_EXISTS' },
    })

    const shown = await run(['cosign', 'request.json', '--show'], env)
    expect(shown.stdout).toContain('PUT /v1/policies/payroll')
    expect(shown.stdout).toContain('"expected":null')
    await run(['cosign', 'request.json', '--credential', 'admin-b.json'], env)
    const whole = await run(['cosign', 'request.json', '--credential', 'admin-c.json', '--json'], env)
    expect(whole.json().signedBy).toHaveLength(3)

    const { request } = JSON.parse(readFileSync(join(cwd, 'request.json'), 'utf8')) as {
      request: SignedRequest
    }
    const parsed = parseRequestSignatures(request)
    expect(parsed.digest).toBe(made.json().digest)
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      const { publicKey } = JSON.parse(readFileSync(join(cwd, `admin-${name}.json`), 'utf8'))
      const { base, signature } = parsed.signatures[i]!
      const key = { algorithm: 'p256', publicKey: parsePublicKey('p256', publicKey) } as const
      expect(verifySignature(key, base, signature)).toBe(true)
    }

    const twice = await run(['cosign', 'request.json', '--credential', 'admin-a.json', '--json'], env)
    expect(twice.json()).toMatchObject({ error: { code: 'WIRE_SIGNATURE_MALFORMED' } })
    const sent = await run(['submit', 'request.json', '--credential', 'admin-a.json'], env)
    expect(sent.code).toBe(5)
  })

  it('does not sign a request that somebody changed on the way', async () => {
    const env = { COUNTERSIGN_AUDIENCE: createTestJournal().audience, COUNTERSIGN_URL: 'http://127.0.0.1:9' }
    await run(['credential', 'create', 'honest.json'])
    const apply = ['policy', 'apply', write('p.json', policy), '--expected', 'none', '--out', 'changed.json']
    await run([...apply, '--credential', 'honest.json'], env)
    const file = JSON.parse(readFileSync(join(cwd, 'changed.json'), 'utf8')) as { request: { body: string } }
    file.request.body = file.request.body.replace('500000000000000000', '900000000000000000')
    write('changed.json', file)
    const refused = await run(['cosign', 'changed.json', '--credential', 'honest.json', '--json'], env)
    expect(refused.code).toBe(1)
    expect(refused.json()).toMatchObject({ error: { code: 'WIRE_DIGEST_MISMATCH' } })
  })
})

describe('offline verification', () => {
  const journal = createTestJournal()
  const entries = Array.from({ length: 5 }, (_, i) => journal.entry(i, 'signed'))

  it('of an exported journal ends with 0, or with 4 where it was changed', async () => {
    const exported = journal.export(entries)
    const good = await run(['journal', 'verify', write('journal.json', exported), '--json'])
    expect(good.code, good.stdout + good.stderr).toBe(0)
    expect(good.json()).toMatchObject({ valid: true, size: 5, audience: journal.audience })
    const changed = { ...exported, entries: entries.with(2, journal.entry(7)) }
    const bad = await run(['journal', 'verify', write('changed-journal.json', changed), '--json'])
    expect(bad.code).toBe(4)
    expect(bad.json()).toMatchObject({ error: { code: 'CLI_VERIFICATION_FAILED' } })
    const other = ['--audience', createTestJournal().audience]
    expect((await run(['journal', 'verify', join(cwd, 'journal.json'), ...other])).code).toBe(4)
  })

  it('of a receipt needs a trusted signer, and finds changes', async () => {
    const receipt = journal.receipt(3, entries)
    const file = write('receipt.json', { signature: '0x', receipt })
    const env = { COUNTERSIGN_AUDIENCE: journal.audience }
    expect((await run(['receipt', 'verify', file, '--json'], env)).json()).toMatchObject({
      valid: true,
      index: 3,
    })
    expect((await run(['receipt', 'verify', file])).code).toBe(2)
    const key = ['--journal-key', journal.journalKey]
    expect((await run(['receipt', 'verify', file, ...key])).code).toBe(0)
    const otherKey = ['--journal-key', encodeHex(new Uint8Array(32).fill(1))]
    expect((await run(['receipt', 'verify', file, ...otherKey])).code).toBe(4)
    expect(
      (await run(['receipt', 'verify', file], { COUNTERSIGN_AUDIENCE: createTestJournal().audience })).code,
    ).toBe(4)
    const moved = write('moved.json', { ...receipt, index: 4 })
    expect((await run(['receipt', 'verify', moved, ...key])).code).toBe(4)
  })
})

describe('policy diff', () => {
  it('shows what a change does to the rules and to what can leave', async () => {
    const before = write('before.json', policy)
    const [pay, fee] = policy.rules as [(typeof policy.rules)[0], (typeof policy.rules)[1]]
    const [limit] = pay.limits ?? []
    const wider = { ...pay, limits: [{ ...limit, amount: '900000000000000000' }] }
    const after = write('after.json', { ...policy, rules: [wider, fee] })
    const human = await run(['policy', 'diff', before, after])
    expect(human).toMatchObject({ code: 0 })
    expect(human.stdout).toContain('Rule pay is changed.')
    expect(human.stdout).toContain('It may loosen by rule pay')
    const json = JSON.parse((await run(['policy', 'diff', before, after, '--json'])).stdout)
    expect(json).toMatchObject({ changed: ['pay'], added: [], loosens: [{ rule: 'pay' }] })
    const tighter = JSON.parse((await run(['policy', 'diff', after, before, '--json'])).stdout)
    expect(tighter.loosens).toEqual([])
    expect((await run(['policy', 'diff', 'none', before])).stdout).toContain('Rule pay is added.')
    expect((await run(['policy', 'diff', before, write('bad.json', '{}')])).code).not.toBe(0)
  })
})
