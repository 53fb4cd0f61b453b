import type { IncidentRow } from '../../queries/incidents.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { status } from '../parts.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, type View } from '../view.ts';
import { ageOf, incidentLink, whoHas } from './incidents.ts';

/** Lines on the first page, each one rule or budget; the list has the rest. */
const LINES_SHOWN = 3;
/** Incidents looked through for them: a storm of one rule must not hide the others. */
export const INCIDENTS_READ = 200;

/** First on the first page: what wants somebody, or that nothing does. null when the store could not say. */
export const attentionStrip = (view: View, incidents: readonly IncidentRow[]): Html | null => {
  const { attention } = view;
  if (attention === null) return null;
  const { open_incidents, violations, unreviewed_violations, tight_budgets, exceeded_budgets } = attention;
  if (open_incidents + violations + tight_budgets === 0) return null;
  const to = (path: string): string => linkTo(path, kept(view));
  return html`<section class="attention${open_incidents + exceeded_budgets === 0 ? ' calm' : ''}" aria-label="Wants somebody"><p class="totals">
<a href="${to('/incidents')}">${open_incidents > 0 ? status('error', plural(open_incidents, 'open incident')) : status('ok', 'no open incident')}</a>
<a href="${to('/violations')}">${violations > 0 ? status('degraded', `${plural(violations, 'violation')} in 24 hours${unreviewed_violations < violations ? `, ${unreviewed_violations.toLocaleString('en-US')} not reviewed` : ''}`) : status('ok', 'no violation in 24 hours')}</a>
${attention.budgets > 0 && html`<a href="${to('/budgets')}">${budgetWords(tight_budgets, exceeded_budgets)}</a>`}</p>
${incidents.length > 0 && html`<ul>${[...Map.groupBy(incidents, ({ source, subject }) => `${source} ${subject}`).values()].slice(0, LINES_SHOWN).map((group) => line(view, group))}</ul>`}</section>`;
};

/** The first incident of a rule or budget, and how many more of it are open. */
const line = (view: View, [incident, ...others]: readonly IncidentRow[]): Html | null =>
  incident === undefined
    ? null
    : html`<li>${severityBadge(incident.severity)} <a href="${incidentLink(view, incident)}">${incident.title === '' ? incident.subject : incident.title}</a> <span class="quiet">${placeWords(incident)}for ${ageOf(incident, view.nowMs)}; has it: ${whoHas(view, incident)}</span>${others.length > 0 && html` <a class="dim" href="${linkTo('/incidents', { ...kept(view), state: 'open', subject: incident.subject })}">and ${others.length.toLocaleString('en-US')} more of ${incident.subject}</a>`}</li>`;

const placeWords = ({ agent_name, workflow, service }: IncidentRow): string => {
  const where = agent_name ?? workflow ?? service;
  return where === null ? '' : `${where}, `;
};

const budgetWords = (tight: number, exceeded: number): Html => {
  if (exceeded > 0) return status('error', `${plural(exceeded, 'budget')} exceeded`);
  return tight > 0 ? status('degraded', `${plural(tight, 'budget')} over 80 %`) : status('ok', 'budgets below 80 %');
};
