import { encodeHex, type SolanaAddress } from '@countersign/bytes'
import {
  AccountRole,
  type Address,
  address,
  decompileTransactionMessage,
  getAddressDecoder,
  getCompiledTransactionMessageCodec,
  type Instruction,
  isSignerRole,
  isSolanaError,
  isWritableRole,
} from '@solana/kit'
import { parseSetComputeUnitLimitInstruction } from '@solana-program/compute-budget'
import {
  identifySystemInstruction,
  parseTransferSolInstruction,
  SystemInstruction,
} from '@solana-program/system'
import {
  identifyTokenInstruction,
  parseTransferCheckedInstruction,
  TokenInstruction,
} from '@solana-program/token'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mutationsOf, unlessRefused } from '../../testing/mutations.ts'
import { solanaDevnet as chain, kitMessage, solanaAccount, wallet } from '../../testing/solana-messages.ts'
import {
  computeBudgetProgram,
  stakeProgram,
  systemProgram,
  token2022Program,
  tokenProgram,
} from './programs.ts'
import { couldBeSolanaMessage, decodeSolanaMessage, encodeSolanaMessage } from './solana-message.ts'
import { solanaTransactionIntent } from './solana-transaction-intent.ts'

/** COUNTERSIGN_FUZZ_RUNS=100000 for the long run. */
const fuzzRuns = Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 3_000)
const fuzzTimeoutMs = 1_800_000

const accounts = fc
  .oneof(
    fc.integer({ min: 2, max: 40 }).map(solanaAccount),
    fc.constant(wallet),
    fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => getAddressDecoder().decode(bytes) as string as SolanaAddress),
  )
  .map((one) => address(one))
const roles = fc.constantFrom(
  AccountRole.READONLY,
  AccountRole.WRITABLE,
  AccountRole.READONLY_SIGNER,
  AccountRole.WRITABLE_SIGNER,
)
/** The wallet pays, so it is a signer, and kit refuses to say otherwise. */
const metas = fc.tuple(accounts, roles).map(([who, role]) => ({ address: who, role }))
const unknownPrograms = fc.integer({ min: 0x60, max: 0x70 }).map((byte) => address(solanaAccount(byte)))
const unknownInstructions: fc.Arbitrary<Instruction> = fc.record({
  programAddress: unknownPrograms,
  accounts: fc.array(metas, { maxLength: 5 }),
  data: fc.uint8Array({ maxLength: 60 }),
})

const programs = [systemProgram, tokenProgram, token2022Program, stakeProgram].map((one) => address(one))
const numbered = fc.oneof(
  fc.nat(50).map((number) => [number]),
  fc.nat(20).map((number) => [number, 0, 0, 0]),
)
/** Shaped like instructions of known programs: their numbers, then fields of all sizes. */
const knownInstructions: fc.Arbitrary<Instruction> = fc
  .record({
    programAddress: fc.constantFrom(...programs),
    accounts: fc.array(metas, { maxLength: 7 }),
    number: numbered,
    rest: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(0, 8, 9, 32, 36, 52).map((length) => new Uint8Array(length)),
    ),
  })
  .map(({ number, rest, ...more }) => ({ ...more, data: Uint8Array.from([...number, ...rest]) }))

const tables = fc.uniqueArray(fc.integer({ min: 10, max: 40 }), { maxLength: 20 }).map((bytes) => ({
  [address(solanaAccount(0x55))]: bytes.map((byte) => address(solanaAccount(byte))),
}))
const messages = (instructions: fc.Arbitrary<Instruction>) =>
  fc
    .record({
      list: fc.array(instructions, { minLength: 1, maxLength: 6 }),
      version: fc.constantFrom('legacy' as const, 0 as const),
      tables,
    })
    .map((one) => ({ ...one, bytes: compiled(one.list, one) }))
    .filter((one): one is typeof one & { bytes: Uint8Array } => one.bytes !== undefined)

/** `undefined` where it is too large or has too many signers. */
function compiled(...given: Parameters<typeof kitMessage>): Uint8Array | undefined {
  let bytes: Uint8Array
  try {
    bytes = kitMessage(...given)
  } catch (error) {
    if (isSolanaError(error)) return undefined
    throw error
  }
  return unlessRefused(() => decodeSolanaMessage(bytes)) && bytes
}

type Tables = Record<Address, Address[]>
const lookupTablesOf = (given: Tables) =>
  Object.entries(given).map(([table, addresses]) => ({
    table: table as string as SolanaAddress,
    addresses: addresses as string[] as SolanaAddress[],
  }))
const intentOf = (message: Uint8Array, given: Tables) =>
  solanaTransactionIntent({ message, chain, wallet, lookupTables: lookupTablesOf(given) })

/** What @solana/kit's own decoder makes of the bytes. */
function kitInstructions(bytes: Uint8Array, given: Tables) {
  const decoded = getCompiledTransactionMessageCodec().decode(bytes)
  return decompileTransactionMessage(decoded as never, { addressesByLookupTableAddress: given } as never)
    .instructions as readonly Instruction[]
}

describe('against @solana/kit', () => {
  it('reads every instruction, account and flag that kit reads, and writes the same bytes', () => {
    fc.assert(
      fc.property(messages(unknownInstructions), ({ bytes, tables }) => {
        const decoded = decodeSolanaMessage(bytes)
        expect(encodeHex(encodeSolanaMessage(decoded))).toBe(encodeHex(bytes))
        expect(couldBeSolanaMessage(bytes)).toBe(true)
        const calls = intentOf(bytes, tables)
          .effects.slice(0, -1)
          .filter((effect) => !(effect.kind === 'program-call' && effect.instruction === 'useLookupTable'))
        expect(calls).toEqual(
          kitInstructions(bytes, tables).map(({ programAddress, accounts = [], data = [] }) => ({
            kind: 'program-call',
            chain,
            program: programAddress,
            instruction: undefined,
            data: encodeHex(Uint8Array.from(data as Uint8Array)),
            accounts: accounts.map(({ address: who, role }) => ({
              address: who,
              isSigner: isSignerRole(role),
              isWritable: isWritableRole(role),
            })),
          })),
        )
      }),
      { numRuns: 400 },
    )
  })

  it('loses no transfer that kit’s clients see', () => {
    fc.assert(
      fc.property(messages(knownInstructions), ({ bytes, tables }) => {
        const { effects } = intentOf(bytes, tables)
        const seen = kitInstructions(bytes, tables).flatMap(kitTransfers)
        const ours = effects.flatMap((effect) =>
          effect.kind === 'native-transfer' || effect.kind === 'token-transfer' ? [effect.amountMinor] : [],
        )
        for (const amount of seen) expect(ours).toContain(amount)
        expect(effects.at(-1)?.kind).toBe('fee')
        expect(effects.length).toBeGreaterThan(decodeSolanaMessage(bytes).instructions.length)
      }),
      { numRuns: 1_000 },
    )
  })
})

/** Amounts of plain transfers whose data is whole, as the clients of the programs parse them. */
function kitTransfers(instruction: Instruction): bigint[] {
  const whole = instruction as Required<Instruction>
  const { programAddress, data } = whole
  try {
    if (
      programAddress === address(systemProgram) &&
      identifySystemInstruction(data) === SystemInstruction.TransferSol
    ) {
      const parsed = parseTransferSolInstruction(whole as never)
      return data.length === 12 ? [parsed.data.amount] : []
    }
    if (
      programAddress === address(tokenProgram) &&
      identifyTokenInstruction(data) === TokenInstruction.TransferChecked
    ) {
      const parsed = parseTransferCheckedInstruction(whole as never)
      return data.length === 10 ? [parsed.data.amount] : []
    }
  } catch {
    // Not one of theirs.
  }
  return []
}

describe('hostile bytes', () => {
  const budget = fc.tuple(fc.nat(5), fc.uint8Array({ maxLength: 8 })).map(([number, rest]) => ({
    programAddress: address(computeBudgetProgram),
    data: Uint8Array.of(number, ...rest),
  }))
  const valid = messages(fc.oneof(unknownInstructions, knownInstructions, budget))

  it('near a message: refused, or read as exactly those bytes, no instruction without an effect', {
    timeout: fuzzTimeoutMs,
  }, () => {
    const near = valid.chain(({ bytes, tables }) =>
      fc.record({ bytes: mutationsOf(bytes), tables: fc.constant(tables) }),
    )
    let taken = 0
    fc.assert(
      fc.property(near, ({ bytes, tables }) => {
        const intent = unlessRefused(() => intentOf(bytes, tables))
        if (intent === undefined) return
        taken++
        expect(encodeHex(intent.toSign)).toBe(encodeHex(bytes))
        expect(couldBeSolanaMessage(bytes)).toBe(true)
        // Kit takes whatever is taken here, and sees as many instructions.
        const instructions = kitInstructions(bytes, tables)
        const others = instructions.filter(
          ({ programAddress }) => programAddress !== address(computeBudgetProgram),
        )
        const moved = intent.effects.flatMap((effect) =>
          effect.kind === 'native-transfer' || effect.kind === 'token-transfer' ? [effect.amountMinor] : [],
        )
        for (const amount of instructions.flatMap(kitTransfers)) {
          expect(moved).toContain(amount)
          moved.splice(moved.indexOf(amount), 1)
        }
        const unread = intent.effects.flatMap((effect) =>
          effect.kind === 'program-call' ? [`${effect.program} ${effect.data}`] : [],
        )
        for (const { programAddress, data = [] } of others) {
          if (programs.some((one) => one === programAddress)) continue
          const call = `${programAddress} ${encodeHex(Uint8Array.from(data as Uint8Array))}`
          expect(unread).toContain(call)
          unread.splice(unread.indexOf(call), 1)
        }
        expect(intent.effects.filter(({ kind }) => kind === 'fee')).toHaveLength(1)
        expect(intent.effects.length).toBeGreaterThan(others.length)
      }),
      { numRuns: fuzzRuns },
    )
    expect(taken).toBeGreaterThan(fuzzRuns / 50)
  })

  it('noise: only its own errors', () => {
    const noise = fc.tuple(fc.constantFrom(0, 1, 2, 0x80, 0x81, 0xff), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(noise, ([first, rest]) => {
        unlessRefused(() => intentOf(Uint8Array.of(first, ...rest), {}))
      }),
      { numRuns: fuzzRuns },
    )
  })
})

describe('limit budget parsing', () => {
  it('reads the unit limit that kit reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_400_000 }), (units) => {
        const data = Uint8Array.of(2, units & 255, (units >> 8) & 255, (units >> 16) & 255, 0)
        const limit = { programAddress: address(computeBudgetProgram), data }
        expect(parseSetComputeUnitLimitInstruction(limit).data.units).toBe(units)
        const price = {
          programAddress: address(computeBudgetProgram),
          data: Uint8Array.of(3, 64, 66, 15, 0, 0, 0, 0, 0),
        }
        const call = { programAddress: address(solanaAccount(0x66)), data: new Uint8Array(0) }
        const fee = intentOf(kitMessage([limit, price, call]), {}).effects.at(-1)
        expect(fee).toMatchObject({ kind: 'fee', amountMinor: BigInt(5_000 + units) })
      }),
      { numRuns: 100 },
    )
  })
})
