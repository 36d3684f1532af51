import { type Hex, parseJson } from '@countersign/bytes'
import { lintPolicy, type Policy, parseAddressBook, parsePolicy } from '@countersign/policy'
import { calls } from '@countersign/sdk'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, collect, gather, hashNow, listItemsMax } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { explainPolicy, intentOf, type PayloadOptions } from '../explain-policy.ts'
import { table } from '../output.ts'
import { readTextFile } from '../settings.ts'
import { reportChange } from './changed.ts'
import { addPolicyDiff } from './policy-diff.ts'
import { addPolicyTest } from './policy-test.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('what may be signed')
  addCheck(policy)
  addExplain(policy)
  addPolicyTest(policy)
  addPolicyDiff(policy, readPolicy)
  addApply(policy)
  addShow(policy)
  addAssign(policy)
}

/** @throws {CountersignError} POLICY_*, JSON_* */
export function readPolicy(file: string): Policy {
  return parsePolicy(parseJson(readTextFile(file)))
}

function addCheck(policy: Command): void {
  const command = policy
    .command('check')
    .argument('<file>')
    .description('read a policy file as the signer would')
  act(command, ({ output }, _options: object, file: string) => {
    const parsed = readPolicy(file)
    const { id, hash, rules, books } = parsed
    const warnings = lintPolicy(parsed)
    output.result({ valid: true, id, hash, rules: rules.length, books, warnings }, () => [
      `${file} is a valid policy: ${id}, ${rules.length} rules, hash ${hash}`,
      ...warnings.map(({ code, message }) => `warning: ${message} [${code}]`),
    ])
    return undefined
  })
}

function addExplain(policy: Command): void {
  const command = policy
    .command('explain')
    .argument('<file>', 'a policy file')
    .option('--transaction <hex>', 'an unsigned transaction in its wire encoding')
    .option('--message <text>', 'a message for personal_sign')
    .option('--typed-data <file>', 'typed data as JSON')
    .option('--raw <digest>', 'a 32-byte digest')
    .option(
      '--request <file>',
      'JSON: a user operation, Solana, Bitcoin and others, as in files for policy test',
    )
    .option('--wallet-address <address>', 'whom "wallet" stands for')
    .option('--as <credential-id>', 'who asks; by default the configured credential')
    .option('--role <role>', 'of who asks', 'agent')
    .option('--book <file>', 'an address book that the policy refers to; can be repeated', collect)
    .description(
      'decide on this machine, with empty windows, and say why; exit code 3 where it refuses, 6 where it needs approval',
    )
  type Options = PayloadOptions & { as?: string; role: string; book?: string[] }
  act(command, ({ output, settings }, options: Options, file: string) => {
    const books = (options.book ?? []).map((book) => parseAddressBook(parseJson(readTextFile(book))))
    const explained = explainPolicy(readPolicy(file), intentOf(options), { ...options, settings, books })
    output.result(explained.decision, () => explained.lines)
    return outcomeCodes[explained.decision.outcome]
  })
}

const outcomeCodes = {
  permitted: exitCodes.ok,
  'needs-approval': exitCodes.waiting,
  refused: exitCodes.refused,
} as const

function addApply(policy: Command): void {
  const command = policy
    .command('apply')
    .argument('<file>')
    .option('--expected <hash>', 'the hash of what it replaces, or "none"; asked for where it is not given')
    .description('put a policy in force; needs the admin quorum')
  outOption(command)
  act(command, async (context, options: OutOption & { expected?: string }, file: string) => {
    const { id, document } = readPolicy(file)
    const before = options.expected ?? (await hashNow(context.admins().policies.get(id))) ?? 'none'
    const expected = before === 'none' ? null : (before as Hex)
    const answer = await executeOrWrite(context, calls.putPolicy({ id, policy: document, expected }), options)
    return reportChange(context, answer, ({ version, hash }) => [
      `${id} version ${version} is in force, hash ${hash}${expected === null ? '' : `; it replaces ${expected}`}`,
    ])
  })
}

function addShow(policy: Command): void {
  const command = policy
    .command('show')
    .argument('[id]', 'all of them where it is not given')
    .description('policies that are in force')
  act(command, async ({ output, client }, _options: object, id: string | undefined) => {
    if (id !== undefined) {
      const found = await client().policies.get(id)
      output.result(found, () => [
        `${found.id} version ${found.version}, hash ${found.hash}`,
        JSON.stringify(found.policy, null, 2),
      ])
      return undefined
    }
    const policies = await gather(client().policies.list(), listItemsMax)
    output.result({ policies }, () =>
      table(policies.map((found) => [found.id, `v${found.version}`, found.hash])),
    )
    return undefined
  })
}

interface AssignOptions extends OutOption {
  readonly wallet?: string
  readonly organisation?: boolean
  readonly expected?: string
}

function addAssign(policy: Command): void {
  const command = policy
    .command('assign')
    .argument('<id>', 'a policy, or "none" with --organisation')
    .option('--wallet <id>', 'decides for this wallet')
    .option('--organisation', 'decides for every wallet, besides its own')
    .option('--expected <id>', 'the policy that it replaces, or "none"; asked for where it is not given')
    .description('say which policy decides; needs the admin quorum')
  outOption(command)
  act(command, async (context, options: AssignOptions, id: string) => {
    const { wallet: walletId, organisation, expected } = options
    if ((walletId === undefined) === (organisation !== true)) {
      throw cliError('CLI_USAGE', 'Give either --wallet or --organisation.')
    }
    if (walletId !== undefined) {
      const before =
        expected === undefined ? (await context.admins().wallets.get(walletId)).policy : orNull(expected)
      const call = calls.setWalletPolicy({ walletId, policy: id, expected: before })
      const answer = await executeOrWrite(context, call, options)
      return reportChange(context, answer, () => [`${id} decides for ${walletId} now`])
    }
    const call = calls.setOrganisationPolicy({ policy: orNull(id), expected: orNull(expected ?? 'none') })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, () => [`${id} decides for every wallet now`])
  })
}

function orNull(id: string): string | null {
  return id === 'none' ? null : id
}
