import { type Budget, budgetForecast, budgetsOf } from '../../budget-forecast.ts';
import { decimalText, parseDecimal } from '../../decimal.ts';
import { type BudgetPeriodRow, budgetsQuery } from '../../queries/budgets.ts';
import { read } from '../../reads.ts';
import { budgetBar, budgetShares, hatchPattern } from '../budget-bar.ts';
import { compact, duration, money, msOf, percent, plural, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import type { View } from '../view.ts';
import { incidentLink } from './incidents.ts';
import { readTenants } from './tenants.ts';

/** Budgets: how much of each is gone, what share of that is known, where it ends if it goes on like this. */
export const budgetsPage = async (view: View): Promise<string> => {
  const [rows, tenants] = await Promise.all([
    read<BudgetPeriodRow>(view.context, budgetsQuery({ tenant: view.tenant })),
    readTenants(view),
  ]);
  const budgets = [...budgetsOf(rows, view.nowMs)].sort((a, b) => urgency(b) - urgency(a));
  const tight = budgets.filter((budget) => urgency(budget) >= 0.8).length;
  return page(view, {
    title: 'Budgets',
    tenants,
    refreshSeconds: 60,
    body: html`${
      budgets.length === 0
        ? empty
        : html`<section class="answer"><div class="lead"><h1>Budgets</h1><p class="hero">${tight === 0 ? 'All below 80 %' : `${tight} over 80 %`}</p><p class="note">${plural(budgets.length, 'budget')}; what counts is known spend plus a ceiling for each call of unknown cost</p></div></section>
${budgets.map((budget) => html`<section class="wide">${budgetCard(view, budget)}</section>`)}`
    }`,
  });
};

const urgency = ({ current }: Budget): number => {
  const shares = current === null ? null : budgetShares(current, null);
  return shares === null ? -1 : shares.spent + shares.unknown;
};

/** One budget with its running period drawn and the one before it in words. */
export const budgetCard = (view: View, budget: Budget): Html => {
  const { current, previous } = budget;
  const period = current ?? previous;
  return html`<article class="budget">${hatchPattern}<header><h2>${budget.title === '' ? budget.budget_id : budget.title}</h2><p class="quiet">${scopeWords(budget)} · per ${budget.period} · ${budget.tenant_id}${period !== null && period.incident_id !== '' && period.reached.length > 0 && html` · <a href="${incidentLink(view, { tenant_id: budget.tenant_id, incident_id: period.incident_id })}">incident</a>`}</p></header>
${current === null ? html`<p class="warn">No period of it runs now${previous !== null && html`; the last ended ${when(previous.period_end, view.nowMs)}`}. Is the alerter running?</p>` : runningPeriod(view, current)}
${previous !== null && previousPeriod(previous)}</article>`;
};

const scopeWords = ({ scope }: Budget): Fragment => {
  const parts = Object.entries(scope);
  return parts.length === 0
    ? 'everything'
    : parts.map(([name, value], at) => html`${at > 0 && ', '}${name} <strong>${value}</strong>`);
};

const runningPeriod = (view: View, row: BudgetPeriodRow): Html => {
  const forecast = budgetForecast(row, view.nowMs);
  const shares = budgetShares(row, forecast?.counted_usd ?? null);
  const unknown = row.unknown_calls > 0;
  return html`<p class="sum"><strong class="figure">${money(row.spent_usd)}</strong> of ${money(row.limit_usd)}${shares !== null && html` <span class="share-of ${shares.spent + shares.unknown >= 1 ? 'bad' : ''}">${percent(shares.spent + shares.unknown, 1)}</span>`}
${unknown && html`<span class="warn">+ at most ${money(row.unknown_ceiling_usd)} unknown (${plural(row.unknown_calls, 'call')})</span>`}</p>
${shares === null ? html`<p class="quiet">No limit above zero to compare with.</p>` : budgetBar(row, shares)}
<p class="facts-line">${[
    html`${period(row)}, ${duration(Math.max(0, msOf(row.period_end) - view.nowMs))} left`,
    row.calls > 0 && html`${percent(row.calls - row.unknown_calls, row.calls)} of ${compact(row.calls)} calls known`,
    row.reached.length > 0 && `reached: ${row.reached.map((level) => percent(level, 1)).join(', ')}`,
    forecastWords(view, row, forecast),
    html`last change ${when(row.computed_at, view.nowMs)}`,
  ].map((part) => part !== false && html`<span>${part}</span>`)}</p>`;
};

const forecastWords = (view: View, row: BudgetPeriodRow, forecast: ReturnType<typeof budgetForecast>): Fragment => {
  if (forecast === null)
    return html`<span class="quiet">no forecast: ${row.calls === 0 ? 'no calls yet' : 'too early in the period'}</span>`;
  const ends =
    forecast.counted_usd === forecast.spent_usd
      ? money(forecast.spent_usd)
      : html`${money(forecast.spent_usd)} to ${money(forecast.counted_usd)}`;
  return html`<em>estimate</em>, at this pace: ${ends} at the end${forecast.limit_reached_at !== null && html`; <span class="warn">limit reached ${when(forecast.limit_reached_at, view.nowMs)}</span>`}`;
};

const previousPeriod = (row: BudgetPeriodRow): Html => {
  const shares = budgetShares(row, null);
  const counted = decimalText((parseDecimal(row.spent_usd) ?? 0n) + (parseDecimal(row.unknown_ceiling_usd) ?? 0n));
  return html`<p class="quiet small">Period before: ${money(row.spent_usd)}${row.unknown_calls > 0 && ` known, at most ${money(counted)}`} of ${money(row.limit_usd)}${shares !== null && `, ${percent(shares.spent + shares.unknown, 1)}`} (${period(row)})</p>`;
};

/** The period in the zone the budget is kept in, told with the zone; the moments themselves in UTC on hover. */
const period = (row: BudgetPeriodRow): Html =>
  html`<span title="${row.period_start} to ${row.period_end}">${localDay(row.period_start, row.timezone)} to ${localDay(row.period_end, row.timezone)} ${row.timezone}</span>`;

const localDay = (iso: string, timezone: string): string => {
  const format = { dateStyle: 'medium', timeStyle: 'short', timeZone: timezone } as const;
  try {
    return new Intl.DateTimeFormat('en-GB', format).format(msOf(iso));
  } catch {
    // A zone this runtime does not know: the moment as stored, in UTC.
    return iso;
  }
};

const EXAMPLE = `budgets:
  - id: research-month
    title: Research, a month
    scope: {service: research-api}      # tenant, agent, workflow, service
    period: month                       # day | month
    timezone: Europe/Berlin
    limit_usd: "500.00"
    thresholds: [0.5, 0.8, 1.0]
    unknown_call_ceiling_usd: 0.05`;

const empty: Html = html`<section class="notice"><h1>No budget yet</h1><p>Budgets stand in <code>config/budgets.yaml</code>, which the alerter reads at its start. One looks like this:</p>
<pre class="example" tabindex="0">${EXAMPLE}</pre>
<p class="quiet">A call whose cost nobody knows counts with the stated ceiling, so that a budget cannot be overrun unseen.</p></section>`;
