import { quoteText } from '@countersign/intent'
import type { Approval, ApprovalState, ApprovalSummary } from '@countersign/sdk'
import { approvalStates } from '@countersign/wire'
import { type Command, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, gather, listItemsMax } from '../command.ts'
import { table } from '../output.ts'

/** Names, attributions and reasons are shown whole. */
const textCharsMax = 500

export function addApprovalCommands(program: Command): void {
  const approval = program
    .command('approval')
    .description('requests that wait for people: what the signer says of them, approve, reject')
  addList(approval)
  addShow(approval)
  addApprove(approval)
  addReject(approval)
}

function addList(approval: Command): void {
  const command = approval
    .command('list')
    .addOption(
      new Option('--state <state>', 'those in this state instead of those that wait').choices([
        ...approvalStates,
      ]),
    )
    .option('--all', 'in whatever state')
    .description('requests that wait for approval, oldest first; what the signer has signed, page by page')
  type Options = { state?: ApprovalState; all?: boolean }
  act(command, async ({ output, client }, { state = 'waiting', all }: Options) => {
    if (all === true && state !== 'waiting') throw cliError('CLI_USAGE', 'Give --state or --all, not both.')
    const approvals = await gather(client().approvals.list(all === true ? {} : { state }), listItemsMax)
    output.result({ approvals }, () => (approvals.length === 0 ? ['none'] : approvals.flatMap(linesOf)))
    return undefined
  })
}

function linesOf(one: ApprovalSummary): string[] {
  const { approval, state, wallet, operation, requestedBy, expiresAt, effects } = one
  return [
    `${approval}  ${state}  ${operation} by ${wallet.id}  asked by ${quoteText(requestedBy.name, textCharsMax)}  until ${expiresAt}`,
    ...effects.map((line) => `  ${line}`),
  ]
}

function addShow(approval: Command): void {
  const command = approval
    .command('show')
    .argument('<id>')
    .description('one request: what it does, decoded here once more, whose approval it needs and has')
  act(command, async ({ output, client }, _options: object, id: string) => {
    const countersign = client()
    const found = await countersign.approvals.get(id)
    // What waits is compared with its bytes; of what is settled the signer keeps no bytes.
    const isDecoded = found.state === 'waiting'
    if (isDecoded) countersign.approvals.check(found)
    output.result({ ...found, decodedHere: isDecoded }, () => describe(found, isDecoded))
    return undefined
  })
}

interface Pinned {
  readonly digest?: string
}

function addApprove(approval: Command): void {
  const command = approval
    .command('approve')
    .argument('<id>')
    .option('--digest <hex>', 'only if this is its digest: the one that was looked at elsewhere')
    .description('approve exactly these bytes; with the last approval that is needed they are signed')
  act(command, async ({ output, client }, { digest }: Pinned, id: string) => {
    const countersign = client()
    const found = await countersign.approvals.get(id)
    checkPinned(found, digest)
    const voted = await countersign.approvals.approve(found)
    for (const line of found.effects) output.note(`approved: ${line}`)
    output.result(voted, () => [`${voted.approval} is approved by you and now: ${voted.state}`])
    return undefined
  })
}

function addReject(approval: Command): void {
  const command = approval
    .command('reject')
    .argument('<id>')
    .option('--reason <text>', 'stands in the journal, and the caller sees it')
    .description('reject a request for good; one approver suffices')
  act(command, async ({ output, client }, { reason }: { reason?: string }, id: string) => {
    const voted = await client().approvals.reject(id, reason === undefined ? {} : { reason })
    output.result(voted, () => [`${voted.approval} is rejected and will not be signed`])
    return undefined
  })
}

function checkPinned({ approval, digest }: Approval, pinned: string | undefined): void {
  if (pinned === undefined || pinned.toLowerCase() === digest) return
  throw cliError('CLI_VERIFICATION_FAILED', `The digest of ${approval} is ${digest}, not ${pinned}.`, {
    fix: 'Do not approve it: it is not what was looked at.',
  })
}

function describe(found: Approval, isDecoded: boolean): string[] {
  const { wallet, requestedBy } = found
  const said = Object.entries(requestedBy.attribution).map(
    ([name, value]) => `${name} ${quoteText(value, textCharsMax)}`,
  )
  return [
    ...table([
      ['approval', found.approval],
      ['state', found.state],
      ['wallet', `${wallet.id} ${wallet.address}`],
      ['operation', found.operation],
      [
        'asked by',
        [`${quoteText(requestedBy.name, textCharsMax)} (${requestedBy.credential})`, ...said].join(', '),
      ],
      ['asked', found.createdAt],
      ['until', found.expiresAt],
      ...(found.settled === null ? [] : [['settled', settledLine(found.settled)]]),
      ['digest', found.digest],
      ['payload digest', found.payloadDigest],
    ]),
    isDecoded ? 'does, as this program decodes its bytes too:' : 'did, in the signer’s words:',
    ...found.effects.map((line) => `  ${line}`),
    // Long texts are cut above: what is signed stands here whole.
    ...(found.payload === null ? [] : [`payload: ${JSON.stringify(found.payload, null, 2)}`]),
    ...(found.outcome === null ? [] : [`policy says: ${found.outcome}`]),
    ...found.reasons.map((reason) => `  - ${reason}`),
    ...found.needs.map(
      ({ layer, rule, group, needed, have, eligible }) =>
        `needs ${needed} of ${group} (${layer}:${rule}), has ${have}; may approve: ${eligible.join(', ') || 'nobody'}`,
    ),
    ...found.votes.map(
      ({ credential, at, counts }) =>
        `approved by ${credential} at ${at}${counts ? '' : ', which does not count now'}`,
    ),
  ]
}

function settledLine({ at, by, reason }: NonNullable<Approval['settled']>): string {
  return [at, by === null ? '' : `by ${by}`, reason === null ? '' : quoteText(reason, textCharsMax)]
    .filter((part) => part !== '')
    .join(' ')
}
