import { ROLLUPS, type Rollup, SPEND_MEASURES } from '../../schemas/rollup.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Rows of one batch with its manifest row, not yet inserted. */
export interface HistoryBatch {
  readonly table: 'ledger_entries' | 'spans';
  readonly rows: readonly Row[];
  readonly manifest: Row;
}

/** Makes batches as the ledger and the normalizer would: late, corrected, far off, over midnight. */
export const createHistory = (dice: () => number) => {
  let serial = 0;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(dice() * list.length)] as T;
  /** Mostly of this hour, sometimes late by days, now and then nobody's history. */
  const tsOf = (nowMs: number): number => {
    const at = dice();
    if (at < 0.6) return nowMs - dice() * HOUR_MS;
    if (at < 0.9) return nowMs - dice() * 5 * DAY_MS;
    if (at < 0.95) return nowMs + dice() * 3 * DAY_MS;
    return pick([Date.UTC(1985, 1, 3), Date.UTC(2200, 5, 6), Date.UTC(2107, 0, 1), nowMs - 399.6 * DAY_MS]);
  };
  const maybe = (value: unknown): unknown => (dice() < 0.3 ? null : value);
  const entry = (nowMs: number, batchId: string): Row => {
    const isKnown = dice() < 0.7;
    return {
      entry_id: `e${serial}`,
      entry_kind: 'call',
      tenant_id: pick(['a', 'b', 'default']),
      ts: utcMillis(tsOf(nowMs)),
      booked_at: utcMillis(nowMs),
      call_id: `c${serial++}`,
      trace_id: '',
      span_id: '',
      run_id: `r${Math.floor(dice() * 9)}`,
      service: pick(['x', 'y']),
      agent_name: maybe('agent'),
      workflow: maybe('flow'),
      user_id: maybe('u'),
      provider: maybe('p'),
      model: maybe(pick(['m1', 'm2'])),
      family: 'f',
      outcome: pick(['ok', 'failed']),
      calls: 1,
      ...Object.fromEntries(SPEND_MEASURES.slice(0, -2).map((column) => [column, maybe(Math.floor(dice() * 1000))])),
      untold: dice() < 0.2 ? ['cache_read'] : [],
      cost_usd: isKnown ? (dice() * 3).toFixed(12) : null,
      reported_cost_usd: maybe((dice() * 3).toFixed(12)),
      estimated: dice() < 0.2,
      unpriced_reason: isKnown ? null : pick(['no_price', 'no_usage', null]),
      reason: 'booked',
      batch_id: batchId,
      logged_at: utcMillis(nowMs),
    };
  };
  const minus = (value: unknown): unknown => {
    if (typeof value === 'number') return -value;
    return value === null ? null : `-${String(value)}`;
  };
  /** The same entry with the sign turned, booked now. */
  const reversal = (of: Row, nowMs: number, batchId: string): Row => ({
    ...of,
    entry_id: `e${serial++}`,
    reverses_entry_id: of['entry_id'],
    calls: -1,
    ...Object.fromEntries(SPEND_MEASURES.map((column) => [column, minus(of[column])])),
    reason: 'superseded',
    batch_id: batchId,
    logged_at: utcMillis(nowMs),
    booked_at: utcMillis(nowMs),
  });
  const span = (loggedMs: number, batchId: string): Row => ({
    tenant_id: pick(['a', 'b', 'default']),
    step_id: `s${serial}`,
    ts: utcMillis(tsOf(loggedMs)),
    duration_ns: Math.floor(dice() * 1e10),
    trace_id: 't',
    span_id: `s${serial++}`,
    parent_span_id: '',
    run_id: 'r',
    step_kind: pick(['llm', 'tool', 'agent']),
    span_kind: 'internal',
    name: 'n',
    service: pick(['x', 'y']),
    family: 'f',
    scope_name: '',
    scope_version: '',
    agent_name: maybe('agent'),
    tool_name: maybe('tool'),
    status: pick(['ok', 'error', 'unset']),
    signal: pick(['span', 'log']),
    vantage: 'agent',
    flags: dice() < 0.1 ? ['no_end'] : [],
    log_id: 'l',
    log_topic: 'otlp_spans',
    log_partition: 0,
    log_offset: serial,
    log_index: 0,
    batch_id: batchId,
    logged_at: utcMillis(loggedMs),
  });
  const hoursOf = (rows: readonly Row[]): readonly number[] => [
    ...new Set(rows.map((row) => Math.min(4_294_965_600, Math.floor(Date.parse(`${row['ts']}Z`) / HOUR_MS) * 3600))),
  ];
  const manifestOf = (
    service: string,
    batchId: string,
    rows: readonly Row[],
    nowMs: number,
    writtenMs: number,
  ): Row => {
    const days = [...new Set(rows.map((row) => Date.parse(`${String(row['logged_at']).slice(0, 10)}Z`) / 1000))];
    return {
      service,
      log_id: 'l',
      topic: service === 'ledger' ? 'agent_steps' : 'otlp_spans',
      partition: 0,
      first: serial,
      end: serial + 1,
      records: rows.length,
      rows: {},
      hours: hoursOf(rows),
      ...(days.length > 1 ? { logged_days: days } : {}),
      batch_id: batchId,
      logged_at: utcMillis(nowMs),
      written_at: utcMillis(writtenMs),
    };
  };
  const booked: Row[] = [];
  return {
    /** What the ledger books at `nowMs`; `writtenMs`: when its manifest row is written. */
    bookings: (nowMs: number, writtenMs: number = nowMs): HistoryBatch => {
      const batchId = `b${serial++}`;
      const fresh = Array.from({ length: 1 + Math.floor(dice() * 12) }, () => entry(nowMs, batchId));
      const undone = dice() < 0.5 ? booked.splice(Math.floor(dice() * booked.length), 2) : [];
      booked.push(...fresh);
      const rows = [...fresh, ...undone.map((row) => reversal(row, nowMs, batchId))];
      return { table: 'ledger_entries', rows, manifest: manifestOf('ledger', batchId, rows, nowMs, writtenMs) };
    },
    /** What the normalizer stores at `nowMs`; sometimes of a sparse log whose records are days apart. */
    steps: (nowMs: number, writtenMs: number = nowMs): HistoryBatch => {
      const batchId = `b${serial++}`;
      const isSparse = dice() < 0.2;
      const rows = Array.from({ length: 1 + Math.floor(dice() * 12) }, (_, at) =>
        span(at === 0 || !isSparse ? nowMs : nowMs - dice() * 3 * DAY_MS, batchId),
      );
      return { table: 'spans', rows, manifest: manifestOf('normalizer', batchId, rows, nowMs, writtenMs) };
    },
  };
};

const RAW_HOUR = `toDateTime(least(intDiv(toUnixTimestamp64Micro(e.ts), 3600000000) * 3600, 4294965600), 'UTC')`;

type Compared = readonly [column: string, raw: string, view: string];

/** Column → what is compared of it: sums, and how many of them are known. */
const comparedOf = ({ kind, sums }: Rollup): readonly Compared[] =>
  sums.flatMap(([column, sql]): readonly Compared[] => {
    if (column === 'durations') {
      const merged = 'finalizeAggregation(quantilesDDMergeState(0.01, 0.5, 0.9, 0.99)(e.durations))';
      return [[column, `finalizeAggregation(${sql})`, merged]];
    }
    const summed: Compared = [column, sql, `sum(e.${column})`];
    if (kind === 'steps' || column === 'entries' || column === 'calls') return [summed];
    const calls = `sumIf(e.calls, e.${column} IS NOT NULL)`;
    return [
      summed,
      [`${column}_known`, `countIf(e.${column} IS NOT NULL)`, `sumIf(e.entries, e.${column} IS NOT NULL)`],
      [`${column}_calls`, calls, calls],
    ];
  });

/** Groups (hour and every dimension) of which the view says something else than raw; [] when they agree. */
export const disagreements = async (store: Store): Promise<readonly object[]> => {
  const found: object[] = [];
  for (const rollup of ROLLUPS) {
    const compared = comparedOf(rollup);
    const keys = rollup.dimensions.map((column) => `e.${column}`);
    const side = (hour: string, at: 1 | 2, from: string): string =>
      `SELECT '${from}' AS side, toString(tuple(${[hour, ...keys].join(', ')})) AS place,
         toString(tuple(${compared.map((item) => item[at]).join(', ')})) AS says
       FROM ${from} AS e GROUP BY ${[hour, ...keys].join(', ')}`;
    const rows = await store.query<object>(
      `SELECT place, groupArray((side, says)) AS sides FROM (
         ${side(RAW_HOUR, 1, rollup.raw)} UNION ALL ${side('e.hour', 2, `hourly_${rollup.kind}`)}
       ) GROUP BY place HAVING count() != 2 OR uniqExact(says) != 1 LIMIT 5`,
    );
    found.push(...rows);
  }
  return found;
};
