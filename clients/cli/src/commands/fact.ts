import type { Hex } from '@countersign/bytes'
import type { FactInput } from '@countersign/sdk'
import { parseDelay } from '@countersign/wire'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context, collect, wholeNumber } from '../command.ts'

export function addFactCommands(program: Command): void {
  const fact = program
    .command('fact')
    .description('say what policies count on: a price, or what a simulation found')
  addPrice(fact)
  addSimulation(fact)
}

interface Lifetime {
  readonly lifetime?: number
}

function lifetimeOption(command: Command): Command {
  return command.option('--lifetime <duration>', 'how long it holds: 30s, 5m, at most 24h', lifetimeMsOf)
}

function addPrice(fact: Command): void {
  const command = lifetimeOption(fact.command('price'))
    .requiredOption('--asset <id>', 'CAIP-19, for example eip155:1/slip44:60')
    .requiredOption('--currency <code>', 'as in the policy, for example USD')
    .requiredOption('--price <decimal>', 'for one whole unit of the asset, for example 3012.45')
    .requiredOption('--decimals <n>', 'digits of the asset after its point', wholeNumber)
    .description('counts only where a policy names this credential in `prices`, and until it is too old')
  type Options = Lifetime & { asset: string; currency: string; price: string; decimals: number }
  act(command, async (context, options: Options) => {
    const { asset, currency, price, decimals } = options
    return add(context, { type: 'price', asset, currency, price, decimals }, options)
  })
}

function addSimulation(fact: Command): void {
  const command = lifetimeOption(fact.command('simulation'))
    .option('--payload-digest <hex>', 'SHA-256 of the unsigned bytes that were tried out')
    .option('--account <address>', 'of the wallet by which they were tried out')
    .option('--approval <id>', 'instead of both: those of this waiting request')
    .addOption(
      new Option('--outcome <outcome>', 'what became of it')
        .choices(['success', 'revert'])
        .makeOptionMandatory(),
    )
    .option(
      '--outflow <asset=amount>',
      'left the account at most, smallest units; again for several',
      collect,
    )
    .option('--no-outflows', 'nothing left the account')
    .description(
      'counts only where a rule names this credential in `simulation`, and only for these bytes of this wallet',
    )
  type Options = Lifetime & {
    payloadDigest?: Hex
    account?: string
    approval?: string
    outcome: 'success' | 'revert'
    outflow?: string[]
    outflows: boolean
  }
  act(command, async (context, options: Options) => {
    const { outcome, outflow, outflows } = options
    if (!outflows && outflow !== undefined)
      throw cliError('CLI_USAGE', 'Give --outflow or --no-outflows, not both.')
    const tried = await triedOut(context, options)
    const maxOutflows = outflow?.map(outflowOf) ?? (outflows ? undefined : [])
    const said = { type: 'simulation', ...tried, outcome } as const
    return add(context, { ...said, ...(maxOutflows === undefined ? {} : { maxOutflows }) }, options)
  })
}

interface Tried {
  readonly payloadDigest?: Hex
  readonly account?: string
  readonly approval?: string
}

async function triedOut({ client }: Context, { payloadDigest, account, approval }: Tried) {
  if (approval === undefined && payloadDigest !== undefined && account !== undefined)
    return { payloadDigest, account }
  if (approval === undefined || payloadDigest !== undefined || account !== undefined)
    throw cliError('CLI_USAGE', 'Give either --payload-digest with --account, or --approval.')
  const found = await client().approvals.get(approval)
  return { payloadDigest: found.payloadDigest as Hex, account: found.wallet.address }
}

async function add(
  { output, client }: Context,
  input: FactInput,
  { lifetime }: Lifetime,
): Promise<undefined> {
  const taken = await client().facts.add({
    ...input,
    ...(lifetime === undefined ? {} : { lifetimeMs: lifetime }),
  })
  output.result(taken, () => [`the signer has ${taken.fact}; it holds until ${taken.expiresAt}`])
  return undefined
}

function outflowOf(text: string): { asset: string; amount: string } {
  const [, asset, amount] = /^([^=]+)=([0-9]{1,78})$/.exec(text) ?? []
  if (asset === undefined || amount === undefined)
    throw cliError('CLI_USAGE', `${text} is not asset=amount, for example eip155:1/slip44:60=1000.`)
  return { asset, amount }
}

function lifetimeMsOf(text: string): number {
  const ms = parseDelay(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('Not a duration such as 30s or 5m.')
  return ms
}
