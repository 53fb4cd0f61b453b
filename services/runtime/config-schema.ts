import { z } from 'zod';
import { SEVERITIES } from '../../schemas/policy-violation.ts';
import { VANTAGES } from '../../schemas/step-kinds.ts';
import { TOPICS } from '../../schemas/topics.ts';

/** Numbers and booleans may arrive as text, from the environment; an empty text is no number. */
const fromText = (value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : value;
};
const int = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`;
  return z.preprocess(fromText, z.number({ error }).int({ error }).min(min, { error }).max(max, { error }));
};
const share = () => {
  const error = 'a share from 0.01 to 1';
  return z.preprocess(fromText, z.number({ error }).min(0.01, { error }).max(1, { error }));
};
const bool = () => z.preprocess(fromText, z.boolean({ error: 'true or false' }));
const port = () => int(0, 65_535);
const list = () =>
  z.preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((part) => part.trim())
            .filter((part) => part !== '')
        : value,
    z.array(z.string().min(1)),
  );
const text = () => z.preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string());
const optional = () => text().default('');
/** '' or an address of HTTP: what else it could be is told at start, not by the first connection. */
const storeUrl = () =>
  text()
    .refine(
      (url) => url === '' || /^https?:$/.test(URL.parse(url)?.protocol ?? ''),
      'http://host:port or https://host:port',
    )
    .default('');
const BROKER = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/;
const brokers = () => list().pipe(z.array(z.string().regex(BROKER, 'host:port, several parted by commas')));

/** Fifty years. A ClickHouse TTL is a DateTime, which ends in 2106 and wraps: a longer one would expire rows at once. */
const DAY_MAX = 18_250;
const MIB = 1024 * 1024;

/** What is held waits in memory, and what is not yet stored is not yet seen: nobody waits longer than this for a trace. */
const HOLD_MS_MAX = 600_000;

/** A topic we read and how to see it (design 5). */
const SOURCE = z
  .strictObject({
    topic: z.string().min(1),
    signal: z.enum(['spans', 'logs', 'actions']),
    tenant: z.string().default(''),
    tenant_from: z.enum(['header', 'topic']).default('header'),
    vantage: z.enum(VANTAGES).default('agent'),
    vantage_from: z.enum(['source', 'header']).default('source'),
    keep: z.enum(['all', 'agent_traces']).default('all'),
    hold_ms: int(0, HOLD_MS_MAX).default(30_000),
  })
  .refine(({ signal, keep }) => keep === 'all' || signal !== 'actions', {
    path: ['keep'],
    error: 'all: an action event is a step of an agent by itself',
  });

/** A list may arrive as JSON text, from the environment. */
const fromJson = (value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
};
/** A `routed` event names them all. */
const SINKS_MAX = 40;

/** Where notifications go. `url` and `secret` may stand in files of their own: mounted secrets. */
const SINK = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,40}$/, 'letters, digits and -, 40 at most'),
  kind: z.enum(['webhook', 'slack']),
  url: z.string().default(''),
  url_file: z.string().default(''),
  /** Webhook: key of the signature. */
  secret: z.string().default(''),
  secret_file: z.string().default(''),
  min_severity: z.enum(SEVERITIES).default('low'),
});

/** Every section and key of the config file; the environment overrides it as `TACHO_<SECTION>_<KEY>`. */
export const CONFIG = z.strictObject({
  data: z.strictObject({ dir: text().default('.tacho') }).prefault({}),
  receiver: z
    .strictObject({
      host: text().default('127.0.0.1'),
      http_port: port().default(4318),
      grpc_port: port().default(4317),
      body_bytes_max: int(1024, 100 * MIB).default(20 * MIB),
      in_flight_bytes_max: int(MIB, 4096 * MIB).default(64 * MIB),
    })
    .prefault({}),
  api: z.strictObject({ host: text().default('127.0.0.1'), port: port().default(7070) }).prefault({}),
  clickhouse: z
    .strictObject({
      url: storeUrl(),
      user: text().default('default'),
      password: optional(),
      database: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/)
        .default('tacho'),
      cluster: optional(),
      tls_ca_file: optional(),
      port: port().default(8123),
      manage_schema: bool().default(true),
    })
    .prefault({}),
  kafka: z
    .strictObject({
      brokers: brokers().default([]),
      client_id: text().default('tachograph'),
      tls: bool().default(false),
      tls_ca_file: optional(),
      tls_cert_file: optional(),
      tls_key_file: optional(),
      sasl_mechanism: z.enum(['', 'plain', 'scram-sha-256', 'scram-sha-512']).default(''),
      sasl_username: optional(),
      sasl_password: optional(),
      manage_topics: bool().default(true),
      partitions: int(1, 1000).default(6),
      replication: int(1, 9).default(1),
      session_timeout_ms: int(500, 300_000).default(10_000),
      sources: z.array(SOURCE).prefault([
        {
          topic: TOPICS.spans,
          signal: 'spans',
          tenant: '',
          tenant_from: 'header',
          vantage: 'agent',
          vantage_from: 'header',
        },
        {
          topic: TOPICS.logs,
          signal: 'logs',
          tenant: '',
          tenant_from: 'header',
          vantage: 'agent',
          vantage_from: 'header',
        },
        {
          topic: TOPICS.actions,
          signal: 'actions',
          tenant: '',
          tenant_from: 'header',
          vantage: 'agent',
          vantage_from: 'header',
        },
      ]),
    })
    .prefault({}),
  stream: z
    .strictObject({
      batch_records_max: int(1, 100_000).default(20_000),
      batch_bytes_max: int(64 * 1024, 256 * MIB).default(8 * MIB),
      linger_ms: int(0, 10_000).default(250),
      idle_ms: int(10, 60_000).default(1_000),
      brake_share: share().default(0.5),
      brake_window_records: int(10, 1_000_000).default(1_000),
    })
    .prefault({}),
  normalizer: z
    .strictObject({ content: z.enum(['full', 'hash', 'off']).default('full'), redact: bool().default(true) })
    .prefault({}),
  retention: z
    .strictObject({
      spans_days: int(1, DAY_MAX).default(30),
      content_days: int(1, DAY_MAX).default(14),
      ledger_days: int(1, DAY_MAX).default(400),
      state_days: int(1, DAY_MAX).default(30),
      topic_hours: int(1, 24 * DAY_MAX).default(72),
      /** Days of single tables that part from their family. */
      tables: z.preprocess(fromJson, z.record(z.string(), int(1, DAY_MAX))).default({}),
      /** Records the embedded log holds: a day of outage at a hundred spans a second, a quarter of an hour at ten thousand. */
      log_mb_max: int(64, 1024 * 1024).default(10 * 1024),
    })
    .prefault({}),
  /** What is kept free where the data folder lies, so that the engine can still merge and the log still commit; 0: nothing. */
  disk: z.strictObject({ reserve_mb: int(0, 1024 * 1024).default(1024) }).prefault({}),
  policy: z.strictObject({ dir: text().default('config/policies') }).prefault({}),
  prices: z.strictObject({ dir: text().default('config/prices') }).prefault({}),
  alerts: z
    .strictObject({
      budgets_file: text().default('config/budgets.yaml'),
      pager: z.enum(['tachograph', 'grafana']).default('tachograph'),
      public_url: storeUrl(),
      sinks: z.preprocess(fromJson, z.array(SINK).max(SINKS_MAX)).default([]),
    })
    .prefault({}),
  catalog: z.strictObject({ file: text().default('config/catalog.yaml') }).prefault({}),
  /** Probes and metrics of a service that runs alone; 0: no such door. `tacho up` has those of the API. */
  health: z.strictObject({ host: text().default('127.0.0.1'), port: port().default(0) }).prefault({}),
  access: z.strictObject({ tokens_file: optional(), allowed_hosts: list().default([]) }).prefault({}),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
});

export type Config = z.output<typeof CONFIG>;
