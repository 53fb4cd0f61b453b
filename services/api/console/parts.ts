import type { Figures } from '../queries/figures.ts';
import type { RunRow } from '../queries/runs.ts';
import { compact, duration, money, moneyCell, percent, plural, shortId, when } from './format.ts';
import { type Fragment, type Html, html } from './html.ts';
import { runLink, runsLink, type View } from './view.ts';

/** Pieces that several pages share. */

const SHAPES: Readonly<Record<string, { readonly shape: string; readonly words: string }>> = {
  ok: { shape: '●', words: 'ok' },
  error: { shape: '▲', words: 'error' },
  unset: { shape: '○', words: 'no status told' },
  starting: { shape: '◐', words: 'starting' },
  degraded: { shape: '◆', words: 'degraded' },
  stopped: { shape: '■', words: 'stopped' },
};

/** Status by colour and by shape, with its word. */
export const status = (state: string, words?: string): Html => {
  const found = SHAPES[state] ?? { shape: '○', words: state };
  return html`<span class="status ${state}"><span aria-hidden="true">${found.shape}</span> ${words ?? found.words}</span>`;
};

type Shares = Pick<Figures, 'calls' | 'known_calls' | 'unknown_calls' | 'unpriced_calls' | 'failed_unknown_calls'>;

/** Calls whose cost is not in the sum. */
export const missingCalls = (figures: Shares): number => figures.calls - figures.known_calls;

/** What share of the calls the cost covers, and why the rest is not in it. */
export const knownShare = (figures: Shares): string => {
  if (figures.calls === 0) return 'no calls';
  if (missingCalls(figures) === 0) return '100 % known';
  const why = [
    figures.unknown_calls > 0 && `${plural(figures.unknown_calls, 'call')} without usage`,
    figures.unpriced_calls > 0 && `${plural(figures.unpriced_calls, 'call')} without a price`,
    figures.failed_unknown_calls > 0 && `${plural(figures.failed_unknown_calls, 'failed call')} without usage`,
  ].filter((part) => part !== false);
  return `${percent(figures.known_calls, figures.calls)} known; not in it: ${why.join(', ')}`;
};

/** What is uncertain in the known part. */
export const certainty = (figures: Figures): string =>
  [
    Number(figures.upper_bound_cost_usd ?? 0) > 0 && `${money(figures.upper_bound_cost_usd)} of it is an upper bound`,
    Number(figures.estimated_cost_usd ?? 0) > 0 && `${money(figures.estimated_cost_usd)} estimated`,
  ]
    .filter((part) => part !== false)
    .join(', ');

/** Sum of told buckets; null when none was told. */
export const sumTold = (...values: readonly (number | null)[]): number | null => {
  const told = values.filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((sum, value) => sum + value, 0);
};

/** The whole prompt, cached or not; null when no part was told. */
export const tokensIn = (figures: Figures): number | null =>
  sumTold(
    figures.input_tokens,
    figures.cache_read_tokens,
    figures.cache_write_tokens,
    figures.cache_write_1h_tokens,
    figures.audio_input_tokens,
  );
/** Everything the model wrote, reasoning included; null when no part was told. */
export const tokensOut = (figures: Figures): number | null =>
  sumTold(figures.output_tokens, figures.reasoning_tokens, figures.audio_output_tokens);

/** A number with its name and what qualifies it. */
export const stat = (label: string, value: Fragment, note: Fragment, href?: string): Html =>
  html`<div class="stat"><dt>${label}</dt><dd>${href === undefined ? html`<span class="figure">${value}</span>` : html`<a class="figure" href="${href}">${value}</a>`}<span class="note">${note}</span></dd></div>`;

/** Tokens in and out, each with the part that is billed differently, as far as emitters told it. */
export const tokenStats = (figures: Figures): readonly Html[] => {
  const [inside, out] = [tokensIn(figures), tokensOut(figures)];
  const [cached, reasoning] = [figures.cache_read_tokens, figures.reasoning_tokens];
  return [
    stat(
      'Tokens in',
      compact(inside),
      cached === null ? 'cache share not told' : `${percent(cached, inside ?? 0)} from cache`,
    ),
    stat(
      'Tokens out',
      compact(out),
      reasoning === null ? 'reasoning not told' : `${percent(reasoning, out ?? 0)} reasoning`,
    ),
  ];
};

/** What a run cost, and whether something is not in it. */
export const runCost = (run: RunRow): Html => {
  if (run.calls === 0) return html`<span class="quiet">–</span>`;
  const missing = run.unknown_calls + run.unpriced_calls;
  const unknown =
    missing > 0 &&
    html` <span class="warn" title="${plural(missing, 'call')} of ${run.calls} without a cost">+?</span>`;
  return html`<span class="${run.cost_usd === null ? 'quiet' : ''}">${moneyCell(run.cost_usd)}</span>${run.cost_usd !== null && unknown}`;
};

/** Runs as a table; every cell that is a dimension filters by a click. */
export const runsTable = (view: View, runs: readonly RunRow[]): Html => {
  const isMany = view.tenant === null && new Set(runs.map((run) => run.tenant_id)).size > 1;
  return html`<div class="scroll"><table class="runs">
<thead><tr><th scope="col">Run</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Agent</th><th scope="col">Service</th><th scope="col">Status</th><th scope="col" class="n">Steps</th><th scope="col" class="n">Tokens in / out</th><th scope="col" class="n">Cost</th><th scope="col" class="n">Took</th><th scope="col" class="n">Started</th></tr></thead>
<tbody>${runs.map(
    (run) => html`<tr>
<td class="name" data-label="Run"><a href="${runLink(view, run)}">${run.name === '' ? run.run_id.slice(0, 12) : run.name}</a> ${shortId(run.run_id, 6)}</td>
${isMany && html`<td data-label="Tenant"><a class="dim" href="${runsLink(view, { tenant: run.tenant_id })}">${run.tenant_id}</a></td>`}
<td data-label="Agent">${run.root_agent ? html`<a class="dim" href="${runsLink(view, { agent: run.root_agent })}">${run.root_agent}</a>` : html`<span class="quiet">–</span>`}</td>
<td data-label="Service"><a class="dim" href="${runsLink(view, { service: run.service })}">${run.service}</a></td>
<td data-label="Status">${status(run.status, run.errors > 0 ? plural(run.errors, 'error') : 'ok')}</td>
<td class="n" data-label="Steps">${compact(run.steps)}</td>
<td class="n" data-label="Tokens">${compact(run.input_tokens)} <span class="quiet">/</span> ${compact(run.output_tokens)}</td>
<td class="n" data-label="Cost">${runCost(run)}</td>
<td class="n" data-label="Took">${duration(run.duration_ms)}</td>
<td class="n" data-label="Started">${when(run.first_ts, view.nowMs)}</td>
</tr>`,
  )}</tbody></table></div>`;
};
