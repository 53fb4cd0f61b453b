import { type AgentStep, BLANK_CALL, BLANK_STEP, type StepCall } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import { type LedgerEntry, TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import type { Row } from '../runtime/ports.ts';
import type { FoldContext } from '../runtime/stream/fold-task.ts';
import { COST_DECIMALS, formatCost, parseScaled } from './money.ts';
import { bookOf, buildRate, type Price, type PriceBook, type PriceSource } from './prices/price.ts';
import { HELD_LIMITS, type HeldLimits, stepRun } from './run-step.ts';
import { emptyState, type LedgerState, parseState, serialiseState } from './state.ts';

/** Steps, prices and a driver for the ledger's tests. */

export const TEST_KEY = 'acme|run-1';
const START_MICROS = 1_795_000_000_000_000;

/** A step of run-1; offsets make positions differ. */
export const stepOf = (id: string, overrides: Partial<AgentStep> = {}): AgentStep => ({
  ...BLANK_STEP,
  tenant_id: 'acme',
  step_id: id,
  run_id: 'run-1',
  start_unix_micros: START_MICROS,
  end_unix_micros: START_MICROS + 1_000_000,
  logged_at_ms: 1_795_000_002_000,
  log_id: 'log-1',
  log_topic: 'otlp_spans',
  log_offset: [...id].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) % 1_000_003,
  trace_id: 'trace-1',
  span_id: id,
  name: id,
  service: 'shop',
  family: 'test',
  scope_name: 'scope-a',
  scope_version: '1',
  ...overrides,
});

/** A call that tells nothing yet. */
export const callOf = (overrides: Partial<StepCall> = {}): StepCall => ({
  ...BLANK_CALL,
  operation: 'chat',
  ...overrides,
});

/** An llm step with `input`/`output` tokens of gpt-5. */
export const llmOf = (
  id: string,
  input: number | null,
  output: number | null,
  overrides: Partial<AgentStep> = {},
  call: Partial<StepCall> = {},
): AgentStep =>
  stepOf(id, {
    step_kind: 'llm',
    provider: 'openai',
    request_model: 'gpt-5',
    call: callOf({ input_tokens: input, output_tokens: output, ...call }),
    ...overrides,
  });

const ALWAYS = {
  is_inferred: false,
  effective_from: null,
  effective_to: null,
  known_since: null,
  provider: null,
  local: null,
  service_tier: null,
} as const;

/** A source over a table of model → rate key → USD, in decimal text. */
export const tableSource = (
  name: string,
  table: Readonly<Record<string, Readonly<Record<string, string>>>>,
): PriceSource => {
  const prices = new Map<string, Price>();
  for (const [model, rates] of Object.entries(table)) {
    const built = Object.entries(rates).flatMap(([key, usd]) => {
      const rate = buildRate(key, usd);
      return rate === null ? [] : [[key, rate] as const];
    });
    prices.set(model, { ...ALWAYS, price_id: `${name}:${model}`, source: name, rates: new Map(built) });
  }
  const bare = (model: string): string => model.replace(/(?:-20\d{2}-\d{2}-\d{2}|-20\d{6})$/, '');
  return {
    name,
    hash: hash128([JSON.stringify(table)]),
    find: ({ model }) => prices.get(bare(model ?? '')) ?? { reason: 'no_price' },
  };
};

export const TEST_PRICES: PriceBook = bookOf([
  tableSource('table', {
    'gpt-5': { input_mtok: '1.25', cache_read_mtok: '0.125', output_mtok: '10' },
    'claude-haiku-4-5': { input_mtok: '1', cache_read_mtok: '0.1', cache_write_mtok: '1.25', output_mtok: '5' },
  }),
]);

export interface Ran {
  readonly state: LedgerState;
  readonly entries: readonly LedgerEntry[];
  readonly duplicates: readonly Readonly<Record<string, unknown>>[];
  readonly run: Readonly<Record<string, unknown>>;
  readonly links: readonly Readonly<Record<string, unknown>>[];
  readonly scores: readonly Readonly<Record<string, unknown>>[];
}

/** Runs batches through the fold, with a round trip of the state through its text between any two of them. */
export const runBatches = (
  batches: readonly (readonly AgentStep[])[],
  prices: PriceBook = TEST_PRICES,
  limits: HeldLimits = HELD_LIMITS,
  key: string = TEST_KEY,
): Ran => {
  let state = emptyState(key);
  const written = new Map<string, Row[]>();
  for (const [at, batch] of batches.entries()) {
    const result = stepRun(parseState(serialiseState(state)), batch, contextOf(at), prices, limits);
    state = result.state;
    for (const { table, rows } of result.tables) written.set(table, [...(written.get(table) ?? []), ...rows]);
  }
  const rowsOf = (table: string): readonly Row[] => written.get(table) ?? [];
  return {
    state,
    entries: rowsOf('ledger_entries') as readonly unknown[] as readonly LedgerEntry[],
    duplicates: rowsOf('span_duplicates'),
    run: rowsOf('runs').at(-1) ?? {},
    links: rowsOf('run_links'),
    scores: rowsOf('scores'),
  };
};

/** The batch of that number: half a second of log time apart. */
export const contextOf = (batch: number): FoldContext => ({
  batchId: `batch-${batch}`,
  loggedAtMs: 1_795_000_002_000 + batch * 500,
  version: BigInt(batch + 1),
  variant: '',
});

/** Bookings in force: entries without those taken back, without the circumstances of booking. */
export const netBookings = (entries: readonly LedgerEntry[]): readonly Readonly<Record<string, unknown>>[] => {
  const reversed = new Set(entries.map((entry) => entry.reverses_entry_id));
  return entries
    .filter((entry) => entry.reverses_entry_id === null && !reversed.has(entry.entry_id))
    .map(
      ({
        entry_id: _e,
        reason: _r,
        reverses_entry_id: _v,
        booked_at: _b,
        batch_id: _i,
        logged_at: _l,
        price_book: _p,
        ...rest
      }) => rest,
    )
    .sort((a, b) => (a.call_id < b.call_id ? -1 : 1));
};

/** sum() by some dimensions, as SQL would: groups whose figures are all zero are left out. */
export const sumsBy = (
  entries: readonly LedgerEntry[],
  dimensions: readonly (keyof LedgerEntry)[],
): ReadonlyMap<string, string> => {
  const sums = new Map<string, bigint[]>();
  for (const entry of entries) {
    const group = JSON.stringify(dimensions.map((dimension) => entry[dimension]));
    const sum = sums.get(group) ?? [];
    const figures = [
      BigInt(entry.calls),
      parseScaled(entry.cost_usd ?? '0', COST_DECIMALS) ?? 0n,
      ...TOKEN_COLUMNS.map((column) => BigInt(entry[column] ?? 0)),
    ];
    sums.set(
      group,
      figures.map((figure, at) => figure + (sum[at] ?? 0n)),
    );
  }
  return new Map(
    [...sums]
      .filter(([, sum]) => sum.some((figure) => figure !== 0n))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([group, [calls, cost, ...tokens]]) => [group, `${calls} ${formatCost(cost ?? 0n)} ${tokens.join(' ')}`]),
  );
};
