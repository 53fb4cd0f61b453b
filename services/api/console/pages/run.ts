import { runTotalsQuery } from '../../queries/bookings.ts';
import type { Figures } from '../../queries/figures.ts';
import type { RunRow } from '../../queries/runs.ts';
import { type StepRow, stepsQuery } from '../../queries/steps.ts';
import { runViolationsQuery, type ViolationDetailRow } from '../../queries/violations.ts';
import { findRun, onlyTotal, read, readBookings } from '../../reads.ts';
import { compact, duration, money, msOf, plural, shortId, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { certainty, knownShare, stat, status, tokenStats } from '../parts.ts';
import { kept, linkTo, runsLink, sessionLink, type View } from '../view.ts';
import { bookingsBody } from './bookings.ts';
import { callsBody } from './calls.ts';
import { conversationBody } from './conversation.ts';
import { lineageBody } from './lineage-tab.ts';
import type { RunView } from './run-view.ts';
import { violationsBody, violationsLink } from './run-violations.ts';
import { stepDetail } from './step.ts';
import { waterfall } from './waterfall.ts';

/** Steps one page draws; the rest is in the API, and the page says so. */
export const PAGE_STEPS_MAX = 2000;

const TABS = [
  { name: 'steps', label: 'Steps' },
  { name: 'conversation', label: 'Conversation' },
  { name: 'calls', label: 'Calls' },
  { name: 'violations', label: 'Violations' },
  { name: 'bookings', label: 'Bookings' },
  { name: 'lineage', label: 'Lineage' },
] as const;
type Tab = (typeof TABS)[number]['name'];

/** One run: the answer, then its steps, what was said, and what was booked. */
export const runPage = async (view: View, runId: string): Promise<string> => {
  const { context } = view;
  const { tenant, run } = await findRun(context, view.tenant, runId);
  const [steps, bookings, totals, violations] = await Promise.all([
    read<StepRow>(context, stepsQuery({ tenant, runId, limit: PAGE_STEPS_MAX, withAttributes: false })),
    readBookings(context, tenant, runId),
    read<Figures>(context, runTotalsQuery({ tenant, runIds: [runId] })),
    read<ViolationDetailRow>(context, runViolationsQuery({ tenant, runId })),
  ]);
  const asked = view.params['view'];
  const tab: Tab = TABS.find((candidate) => candidate.name === asked)?.name ?? 'steps';
  const shown: RunView = {
    view,
    tenant,
    runId,
    run,
    steps: steps.slice(0, PAGE_STEPS_MAX),
    isCut: steps.length > PAGE_STEPS_MAX,
    bookings,
    violations,
  };
  return page(view, {
    title: run?.name || `Run ${runId.slice(0, 12)}`,
    scripts: ['/assets/run.js'],
    body: html`${header(shown, onlyTotal(totals))}${tabs(shown, tab)}${await tabBody(shown, tab)}`,
  });
};

const tabBody = async (shown: RunView, tab: Tab): Promise<Html> => {
  switch (tab) {
    case 'steps':
      return stepsBody(shown);
    case 'conversation':
      return conversationBody(shown);
    case 'calls':
      return callsBody(shown);
    case 'violations':
      return violationsBody(shown);
    case 'bookings':
      return bookingsBody(shown);
    case 'lineage':
      return lineageBody(shown);
  }
};

const stepsBody = async (shown: RunView): Promise<Html> => {
  const stepId = shown.view.params['step'];
  const detail = stepId === undefined ? null : await stepDetail(shown.view, shown.tenant, shown.runId, stepId);
  return html`<div class="split${detail === null ? '' : ' open'}" id="split">${waterfall(shown, stepId)}<section class="detail" id="detail" aria-label="Step" tabindex="-1">${detail ?? html`<p class="quiet pad">Choose a step to see its attributes, content and booking.</p>`}</section></div>`;
};

const who = (run: RunRow, view: View): Fragment =>
  [
    run.root_agent && html`<a href="${runsLink(view, { agent: run.root_agent })}">${run.root_agent}</a>`,
    html`<a href="${runsLink(view, { service: run.service })}">${run.service}</a>`,
    run.environment,
    run.workflow && html`workflow <a href="${runsLink(view, { workflow: run.workflow })}">${run.workflow}</a>`,
    run.user_id && html`for <a href="${runsLink(view, { user: run.user_id })}">${run.user_id}</a>`,
    run.session_id &&
      html`session <a href="${sessionLink(view, run.tenant_id, run.session_id)}">${run.session_id.slice(0, 24)}</a>`,
  ]
    .filter((part) => part !== null && part !== '')
    .map((part) => html`<span>${part}</span>`);

const header = (shown: RunView, totals: Figures): Html => {
  const { view, tenant, runId, run, steps } = shown;
  const errors = run?.errors ?? steps.filter((step) => step.status === 'error').length;
  const name = run?.name || steps.find((step) => step.parent_span_id === '')?.name || `Run ${runId.slice(0, 12)}`;
  const started = run?.first_ts ?? steps[0]?.ts;
  return html`<section class="run-head">
<p class="crumbs"><a href="${linkTo('/runs', kept(view))}">Runs</a> <span class="quiet">/</span> ${tenant} <span class="quiet">/</span> ${shortId(runId, 12)}</p>
<h1>${name} ${status(errors > 0 ? 'error' : 'ok', errors > 0 ? plural(errors, 'error') : 'ok')}${violationsLink(shown)}</h1>
<p class="who">${run !== null && who(run, view)}${started !== undefined && html`<span>${when(started, view.nowMs)}</span>`}${run === null && html`<span class="warn">stored, not folded yet</span>`}</p>
${runStats(shown, totals)}</section>`;
};

const runStats = ({ run, steps }: RunView, totals: Figures): Html => {
  const tools = run?.tool_steps ?? steps.filter((step) => step.step_kind === 'tool').length;
  return html`<dl class="stats">
${stat('Cost', totals.calls === 0 ? '–' : money(totals.cost_usd), html`${knownShare(totals)}${certainty(totals) !== '' && html`<br>${certainty(totals)}`}`)}
${stat('Took', duration(run?.duration_ms ?? spanMs(steps)), plural(run?.steps ?? steps.length, 'step'))}
${stat('Model calls', compact(totals.calls), run?.models.join(', '))}
${tokenStats(totals)}
${stat('Tool steps', compact(tools), run?.tools.slice(0, 4).join(', '))}
</dl>`;
};

const spanMs = (steps: readonly StepRow[]): number => {
  const starts = steps.map((step) => msOf(step.ts));
  const ends = steps.map((step) => msOf(step.ts) + step.duration_ns / 1e6);
  if (starts.length === 0) return 0;
  return ends.reduce((a, b) => Math.max(a, b)) - starts.reduce((a, b) => Math.min(a, b));
};

const tabs = ({ view, bookings, steps, violations }: RunView, tab: Tab): Html => {
  const counts: Readonly<Record<Tab, number | null>> = {
    steps: steps.length,
    conversation: null,
    calls: bookings.standing.length,
    violations: violations.length === 0 ? null : violations.length,
    bookings: null,
    lineage: null,
  };
  return html`<nav class="tabs" aria-label="Views of the run">${TABS.map(
    (entry) =>
      html`<a href="${linkTo(view.path, { ...view.params, step: undefined, view: entry.name === 'steps' ? undefined : entry.name })}"${entry.name === tab && html` aria-current="page"`}>${entry.label}${counts[entry.name] !== null && html` <span class="quiet">${counts[entry.name]}</span>`}</a>`,
  )}</nav>`;
};
