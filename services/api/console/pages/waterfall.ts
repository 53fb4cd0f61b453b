import { decimalText, parseDecimal } from '../../decimal.ts';
import type { BookingRow } from '../../queries/bookings.ts';
import type { StepRow } from '../../queries/steps.ts';
import type { ViolationDetailRow } from '../../queries/violations.ts';
import { bookingsOfSteps } from '../../reads.ts';
import { compact, duration, moneyCell, msOf, plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { sumTold } from '../parts.ts';
import { severityOnBar, severityShape, worstOf } from '../severity.ts';
import { type TreeItem, type TreeNode, treeOf } from '../tree.ts';
import { linkTo, type View } from '../view.ts';
import type { RunView } from './run-view.ts';
import { violationsBySteps } from './run-violations.ts';

interface Frame {
  readonly view: View;
  readonly startMs: number;
  readonly lengthMs: number;
  readonly chosen: string | undefined;
  readonly bookings: ReadonlyMap<string, readonly BookingRow[]>;
  readonly violations: ReadonlyMap<string, readonly ViolationDetailRow[]>;
}

/** Steps by depth and time, with tokens and cost; plumbing folded behind its count. */
export const waterfall = (run: RunView, chosen: string | undefined): Html => {
  if (run.steps.length === 0) return html`<p class="quiet pad">No step of this run is stored any more.</p>`;
  const starts = run.steps.map((step) => msOf(step.ts));
  const ends = run.steps.map((step) => msOf(step.ts) + step.duration_ns / 1e6);
  const startMs = starts.reduce((a, b) => Math.min(a, b));
  const lengthMs = Math.max(1, ends.reduce((a, b) => Math.max(a, b)) - startMs);
  const frame: Frame = {
    view: run.view,
    startMs,
    lengthMs,
    chosen,
    bookings: bookingsOfSteps(run.steps, run.bookings.standing),
    violations: violationsBySteps(run.steps, run.violations),
  };
  return html`<section class="waterfall" aria-label="Steps">
<div class="step head"><span>Step</span><span class="scale"><span>0</span><span>${duration(lengthMs / 2)}</span><span>${duration(lengthMs)}</span></span><span class="n">Took</span><span class="n">Tokens in / out</span><span class="n">Cost</span></div>
${treeOf(run.steps).map((item) => itemRows(frame, item))}
${run.isCut && html`<p class="quiet pad">The first ${run.steps.length.toLocaleString('en-US')} steps are drawn; <code>GET /api/v1/runs/${run.runId}/steps</code> has all.</p>`}</section>`;
};

const itemRows = (frame: Frame, item: TreeItem<StepRow>): readonly Html[] => {
  if (item.kind === 'step') return nodeRows(frame, item.node);
  const isOpen = frame.chosen !== undefined && item.nodes.some((node) => holds(node, frame.chosen ?? ''));
  return [
    html`<details class="folded d${Math.min(item.depth, 24)}"${isOpen && html` open`}><summary>${plural(item.count, 'plumbing step')}: <span class="quiet">${namesOf(item.nodes)}</span></summary>${item.nodes.map((node) => nodeRows(frame, node))}</details>`,
  ];
};

const holds = (node: TreeNode<StepRow>, stepId: string): boolean =>
  node.step.step_id === stepId ||
  node.children.some((item) =>
    item.kind === 'step' ? holds(item.node, stepId) : item.nodes.some((child) => holds(child, stepId)),
  );

const namesOf = (nodes: readonly TreeNode<StepRow>[]): string => {
  const names = [...new Set(nodes.map((node) => node.step.name))];
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} …` : names.join(', ');
};

const nodeRows = (frame: Frame, node: TreeNode<StepRow>): readonly Html[] => [
  stepRow(frame, node),
  ...node.children.flatMap((item) => itemRows(frame, item)),
];

const MARKS: Readonly<Record<string, string>> = {
  agent: 'A',
  llm: 'M',
  embedding: 'E',
  tool: 'T',
  retrieval: 'R',
  guardrail: 'G',
  workflow: 'W',
  delegation: 'D',
  egress: '↗',
  data_access: '▤',
  secret_use: '⚿',
  approval: '✓',
  control: '⏻',
  eval: '★',
};

const stepRow = (frame: Frame, { step, depth }: TreeNode<StepRow>): Html => {
  const isError = step.status === 'error';
  const isChosen = step.step_id === frame.chosen;
  const booked = frame.bookings.get(step.step_id) ?? [];
  const broken = frame.violations.get(step.step_id) ?? [];
  const href = linkTo(frame.view.path, { ...frame.view.params, step: step.step_id });
  const classes = `step d${depth}${isError ? ' error' : ''}${isChosen ? ' chosen' : ''}`;
  return html`<a class="${classes}" href="${href}#detail" data-step="${step.step_id}"${isChosen && html` aria-current="true"`}>
<span class="what"><span class="kind k-${step.step_kind}" title="${step.step_kind}">${step.signal === 'log' && step.step_kind === 'other' ? '≡' : (MARKS[step.step_kind] ?? '·')}</span>${isError && html`<span class="status error" title="${step.error_message ?? step.error_type ?? 'error'}">▲<span class="hidden"> error</span></span>`}${broken.length > 0 && brokenMark(broken)}<span class="title">${titleOf(step)}</span>${step.attempt !== null && step.attempt > 1 && html`<span class="chip small" title="attempt ${step.attempt} of one piece of work">try ${step.attempt}</span>`}<span class="sub">${subtitleOf(step)}</span></span>
${bar(frame, step, isError, worstOf(broken.map((violation) => violation.severity)))}
<span class="n">${step.signal === 'span' || step.duration_ns > 0 ? duration(step.duration_ns / 1e6) : html`<span class="quiet">${step.signal}</span>`}</span>
${tokensCell(step, booked)}${costCell(booked)}</a>`;
};

/** A line of the waterfall has no room for more. */
const SUBTITLE_CHARS_MAX = 120;

const titleOf = (step: StepRow): string => (step.name === '' ? (step.event_name ?? step.step_kind) : step.name);

const subtitleOf = (step: StepRow): string => {
  // Why it failed says more than which model it was.
  if (step.status === 'error') return step.error_message?.slice(0, SUBTITLE_CHARS_MAX) ?? step.error_type ?? '';
  if (step.step_kind === 'tool' && step.tool_name !== null && !step.name.includes(step.tool_name))
    return step.tool_name;
  const model = step.response_model ?? step.request_model;
  return model !== null && !step.name.includes(model) ? model : '';
};

/** The worst violation of a step beside its name; each is told with the step. */
const brokenMark = (broken: readonly ViolationDetailRow[]): Html => {
  const words = broken.map((violation) => `${violation.severity}: ${violation.title} (${violation.rule_id})`);
  return html`<span class="broken" title="${words.join('; ')}">${severityShape(worstOf(broken.map((violation) => violation.severity)) ?? 'info')}<span class="hidden"> ${plural(broken.length, 'violation')}</span></span>`;
};

const bar = (frame: Frame, step: StepRow, isError: boolean, broken: string | null): Html => {
  const left = (100 * (msOf(step.ts) - frame.startMs)) / frame.lengthMs;
  const width = (100 * (step.duration_ns / 1e6)) / frame.lengthMs;
  const x = Math.max(0, Math.min(99.6, left)).toFixed(2);
  const end = Math.max(0, Math.min(98.4, left + width));
  const mark = html`${isError && html`<text x="${x}%" y="12" class="cross">✕</text>`}${broken !== null && severityOnBar(broken, end)}`;
  if (step.duration_ns === 0) {
    return html`<svg class="bar" aria-hidden="true"><circle cx="${x}%" cy="8" r="3" class="k-${step.step_kind}"/>${mark}</svg>`;
  }
  return html`<svg class="bar" aria-hidden="true"><rect x="${x}%" y="3" width="${Math.max(0.4, Math.min(100 - left, width)).toFixed(2)}%" height="10" rx="2" class="k-${step.step_kind}${isError ? ' failed' : ''}"/>${mark}</svg>`;
};

const tokensCell = (step: StepRow, booked: readonly BookingRow[]): Html => {
  const inside = sumTold(
    ...booked.flatMap((entry) => [
      entry.input_tokens,
      entry.cache_read_tokens,
      entry.cache_write_tokens,
      entry.cache_write_1h_tokens,
      entry.audio_input_tokens,
    ]),
  );
  const out = sumTold(
    ...booked.flatMap((entry) => [entry.output_tokens, entry.reasoning_tokens, entry.audio_output_tokens]),
  );
  if (booked.length > 0)
    return html`<span class="n">${compact(inside)} <span class="quiet">/</span> ${compact(out)}</span>`;
  const [told, toldOut] = [step.reported_input_tokens, step.reported_output_tokens];
  if (told === null && toldOut === null) return html`<span class="n"></span>`;
  return html`<span class="n quiet" title="as reported; booked with another step">${compact(told)} / ${compact(toldOut)}</span>`;
};

const sumDecimals = (texts: readonly string[]): string =>
  decimalText(texts.reduce((sum, text) => sum + (parseDecimal(text) ?? 0n), 0n));

const costCell = (booked: readonly BookingRow[]): Html => {
  if (booked.length === 0) return html`<span class="n"></span>`;
  const unknown = booked.filter((entry) => entry.cost_usd === null);
  if (unknown.length === booked.length) {
    return html`<span class="n warn" title="${unknown.map((entry) => entry.unpriced_reason ?? 'unknown').join(', ')}">unknown</span>`;
  }
  const total = sumDecimals(booked.flatMap((entry) => (entry.cost_usd === null ? [] : [entry.cost_usd])));
  const bound = booked.some((entry) => entry.untold.length > 0);
  return html`<span class="n"${bound && html` title="at most: some details were not told"`}>${bound && html`<span class="quiet">≤</span> `}${moneyCell(total)}${unknown.length > 0 && html`<span class="warn">+?</span>`}</span>`;
};
