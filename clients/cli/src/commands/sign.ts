import { encodeHex, type Hex } from '@countersign/bytes'
import type { TransactionRequest } from '@countersign/sdk'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type RequestOptions, requestOf, requestOptions, wholeNumber } from '../command.ts'
import { readBytesFile, readJsonFile } from '../settings.ts'
import { addSignChainCommands } from './sign-chains.ts'

interface ForWallet extends RequestOptions {
  readonly wallet: string
}

export function addSignCommands(program: Command): void {
  const sign = program.command('sign').description('ask a wallet for a signature')
  addMessage(sign)
  addTypedData(sign)
  addTransaction(sign)
  addAuthorization(sign)
  addRaw(sign)
  addSignChainCommands(sign)
  addSend(program)
}

function forWallet(command: Command): Command {
  return requestOptions(command.requiredOption('--wallet <id>', 'the wallet that signs'))
}

function addMessage(sign: Command): void {
  const command = forWallet(sign.command('message'))
    .argument('[text]', 'the message; or give --file or --hex')
    .option('--file <file>', 'the message as the bytes of a file')
    .option('--hex <hex>', 'the message as bytes')
    .description('EVM: personal_sign (EIP-191); SOLANA: the text as it is')
  type Options = ForWallet & { file?: string; hex?: Hex }
  act(command, async ({ output, client }, options: Options, text: string | undefined) => {
    const { body, call } = requestOf(options)
    const message = messageOf(text, options)
    const answer = await client().signMessage({ walletId: options.wallet, message, ...body }, call)
    output.result(answer, () => [answer.signature])
    return undefined
  })
}

function messageOf(
  text: string | undefined,
  { file, hex }: { file?: string; hex?: Hex },
): string | { raw: Hex } {
  if ([text, file, hex].filter((given) => given !== undefined).length !== 1) {
    throw cliError('CLI_USAGE', 'Give exactly one of text, --file and --hex.')
  }
  if (file !== undefined) return { raw: encodeHex(readBytesFile(file)) }
  return hex === undefined ? (text as string) : { raw: hex }
}

function addTypedData(sign: Command): void {
  const command = forWallet(sign.command('typed-data'))
    .argument('<file>', 'JSON with domain, types, primaryType and message')
    .description('EIP-712')
  act(command, async ({ output, client }, options: ForWallet, file: string) => {
    const { body, call } = requestOf(options)
    const typedData = readJsonFile<unknown>(file)
    const answer = await client().signTypedData({ walletId: options.wallet, typedData, ...body }, call)
    output.result(answer, () => [answer.signature])
    return undefined
  })
}

function addTransaction(sign: Command): void {
  const command = forWallet(sign.command('transaction'))
    .argument('[unsigned]', '0x…, the unsigned transaction in its wire encoding; or give --file')
    .option('--file <file>', 'a transaction request as JSON; the engine fills in nonce, gas and prices')
    .option('--max-fee <wei>', 'with --file: the most that the fee may be')
    .description('sign a transaction without sending it')
  type Options = ForWallet & { file?: string; maxFee?: string }
  act(command, async ({ output, client }, options: Options, unsigned: string | undefined) => {
    const { wallet: walletId, file, maxFee } = options
    if ((unsigned === undefined) === (file === undefined)) {
      throw cliError('CLI_USAGE', 'Give either the unsigned transaction or --file.')
    }
    const { body, call } = requestOf(options)
    const payload =
      file === undefined
        ? { unsignedTransaction: unsigned as Hex }
        : {
            transaction: readJsonFile<TransactionRequest>(file),
            ...(maxFee === undefined ? {} : { maxFeeMinor: maxFee }),
          }
    const answer = await client().signTransaction({ walletId, ...payload, ...body }, call)
    output.result(answer, () => [answer.signedTransaction])
    return undefined
  })
}

function addAuthorization(sign: Command): void {
  const command = forWallet(sign.command('authorization'))
    .requiredOption('--contract <address>', 'whose code the account is to run')
    .requiredOption('--chain <number>', '0: every chain', wholeNumber)
    .requiredOption('--nonce <number>', 'the account’s nonce at which it holds', wholeNumber)
    .description('EIP-7702')
  type Options = ForWallet & { contract: Hex; chain: number; nonce: number }
  act(command, async ({ output, client }, options: Options) => {
    const { body, call } = requestOf(options)
    const { wallet: walletId, contract: contractAddress, chain: chainId, nonce } = options
    const answer = await client().signAuthorization(
      { walletId, contractAddress, chainId, nonce, ...body },
      call,
    )
    output.result(answer, () => [answer.signature])
    return undefined
  })
}

function addRaw(sign: Command): void {
  const command = forWallet(sign.command('raw'))
    .argument('<hex>', 'a 32-byte digest; with --data the bytes that an Ed25519 key signs')
    .option('--data', 'the argument is a message, not a digest')
    .description('a signature that says nothing of what it means: refused unless a rule names it')
  type Options = ForWallet & { data?: boolean }
  act(command, async ({ output, client }, options: Options, hex: string) => {
    const { body, call } = requestOf(options)
    const payload = options.data === true ? { data: hex as Hex } : { digest: hex as Hex }
    const answer = await client().signRaw({ walletId: options.wallet, ...payload, ...body }, call)
    output.result(answer, () => [answer.signature])
    return undefined
  })
}

interface SendOptions extends ForWallet {
  readonly chain: number
  readonly to?: Hex
  readonly value?: string
  readonly data?: Hex
  readonly gas?: string
  readonly maxFee?: string
  readonly wait: boolean
}

function addSend(program: Command): void {
  const command = forWallet(program.command('send'))
    .requiredOption('--chain <number>', 'EVM chain id', wholeNumber)
    .option('--to <address>', 'recipient or contract; none to deploy')
    .option('--value <wei>', 'in the smallest unit')
    .option('--data <hex>', 'calldata')
    .option('--gas <units>', 'gas limit; estimated where it is not given')
    .option('--max-fee <wei>', 'the most that the fee may be')
    .option('--no-wait', 'return once it is broadcast')
    .description('sign a transaction, broadcast it and follow it')
  act(command, async ({ output, client }, options: SendOptions) => {
    const { wallet: walletId, chain: chainId, maxFee } = options
    const { to, value, data, gas } = options
    const transaction = JSON.parse(JSON.stringify({ chainId, to, value, data, gas })) as TransactionRequest
    const { body, call } = requestOf(options)
    const countersign = client()
    const fee = maxFee === undefined ? {} : { maxFeeMinor: maxFee }
    const sent = await countersign.sendTransaction({ walletId, transaction, ...fee, ...body }, call)
    output.note(`${sent.id} broadcast as ${sent.hash}`)
    const last = options.wait ? await countersign.waitForTransaction(sent.id) : sent
    output.result(last, () => [`${last.id} ${last.status} ${last.hash}`])
    return last.status === 'confirmed' || !options.wait ? 0 : 1
  })
}
