import { type ReadableViolation, readEvidence } from '../../evidence-access.ts';
import type { StepRow } from '../../queries/steps.ts';
import type { ViolationDetailRow } from '../../queries/violations.ts';
import { evidenceBody, stepLink } from '../evidence.ts';
import { plural, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { severityBadge, severityShape, worstOf } from '../severity.ts';
import { kept, linkTo, type View } from '../view.ts';
import type { RunView } from './run-view.ts';
import { reviewWords, violationLink } from './violations.ts';

type StepKey = Pick<StepRow, 'step_id' | 'span_id' | 'signal'>;

/** Violations by the step they are about: by its id, else by its span, for a step told twice has one of both. */
export const violationsBySteps = (
  steps: readonly StepKey[],
  violations: readonly ViolationDetailRow[],
): ReadonlyMap<string, readonly ViolationDetailRow[]> => {
  const ids = new Set(steps.map((step) => step.step_id));
  const spans = new Map(steps.filter((step) => step.signal === 'span').map((step) => [step.span_id, step.step_id]));
  return Map.groupBy(violations, (violation) =>
    ids.has(violation.step_id) ? violation.step_id : (spans.get(violation.span_id) ?? ''),
  );
};

/** The violations of one step, with their evidence, for the panel beside the waterfall. */
export const violationsOfStep = async (
  view: View,
  step: StepKey,
  violations: readonly ViolationDetailRow[],
): Promise<Html | null> => {
  const stored = violationsBySteps([step], violations).get(step.step_id) ?? [];
  const own = await readEvidence(view.context, view.caller, stored);
  return own.length === 0 ? null : html`<div>${own.map((violation) => card(view, violation, false))}</div>`;
};

/** Beside the title of a run: how many rules it broke, the worst by its shape; null when none. */
export const violationsLink = ({ view, violations }: RunView): Html | null => {
  const worst = worstOf(violations.map((violation) => violation.severity));
  if (worst === null) return null;
  return html`<a class="sev sev-${worst}" href="${linkTo(view.path, { ...view.params, step: undefined, view: 'violations' })}">${severityShape(worst)} ${plural(violations.length, 'violation')}</a>`;
};

/** The violations of a run in order of time, each with its evidence and its step. */
export const violationsBody = async ({ view, violations }: RunView): Promise<Html> => {
  const shown = await readEvidence(view.context, view.caller, violations);
  return shown.length === 0
    ? html`<p class="quiet pad">No rule was broken in this run. <a href="${linkTo('/policies', kept(view))}">What judges, and where it cannot</a>.</p>`
    : html`<section class="wide">${shown.map((violation) => card(view, violation, true))}</section>`;
};

const card = (view: View, violation: ReadableViolation, hasStep: boolean): Html => {
  const step = hasStep ? stepLink(view, violation, violation.step_id, violation.span_id) : null;
  return html`<article class="violation"><h3>${severityBadge(violation.severity)} <a href="${violationLink(view, violation)}">${violation.title === '' ? violation.rule_id : violation.title}</a></h3>
<p class="quiet small">${violation.rule_id} · ${violation.mode} · ${when(violation.ts, view.nowMs)} · ${reviewWords(view, violation)}${step !== null && html` · <a href="${step}">its step</a>`}</p>
<details class="map"${violation.review === null && html` open`}><summary>Evidence</summary><div class="evidence">${evidenceBody(view, violation)}</div></details></article>`;
};
