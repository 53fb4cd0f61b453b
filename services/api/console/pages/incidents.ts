import { INCIDENT_SOURCES } from '../../../../schemas/incident-event.ts';
import { SEVERITIES } from '../../../../schemas/policy-violation.ts';
import { decodeCursor } from '../../cursor.ts';
import {
  type IncidentCountRow,
  type IncidentRow,
  incidentCountsQuery,
  incidentsQuery,
  STATE_FILTERS,
} from '../../queries/incidents.ts';
import { read } from '../../reads.ts';
import { pageOf } from '../../routes/inputs.ts';
import { age, compact, msOf, plural, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, type View } from '../view.ts';
import { filterChips } from './filter-chips.ts';
import { readTenants } from './tenants.ts';

const INCIDENTS_OF_PAGE = 50;
const FILTERS = ['state', 'source', 'severity', 'subject', 'agent'] as const;

const oneOf = <T extends string>(known: readonly T[], asked: string | undefined): T | undefined =>
  known.find((name) => name === asked);

/** Incidents: what wants somebody first, with its age and who has it. */
export const incidentsPage = async (view: View): Promise<string> => {
  const { context, tenant, params } = view;
  const filters = {
    state: oneOf(STATE_FILTERS, params['state']),
    source: oneOf(INCIDENT_SOURCES, params['source']),
    severity: oneOf(SEVERITIES, params['severity']),
    subject: params['subject'] || undefined,
    agent: params['agent'] || undefined,
  };
  const cursor = decodeCursor(params['cursor'] ?? '') ?? undefined;
  const [found, counts, tenants] = await Promise.all([
    read<IncidentRow>(context, incidentsQuery({ ...filters, tenant, cursor, limit: INCIDENTS_OF_PAGE })),
    read<IncidentCountRow>(context, incidentCountsQuery({ tenant })),
    readTenants(view),
  ]);
  const shown = pageOf(found, INCIDENTS_OF_PAGE, (row) => ({ ts_micros: row.place, id: row.incident_id }));
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return page(view, {
    title: 'Incidents',
    tenants,
    refreshSeconds: 60,
    body: html`${answer(counts)}<section class="wide"><header><h2>${isFiltered ? 'Matching incidents' : 'Incidents'}</h2><span class="note">open first, the severest first</span></header>
${filterChips(view, FILTERS, [
  { name: 'state', value: 'unresolved', label: 'not resolved' },
  { name: 'state', value: 'resolved', label: 'resolved' },
])}
${shown.rows.length > 0 ? incidentsTable(view, shown.rows) : empty(view, isFiltered)}
<nav class="pages" aria-label="Pages of incidents">${cursor !== undefined && html`<a href="${linkTo('/incidents', { ...params, cursor: undefined })}">First</a>`}${shown.nextCursor !== null && html`<a rel="next" href="${linkTo('/incidents', { ...params, cursor: shown.nextCursor })}">More</a>`}</nav></section>`,
  });
};

const answer = (counts: readonly IncidentCountRow[]): Html => {
  const of = (state: string): number =>
    counts.filter((row) => row.state === state).reduce((sum, row) => sum + row.incidents, 0);
  const open = counts.filter((row) => row.state === 'open');
  return html`<section class="answer"><div class="lead"><h1>Incidents</h1><p class="hero">${of('open').toLocaleString('en-US')} open</p>
<p class="note">${of('acknowledged').toLocaleString('en-US')} acknowledged, ${of('resolved').toLocaleString('en-US')} resolved</p></div>
${open.length > 0 && html`<div class="tally"><p>${[...SEVERITIES].reverse().flatMap((severity) => open.filter((row) => row.severity === severity).map((row) => html`<span>${severityBadge(severity)} <strong>${row.incidents.toLocaleString('en-US')}</strong></span>`))}</p></div>`}</section>`;
};

const STATES: Readonly<Record<string, string>> = { open: '▲', acknowledged: '◐', resolved: '●' };

/** Where an incident stands, by colour, shape and word. */
export const stateBadge = (state: string): Html =>
  html`<span class="status state-${state}"><span aria-hidden="true">${STATES[state] ?? '○'}</span> ${state}</span>`;

/** Link to one incident; its tenant goes along. */
export const incidentLink = (
  view: View,
  incident: { readonly tenant_id: string; readonly incident_id: string },
): string =>
  linkTo(`/incidents/${encodeURIComponent(incident.incident_id)}`, { ...kept(view), tenant: incident.tenant_id });

/** How long an incident has been, or was, there. */
export const ageOf = (incident: IncidentRow, nowMs: number): string =>
  age((incident.resolved_at === null ? nowMs : msOf(incident.resolved_at)) - msOf(incident.opened_at));

/** Who has it, or what became of it. */
export const whoHas = (view: View, incident: IncidentRow): Fragment => {
  if (incident.state === 'resolved')
    return `resolved ${incident.resolved_by === null ? 'by itself' : `by ${incident.resolved_by}`}`;
  const isSilent = incident.silenced_until !== null && msOf(incident.silenced_until) > view.nowMs;
  const has =
    incident.acknowledged_by === null ? html`<span class="warn">nobody</span>` : html`${incident.acknowledged_by}`;
  return isSilent && incident.silenced_until !== null
    ? html`${has} <span class="quiet">silent until ${when(incident.silenced_until, view.nowMs)}</span>`
    : has;
};

/** Incidents as a table; every cell that is a dimension filters by a click. */
export const incidentsTable = (view: View, rows: readonly IncidentRow[]): Html => {
  const filtered = (filter: Readonly<Record<string, string>>): string =>
    linkTo('/incidents', { ...kept(view), ...filter });
  const isMany = view.tenant === null && new Set(rows.map((row) => row.tenant_id)).size > 1;
  return html`<div class="scroll"><table class="listed">
<thead><tr><th scope="col">State</th><th scope="col">Severity</th><th scope="col">What</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Who</th><th scope="col">Has it</th><th scope="col" class="n">Seen</th><th scope="col" class="n">Age</th><th scope="col" class="n">Last seen</th></tr></thead>
<tbody>${rows.map(
    (row) => html`<tr${row.state === 'resolved' && html` class="settled"`}>
<td data-label="State"><a class="dim" href="${filtered({ state: row.state })}">${stateBadge(row.state)}</a></td>
<td data-label="Severity"><a class="dim" href="${filtered({ severity: row.severity })}">${severityBadge(row.severity)}</a></td>
<td class="name" data-label="What"><a href="${incidentLink(view, row)}">${row.title === '' ? row.subject : row.title}</a> <a class="dim rule" href="${filtered({ subject: row.subject })}">${row.subject}</a></td>
${isMany && html`<td data-label="Tenant">${row.tenant_id}</td>`}
<td data-label="Who">${row.agent_name === null ? html`<span class="quiet">${row.workflow ?? row.service ?? row.source}</span>` : html`<a class="dim" href="${filtered({ agent: row.agent_name })}">${row.agent_name}</a>`}</td>
<td data-label="Has it">${whoHas(view, row)}</td>
<td class="n" data-label="Seen">${compact(row.observations)}×</td>
<td class="n" data-label="Age">${ageOf(row, view.nowMs)}</td>
<td class="n" data-label="Last seen">${when(row.last_observed_at, view.nowMs)}</td>
</tr>`,
  )}</tbody></table></div>`;
};

const empty = (view: View, isFiltered: boolean): Html => {
  if (isFiltered) {
    return html`<p class="quiet pad">No incident matches. <a href="${linkTo('/incidents', kept(view))}">Clear the filters</a>.</p>`;
  }
  return html`<div class="pad prose"><p>No incident yet.</p><p class="quiet">One opens when a rule in mode <code>alert</code> or <code>recommend-block</code> is broken, when a budget reaches a threshold, and when a rule set was refused. Who is told stands under <code>alerts.sinks</code> of the config.</p>
<p><a href="${linkTo('/policies', kept(view))}">Rules</a> · <a href="${linkTo('/budgets', kept(view))}">Budgets</a> · <a href="${linkTo('/connect', kept(view))}">Connect an agent</a></p>${view.attention !== null && view.attention.violations > 0 && html`<p class="quiet">${plural(view.attention.violations, 'violation')} in the last 24 hours opened none.</p>`}</div>`;
};
