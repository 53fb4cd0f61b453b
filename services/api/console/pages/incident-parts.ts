import type { DeliveryRow, IncidentEventRow, IncidentRow } from '../../queries/incidents.ts';
import { objectOf } from '../../routes/watch-shapes.ts';
import { percent, plural, shortId, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { runLink, type View } from '../view.ts';
import { violationLink } from './violations.ts';

/** What happened to an incident, and who was told: the lower half of its page. */

const DONE: Readonly<Record<string, string>> = {
  opened: 'opened',
  escalated: 'got worse',
  reopened: 'opened again',
  acknowledged: 'acknowledged',
  resolved: 'resolved',
  silenced: 'silenced',
  commented: 'commented',
};

const IDLE: Readonly<Record<string, string>> = { observed: 'seen again', cleared: 'over, and resolved already' };

/** The sender's own events stand under notifications: in the timeline they would bury what people did. */
const isOfSender = (event: IncidentEventRow): boolean =>
  event.kind === 'routed' || event.kind === 'delivered' || event.kind === 'delivery_failed';

/** The timeline, newest first. */
export const timelineSection = (
  view: View,
  incident: IncidentRow,
  events: readonly IncidentEventRow[],
  isCut: boolean,
): Html => {
  const shown = events.filter((event) => !isOfSender(event));
  return html`<section class="wide"><header><h2>Timeline</h2><span class="note">newest first</span></header>
<ol class="timeline">${shown.map((event) => html`<li><span class="at">${when(event.ts, view.nowMs)}</span> <div>${lineOf(view, incident, event)}${event.comment !== null && event.comment !== '' && html`<p class="said-text">${event.comment}</p>`}</div></li>`)}</ol>
${shown.length === 0 && html`<p class="quiet pad">Nothing is stored of it (any more).</p>`}
${isCut && html`<p class="quiet pad">The newest ${events.length} events; SQL over <code>incident_events</code> has all.</p>`}</section>`;
};

const lineOf = (view: View, { tenant_id }: IncidentRow, event: IncidentEventRow): Html => {
  const what =
    event.transition === null
      ? (IDLE[event.kind] ?? `${event.kind}, which changed nothing`)
      : (DONE[event.transition] ?? event.transition);
  const detail = objectOf(event.detail);
  const violation = typeof detail['violation_id'] === 'string' ? detail['violation_id'] : null;
  const parts: readonly Fragment[] = [
    event.level !== null && `${percent(event.level, 1)} of the limit`,
    event.silenced_until !== null && html`until ${when(event.silenced_until, view.nowMs)}`,
    event.notification === 'suppressed' && 'nobody told: silenced',
    event.notification === 'overflow' && html`<span class="warn">nobody told: too many notifications wait</span>`,
    violation !== null && html`<a href="${violationLink(view, { tenant_id, violation_id: violation })}">violation</a>`,
    event.run_id !== null &&
      html`<a href="${runLink(view, { tenant_id, run_id: event.run_id })}">run ${event.run_id.slice(0, 8)}</a>`,
  ].filter((part) => part !== false);
  return html`${event.actor !== null && html`<strong>${event.actor}</strong> `}${what}${parts.map((part) => html`<span class="quiet"> · ${part}</span>`)}`;
};

const DELIVERY: Readonly<Record<string, { readonly shape: string; readonly words: string; readonly tone: string }>> = {
  sent: { shape: '●', words: 'sent', tone: 'ok' },
  pending: { shape: '◐', words: 'under way', tone: 'starting' },
  failed: { shape: '▲', words: 'given up', tone: 'error' },
};

/** Who was told, sink by sink, and why not. */
export const deliveriesSection = (
  view: View,
  incident: IncidentRow,
  events: readonly IncidentEventRow[],
  deliveries: readonly DeliveryRow[],
): Html =>
  html`<section class="wide"><header><h2>Notifications</h2></header>${
    deliveries.length === 0
      ? html`<p class="quiet pad">${whyNone(incident, events)}</p>`
      : html`<ol class="timeline">${deliveries.map((row) => {
          const state = DELIVERY[row.state] ?? { shape: '○', words: row.state, tone: '' };
          return html`<li><span class="at">${when(row.updated_at, view.nowMs)}</span> <div><strong>${row.sink}</strong> <span class="status ${state.tone}"><span aria-hidden="true">${state.shape}</span> ${state.words}</span> <span class="quiet">· ${DONE[row.transition] ?? row.transition} · ${row.attempts === 0 ? 'not tried yet' : plural(row.attempts, 'attempt')} ${shortId(row.delivery_id, 4)}</span>${row.last_error !== '' && html`<p class="said-text${row.state === 'failed' ? ' failure' : ''}">${row.last_error}</p>`}</div></li>`;
        })}</ol>`
  }</section>`;

const whyNone = (incident: IncidentRow, events: readonly IncidentEventRow[]): string => {
  const routed = events.find((event) => event.kind === 'routed');
  const reason = routed === undefined ? undefined : objectOf(routed.detail)['reason'];
  if (typeof reason === 'string') return `Nobody was told: ${reason}.`;
  if (incident.silenced_until !== null) return 'Nobody was told: it is silenced.';
  return 'Nobody was told. Sinks (Slack, PagerDuty, webhooks …) stand under alerts.sinks of the config; each takes a least severity.';
};
