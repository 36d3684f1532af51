/**
 * The main job, from nothing to a mined transaction, and four requests that must not be signed.
 * Exits 0 only if all of it held. Nothing is left behind.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checksumAddress, decodeHex, parseAddress } from '@countersign/bytes'
import {
  type CountersignClient,
  CountersignRefused,
  calls,
  carriedOut,
  createCountersignClient,
} from '@countersign/sdk'
import { createCredentialFile, credentialFromFile } from '@countersign/sdk/node'
import { verifyReceipt, verifyReceiptInclusion } from '@countersign/wire'
import { createPublicClient, createTestClient, formatEther, http, parseEther } from 'viem'
import { startLocalChain } from '../../clients/cli/src/anvil.ts'
import { type StartedProcess, startDaemon } from '../../clients/cli/src/child-process.ts'
import { engineEntry, signerEntry } from '../../clients/cli/src/daemons.ts'
import {
  generateAdmins,
  generateSecret,
  initSigner,
  writeConfigs,
} from '../../clients/cli/src/found-deployment.ts'
import { fetchJournal, openCheckpoint, verifyJournal } from '../../clients/cli/src/verify-journal.ts'

const alice = checksumAddress(parseAddress('0x70997970c51812dc3a010c7d01b50e0d17dc79c8'))
const bob = checksumAddress(parseAddress('0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc'))
const stranger = checksumAddress(parseAddress('0x90f79bf6eb2c4f870365e785982e1f101e93b906'))

const startedAtMs = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'countersign-quickstart-'))
const processes: StartedProcess[] = []
let failures = 0

try {
  await story()
} catch (error) {
  failures++
  say(`\nIt did not hold: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
} finally {
  // The engine first, so that nothing is asked of a signer that is going.
  for (const process of processes.reverse()) await process.stop()
  rmSync(folder, { recursive: true, force: true })
}
const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
say(
  failures === 0
    ? `\nAll of it held, in ${seconds} s. Everything was stopped and removed.`
    : `\n${failures} of the checks did not hold.`,
)
process.exitCode = failures === 0 ? 0 : 1

async function story(): Promise<void> {
  title('1. Three processes, and who holds what')
  const chain = await startLocalChain()
  processes.push(chain.process)
  say(`anvil   a local chain, eip155:${chain.chainId} at ${chain.url}`)
  const credentials = join(folder, 'credentials')
  const [made] = await generateAdmins(credentials, 1)
  if (made === undefined) throw new Error('no admin was made')
  const files = writeConfigs(folder, {
    admins: [made.admin],
    quorum: 1,
    backend: 'file',
    port: 0,
    chains: [{ id: `eip155:${chain.chainId}`, rpc: chain.url }],
  })
  const secret = generateSecret(join(folder, 'secret'))
  const { audience } = await initSigner(files.signerConfig, secret)
  const signer = await startDaemon({
    name: 'signer',
    command: process.execPath,
    args: [signerEntry(), 'run', '--config', files.signerConfig],
    env: { WALLET_KEY_ENCRYPTION_SECRET: secret },
  })
  processes.push(signer)
  say(
    `signer  process ${signer.pid}: keys, policies, spending windows, journal; reachable by a unix socket only`,
  )
  say(`        its name is ${audience}, which is a fingerprint of its journal key`)
  const engine = await startDaemon({
    name: 'engine',
    command: process.execPath,
    args: [engineEntry(), '--config', files.engineConfig],
  })
  processes.push(engine)
  const url = String(engine.ready.url)
  say(`engine  process ${engine.pid}: ${url}, its own Postgres; holds no key and no credential`)

  title('2. An admin, an agent, a policy, a wallet')
  const admin = createCountersignClient({ url, audience, credential: await credentialFromFile(made.file) })
  const agentCredential = await createCredentialFile(join(credentials, 'agent.json'))
  const added = await admin.credentials.create({
    algorithm: agentCredential.algorithm,
    publicKey: agentCredential.publicKey,
    role: 'agent',
    name: 'payroll agent',
    attribution: { agent: 'payroll', operator: 'quickstart' },
  })
  const { id: agentId } = carriedOut(added)
  say(`admin   ${made.admin.name}: alone the quorum of this deployment (real ones take 2 of 3)`)
  say(`agent   ${agentId}: a P-256 key; its requests are signed, so the engine cannot make any up`)
  const policy = payrollPolicy(`eip155:${chain.chainId}`, agentId)
  await admin.policies.put({ id: policy.id, policy, expected: null })
  say('policy  0.5 ETH in any 24 hours to Alice and Bob, fees up to 0.01 ETH in the same time. Nothing else.')
  const wallet = await admin.wallets.create({ type: 'EVM', policy: policy.id })
  const agent = createCountersignClient({ url, audience, credential: agentCredential })
  say(`wallet  ${wallet.id} at ${wallet.address}`)

  title('3. A payment: asked for, decided, journalled, signed, mined')
  const address = parseAddress(wallet.address)
  const node = createPublicClient({ transport: http(chain.url) })
  const money = createTestClient({ mode: 'anvil', transport: http(chain.url) })
  await money.setBalance({ address, value: parseEther('10') })
  const before = await node.getBalance({ address: alice })
  const pay = {
    walletId: wallet.id,
    transaction: { chainId: chain.chainId, to: alice, value: parseEther('0.3') },
    maxFeeMinor: parseEther('0.005'),
  }
  const sent = await agent.sendTransaction(pay, { requestId: 'quickstart-salary-november' })
  const mined = await agent.waitForTransaction(sent.id)
  const receipt = await agent.receipts.get('quickstart-salary-november')
  say(`0.3 ETH to Alice: ${mined.hash}, ${mined.status} in block ${mined.blockNumber ?? '?'}`)
  check(
    'Alice has 0.3 ETH more on the chain',
    (await node.getBalance({ address: alice })) - before === parseEther('0.3'),
  )
  check(
    'the receipt says who asked, and by which rules',
    receipt.entry.credential === agentId && Array.isArray(receipt.entry.rules),
  )
  say(
    `receipt: journal entry ${receipt.index}, asked by ${agentId}, rules ${(receipt.entry.rules as string[]).join(', ')}`,
  )

  title('4. Four requests that must not be signed')
  const nonceBefore = await node.getTransactionCount({ address })
  const strangerBefore = await node.getBalance({ address: stranger })
  await refused('To somebody whom the policy does not name', 'POLICY_REFUSED', () =>
    agent.sendTransaction({
      walletId: wallet.id,
      transaction: { chainId: chain.chainId, to: stranger, value: parseEther('0.1') },
    }),
  )
  await refused('0.3 ETH more to Bob, when the window has 0.2 left', 'POLICY_REFUSED', () =>
    agent.sendTransaction({
      walletId: wallet.id,
      transaction: { chainId: chain.chainId, to: bob, value: parseEther('0.3') },
    }),
  )
  await refused('A bare digest, which could be any transaction', 'POLICY_REFUSED', () =>
    agent.signRaw({ walletId: wallet.id, digest: `0x${'5a'.repeat(32)}` }),
  )
  await refused('A request that was answered before, played again byte for byte', 'WIRE_NONCE_REPLAYED', () =>
    replay(agent, wallet.id),
  )
  check('the wallet has sent nothing more', (await node.getTransactionCount({ address })) === nonceBefore)
  check(
    'the stranger has what it had before',
    (await node.getBalance({ address: stranger })) === strangerBefore,
  )

  title('5. The evidence, verified offline')
  const journal = await fetchJournal(admin)
  const verified = verifyJournal(journal, { audience })
  say(`journal: ${verified.size} entries hash to the checkpoint that ${audience} signed`)
  say(
    `         ${Object.entries(verified.counts)
      .map(([type, count]) => `${count} ${type}`)
      .join(', ')}`,
  )
  check('the journal holds exactly the signatures that were given', verified.counts.signed === 2)
  check('and the three refusals by policy', verified.counts.refused === 3)
  const journalKey = decodeHex(journal.journalKey)
  check('the receipt’s proof holds', verifyReceipt(receipt, { journalKey }).valid)
  const forged = { ...receipt, entry: { ...receipt.entry, credential: made.admin.name } }
  check('a forged receipt’s does not', !verifyReceipt(forged, { journalKey }).valid)
  const checkpoint = openCheckpoint(journal.checkpoint, journal.journalKey, audience)
  const proof = await agent.journal.proof({ index: receipt.index, size: checkpoint.size })
  check(
    'its entry is in the journal as it stands now too',
    verifyReceiptInclusion(receipt, proof, { journalKey, checkpoint }).valid,
  )

  title('6. What this deployment is worth')
  await custody(agent, wallet.id)
}

function payrollPolicy(chain: string, agentId: string) {
  const ether = `${chain}/slip44:60`
  return {
    version: 1,
    id: 'payroll',
    name: 'Payroll: 0.5 ETH a day to two people',
    rules: [
      {
        id: 'salaries',
        action: 'permit',
        who: { credentials: [agentId] },
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [alice, bob] },
        limits: [
          { id: 'daily', amount: String(parseEther('0.5')), asset: ether, window: { rolling: '24h' } },
        ],
      },
      {
        id: 'fees',
        action: 'permit',
        who: { credentials: [agentId] },
        effects: ['fee'],
        when: { chain: [chain], amount: { max: String(parseEther('0.01')) } },
        limits: [
          { id: 'daily', amount: String(parseEther('0.01')), asset: ether, window: { rolling: '24h' } },
        ],
      },
    ],
  }
}

/** A small payment is signed once; then somebody who has seen the request sends the same bytes again. */
async function replay(agent: CountersignClient, walletId: string): Promise<void> {
  const request = await agent.sign(
    calls.signTransaction({
      walletId,
      transaction: {
        chainId: 31337,
        to: bob,
        value: 1n,
        type: 2,
        nonce: 7,
        gas: 21_000,
        maxFeePerGas: 10n,
        maxPriorityFeePerGas: 1n,
      },
    }),
  )
  await agent.submit(request)
  await agent.submit(request)
}

async function refused(what: string, code: string, ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask()
  } catch (error) {
    const found = (error as { code?: string }).code
    check(`${what}: refused with ${code}`, found === code)
    if (error instanceof CountersignRefused) for (const reason of error.reasons()) say(`        ${reason}`)
    else say(`        ${(error as Error).message}`)
    return
  }
  check(`${what}: must be refused`, false)
}

interface CustodyStatement {
  readonly verdict: string
  readonly verdictReason: string
  readonly key: { readonly architecture: string; readonly fitForProduction: boolean }
  readonly ifOwned: readonly {
    readonly what: string
    readonly canMove: readonly string[]
    readonly bounds?: readonly { amountMinor: string }[]
  }[]
}

async function custody(agent: CountersignClient, walletId: string): Promise<void> {
  const { statement } = (await agent.custody.get(walletId)) as unknown as { statement: CustodyStatement }
  say(`${statement.verdict.toUpperCase()}: ${statement.verdictReason}`)
  say(
    `The key: ${statement.key.architecture}; ${statement.key.fitForProduction ? 'accepted' : 'refused'} where COUNTERSIGN_ENV=production.`,
  )
  for (const { what, canMove } of statement.ifOwned) {
    say(`If owned: ${what}`)
    for (const line of canMove) say(`        ${line}`)
  }
  const together = statement.ifOwned.at(-1)
  const amount = together?.bounds?.[0]?.amountMinor ?? '-1'
  check(
    `an owned engine with the agent’s key moves at most ${formatEther(BigInt(amount))} ETH in 24 hours`,
    BigInt(amount) === parseEther('0.51'),
  )
}

function check(what: string, held: boolean): void {
  if (!held) failures++
  say(`${held ? '  ✓' : '  ✗'} ${what}`)
}

function title(text: string): void {
  say(`\n${text}`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
