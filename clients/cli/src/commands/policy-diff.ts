import { describePolicyDiff, diffPolicies, type Exposure, type Policy } from '@countersign/policy'
import type { Command } from 'commander'
import { act } from '../command.ts'

/** @param readPolicy How the commands beside this one read a policy file. */
export function addPolicyDiff(policy: Command, readPolicy: (file: string) => Policy): void {
  const command = policy
    .command('diff')
    .argument('<before>', 'a policy file, or "none"')
    .argument('<after>', 'a policy file')
    .description(
      'what a change does: rules, whether it may loosen, and the most that can leave before and after',
    )
  act(command, ({ output }, _options: object, before: string, after: string) => {
    const diff = diffPolicies(before === 'none' ? undefined : readPolicy(before), readPolicy(after))
    const { added, removed, changed, loosens, exposure } = diff
    const json = {
      added,
      removed,
      changed,
      loosens,
      exposure: { before: jsonOf(exposure.before), after: jsonOf(exposure.after) },
    }
    output.result(json, () => describePolicyDiff(diff))
    return undefined
  })
}

function jsonOf({ bounded, assets, recipients, unbounded }: Exposure) {
  return {
    bounded,
    recipients,
    unbounded,
    assets: assets.map(({ asset, bounds }) => ({
      asset,
      bounds: bounds.map(({ amountMinor, windowMs }) => ({ amountMinor: String(amountMinor), windowMs })),
    })),
  }
}
