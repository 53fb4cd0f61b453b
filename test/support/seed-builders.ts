import type { Row } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';

/** Rows as the services write them, with every column that a test may leave out. */

export const BATCH = { batch_id: 'seed' } as const;

/** The rich run: nested agents, plumbing, an error, a retry, a correction in the ledger, logs beside spans. */
export const RICH_RUN = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
/** This id exists in both tenants. */
export const SHARED_RUN = '5aed5aed5aed5aed5aed5aed5aed5aed';
/** Shown as text wherever it appears, or the console has a hole. */
export const HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>';

export interface SeedCall {
  readonly model: string | null;
  readonly provider: string | null;
  readonly input: number | null;
  readonly cached: number | null;
  readonly output: number | null;
  readonly reasoning: number | null;
  readonly cost: string | null;
  readonly why: string | null;
}

const micros = (ms: number): string => `${utcMillis(ms)}000`;

/** A span row with every column a test may leave out. */
export const spanRow = (row: Row & { readonly at_ms: number }): Row => {
  const { at_ms, ...rest } = row;
  return {
    tenant_id: 'demo',
    ts: utcMillis(at_ms),
    duration_ns: 0,
    trace_id: '',
    parent_span_id: '',
    step_kind: 'other',
    span_kind: 'internal',
    service: 'research-api',
    family: 'otel-genai',
    scope_name: 'opentelemetry.instrumentation',
    scope_version: '1.2.0',
    status: 'unset',
    signal: 'span',
    vantage: 'agent',
    links: [],
    flags: [],
    labels: {},
    attributes: {},
    resource: { 'service.name': 'research-api' },
    log_id: 'seed-log',
    log_topic: 'otlp_spans',
    log_partition: 0,
    log_offset: 1,
    log_index: 0,
    logged_at: utcMillis(at_ms),
    ...BATCH,
    ...rest,
  };
};

/** A ledger row; `call` gives the figures, `rest` the dimensions. */
export const entryRow = (at_ms: number, call: SeedCall, rest: Row): Row => ({
  entry_kind: 'call',
  tenant_id: 'demo',
  ts: micros(at_ms),
  booked_at: utcMillis(at_ms + 900),
  trace_id: '',
  labels: {},
  family: 'otel-genai',
  provider: call.provider,
  model: call.model,
  outcome: call.why === 'failed' ? 'failed' : 'ok',
  calls: 1,
  input_tokens: call.input,
  cache_read_tokens: call.cached,
  output_tokens: call.output,
  reasoning_tokens: call.reasoning,
  quantities: {},
  untold: call.cached === null && call.cost !== null ? ['cache_read'] : [],
  cost_usd: call.cost,
  price_id: call.cost === null ? null : `genai-prices:${call.provider}/${call.model}`,
  estimated: false,
  unpriced_reason: call.why,
  reason: 'booked',
  logged_at: utcMillis(at_ms),
  ...BATCH,
  ...rest,
});

const sum = (values: readonly (number | null)[]): number | null => {
  const told = values.filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((total, value) => total + value, 0);
};

/** A run row that agrees with its calls. */
export const runRow = (first_ms: number, last_ms: number, calls: readonly SeedCall[], rest: Row): Row => ({
  tenant_id: 'demo',
  version: 1,
  first_ts: micros(first_ms),
  last_ts: micros(last_ms),
  agents: [],
  models: [...new Set(calls.flatMap((call) => (call.model === null ? [] : [call.model])))],
  tools: [],
  families: ['otel-genai'],
  service: 'research-api',
  environment: 'production',
  steps: calls.length * 2 + 1,
  llm_steps: calls.length,
  tool_steps: calls.length,
  errors: calls.filter((call) => call.why === 'failed').length,
  calls: calls.length,
  failed_calls: calls.filter((call) => call.why === 'failed').length,
  unknown_calls: calls.filter((call) => call.why === 'no_usage').length,
  unpriced_calls: calls.filter((call) => call.why === 'no_price').length,
  input_tokens: sum(calls.map((call) => sum([call.input, call.cached]))),
  output_tokens: sum(calls.map((call) => sum([call.output, call.reasoning]))),
  cost_usd: calls.some((call) => call.cost !== null)
    ? calls.reduce((total, call) => total + Number(call.cost ?? 0), 0).toFixed(9)
    : null,
  links: [],
  logged_at: utcMillis(last_ms),
  ...BATCH,
  ...rest,
});
