import { type ExplainedCall, type ExplainedRun, readExplainedRun } from '../../call-explanations.ts';
import { SET_ASIDE_WORDS } from '../../call-words.ts';
import { type StepDetailRow, stepQuery } from '../../queries/steps.ts';
import { runViolationsQuery, type ViolationDetailRow } from '../../queries/violations.ts';
import { bookingsOfSteps, read, readContent } from '../../reads.ts';
import { compact, duration, shortId, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { status } from '../parts.ts';
import { linkTo, runsLink, type View } from '../view.ts';
import { callCard } from './call-card.ts';
import { placeOf } from './calls.ts';
import { chat } from './chat.ts';
import { violationsOfStep } from './run-violations.ts';

/** Characters of one part shown beside the waterfall; the API has the whole. */
const DETAIL_CHARS_MAX = 20_000;

/** One step: facts, error, content (with the grant, logged), booking, everything the emitter sent. null: no such step. */
export const stepDetail = async (view: View, tenant: string, runId: string, stepId: string): Promise<Html | null> => {
  const { context } = view;
  const [steps, explained, violations] = await Promise.all([
    read<StepDetailRow>(context, stepQuery({ tenant, runId, stepId })),
    readExplainedRun(context, tenant, runId),
    read<ViolationDetailRow>(context, runViolationsQuery({ tenant, runId })),
  ]);
  const step = steps[0];
  if (step === undefined) return null;
  return html`<header><h2>${step.name === '' ? step.step_kind : step.name}</h2><a class="close" href="${linkTo(`/runs/${encodeURIComponent(runId)}`, { ...view.params, step: undefined })}" data-close aria-label="Close">✕</a></header>
<p>${status(step.status)} <span class="quiet">· ${step.step_kind} · told by ${step.vantage} as ${step.signal} · ${step.family}</span></p>
${(step.error_message !== null || step.error_type !== null) && html`<pre class="failure">${[step.error_type, step.error_message].filter((text) => text !== null).join(': ')}</pre>`}
${await violationsOfStep(view, step, violations)}${facts(view, step)}
${whyPart(view, step, explained)}
${await contentPart(view, tenant, runId, stepId)}
${mapTable('Attributes', step.attributes)}${mapTable('Resource', step.resource)}${mapTable('Labels', step.labels)}
<p class="quiet small">${step.log_topic}/${step.log_partition}/${step.log_offset}, item ${step.log_index}; stored ${when(step.logged_at, view.nowMs)}</p>`;
};

/** The calls this step tells of, each with who else tells it and who is believed; or why it is no booking. */
const whyPart = (view: View, step: StepDetailRow, explained: ExplainedRun): Html | null => {
  const place = placeOf({ view });
  const told = explained.calls.filter((call) => call.explanation?.evidence.some((one) => one.step_id === step.step_id));
  const own = told.length > 0 ? told : callsOfStep(step, explained);
  if (own.length > 0)
    return html`<h3>${own.length === 1 ? 'Model call' : 'Model calls'}</h3>${own.map((call) => callCard(place, call))}`;
  const aside = explained.set_aside.find((one) => one.step_id === step.step_id);
  return aside === undefined ? null : html`<h3>Not booked</h3><p class="quiet">${SET_ASIDE_WORDS[aside.because]}.</p>`;
};

/** By the span a booking names, where no evidence is held. */
const callsOfStep = (step: StepDetailRow, { calls }: ExplainedRun): readonly ExplainedCall[] => {
  const unexplained = calls.filter((call) => call.explanation === null);
  const booked =
    bookingsOfSteps(
      [step],
      unexplained.flatMap((call) => call.bookings),
    ).get(step.step_id) ?? [];
  const ids = new Set(booked.map((entry) => entry.call_id));
  return unexplained.filter((call) => ids.has(call.call_id));
};

const contentPart = async (view: View, tenant: string, runId: string, stepId: string): Promise<Html> => {
  if (!view.caller.grants.has('content')) {
    return html`<h3>Content</h3><p class="quiet">Prompts and answers need the grant <code>content</code>.</p>`;
  }
  const parts = await readContent(view.context, view.caller, {
    tenant,
    runId,
    stepIds: [stepId],
    charsMax: DETAIL_CHARS_MAX,
  });
  return parts.length === 0 ? html`` : html`<h3>Content</h3>${chat(parts)}`;
};

const facts = (view: View, step: StepDetailRow): Html => {
  const model = step.response_model ?? step.request_model;
  const rows: readonly (readonly [string, Fragment])[] = [
    ['Started', when(step.ts, view.nowMs)],
    ['Took', step.duration_ns > 0 ? duration(step.duration_ns / 1e6) : null],
    ['Agent', step.agent_name && html`<a href="${runsLink(view, { agent: step.agent_name })}">${step.agent_name}</a>`],
    ['Tool', step.tool_name && html`<a href="${runsLink(view, { tool: step.tool_name })}">${step.tool_name}</a>`],
    [
      'Model',
      model && html`<a href="${runsLink(view, { model })}">${model}</a>${step.provider && ` (${step.provider})`}`,
    ],
    ['Asked for', step.request_model !== model ? step.request_model : null],
    [
      'Reported in / out',
      step.reported_input_tokens === null && step.reported_output_tokens === null
        ? null
        : `${compact(step.reported_input_tokens)} / ${compact(step.reported_output_tokens)}`,
    ],
    ['Attempt', step.attempt],
    ['User', step.user_id],
    ['On behalf of', step.on_behalf_of],
    ['Call', step.call_role],
    ['Flags', step.flags.length > 0 ? step.flags.join(', ') : null],
    ['Scope', step.scope_name === '' ? null : `${step.scope_name} ${step.scope_version}`],
    ['Trace', step.trace_id === '' ? null : shortId(step.trace_id, 12)],
    ['Span', step.span_id === '' ? null : shortId(step.span_id, 16)],
    ['Parent', step.parent_span_id === '' ? null : shortId(step.parent_span_id, 16)],
  ];
  return html`<dl class="facts">${rows
    .filter(([, value]) => value !== null && value !== '')
    .map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
};

const mapTable = (title: string, entries: Readonly<Record<string, string>>): Html | null => {
  const names = Object.keys(entries).sort();
  if (names.length === 0) return null;
  return html`<details class="map"><summary>${title} <span class="quiet">${names.length}</span></summary><table>${names.map((name) => html`<tr><th scope="row">${name}</th><td><pre>${entries[name]}</pre></td></tr>`)}</table></details>`;
};
