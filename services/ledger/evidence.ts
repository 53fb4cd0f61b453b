import type { AgentStep, StepCall } from '../../schemas/agent-step.ts';
import { TOKEN_COLUMNS, type TokenBuckets } from '../../schemas/ledger-entry.ts';

/** Text fields of a step the ledger keeps; `null` where the emitter did not say. */
export const EVIDENCE_TEXTS = [
  'step_id',
  'signal',
  'trace_id',
  'span_id',
  'parent_span_id',
  'step_kind',
  'name',
  'service',
  'environment',
  'family',
  'scope_name',
  'session_id',
  'agent_name',
  'workflow',
  'user_id',
  'account',
  'tool_name',
  'provider',
  'request_model',
  'response_model',
  'response_id',
  'region',
  'service_tier',
  'status',
] as const;
/** The other fields. */
export const EVIDENCE_VALUES = ['start_unix_micros', 'end_unix_micros', 'call', 'labels', 'links'] as const;

/** What the ledger remembers of a step: enough to decide on its calls anew when more evidence comes. */
export type Evidence = Pick<AgentStep, (typeof EVIDENCE_TEXTS)[number] | (typeof EVIDENCE_VALUES)[number]>;

/** Evidence of one model call itself. */
export type LeafEvidence = Evidence & { readonly call: StepCall };

/** Names are for reading a run's row; longer ones are cut. */
const NAME_CHARS_MAX = 200;
/** Links kept of one step. */
const LINKS_PER_STEP_MAX = 16;

/** The ledger's share of a step. Figures that are no whole number ≥ 0 count as not told. */
export const evidenceOf = (step: AgentStep): Evidence => ({
  step_id: step.step_id,
  signal: step.signal,
  trace_id: step.trace_id,
  span_id: step.span_id,
  parent_span_id: step.parent_span_id,
  step_kind: step.step_kind,
  name: step.name.slice(0, NAME_CHARS_MAX),
  service: step.service,
  environment: step.environment,
  family: step.family,
  scope_name: step.scope_name,
  session_id: step.session_id,
  agent_name: step.agent_name,
  workflow: step.workflow,
  user_id: step.user_id,
  account: step.account,
  tool_name: step.tool_name,
  provider: step.provider,
  request_model: step.request_model,
  response_model: step.response_model,
  response_id: step.response_id,
  region: step.region,
  service_tier: step.service_tier,
  status: step.status,
  start_unix_micros: step.start_unix_micros,
  end_unix_micros: Math.max(step.start_unix_micros, step.end_unix_micros),
  call: step.call === null ? null : cleanCall(step.call),
  labels: Object.fromEntries(Object.entries(step.labels).sort(([a], [b]) => (a < b ? -1 : 1))),
  links: step.links.slice(0, LINKS_PER_STEP_MAX),
});

const cleanCall = (call: StepCall): StepCall => ({
  role: call.role,
  operation: call.operation,
  outcome: call.outcome,
  input_tokens: count(call.input_tokens),
  cache_read_tokens: count(call.cache_read_tokens),
  cache_write_tokens: count(call.cache_write_tokens),
  cache_write_1h_tokens: count(call.cache_write_1h_tokens),
  output_tokens: count(call.output_tokens),
  reasoning_tokens: count(call.reasoning_tokens),
  audio_input_tokens: count(call.audio_input_tokens),
  audio_output_tokens: count(call.audio_output_tokens),
  untold: [...call.untold].sort(),
  estimated: call.estimated,
  quantities: Object.fromEntries(
    Object.entries(call.quantities)
      .filter(([, quantity]) => Number.isFinite(quantity) && quantity >= 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
  reported_cost_usd: call.reported_cost_usd,
});

const count = (value: number | null): number | null =>
  value !== null && Number.isSafeInteger(value) && value >= 0 ? value : null;

/**
 * Of two copies of one step (a twin from another log position), the one the ledger keeps: more told, then by text.
 * Commutative and associative, so the order in which copies come does not matter.
 */
export const preferCopy = (a: Evidence, b: Evidence): Evidence => {
  const difference = toldCount(b) - toldCount(a);
  if (difference !== 0) return difference > 0 ? b : a;
  return canonicalText(a) <= canonicalText(b) ? a : b;
};

const toldCount = (evidence: Evidence): number =>
  (evidence.call === null ? 0 : toldBuckets(evidence.call)) +
  EVIDENCE_TEXTS.filter((field) => evidence[field] !== null && evidence[field] !== '').length;

const canonicalText = (evidence: Evidence): string => JSON.stringify(evidence, sortKeys);

const sortKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** How many token buckets were told. */
export const toldBuckets = (tokens: TokenBuckets): number =>
  TOKEN_COLUMNS.filter((column) => tokens[column] !== null).length;

/** Whether anything countable was told. */
export const hasUsage = (call: StepCall): boolean => toldBuckets(call) > 0 || Object.keys(call.quantities).length > 0;

export const INPUT_COLUMNS = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_1h_tokens',
  'audio_input_tokens',
] as const;
export const OUTPUT_COLUMNS = ['output_tokens', 'reasoning_tokens', 'audio_output_tokens'] as const;

/** Sum of the told buckets among `columns`; null when none of them was told. */
export const totalOf = (tokens: TokenBuckets, columns: readonly (keyof TokenBuckets)[]): number | null => {
  let total: number | null = null;
  for (const column of columns) {
    const value = tokens[column];
    if (value !== null) total = (total ?? 0) + value;
  }
  return total;
};

/** Everything told on the prompt side: uncached, cached, audio. */
export const inputTotal = (tokens: TokenBuckets): number | null => totalOf(tokens, INPUT_COLUMNS);
/** Everything told on the answer's side, reasoning included. */
export const outputTotal = (tokens: TokenBuckets): number | null => totalOf(tokens, OUTPUT_COLUMNS);

/** Whether a step describes one model call itself. */
export const isLeaf = (evidence: Evidence): evidence is LeafEvidence => evidence.call?.role === 'leaf';
/** Whether a step repeats or sums calls below it. */
export const isWrapper = (evidence: Evidence): evidence is LeafEvidence => evidence.call?.role === 'wrapper';
