import type { AgentStep, StepCall } from './agent-step.ts';
import { TOKEN_COLUMNS } from './ledger-entry.ts';
import { SIGNALS, STATUSES, STEP_KINDS, VANTAGES } from './step-kinds.ts';
import { isTenant } from './tenant.ts';

/** Microseconds whose zigzag form a double holds exactly: the year 2112, where the normalizer clamps steps. */
const MICROS_MAX = 4_503_599_627_370_495;
const MILLIS_MAX = MICROS_MAX / 1000;
const UINT32_MAX = 2 ** 32 - 1;
/** Tokens and other quantities of one step: with these, every cost fits a Decimal(38, 12) and every sum an Int64. */
const AMOUNT_MAX = 1_000_000_000_000;
/** Our ids are hex; whatever stands here becomes part of the key `tenant|run_id`. */
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const COST = /^\d{1,12}(\.\d{1,12})?$/;

const isWithin = (value: number, max: number): boolean => value >= 0 && value <= max;
const isOneOf = (words: readonly string[], text: string): boolean => words.includes(text);

const ROLES = ['leaf', 'wrapper'];
const OUTCOMES = ['ok', 'failed'];

/**
 * What bytes that follow the schema can still get wrong: the name of the first field whose value a fold cannot keep
 * books with or the store would not take; null when there is none. The normalizer writes no such step, but whoever may
 * write to the topic can, and one of them would stop its partition for all.
 */
export const unsoundField = (step: AgentStep): string | null => {
  if (!isTenant(step.tenant_id)) return 'tenant_id';
  if (!ID.test(step.run_id)) return 'run_id';
  if (!ID.test(step.step_id)) return 'step_id';
  if (!isOneOf(SIGNALS, step.signal)) return 'signal';
  if (!isOneOf(VANTAGES, step.vantage)) return 'vantage';
  if (!isOneOf(STEP_KINDS, step.step_kind)) return 'step_kind';
  if (!isOneOf(STATUSES, step.status)) return 'status';
  return unsoundNumber(step) ?? (step.call === null ? null : unsoundInCall(step.call));
};

const unsoundNumber = (step: AgentStep): string | null => {
  if (!isWithin(step.start_unix_micros, MICROS_MAX)) return 'start_unix_micros';
  if (!isWithin(step.end_unix_micros, MICROS_MAX)) return 'end_unix_micros';
  if (!isWithin(step.logged_at_ms, MILLIS_MAX)) return 'logged_at_ms';
  if (!isWithin(step.log_partition, UINT32_MAX)) return 'log_partition';
  if (!isWithin(step.log_offset, Number.MAX_SAFE_INTEGER)) return 'log_offset';
  return isWithin(step.log_index, UINT32_MAX) ? null : 'log_index';
};

const unsoundInCall = (call: StepCall): string | null => {
  if (!isOneOf(ROLES, call.role)) return 'call.role';
  if (!isOneOf(OUTCOMES, call.outcome)) return 'call.outcome';
  if (call.reported_cost_usd !== null && !COST.test(call.reported_cost_usd)) return 'call.reported_cost_usd';
  // NaN is within nothing.
  if (!Object.values(call.quantities).every((quantity) => isWithin(quantity, AMOUNT_MAX))) return 'call.quantities';
  const column = TOKEN_COLUMNS.find((name) => !isWithin(call[name] ?? 0, AMOUNT_MAX));
  return column === undefined ? null : `call.${column}`;
};
