import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { decodeBase64, decodeHex, encodeBase64, type SolanaAddress } from '@countersign/bytes'
import { parsePolicy } from '@countersign/policy'
import { CountersignRefused, type NewWallet, signPsbt, type Wallet } from '@countersign/sdk'
import { Address, NETWORK, OutScript, p2tr, p2wpkh, Transaction } from '@scure/btc-signer'
import {
  address,
  createNoopSigner,
  getBase58Encoder,
  getBase64Encoder,
  getPublicKeyFromAddress,
  getTransactionDecoder,
  type SignatureBytes,
  verifySignature,
} from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import { type Hex, hashMessage, recoverAddress } from 'viem'
import { entryPoint07Address, getUserOperationHash } from 'viem/account-abstraction'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliResult, runCli } from '../../clients/cli/src/testing/run-cli.ts'
import { psbtOf } from '../../kernel/intent/testing/bitcoin-psbts.ts'
import { kitMessage } from '../../kernel/intent/testing/solana-messages.ts'
import { listBlocks, listSnippets } from '../house/snippets.ts'
import { type Deployment, startDeployment } from './deployment.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = join(root, '.cache', `chains-${process.pid}`)
const document = readFileSync(join(root, 'docs/chains.md'), 'utf8')
const snippets = listSnippets(document)
const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const solanaPayee = 'CVDFLCAjXhVWiPXH9nTCTpCgVzmDVoiPzNJYuccr1dqB'
const bitcoinPayee = OutScript.encode(Address(NETWORK).decode('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'))
const account = '0x8888888888888888888888888888888888888888'

const userOperations = {
  version: 1,
  id: 'operations',
  rules: [
    { id: 'envelope', action: 'permit', effects: ['user-operation', 'batch'], when: { account: [account] } },
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { account: [account], recipient: ['0x70997970c51812dc3a010c7d01b50e0d17dc79c8'] },
      limits: [{ id: 'day', amount: '1000', asset: 'eip155:8453/slip44:60', window: { rolling: '24h' } }],
    },
    { id: 'fee', action: 'permit', effects: ['fee'], when: { account: [account] } },
  ],
}

let deployment: Deployment
beforeAll(async () => {
  deployment = await startDeployment()
  for (const policy of [jsonOf('solana-policy'), jsonOf('bitcoin-policy'), userOperations]) {
    parsePolicy(policy)
    const { id } = policy as { id: string }
    await deployment.admin.policies.put({ id, policy, expected: null })
  }
  mkdirSync(folder, { recursive: true })
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await deployment.stop()
})

it('marks every code block of docs/chains.md', () => {
  const unmarked = listBlocks(document).filter(
    ({ mark }) => !/^<!-- (?:run: [a-z0-9-]+|shown: .{10,}) -->$/.test(mark),
  )
  expect(unmarked).toEqual([])
})

describe('Solana', () => {
  let wallet: Wallet
  beforeAll(async () => {
    wallet = await create({ type: 'SOLANA', policy: 'solana-payroll' })
  })

  it('signs through @solana/kit as docs/chains.md shows, and refuses what is over the limit', async () => {
    const without = [
      ["const rpc = createSolanaRpc('https://api.mainnet-beta.solana.com')\n", ''],
      [
        'const { value: blockhash } = await rpc.getLatestBlockhash().send()',
        `const blockhash = { blockhash: '${solanaPayee}' as never, lastValidBlockHeight: 1n }`,
      ],
    ] as const
    const [id, wire] = (await runSnippet('solana-kit', wallet.id, without)).trim().split(' ')
    const transaction = getTransactionDecoder().decode(getBase64Encoder().encode(wire as string))
    const signature = new Uint8Array(getBase58Encoder().encode(id as string)) as SignatureBytes
    const key = await getPublicKeyFromAddress(address(wallet.address))
    expect(await verifySignature(key, signature, transaction.messageBytes)).toBe(true)

    const more = [...without, ['250_000_000n', '750_000_001n']] as const
    await expect(runSnippet('solana-kit', wallet.id, more)).rejects.toThrow(/limit day|POLICY_REFUSED/)
  })

  it('is one wallet of one network for CLI and engine', async () => {
    const made = await cli(
      'wallet',
      'create',
      '--type',
      'SOLANA',
      '--chain',
      devnet,
      '--policy',
      'solana-payroll',
    )
    expect(made.json()).toMatchObject({ type: 'SOLANA', chains: [devnet] })
    const { id, address: own } = made.json<Wallet>()
    expect((await cli('wallet', 'get', id)).json()).toMatchObject({ chains: [devnet] })
    const wrong = await cli('wallet', 'create', '--type', 'BITCOIN', '--chain', devnet)
    expect(wrong.code).not.toBe(0)
    expect(wrong.json<{ error: { code: string } }>().error.code).toBe('SIGNER_WALLET_CHAIN')

    // The policy is about the main network: for the same message it covers the one wallet, and not the other.
    const refused = await cli('sign', 'solana', messageOf(own), '--wallet', id)
    expect(refused.json<{ error: { code: string } }>().error.code).toBe('POLICY_REFUSED')
    const signed = await cli('sign', 'solana', messageOf(wallet.address), '--wallet', wallet.id)
    expect(signed.code).toBe(0)
    const { signedTransaction } = signed.json<{ signedTransaction: string }>()
    const transaction = getTransactionDecoder().decode(decodeBase64(signedTransaction))
    expect(encodeBase64(new Uint8Array(transaction.messageBytes))).toBe(messageOf(wallet.address))
  })

  it('has no transactions that the engine prepares', async () => {
    const transaction = { chainId: 1, to: account } as const
    await expect(
      deployment.agent.signTransaction({ walletId: wallet.id, transaction }),
    ).rejects.toMatchObject({ code: 'WIRE_INVALID_BODY' })
  })
})

describe('Bitcoin', () => {
  it.each(['p2wpkh', 'p2tr'] as const)('signs a PSBT of a %s wallet, by SDK and CLI', async (form) => {
    const made = await cli(
      'wallet',
      'create',
      '--type',
      'BITCOIN',
      '--form',
      form,
      '--policy',
      'bitcoin-payroll',
    )
    const wallet = made.json<Wallet>()
    expect(wallet).toMatchObject({ type: 'BITCOIN', form })
    const pay = (amount: bigint) => paymentOf(wallet, amount)
    const path = join(folder, 'payment.psbt')
    writeFileSync(path, pay(400_000n))
    const [txid, transaction] = (
      await runSnippet('bitcoin-psbt', wallet.id, [["'payment.psbt'", JSON.stringify(path)]])
    )
      .trim()
      .split(' ')
    expect(Transaction.fromRaw(decodeHex(transaction), { allowUnknownOutputs: true }).id).toBe(txid)

    writeFileSync(path, encodeBase64(pay(600_000n)))
    const signed = await cli('sign', 'psbt', path, '--wallet', wallet.id)
    const answer = signed.json<{ psbt: string; transaction: Hex; txid: string }>()
    const final = Transaction.fromPSBT(decodeBase64(answer.psbt), { allowUnknownOutputs: true })
    expect(final.extract()).toEqual(decodeHex(answer.transaction))
    expect(final.id).toBe(answer.txid)

    const { agent } = deployment
    await expect(signPsbt({ client: agent, wallet }, { psbt: pay(1n) })).rejects.toThrow(CountersignRefused)
  })
})

describe('user operations', () => {
  it('sign as docs/chains.md shows, and by the CLI', async () => {
    const wallet = await create({ type: 'EVM', policy: 'operations' })
    const signature = (await runSnippet('user-operation', wallet.id, [])).trim() as Hex
    const callData = `0xb61d27f600000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8${(1000).toString(16).padStart(64, '0')}${'60'.padStart(64, '0')}${'0'.repeat(64)}`
    const operation = {
      sender: account,
      nonce: '0x0',
      callData,
      callGasLimit: '60000',
      verificationGasLimit: '80000',
      preVerificationGas: '50000',
      maxFeePerGas: '1000000',
      maxPriorityFeePerGas: '1000',
    }
    const hash = getUserOperationHash({
      chainId: 8453,
      entryPointAddress: entryPoint07Address,
      entryPointVersion: '0.7',
      userOperation: {
        sender: account,
        nonce: 0n,
        callData: callData as Hex,
        callGasLimit: 60_000n,
        verificationGasLimit: 80_000n,
        preVerificationGas: 50_000n,
        maxFeePerGas: 1_000_000n,
        maxPriorityFeePerGas: 1_000n,
        signature: '0x',
      },
    })
    expect(await recoverAddress({ hash: hashMessage({ raw: hash }), signature })).toBe(wallet.address)

    // The day's thousand is spent; the next operation moves nothing.
    const path = join(folder, 'operation.json')
    const ask = () =>
      cli(
        ...['sign', 'user-operation', path, '--wallet', wallet.id],
        ...['--entry-point', entryPoint07Address, '--chain', '8453'],
      )
    writeFileSync(path, JSON.stringify(operation))
    expect((await ask()).json<{ error: { code: string } }>().error.code).toBe('POLICY_REFUSED')
    const nothing = callData.replace((1000).toString(16).padStart(64, '0'), '0'.repeat(64))
    writeFileSync(path, JSON.stringify({ ...operation, callData: nothing }))
    const signed = await ask()
    expect(signed.code).toBe(0)
    expect(signed.json()).toMatchObject({ userOpHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) })
  })
})

function create(wallet: NewWallet): Promise<Wallet> {
  return deployment.admin.wallets.create(wallet)
}

function cli(...args: string[]): Promise<CliResult> {
  const env = { COUNTERSIGN_URL: deployment.url, COUNTERSIGN_CREDENTIAL: deployment.paths.agentFile }
  return runCli([...args, '--json'], { cwd: folder, env })
}

function messageOf(own: string): string {
  const source = createNoopSigner(address(own))
  const transfer = getTransferSolInstruction({ source, destination: address(solanaPayee), amount: 1n })
  return encodeBase64(kitMessage([transfer], { feePayer: own as SolanaAddress }))
}

function paymentOf({ publicKey, form }: Wallet, amount: bigint): Uint8Array {
  const key = decodeHex(publicKey)
  const internalKey = key.slice(1)
  const script = form === 'p2tr' ? p2tr(internalKey).script : p2wpkh(key).script
  const spends = [{ script, amount: 2_000_000n, proof: 'both', internalKey } as const]
  const change = 2_000_000n - amount - 500n
  return psbtOf(spends, [
    { script: bitcoinPayee, amount },
    { script, amount: change },
  ]).psbt
}

function jsonOf(name: string): { readonly id: string } {
  return JSON.parse(textOf(name)) as { id: string }
}

function textOf(name: string): string {
  const snippet = snippets.find((candidate) => candidate.name === name)
  if (snippet === undefined) throw new Error(`docs/chains.md has no snippet ${name}.`)
  return snippet.text
}

async function runSnippet(
  name: string,
  walletId: string,
  changes: readonly (readonly [string, string])[],
): Promise<string> {
  const placeholders = [
    ['http://127.0.0.1:8720', deployment.url],
    ['sgn_…', deployment.audience],
    ['wal_…', walletId],
    ["'agent.json'", JSON.stringify(deployment.paths.agentFile)],
  ] as const
  let text = textOf(name)
  for (const [from, to] of [...changes, ...placeholders]) {
    expect(text, `${name} has ${from}`).toContain(from)
    text = text.replaceAll(from, to)
  }
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, text)
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root, timeout: 60_000 })
  return stdout
}
