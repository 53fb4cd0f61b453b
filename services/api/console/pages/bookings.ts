import { bookingWords, uncertainty } from '../../call-words.ts';
import { money, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { linkTo } from '../view.ts';
import { BUCKETS } from './call-card.ts';
import type { RunView } from './run-view.ts';

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
    return html`<tr class="${standing.has(entry) ? '' : 'gone'}"><td>${when(entry.booked_at, view.nowMs)}</td><td title="${bookingWords(entry)}">${entry.reason}${entry.reverses_entry_id !== null && html` <span class="quiet">reverses ${shortId(entry.reverses_entry_id, 6)}</span>`}</td>
<td>${step ? html`<a href="${linkTo(view.path, { ...view.params, view: undefined, step: step.step_id })}#detail">${step.name}</a>` : shortId(entry.span_id)}</td><td>${entry.model ?? html`<span class="quiet">none told</span>`}</td>
<td class="n" title="${uncertainty(entry)}">${entry.cost_usd === null ? html`<span class="warn">unknown</span>` : money(entry.cost_usd)}</td>
${told.map(([column]) => html`<td class="n">${entry[column]?.toLocaleString('en-US') ?? html`<span class="quiet">–</span>`}</td>`)}
<td>${entry.price_id ?? html`<span class="quiet">none</span>`}</td></tr>`;
  })}</tbody></table></div><p class="quiet small pad">Struck entries were reversed; sums over all entries are right at any moment. An en dash means the emitter did not tell.</p></section>`;
};
