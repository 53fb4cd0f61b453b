import { Counter, Gauge, Histogram, Registry } from 'prom-client';

type Kind = 'counter' | 'gauge' | 'histogram';
interface MetricSpec {
  readonly kind: Kind;
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30];

/** Every metric, named once, with its unit in the name and its meaning. Exposed with the prefix `tacho_`. */
export const METRICS = {
  receiver_requests_total: {
    kind: 'counter',
    help: 'Export requests answered, by protocol (http, grpc), signal and status (of HTTP, or the gRPC code).',
    labels: ['protocol', 'signal', 'status'],
  },
  receiver_items_total: {
    kind: 'counter',
    help: 'Spans, log records and metric points received, by what became of them (accepted, refused).',
    labels: ['signal', 'outcome'],
  },
  receiver_bytes_total: { kind: 'counter', help: 'Bytes of bodies after decompression.', labels: ['signal'] },
  receiver_in_flight_bytes: { kind: 'gauge', help: 'Bytes held by requests not yet answered.', labels: [] },
  disk_free_bytes: { kind: 'gauge', help: 'Free on the disk of the data folder.', labels: [] },
  disk_reserve_bytes: { kind: 'gauge', help: 'Below this much free nothing is taken from senders.', labels: [] },
  ingest_stopped: {
    kind: 'gauge',
    help: '1 while senders are told to come back because the disk is full.',
    labels: [],
  },
  stream_batches_total: { kind: 'counter', help: 'Batches confirmed.', labels: ['service'] },
  stream_records_total: { kind: 'counter', help: 'Log records confirmed.', labels: ['service', 'topic'] },
  stream_rows_total: { kind: 'counter', help: 'Rows confirmed in the store.', labels: ['service', 'table'] },
  stream_dead_letters_total: {
    kind: 'counter',
    help: 'Records dead-lettered, by reason.',
    labels: ['service', 'reason'],
  },
  stream_duplicates_total: { kind: 'counter', help: 'Items recognised as already stored.', labels: ['service'] },
  stream_filtered_total: {
    kind: 'counter',
    help: 'Items of shared topics that belong to no agent: read, counted, not stored.',
    labels: ['service'],
  },
  stream_batches_dropped_total: {
    kind: 'counter',
    help: 'Batches dropped before their insert because the epoch was over; their records are read again.',
    labels: ['service'],
  },
  stream_intents_verified_total: {
    kind: 'counter',
    help: 'Open intents found at assignment, by what the store held of them (all, none, some).',
    labels: ['service', 'found'],
  },
  stream_partitions_stopped: {
    kind: 'gauge',
    help: 'Partitions stopped by a permanent error; each needs a person.',
    labels: ['service'],
  },
  stream_brake_stops_total: {
    kind: 'counter',
    help: 'Partitions stopped because too many of their recent records were refused; each needs a person.',
    labels: ['service', 'topic'],
  },
  stream_holds_cut_total: {
    kind: 'counter',
    help: 'Batches of shared topics decided before their hold was over, for more was held than memory is given.',
    labels: ['service'],
  },
  stream_lag_records: {
    kind: 'gauge',
    help: 'Records in the log not yet confirmed.',
    labels: ['service', 'topic', 'partition'],
  },
  stream_batch_seconds: {
    kind: 'histogram',
    help: 'Intent to confirm of one batch.',
    labels: ['service'],
    buckets: SECONDS,
  },
  stream_freshness_seconds: {
    kind: 'histogram',
    help: 'Append to the log until confirmed in the store, oldest record of each batch.',
    labels: ['service'],
    buckets: SECONDS,
  },
  store_inserts_total: {
    kind: 'counter',
    help: 'Inserts by outcome (ok, retried, rejected).',
    labels: ['table', 'outcome'],
  },
  store_insert_seconds: { kind: 'histogram', help: 'One insert until confirmed.', labels: ['table'], buckets: SECONDS },
  normalizer_items_total: { kind: 'counter', help: 'Spans and log records normalised.', labels: ['family'] },
  ledger_entries_total: { kind: 'counter', help: 'Bookings by reason.', labels: ['reason'] },
  alerter_notifications_total: {
    kind: 'counter',
    help: 'Attempts to notify a sink, by what came of them (sent, failed, given_up).',
    labels: ['sink', 'outcome'],
  },
  alerter_notifications_waiting: {
    kind: 'gauge',
    help: 'Notifications not yet taken by their sink, by partition of incident_events.',
    labels: ['partition'],
  },
  alerter_incidents_open: {
    kind: 'gauge',
    help: 'Incidents open or acknowledged, by source and severity.',
    labels: ['source', 'severity'],
  },
  alerter_budgets_computed_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the budgets were last computed, unix seconds.',
    labels: [],
  },
  alerter_budget_used_ratio: {
    kind: 'gauge',
    help: 'Spend of the current period against the limit, unknown calls at their ceiling; 1 = all of it.',
    labels: ['budget'],
  },
  audit_findings: {
    kind: 'gauge',
    help: 'Places where the newest audit of this process found a check contradicted, by check.',
    labels: ['check'],
  },
  audit_finished_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the newest audit of this process finished, seconds since 1970.',
    labels: [],
  },
  rollup_slices_built_total: {
    kind: 'counter',
    help: 'Slices (hour, and day that logged it) of spend and of steps rolled up by this process.',
    labels: [],
  },
  rollup_slices_waiting: {
    kind: 'gauge',
    help: 'Slices of closed hours that are still read from raw.',
    labels: [],
  },
  rollup_finished_timestamp_seconds: {
    kind: 'gauge',
    help: 'When this process last finished a pass over the roll-ups, seconds since 1970.',
    labels: [],
  },
  policy_violations_total: {
    kind: 'counter',
    help: 'Violations found, by rule and severity.',
    labels: ['rule', 'severity'],
  },
  policy_errors_total: {
    kind: 'counter',
    help: 'Steps at which a rule failed; each is a step it did not judge.',
    labels: ['rule'],
  },
  policy_rules: { kind: 'gauge', help: 'Rules and detectors in force.', labels: [] },
  policy_ruleset_refused: {
    kind: 'gauge',
    help: '1 while the rule files on disk are refused and older rules judge, or none.',
    labels: [],
  },
  policy_reloads_total: {
    kind: 'counter',
    help: 'Rule sets decided on, by outcome (loaded, refused).',
    labels: ['outcome'],
  },
  price_book_refused: {
    kind: 'gauge',
    help: '1 while the price files on disk are refused and the book loaded before prices.',
    labels: [],
  },
  price_reloads_total: {
    kind: 'counter',
    help: 'Changes of the price files decided on, by outcome (loaded, refused).',
    labels: ['outcome'],
  },
  api_requests_total: { kind: 'counter', help: 'API requests answered.', labels: ['route', 'status'] },
  api_request_seconds: { kind: 'histogram', help: 'API requests.', labels: ['route'], buckets: SECONDS },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;
type Labels = Readonly<Record<string, string | number>>;

/** The one place counters go. One instance a process, passed as an argument. */
export interface Metrics {
  readonly count: (name: MetricName, labels?: Labels, by?: number) => void;
  readonly gauge: (name: MetricName, value: number, labels?: Labels) => void;
  readonly observe: (name: MetricName, value: number, labels?: Labels) => void;
  /** Prometheus text exposition. */
  readonly expose: () => Promise<string>;
}

/** Builds a registry with every metric of the table. */
export const createMetrics = (): Metrics => {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, spec] of Object.entries<MetricSpec>(METRICS)) {
    const base = { name: `tacho_${name}`, help: spec.help, labelNames: [...spec.labels], registers: [registry] };
    if (spec.kind === 'counter') counters.set(name, new Counter(base));
    else if (spec.kind === 'gauge') gauges.set(name, new Gauge(base));
    else histograms.set(name, new Histogram({ ...base, buckets: [...(spec.buckets ?? SECONDS)] }));
  }
  return {
    count: (name, labels = {}, by = 1) => counters.get(name)?.inc(labels, by),
    gauge: (name, value, labels = {}) => gauges.get(name)?.set(labels, value),
    observe: (name, value, labels = {}) => histograms.get(name)?.observe(labels, value),
    expose: () => registry.metrics(),
  };
};
