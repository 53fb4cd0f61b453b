import type { IncidentRow } from '../../queries/incidents.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { status } from '../parts.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, type View } from '../view.ts';
import { ageOf, incidentLink, whoHas } from './incidents.ts';

/** Incidents named on the first page; the list has the rest. */
export const INCIDENTS_SHOWN = 3;

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
${incidents.length > 0 && html`<ul>${incidents.slice(0, INCIDENTS_SHOWN).map((incident) => html`<li>${severityBadge(incident.severity)} <a href="${incidentLink(view, incident)}">${incident.title === '' ? incident.subject : incident.title}</a> <span class="quiet">${placeWords(incident)}for ${ageOf(incident, view.nowMs)}; has it: ${whoHas(view, incident)}</span></li>`)}</ul>`}</section>`;
};

const placeWords = ({ agent_name, workflow, service }: IncidentRow): string => {
  const where = agent_name ?? workflow ?? service;
  return where === null ? '' : `${where}, `;
};

const budgetWords = (tight: number, exceeded: number): Html => {
  if (exceeded > 0) return status('error', `${plural(exceeded, 'budget')} exceeded`);
  return tight > 0 ? status('degraded', `${plural(tight, 'budget')} over 80 %`) : status('ok', 'budgets below 80 %');
};
