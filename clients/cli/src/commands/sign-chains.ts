import { encodeBase64, type Hex } from '@countersign/bytes'
import {
  signPsbt,
  signSolanaTransaction,
  signUserOperation,
  type TokenAccountHint,
  type UserOperationForm,
  type UserOperationRequest,
} from '@countersign/sdk'
import { userOperationForms } from '@countersign/wire'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type RequestOptions, requestOf, requestOptions, wholeNumber } from '../command.ts'
import { readBytesFile, readJsonFile } from '../settings.ts'

interface ForWallet extends RequestOptions {
  readonly wallet: string
}

/** What wallets of Solana and Bitcoin sign, and user operations; part of `countersign sign`. */
export function addSignChainCommands(sign: Command): void {
  addSolana(sign)
  addPsbt(sign)
  addUserOperation(sign)
}

function forWallet(command: Command): Command {
  return requestOptions(command.requiredOption('--wallet <id>', 'the wallet that signs'))
}

function addSolana(sign: Command): void {
  const command = forWallet(sign.command('solana'))
    .argument('[message]', 'the compiled message in base64; or give --file')
    .option('--file <file>', 'the message as the bytes of a file')
    .option('--tables <file>', 'JSON: by lookup table, the addresses that it holds, in their order')
    .option(
      '--token-account <owner:mint>',
      'whose an associated token account is; may be repeated',
      tokenAccount,
    )
    .description('sign a transaction of Solana')
  type Options = ForWallet & { file?: string; tables?: string; tokenAccount?: TokenAccountHint[] }
  act(command, async ({ output, client }, options: Options, text: string | undefined) => {
    const { file, tables, tokenAccount: tokenAccounts } = options
    if ((text === undefined) === (file === undefined))
      throw cliError('CLI_USAGE', 'Give either the message or --file.')
    const { body, call } = requestOf(options)
    const countersign = client()
    const wallet = await countersign.wallets.get(options.wallet)
    const answer = await signSolanaTransaction(
      { client: countersign, wallet },
      {
        message: file === undefined ? (text as string) : new Uint8Array(readBytesFile(file)),
        ...(tables === undefined ? {} : { lookupTables: readJsonFile<Record<string, string[]>>(tables) }),
        ...(tokenAccounts === undefined ? {} : { tokenAccounts }),
        ...body,
      },
      call,
    )
    output.result(answer, () => [answer.signedTransaction])
    return undefined
  })
}

function tokenAccount(value: string, before: readonly TokenAccountHint[] = []): TokenAccountHint[] {
  const [owner, mint, tokenProgram, ...more] = value.split(':')
  if (!owner || !mint || more.length > 0)
    throw new InvalidArgumentError('Not owner:mint or owner:mint:program.')
  return [...before, { owner, mint, ...(tokenProgram === undefined ? {} : { tokenProgram }) }]
}

function addPsbt(sign: Command): void {
  const command = forWallet(sign.command('psbt'))
    .argument('<file>', 'the PSBT, in binary or base64')
    .description('sign the wallet’s inputs of a PSBT')
  act(command, async ({ output, client }, options: ForWallet, file: string) => {
    const { body, call } = requestOf(options)
    const countersign = client()
    const wallet = await countersign.wallets.get(options.wallet)
    const signed = await signPsbt({ client: countersign, wallet }, { psbt: psbtOf(file), ...body }, call)
    const { transaction, txid, receipt } = signed
    const psbt = encodeBase64(signed.psbt)
    output.result({ psbt, transaction, txid, receipt }, () => [transaction?.slice(2) ?? psbt])
    return undefined
  })
}

const psbtMagic = [0x70, 0x73, 0x62, 0x74, 0xff]

function psbtOf(file: string): Uint8Array | string {
  const bytes = readBytesFile(file)
  if (psbtMagic.every((byte, i) => bytes[i] === byte)) return new Uint8Array(bytes)
  return new TextDecoder().decode(bytes).trim()
}

function addUserOperation(sign: Command): void {
  const command = forWallet(sign.command('user-operation'))
    .argument('<file>', 'JSON, as eth_sendUserOperation takes it')
    .requiredOption('--entry-point <address>', 'of ERC-4337 0.6, 0.7 or 0.8')
    .requiredOption('--chain <number>', 'EVM chain id', wholeNumber)
    .addOption(
      new Option('--form <form>', 'what the account recovers its owner from').choices([
        ...userOperationForms,
      ]),
    )
    .description('sign a user operation (ERC-4337)')
  type Options = ForWallet & { entryPoint: Hex; chain: number; form?: UserOperationForm }
  act(command, async ({ output, client }, options: Options, file: string) => {
    const { entryPoint, chain: chainId, form } = options
    const { body, call } = requestOf(options)
    const countersign = client()
    const wallet = await countersign.wallets.get(options.wallet)
    const userOperation = readJsonFile<UserOperationRequest>(file)
    const answer = await signUserOperation(
      { client: countersign, wallet },
      { entryPoint, chainId, userOperation, ...(form === undefined ? {} : { signatureForm: form }), ...body },
      call,
    )
    output.result(answer, () => [answer.signature])
    return undefined
  })
}
