import { Command } from 'commander'
import { collect } from './command.ts'
import { addApprovalCommands } from './commands/approval.ts'
import { addBlastRadiusCommand } from './commands/blast-radius.ts'
import { addBookCommands } from './commands/book.ts'
import { addChangeCommands } from './commands/change.ts'
import { addCredentialCommands } from './commands/credential.ts'
import { addDevCommand } from './commands/dev.ts'
import { addFactCommands } from './commands/fact.ts'
import { addFreezeCommands } from './commands/freeze.ts'
import { addGrantCommands } from './commands/grant.ts'
import { addInitCommand } from './commands/init.ts'
import { addJournalCommands } from './commands/journal.ts'
import { addOrganisationCommands } from './commands/organisation.ts'
import { addPolicyCommands } from './commands/policy.ts'
import { addProcessCommands } from './commands/processes.ts'
import { addQuorumCommands } from './commands/quorum.ts'
import { addSignCommands } from './commands/sign.ts'
import { addWalletCommands } from './commands/wallet.ts'
import { addWalletGroupCommands } from './commands/wallet-group.ts'
import { addWitnessCommands } from './commands/witness.ts'
import { exitCodesHelp } from './exit-codes.ts'

const settingsHelp = `
Settings: an option wins over the environment (COUNTERSIGN_URL, COUNTERSIGN_CREDENTIAL, COUNTERSIGN_AUDIENCE),
that over .countersign/config.json in this folder, that over the one in the home folder.`

/** The command line as a whole: every command adds itself. */
export function createProgram(version: string): Command {
  const program = new Command('countersign')
    .description('Server-side wallet signing: keys, policy and journal in a signer of your own.')
    .version(version)
    .option('--url <url>', 'the engine, for example http://127.0.0.1:8720')
    .option('--credential <file>', 'signs the requests; give it again for every member of a quorum', collect)
    .option('--json', 'exactly one JSON value on standard output')
    .showHelpAfterError('(add --help for the options of this command)')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', `${settingsHelp}\n${exitCodesHelp}`)
  addDevCommand(program)
  addInitCommand(program)
  addProcessCommands(program)
  addCredentialCommands(program)
  addPolicyCommands(program)
  addWalletCommands(program)
  addSignCommands(program)
  addApprovalCommands(program)
  addFactCommands(program)
  addJournalCommands(program)
  addBlastRadiusCommand(program)
  addQuorumCommands(program)
  addChangeCommands(program)
  addOrganisationCommands(program)
  addBookCommands(program)
  addWalletGroupCommands(program)
  addFreezeCommands(program)
  addGrantCommands(program)
  addWitnessCommands(program)
  return program
}
