import { type AccountAddress, decodeBase64, encodeHex, isCountersignError, sha256 } from '@countersign/bytes'
import type { Intent } from '@countersign/intent'
import {
  type Fact,
  type FactDocument,
  type FactsNeeded,
  factPayload,
  factsNeeded,
  type PriceFact,
  parseFact,
  type SimulationFact,
} from '@countersign/policy'
import {
  checkActive,
  type FactBody,
  factTakenContext,
  isActive,
  isPasskeyAlgorithm,
  type SignedRequest,
  subjectOf,
} from '@countersign/wire'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import type { PolicyLayer } from './policies.ts'
import type { FactRecord, SignedFactRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'
import { verifyRequest } from './verifier.ts'

/** How far ahead a fact may say that it holds. Policies mostly ask for much less. */
export const factLifetimeMsMax = 24 * 60 * 60 * 1000
/** Different things that one credential says something about at the same time. */
export const pricesPerCredentialMax = 1_000
export const simulationsPerCredentialMax = 256
/** The largest that the format allows, with room: 64 outflows. */
const factCharsMax = 32_768

/**
 * Takes a fact that its credential has signed twice: the request, as every request, and the fact itself, which then
 * stands in the journal with every decision that counts on it. Keeping one changes nothing by itself: which facts
 * count, of whom and how old, policies say. So it costs no journal entry, and the same one again is the same answer.
 * @throws {CountersignError} SIGNER_FACT_REFUSED, SIGNER_FACT_OLDER, SIGNER_FACTS_FULL, POLICY_FACT_INVALID */
export async function addFact(
  signer: Signer,
  request: SignedRequest,
  { fact: value, signature }: FactBody,
): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  if (JSON.stringify(value).length > factCharsMax) throw refused(`it has over ${factCharsMax} characters`)
  const fact = parseFact(value)
  const document = value as unknown as FactDocument
  const payload = factPayload(document)
  await checkSigned(caller, fact, { payload, signature })
  const { id } = caller.primary
  const digest = encodeHex(sha256(payload))
  await signer.ledger.submit(async (tx) => {
    const credential = await tx.get('credential', id)
    if (credential === undefined) throw signer.revoked(id)
    checkActive(credential, tx.nowMs)
    checkTimes(fact, tx.nowMs)
    const key = factKey(subjectOf(credential), fact)
    const before = await tx.get('fact', key)
    // Equal times: only the very same, so that nobody can have it both ways.
    if (before !== undefined && before.signature !== signature && before.fact.atMs >= fact.atMs) {
      throw signerError(
        'SIGNER_FACT_OLDER',
        `There is a fact by ${id} about the same, of ${new Date(before.fact.atMs).toISOString()}.`,
      )
    }
    if (before === undefined) await checkRoom(tx, key, fact)
    const record: FactRecord = { fact: document, signature, credential: id }
    tx.put('fact', key, record, fact.expiresAtMs)
  })
  const { audience, publicKey } = signer.journal
  const statement = {
    version: 1,
    signer: audience,
    at: new Date(signer.ledger.nowMs()).toISOString(),
    asked: caller.digest,
    fact: digest,
    expiresAt: new Date(fact.expiresAtMs).toISOString(),
  }
  const signed = await signer.journal.signStatement(factTakenContext, statement)
  return { status: 200, body: { statement, signer: audience, journalKey: publicKey, signature: signed } }
}

async function checkSigned(
  { primary }: Caller,
  fact: Fact,
  { payload, signature }: { payload: Uint8Array; signature: string },
): Promise<void> {
  const { id, algorithm, publicKey } = primary
  if (fact.credentialId !== id) throw refused(`it is by ${fact.credentialId}, and the request by ${id}`)
  if (algorithm === 'bearer' || isPasskeyAlgorithm(algorithm)) {
    throw refused('facts are signed by a key, neither by a passkey nor with an API key')
  }
  const check = { algorithm, publicKey, base: payload, signature: decodeBase64(signature, 'signature') }
  if ((await verifyRequest(check)) !== true) throw refused('its signature does not verify')
}

/** What is not yet, or no longer, cannot be told from what never was: there is no allowance for clocks that differ. */
function checkTimes({ atMs, expiresAtMs }: Fact, nowMs: number): void {
  if (atMs > nowMs) throw refused('it is of a time that has not come yet, by the signer’s clock')
  if (expiresAtMs <= nowMs) throw refused('it has expired, by the signer’s clock')
  if (expiresAtMs - atMs > factLifetimeMsMax) throw refused('it holds for more than a day')
}

async function checkRoom(tx: LedgerTx, key: string, { type }: Fact): Promise<void> {
  const prefix = key.slice(0, key.indexOf('/', key.indexOf('/') + 1) + 1)
  const max = type === 'price' ? pricesPerCredentialMax : simulationsPerCredentialMax
  const rows = await tx.range('fact', prefix, `${prefix}\uffff`, max)
  // Those that have run out are pruned soon, and count no longer.
  if (rows.filter(({ value }) => value.fact.expiresAtMs > tx.nowMs).length < max) return
  throw signerError('SIGNER_FACTS_FULL', `The credential has ${max} facts of this kind that hold.`)
}

/** The newest of each: by whom, and about what. */
function factKey(subject: string, fact: Pick<PriceFact, 'type' | 'asset' | 'currency'> | SimulationFactKey) {
  return fact.type === 'price'
    ? `price/${subject}/${fact.currency}/${fact.asset}`
    : `simulation/${subject}/${fact.payloadDigest}/${fact.account}`
}
type SimulationFactKey = Pick<SimulationFact, 'type' | 'payloadDigest' | 'account'>

export interface LoadedFacts {
  readonly prices: readonly PriceFact[]
  readonly simulations: readonly SimulationFact[]
  /** As they were signed. */
  readonly records: readonly SignedFactRecord[]
}

interface FactsWanted {
  readonly intent: Intent
  /** Address of the wallet. */
  readonly account: AccountAddress
  readonly layers: readonly PolicyLayer[]
}

/** What the policies in force can ask for about this request, of those whom they name, and nothing else. */
export async function loadFacts(
  tx: Pick<LedgerTx, 'get' | 'nowMs'>,
  { intent, account, layers }: FactsWanted,
): Promise<LoadedFacts> {
  const needed: FactsNeeded = factsNeeded(intent, layers)
  const prices: PriceFact[] = []
  const simulations: SimulationFact[] = []
  const records: SignedFactRecord[] = []
  for (const { credentialId, asset, currency } of needed.prices) {
    const found = await load(tx, factKey(credentialId, { type: 'price', asset, currency }))
    if (found?.fact.type !== 'price') continue
    prices.push({ ...found.fact, credentialId })
    records.push(found.record)
  }
  for (const { credentialId, payloadDigest } of needed.simulations) {
    const found = await load(tx, factKey(credentialId, { type: 'simulation', payloadDigest, account }))
    if (found?.fact.type !== 'simulation') continue
    simulations.push({ ...found.fact, credentialId })
    records.push(found.record)
  }
  return { prices, simulations, records }
}

/** A fact that has run out, or whose credential is no longer active in this commit, is none. */
async function load(
  tx: Pick<LedgerTx, 'get' | 'nowMs'>,
  key: string,
): Promise<{ readonly fact: Fact; readonly record: SignedFactRecord } | undefined> {
  const stored = await tx.get('fact', key)
  if (stored === undefined || stored.fact.expiresAtMs <= tx.nowMs) return undefined
  const credential = await tx.get('credential', stored.credential)
  if (credential === undefined || !isActive(credential, tx.nowMs)) return undefined
  const { fact, signature } = stored
  try {
    return { fact: parseFact(fact), record: { fact, signature } }
  } catch (error) {
    // Taken by an earlier version, and no fact for this one.
    if (isCountersignError(error)) return undefined
    throw error
  }
}

function refused(why: string) {
  return signerError('SIGNER_FACT_REFUSED', `The fact is not taken: ${why}.`)
}
