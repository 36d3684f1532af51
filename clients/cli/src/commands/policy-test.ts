import { parseJson } from '@countersign/bytes'
import { type PolicyTestReport, parsePolicy, runPolicyTests } from '@countersign/policy'
import type { Command } from 'commander'
import { act } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { readTextFile } from '../settings.ts'

export function addPolicyTest(policy: Command): void {
  const command = policy
    .command('test')
    .argument('<policy>', 'a policy file')
    .argument('<tests>', 'a file of cases: what it must permit, refuse, and let wait for approval')
    .description('decide every case on this machine and compare; exit code 1 where one is not as expected')
  act(command, ({ output }, _options: object, policyFile: string, testFile: string) => {
    const parsed = parsePolicy(parseJson(readTextFile(policyFile)))
    const report = runPolicyTests(parsed, parseJson(readTextFile(testFile)), { nowMs: Date.now() })
    output.result(report, () => linesOf(report))
    return report.failed === 0 ? exitCodes.ok : exitCodes.error
  })
}

function linesOf({ passed, failed, cases }: PolicyTestReport): string[] {
  const lines = cases.flatMap(({ name, passed: isFine, problems, decision }) =>
    isFine
      ? [`ok      ${name}`]
      : [
          `FAILED  ${name}`,
          ...problems.map((problem) => `  ${problem}`),
          ...decision.map((line) => `    ${line}`),
        ],
  )
  return [...lines, `${passed} of ${passed + failed} cases are as expected`]
}
