import type { Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { alice, bob, calldata, chain, effectsOf, erc20, token } from '../../testing/evm-calls.ts'
import { permit2Contract as permit2 } from './permit-calls.ts'

const hash = `0x${'11'.repeat(32)}` as Hex
const signature = `0x${'22'.repeat(65)}` as Hex
const other = `0x${'ee'.repeat(20)}` as const

const transferOf = (contract: string, from: string, to: string, amountMinor: bigint, selector: Hex) => ({
  kind: 'token-transfer',
  chain,
  contract,
  assets: [erc20(contract as never)],
  from,
  recipient: to,
  amountMinor,
  selector,
})
const approvalOf = (
  account: string | undefined,
  contract: string,
  amountMinor: bigint | undefined,
  selector: Hex,
) => ({
  kind: 'approval',
  by: 'transaction',
  ...(account === undefined ? {} : { account }),
  chain,
  contract,
  assets: [erc20(contract as never)],
  spender: bob,
  amountMinor,
  mode: 'set',
  expiresAtS: undefined as bigint | undefined,
  selector,
})

describe('calls of Permit2', () => {
  const single = '((address, uint256), uint256, uint256), (address, uint256)'
  const batch = '((address, uint256)[], uint256, uint256), (address, uint256)[]'
  const one = [[token, 9n], 1n, 2n]
  const two = [
    [
      [token, 9n],
      [other, 8n],
    ],
    1n,
    2n,
  ]
  const moves = [
    [bob, 5n],
    [bob, 6n],
  ]
  const detail = '(address, uint160, uint48, uint48)'
  const cases: [string, Hex, object[]][] = [
    [
      'permit',
      calldata(`permit(address, (${detail}, address, uint256), bytes)`, [
        alice,
        [[token, 9n, 99, 0], bob, 50n],
        signature,
      ]),
      [{ ...approvalOf(alice, token, 9n, '0x2b67b570'), expiresAtS: 99n }],
    ],
    [
      'permit that ends in its block',
      calldata(`permit(address, (${detail}, address, uint256), bytes)`, [
        alice,
        [[token, 9n, 0, 0], bob, 50n],
        signature,
      ]),
      [{ ...approvalOf(alice, token, 9n, '0x2b67b570'), expiresAtS: 50n }],
    ],
    [
      'permit of several',
      calldata(`permit(address, (${detail}[], address, uint256), bytes)`, [
        alice,
        [
          [
            [token, 9n, 99, 0],
            [other, 8n, 98, 0],
          ],
          bob,
          50n,
        ],
        signature,
      ]),
      [
        { ...approvalOf(alice, token, 9n, '0x2a2d80d1'), expiresAtS: 99n },
        { ...approvalOf(alice, other, 8n, '0x2a2d80d1'), expiresAtS: 98n },
      ],
    ],
    [
      'transferFrom',
      calldata('transferFrom(address, address, uint160, address)', [alice, bob, 5n, token]),
      [transferOf(token, alice, bob, 5n, '0x36c78516')],
    ],
    [
      'transferFrom of several',
      calldata('transferFrom((address, address, uint160, address)[])', [
        [
          [alice, bob, 5n, token],
          [bob, alice, 6n, other],
        ],
      ]),
      [transferOf(token, alice, bob, 5n, '0x0d58b1db'), transferOf(other, bob, alice, 6n, '0x0d58b1db')],
    ],
    [
      'permitTransferFrom',
      calldata(`permitTransferFrom(${single}, address, bytes)`, [one, [bob, 5n], alice, signature]),
      [transferOf(token, alice, bob, 5n, '0x30f28b7a')],
    ],
    [
      'permitTransferFrom of several',
      calldata(`permitTransferFrom(${batch}, address, bytes)`, [two, moves, alice, signature]),
      [transferOf(token, alice, bob, 5n, '0xedd9444b'), transferOf(other, alice, bob, 6n, '0xedd9444b')],
    ],
    [
      'permitWitnessTransferFrom',
      calldata(`permitWitnessTransferFrom(${single}, address, bytes32, string, bytes)`, [
        one,
        [bob, 5n],
        alice,
        hash,
        'Order order)',
        signature,
      ]),
      [transferOf(token, alice, bob, 5n, '0x137c29fe')],
    ],
    [
      'permitWitnessTransferFrom of several',
      calldata(`permitWitnessTransferFrom(${batch}, address, bytes32, string, bytes)`, [
        two,
        moves,
        alice,
        hash,
        'Order order)',
        signature,
      ]),
      [transferOf(token, alice, bob, 5n, '0xfe8ec1a7'), transferOf(other, alice, bob, 6n, '0xfe8ec1a7')],
    ],
    [
      'lockdown',
      calldata('lockdown((address, address)[])', [[[token, bob]]]),
      [approvalOf(undefined, token, 0n, '0xcc53287f')],
    ],
  ]
  it.each(cases)('%s, and at no other contract', (_, data, effects) => {
    expect(effectsOf(permit2, data)).toEqual(effects)
    expect(effectsOf(token, data)).toMatchObject([{ kind: 'contract-call', contract: token }])
  })

  it('with the account of whoever calls', () => {
    const inner = calldata('transferFrom(address, address, uint160, address)', [alice, bob, 5n, token])
    const outer = calldata('execute(address, uint256, bytes)', [permit2, 0n, inner])
    expect(effectsOf(other as never, outer).at(-1)).toEqual({
      ...transferOf(token, alice, bob, 5n, '0x36c78516'),
      account: other,
    })
  })

  it.each<[string, Hex]>([
    ['no transfers', calldata('transferFrom((address, address, uint160, address)[])', [[]])],
    ['no tokens', calldata('lockdown((address, address)[])', [[]])],
    [
      'no permits',
      calldata(`permit(address, (${detail}[], address, uint256), bytes)`, [alice, [[], bob, 1n], '0x']),
    ],
    [
      'fewer transfers than tokens',
      calldata(`permitTransferFrom(${batch}, address, bytes)`, [two, [[bob, 5n]], alice, signature]),
    ],
    ['bytes after the end', `${calldata('lockdown((address, address)[])', [[[token, bob]]])}00`],
  ])('%s', (_, data) => {
    expect(effectsOf(permit2, data)).toMatchObject([{ kind: 'unknown-calldata', calldata: data }])
  })
})

describe('signatures that are submitted to a token', () => {
  const v = 'uint8, bytes32, bytes32'
  const authorized = 'address, address, uint256, uint256, uint256, bytes32'
  const args = [alice, bob, 5n, 0n, 99n, hash]
  it.each<[string, Hex, object]>([
    [
      'ERC-2612',
      calldata(`permit(address, address, uint256, uint256, ${v})`, [alice, bob, 5n, 99n, 27, hash, hash]),
      approvalOf(alice, token, 5n, '0xd505accf'),
    ],
    [
      'ERC-2612 with the signature in one',
      calldata('permit(address, address, uint256, uint256, bytes)', [alice, bob, 5n, 99n, signature]),
      approvalOf(alice, token, 5n, '0x9fd5a6cf'),
    ],
    [
      'DAI',
      calldata(`permit(address, address, uint256, uint256, bool, ${v})`, [
        alice,
        bob,
        0n,
        0n,
        true,
        27,
        hash,
        hash,
      ]),
      approvalOf(alice, token, undefined, '0x8fcbaf0c'),
    ],
    [
      'DAI taken back',
      calldata(`permit(address, address, uint256, uint256, bool, ${v})`, [
        alice,
        bob,
        0n,
        0n,
        false,
        27,
        hash,
        hash,
      ]),
      approvalOf(alice, token, 0n, '0x8fcbaf0c'),
    ],
    [
      'ERC-3009',
      calldata(`transferWithAuthorization(${authorized}, ${v})`, [...args, 27, hash, hash]),
      transferOf(token, alice, bob, 5n, '0xe3ee160e'),
    ],
    [
      'ERC-3009 with the signature in one',
      calldata(`transferWithAuthorization(${authorized}, bytes)`, [...args, signature]),
      transferOf(token, alice, bob, 5n, '0xcf092995'),
    ],
    [
      'ERC-3009 received',
      calldata(`receiveWithAuthorization(${authorized}, ${v})`, [...args, 27, hash, hash]),
      transferOf(token, alice, bob, 5n, '0xef55bec6'),
    ],
    [
      'ERC-3009 received, with the signature in one',
      calldata(`receiveWithAuthorization(${authorized}, bytes)`, [...args, signature]),
      transferOf(token, alice, bob, 5n, '0x88b7ab63'),
    ],
  ])('%s', (_, data, effect) => {
    expect(effectsOf(token, data)).toEqual([effect])
  })

  it('taking an authorization back is a mere call', () => {
    const data = calldata(`cancelAuthorization(address, bytes32, ${v})`, [alice, hash, 27, hash, hash])
    expect(effectsOf(token, data)).toMatchObject([{ kind: 'contract-call', selector: '0x5a049a70' }])
  })
})
