import { describeExposure, type Exposure, exposureOf } from '@countersign/policy'
import { type Credential, formatDelay, isActive, type SignedRequest, subjectOf } from '@countersign/wire'
import { authenticate } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { changesStatement } from './custody-changes.ts'
import { exposuresOfGrantee, grantsOver, grantsStatement, isBoundToGrants } from './custody-grants.ts'
import { layersOf, type PolicyLayer } from './policies.ts'
import { credentialsMax } from './quorum.ts'
import type { WalletRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'
import { chainOfWallet } from './wallet-chain.ts'

export const custodyContext = 'countersign-custody-v1'

/**
 * Who can sign for a wallet, what a break-in at each place could move, and how the owner leaves: said by the signer
 * from its own records, signed with its journal key over `countersign-custody-v1\n` and the canonical statement.
 */
export async function readCustody(signer: Signer, request: SignedRequest, walletId: string): Promise<Answer> {
  await authenticate(request, signer.authentication)
  const wallet = await signer.ledger.get('wallet', walletId)
  if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
  const statement = await custodyStatement(signer, wallet)
  const signature = await signer.journal.signStatement(custodyContext, statement)
  return {
    status: 200,
    body: { statement, signer: signer.journal.audience, journalKey: signer.journal.publicKey, signature },
  }
}

async function custodyStatement(signer: Signer, wallet: WalletRecord): Promise<object> {
  const { custody } = signer.backend
  const organisation = await signer.ledger.get('organisation', 'organisation')
  const rows = await signer.ledger.range('credential', '', '\uffff', credentialsMax)
  const nowMs = signer.ledger.nowMs()
  const active = rows.map(({ value }) => value).filter((credential) => isActive(credential, nowMs))
  const admins = active.filter(({ role }) => role === 'admin')
  const askers = active.filter(({ role }) => role !== 'admin')
  const bearers = active.filter(({ bearer }) => bearer === true)
  const layers = await layersOf(signer.ledger, signer.policies, wallet.id)
  const { get, range } = signer.ledger
  const granted = await grantsOver({ get, range, nowMs }, wallet.id)
  const grantees = active.filter((credential) => isBoundToGrants(credential, wallet))
  return {
    version: 1,
    at: new Date(signer.ledger.nowMs()).toISOString(),
    journalSize: signer.journal.size(),
    wallet: {
      id: wallet.id,
      type: wallet.type,
      address: wallet.address,
      algorithm: wallet.algorithm,
      ...(wallet.type === 'EVM' ? {} : { chain: chainOfWallet(wallet) }),
    },
    verdict: 'custodial',
    verdictReason:
      'The whole key is in one trust domain: the machine of the signer, which listens on a unix socket, so whatever talks to it runs on the same machine.',
    key: {
      backend: custody.backend,
      architecture: custody.architecture,
      fitForProduction: custody.production,
      survivesRestart: custody.durable,
      statement: custody.statement,
    },
    policies: layers.map(({ layer, policy }) => ({ layer, policy: policy?.id ?? null })),
    enforcedAt: 'Policy, spending windows and journal are in the signer’s process, which holds the key.',
    quorum: { needed: organisation?.quorum ?? null, admins: admins.map(({ id, name }) => ({ id, name })) },
    ...(await changesStatement(signer.ledger, wallet, layers)),
    ...grantsStatement(wallet, granted),
    ifOwned: [
      ...rootsOfTrust(
        custody.statement,
        organisation?.quorum ?? 0,
        admins,
        organisation?.looseningDelayMs ?? 0,
      ),
      engineItself(bearers, layers, wallet.id),
      engineUser(signer.sharesUserWithEngine),
      // Below the quorum an admin is an asker like others: a rule that names nobody is for admins too.
      ...exposuresTo(
        ((organisation?.quorum ?? 0) > 1 ? active : askers).filter((one) => !grantees.includes(one)),
        layers,
        wallet.id,
      ),
      ...grantees
        .flatMap((grantee) => exposuresOfGrantee(grantee, granted, { layers, walletId: wallet.id }))
        .map(({ what, exposure, canMove }) => ({
          what,
          ...(exposure === undefined ? nothing : figures(exposure)),
          canMove,
        })),
      {
        what: 'engine and every agent’s credential together',
        ...figures(exposureOf(layers, wallet.id, askers.map(subjectOf))),
      },
    ],
    exit: 'This version has no key export through the API: the owner leaves by having the policy permit a transfer of everything to another address, signed in here by the admin quorum’s policy change.',
  }
}

function rootsOfTrust(keyStatement: string, quorum: number, admins: readonly Credential[], delayMs: number) {
  return [
    {
      what: 'signer process, its user, or root on its machine',
      canMove: [`Everything, at once. ${keyStatement}`],
    },
    {
      what: `${quorum} of the ${admins.length} admin credentials`,
      canMove: [
        delayMs === 0
          ? 'Everything, by changing the policy, at once; each change is in the journal. They cannot read the key through the signer.'
          : `Everything, by changing the policy, ${formatDelay(delayMs)} after they have asked for it, where no other admin vetoes it or freezes the signer until then; they can revoke the other admins at once. Each step is in the journal. They cannot read the key through the signer.`,
      ],
    },
  ]
}

/**
 * API keys pass through the engine as they are, so whoever owns it has them: they count as the engine's own, also with
 * the rules that do not grant to `bearer`, so that the figure can only be too high.
 */
function engineItself(bearers: readonly Credential[], layers: readonly PolicyLayer[], walletId: string) {
  const what = 'engine: its database, its API, every request that passes through it'
  const always =
    'It can refuse, delay, and choose nonce, gas and prices within the caller’s and the policy’s fee bounds for requests that leave them open.'
  if (bearers.length === 0) {
    return {
      what: `${what}; without any credential`,
      canMove: [`Nothing: the signer signs only what a credential has signed. ${always}`],
    }
  }
  const names = bearers.map(({ id, name }) => `${name} (${id})`).join(', ')
  const { canMove, ...figure } = figures(exposureOf(layers, walletId, bearers.map(subjectOf)))
  return {
    what: `${what}; with the API keys that it sees: ${names}`,
    bearerCredentials: bearers.map(({ id, name }) => ({ id, name })),
    ...figure,
    canMove: [
      `Whoever sees an API key has it, and the engine sees every one in use: it can replay a request with one under another request id, or make up its own. ${always}`,
      ...canMove,
    ],
  }
}

/** What the operating system adds to, or takes from, the line above. */
function engineUser(isShared: boolean) {
  const what = 'code run with the Unix user of the engine'
  if (!isShared)
    return {
      what,
      canMove: [
        'No more than the engine: its user reaches the signer’s socket and nothing else of the signer.',
      ],
    }
  return {
    what,
    canMove: [
      'Everything: the socket admits only the signer’s own user, so the engine runs as that user, which can read the signer’s memory and environment. Run the engine as another user and name a shared group in socketGroup to part them.',
    ],
  }
}

/** Computed once for all whom the same rules name: a large policy takes its time, and anybody may ask. */
function exposuresTo(credentials: readonly Credential[], layers: readonly PolicyLayer[], walletId: string) {
  const naming = layers
    .flatMap(({ policy }) => policy?.rules ?? [])
    .flatMap((rule) => (rule.credentials === undefined ? [] : [rule.credentials]))
  const known = new Map<string, ReturnType<typeof figures>>()
  return credentials.map((credential) => {
    const { id, name, role, bearer } = credential
    const subject = subjectOf(credential)
    const named = naming.map((ids) => (ids.has(subject) ? '1' : '0')).join('')
    const exposure = known.get(named) ?? figures(exposureOf(layers, walletId, [subject]))
    known.set(named, exposure)
    const kind = role === 'admin' ? ', an admin alone' : bearer === true ? ', an API key' : ''
    return { what: `credential ${name} (${id})${kind}`, ...exposure }
  })
}

const nothing = { bounded: true, bounds: [], recipients: [] }

function figures(exposure: Exposure) {
  return {
    bounded: exposure.bounded,
    canMove: describeExposure(exposure),
    bounds: exposure.assets.flatMap(({ asset, bounds }) =>
      bounds.map(({ amountMinor, windowMs }) => ({ asset, amountMinor: String(amountMinor), windowMs })),
    ),
    recipients: exposure.recipients,
  }
}
