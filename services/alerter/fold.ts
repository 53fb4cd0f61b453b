import { decodeIncidentEvent, type IncidentEvent } from '../../schemas/incident-event.ts';
import type { Row } from '../runtime/ports.ts';
import type { Fold, FoldContext, Stepped } from '../runtime/stream/fold-task.ts';
import { boundEvent, datedBy } from './event-detail.ts';
import {
  emptyMemory,
  type Incident,
  type IncidentMemory,
  markOf,
  type Notice,
  parseMemory,
  SEEN_MAX,
  serialiseMemory,
} from './incident.ts';
import { deliveryRow, eventRow, incidentRow } from './incident-rows.ts';
import { noticeOf, notificationOf, settleNotices, stillUnheard } from './notices.ts';
import { applyEvent } from './transition.ts';

/** Consumer group, manifest and states go by this name. */
export const ALERTER = 'alerter';

/**
 * Events in, the incident, its history and what became of each notification out. An event_id counts once. No clock and
 * no config decides a row: silences compare the event's own time, and where a notification goes is an event (`routed`).
 */
export const incidentFold: Fold<IncidentEvent, IncidentMemory> = {
  service: ALERTER,
  tables: ['incident_events', 'incident_deliveries', 'incidents'],
  decode: (record) => {
    const decoded = decodeIncidentEvent(record.value);
    return decoded.kind === 'ok' ? { kind: 'ok', value: datedBy(record, boundEvent(decoded.value)) } : decoded;
  },
  keyOf: (event) => event.incident_id,
  empty: emptyMemory,
  parse: parseMemory,
  serialise: serialiseMemory,
  step: (memory, events, context) => stepIncident(memory, events, context),
};

/** Takes in events of one incident. Pure. */
export const stepIncident = (
  memory: IncidentMemory,
  events: readonly IncidentEvent[],
  context: FoldContext,
): Stepped<IncidentMemory> => {
  const seen = new Set(memory.seen);
  let incident: Incident | null = memory.incident;
  let notices: readonly Notice[] = memory.notices;
  const eventRows: Row[] = [];
  const deliveryRows = new Map<string, Row>();
  let isTouched = false;
  for (const event of events) {
    const mark = markOf(event.event_id);
    if (seen.has(mark)) continue;
    seen.add(mark);
    isTouched = true;
    const effect = applyEvent(incident, event);
    const notification =
      effect.incident === null ? null : notificationOf(effect.transition, effect.incident, event, notices.length);
    incident = stillUnheard(effect.incident, effect.transition, notification);
    if (notification === 'wanted' && incident !== null && effect.transition !== null)
      notices = [...notices, noticeOf(event, effect.transition, incident)];
    const settled = settleNotices(notices, event);
    notices = settled.notices;
    for (const { notice, delivery } of settled.changed)
      deliveryRows.set(delivery.delivery_id, deliveryRow(notice, delivery, context));
    if (effect.isRecorded) eventRows.push(eventRow(event, effect.transition, notification, incident, context));
  }
  const kept = [...seen].slice(-SEEN_MAX);
  return {
    state: { incident_id: memory.incident_id, incident, notices, seen: kept },
    tables: [
      { table: 'incident_events', identity: ['event_id'], rows: eventRows },
      { table: 'incident_deliveries', identity: ['delivery_id'], rows: [...deliveryRows.values()] },
      {
        table: 'incidents',
        identity: ['incident_id'],
        rows: incident !== null && isTouched ? [incidentRow(incident, notices, context)] : [],
      },
    ],
    hours: [],
  };
};
