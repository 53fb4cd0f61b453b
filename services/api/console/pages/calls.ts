import { type ExplainedRun, readExplainedRun } from '../../call-explanations.ts';
import { SET_ASIDE_WORDS } from '../../call-words.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { linkTo } from '../view.ts';
import { type CardPlace, callCard } from './call-card.ts';
import type { RunView } from './run-view.ts';

/** Calls one page explains; the API pages through all. */
const CALLS_MAX = 200;
const SET_ASIDE_MAX = 100;

/** Link to a step of the run, beside the waterfall. */
export const placeOf = ({ view }: Pick<RunView, 'view'>): CardPlace => ({
  view,
  stepHref: (stepId) =>
    `${linkTo(view.path.replace(/\/steps\/[^/]*$/, ''), { ...view.params, view: undefined, step: stepId })}#detail`,
});

const STATES: Readonly<Record<ExplainedRun['evidence'], string>> = {
  held: '',
  expired: 'What was told of these calls is past retention; the bookings stay.',
  too_large: 'This run is too large to be explained at once; the bookings stand.',
  other_version: 'What was told of these calls was written by another version of the ledger.',
};

/** The calls of a run, each with who told it, who was believed and why, and how its cost adds up. */
export const callsBody = async (run: RunView): Promise<Html> => {
  const explained = await readExplainedRun(run.view.context, run.tenant, run.runId);
  if (explained.calls.length === 0) return html`<p class="quiet pad">No model call of this run is booked.</p>`;
  const place = placeOf(run);
  const [standing, gone] = [
    explained.calls.filter((call) => call.bookings.length > 0),
    explained.calls.filter((call) => call.bookings.length === 0),
  ];
  const state = STATES[explained.evidence];
  return html`<section class="calls">${state !== '' && html`<p class="quiet">${state}</p>`}
${standing.slice(0, CALLS_MAX).map((call) => callCard(place, call))}
${standing.length > CALLS_MAX && html`<p class="quiet">The first ${CALLS_MAX} of ${plural(standing.length, 'call')}; <code>GET /api/v1/runs/${run.runId}/calls</code> has all.</p>`}
${explained.summarised_steps > 0 && html`<p class="quiet">${plural(explained.summarised_steps, 'step')} beyond what is held of one run are booked one by one and not explained.</p>`}
${gone.length > 0 && html`<details class="aside"><summary>${plural(gone.length, 'call')} taken back</summary>${gone.slice(0, CALLS_MAX).map((call) => callCard(place, call))}</details>`}${asideTable(place, explained.set_aside)}</section>`;
};

const asideTable = (place: CardPlace, steps: ExplainedRun['set_aside']): Html | null =>
  steps.length === 0
    ? null
    : html`<details class="aside"><summary>${plural(steps.length, 'step')} with figures that are not booked</summary><ul>${steps
        .slice(0, SET_ASIDE_MAX)
        .map(
          (step) =>
            html`<li><a href="${place.stepHref(step.step_id)}">${step.name === '' ? step.signal : step.name}</a> <span class="quiet">${SET_ASIDE_WORDS[step.because]}</span></li>`,
        )}</ul></details>`;
