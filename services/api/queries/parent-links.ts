import type { QueryParams } from '../../runtime/ports.ts';
import { type Query, READ_SETTINGS } from './query.ts';

/**
 * Spans whose parent lies in another trace: some tracers lose the trace and keep the parent. No fold sees two runs, and a
 * link it wrote could not be taken back when the parent comes after all; so they are found when a tree is read.
 */

/** How far before and after a run its parents and children in other traces are looked for. */
const WINDOW_MS = 3_600_000;
/** Rows of one such search; the sort key leads to the hours of the tenant, and a page is read by a person who waits. */
const SEARCH_ROWS_MAX = 20_000_000;
/** Parents of one read that are looked for, and runs below it. */
export const ORPHANS_MAX = 256;
const CHILD_RUNS_MAX = 300;

const SEARCH_SETTINGS = `${READ_SETTINGS}, max_rows_to_read = ${SEARCH_ROWS_MAX}, read_overflow_mode = 'break'`;

/** Where to look. */
export interface Searched {
  readonly tenant: string;
  readonly runIds: readonly string[];
  /** First and last step of these runs, milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** When these runs began and ended; null when none of them is folded yet. */
export const runBoundsQuery = (input: { readonly tenant: string; readonly runIds: readonly string[] }): Query => ({
  sql: `SELECT toUnixTimestamp64Milli(minOrNull(first_ts)) AS from_ms, toUnixTimestamp64Milli(maxOrNull(last_ts)) AS to_ms
FROM runs FINAL
WHERE tenant_id = {tenant:String}
  AND run_id IN {run_ids:Array(String)}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_ids: input.runIds },
});

/** Runs with a span that names a span of these as its parent, whether or not they have one of that id themselves. */
export const childRunsQuery = (input: Searched): Query => ({
  sql: `SELECT DISTINCT run_id
FROM spans
WHERE ${WITHIN}
  AND signal = 'span'
  AND run_id NOT IN {run_ids:Array(String)}
  AND parent_span_id IN (
    SELECT span_id FROM spans
    WHERE ${WITHIN}
      AND signal = 'span'
      AND run_id IN {run_ids:Array(String)})
ORDER BY run_id
LIMIT ${CHILD_RUNS_MAX}
${SEARCH_SETTINGS}`,
  params: paramsOf(input),
});

/** A parent that some span of a run names and the run does not have. */
export interface OrphanRow {
  readonly run_id: string;
  readonly parent_span_id: string;
  readonly began_ms: number;
}

/** What these runs lack; the earliest first. */
export const orphansQuery = (input: Searched): Query => ({
  sql: `SELECT run_id, parent_span_id, toUnixTimestamp64Milli(min(ts)) AS began_ms
FROM spans
WHERE ${WITHIN}
  AND signal = 'span'
  AND run_id IN {run_ids:Array(String)}
  AND parent_span_id != ''
  AND (run_id, parent_span_id) NOT IN (
    SELECT run_id, span_id FROM spans
    WHERE ${WITHIN}
      AND run_id IN {run_ids:Array(String)})
GROUP BY run_id, parent_span_id
ORDER BY began_ms, run_id, parent_span_id
LIMIT ${ORPHANS_MAX}
${SEARCH_SETTINGS}`,
  params: paramsOf(input),
});

/** A span by its id, where only one run has that id. */
export interface ParentRow {
  readonly span_id: string;
  readonly run_id: string;
  readonly began_ms: number;
}

/** Spans of these ids; an id that two runs have proves nothing and is left out. */
export const parentsQuery = (input: Omit<Searched, 'runIds'> & { readonly spanIds: readonly string[] }): Query => ({
  sql: `SELECT span_id, any(run_id) AS run_id, toUnixTimestamp64Milli(min(ts)) AS began_ms
FROM spans
WHERE ${WITHIN}
  AND signal = 'span'
  AND span_id IN {span_ids:Array(String)}
GROUP BY span_id
HAVING uniqExact(spans.run_id) = 1
ORDER BY span_id
${SEARCH_SETTINGS}`,
  params: { ...timesOf(input), span_ids: input.spanIds },
});

const WITHIN = `tenant_id = {tenant:String}
  AND ts >= fromUnixTimestamp64Milli({from_ms:Int64})
  AND ts < fromUnixTimestamp64Milli({to_ms:Int64})`;

const timesOf = ({ tenant, fromMs, toMs }: Omit<Searched, 'runIds'>): QueryParams => ({
  tenant,
  from_ms: fromMs - WINDOW_MS,
  to_ms: toMs + WINDOW_MS,
});

const paramsOf = (input: Searched): QueryParams => ({ ...timesOf(input), run_ids: input.runIds });
