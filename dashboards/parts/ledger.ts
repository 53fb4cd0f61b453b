import { optionOf, scopeOf, within } from './scope.ts';
import { fromOf, named, type Select } from './select.ts';

/**
 * Figures of the ledger. It is signed: only ever sum(), so that a reversed booking cancels. Unknown is NULL, never 0:
 * where nothing is known there is no point in the chart, and the share of what is known stands beside each sum.
 */
const isKnown = 'e.cost_usd IS NOT NULL';

export const CALLS = 'sum(e.calls)';
export const FAILED_CALLS = `sumIf(e.calls, e.outcome = 'failed')`;
/** USD of the calls whose cost is known; NULL when none is, also when a known booking and its reversal left a 0. */
export const KNOWN_COST = `toFloat64(if(sumIf(e.calls, ${isKnown}) = 0 AND ifNull(sum(e.cost_usd), 0) = 0, NULL, sum(e.cost_usd)))`;
/** Share of the calls whose cost is known, 0 to 1; NULL without calls. */
export const KNOWN_SHARE = `if(${CALLS} = 0, NULL, sumIf(e.calls, ${isKnown}) / ${CALLS})`;
/** USD of calls where a detail was not told and sits in a dearer bucket: the cost is at most this. */
export const UPPER_BOUND_COST = `toFloat64(if(sumIf(e.calls, ${isKnown} AND notEmpty(e.untold)) = 0, NULL, sumIf(e.cost_usd, notEmpty(e.untold))))`;
/** Tokens of one disjoint bucket; NULL when no call told it. */
export const tokens = (bucket: string): string =>
  `if(sumIf(e.calls, e.${bucket} IS NOT NULL) = 0, NULL, sum(e.${bucket}))`;
/** Of the input of calls that told both, the share that came from the provider's cache. */
export const CACHE_READ_SHARE = `if(sumIf(e.input_tokens + e.cache_read_tokens, e.cache_read_tokens IS NOT NULL) > 0,
  sumIf(e.cache_read_tokens, e.input_tokens IS NOT NULL) / sumIf(e.input_tokens + e.cache_read_tokens, e.cache_read_tokens IS NOT NULL), NULL)`;

/** Rows of the ledger within what the reader chose. */
export const LEDGER_WHERE: readonly string[] = [within('e.ts'), ...scopeOf('e')];

/** Series a chart can hold and still be read; what is beyond is summed as "other". */
const SERIES_MAX = 8;

/** The column's value when it is among the dearest of the range, else "other". */
export const dearest = (column: string): string =>
  `if(${optionOf(column)} IN (SELECT ${optionOf(column)} FROM ${fromOf('ledger_entries')} WHERE ${LEDGER_WHERE.join(' AND ')} GROUP BY 1 ORDER BY sum(e.cost_usd) DESC NULLS LAST LIMIT ${SERIES_MAX}), ${optionOf(column)}, 'other')`;

/** A chart over the ledger: `time` by the bucket given, one series a label. */
export const ledgerSeries = (
  bucket: string,
  values: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): Select => ({
  from: 'ledger_entries',
  columns: { time: bucket, ...labels, ...values },
  where: LEDGER_WHERE,
  groupBy: ['time', ...Object.keys(labels)],
  orderBy: 'time',
});

/** A table over the ledger by one dimension, dearest first: spend, what share of it is known, calls. */
export const ledgerTable = (name: string, column: string, limit: number): Select => ({
  from: 'ledger_entries',
  columns: {
    [name]: optionOf(column),
    spend: KNOWN_COST,
    'share known': KNOWN_SHARE,
    calls: CALLS,
    'failed calls': FAILED_CALLS,
  },
  where: LEDGER_WHERE,
  groupBy: [name],
  having: `${named('calls')} != 0 OR ifNull(sum(e.cost_usd), 0) != 0`,
  orderBy: 'spend DESC NULLS LAST, calls DESC',
  limit,
});

export const BY_HOUR = 'toStartOfHour(e.ts)';
export const BY_DAY = 'toDateTime(toStartOfDay(e.ts))';
export const BY_INTERVAL = '$__timeInterval(e.ts)';
