import { z } from 'zod';
import { ACTOR_CHARS_MAX } from '../actor.ts';
import { problem } from '../problem.ts';
import { parseDurationMs, parseIso } from '../time.ts';

/** Shapes of violations, incidents and budgets, named as columns. */

const moment = z.string().describe('ISO 8601, UTC.');
const money = z.string().describe('USD as a decimal string.');

export const violationShape = z.object({
  tenant_id: z.string(),
  violation_id: z.string(),
  ts: moment,
  detected_at: moment,
  rule_id: z.string(),
  rule_version: z.string(),
  ruleset_hash: z.string(),
  severity: z.string(),
  mode: z.string(),
  title: z.string(),
  run_id: z.string(),
  trace_id: z.string(),
  span_id: z.string(),
  step_id: z.string(),
  source_span_id: z.string().nullable(),
  service: z.string(),
  agent_name: z.string().nullable(),
  workflow: z.string().nullable(),
  user_id: z.string().nullable(),
  evidence_level: z.string(),
  detected_by: z.string(),
  review: z.string().nullable().describe('The newest word: confirm, dismiss or except; null: nobody said one.'),
  reviewed_by: z.string().nullable(),
  reviewed_at: moment.nullable(),
  excepted_until: moment.nullable(),
});

export const reviewShape = z.object({
  review: z.string(),
  actor: z.string(),
  comment: z.string(),
  until: moment.nullable(),
  at: moment,
});

export const incidentShape = z.object({
  tenant_id: z.string(),
  incident_id: z.string(),
  source: z.string().describe('violation, budget, ruleset or disk.'),
  subject: z.string().describe('Rule id, budget id, or path of the rule set.'),
  title: z.string(),
  severity: z.string(),
  state: z.string().describe('open, acknowledged or resolved.'),
  opened_at: moment,
  last_observed_at: moment,
  observations: z.number(),
  acknowledged_at: moment.nullable(),
  acknowledged_by: z.string().nullable(),
  resolved_at: moment.nullable(),
  resolved_by: z.string().nullable(),
  silenced_until: moment.nullable(),
  service: z.string().nullable(),
  agent_name: z.string().nullable(),
  workflow: z.string().nullable(),
  run_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});

export const incidentEventShape = z.object({
  event_id: z.string(),
  ts: moment,
  kind: z.string(),
  transition: z.string().nullable().describe('What changed; null: nothing did.'),
  notification: z.string().nullable().describe('wanted, suppressed (silenced) or overflow.'),
  state: z.string(),
  severity: z.string(),
  title: z.string(),
  actor: z.string().nullable(),
  comment: z.string().nullable(),
  level: z.number().nullable(),
  silenced_until: moment.nullable(),
  sink: z.string().nullable(),
  run_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});

export const deliveryShape = z.object({
  delivery_id: z.string(),
  event_id: z.string(),
  transition: z.string(),
  sink: z.string(),
  state: z.string(),
  attempts: z.number(),
  last_error: z.string(),
  created_at: moment,
  updated_at: moment,
});

const forecastShape = z.object({
  is_estimate: z.literal(true),
  method: z.literal('linear_burn'),
  spent_usd: money.describe('Known spend at the end of the period, should it go on as on average so far.'),
  counted_usd: money.describe('The same with every call of unknown cost at its ceiling.'),
  limit_reached_at: moment.nullable().describe('When that reaches the limit; null: not in this period, or it has.'),
});

const periodShape = z.object({
  period_start: moment,
  period_end: moment,
  limit_usd: money,
  spent_usd: money.describe('What is known.'),
  unknown_calls: z.number(),
  unknown_ceiling_usd: money.describe('The most those calls count for; with spent_usd it counts against the limit.'),
  unknown_call_ceiling_usd: money.describe('What one call of unknown cost counts for.'),
  calls: z.number(),
  thresholds: z.array(z.number()),
  reached: z.array(z.number()),
  state: z.string().describe('ok, warning or exceeded.'),
  incident_id: z.string().nullable().describe('The incident its thresholds open; there may be none yet.'),
  computed_at: moment,
  forecast: forecastShape.nullable().describe('An estimate; null when it cannot be known.'),
});

export const budgetShape = z.object({
  tenant_id: z.string(),
  budget_id: z.string(),
  title: z.string(),
  scope: z.record(z.string(), z.string()),
  period: z.string(),
  timezone: z.string(),
  current: periodShape.nullable(),
  previous: periodShape.nullable(),
});

/** Longest word of a person that is kept with what they do. */
const COMMENT_CHARS_MAX = 4_000;

/** Text a person writes: no control characters but line breaks and tabs. */
const written = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .refine((text) => !/\p{Cc}/u.test(text.replaceAll(/[\n\r\t]/g, '')), 'no control characters');

export const commentInput = written(COMMENT_CHARS_MAX);
export const actorInput = written(ACTOR_CHARS_MAX)
  .optional()
  .describe('Who acts, on this machine without a token; a token is its own name.');
export const untilInput = z
  .string()
  .max(64)
  .optional()
  .describe('ISO 8601 (UTC when no zone is given), or a duration from now such as 8h.');

/** What the body of an action on a violation or an incident may say; each route takes some of it. */
export type ActionBody = z.ZodType<{
  readonly comment?: string | undefined;
  readonly reason?: string | undefined;
  readonly actor?: string | undefined;
  readonly until?: string | undefined;
  readonly minutes?: number | undefined;
}>;

/** Header that makes a repeated request one event. */
export const IDEMPOTENCY_HEADER = 'idempotency-key';

/** The key of a request; null without one. Throws 400 for one that is not 1 to 200 printable characters. */
export const idempotencyKeyOf = (headers: Readonly<Record<string, string | string[] | undefined>>): string | null => {
  const key = headers[IDEMPOTENCY_HEADER];
  if (key === undefined) return null;
  if (typeof key === 'string' && /^[\x20-\x7e]{1,200}$/.test(key)) return key;
  throw problem(400, 'Idempotency-Key: 1 to 200 printable characters', { parameter: IDEMPOTENCY_HEADER });
};

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * End of a silence or an exception, ms since 1970: `until` (ISO 8601 or a duration from now) or `minutes` from now.
 * Throws 400 when neither or both are given, it cannot be read, is past, or lies further away than `daysMax`.
 */
export const endOf = (
  input: { readonly until?: string | undefined; readonly minutes?: number | undefined },
  nowMs: number,
  daysMax: number,
): number => {
  const refuse = (detail: string) => problem(400, detail, { in: 'body', parameter: 'until' });
  if ((input.until === undefined) === (input.minutes === undefined)) throw refuse('give either until or minutes');
  const span = input.until === undefined ? (input.minutes ?? 0) * MINUTE_MS : parseDurationMs(input.until);
  const end = span !== null ? nowMs + span : parseIso(input.until ?? '');
  if (end === null) throw refuse(`until: '${input.until}' is neither ISO 8601 nor a duration from now such as 8h`);
  if (end <= nowMs) throw refuse('until must lie ahead');
  if (end > nowMs + daysMax * DAY_MS) throw refuse(`until may lie at most ${daysMax} days ahead`);
  return end;
};

/** A JSON object as stored; {} for what is none, so that one bad row hides nothing else. */
export const objectOf = (json: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
};
