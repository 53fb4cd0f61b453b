import { budgetsOf } from '../../budget-forecast.ts';
import { findIncident } from '../../incident-actions.ts';
import { type BudgetPeriodRow, budgetsQuery } from '../../queries/budgets.ts';
import {
  type DeliveryRow,
  deliveriesQuery,
  INCIDENT_EVENTS_MAX,
  type IncidentEventRow,
  type IncidentRow,
  incidentEventsQuery,
  placeOf,
} from '../../queries/incidents.ts';
import {
  AFFECTED_RUNS_MAX,
  type AffectedRunRow,
  affectedRunsQuery,
  INCIDENT_VIOLATIONS_MAX,
  incidentViolationsQuery,
  type ViolationRow,
} from '../../queries/violations.ts';
import { read } from '../../reads.ts';
import { objectOf } from '../../routes/watch-shapes.ts';
import { isoOf } from '../../time.ts';
import { type ActButton, actForm } from '../acting.ts';
import { jsonBody } from '../evidence.ts';
import { compact, msOf, shortId, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { stat } from '../parts.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, runLink, runsLink, type View } from '../view.ts';
import { budgetRunsSection } from './budget-runs.ts';
import { budgetCard } from './budgets.ts';
import { deliveriesSection, timelineSection } from './incident-parts.ts';
import { ageOf, stateBadge, whoHas } from './incidents.ts';
import { readTenants } from './tenants.ts';
import { violationsTable } from './violations.ts';

/** One incident: what, since when, how much, who has it; what can be done; then the evidence and what happened. */
export const incidentPage = async (view: View, incidentId: string): Promise<string> => {
  const { context } = view;
  const incident = await findIncident(context, view.tenant, incidentId);
  const one = { tenant: incident.tenant_id, incidentId };
  const place = incident.source === 'violation' ? placeOf(incident, incident.subject) : null;
  const [events, deliveries, violations, runs, periods, tenants] = await Promise.all([
    read<IncidentEventRow>(context, incidentEventsQuery(one)),
    read<DeliveryRow>(context, deliveriesQuery(one)),
    place === null ? [] : read<ViolationRow>(context, incidentViolationsQuery(place)),
    place === null ? [] : read<AffectedRunRow>(context, affectedRunsQuery(place)),
    incident.source === 'budget'
      ? read<BudgetPeriodRow>(context, budgetsQuery({ tenant: incident.tenant_id, budget: incident.subject }))
      : [],
    readTenants(view),
  ]);
  const budgets = budgetsOf(periods, view.nowMs);
  const spenders = incident.source === 'budget' ? await budgetRunsSection(view, incident) : null;
  return page(view, {
    title: incident.title === '' ? incident.subject : incident.title,
    tenants,
    scripts: ['/assets/act.js'],
    body: html`${head(view, incident, runs)}${actions(view, incident)}
${budgets.map((budget) => html`<section class="wide">${budgetCard(view, budget)}</section>`)}${spenders}
${incident.source === 'ruleset' && html`<section class="wide"><header><h2>What is wrong</h2><a href="${linkTo('/policies', kept(view))}">Rule sets</a></header><div class="pad evidence">${jsonBody(objectOf(incident.detail))}</div></section>`}
${incident.source === 'violation' && html`<section class="wide"><header><h2>Violations behind it</h2>${violations.length >= INCIDENT_VIOLATIONS_MAX && html`<span class="note">the newest ${INCIDENT_VIOLATIONS_MAX}; <a href="${linkTo('/violations', { ...kept(view), tenant: incident.tenant_id, rule: incident.subject, range: '30d' })}">all of the rule</a></span>`}</header>${violations.length > 0 ? violationsTable(view, violations) : html`<p class="quiet pad">None is stored (any more).</p>`}</section>`}
${runs.length > 0 && runsSection(view, incident, runs)}
<div class="columns two">${timelineSection(view, incident, events.slice(0, INCIDENT_EVENTS_MAX), events.length > INCIDENT_EVENTS_MAX)}${deliveriesSection(view, incident, events, deliveries)}</div>`,
  });
};

const head = (
  view: View,
  incident: IncidentRow,
  runs: readonly AffectedRunRow[],
): Html => html`<section class="run-head">
<p class="crumbs"><a href="${linkTo('/incidents', kept(view))}">Incidents</a> <span class="quiet">/</span> ${incident.tenant_id} <span class="quiet">/</span> ${shortId(incident.incident_id, 12)}</p>
<h1>${incident.title === '' ? incident.subject : incident.title} ${severityBadge(incident.severity)}</h1>
<p class="who">${whoIs(view, incident).map((part) => html`<span>${part}</span>`)}</p>
<dl class="stats">
${stat('State', stateBadge(incident.state), html`has it: ${whoHas(view, incident)}`)}
${stat('Since', when(incident.opened_at, view.nowMs), incident.state === 'resolved' ? `lasted ${ageOf(incident, view.nowMs)}` : `${isoOf(msOf(incident.opened_at)).slice(0, 16).replace('T', ' ')} UTC`)}
${stat('Seen', `${compact(incident.observations)}×`, html`last ${when(incident.last_observed_at, view.nowMs)}`)}
${incident.source === 'violation' && stat('Runs', runs.length >= AFFECTED_RUNS_MAX ? `${runs.length}+` : compact(runs.length), runs[0] === undefined ? 'none stored' : html`the latest ${when(runs[0].last_ts, view.nowMs)}`)}
</dl></section>`;

const whoIs = (view: View, incident: IncidentRow): readonly Fragment[] => {
  const subject =
    incident.source === 'violation'
      ? html`rule <a href="${linkTo('/violations', { ...kept(view), tenant: incident.tenant_id, rule: incident.subject })}">${incident.subject}</a>`
      : html`${incident.source} ${incident.subject}`;
  const { agent_name, service, workflow } = incident;
  return [
    subject,
    agent_name && html`agent <a href="${runsLink(view, { agent: agent_name })}">${agent_name}</a>`,
    workflow && html`workflow <a href="${runsLink(view, { workflow })}">${workflow}</a>`,
    service && html`service <a href="${runsLink(view, { service })}">${service}</a>`,
  ].filter((part) => part !== null && part !== '');
};

const HOUR_MINUTES = 60;
const SILENCES = [
  [HOUR_MINUTES, '1 hour'],
  [8 * HOUR_MINUTES, '8 hours'],
  [24 * HOUR_MINUTES, 'a day'],
  [168 * HOUR_MINUTES, '7 days'],
  [720 * HOUR_MINUTES, '30 days'],
] as const;

/** What makes sense where the incident stands: no button that would be refused. */
const buttonsOf = (incident: IncidentRow): readonly ActButton[] => {
  const comment: ActButton = { action: 'comment', label: 'Comment', requires: 'comment' };
  if (incident.state === 'resolved') return [comment];
  const acknowledge: ActButton = { action: 'acknowledge', label: 'Acknowledge', isMain: true };
  return [
    ...(incident.state === 'open' ? [acknowledge] : []),
    { action: 'resolve', label: 'Resolve', isMain: incident.state === 'acknowledged' },
    { action: 'silence', label: 'Silence for', minutes: SILENCES },
    comment,
  ];
};

const actions = (view: View, incident: IncidentRow): Html =>
  actForm(view, {
    path: `/incidents/${encodeURIComponent(incident.incident_id)}`,
    tenant: incident.tenant_id,
    comment: 'comment',
    buttons: buttonsOf(incident),
    hint:
      incident.state === 'resolved'
        ? 'Resolved: it opens again when it is observed again.'
        : 'Silence holds notifications back, not the incident. Resolved, it opens again when it is observed again.',
  });

const runsSection = (view: View, incident: IncidentRow, runs: readonly AffectedRunRow[]): Html =>
  html`<section class="wide"><header><h2>Runs affected</h2><span class="note">latest first</span></header><ul class="chips pad">${runs.map((run) => html`<li><a class="chip" href="${runLink(view, { tenant_id: incident.tenant_id, run_id: run.run_id })}" title="${run.run_id}"><span class="mono">${run.run_id.slice(0, 8)}</span> <span class="quiet">${run.violations}×, ${when(run.last_ts, view.nowMs)}</span></a></li>`)}</ul></section>`;
