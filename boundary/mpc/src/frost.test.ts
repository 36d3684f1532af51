import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ed25519_FROST } from '@noble/curves/ed25519.js'
import { schnorr, schnorr_FROST, secp256k1_FROST } from '@noble/curves/secp256k1.js'
import { p2tr, SigHash, Transaction } from '@scure/btc-signer'
import {
  type Address,
  address,
  appendTransactionMessageInstruction,
  assertIsFullySignedTransaction,
  type Blockhash,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getAddressDecoder,
  getPublicKeyFromAddress,
  lamports,
  pipe,
  type SignatureBytes,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  verifySignature,
} from '@solana/kit'
import { getTransferSolInstruction } from '@solana-program/system'
import { describe, expect, it } from 'vitest'
import { concatBytes } from './byte-writer.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import type { FrostSignature } from './frost.ts'
import { frostPublicKey } from './frost-key.ts'
import { type FrostSuiteId, frostSuiteOf, isFrostSignatureValid } from './frost-suites.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { platformRandom, type RandomSource } from './random-source.ts'
import type { Session } from './session.ts'
import { endAll, generateTestKey, resultOf, testGroup } from './testing/ceremonies.ts'
import { dealFrostShares } from './testing/deal-frost-shares.ts'
import { frostTestMessage, openFrostSessions } from './testing/frost-sessions.ts'
import { runNetwork } from './testing/network.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const suiteIds: readonly FrostSuiteId[] = [2, 3, 4]

async function finish(
  sessions: ReadonlyMap<PartyIndex, Session<FrostSignature>>,
): Promise<Map<PartyIndex, FrostSignature>> {
  await runNetwork(sessions)
  return new Map([...endAll(sessions)].map(([index, outcome]) => [index, resultOf(outcome)]))
}

function isEd25519Valid(signed: Uint8Array, { bytes, publicKey }: FrostSignature): boolean {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
  return verify(null, signed, createPublicKey({ key: der, format: 'der', type: 'spki' }), bytes)
}

interface RfcVector {
  readonly inputs: {
    readonly group_secret_key: string
    readonly group_public_key: string
    readonly message: string
    readonly share_polynomial_coefficients: readonly string[]
    readonly participant_list: readonly number[]
    readonly participant_shares: readonly { identifier: number; participant_share: string }[]
  }
  readonly round_one_outputs: {
    readonly outputs: readonly ({ readonly identifier: number } & Record<string, string>)[]
  }
  readonly round_two_outputs: {
    readonly outputs: readonly { readonly identifier: number; readonly sig_share: string }[]
  }
  readonly final_output: { readonly sig: string }
}

describe.each([
  { suite: 2, file: 'frost-ed25519-sha512', prefix: '' },
  { suite: 3, file: 'frost-secp256k1-sha256', prefix: '' },
  // This revision wrote R as a compressed point of even y; BIP-340 has its x alone.
  { suite: 4, file: 'frost-secp256k1-sha256-tr', prefix: '02' },
] as const)('vectors of RFC 9591 and frost-secp256k1-tr: suite $suite', ({ suite, file, prefix }) => {
  const vector: RfcVector = JSON.parse(
    readFileSync(new URL(`../../../test/vectors/frost/${file}.json`, import.meta.url), 'utf8'),
  )
  const { inputs } = vector
  const { scalars, ...group } = testGroup(suite)
  const coefficients = [inputs.group_secret_key, ...inputs.share_polynomial_coefficients].map((text) =>
    scalars.decode(unhex(text)),
  )
  const shares = dealFrostShares({
    suite,
    threshold: 2,
    indices: [1, 2, 3],
    random: platformRandom,
    coefficients,
  })
  const output = (index: number) =>
    vector.round_one_outputs.outputs.find(({ identifier }) => identifier === index) as Record<string, string>

  it('has its shares, commitments, shares of the signature and signature', async () => {
    for (const { identifier, participant_share } of inputs.participant_shares) {
      expect(hex(scalars.encode((shares.get(identifier) as KeyShare).secret))).toBe(participant_share)
    }
    expect(hex(group.encode((shares.get(1) as KeyShare).publicKey))).toBe(inputs.group_public_key)
    const randoms = new Map<PartyIndex, RandomSource>(
      inputs.participant_list.map((index) => {
        const { hiding_nonce_randomness: hiding, binding_nonce_randomness: binding } = output(index)
        const draws = [hiding, binding].map((text) => unhex(text as string))
        return [index, () => draws.shift() ?? new Uint8Array(0)]
      }),
    )
    const message = unhex(inputs.message)
    const sessions = openFrostSessions(shares, inputs.participant_list, { message, randoms })
    const payloads = new Map<string, string>()
    for (const { bytes } of await runNetwork(sessions)) {
      const { code, sender, payload } = decodeFrame(bytes)
      payloads.set(`${code} ${sender}`, hex(payload))
    }
    for (const index of inputs.participant_list) {
      const { hiding_nonce_commitment: hiding, binding_nonce_commitment: binding } = output(index)
      expect(payloads.get(`${codes.frost1} ${index}`)).toBe(`${hiding}${binding}`)
    }
    for (const { identifier, sig_share } of vector.round_two_outputs.outputs) {
      expect(payloads.get(`${codes.frost2} ${identifier}`)).toBe(sig_share)
    }
    for (const outcome of endAll(sessions).values()) {
      expect(`${prefix}${hex(resultOf(outcome).bytes)}`).toBe(vector.final_output.sig)
    }
  })

  it('has its nonces and binding factors', () => {
    const { hashBinding, hashNonce } = frostSuiteOf(suite)
    for (const index of inputs.participant_list) {
      const one = output(index)
      const secret = scalars.encode((shares.get(index) as KeyShare).secret)
      const of = (kind: string) => hashNonce(concatBytes(unhex(one[kind] as string), secret))
      expect(hex(scalars.encode(of('hiding_nonce_randomness')))).toBe(one.hiding_nonce)
      expect(hex(scalars.encode(of('binding_nonce_randomness')))).toBe(one.binding_nonce)
      const factor = hashBinding(unhex(one.binding_factor_input as string))
      expect(hex(scalars.encode(factor))).toBe(one.binding_factor)
    }
  })
})

describe.each(suiteIds)('FROST, suite %d', (suite) => {
  it('signs with any two of a key that three have generated; everybody gets the same signature', async () => {
    const outcomes = await generateTestKey({ suite, threshold: 2, indices: [1, 2, 7] })
    const shares = new Map([...outcomes].map(([index, outcome]) => [index, resultOf(outcome)]))
    for (const signers of [
      [1, 2],
      [7, 1],
      [2, 7],
    ]) {
      const results = await finish(openFrostSessions(shares, signers))
      const [first] = results.values() as unknown as [FrostSignature]
      expect(results.size).toBe(2)
      for (const result of results.values()) expect(result).toEqual(first)
      const { bytes: signature, publicKey } = first
      expect(publicKey).toEqual(frostPublicKey(shares.get(1) as KeyShare))
      expect(isFrostSignatureValid(suite, { signature, publicKey, message: frostTestMessage })).toBe(true)
      const isOther = isFrostSignatureValid(suite, { signature, publicKey, message: new Uint8Array(3) })
      expect(isOther).toBe(false)
    }
  })

  it('signs the empty message and a long one', async () => {
    const shares = dealFrostShares({ suite, threshold: 2, indices: [1, 2], random: platformRandom })
    for (const message of [new Uint8Array(0), new Uint8Array(100_000).fill(9)]) {
      const results = await finish(openFrostSessions(shares, [1, 2], { message }))
      const { bytes: signature, publicKey } = results.get(2) as FrostSignature
      expect(isFrostSignatureValid(suite, { signature, publicKey, message })).toBe(true)
    }
  })

  it('erases no caller’s message and is not moved by a caller that changes it afterwards', async () => {
    const shares = dealFrostShares({ suite, threshold: 2, indices: [1, 2], random: platformRandom })
    const message = frostTestMessage.slice()
    const path: number[] = []
    const sessions = openFrostSessions(shares, [1, 2], { message, path })
    message.fill(0)
    path.push(1)
    const { bytes: signature, publicKey } = (await finish(sessions)).get(1) as FrostSignature
    expect(isFrostSignatureValid(suite, { signature, publicKey, message: frostTestMessage })).toBe(true)
  })
})

describe.each([
  { suite: 2, noble: ed25519_FROST },
  { suite: 3, noble: secp256k1_FROST },
  { suite: 4, noble: schnorr_FROST },
] as const)('suite $suite beside noble’s FROST', ({ suite, noble }) => {
  const id = (index: number) => noble.Identifier.fromNumber(index)

  it('makes one signature with a signer that is noble, and noble accepts every part of it', async () => {
    for (let round = 0; round < 4; round++) {
      const shares = dealFrostShares({ suite, threshold: 2, indices: [1, 2, 3], random: platformRandom })
      const { group, publicKey } = shares.get(1) as KeyShare
      const key = {
        signers: { min: 2, max: 3 },
        commitments: [group.encode(publicKey), group.encode(publicKey)],
        verifyingShares: Object.fromEntries(
          [...shares].map(([index, { secret }]) => [id(index), group.encode(group.multiplyBase(secret))]),
        ),
      }
      const secretOf = (index: number) => ({
        identifier: id(index),
        signingShare: group.scalars.encode((shares.get(index) as KeyShare).secret),
      })
      // Party 1 is noble.
      const own = openFrostSessions(shares, [1, 3]).get(3) as Session<FrostSignature>
      const { nonces, commitments } = noble.commit(secretOf(1))
      const first = decodeFrame(own.takeOutbox()[0]?.bytes as Uint8Array)
      const list = [
        commitments,
        {
          identifier: id(3),
          hiding: first.payload.slice(0, group.pointBytes),
          binding: first.payload.slice(group.pointBytes),
        },
      ]
      const send = (code: number, wire: Uint8Array, payload: Uint8Array) =>
        own.receive(1, encodeFrame({ suite, code, sender: 1, receiver: 0, session: wire, payload }))
      send(codes.frost1, first.session, concatBytes(commitments.hiding, commitments.binding))
      const second = decodeFrame(own.takeOutbox()[0]?.bytes as Uint8Array)
      expect(noble.verifyShare(key, list, frostTestMessage, id(3), second.payload)).toBe(true)
      const share = noble.signShare(secretOf(1), key, nonces, list, frostTestMessage)
      send(codes.frost2, second.session, share)
      const result = resultOf(own.outcome)
      const shared = { [id(1)]: share, [id(3)]: second.payload }
      expect(hex(noble.aggregate(key, list, frostTestMessage, shared))).toBe(hex(result.bytes))
      expect(noble.verify(result.bytes, frostTestMessage, result.publicKey)).toBe(true)
    }
  })
})

interface TaprootPayment {
  readonly script: Uint8Array
  readonly tweakedPubkey: Uint8Array
  readonly tapMerkleRoot?: Uint8Array
}

describe('who accepts the signatures', () => {
  it('OpenSSL, for Ed25519', async () => {
    const shares = dealFrostShares({ suite: 2, threshold: 3, indices: [1, 2, 3, 4], random: platformRandom })
    const result = (await finish(openFrostSessions(shares, [1, 3, 4]))).get(4) as FrostSignature
    expect(isEd25519Valid(frostTestMessage, result)).toBe(true)
    expect(isEd25519Valid(frostTestMessage.slice(1), result)).toBe(false)
  })

  it('Solana’s kit, for a transfer', async () => {
    const shares = dealFrostShares({ suite: 2, threshold: 2, indices: [1, 2, 3], random: platformRandom })
    const from = getAddressDecoder().decode(frostPublicKey(shares.get(1) as KeyShare))
    const lifetime = { blockhash: from as string as Blockhash, lastValidBlockHeight: 9n }
    const to: Address = address('11111111111111111111111111111112')
    const transfer = getTransferSolInstruction({
      source: createNoopSigner(from),
      destination: to,
      amount: lamports(5_000n),
    })
    const transaction = compileTransaction(
      pipe(
        createTransactionMessage({ version: 0 }),
        (message) => setTransactionMessageFeePayer(from, message),
        (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
        (message) => appendTransactionMessageInstruction(transfer, message),
      ),
    )
    const message = Uint8Array.from(transaction.messageBytes)
    const result = (await finish(openFrostSessions(shares, [1, 2], { message }))).get(1) as FrostSignature
    const bytes = result.bytes as SignatureBytes
    assertIsFullySignedTransaction({ ...transaction, signatures: { [from]: bytes } })
    const key = await getPublicKeyFromAddress(from)
    expect(await verifySignature(key, bytes, transaction.messageBytes)).toBe(true)
    const other = Uint8Array.from(message, (byte, at) => (at === message.length - 1 ? byte ^ 1 : byte))
    expect(await verifySignature(key, bytes, other)).toBe(false)
  })

  it.each([
    ['without scripts', undefined],
    ['with a script', new Uint8Array([0x51])],
  ])('a taproot output of btc-signer %s', async (_, script) => {
    // Keys and nonces of both parities come up within a few of these.
    for (let round = 0; round < 6; round++) {
      const shares = dealFrostShares({ suite: 4, threshold: 2, indices: [1, 2, 3], random: platformRandom })
      const path = [86, round]
      const internal = frostPublicKey(shares.get(1) as KeyShare, { path })
      const payment: TaprootPayment =
        script === undefined ? p2tr(internal) : p2tr(internal, { script }, undefined, true)
      const merkleRoot = payment.tapMerkleRoot ?? new Uint8Array(0)
      const spent = { script: payment.script, amount: 10_000n }
      const transaction = new Transaction()
      transaction.addInput({
        txid: '11'.repeat(32),
        index: 0,
        witnessUtxo: spent,
        tapInternalKey: internal,
        ...(script === undefined ? {} : { tapMerkleRoot: merkleRoot }),
      })
      transaction.addOutput({ script: payment.script, amount: 9_000n })
      const message = transaction.preimageWitnessV1(0, [spent.script], SigHash.DEFAULT, [spent.amount])
      const sessions = openFrostSessions(shares, [2, 3], { path, merkleRoot, message })
      const result = (await finish(sessions)).get(2) as FrostSignature
      expect(hex(payment.script)).toBe(`5120${hex(result.publicKey)}`)
      expect(hex(result.publicKey)).toBe(hex(payment.tweakedPubkey))
      expect(hex(result.publicKey)).toBe(hex(frostPublicKey(shares.get(3) as KeyShare, { path, merkleRoot })))
      expect(schnorr.verify(result.bytes, message, payment.tweakedPubkey)).toBe(true)
      expect(schnorr.verify(result.bytes, message, internal)).toBe(false)
      transaction.updateInput(0, { tapKeySig: result.bytes })
      transaction.finalize()
      expect(transaction.isFinal).toBe(true)
    }
  })

  it('nobody who asks for another key of the family', async () => {
    const shares = dealFrostShares({ suite: 4, threshold: 2, indices: [1, 2], random: platformRandom })
    const share = shares.get(1) as KeyShare
    const result = (await finish(openFrostSessions(shares, [1, 2], { path: [1] }))).get(1) as FrostSignature
    const choices = [{}, { path: [2] }, { path: [1], merkleRoot: new Uint8Array(0) }]
    for (const choice of choices) {
      const publicKey = frostPublicKey(share, choice)
      expect(
        isFrostSignatureValid(4, { signature: result.bytes, publicKey, message: frostTestMessage }),
      ).toBe(false)
    }
  })
})
