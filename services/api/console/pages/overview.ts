import type { PipelineReport } from '../../../runtime/pipeline.ts';
import { type CapacityBeside, readCapacity, withCapacity } from '../../capacity.ts';
import { type CostRow, costsQuery } from '../../queries/costs.ts';
import type { Figures } from '../../queries/figures.ts';
import { type IncidentRow, incidentsQuery } from '../../queries/incidents.ts';
import { type BreakdownRow, breakdownQuery } from '../../queries/overview.ts';
import type { CapacityRow } from '../../queries/prices.ts';
import { type RunCountsRow, type RunRow, runCountsQuery, runsQuery } from '../../queries/runs.ts';
import { read } from '../../reads.ts';
import { NO_MODEL, type SpendChart, spendChart } from '../chart.ts';
import { compact, money, moneyCell, percent, plural, when } from '../format.ts';
import { type Fragment, type Html, html, jsonBlock } from '../html.ts';
import { page } from '../layout.ts';
import {
  certainty,
  knownShare,
  missingCalls,
  runsTable,
  stat,
  status,
  tokenStats,
  tokensIn,
  tokensOut,
} from '../parts.ts';
import { kept, linkTo, RANGES, runsLink, type View } from '../view.ts';
import { attentionStrip, INCIDENTS_READ } from './attention-strip.ts';
import { connectBody } from './connect.ts';
import { readTenants } from './tenants.ts';

const RECENT_RUNS = 15;
/** Buckets (72 at most) times models: far above what a chart shows, and a bound. */
const SERIES_ROWS_MAX = 20_000;

/** The first page: what was spent and how much of that is known, by whom, and what ran. */
export const overviewPage = async (view: View): Promise<string> => {
  const { context, tenant, range } = view;
  const [breakdown, series, runs, counts, tenants, incidents, capacity] = await Promise.all([
    read<BreakdownRow>(context, breakdownQuery({ tenant, range })),
    read<CostRow>(
      context,
      costsQuery({
        tenant,
        range,
        groupBy: ['model'],
        step: RANGES[range.name].step,
        filters: {},
        limit: SERIES_ROWS_MAX,
      }),
    ),
    read<RunRow>(context, runsQuery({ tenant, range, limit: RECENT_RUNS })),
    read<RunCountsRow>(context, runCountsQuery({ tenant, range })),
    readTenants(view),
    read<IncidentRow>(context, incidentsQuery({ tenant, state: 'open', limit: INCIDENTS_READ })),
    readCapacity((query) => read<CapacityRow>(context, query), { tenant, range, filters: {}, nowMs: view.nowMs }),
  ]);
  const total = breakdown.find((row) => row.part === 'total') ?? null;
  const count = counts[0];
  const isEmpty = total === null && runs.length === 0;
  return page(view, {
    title: 'Overview',
    tenants,
    hasRange: true,
    scripts: ['/assets/uplot.js', '/assets/chart.js'],
    styles: ['/assets/uplot.css'],
    body: html`${attentionStrip(view, incidents)}${isEmpty ? emptyState(view) : filledState(view, { total, breakdown, series, runs, count, capacity })}${pipelineStrip(view, count)}`,
  });
};

interface Filled {
  readonly total: Figures | null;
  readonly breakdown: readonly BreakdownRow[];
  readonly series: readonly CostRow[];
  readonly runs: readonly RunRow[];
  readonly count: RunCountsRow | undefined;
  readonly capacity: CapacityBeside;
}

const filledState = (view: View, data: Filled): Html => {
  const chart = spendChart(data.series, view.range, RANGES[view.range.name].step);
  return html`${answer(view, data)}
${spendSection(view, chart)}
<div class="columns">
<section class="wide"><header><h2>Recent runs</h2><a href="${runsLink(view, {})}">All runs</a></header>${runsTable(view, data.runs.slice(0, RECENT_RUNS))}</section>
<div class="stack">
${top(view, data, 'model', 'Models', NO_MODEL)}
${top(view, data, 'agent_name', 'Agents', 'no agent told')}
${top(view, data, 'service', 'Services', 'no service told')}
</div></div>`;
};

const answer = (view: View, { total, count, capacity }: Filled): Html => html`<section class="answer">
<div class="lead"><h1>Spend, ${RANGES[view.range.name].words}</h1>${total === null ? noSpend : spend(total)}${capacityNote(view, total, capacity)}</div>
<dl class="stats">
${runStats(view, count)}
${total !== null && callStats(total)}
</dl></section>`;

const noSpend = html`<p class="hero">$0.00</p><p class="share">no model calls</p>`;

const spend = (total: Figures): Html =>
  html`<p class="hero">${money(total.cost_usd)}</p><p class="share">${knownShare(total)}</p>${certainty(total) !== '' && html`<p class="note">${certainty(total)}</p>`}`;

/** Bought by the hour: beside the figure above it, never in it. */
const capacityNote = (view: View, total: Figures | null, capacity: CapacityBeside): Html | false => {
  const { cost_usd, shared_cost_usd } = capacity;
  if (cost_usd === null && shared_cost_usd === null) return false;
  const sum = withCapacity(total?.cost_usd ?? null, capacity);
  return html`<p class="note"><a href="${linkTo('/prices', kept(view))}">Capacity by the hour</a>${cost_usd !== null && html` ${moneyCell(cost_usd)} beside it; ${moneyCell(sum)} with it`}${shared_cost_usd !== null && html`${cost_usd !== null && ';'} ${moneyCell(shared_cost_usd)} for all tenants together, in no sum`}</p>`;
};

const runStats = (view: View, count: RunCountsRow | undefined): readonly Html[] => {
  const { runs, failed_runs, step_count, error_count } = count ?? {
    runs: 0,
    failed_runs: 0,
    step_count: 0,
    error_count: 0,
  };
  const failed = html`<a href="${runsLink(view, { status: 'error' })}">${status('error', `${failed_runs.toLocaleString('en-US')} with errors`)}</a>`;
  return [
    stat('Runs', compact(runs), failed_runs > 0 ? failed : status('ok', 'none with errors'), runsLink(view, {})),
    stat(
      'Steps',
      compact(step_count),
      error_count > 0 ? status('error', `${compact(error_count)} failed`) : 'none failed',
    ),
  ];
};

const callStats = (total: Figures): readonly Html[] => [
  stat(
    'Model calls',
    compact(total.calls),
    total.failed_calls > 0 ? status('error', `${compact(total.failed_calls)} failed`) : 'none failed',
  ),
  ...tokenStats(total),
];

const spendSection = (view: View, chart: SpendChart): Html => {
  const unknown = chart.unknownCalls.reduce((sum, value) => sum + value, 0);
  if (chart.series.length === 0) {
    return html`<section class="chart"><header><h2>Spend by model</h2></header><p class="quiet pad">No call in this range has a known cost.</p></section>`;
  }
  return html`<section class="chart"><header><h2>Spend by model</h2><span class="note">USD per ${bucketWords(chart.bucketSeconds)}, UTC${unknown > 0 && `; ${plural(unknown, 'call')} without a cost not drawn`}</span></header>
<div class="plot" id="spend" role="img" aria-label="Spend over time, stacked by model; the same figures stand in the list below."></div>
<ul class="legend">${chart.series.map((series) => html`<li><a href="${series.colour === null || series.name === NO_MODEL ? runsLink(view, {}) : runsLink(view, { model: series.name })}"><span class="swatch ${series.colour === null ? 'other' : `s${series.colour}`}" aria-hidden="true"></span>${series.name}</a> <span class="quiet">${money(String(series.values.reduce((sum, value) => sum + value, 0)))}</span></li>`)}</ul>
${jsonBlock('spend-data', chart)}</section>`;
};

const bucketWords = (seconds: number): string => {
  if (seconds < 3600) return seconds === 60 ? 'minute' : `${seconds / 60} minutes`;
  if (seconds < 86_400) return seconds === 3600 ? 'hour' : `${seconds / 3600} hours`;
  return 'day';
};

const FILTER_OF = { model: 'model', agent_name: 'agent', service: 'service' } as const;

const top = (
  view: View,
  data: Filled,
  part: 'model' | 'agent_name' | 'service',
  title: string,
  unnamed: string,
): Html => {
  const rows = data.breakdown.filter((row) => row.part === part).slice(0, 8);
  const whole = Number(data.total?.cost_usd ?? 0);
  return html`<section><header><h2>${title}</h2></header>
<table class="breakdown"><thead><tr><th scope="col">${title.slice(0, -1)}</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Tokens</th><th scope="col" class="n">Cost</th><th scope="col" class="n">Share</th></tr></thead>
<tbody>${rows.map(
    (row) => html`<tr><td class="name">${nameCell(view, part, row.key, unnamed)}</td>
<td class="n">${compact(row.calls)}</td><td class="n">${compact(totalTokens(row))}</td>
<td class="n" title="${knownShare(row)}">${row.cost_usd === null ? html`<span class="quiet">unknown</span>` : html`${moneyCell(row.cost_usd)}${missingCalls(row) > 0 && html`<span class="warn">+?</span>`}`}</td>
<td class="n">${whole > 0 && row.cost_usd !== null ? html`${percent(Number(row.cost_usd), whole)}${shareBar(Number(row.cost_usd) / whole)}` : html`<span class="quiet">–</span>`}</td></tr>`,
  )}</tbody></table>${rows.length === 0 && html`<p class="quiet pad">None in this range.</p>`}</section>`;
};

const totalTokens = (row: Figures): number | null => {
  const [inside, out] = [tokensIn(row), tokensOut(row)];
  return inside === null && out === null ? null : (inside ?? 0) + (out ?? 0);
};

const nameCell = (view: View, part: keyof typeof FILTER_OF, key: string | null, unnamed: string): Fragment =>
  key === null || key === ''
    ? html`<span class="quiet">${unnamed}</span>`
    : html`<a class="dim" href="${runsLink(view, { [FILTER_OF[part]]: key })}">${key}</a>`;

const shareBar = (share: number): Html =>
  html`<svg class="share" aria-hidden="true"><rect width="${(100 * Math.max(0, Math.min(1, share))).toFixed(1)}%" height="100%"/></svg>`;

const emptyState = (view: View): Html =>
  html`<section class="notice"><h1>Nothing recorded in the ${RANGES[view.range.name].words}</h1>
<p>${view.range.name === '30d' ? 'Send the first telemetry in one of these ways; it shows up here within two seconds.' : html`Look at the <a href="${linkTo('/', { ...view.params, range: '30d' })}">last 30 days</a>, or send the first telemetry in one of these ways.`}</p></section>${connectBody()}`;

const pipelineStrip = (view: View, count: RunCountsRow | undefined): Html => {
  const report: PipelineReport = view.context.pipeline();
  const lag = report.services
    .flatMap((service) => service.partitions)
    .reduce((sum, partition) => sum + partition.lag, 0);
  return html`<section class="strip" aria-label="Pipeline"><a href="${linkTo('/pipeline', { tenant: view.params['tenant'] })}">Pipeline</a>
${report.services.map((service) => html`<span title="${service.detail}">${status(service.state, service.service)}</span>`)}
<span>${lag === 0 ? 'nothing waiting' : `${plural(lag, 'record')} waiting`}</span>
${typeof count?.last_logged_at === 'string' && html`<span>newest data ${when(count.last_logged_at, view.nowMs)}</span>`}</section>`;
};
