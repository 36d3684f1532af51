import { describe, expect, it } from 'vitest'
import type { Effect } from './effect.ts'
import { permit2Contract } from './evm/permit-calls.ts'
import { typedDataIntent } from './typed-data-intent.ts'

const token = `0x${'cc'.repeat(20)}`
const other = `0x${'dd'.repeat(20)}`
const alice = `0x${'aa'.repeat(20)}`
const bob = `0x${'bb'.repeat(20)}`
const uint160Max = (1n << 160n) - 1n

/** `address owner, uint256 value` */
function fields(text: string) {
  return text.split(', ').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }))
}

function effectsOf(
  primaryType: string,
  types: Record<string, string>,
  message: object,
  domain: object = { name: 'Token', version: '1', chainId: 8453, verifyingContract: token },
): readonly Effect[] {
  return typedDataIntent({
    domain,
    types: Object.fromEntries(Object.entries(types).map(([name, text]) => [name, fields(text)])),
    primaryType,
    message,
  }).effects
}

const approval = {
  kind: 'approval',
  by: 'signature',
  chain: 'eip155:8453',
  contract: token,
  assets: [`eip155:8453/erc20:${token}`],
  spender: bob,
  mode: 'set',
  selector: undefined,
}

const erc2612 = { Permit: 'address owner, address spender, uint256 value, uint256 nonce, uint256 deadline' }
const erc2612Message = { owner: alice, spender: bob, value: '1000', nonce: 0, deadline: 99 }

describe('permits of tokens', () => {
  it('ERC-2612', () => {
    expect(effectsOf('Permit', erc2612, erc2612Message)).toEqual([
      { ...approval, amountMinor: 1000n, expiresAtS: 99n },
      expect.objectContaining({ kind: 'typed-data', primaryType: 'Permit' }),
    ])
  })

  it('fields in another order are the same permit to a reader', () => {
    const shuffled = {
      Permit: 'uint256 deadline, address spender, uint256 value, uint256 nonce, address owner',
    }
    expect(effectsOf('Permit', shuffled, erc2612Message)[0]).toMatchObject({
      spender: bob,
      amountMinor: 1000n,
    })
  })

  it('DAI: all or nothing', () => {
    const dai = { Permit: 'address holder, address spender, uint256 nonce, uint256 expiry, bool allowed' }
    const message = { holder: alice, spender: bob, nonce: 0, expiry: 99, allowed: true }
    expect(effectsOf('Permit', dai, message)[0]).toEqual({
      ...approval,
      amountMinor: undefined,
      expiresAtS: 99n,
    })
    expect(effectsOf('Permit', dai, { ...message, expiry: 0 })[0]).toMatchObject({ expiresAtS: undefined })
    expect(effectsOf('Permit', dai, { ...message, allowed: false })[0]).toMatchObject({ amountMinor: 0n })
  })

  it('ERC-4494: one token', () => {
    const nft = { Permit: 'address spender, uint256 tokenId, uint256 nonce, uint256 deadline' }
    expect(effectsOf('Permit', nft, { spender: bob, tokenId: 7, nonce: 0, deadline: 99 })[0]).toEqual({
      ...approval,
      assets: [`eip155:8453/erc721:${token}/7`],
      amountMinor: 1n,
      expiresAtS: 99n,
    })
  })

  it.each(['TransferWithAuthorization', 'ReceiveWithAuthorization'])('ERC-3009 %s', (name) => {
    const text =
      'address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce'
    const message = {
      from: alice,
      to: bob,
      value: 5,
      validAfter: 0,
      validBefore: 99,
      nonce: `0x${'11'.repeat(32)}`,
    }
    expect(effectsOf(name, { [name]: text }, message)[0]).toEqual({
      ...approval,
      amountMinor: 5n,
      expiresAtS: 99n,
    })
  })
})

describe('permits of Permit2', () => {
  const domain = { name: 'Permit2', chainId: 8453, verifyingContract: permit2Contract }
  const details = { PermitDetails: 'address token, uint160 amount, uint48 expiration, uint48 nonce' }
  const permissions = { TokenPermissions: 'address token, uint256 amount' }
  const entry = { token, amount: uint160Max.toString(), expiration: 50, nonce: 0 }
  const all = (effects: readonly Effect[]) => effects.filter((effect) => effect.kind === 'approval')

  it('PermitSingle', () => {
    const types = { ...details, PermitSingle: 'PermitDetails details, address spender, uint256 sigDeadline' }
    const message = { details: entry, spender: bob, sigDeadline: 99 }
    const expected = { ...approval, amountMinor: uint160Max, expiresAtS: 50n }
    expect(all(effectsOf('PermitSingle', types, message, domain))).toEqual([expected])
    // Whoever verifies it: another deployment, or one that only looks like it.
    expect(all(effectsOf('PermitSingle', types, message))).toEqual([expected])
  })

  it('an expiration of 0 is the block of its use, any until the deadline', () => {
    const types = { ...details, PermitSingle: 'PermitDetails details, address spender, uint256 sigDeadline' }
    const message = { details: { ...entry, expiration: 0 }, spender: bob, sigDeadline: 99 }
    expect(all(effectsOf('PermitSingle', types, message, domain))).toMatchObject([{ expiresAtS: 99n }])
  })

  it('PermitBatch, an approval for each', () => {
    const types = { ...details, PermitBatch: 'PermitDetails[] details, address spender, uint256 sigDeadline' }
    const second = { ...entry, token: other, amount: 3, expiration: 60 }
    const message = { details: [entry, second], spender: bob, sigDeadline: 99 }
    expect(all(effectsOf('PermitBatch', types, message, domain))).toEqual([
      { ...approval, amountMinor: uint160Max, expiresAtS: 50n },
      {
        ...approval,
        contract: other,
        assets: [`eip155:8453/erc20:${other}`],
        amountMinor: 3n,
        expiresAtS: 60n,
      },
    ])
  })

  const transfer = 'address spender, uint256 nonce, uint256 deadline'
  const permitted = { token, amount: 7 }
  it.each<[string, Record<string, string>, object]>([
    ['PermitTransferFrom', { PermitTransferFrom: `TokenPermissions permitted, ${transfer}` }, { permitted }],
    [
      'PermitBatchTransferFrom',
      { PermitBatchTransferFrom: `TokenPermissions[] permitted, ${transfer}` },
      { permitted: [permitted] },
    ],
    [
      'PermitWitnessTransferFrom',
      {
        PermitWitnessTransferFrom: `TokenPermissions permitted, ${transfer}, Order witness`,
        Order: 'bytes32 id',
      },
      { permitted, witness: { id: `0x${'11'.repeat(32)}` } },
    ],
    [
      'PermitBatchWitnessTransferFrom',
      {
        PermitBatchWitnessTransferFrom: `TokenPermissions[] permitted, ${transfer}, Order order`,
        Order: 'bytes32 id',
      },
      { permitted: [permitted], order: { id: `0x${'11'.repeat(32)}` } },
    ],
  ])('%s', (name, types, message) => {
    const rest = { spender: bob, nonce: 1, deadline: 99 }
    const effects = effectsOf(name, { ...permissions, ...types }, { ...message, ...rest }, domain)
    expect(all(effects)).toEqual([{ ...approval, amountMinor: 7n, expiresAtS: 99n }])
    expect(effects.at(-1)).toMatchObject({ kind: 'typed-data', primaryType: name })
    expect(effects.at(-1)).not.toHaveProperty('opaquePermit')
  })
})

describe('what is named like a permit but cannot be read as one', () => {
  const name = { name: 'Token', chainId: 8453, verifyingContract: token }
  it.each<[string, string, Record<string, string>, object, object]>([
    ['no chain', 'Permit', erc2612, erc2612Message, { verifyingContract: token }],
    ['no contract', 'Permit', erc2612, erc2612Message, { chainId: 8453 }],
    [
      'a field more',
      'Permit',
      { Permit: `${erc2612.Permit}, uint256 extra` },
      { ...erc2612Message, extra: 1 },
      name,
    ],
    [
      'a field less',
      'Permit',
      { Permit: 'address spender, uint256 value' },
      { spender: bob, value: 1 },
      name,
    ],
    [
      'an amount that is text',
      'Permit',
      { Permit: erc2612.Permit.replace('uint256 value', 'string value') },
      erc2612Message,
      name,
    ],
    [
      'a struct below the primary type',
      'Order',
      { Order: 'Permit permit', ...erc2612 },
      { permit: erc2612Message },
      name,
    ],
    [
      'a single permit with a list',
      'PermitTransferFrom',
      {
        PermitTransferFrom: 'TokenPermissions[] permitted, address spender, uint256 nonce, uint256 deadline',
        TokenPermissions: 'address token, uint256 amount',
      },
      { permitted: [{ token, amount: 1 }], spender: bob, nonce: 0, deadline: 99 },
      name,
    ],
    ['a name of another kind', 'PermitForAll', { PermitForAll: 'address spender' }, { spender: bob }, name],
  ])('%s', (_, primaryType, types, message, domain) => {
    expect(effectsOf(primaryType, types, message, domain)).toEqual([
      expect.objectContaining({ kind: 'typed-data', opaquePermit: true }),
    ])
  })

  it('other typed data bears no such mark', () => {
    expect(effectsOf('Order', { Order: 'uint256 value' }, { value: 1 })[0]).not.toHaveProperty('opaquePermit')
  })
})
