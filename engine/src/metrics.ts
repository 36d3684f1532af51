import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Labels are route names, codes and states: nothing that names a person, a wallet or a credential. */
export interface Metrics {
  readonly registry: Registry
  readonly requests: Counter<'route' | 'status'>
  readonly signatures: Counter<'operation'>
  readonly refusals: Counter<'code'>
  readonly transactions: Counter<'state'>
  readonly openTransactions: Gauge<'state'>
  readonly laneDepth: Gauge
  readonly signerSeconds: Histogram
  readonly journalIndexed: Gauge
  readonly journalBroken: Gauge
  readonly unmatchedTransactions: Gauge<'chain'>
}

const signerBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

export function openMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    requests: new Counter({
      name: 'countersign_requests_total',
      help: 'Requests to the public API by route and HTTP status.',
      labelNames: ['route', 'status'],
      registers,
    }),
    signatures: new Counter({
      name: 'countersign_signatures_total',
      help: 'Signatures that the signer gave, by operation.',
      labelNames: ['operation'],
      registers,
    }),
    refusals: new Counter({
      name: 'countersign_refusals_total',
      help: 'Requests that were not fulfilled, by error code.',
      labelNames: ['code'],
      registers,
    }),
    transactions: new Counter({
      name: 'countersign_transactions_total',
      help: 'Transactions that entered a state.',
      labelNames: ['state'],
      registers,
    }),
    openTransactions: new Gauge({
      name: 'countersign_transactions_open',
      help: 'Transactions that are not settled, by state.',
      labelNames: ['state'],
      registers,
    }),
    laneDepth: new Gauge({
      name: 'countersign_lane_depth',
      help: 'Transactions that wait for, or are in, the lane of their wallet and chain.',
      registers,
    }),
    journalIndexed: new Gauge({
      name: 'countersign_journal_indexed_entries',
      help: 'Journal entries in the engine’s verified copy.',
      registers,
    }),
    journalBroken: new Gauge({
      name: 'countersign_journal_broken',
      help: '1 where the signer’s journal does not continue what the engine has seen of it: an alarm.',
      registers,
    }),
    unmatchedTransactions: new Gauge({
      name: 'countersign_unmatched_transactions',
      help: 'Transactions and user operations of wallets on a chain that the journal does not know: an alarm.',
      labelNames: ['chain'],
      registers,
    }),
    signerSeconds: new Histogram({
      name: 'countersign_signer_seconds',
      help: 'Time from forwarding a request to the signer’s answer.',
      buckets: signerBuckets,
      registers,
    }),
  }
}
