import { z } from 'zod';

/** Shapes of answers, named as columns. They document the API (OpenAPI) and its tests hold the answers to them. */

const count = z.number();
const tokens = z.number().nullable().describe('null: not told.');
const money = z.string().nullable().describe('USD as a decimal string; null: not known.');
const moment = z.string().describe('ISO 8601, UTC.');

/** The buckets of tokens, disjoint. */
export const tokenShape = {
  input_tokens: tokens,
  cache_read_tokens: tokens,
  cache_write_tokens: tokens,
  cache_write_1h_tokens: tokens,
  output_tokens: tokens,
  reasoning_tokens: tokens,
  audio_input_tokens: tokens,
  audio_output_tokens: tokens,
};

/** Capacity bought by the hour. */
export const capacityLine = {
  price_id: z.string(),
  provider: z.string().nullable(),
  model: z.string(),
  tenant_id: z.string().nullable(),
  units: z.number(),
  hours: z.number(),
  usd_per_unit_hour: z.string(),
  cost_usd: z.string().describe('Beside the cost of calls, never in it.'),
};

export const figuresShape = z.object({
  calls: count,
  known_calls: count,
  unknown_calls: count,
  unpriced_calls: count,
  failed_unknown_calls: count,
  failed_calls: count,
  upper_bound_calls: count,
  cost_usd: money,
  estimated_cost_usd: money,
  upper_bound_cost_usd: money,
  reported_cost_usd: money,
  ...tokenShape,
});

export const runShape = z.object({
  tenant_id: z.string(),
  run_id: z.string(),
  name: z.string(),
  root_agent: z.string().nullable(),
  agents: z.array(z.string()),
  models: z.array(z.string()),
  tools: z.array(z.string()),
  families: z.array(z.string()),
  workflow: z.string().nullable(),
  user_id: z.string().nullable(),
  session_id: z.string().nullable(),
  service: z.string(),
  environment: z.string().nullable(),
  first_ts: moment,
  last_ts: moment,
  duration_ms: z.number(),
  status: z.enum(['ok', 'error']),
  steps: count,
  llm_steps: count,
  tool_steps: count,
  errors: count,
  calls: count,
  failed_calls: count,
  unknown_calls: count,
  unpriced_calls: count,
  input_tokens: tokens,
  output_tokens: tokens,
  cost_usd: money,
});

export const runTreeShape = z
  .object({
    root_run_id: z.string().describe('The run the work began with.'),
    runs: z.array(runShape).describe('Oldest first, the run itself among them.'),
    links: z.array(
      z.object({
        run_id: z.string(),
        root_run_id: z
          .string()
          .describe('A run of this id may not be stored: several name it, and so belong together.'),
        reason: z.enum(['hand_off', 'span_link', 'conversation', 'mcp_call', 'same_call', 'parent_span']),
        session_id: z.string().nullable(),
      }),
    ),
    totals: figuresShape,
    is_cut: z.boolean().describe('More belongs to it than was read.'),
  })
  .describe('The runs this one belongs with: linked, handed over, or of one conversation.');

export const scoreShape = z.object({
  score_id: z.string(),
  ts: moment,
  run_id: z.string(),
  trace_id: z.string(),
  span_id: z.string().describe("What was judged, as far as it was told; '' when it was not."),
  step_id: z.string().describe('The step that tells the evaluation.'),
  response_id: z.string().nullable(),
  name: z.string(),
  value: z.number().nullable(),
  label: z.string().nullable(),
  evaluator: z.string().nullable(),
});

export const bookingShape = z.object({
  entry_id: z.string(),
  entry_kind: z.string(),
  call_id: z.string(),
  trace_id: z.string(),
  span_id: z.string(),
  ts: moment,
  booked_at: moment,
  provider: z.string().nullable(),
  model: z.string().nullable(),
  outcome: z.string(),
  calls: count,
  ...tokenShape,
  untold: z.array(z.string()),
  cost_usd: money,
  reported_cost_usd: money,
  price_id: z.string().nullable(),
  estimated: z.boolean(),
  unpriced_reason: z.string().nullable(),
  reason: z.string(),
  reverses_entry_id: z.string().nullable(),
});

export const contentShape = z.object({
  content_index: z.number(),
  direction: z.string(),
  role: z.string(),
  part_kind: z.string(),
  content: z.string(),
  content_bytes: z.number(),
  content_hash: z.string(),
  is_cut: z.boolean(),
  pii_classes: z.array(z.string()),
});

export const stepShape = z.looseObject({
  tenant_id: z.string(),
  run_id: z.string(),
  step_id: z.string(),
  ts: moment,
  duration_ns: z.number(),
  span_id: z.string(),
  parent_span_id: z.string(),
  step_kind: z.string(),
  name: z.string(),
  status: z.string(),
  signal: z.string(),
  bookings: z.array(bookingShape),
});

export const rangeShape = z.object({ from: moment, to: moment });
