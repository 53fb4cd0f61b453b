import type { BookingRow } from '../../queries/bookings.ts';
import { money, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { linkTo } from '../view.ts';
import type { RunView } from './run-view.ts';

const BUCKETS = [
  ['input_tokens', 'input, uncached'],
  ['cache_read_tokens', 'cache read'],
  ['cache_write_tokens', 'cache write'],
  ['cache_write_1h_tokens', 'cache write, 1 h'],
  ['output_tokens', 'output, without reasoning'],
  ['reasoning_tokens', 'reasoning'],
  ['audio_input_tokens', 'audio in'],
  ['audio_output_tokens', 'audio out'],
] as const;

const UNPRICED: Readonly<Record<string, string>> = {
  no_usage: 'the emitter told no usage',
  no_price: 'no price is known for this model',
  no_model: 'the emitter told no model',
  ambiguous_model: 'the model name fits several prices',
  failed: 'the call failed',
};

/** Why a figure is what it is, in words. */
const because = (entry: BookingRow): string =>
  entry.cost_usd === null
    ? `unknown: ${UNPRICED[entry.unpriced_reason ?? ''] ?? entry.unpriced_reason ?? 'no reason told'}`
    : [entry.untold.length > 0 && `at most: ${entry.untold.join(', ')} not told apart`, entry.estimated && 'estimated']
        .filter((part) => part !== false)
        .join('; ');

/** One booking, bucket by bucket, with the price it used. */
export const bookingCard = (entry: BookingRow): Html =>
  html`<div class="booking"><p><strong>${money(entry.cost_usd)}</strong> ${entry.model ?? 'no model'}${entry.provider !== null && ` (${entry.provider})`} <span class="${entry.cost_usd === null ? 'warn' : 'quiet'}">${because(entry)}</span></p>
<dl class="facts">${BUCKETS.filter(([column]) => entry[column] !== null).map(([column, words]) => html`<div><dt>${words}</dt><dd class="num">${(entry[column] ?? 0).toLocaleString('en-US')}</dd></div>`)}
<div><dt>price</dt><dd>${entry.price_id ?? html`<span class="quiet">none</span>`}</dd></div>
<div><dt>booked as</dt><dd>${entry.reason}${entry.outcome === 'failed' && html`, <span class="warn">call failed</span>`}</dd></div>
${entry.reported_cost_usd !== null && html`<div><dt>emitter reported</dt><dd class="num">${money(entry.reported_cost_usd)}</dd></div>`}</dl></div>`;

/** The ledger of a run: every entry as it was booked, reversals included, so that any figure can be followed. */
export const bookingsBody = ({ view, bookings, steps }: RunView): Html => {
  if (bookings.entries.length === 0) return html`<p class="quiet pad">No model call of this run is booked.</p>`;
  const standing = new Set(bookings.standing);
  const told = BUCKETS.filter(([column]) => bookings.entries.some((entry) => entry[column] !== null));
  const stepOf = new Map(steps.filter((step) => step.signal === 'span').map((step) => [step.span_id, step]));
  return html`<section class="wide"><div class="scroll"><table class="ledger">
<thead><tr><th scope="col">Booked</th><th scope="col">Reason</th><th scope="col">Step</th><th scope="col">Model</th><th scope="col" class="n">Cost</th>${told.map(([, words]) => html`<th scope="col" class="n">${words}</th>`)}<th scope="col">Price</th></tr></thead>
<tbody>${bookings.entries.map((entry) => {
    const step = stepOf.get(entry.span_id);
    return html`<tr class="${standing.has(entry) ? '' : 'gone'}"><td>${when(entry.booked_at, view.nowMs)}</td><td>${entry.reason}${entry.reverses_entry_id !== null && html` <span class="quiet">reverses ${shortId(entry.reverses_entry_id, 6)}</span>`}</td>
<td>${step ? html`<a href="${linkTo(view.path, { ...view.params, view: undefined, step: step.step_id })}#detail">${step.name}</a>` : shortId(entry.span_id)}</td><td>${entry.model ?? html`<span class="quiet">none told</span>`}</td>
<td class="n" title="${because(entry)}">${entry.cost_usd === null ? html`<span class="warn">unknown</span>` : money(entry.cost_usd)}</td>
${told.map(([column]) => html`<td class="n">${entry[column]?.toLocaleString('en-US') ?? html`<span class="quiet">–</span>`}</td>`)}
<td>${entry.price_id ?? html`<span class="quiet">none</span>`}</td></tr>`;
  })}</tbody></table></div><p class="quiet small pad">Struck entries were reversed; sums over all entries are right at any moment. An en dash means the emitter did not tell.</p></section>`;
};
