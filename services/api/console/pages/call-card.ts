import type { Evidence } from '../../../../schemas/call-explanation.ts';
import type { TokenColumn } from '../../../../schemas/ledger-entry.ts';
import type { ExplainedCall } from '../../call-explanations.ts';
import { bookingWords, evidenceWords, uncertainty } from '../../call-words.ts';
import type { BookingRow } from '../../queries/bookings.ts';
import { money, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { View } from '../view.ts';

export const BUCKETS: readonly (readonly [column: TokenColumn, words: string])[] = [
  ['input_tokens', 'input, uncached'],
  ['cache_read_tokens', 'cache read'],
  ['cache_write_tokens', 'cache write'],
  ['cache_write_1h_tokens', 'cache write, 1 h'],
  ['output_tokens', 'output, without reasoning'],
  ['reasoning_tokens', 'reasoning'],
  ['audio_input_tokens', 'audio in'],
  ['audio_output_tokens', 'audio out'],
];

/** The same in a column of a card; the whole words stand on hover. */
const SHORT: Readonly<Record<TokenColumn, string>> = {
  input_tokens: 'input',
  cache_read_tokens: 'cached',
  cache_write_tokens: 'cache write',
  cache_write_1h_tokens: 'write 1 h',
  output_tokens: 'output',
  reasoning_tokens: 'reasoning',
  audio_input_tokens: 'audio in',
  audio_output_tokens: 'audio out',
};

/** What a card needs of its page. */
export interface CardPlace {
  readonly view: View;
  /** Address of a step on the page. */
  readonly stepHref: (stepId: string) => string;
}

/** A cost with what limits it: `≤ $0.02` for an upper bound, `≈` for an estimate, `unknown`. */
export const costWords = (entry: Pick<BookingRow, 'cost_usd' | 'untold' | 'estimated'>): string =>
  entry.cost_usd === null
    ? 'unknown'
    : `${entry.estimated ? '≈ ' : entry.untold.length > 0 ? '≤ ' : ''}${money(entry.cost_usd)}`;

/** One model call: what it cost, who told it and who was believed, how the cost adds up, how it came to that. */
export const callCard = (place: CardPlace, call: ExplainedCall): Html =>
  html`<article class="call" aria-label="Model call">${call.bookings.length === 0 ? takenBack(call) : call.bookings.map(headline)}
${call.bookings.length > 0 && html`${evidenceTable(place, call)}${billTable(call)}`}${history(place.view, call)}</article>`;

const takenBack = (call: ExplainedCall): Html => {
  const reversal = call.entries.findLast((entry) => entry.reverses_entry_id !== null);
  const model = call.entries[0]?.model ?? 'no model told';
  return html`<p class="call-head"><strong>Taken back</strong> <span>${model}</span> <span class="quiet">${reversal === undefined ? '' : bookingWords({ ...reversal, reverses_entry_id: null })}</span></p>`;
};

const headline = (entry: BookingRow): Html => {
  const why = uncertainty(entry);
  return html`<p class="call-head"><strong class="figure">${costWords(entry)}</strong> <span>${entry.model ?? 'no model told'}${entry.provider !== null && html` <span class="quiet">${entry.provider}</span>`}</span>${entry.calls !== 1 && html` <span class="chip small">a sum of ${entry.calls.toLocaleString('en-US')} calls</span>`}${entry.outcome === 'failed' && html` <span class="status error"><span aria-hidden="true">▲</span> failed</span>`}</p>
${why !== '' && html`<p class="${entry.cost_usd === null ? 'warn' : 'quiet'}">${why}</p>`}
${entry.reported_cost_usd !== null && html`<p class="quiet small">The emitter itself reported ${money(entry.reported_cost_usd)}; it is compared, never mixed in.</p>`}`;
};

// --------------------------------------------------------------------- evidence

const evidenceTable = (place: CardPlace, call: ExplainedCall): Html => {
  const { explanation } = call;
  if (explanation === null) return figuresOnly(call);
  const told = BUCKETS.filter(([column]) => explanation.evidence.some((one) => one[column] !== null));
  return html`<div class="scroll"><table class="told-by"><thead><tr><th scope="col">${explanation.evidence.length === 1 ? 'Told by' : `Told by ${explanation.evidence.length}`}</th>${told.map(([column, words]) => html`<th scope="col" class="n" title="${words}">${SHORT[column]}</th>`)}</tr></thead>
<tbody>${explanation.evidence.map((one) => witness(place, one, told, explanation.bucket_from))}</tbody></table></div>`;
};

const witness = (
  place: CardPlace,
  one: Evidence,
  told: typeof BUCKETS,
  from: Partial<Readonly<Record<TokenColumn, string>>>,
): Html =>
  html`<tr${one.is_believed && html` class="believed"`}><th scope="row"><a href="${place.stepHref(one.step_id)}">${one.name === '' ? one.signal : one.name}</a>
<span class="quiet small">${one.signal} · ${one.family}${one.scope_name !== '' && ` · ${one.scope_name}`}${one.estimated && ' · estimated'}</span>
<span class="quiet small">${evidenceWords(one)}</span></th>${told.map(([column]) => bucketCell(one, column, from[column] === one.step_id))}</tr>`;

/** What one step said of one bucket: bold where it stands, a dash where it said nothing. */
const bucketCell = (one: Evidence, column: TokenColumn, stands: boolean): Html => {
  const value = one[column];
  if (value === null)
    return html`<td class="n" data-label="${SHORT[column]}"><span class="quiet" title="not told">–</span></td>`;
  const text = value.toLocaleString('en-US');
  return html`<td class="n" data-label="${SHORT[column]}">${stands ? html`<strong title="this figure stands">${text}</strong>` : html`<span class="quiet">${text}</span>`}</td>`;
};

/** Without evidence the booked figures are all there is to show. */
const figuresOnly = ({ bookings }: ExplainedCall): Html =>
  html`${bookings.map(
    (entry) =>
      html`<dl class="facts">${BUCKETS.flatMap(([column, words]) => {
        const value = entry[column];
        return value === null
          ? []
          : [html`<div><dt>${words}</dt><dd class="num">${value.toLocaleString('en-US')}</dd></div>`];
      })}</dl>`,
  )}<p class="quiet small">What was told of this call is not held any more (retention.state_days); what was booked stays.</p>`;

// ------------------------------------------------------------------------- bill

const billTable = ({ explanation, bookings }: ExplainedCall): Html | null => {
  const [booking] = bookings;
  if (explanation === null || booking === undefined || booking.cost_usd === null) return null;
  if (explanation.bill === null)
    return html`<p class="quiet small">Booked with ${booking.price_id ?? 'a price'}, which the price book does not give any more.</p>`;
  const wordsOf = new Map<string, string>(BUCKETS);
  return html`<div class="scroll"><table class="bill"><thead><tr><th scope="col">Price <span class="mono">${booking.price_id}</span>${explanation.is_price_inferred === true && html` <span class="quiet">(provider inferred from the model's name)</span>`}</th><th scope="col" class="n">Tokens</th><th scope="col" class="n">Rate</th><th scope="col" class="n">Amount</th></tr></thead>
<tbody>${explanation.bill.map((line) => html`<tr><td>${wordsOf.get(line.bucket) ?? line.bucket.replaceAll('_', ' ')}${line.basis === 'modelled' && html` <span class="quiet">(modelled)</span>`}</td><td class="n">${line.quantity.toLocaleString('en-US', { maximumSignificantDigits: 12 })}</td><td class="n">$${trimmed(line.rate_usd)} <span class="quiet">per ${per(line.per)}</span></td><td class="n">$${trimmed(line.cost_usd)}</td></tr>`)}
${(explanation.unknown_parts ?? []).map((part) => html`<tr><td>${part.replaceAll('_', ' ')}</td><td class="n">unknown</td><td></td><td class="n quiet">not in it</td></tr>`)}
<tr class="total"><td>Booked</td><td></td><td></td><td class="n"><strong>$${trimmed(booking.cost_usd)}</strong></td></tr></tbody></table></div>`;
};

const per = (units: number): string => (units === 1_000_000 ? 'million' : units.toLocaleString('en-US'));

/** A decimal without its closing zeros: every digit that says something. */
const trimmed = (decimal: string): string => (decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal);

// ---------------------------------------------------------------------- history

const history = (view: View, { entries }: ExplainedCall): Html | null => {
  if (entries.length < 2) return null;
  return html`<details><summary>Booked ${entries.length} times <span class="quiet">corrections included</span></summary><ol class="history">${entries.map(
    (entry) =>
      html`<li>${when(entry.booked_at, view.nowMs)} ${bookingWords(entry)} <span class="num">${entry.cost_usd === null ? html`<span class="warn">unknown</span>` : money(entry.cost_usd)}</span> ${shortId(entry.entry_id, 6)}</li>`,
  )}</ol></details>`;
};
