import { TOKEN_COLUMNS } from '../../../schemas/ledger-entry.ts';

/**
 * The figures of the ledger, the same everywhere. `ledger_entries` is signed and append-only: only ever sum(), so a
 * reversed booking cancels. Unknown is NULL, never 0: a sum whose known part is empty is NULL, also when a known
 * booking and its reversal left a zero behind.
 */

// Columns are always written `e.column`: an alias of the same name would otherwise be taken for the column.
const bucketSum = (column: string): string =>
  `if(sumIf(e.calls, e.${column} IS NOT NULL) = 0, NULL, sum(e.${column})) AS ${column}`;

const moneySum = (condition: string, name: string): string => {
  const known = `e.cost_usd IS NOT NULL${condition === '' ? '' : ` AND ${condition}`}`;
  const total = condition === '' ? 'sum(e.cost_usd)' : `sumIf(e.cost_usd, ${condition})`;
  return `toString(if(sumIf(e.calls, ${known}) = 0 AND ifNull(${total}, 0) = 0, NULL, ${total})) AS ${name}`;
};

/**
 * SELECT items over `ledger_entries AS e`. Every call is in one of the first four, by the words the ledger uses:
 * - known_calls: has a cost; unknown_calls: nobody told its usage; unpriced_calls: usage without a price;
 *   failed_unknown_calls: failed and told no usage
 * - calls: all of them; failed_calls: all that failed, whatever is known of their cost
 * - upper_bound_calls: cost known, but a detail the emitter did not tell sits in a dearer bucket: at most this much
 * - cost_usd, and of it estimated_cost_usd and upper_bound_cost_usd; reported_cost_usd as emitters said it
 * - tokens by disjoint bucket
 */
export const FIGURES = [
  'sum(e.calls) AS calls',
  'sumIf(e.calls, e.cost_usd IS NOT NULL) AS known_calls',
  "sumIf(e.calls, e.cost_usd IS NULL AND ifNull(e.unpriced_reason, 'no_usage') = 'no_usage') AS unknown_calls",
  "sumIf(e.calls, e.cost_usd IS NULL AND e.unpriced_reason IN ('no_price', 'no_model', 'ambiguous_model')) AS unpriced_calls",
  "sumIf(e.calls, e.cost_usd IS NULL AND e.unpriced_reason = 'failed') AS failed_unknown_calls",
  "sumIf(e.calls, e.outcome = 'failed') AS failed_calls",
  'sumIf(e.calls, e.cost_usd IS NOT NULL AND notEmpty(e.untold)) AS upper_bound_calls',
  moneySum('', 'cost_usd'),
  moneySum('e.estimated', 'estimated_cost_usd'),
  moneySum('notEmpty(e.untold)', 'upper_bound_cost_usd'),
  'toString(sum(e.reported_cost_usd)) AS reported_cost_usd',
  ...TOKEN_COLUMNS.map(bucketSum),
].join(',\n  ');

/** One group of FIGURES as JSON carries it. */
export interface Figures {
  readonly calls: number;
  readonly known_calls: number;
  readonly unknown_calls: number;
  readonly unpriced_calls: number;
  readonly failed_unknown_calls: number;
  readonly failed_calls: number;
  readonly upper_bound_calls: number;
  readonly cost_usd: string | null;
  readonly estimated_cost_usd: string | null;
  readonly upper_bound_cost_usd: string | null;
  readonly reported_cost_usd: string | null;
  readonly input_tokens: number | null;
  readonly cache_read_tokens: number | null;
  readonly cache_write_tokens: number | null;
  readonly cache_write_1h_tokens: number | null;
  readonly output_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly audio_input_tokens: number | null;
  readonly audio_output_tokens: number | null;
}
