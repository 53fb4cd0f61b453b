/** Statements that have the engine itself make a month of lineage, in the form the fold writes it. */

/** Data sets there are; a tool reads up to three of them a run. Popularity falls off as the square root of the number. */
const TABLES = 20_000;
/** Edges a run tells: on whose behalf, its tool, three readings, a writing, three derivations, its agent. */
export const EDGES_PER_RUN = 10;
/** The month the runs are spread over, evenly. */
export const DAYS = 30;
const DAY_MS = 86_400_000;

const table = (salt: string): string => `toUInt32(pow(cityHash64(run, '${salt}') % 10000 / 10000, 2) * ${TABLES})`;
const id = (salt: string): string => `concat('${NAMESPACE}', toString(${table(salt)}))`;
const NAMESPACE = 'postgres://db:5432/wh.public.t';

/** `KIND:ID` of the data set of a number, for an address. */
export const dataset = (number: number): string => encodeURIComponent(`dataset:${NAMESPACE}${number}`);

/** Edges `from` to `from + count` of a month of `edges`. */
export const edgesSql = (edges: number, from: number, count: number, nowMs: number): string => `
SELECT lower(hex(cityHash64(number, 1))) AS edge_id, 'bench' AS tenant_id,
  fromUnixTimestamp64Micro(toInt64(${nowMs - DAY_MS * DAYS} + intDiv(run * ${DAY_MS * DAYS}, ${Math.ceil(edges / EDGES_PER_RUN)})) * 1000 + kind * 1000, 'UTC') AS ts,
  lower(hex(MD5(toString(run)))) AS run_id, run_id AS trace_id, lower(hex(cityHash64(number, 2))) AS span_id, span_id AS step_id,
  multiIf(kind IN (0, 1), 'agent', kind = 9, 'run', kind < 6, 'tool', 'dataset') AS from_kind,
  multiIf(kind IN (0, 1), agent, kind = 9, run_id, kind < 6, tool, kind = 6, ${id('a')}, kind = 7, ${id('b')}, ${id('c')}) AS from_id,
  if(kind BETWEEN 2 AND 5, [concat('agent=', agent)], []) AS from_fields,
  multiIf(kind = 0, 'user', kind = 1, 'tool', kind = 9, 'agent', 'dataset') AS to_kind,
  multiIf(kind = 0, concat('user-', toString(run % 5000)), kind = 1, tool, kind = 9, agent, kind = 2, ${id('a')}, kind = 3, ${id('b')}, kind = 4, ${id('c')}, ${id('w')}) AS to_id,
  ['namespace=postgres://db:5432'] AS to_fields,
  multiIf(kind = 0, 'acts_for', kind = 1, 'invokes', kind = 9, 'invokes', kind = 5, 'writes', kind < 5, 'reads', 'derives') AS edge,
  ['order', 'context', 'value'][1 + kind % 3] AS evidence_level, [] AS flags, 1 AS weight, NULL AS reverses_edge_id, 'bench' AS batch_id,
  fromUnixTimestamp64Milli(toInt64(${nowMs}), 'UTC') AS logged_at
FROM (
  SELECT number, intDiv(number, ${EDGES_PER_RUN}) AS run, number % ${EDGES_PER_RUN} AS kind,
    concat('agent-', toString(run % 100)) AS agent, concat('tool-', toString(cityHash64(run, 't') % 400)) AS tool
  FROM numbers(${from}, ${count})
)`;

/** Spans of the last day of the month, as many as of any day: what is unknown is counted among them. */
export const spansSql = (spans: number, nowMs: number): string => `INSERT INTO spans
  (tenant_id, ts, trace_id, span_id, run_id, step_id, step_kind, signal, name, service, attributes, logged_at, batch_id)
SELECT 'bench', fromUnixTimestamp64Milli(toInt64(${nowMs - DAY_MS} + intDiv(number * ${DAY_MS}, ${spans})), 'UTC'), trace_id,
  lower(hex(cityHash64(number, 3))), trace_id, lower(hex(MD5(toString(number)))),
  ['agent', 'llm', 'tool', 'tool', 'tool', 'data_access', 'other', 'other', 'llm', 'retrieval'][1 + number % 10], 'span', 'a span', 'bench',
  mapFromArrays(arrayMap(n -> concat('attribute.', toString(n)), range(12)), arrayMap(n -> toString(cityHash64(number, n)), range(12))),
  fromUnixTimestamp64Milli(toInt64(${nowMs}), 'UTC'), 'bench'
FROM (SELECT number, lower(hex(MD5(toString(intDiv(number, 10))))) AS trace_id FROM numbers(${spans}))`;
