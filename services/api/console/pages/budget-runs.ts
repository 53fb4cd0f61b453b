import { z } from 'zod';
import { type BudgetRunRow, budgetRunsQuery, type RunNameRow, runNamesQuery } from '../../queries/budget-runs.ts';
import type { IncidentRow } from '../../queries/incidents.ts';
import { read } from '../../reads.ts';
import { parseIso } from '../../time.ts';
import { compact, moneyCell, plural, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { runLink, runsLink, type View } from '../view.ts';

/** What the alerter says of a budget's incident. */
const DETAIL = z.object({
  scope: z.record(z.string(), z.string()),
  period_start: z.string(),
  period_end: z.string(),
});

/** Who spent it: the most expensive runs of the period that a budget's incident is about. null: its detail does not say which. */
export const budgetRunsSection = async (view: View, incident: IncidentRow): Promise<Html | null> => {
  const detail = detailOf(incident.detail);
  const range = detail && { fromMs: parseIso(detail.period_start), toMs: parseIso(detail.period_end) };
  if (detail === null || range === null || range.fromMs === null || range.toMs === null) return null;
  // A caller of one tenant sees its own runs, also of a budget over all tenants.
  const tenant = view.caller.tenant ?? detail.scope['tenant'] ?? null;
  const runs = await read<BudgetRunRow>(
    view.context,
    budgetRunsQuery({ tenant, scope: detail.scope, range: { fromMs: range.fromMs, toMs: range.toMs } }),
  );
  const names = await read<RunNameRow>(view.context, runNamesQuery(runs.map((run) => run.run_id)));
  const nameOf = (run: BudgetRunRow): string =>
    names.find((row) => row.run_id === run.run_id && row.tenant_id === run.tenant_id)?.name || run.run_id.slice(0, 12);
  const isMany = new Set(runs.map((run) => run.tenant_id)).size > 1;
  return html`<section class="wide"><header><h2>Most expensive runs of the period</h2><span class="note">by what they spent of this budget</span></header>${
    runs.length === 0
      ? html`<p class="quiet pad">No call in this period is booked (any more).</p>`
      : html`<div class="scroll"><table class="listed"><thead><tr><th scope="col">Run</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Agent</th><th scope="col">Service</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Spent</th><th scope="col" class="n">Last call</th></tr></thead>
<tbody>${runs.map(
          (run) =>
            html`<tr><td class="name" data-label="Run"><a href="${runLink(view, run)}">${nameOf(run)}</a> ${shortId(run.run_id, 6)}</td>${isMany && html`<td data-label="Tenant">${run.tenant_id}</td>`}<td data-label="Agent">${run.agent_name === null ? html`<span class="quiet">–</span>` : html`<a class="dim" href="${runsLink(view, { agent: run.agent_name })}">${run.agent_name}</a>`}</td><td data-label="Service"><a class="dim" href="${runsLink(view, { service: run.service })}">${run.service}</a></td><td class="n" data-label="Calls">${compact(run.calls)}</td><td class="n" data-label="Spent">${moneyCell(run.cost_usd)}${run.cost_usd !== null && run.unknown_calls > 0 && html` <span class="warn" title="${plural(run.unknown_calls, 'call')} without a cost">+?</span>`}</td><td class="n" data-label="Last call">${when(run.last_ts, view.nowMs)}</td></tr>`,
        )}</tbody></table></div>`
  }</section>`;
};

const detailOf = (text: string): z.output<typeof DETAIL> | null => {
  try {
    return DETAIL.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null; // Not JSON: an incident of another version, shown without its runs.
  }
};
