import { describe, expect, test } from 'vitest';
import { encodeIncidentEvent, type IncidentEvent } from '../../schemas/incident-event.ts';
import { incidentFold } from './fold.ts';
import { eventOf, foldBatches, transitionsIn } from './incident-fixture.ts';

const T = 1_795_000_000_000;

describe('an incident', () => {
  test('opens, escalates, is acknowledged, resolved and opened again, each once', () => {
    const { memory, rows } = foldBatches([
      [eventOf({ event_id: 'a' }), eventOf({ event_id: 'b', at_ms: T + 1 })],
      [eventOf({ event_id: 'c', at_ms: T + 2, severity: 'high', title: 'worse' })],
      [eventOf({ event_id: 'd', at_ms: T + 3, kind: 'acknowledged', actor: 'ana' })],
      [eventOf({ event_id: 'e', at_ms: T + 4, kind: 'resolved', actor: 'ana' })],
      [eventOf({ event_id: 'f', at_ms: T + 3 })],
      [eventOf({ event_id: 'g', at_ms: T + 5, severity: 'low', title: 'again' })],
    ]);
    expect(transitionsIn(rows)).toEqual(['opened', 'escalated', 'acknowledged', 'resolved', 'reopened']);
    expect(memory.incident).toMatchObject({
      state: 'open',
      severity: 'low',
      title: 'again',
      observations: 5,
      opened_at_ms: T,
      last_observed_at_ms: T + 5,
      acknowledged_by: null,
      resolved_at_ms: null,
    });
    expect(rows['incidents']?.at(-1)).toMatchObject({ version: '6', pending: 5, state: 'open', run_id: 'run-1' });
  });

  test('what was observed before it was resolved does not open it again, whenever it comes', () => {
    const { memory } = foldBatches([
      [eventOf({ event_id: 'a', at_ms: T + 100 })],
      // The clock of whoever resolved it is behind the log's.
      [eventOf({ event_id: 'b', kind: 'resolved', at_ms: T + 50, actor: 'ana' })],
      [eventOf({ event_id: 'c', at_ms: T + 100 }), eventOf({ event_id: 'd', at_ms: T + 60 })],
    ]);
    expect(memory.incident).toMatchObject({ state: 'resolved', observations: 3, resolved_at_ms: T + 100 });
  });

  test('an action that changes nothing is recorded, and told to nobody', () => {
    const { memory, rows } = foldBatches([
      [eventOf({ event_id: 'a' }), eventOf({ event_id: 'b', kind: 'resolved', actor: 'ana', at_ms: T + 1 })],
      [
        eventOf({ event_id: 'c', kind: 'acknowledged', actor: 'bob', at_ms: T + 2 }),
        eventOf({ event_id: 'd', kind: 'resolved', actor: 'bob', at_ms: T + 2 }),
        eventOf({ event_id: 'e', kind: 'silenced', actor: 'bob', at_ms: T + 2, silenced_until_ms: T + 9 }),
        eventOf({ event_id: 'f', kind: 'commented', actor: 'bob', at_ms: T + 2, comment: 'too late' }),
      ],
    ]);
    expect(transitionsIn(rows)).toEqual(['opened', 'resolved', null, null, null, 'commented']);
    expect(rows['incident_events']?.map((row) => row['notification'])).toEqual([
      'wanted',
      'wanted',
      null,
      null,
      null,
      null,
    ]);
    expect(memory.incident).toMatchObject({ state: 'resolved', resolved_by: 'ana', silenced_until_ms: null });
  });

  test('while it is silenced nothing is told, and that is recorded; afterwards it is', () => {
    const { memory, rows } = foldBatches([
      [eventOf({ event_id: 'a' })],
      [eventOf({ event_id: 'b', kind: 'silenced', actor: 'ana', at_ms: T + 1, silenced_until_ms: T + 100 })],
      [eventOf({ event_id: 'c', severity: 'high', at_ms: T + 99 })],
      [eventOf({ event_id: 'd', severity: 'critical', at_ms: T + 100 })],
    ]);
    expect(rows['incident_events']?.map((row) => row['notification'])).toEqual([
      'wanted',
      null,
      'suppressed',
      'wanted',
    ]);
    expect(memory.notices.map((notice) => notice.event_id)).toEqual(['a', 'd']);
  });

  test('what rose while it was silenced is told when it is seen after the silence, once', () => {
    const silenced = eventOf({
      event_id: 'b',
      kind: 'silenced',
      actor: 'ana',
      at_ms: T + 1,
      silenced_until_ms: T + 100,
    });
    const worse = eventOf({ event_id: 'c', severity: 'critical', at_ms: T + 50 });
    const seen = (id: string, at: number) => eventOf({ event_id: id, severity: 'low', at_ms: at });
    const loud = foldBatches([
      [eventOf({ event_id: 'a' }), silenced, worse],
      [seen('d', T + 99)],
      [seen('e', T + 100)],
      [seen('f', T + 101)],
    ]);
    expect(transitionsIn(loud.rows)).toEqual(['opened', 'silenced', 'escalated', 'escalated']);
    expect(loud.memory.notices.map(({ event_id, incident }) => [event_id, incident.severity])).toEqual([
      ['a', 'medium'],
      ['e', 'critical'],
    ]);
    // Whoever has it knows.
    const acknowledged = eventOf({ event_id: 'ack', kind: 'acknowledged', actor: 'ana', at_ms: T + 60 });
    const known = foldBatches([[eventOf({ event_id: 'a' }), silenced, worse, acknowledged, seen('e', T + 200)]]);
    expect(known.memory.notices.map((notice) => notice.event_id)).toEqual(['a']);
  });

  test('a higher level opens it again whatever the clocks say; the same or a lower one does not', () => {
    const level = (id: string, of: number, at: number) =>
      eventOf({ event_id: id, source: 'budget', level: of, at_ms: at });
    const resolved = eventOf({ event_id: 'b', source: 'budget', kind: 'resolved', actor: 'ana', at_ms: T + 3_600_000 });
    const { memory, rows } = foldBatches([
      [level('a', 0.8, T), resolved, level('c', 0.8, T + 1), level('d', 0.5, T + 2)],
    ]);
    expect(memory.incident?.state).toBe('resolved');
    const again = foldBatches([[level('e', 1, T + 3)]], memory);
    expect([...transitionsIn(rows), ...transitionsIn(again.rows)]).toEqual(['opened', 'resolved', 'reopened']);
    expect(again.memory.incident).toMatchObject({ state: 'open', level: 1 });
  });

  test('resolved by somebody whose clock is ahead, it opens again with what is seen after the log had it', () => {
    const logged = (event: IncidentEvent, timestampMs: number): IncidentEvent => {
      const value = encodeIncidentEvent(event);
      const decoded = incidentFold.decode({ offset: 0, timestampMs, key: null, value, headers: {} });
      if (decoded.kind !== 'ok') throw new Error(decoded.detail);
      return decoded.value;
    };
    const { memory } = foldBatches([
      [logged(eventOf({ event_id: 'a', at_ms: T }), T + 5)],
      [logged(eventOf({ event_id: 'b', kind: 'resolved', actor: 'ana', at_ms: T + 3_600_000 }), T + 10)],
      [logged(eventOf({ event_id: 'c', at_ms: T + 20 }), T + 25)],
    ]);
    expect(memory.incident?.state).toBe('open');
  });

  test('a storm of violations leaves one row of its history and a state of bounded size', () => {
    const storm = (from: number) => Array.from({ length: 20_000 }, (_, at) => eventOf({ event_id: `e-${from + at}` }));
    const { memory, rows } = foldBatches([storm(0), storm(20_000), storm(40_000)]);
    expect(rows['incident_events']?.length).toBe(1);
    expect(memory.incident?.observations).toBe(60_000);
    expect(incidentFold.serialise(memory).length).toBeLessThan(250_000);
  });

  test('an old one whose state has expired can still be resolved', () => {
    const { memory, rows } = foldBatches([[eventOf({ kind: 'resolved', actor: 'ana' })]]);
    expect(transitionsIn(rows)).toEqual(['resolved']);
    expect(memory.incident).toMatchObject({ state: 'resolved', observations: 0, resolved_by: 'ana' });
  });
});
