import { runTotalsQuery } from '../../queries/bookings.ts';
import type { Figures } from '../../queries/figures.ts';
import { SESSION_RUNS_MAX, sessionRunsQuery } from '../../queries/run-links.ts';
import type { RunRow } from '../../queries/runs.ts';
import { onlyTotal, read } from '../../reads.ts';
import { onlyTenant } from '../../tenant-scope.ts';
import { compact, duration, money, msOf, plural, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { certainty, knownShare, runCost, runsTable, stat, status, tokenStats } from '../parts.ts';
import { kept, linkTo, runLink, runsLink, type View } from '../view.ts';

/** One session: what it cost, its runs on one scale of time, and the runs themselves. */
export const sessionPage = async (view: View, sessionId: string): Promise<string> => {
  const runs = await read<RunRow>(view.context, sessionRunsQuery({ tenant: view.tenant, sessionId }));
  const tenants = [...new Set(runs.map((run) => run.tenant_id))].map((tenant_id) => ({ tenant_id }));
  const { tenant_id } = onlyTenant(tenants, `session ${sessionId}`);
  const totals = onlyTotal(
    await read<Figures>(view.context, runTotalsQuery({ tenant: tenant_id, runIds: runs.map((run) => run.run_id) })),
  );
  return page(view, {
    title: `Session ${sessionId.slice(0, 24)}`,
    body: html`${header(view, tenant_id, sessionId, runs)}${stats(runs, totals)}${timeline(view, runs)}
<section class="wide"><header><h2>Runs</h2><span class="note">oldest first</span></header>${runsTable(view, runs)}
${runs.length >= SESSION_RUNS_MAX && html`<p class="quiet pad">Only the first ${SESSION_RUNS_MAX.toLocaleString('en-US')} runs are read.</p>`}</section>`,
  });
};

const header = (view: View, tenant: string, sessionId: string, runs: readonly RunRow[]): Html => {
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  const users = named(runs.map((run) => run.user_id));
  const agents = named(runs.flatMap((run) => run.agents));
  const [first] = runs;
  return html`<section class="run-head"><p class="crumbs"><a href="${linkTo('/runs', kept(view))}">Runs</a> <span class="quiet">/</span> ${tenant} <span class="quiet">/</span> session ${shortId(sessionId, 24)}</p>
<h1>Session ${sessionId.slice(0, 60)} ${status(errors > 0 ? 'error' : 'ok', errors > 0 ? plural(errors, 'error') : 'ok')}</h1>
<p class="who">${users.map((user) => html`<span>for <a href="${runsLink(view, { user })}">${user}</a></span>`)}${agents.slice(0, 6).map((agent) => html`<span><a href="${runsLink(view, { agent })}">${agent}</a></span>`)}${first !== undefined && html`<span>began ${when(first.first_ts, view.nowMs)}</span>`}</p></section>`;
};

const named = (names: readonly (string | null)[]): readonly string[] => [
  ...new Set(names.flatMap((name) => (name === null || name === '' ? [] : [name]))),
];

const stats = (runs: readonly RunRow[], totals: Figures): Html => {
  const { startMs, lengthMs } = spanOf(runs);
  const busyMs = runs.reduce((sum, run) => sum + run.duration_ms, 0);
  const steps = runs.reduce((sum, run) => sum + run.steps, 0);
  return html`<dl class="stats">
${stat('Cost', totals.calls === 0 ? '–' : money(totals.cost_usd), html`${knownShare(totals)}${certainty(totals) !== '' && html`<br>${certainty(totals)}`}`)}
${stat('Lasted', startMs === null ? '–' : duration(lengthMs), `${duration(busyMs)} of it in runs`)}
${stat('Runs', compact(runs.length), plural(steps, 'step'))}
${stat(
  'Model calls',
  compact(totals.calls),
  named(runs.flatMap((run) => run.models))
    .slice(0, 4)
    .join(', '),
)}
${tokenStats(totals)}
</dl>`;
};

const spanOf = (runs: readonly RunRow[]): { readonly startMs: number | null; readonly lengthMs: number } => {
  if (runs.length === 0) return { startMs: null, lengthMs: 0 };
  const startMs = runs.reduce((least, run) => Math.min(least, msOf(run.first_ts)), Number.POSITIVE_INFINITY);
  const endMs = runs.reduce((most, run) => Math.max(most, msOf(run.last_ts)), 0);
  return { startMs, lengthMs: Math.max(1, endMs - startMs) };
};

/** Runs on one scale: turns of a conversation, and what ran beside each other. */
const timeline = (view: View, runs: readonly RunRow[]): Html | null => {
  const { startMs, lengthMs } = spanOf(runs);
  if (startMs === null) return null;
  return html`<section class="wide waterfall session" aria-label="Timeline"><div class="step head"><span>Run</span><span class="scale"><span>0</span><span>${duration(lengthMs / 2)}</span><span>${duration(lengthMs)}</span></span><span class="n">Took</span><span class="n">Tokens in / out</span><span class="n">Cost</span></div>
${runs.slice(0, TIMELINE_RUNS_MAX).map((run) => {
  const x = (100 * (msOf(run.first_ts) - startMs)) / lengthMs;
  const width = Math.max(0.4, Math.min(100 - x, (100 * run.duration_ms) / lengthMs));
  return html`<a class="step${run.status === 'error' ? ' error' : ''}" href="${runLink(view, run)}"><span class="what"><span class="kind k-agent" aria-hidden="true">▶</span>${run.status === 'error' && html`<span class="status error">▲<span class="hidden"> error</span></span>`}<span class="title">${run.name === '' ? run.run_id.slice(0, 12) : run.name}</span><span class="sub">${run.root_agent ?? ''}</span></span>
<svg class="bar" aria-hidden="true"><rect x="${Math.min(99.6, x).toFixed(2)}%" y="3" width="${width.toFixed(2)}%" height="10" rx="2" class="k-agent${run.status === 'error' ? ' failed' : ''}"/></svg>
<span class="n">${duration(run.duration_ms)}</span><span class="n">${compact(run.input_tokens)} <span class="quiet">/</span> ${compact(run.output_tokens)}</span><span class="n">${runCost(run)}</span></a>`;
})}
${runs.length > TIMELINE_RUNS_MAX && html`<p class="quiet pad">The first ${TIMELINE_RUNS_MAX} of ${plural(runs.length, 'run')}; the table has all.</p>`}</section>`;
};

/** Lines a person looks through. */
const TIMELINE_RUNS_MAX = 200;
