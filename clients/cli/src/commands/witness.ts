import { parseDelay, parseNoteKey } from '@countersign/wire'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context, collect, wholeNumber } from '../command.ts'
import { type Settings, urlOf } from '../settings.ts'
import { cosignOnce } from '../witness/cosign.ts'
import { serveWitness } from '../witness/serve.ts'
import { createWitness, openWitness } from '../witness/witness.ts'

const defaultPort = 8724

export function addWitnessCommands(program: Command): void {
  const witness = program
    .command('witness')
    .description('see a journal’s checkpoints, and cosign only what continues them (C2SP tlog-witness)')
  addInit(witness)
  addCosign(witness)
  addServe(witness)
  addEvidence(witness)
}

function addInit(witness: Command): void {
  const command = witness
    .command('init')
    .argument('<folder>', 'of the witness: its key and what it has seen')
    .requiredOption('--name <name>', 'a name like a URL without its scheme, for example witness.example/w1')
    .description('make a witness, and print the key that signers and readers are told')
  act(command, ({ output }, { name }: { name: string }, folder: string) => {
    const { verifierKey } = createWitness(folder, name)
    output.result({ folder, key: verifierKey }, () => [verifierKey])
    return undefined
  })
}

function addCosign(witness: Command): void {
  const command = witness
    .command('cosign')
    .argument('<folder>', 'of the witness')
    .requiredOption('--log <key>', 'the journal’s verifier key, as `countersign journal key` prints it')
    .option('--every <time>', 'go on, with such a pause, for example 30s; otherwise once')
    .description(
      'look at the journal behind --url, cosign it and hand the cosignature in; exit code 4 for a rollback',
    )
  act(command, async (context, { log, every }: { log: string; every?: string }, folder: string) => {
    const everyMs = every === undefined ? undefined : parseDelay(every)
    if (every !== undefined && (everyMs === undefined || everyMs < 1_000)) {
      throw cliError('CLI_USAGE', `--every ${every} is not a time of a second or more, for example 30s.`)
    }
    return cosign(context, { folder, log, everyMs })
  })
}

async function cosign(
  { output, settings }: Context,
  { folder, log, everyMs }: { folder: string; log: string; everyMs: number | undefined },
): Promise<number | undefined> {
  const key = parseNoteKey(log)
  const witness = openWitness({ folder, logs: [key], onMisbehaviour: (why) => output.note(`ALARM: ${why}`) })
  checkLog(key.name, settings)
  const from = { url: urlOf(settings), log: key }
  try {
    for (;;) {
      try {
        const done = await cosignOnce(witness, from)
        output.result(done, () => [
          `Cosigned ${done.size} entries, which continue the ${done.from} seen before.`,
        ])
      } catch (error) {
        if (everyMs === undefined) throw error
        // A witness that watches goes on: the next checkpoint may continue what it knows, and until then it signs nothing.
        output.error(error)
      }
      if (everyMs === undefined) return undefined
      await new Promise((next) => setTimeout(next, everyMs))
    }
  } finally {
    witness.close()
  }
}

/** Told apart before a witness looks at the wrong one. */
function checkLog(name: string, { audience }: Settings): void {
  const [, found] = /^countersign\/(sgn_[0-9a-f]{32})$/.exec(name) ?? []
  if (found === undefined) throw cliError('CLI_USAGE', `${name} is not the name of a Countersign journal.`)
  if (audience !== undefined && audience !== found) {
    throw cliError('CLI_USAGE', `The log is ${found}; the configured signer is ${audience}.`)
  }
}

function addServe(witness: Command): void {
  const command = witness
    .command('serve')
    .argument('<folder>', 'of the witness')
    .requiredOption(
      '--log <key>',
      'verifier key of a log that it witnesses; give it again for several',
      collect,
    )
    .option('--host <host>', 'address to listen at', '127.0.0.1')
    .option('--port <port>', '0: any that is free', wholeNumber, defaultPort)
    .description('answer POST /add-checkpoint as C2SP tlog-witness has it, until it is told to stop')
  type Options = { log: string[]; host: string; port: number }
  act(command, async ({ output }, { log, host, port }: Options, folder: string) => {
    const logs = log.map(parseNoteKey)
    const onMisbehaviour = (why: string) => output.note(`ALARM: ${why}`)
    const opened = openWitness({ folder, logs, onMisbehaviour })
    const served = await serveWitness(opened, { host, port })
    const told = new Promise<void>((stop) => {
      process.once('SIGINT', () => stop())
      process.once('SIGTERM', () => stop())
    })
    output.result({ ready: true, url: served.url, key: opened.verifierKey }, () => [
      `The witness ${opened.key.name} listens at ${served.url}`,
    ])
    await told
    await served.close()
    opened.close()
    return undefined
  })
}

function addEvidence(witness: Command): void {
  const command = witness
    .command('evidence')
    .argument('<folder>', 'of the witness')
    .description(
      'pairs of checkpoints that a log has signed and that cannot both be true; exit code 4 if there are any',
    )
  act(command, ({ output }, _options: object, folder: string) => {
    const opened = openWitness({ folder, logs: [] })
    const found = opened.evidence()
    opened.close()
    output.result({ evidence: found }, () =>
      found.length === 0
        ? ['None.']
        : found.flatMap(({ at, why, note, seen }) => [`${at} ${why}`, seen, note]),
    )
    return found.length === 0 ? undefined : 4
  })
}
