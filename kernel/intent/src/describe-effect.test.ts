import { type Address, type AssetId, type ChainId, nativeAsset, type SolanaAddress } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeEffect, quoteText } from './describe-effect.ts'
import type { Effect } from './effect.ts'
import { personalMessageIntent } from './message.ts'

const chain = 'eip155:1' as ChainId
const asset = 'eip155:1/slip44:60' as AssetId
const solana = 'solana:x' as ChainId
const bitcoin = 'bip122:0' as ChainId
const bob = `0x${'bb'.repeat(20)}` as Address
const contract = `0x${'cc'.repeat(20)}` as Address
const usdc = `eip155:1/erc20:${contract}` as AssetId
const hash = `0x${'11'.repeat(32)}` as const
const transfer = {
  kind: 'token-transfer',
  chain,
  contract,
  assets: [usdc],
  from: undefined,
  recipient: bob,
  amountMinor: 7n,
  selector: '0xa9059cbb',
} as const
const swap = {
  kind: 'swap',
  chain,
  contract: bob,
  selector: '0x04e45aaf',
  asset: usdc,
  amountMinor: 7n,
  receivedAsset: asset,
  receivedMinor: 5n,
  recipient: contract,
  deadlineS: undefined,
} as const
const approval = {
  kind: 'approval',
  by: 'transaction',
  chain,
  contract,
  assets: [usdc],
  spender: bob,
  amountMinor: 7n,
  mode: 'set',
  expiresAtS: undefined,
  selector: '0x095ea7b3',
} as const
const typedData = {
  kind: 'typed-data',
  chain,
  verifyingContract: contract,
  primaryType: 'Mail',
  domain: { name: 'Ether Mail' },
  message: {},
} as const

describe('describeEffect', () => {
  it.each<[string, Effect]>([
    [
      `0.3 native coin (eip155:1) to ${bob}`,
      { kind: 'native-transfer', chain, asset, recipient: bob, amountMinor: 3n * 10n ** 17n },
    ],
    [
      `0.3 native coin (solana:x) to ${bob}`,
      {
        kind: 'native-transfer',
        chain: solana,
        asset: nativeAsset(solana),
        recipient: bob,
        amountMinor: 300_000_000n,
      },
    ],
    [
      'Fee of at most 0.000005 native coin (solana:x)',
      { kind: 'fee', chain: solana, asset: nativeAsset(solana), amountMinor: 5_000n },
    ],
    [
      'Fee of at most 1.00000001 native coin (bip122:0)',
      { kind: 'fee', chain: bitcoin, asset: nativeAsset(bitcoin), amountMinor: 100_000_001n },
    ],
    [
      `Stake authorize (withdrawer) of s to w (solana:x), by the account ${bob}`,
      {
        kind: 'stake',
        account: bob,
        chain: solana,
        action: 'authorize',
        stakeAccount: 's' as SolanaAddress,
        counterparty: 'w' as SolanaAddress,
        amountMinor: undefined,
        role: 'withdrawer',
      },
    ],
    [
      `0 native coin (eip155:1) to ${bob}`,
      { kind: 'native-transfer', chain, asset, recipient: bob, amountMinor: 0n },
    ],
    [
      `12.000000000000000001 native coin (eip155:1) to ${bob}`,
      { kind: 'native-transfer', chain, asset, recipient: bob, amountMinor: 12n * 10n ** 18n + 1n },
    ],
    [
      `Fee of at most 7 of ${usdc}, by the account ${contract}`,
      { kind: 'fee', account: contract, chain, asset: usdc, amountMinor: 7n },
    ],
    [`Swap of at most 7 of ${usdc} for at least 5 of ${asset}, by ${bob}`, { ...swap, recipient: undefined }],
    [`Swap of at most 7 of ${usdc} for at least 5 of ${asset} to ${contract}, by ${bob}`, swap],
    [`7 of ${usdc} to ${bob}`, transfer],
    [`7 of ${usdc} from ${contract} to ${bob}`, { ...transfer, from: contract }],
    [`Approval of 7 of ${usdc} for ${bob}`, approval],
    [`Approval of further 7 of ${usdc} for ${bob}`, { ...approval, mode: 'increase' }],
    [`Approval of any amount of ${usdc} for ${bob}`, { ...approval, amountMinor: undefined, mode: 'all' }],
    [
      `Approval by signature alone of 7 of ${usdc} for ${bob} until 99 (Unix seconds)`,
      { ...approval, by: 'signature', expiresAtS: 99n },
    ],
    [
      `Call of 0x12345678 on ${contract} (eip155:1)`,
      { kind: 'contract-call', chain, contract, selector: '0x12345678', calldata: '0x12345678' },
    ],
    [
      `Unreadable calldata for ${contract} (eip155:1): It is short.`,
      { kind: 'unknown-calldata', chain, contract, calldata: '0x12', reason: 'It is short.' },
    ],
    [
      `Deployment of a contract (eip155:1) from 2 bytes with 1 native coin; init code hash ${hash}`,
      { kind: 'deploy', chain, initCodeHash: hash, initCodeBytes: 2, valueMinor: 10n ** 18n },
    ],
    [
      `This wallet hands its account to the code of ${contract} on every chain (EIP-7702, nonce 3)`,
      { kind: 'delegation', chain: undefined, delegate: contract, authorityNonce: 3n, signedBy: 'own' },
    ],
    [
      `Another account hands its account to the code of ${contract} on eip155:1 (EIP-7702, nonce 3)`,
      { kind: 'delegation', chain, delegate: contract, authorityNonce: 3n, signedBy: 'carried' },
    ],
    ['Fee of at most 0.01 native coin (eip155:1)', { kind: 'fee', chain, asset, amountMinor: 10n ** 16n }],
    ['Message "hi"', { kind: 'message', text: 'hi', messageBytes: 2, messageHash: hash }],
    [
      `Message of 2 bytes that are not text, EIP-191 hash ${hash}`,
      { kind: 'message', text: undefined, messageBytes: 2, messageHash: hash },
    ],
    [`Typed data "Mail" of "Ether Mail" for ${contract} (eip155:1)`, typedData],
    [
      'Typed data "Permit" (no chain named); it is named like a permit but cannot be read as one',
      {
        kind: 'typed-data',
        chain: undefined,
        verifyingContract: undefined,
        primaryType: 'Permit',
        domain: {},
        message: {},
        opaquePermit: true,
      },
    ],
    [`Raw digest ${hash}, of which nothing is known`, { kind: 'raw-digest', digest: hash }],
    [`Raw message of 5 bytes, SHA-256 ${hash}`, { kind: 'raw-message', messageHash: hash, messageBytes: 5 }],
  ])('%s', (line, effect) => {
    expect(describeEffect(effect)).toBe(line)
  })

  it('does not let text out of its quotes', () => {
    expect(quoteText('a"\n\r\tb\\')).toBe('"a\\u{22}\\u{a}\\u{d}\\u{9}b\\u{5c}"')
    expect(quoteText('\u202eevil\u2066\u200b\ufeff\u2028\u2029\u0085\u061c')).toBe(
      '"\\u{202e}evil\\u{2066}\\u{200b}\\u{feff}\\u{2028}\\u{2029}\\u{85}\\u{61c}"',
    )
    expect(quoteText('\ud800\u00a0\u3000\u3164\u{e0041}')).toBe(
      '"\\u{d800}\\u{a0}\\u{3000}\\u{3164}\\u{e0041}"',
    )
    expect(quoteText('Grüße, 世界 🙂')).toBe('"Grüße, 世界 🙂"')
  })

  it('cuts text by characters and says so', () => {
    expect(quoteText('🙂'.repeat(80))).toBe(`"${'🙂'.repeat(80)}"`)
    expect(quoteText('🙂'.repeat(81))).toBe(`"${'🙂'.repeat(80)}"… (81 characters)`)
  })

  it('is one line of what can be seen, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (text) => {
        for (const effect of [
          { kind: 'message', text, messageBytes: 0, messageHash: hash } as const,
          { ...typedData, primaryType: text, domain: { name: text } },
          { kind: 'unknown-calldata', chain, contract, calldata: '0x', reason: text } as const,
        ]) {
          const line = describeEffect(effect)
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u)
          expect(line.length).toBeLessThan(2_500)
        }
        if (text.isWellFormed()) {
          const line = describeEffect(personalMessageIntent(text).effects[0]!)
          expect(line.replace(/… \(\d+ characters\)$/, '')).toMatch(/^Message "[^"]*"$/)
        }
      }),
      { numRuns: 500 },
    )
  })
})
