import { encodeHex, type SolanaAddress } from '@countersign/bytes'
import { AccountRole, address, createNoopSigner, type Instruction } from '@solana/kit'
import * as stake from '@solana-program/stake'
import * as system from '@solana-program/system'
import * as token from '@solana-program/token'
import { describe, expect, it } from 'vitest'
import { solanaDevnet as chain, kitMessage, solanaAccount, wallet } from '../../testing/solana-messages.ts'
import { addressWithSeed } from './program-address.ts'
import { lookupTableProgram, stakeProgram, token2022Program, tokenProgram } from './programs.ts'
import { solanaTransactionIntent } from './solana-transaction-intent.ts'

const [alice, bob, fresh, mint, program] = [0xaa, 0xbb, 0xcc, 0x33, 0x66].map(solanaAccount) as [
  SolanaAddress,
  SolanaAddress,
  SolanaAddress,
  SolanaAddress,
  SolanaAddress,
]
const at = (who: SolanaAddress) => address(who)
const signer = (who: SolanaAddress) => createNoopSigner(address(who))
const own = signer(wallet)
const asset = `${chain}/slip44:501`
const lamportsMax = (1n << 64n) - 1n

/** Effects of one instruction, without the fee. */
function effectsOf(instruction: unknown) {
  const message = kitMessage([instruction as Instruction])
  return solanaTransactionIntent({ message, chain, wallet }).effects.slice(0, -1)
}
const unnamed = [{ kind: 'program-call', instruction: undefined }]
const named = (name: string) => ({ kind: 'program-call', instruction: name })

/** Every known instruction turns unnamed when its data is a byte too long or too short, or its last account is gone. */
function expectStrict(instruction: unknown, { accounts = true } = {}) {
  const whole = instruction as Required<Instruction>
  const change = (data: readonly number[]) => effectsOf({ ...whole, data: Uint8Array.from(data) })
  expect(change([...whole.data, 0])).toMatchObject(unnamed)
  expect(change([...whole.data].slice(0, -1))).toMatchObject(unnamed)
  if (accounts) {
    expect(effectsOf({ ...whole, accounts: whole.accounts.slice(0, -1) })).toMatchObject(unnamed)
  }
}

describe('System', () => {
  it('transfer', () => {
    const instruction = system.getTransferSolInstruction({ source: own, destination: at(alice), amount: 7n })
    expect(effectsOf(instruction)).toEqual([
      { kind: 'native-transfer', chain, asset, recipient: alice, amountMinor: 7n },
    ])
    expectStrict(instruction)
  })

  it('transfer from an address with seed, whose lamports are not the wallet’s own', () => {
    const from = addressWithSeed(wallet, 'savings', program)!
    const instruction = (source: SolanaAddress) =>
      system.getTransferSolWithSeedInstruction({
        source: at(source),
        baseAccount: own,
        destination: at(alice),
        amount: 7n,
        fromSeed: 'savings',
        fromOwner: at(program),
      })
    expect(effectsOf(instruction(from))).toEqual([
      { kind: 'native-transfer', account: from, chain, asset, recipient: alice, amountMinor: 7n },
    ])
    expect(effectsOf(instruction(bob))).toMatchObject(unnamed)
    expectStrict(instruction(from))
  })

  it('accounts are created with their lamports', () => {
    const creation = {
      kind: 'account-creation',
      chain,
      address: fresh,
      program,
      owner: undefined,
      mint: undefined,
    }
    const more = { lamports: 90n, space: 10n, programAddress: at(program) }
    const instruction = (payer: SolanaAddress) =>
      system.getCreateAccountInstruction({ payer: signer(payer), newAccount: signer(fresh), ...more })
    expect(effectsOf(instruction(wallet))).toEqual([{ ...creation, amountMinor: 90n }])
    expect(effectsOf(instruction(bob))).toEqual([{ ...creation, account: bob, amountMinor: 90n }])
    expectStrict(instruction(wallet))
    const prefunded = system.getCreateAccountAllowPrefundInstruction({
      newAccount: signer(fresh),
      payer: own,
      ...more,
    } as never)
    expect(effectsOf(prefunded)).toEqual([{ ...creation, amountMinor: 90n }])
    expectStrict(prefunded)
    const seeded = addressWithSeed(wallet, 'x', program)!
    const withSeed = (newAccount: SolanaAddress) =>
      system.getCreateAccountWithSeedInstruction({
        payer: own,
        newAccount: at(newAccount),
        baseAccount: own,
        base: at(wallet),
        seed: 'x',
        amount: 90n,
        space: 10n,
        programAddress: at(program),
      })
    expect(effectsOf(withSeed(seeded))).toEqual([{ ...creation, address: seeded, amountMinor: 90n }])
    expect(effectsOf(withSeed(fresh))).toMatchObject(unnamed)
  })

  it('an account that is assigned is no longer the wallet’s', () => {
    const assign = system.getAssignInstruction({ account: own, programAddress: at(program) })
    const effect = {
      kind: 'token-authority',
      chain,
      address: wallet,
      authority: 'program',
      newAuthority: program,
    }
    expect(effectsOf(assign)).toEqual([effect])
    expectStrict(assign)
    const seeded = addressWithSeed(wallet, 'x', program)!
    const seed = {
      newAccount: at(seeded),
      baseAccount: own,
      base: at(wallet),
      seed: 'x',
      programAddress: at(program),
    }
    const theirs = { ...effect, address: seeded }
    expect(effectsOf(system.getAllocateWithSeedInstruction({ ...seed, space: 9n }))).toMatchObject([
      named('allocateWithSeed'),
      theirs,
    ])
    expect(effectsOf(system.getAssignWithSeedInstruction({ ...seed, account: at(seeded) } as never))).toEqual(
      [theirs],
    )
    expect(effectsOf(system.getAllocateInstruction({ newAccount: own, space: 9n }))).toMatchObject([
      named('allocate'),
    ])
  })

  it('nonce accounts', () => {
    const nonceAccount = at(fresh)
    const initialize = system.getInitializeNonceAccountInstruction({ nonceAccount, nonceAuthority: at(bob) })
    const effect = { kind: 'token-authority', chain, address: fresh, authority: 'nonce', newAuthority: bob }
    expect(effectsOf(initialize)).toEqual([effect])
    const authorize = system.getAuthorizeNonceAccountInstruction({
      nonceAccount,
      nonceAuthority: own,
      newNonceAuthority: at(bob),
    })
    expect(effectsOf(authorize)).toEqual([effect])
    expectStrict(authorize)
    const withdraw = (recipient: SolanaAddress) =>
      system.getWithdrawNonceAccountInstruction({
        nonceAccount,
        recipientAccount: at(recipient),
        nonceAuthority: own,
        withdrawAmount: 8n,
      })
    expect(effectsOf(withdraw(bob))).toMatchObject([
      named('withdrawNonceAccount'),
      { kind: 'native-transfer', account: fresh, recipient: bob, amountMinor: 8n },
    ])
    expect(effectsOf(withdraw(wallet))).toMatchObject([named('withdrawNonceAccount')])
    expectStrict(withdraw(bob))
    expect(effectsOf(system.getUpgradeNonceAccountInstruction({ nonceAccount }))).toMatchObject([
      named('upgradeNonceAccount'),
    ])
  })
})

const both = [tokenProgram, token2022Program]

describe.each(both)('tokens of %s', (programAddress) => {
  const config = { programAddress: at(programAddress) }
  const [source, destination] = [solanaAccount(0x51), solanaAccount(0x52)]
  const move = { kind: 'token-transfer', chain, contract: mint, assets: [`${chain}/token:${mint}`] }
  const amounts = { amount: 9n, decimals: 6 }

  it('transferChecked', () => {
    const instruction = token.getTransferCheckedInstruction(
      { source: at(source), mint: at(mint), destination: at(destination), authority: own, ...amounts },
      config,
    )
    const effect = { ...move, from: source, recipient: destination, amountMinor: 9n, selector: undefined }
    expect(effectsOf(instruction)).toEqual([effect])
    expectStrict(instruction)
  })

  it('a multisignature authority is the account that acts, however many signers follow', () => {
    const instruction = token.getTransferCheckedInstruction(
      {
        source: at(source),
        mint: at(mint),
        destination: at(destination),
        authority: at(bob),
        multiSigners: [own, signer(alice)],
        ...amounts,
      },
      config,
    )
    expect(effectsOf(instruction)).toMatchObject([{ ...move, account: bob, from: source }])
    expect(effectsOf(instruction)).toHaveLength(1)
  })

  it('minting and burning', () => {
    const minted = token.getMintToCheckedInstruction(
      { mint: at(mint), token: at(destination), mintAuthority: own, ...amounts },
      config,
    )
    expect(effectsOf(minted)).toMatchObject([
      named('mintToChecked'),
      { ...move, from: mint, recipient: destination, amountMinor: 9n },
    ])
    const burned = token.getBurnCheckedInstruction(
      { account: at(source), mint: at(mint), authority: own, ...amounts },
      config,
    )
    expect(effectsOf(burned)).toMatchObject([
      named('burnChecked'),
      { ...move, from: source, recipient: mint, amountMinor: 9n },
    ])
    expectStrict(minted)
    expectStrict(burned)
    const plain = { mint: at(mint), amount: 9n }
    expect(
      effectsOf(token.getMintToInstruction({ ...plain, token: at(destination), mintAuthority: own }, config)),
    ).toMatchObject([named('mintTo'), { ...move, from: mint }])
    expect(
      effectsOf(token.getBurnInstruction({ ...plain, account: at(source), authority: own }, config)),
    ).toMatchObject([named('burn'), { ...move, recipient: mint }])
  })

  it('approvals', () => {
    const approve = token.getApproveCheckedInstruction(
      { source: at(source), mint: at(mint), delegate: at(bob), owner: own, ...amounts },
      config,
    )
    expect(effectsOf(approve)).toEqual([
      {
        kind: 'approval',
        by: 'transaction',
        chain,
        contract: mint,
        assets: [`${chain}/token:${mint}`],
        spender: bob,
        amountMinor: 9n,
        mode: 'set',
        expiresAtS: undefined,
        selector: undefined,
      },
    ])
    expectStrict(approve)
    const plain = token.getApproveInstruction(
      { source: at(source), delegate: at(bob), owner: own, amount: 9n },
      config,
    )
    expect(effectsOf(plain)).toMatchObject([named('approve')])
    expectStrict(plain)
    expect(effectsOf(token.getRevokeInstruction({ source: at(source), owner: own }, config))).toMatchObject([
      named('revoke'),
    ])
  })

  it('authorities', () => {
    const set = (authorityType: token.AuthorityType, newAuthority: SolanaAddress | null) =>
      token.getSetAuthorityInstruction(
        {
          owned: at(source),
          owner: own,
          authorityType,
          newAuthority: newAuthority === null ? null : at(newAuthority),
        },
        config,
      )
    const effect = { kind: 'token-authority', chain, address: source }
    const { AccountOwner, CloseAccount } = token.AuthorityType
    expect(effectsOf(set(AccountOwner, bob))).toEqual([
      { ...effect, authority: 'accountOwner', newAuthority: bob },
    ])
    expect(effectsOf(set(CloseAccount, null))).toEqual([
      { ...effect, authority: 'closeAccount', newAuthority: undefined },
    ])
    expectStrict(set(AccountOwner, bob))
    const unknown = { ...set(CloseAccount, null), data: Uint8Array.of(6, 99, 0) }
    expect(effectsOf(unknown)).toEqual([{ ...effect, authority: 'authority 99', newAuthority: undefined }])
  })

  it('closing takes every lamport out', () => {
    const close = (to: SolanaAddress) =>
      token.getCloseAccountInstruction({ account: at(source), destination: at(to), owner: own }, config)
    expect(effectsOf(close(wallet))).toMatchObject([named('closeAccount')])
    expect(effectsOf(close(wallet))).toHaveLength(1)
    expect(effectsOf(close(bob))).toMatchObject([
      named('closeAccount'),
      { kind: 'native-transfer', account: source, recipient: bob, amountMinor: lamportsMax },
    ])
    expectStrict(close(bob))
    const unwrap = { ...close(bob), data: Uint8Array.of(45, 1, 5, 0, 0, 0, 0, 0, 0, 0) }
    expect(effectsOf(unwrap)).toMatchObject([named('unwrapLamports'), { amountMinor: 5n }])
    expect(effectsOf({ ...unwrap, data: Uint8Array.of(45, 0) })).toMatchObject([
      named('unwrapLamports'),
      { amountMinor: lamportsMax },
    ])
    expect(effectsOf({ ...unwrap, data: Uint8Array.of(38) })).toMatchObject([
      named('withdrawExcessLamports'),
      { recipient: bob, amountMinor: lamportsMax },
    ])
  })

  it('token accounts get an owner', () => {
    const effect = {
      kind: 'account-creation',
      chain,
      address: fresh,
      program: programAddress,
      amountMinor: 0n,
      owner: bob,
      mint,
    }
    const account = at(fresh)
    for (const instruction of [
      token.getInitializeAccountInstruction({ account, mint: at(mint), owner: at(bob) }, config),
      token.getInitializeAccount2Instruction({ account, mint: at(mint), owner: at(bob) }, config),
      token.getInitializeAccount3Instruction({ account, mint: at(mint), owner: at(bob) }, config),
    ]) {
      expect(effectsOf(instruction)).toEqual([effect])
      expectStrict(instruction, { accounts: false })
    }
  })

  it('the rest is named', () => {
    const account = at(fresh)
    const authority = { decimals: 6, mintAuthority: at(bob), freezeAuthority: null }
    const control = { account, mint: at(mint), owner: own }
    const cases: [string, unknown][] = [
      ['initializeMint', token.getInitializeMintInstruction({ mint: account, ...authority }, config)],
      ['initializeMint2', token.getInitializeMint2Instruction({ mint: account, ...authority }, config)],
      ['syncNative', token.getSyncNativeInstruction({ account }, config)],
      ['freezeAccount', token.getFreezeAccountInstruction(control, config)],
      ['thawAccount', token.getThawAccountInstruction(control, config)],
      ['initializeImmutableOwner', token.getInitializeImmutableOwnerInstruction({ account }, config)],
    ]
    for (const [name, instruction] of cases) {
      expect(effectsOf(instruction)).toMatchObject([named(name)])
      expectStrict(instruction, { accounts: false })
    }
  })

  it('what is not known is not named', () => {
    for (const number of [21, 23, 24, 47, 100, 254]) {
      expect(effectsOf({ programAddress: at(programAddress), data: Uint8Array.of(number) })).toMatchObject(
        unnamed,
      )
    }
    expect(effectsOf({ programAddress: at(programAddress) })).toMatchObject(unnamed)
  })
})

describe('p-token batches', () => {
  const [source, destination] = [solanaAccount(0x51), solanaAccount(0x52)]
  const transfer = token.getTransferCheckedInstruction({
    source: at(source),
    mint: at(mint),
    destination: at(destination),
    authority: own,
    amount: 9n,
    decimals: 6,
  })
  const close = token.getCloseAccountInstruction({ account: at(source), destination: at(bob), owner: own })
  const batch = token.getBatchInstruction([transfer, close])

  it('yield every effect of what is inside', () => {
    expect(effectsOf(batch)).toEqual([...effectsOf(transfer), ...effectsOf(close)])
    const unknown = { ...batch, accounts: [], data: Uint8Array.of(255, 0, 1, 99) }
    expect(effectsOf(unknown)).toMatchObject([{ ...unnamed[0], data: '0x63' }])
  })

  it('are unnamed calls where they do not add up, nest, or are of Token-2022', () => {
    expectStrict(batch)
    expect(effectsOf({ ...batch, accounts: [...batch.accounts, batch.accounts[0]] })).toMatchObject(unnamed)
    expect(effectsOf({ ...batch, data: Uint8Array.of(255) })).toMatchObject(unnamed)
    const nested = Uint8Array.from([255, batch.accounts.length, batch.data.length, ...batch.data])
    expect(effectsOf({ ...batch, data: nested })).toMatchObject([{ ...unnamed[0], data: encodeHex(nested) }])
    expect(effectsOf({ ...batch, programAddress: at(token2022Program) })).toMatchObject(unnamed)
  })
})

describe('Token-2022', () => {
  const accounts = [
    { address: at(solanaAccount(0x51)), role: AccountRole.WRITABLE },
    { address: at(mint), role: AccountRole.READONLY },
    { address: at(solanaAccount(0x52)), role: AccountRole.WRITABLE },
    { address: at(wallet), role: AccountRole.READONLY_SIGNER },
  ]
  const call = (data: readonly number[], more: readonly unknown[] = [], programAddress = token2022Program) =>
    effectsOf({
      programAddress: at(programAddress),
      accounts: [...accounts, ...more],
      data: Uint8Array.from(data),
    })
  const checked = [12, 9, 0, 0, 0, 0, 0, 0, 0, 6]
  const withFee = [26, 1, 9, 0, 0, 0, 0, 0, 0, 0, 6, 2, 0, 0, 0, 0, 0, 0, 0]
  const hook = [
    { address: at(program), role: AccountRole.READONLY },
    { address: at(bob), role: AccountRole.READONLY_SIGNER },
  ]

  it('a transfer with fee takes the whole amount', () => {
    expect(call(withFee)).toMatchObject([{ kind: 'token-transfer', contract: mint, amountMinor: 9n }])
    expect(call([...withFee, 0])).toMatchObject(unnamed)
  })

  it('accounts after the authority mean that a hook can run, and are said', () => {
    for (const data of [checked, withFee]) {
      expect(call(data, hook)).toMatchObject([
        { kind: 'token-transfer' },
        { ...named('transferHook'), accounts: [{ address: program }, { address: bob }] },
      ])
      expect(call(data, hook.slice(1))).toHaveLength(1)
    }
    expect(call(checked, hook, tokenProgram)).toHaveLength(1)
  })

  it('extensions are named with their second number', () => {
    expect(call([27, 7, 1, 2, 3])).toMatchObject([named('confidentialTransferExtension/7')])
    expect(call([37, 0])).toMatchObject([named('confidentialTransferFeeExtension/0')])
    expect(call([26, 2])).toMatchObject([named('transferFeeExtension/2')])
    expect(call([36, 1])).toMatchObject([named('transferHookExtension/1')])
    expect(call([35, ...Array(32).fill(1)])).toMatchObject([named('initializePermanentDelegate')])
    expect(call([27])).toMatchObject(unnamed)
    expect(call([27, 7], [], tokenProgram)).toMatchObject(unnamed)
  })
})

describe('Associated Token', () => {
  it('recoverNested is named; what is unknown is not', () => {
    const key = { role: AccountRole.WRITABLE, address: at(bob) }
    const call = (data: readonly number[], accounts = 7) =>
      effectsOf({
        programAddress: token.ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
        accounts: Array(accounts).fill(key),
        data: Uint8Array.from(data),
      })
    expect(call([2])).toMatchObject([named('recoverNestedAssociatedToken')])
    expect(call([2], 6)).toMatchObject(unnamed)
    expect(call([3])).toMatchObject(unnamed)
    expect(call([1, 0])).toMatchObject(unnamed)
    expect(call([])).toMatchObject(unnamed)
  })
})

describe('Stake', () => {
  const account = at(fresh)
  const effect = {
    kind: 'stake',
    chain,
    stakeAccount: fresh,
    counterparty: undefined,
    amountMinor: undefined,
  }

  it('initialize says both powers, and a lockup', () => {
    const initialize = (epoch: bigint) =>
      stake.getInitializeInstruction({
        stake: account,
        arg0: { staker: at(alice), withdrawer: at(bob) },
        arg1: { unixTimestamp: 0n, epoch, custodian: at(program) },
      })
    const powers = [
      { ...effect, action: 'initialize', counterparty: bob, role: 'withdrawer' },
      { ...effect, action: 'initialize', counterparty: alice, role: 'staker' },
    ]
    expect(effectsOf(initialize(0n))).toEqual(powers)
    expect(effectsOf(initialize(1n))).toEqual([
      ...powers,
      { ...effect, action: 'lockup', counterparty: program },
    ])
    expectStrict(initialize(0n), { accounts: false })
    const checked = stake.getInitializeCheckedInstruction({
      stake: account,
      stakeAuthority: at(alice),
      withdrawAuthority: signer(bob),
    })
    expect(effectsOf(checked)).toEqual(powers)
    expectStrict(checked)
  })

  it('authorize', () => {
    const { Staker, Withdrawer } = stake.StakeAuthorize
    const plain = stake.getAuthorizeInstruction({
      stake: account,
      authority: own,
      arg0: at(bob),
      arg1: Withdrawer,
    })
    const authorized = { ...effect, action: 'authorize', counterparty: bob }
    expect(effectsOf(plain)).toEqual([{ ...authorized, role: 'withdrawer' }])
    expectStrict(plain)
    const checked = stake.getAuthorizeCheckedInstruction({
      stake: account,
      authority: own,
      newAuthority: signer(bob),
      stakeAuthorize: Staker,
    })
    expect(effectsOf(checked)).toEqual([{ ...authorized, role: 'staker' }])
    expectStrict(checked)
    const bySeed = addressWithSeed(wallet, 's', program)!
    const seeded = {
      stake: account,
      base: own,
      stakeAuthorize: Withdrawer,
      authoritySeed: 's',
      authorityOwner: at(program),
    }
    for (const instruction of [
      stake.getAuthorizeWithSeedInstruction({ ...seeded, newAuthorizedPubkey: at(bob) }),
      stake.getAuthorizeCheckedWithSeedInstruction({ ...seeded, newAuthority: signer(bob) }),
    ]) {
      expect(effectsOf(instruction)).toEqual([{ ...authorized, account: bySeed, role: 'withdrawer' }])
      expectStrict(instruction, { accounts: false })
    }
    const unknownRole = { ...plain, data: plain.data.with(36, 2) }
    expect(effectsOf(unknownRole)).toMatchObject(unnamed)
  })

  it('delegate, split, merge, deactivate', () => {
    const delegate = stake.getDelegateStakeInstruction({
      stake: account,
      vote: at(bob),
      stakeAuthority: own,
    })
    expect(effectsOf(delegate)).toEqual([{ ...effect, action: 'delegate', counterparty: bob }])
    const split = stake.getSplitInstruction({
      stake: account,
      splitStake: at(alice),
      stakeAuthority: own,
      args: 5n,
    })
    expect(effectsOf(split)).toEqual([{ ...effect, action: 'split', counterparty: alice, amountMinor: 5n }])
    const merge = stake.getMergeInstruction({
      destinationStake: at(alice),
      sourceStake: account,
      stakeAuthority: own,
    })
    expect(effectsOf(merge)).toEqual([{ ...effect, action: 'merge', counterparty: alice }])
    const deactivate = stake.getDeactivateInstruction({ stake: account, stakeAuthority: own })
    expect(effectsOf(deactivate)).toEqual([{ ...effect, action: 'deactivate' }])
    const theirs = stake.getDeactivateInstruction({ stake: account, stakeAuthority: signer(bob) })
    expect(effectsOf(theirs)).toEqual([{ ...effect, account: bob, action: 'deactivate' }])
    for (const one of [delegate, split, merge, deactivate]) expectStrict(one)
  })

  it('withdraw is a transfer too, where it does not come to the wallet', () => {
    const withdraw = (to: SolanaAddress) =>
      stake.getWithdrawInstruction({ stake: account, recipient: at(to), withdrawAuthority: own, args: 5n })
    const withdrawn = { ...effect, action: 'withdraw', amountMinor: 5n }
    expect(effectsOf(withdraw(wallet))).toEqual([{ ...withdrawn, counterparty: wallet }])
    expect(effectsOf(withdraw(bob))).toEqual([
      { ...withdrawn, counterparty: bob },
      { kind: 'native-transfer', account: fresh, chain, asset, recipient: bob, amountMinor: 5n },
    ])
    expectStrict(withdraw(bob))
  })

  it('lockups, and what moves between stake accounts', () => {
    const lockup = stake.getSetLockupInstruction({
      stake: account,
      authority: own,
      unixTimestamp: null,
      epoch: 4n,
      custodian: at(bob),
    })
    expect(effectsOf(lockup)).toEqual([{ ...effect, action: 'lockup', counterparty: bob }])
    const checked = stake.getSetLockupCheckedInstruction({
      stake: account,
      authority: own,
      newAuthority: signer(bob),
      unixTimestamp: null,
      epoch: 4n,
    })
    expect(effectsOf(checked)).toEqual([{ ...effect, action: 'lockup', counterparty: bob }])
    const accounts = { sourceStake: account, destinationStake: at(alice), stakeAuthority: own, args: 5n }
    expect(effectsOf(stake.getMoveStakeInstruction(accounts))).toMatchObject([named('moveStake')])
    expect(effectsOf(stake.getMoveLamportsInstruction(accounts))).toMatchObject([named('moveLamports')])
    expect(effectsOf(stake.getGetMinimumDelegationInstruction())).toMatchObject([
      named('getMinimumDelegation'),
    ])
    expect(
      effectsOf({ programAddress: at(stakeProgram), accounts: [], data: Uint8Array.of(1) }),
    ).toMatchObject(unnamed)
  })
})

describe('Stake, with the accounts of its older program', () => {
  const clock = address('SysvarC1ock11111111111111111111111111111111')
  const rent = address('SysvarRent111111111111111111111111111111111')
  const history = address('SysvarStakeHistory1111111111111111111111111')
  const config = address('StakeConfig11111111111111111111111111111111')
  type Listed = { readonly accounts: readonly { readonly address: string }[] }
  const withSysvars = (instruction: Listed, place: number, ...more: readonly string[]) => ({
    ...instruction,
    accounts: instruction.accounts.toSpliced(
      place,
      0,
      ...more.map((one) => ({ address: address(one), role: AccountRole.READONLY })),
    ),
  })
  const account = at(fresh)
  const others = { stake: account, stakeAuthority: own }
  const merge = { sourceStake: account, destinationStake: at(alice), stakeAuthority: own }
  const authorize = { stake: account, authority: own }
  const seed = { stake: account, base: own, authoritySeed: 's', authorityOwner: at(program) }
  const role = stake.StakeAuthorize.Withdrawer
  const checkedStart = stake.getInitializeCheckedInstruction({
    stake: account,
    stakeAuthority: at(alice),
    withdrawAuthority: signer(bob),
  })

  it('reads the same effects', () => {
    const withdraw = stake.getWithdrawInstruction({
      stake: account,
      recipient: at(bob),
      withdrawAuthority: own,
      args: 5n,
    })
    const cases: [Listed, number, ...string[]][] = [
      [stake.getDelegateStakeInstruction({ ...others, vote: at(bob) }), 2, clock, history, config],
      [stake.getDeactivateInstruction(others), 1, clock],
      [stake.getMergeInstruction(merge), 2, clock, history],
      [withdraw, 2, clock, history],
      [stake.getAuthorizeInstruction({ ...authorize, arg0: at(bob), arg1: role }), 1, clock],
      [
        stake.getAuthorizeCheckedInstruction({
          ...authorize,
          newAuthority: signer(bob),
          stakeAuthorize: role,
        }),
        1,
        clock,
      ],
      [
        stake.getAuthorizeWithSeedInstruction({
          ...seed,
          newAuthorizedPubkey: at(bob),
          stakeAuthorize: role,
        }),
        2,
        clock,
      ],
      [
        stake.getAuthorizeCheckedWithSeedInstruction({
          ...seed,
          newAuthority: signer(bob),
          stakeAuthorize: role,
        }),
        2,
        clock,
      ],
      [checkedStart, 1, rent],
    ]
    for (const [instruction, place, ...more] of cases) {
      const effects = effectsOf(instruction)
      expect(effects[0]?.kind).toBe('stake')
      const old = withSysvars(instruction, place, ...more)
      expect(effectsOf(old)).toEqual(effects)
      // One place off, or one more, and it could mean two things.
      expect(effectsOf(withSysvars(instruction, place - 1, ...more))).toMatchObject(unnamed)
      expect(effectsOf(withSysvars(old, old.accounts.length, clock))).toMatchObject(unnamed)
    }
  })

  it('does not let a sysvar in the place of an authority shift the others', () => {
    // The older program would take the clock for the staker and alice, not bob, for the withdrawer.
    expect(effectsOf(withSysvars(checkedStart, 1, rent, clock))).toMatchObject(unnamed)
  })
})

describe('lookup tables', () => {
  it('are named; closing one gives its lamports to whom it says', () => {
    const call = (data: readonly number[]) =>
      effectsOf({
        programAddress: at(lookupTableProgram),
        accounts: [fresh, wallet, bob].map((one) => ({ address: at(one), role: AccountRole.WRITABLE })),
        data: Uint8Array.from(data),
      })
    expect(call([2, 0, 0, 0, 1])).toMatchObject([named('extendLookupTable')])
    expect(call([4, 0, 0, 0])).toMatchObject([
      named('closeLookupTable'),
      { kind: 'native-transfer', account: fresh, recipient: bob, amountMinor: lamportsMax },
    ])
    expect(call([9, 0, 0, 0])).toMatchObject(unnamed)
    expect(call([])).toMatchObject(unnamed)
  })
})
