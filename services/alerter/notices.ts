import type { IncidentEvent } from '../../schemas/incident-event.ts';
import { readOutcome, readRouted } from './event-detail.ts';
import { type Delivery, deliveryIdOf, type Incident, NOTICES_MAX, type Notice, type Transition } from './incident.ts';

/** Whether a transition is told: it is, nobody wants it now, or too many of this incident wait already. */
export type Notification = 'wanted' | 'suppressed' | 'overflow';

/** Transitions somebody is told of. Silences and comments are for those who look. */
const TOLD: ReadonlySet<Transition> = new Set(['opened', 'escalated', 'reopened', 'acknowledged', 'resolved']);

/** Whether the transition an event made is to be told; null when it is of no such kind. */
export const notificationOf = (
  transition: Transition | null,
  incident: Incident,
  event: IncidentEvent,
  waiting: number,
): Notification | null => {
  if (transition === null || !TOLD.has(transition)) return null;
  if ((incident.silenced_until_ms ?? 0) > event.at_ms) return 'suppressed';
  return waiting < NOTICES_MAX ? 'wanted' : 'overflow';
};

/** The incident, with whether its opening or rising has been told: a silence swallows it, the next word makes up for it. */
export const stillUnheard = (
  incident: Incident | null,
  transition: Transition | null,
  notification: Notification | null,
): Incident | null => {
  if (incident === null || transition === null || !RISING.has(transition) || notification === null) return incident;
  return { ...incident, unheard: notification === 'suppressed' };
};
const RISING: ReadonlySet<Transition> = new Set(['opened', 'escalated', 'reopened']);

/** A notice of a transition, not yet routed. */
export const noticeOf = (event: IncidentEvent, transition: Transition, incident: Incident): Notice => ({
  event_id: event.event_id,
  transition,
  at_ms: event.at_ms,
  actor: event.actor,
  comment: event.comment,
  incident,
  routed: null,
});

/** Notices after an event of a sink, and the deliveries it changed, with the notice they belong to. */
export interface NoticesChange {
  readonly notices: readonly Notice[];
  readonly changed: readonly { readonly notice: Notice; readonly delivery: Delivery }[];
}

/** Takes in `routed`, `delivered`, `delivery_failed`. What is about no waiting notice changes nothing. */
export const settleNotices = (notices: readonly Notice[], event: IncidentEvent): NoticesChange => {
  if (event.kind === 'routed') return route(notices, event);
  if (event.kind === 'delivered' || event.kind === 'delivery_failed') return deliver(notices, event);
  return { notices, changed: [] };
};

const route = (notices: readonly Notice[], event: IncidentEvent): NoticesChange => {
  const detail = readRouted(event.detail);
  // Where a notice goes is decided once: the first word counts.
  const notice = notices.find((candidate) => candidate.event_id === detail?.for_event_id && candidate.routed === null);
  if (detail === null || notice === undefined) return { notices, changed: [] };
  const deliveries = [...new Set(detail.sinks)].map(
    (sink): Delivery => ({
      delivery_id: deliveryIdOf(notice.event_id, sink),
      sink,
      state: 'pending',
      attempts: 0,
      last_error: '',
      created_at_ms: event.at_ms,
      updated_at_ms: event.at_ms,
    }),
  );
  const routed: Notice = { ...notice, routed: { base_url: detail.base_url, deliveries } };
  return {
    notices: unsettled(notices.map((candidate) => (candidate === notice ? routed : candidate))),
    changed: deliveries.map((delivery) => ({ notice: routed, delivery })),
  };
};

const deliver = (notices: readonly Notice[], event: IncidentEvent): NoticesChange => {
  const detail = readOutcome(event.detail);
  const notice = notices.find((candidate) => candidate.event_id === detail?.for_event_id);
  const before = notice?.routed?.deliveries.find((delivery) => delivery.sink === event.sink);
  if (detail === null || notice?.routed == null || before?.state !== 'pending') return { notices, changed: [] };
  const isSent = event.kind === 'delivered';
  const delivery: Delivery = {
    ...before,
    state: isSent ? 'sent' : detail.given_up ? 'failed' : 'pending',
    attempts: Math.max(before.attempts, detail.attempts),
    last_error: isSent ? before.last_error : detail.error,
    updated_at_ms: event.at_ms,
  };
  const deliveries = notice.routed.deliveries.map((candidate) => (candidate === before ? delivery : candidate));
  const next: Notice = { ...notice, routed: { ...notice.routed, deliveries } };
  return {
    notices: unsettled(notices.map((candidate) => (candidate === notice ? next : candidate))),
    changed: [{ notice: next, delivery }],
  };
};

const unsettled = (notices: readonly Notice[]): readonly Notice[] =>
  notices.filter(({ routed }) => routed === null || routed.deliveries.some(({ state }) => state === 'pending'));
