/**
 * The macros of Grafana's ClickHouse plugin, expanded as its Go backend does, for the rows whose expansion was recorded
 * (macros-golden.json). What the plugin does not know it hands to ClickHouse as it is; so does this.
 */
export interface QueryTime {
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalMs: number;
}

type Expand = (args: readonly string[], time: QueryTime) => string;
interface Macro {
  /** null: takes what comes. */
  readonly args: number;
  readonly expand: Expand;
}

const seconds = (ms: number): string => `toDateTime(${Math.floor(ms / 1000)})`;
const millis = (ms: number): string => `fromUnixTimestamp64Milli(${ms})`;
const day = (ms: number): string => `toDate('${new Date(ms).toISOString().slice(0, 10)}')`;
const iso = (ms: number): string => `'${new Date(ms).toISOString().slice(0, 19)}Z'`;
const intervalSeconds = ({ intervalMs }: QueryTime): number => Math.max(Math.floor(intervalMs / 1000), 1);
const between = (column: string, low: string, high: string): string => `${column} >= ${low} AND ${column} <= ${high}`;

const dateTimeFilter: Macro = {
  args: 2,
  expand: ([date = '', time = ''], t) =>
    `(${between(date, day(t.fromMs), day(t.toMs))}) AND (${between(time, seconds(t.fromMs), seconds(t.toMs))})`,
};

/** Macros that the backend replaces, alerts included. */
const MACROS: Readonly<Record<string, Macro>> = {
  fromTime: { args: 0, expand: (_, t) => seconds(t.fromMs) },
  toTime: { args: 0, expand: (_, t) => seconds(t.toMs) },
  fromTime_ms: { args: 0, expand: (_, t) => millis(t.fromMs) },
  toTime_ms: { args: 0, expand: (_, t) => millis(t.toMs) },
  timeFilter: { args: 1, expand: ([c = ''], t) => between(c, seconds(t.fromMs), seconds(t.toMs)) },
  timeFilter_ms: { args: 1, expand: ([c = ''], t) => between(c, millis(t.fromMs), millis(t.toMs)) },
  dateFilter: { args: 1, expand: ([c = ''], t) => between(c, day(t.fromMs), day(t.toMs)) },
  dateTimeFilter,
  dt: dateTimeFilter,
  timeInterval: {
    args: 1,
    expand: ([c = ''], t) => `toStartOfInterval(toDateTime(${c}), INTERVAL ${intervalSeconds(t)} second)`,
  },
  timeInterval_ms: {
    args: 1,
    expand: ([c = ''], t) => `toStartOfInterval(toDateTime64(${c}, 3), INTERVAL ${t.intervalMs} millisecond)`,
  },
  interval_s: { args: 0, expand: (_, t) => String(intervalSeconds(t)) },
  interval_ms: { args: 0, expand: (_, t) => String(t.intervalMs) },
  interval: { args: 0, expand: (_, t) => `${t.intervalMs / 60_000}m` },
  timeFrom: { args: 1, expand: ([c = ''], t) => `${c} >= ${iso(t.fromMs)}` },
  timeTo: { args: 1, expand: ([c = ''], t) => `${c} <= ${iso(t.toMs)}` },
  // Known to the plugin, and refused without more of the model or with these arguments.
  timeGroup: { args: Number.POSITIVE_INFINITY, expand: () => '' },
  table: { args: Number.POSITIVE_INFINITY, expand: () => '' },
  column: { args: Number.POSITIVE_INFINITY, expand: () => '' },
};

/** Macros that differ between versions of the plugin, or are replaced in the browser: not for our queries. */
export const UNSAFE_MACROS: ReadonlySet<string> = new Set([
  'timeFrom',
  'timeTo',
  'timeGroup',
  'table',
  'column',
  'interval',
  'interval_ms',
]);

/** Names of the macros in a query, known or not. */
export const macrosOf = (sql: string): readonly string[] =>
  [...sql.matchAll(/\$__(\w+)/g)].map(([, name]) => name ?? '');

/** Is it one whose expansion we know? */
export const isKnownMacro = (name: string): boolean => name in MACROS;

/** The query as ClickHouse gets it. Throws what the plugin refuses. */
export const expandMacros = (sql: string, time: QueryTime): string => {
  const found = /\$__(\w+)/.exec(sql);
  if (found === null) return sql;
  const [whole, name = ''] = found;
  const head = sql.slice(0, found.index);
  const rest = sql.slice(found.index + whole.length);
  const macro = MACROS[name];
  if (macro === undefined) return `${head}${whole}${expandMacros(rest, time)}`;
  const inner = rest.startsWith('(') ? balanced(rest) : null;
  const args = inner === null ? [] : splitArguments(inner).map((arg) => expandMacros(arg, time));
  if (macro.args === Number.POSITIVE_INFINITY) throw new Error('undefined');
  // A macro without arguments leaves parentheses behind it alone.
  const isTaken = inner !== null && macro.args > 0;
  const given = isTaken ? args : [];
  if (given.length !== macro.args) {
    throw new Error(
      `Could not apply macros: unexpected number of arguments: expected ${macro.args} argument${macro.args === 1 ? '' : 's'}, received ${given.length}`,
    );
  }
  const tail = isTaken ? rest.slice((inner ?? '').length + 2) : rest;
  return `${head}${macro.expand(given, time)}${expandMacros(tail, time)}`;
};

/** What stands within the parentheses at the start. */
const balanced = (text: string): string => {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return text.slice(1, at);
  }
  throw new Error('unbalanced parentheses');
};

const splitArguments = (text: string): readonly string[] => {
  const parts: string[] = [''];
  let depth = 0;
  for (const sign of text) {
    if (sign === '(') depth += 1;
    if (sign === ')') depth -= 1;
    if (sign === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += sign;
  }
  return parts.map((part) => part.trim());
};
