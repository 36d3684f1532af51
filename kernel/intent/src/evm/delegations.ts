import type { Address, ChainId, Hex } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import { parseAbiFunction } from '../abi-signature.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import { acting, batchItemsMax, type Call, decodeParameters, knownCalls } from './call.ts'
import { unrollExecution } from './execution.ts'

/**
 * ERC-7710 with the permission contexts of MetaMask's Delegation Framework, at every contract: the batch names it.
 * @see DelegationManager.sol, redeemDelegations */
export const delegationCalls = knownCalls([
  ['redeemDelegations(bytes[] permissionContexts, bytes32[] modes, bytes[] executionCallDatas)', redeem],
])

const context = parseAbiFunction(
  'context((address delegate, address delegator, bytes32 authority, (address enforcer, bytes terms, bytes args)[] caveats, uint256 salt, bytes signature)[] delegations)',
)

interface RedeemedDelegation {
  readonly delegator: Address
  readonly caveats: readonly { readonly enforcer: Address; readonly args: Hex }[]
}

function redeem(args: AbiArguments, call: Call): Effect[] | string {
  const contexts = args.permissionContexts as readonly Hex[]
  const modes = args.modes as readonly Hex[]
  const executions = args.executionCallDatas as readonly Hex[]
  if (contexts.length !== modes.length || contexts.length !== executions.length) {
    return 'Its lists are not of one length.'
  }
  if (contexts.length > batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
  const { chain, contract } = call
  const effects: Effect[] = []
  let calls = 0
  for (let i = 0; i < contexts.length; i++) {
    const delegations = delegationsOf(contexts[i] as Hex)
    // From leaf to root: the root's delegator acts. Without delegations it is whoever calls.
    const root = delegations.at(-1)
    const account = root === undefined ? call.account : root.delegator
    const [mode, data] = [modes[i] as Hex, executions[i] as Hex]
    const executed = unrollExecution({ chain, contract, account, self: account, mode, data }, call.unroll)
    if (typeof executed === 'string') return executed
    calls += executed.calls
    effects.push(...executed.effects, ...enforcerArguments(chain, account, delegations))
  }
  return [batchOf(call, 'delegation-redemption', calls), ...effects]
}

function delegationsOf(permissionContext: Hex): readonly RedeemedDelegation[] {
  return decodeParameters(context, permissionContext).delegations as unknown as readonly RedeemedDelegation[]
}

/** Some enforcers act on what the redeemer gives them: a payment, a further delegation. */
function enforcerArguments(
  chain: ChainId,
  account: Address | undefined,
  delegations: readonly RedeemedDelegation[],
): Effect[] {
  const reason = 'Arguments for a caveat enforcer are not decoded.'
  return delegations
    .flatMap((delegation) => delegation.caveats)
    .filter(({ args }) => args.length > 2)
    .map(({ enforcer, args }) => ({
      kind: 'unknown-calldata',
      ...acting(account),
      chain,
      contract: enforcer,
      calldata: args,
      reason,
    }))
}
