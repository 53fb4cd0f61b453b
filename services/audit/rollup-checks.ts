import { IS_ROLLED_UP, ROLLUPS, type Rollup, SLICE_DAY, SLICE_HOUR } from '../../schemas/rollup.ts';
import { type Check, proof } from './check.ts';

/** Service whose batches fill the raw table. */
const WRITERS: Readonly<Record<Rollup['kind'], string>> = { spend: 'ledger', steps: 'normalizer' };

const asText = (columns: readonly string[]): string => `cityHash64(toString(tuple(${columns.join(', ')})))`;

/** Batches with rows and without a manifest row: they are open, and so is every hour they touch. */
const openBatches = ({ kind, raw }: Rollup): string =>
  `SELECT batch_id FROM (
       SELECT batch_id, 0 AS told FROM ${raw} WHERE logged_at >= {since:DateTime64(3)}
       UNION ALL SELECT batch_id, 1 AS told FROM batches WHERE service = '${WRITERS[kind]}'
     ) GROUP BY batch_id HAVING max(told) = 0`;

/** Slices read from their roll-up whose raw is still whole. */
const sources = ({ kind }: Rollup, columns: string): string =>
  `SELECT ${columns} FROM rollup_sources WHERE kind = '${kind}' AND generation != '' AND toDateTime64(logged_day, 3, 'UTC') >= {since:DateTime64(3)}`;

/** Slices of a roll-up that say something else than raw: `hour` (unix seconds), `logged_day`. Takes since. */
export const wrongSlices = (rollup: Rollup): string => {
  const { table, raw, dimensions, sums, patterns } = rollup;
  const stored = sums.map(([column]) => (column === 'durations' ? 'finalizeAggregation(r.durations)' : `r.${column}`));
  const made = sums.map(([column, sql]) => (column === 'durations' ? `finalizeAggregation(${sql})` : sql));
  const keys = [SLICE_HOUR, SLICE_DAY, ...dimensions.map((column) => `e.${column}`), ...patterns];
  return `SELECT toUnixTimestamp(hour) AS hour_seconds, hour, logged_day, countIf(side = 1) AS rolled, countIf(side = 2) AS made FROM (
       SELECT r.hour AS hour, r.logged_day AS logged_day, 1 AS side, false AS is_open,
         ${asText([...dimensions.map((column) => `r.${column}`), ...stored])} AS hash
       FROM ${table} AS r WHERE (r.hour, r.logged_day, toString(r.generation)) IN (${sources(rollup, 'hour, logged_day, generation')})
       UNION ALL
       SELECT ${SLICE_HOUR} AS hour, ${SLICE_DAY} AS logged_day, 2 AS side, max(e.batch_id IN (${openBatches(rollup)})) AS is_open,
         ${asText([...dimensions.map((column) => `e.${column}`), ...made])} AS hash
       FROM ${raw} AS e
       WHERE (${SLICE_HOUR}, ${SLICE_DAY}) IN (${sources(rollup, 'hour, logged_day')}) AND ${IS_ROLLED_UP}
       GROUP BY ${keys.join(', ')}
     ) GROUP BY hour, logged_day HAVING sumIf(hash, side = 1) != sumIf(hash, side = 2) AND NOT max(is_open)`;
};

const rollupAgainstRaw = (rollup: Rollup): Check =>
  proof(
    `rollup:${rollup.kind}`,
    rollup.raw,
    `${rollup.table} says of every closed hour what ${rollup.raw} says`,
    `SELECT concat('${rollup.table} hour ', toString(hour), ' logged ', toString(logged_day)) AS place,
       concat(toString(rolled), ' groups, raw makes ', toString(made)) AS detail
     FROM (${wrongSlices(rollup)}) ORDER BY place LIMIT 100`,
  );

/** Closed hours not summed yet: read from raw meanwhile, which is slower and not wrong. */
const rolledUp: Check = {
  name: 'rolled-up',
  table: 'batches',
  kind: 'progress',
  claim: 'every closed hour is summed',
  sql: `SELECT concat(kind, ' logged ', toString(logged_day)) AS place, concat(toString(count()), ' closed hours are read from raw') AS detail
        FROM rollup_slices FINAL
        WHERE generation = '' AND hour > toDateTime(0, 'UTC') AND hour < {until:DateTime64(3)} - INTERVAL 2 HOUR
          AND toDateTime64(logged_day, 3, 'UTC') >= {since:DateTime64(3)}
        GROUP BY kind, logged_day ORDER BY place LIMIT 100`,
};

/** What holds of the roll-ups. */
export const rollupChecks: readonly Check[] = [...ROLLUPS.map(rollupAgainstRaw), rolledUp];
