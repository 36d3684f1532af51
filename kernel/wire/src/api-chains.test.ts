import type { Json } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { createWalletBody, signTransactionBody } from './api.ts'
import {
  psbtWireBytesMax,
  signPsbtBody,
  signSolanaTransactionBody,
  signUserOperationBody,
  solanaMessageBytesMax,
} from './api-chains.ts'
import { parseBody } from './parse-body.ts'
import type { Route } from './routes.ts'
import { codeOfError } from './testing/signed-request.ts'

type Schema = Route['body'] & object

const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const regtest = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'
const address = `0x${'11'.repeat(20)}`
const account = '11111111111111111111111111111111'
const userOperation = {
  sender: address,
  nonce: '0x1',
  callData: '0x',
  callGasLimit: 1,
  verificationGasLimit: '2',
  preVerificationGas: 3,
  maxFeePerGas: 4,
  maxPriorityFeePerGas: 5,
}
const entryPoint = '0x0000000071727De22E5E9d8BAf0edAc6f37da032'
const base64Of = (bytes: number) => Buffer.alloc(bytes, 1).toString('base64')

const good: [string, Schema, Json][] = [
  ['a wallet of Solana', createWalletBody, { type: 'SOLANA', chain: devnet }],
  ['a wallet of Bitcoin', createWalletBody, { type: 'BITCOIN', chain: regtest, form: 'p2tr' }],
  ['a wallet of Bitcoin by default', createWalletBody, { type: 'BITCOIN' }],
  ['a message', signSolanaTransactionBody, { message: base64Of(solanaMessageBytesMax) }],
  [
    'a message with tables and token accounts',
    signTransactionBody,
    {
      message: 'AQID',
      lookupTables: [{ table: account, addresses: Array(256).fill(account) }],
      tokenAccounts: [{ owner: account, mint: account, tokenProgram: account }],
      attribution: { agent: 'a' },
    },
  ],
  ['a PSBT', signPsbtBody, { psbt: base64Of(psbtWireBytesMax) }],
  ['a PSBT among the forms', signTransactionBody, { psbt: 'cHNidP8=' }],
  ['a user operation', signUserOperationBody, { entryPoint, chainId: 1, userOperation }],
  [
    'a user operation of 0.8',
    signUserOperationBody,
    {
      entryPoint,
      chainId: 1,
      signatureForm: 'typed-data',
      userOperation: { ...userOperation, factory: '0x7702', eip7702Auth: { address }, signature: '0x00' },
    },
  ],
]

const bad: [string, string, Schema, Json][] = [
  ['another network', '/chain', createWalletBody, { type: 'SOLANA', chain: 'eip155:1' }],
  ['a short network', '/chain', createWalletBody, { type: 'SOLANA', chain: 'solana:5eykt' }],
  ['another form', '/form', createWalletBody, { type: 'BITCOIN', form: 'p2pkh' }],
  ['an empty message', '/message', signSolanaTransactionBody, { message: '' }],
  ['a message in hex', '/message', signSolanaTransactionBody, { message: '0x_1' }],
  [
    'a message over a packet',
    '/message',
    signSolanaTransactionBody,
    { message: base64Of(solanaMessageBytesMax + 3) },
  ],
  [
    'too long a table',
    '/lookupTables/0/addresses',
    signSolanaTransactionBody,
    { message: 'AQID', lookupTables: [{ table: account, addresses: Array(257).fill(account) }] },
  ],
  ['a network in the request', '/chain', signSolanaTransactionBody, { message: 'AQID', chain: devnet }],
  [
    'a hint without a mint',
    '/tokenAccounts/0',
    signSolanaTransactionBody,
    { message: 'AQID', tokenAccounts: [{ owner: account }] },
  ],
  ['a network beside a PSBT', '/chain', signPsbtBody, { psbt: 'cHNidP8=', chain: regtest }],
  ['a long PSBT', '/psbt', signPsbtBody, { psbt: base64Of(psbtWireBytesMax + 3) }],
  ['two forms at once', '', signTransactionBody, { psbt: 'cHNidP8=', message: 'AQID' }],
  [
    'a field that no version has',
    '/userOperation/value',
    signUserOperationBody,
    { entryPoint, chainId: 1, userOperation: { ...userOperation, value: 1 } },
  ],
  ['chain id 0', '/chainId', signUserOperationBody, { entryPoint, chainId: 0, userOperation }],
  [
    'another signature form',
    '/signatureForm',
    signUserOperationBody,
    { entryPoint, chainId: 1, userOperation, signatureForm: 'none' },
  ],
]

describe('bodies of other chains', () => {
  it.each(good)('take %s', (_, schema, body) => expect(parseBody(schema, body)).toBe(body))

  it.each(bad)('refuse %s and name the place', (_, path, schema, body) => {
    try {
      parseBody(schema, body)
    } catch (error) {
      expect(codeOfError(error)).toBe('WIRE_INVALID_BODY')
      const { details } = error as { details: { path: string } }
      if (schema !== signTransactionBody) expect(details).toEqual({ path })
      return
    }
    expect.fail('was accepted')
  })
})
