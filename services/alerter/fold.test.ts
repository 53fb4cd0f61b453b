import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeIncidentEvent, type IncidentEvent } from '../../schemas/incident-event.ts';
import { SEVERITIES } from '../../schemas/policy-violation.ts';
import type { Row } from '../runtime/ports.ts';
import { incidentFold, stepIncident } from './fold.ts';
import { deliveryIdOf, emptyMemory, type IncidentMemory, NOTICES_MAX, SEEN_MAX } from './incident.ts';
import { contextOf, eventOf, TOLD_KINDS } from './incident-fixture.ts';
import { type RoutingSettings, routeNotice, sinkEvent } from './routing.ts';

/** Steps one batch after the other; gives the memory and every row by table. */
const fold = (batches: readonly (readonly IncidentEvent[])[], from: IncidentMemory = emptyMemory('incident-1')) => {
  let memory = from;
  const rows: Record<string, Row[]> = {};
  for (const [at, events] of batches.entries()) {
    const stepped = stepIncident(memory, events, contextOf(at + 1));
    memory = incidentFold.parse(incidentFold.serialise(stepped.state));
    expect(incidentFold.serialise(memory)).toBe(incidentFold.serialise(stepped.state));
    for (const { table, rows: some } of stepped.tables) rows[table] = [...(rows[table] ?? []), ...some];
  }
  return { memory, rows };
};

const transitions = (rows: Record<string, Row[]>): unknown[] =>
  (rows['incident_events'] ?? []).map((row) => row['transition']);

const T = 1_795_000_000_000;
const settings: RoutingSettings = {
  sinks: [
    { name: 'oncall', kind: 'webhook', url: 'http://pager.example/', secret: '', min_severity: 'low' },
    { name: 'loud', kind: 'webhook', url: 'http://loud.example/', secret: '', min_severity: 'high' },
  ],
  pager: 'tachograph',
  baseUrl: 'http://console.example',
};

describe('an incident', () => {
  test('opens, escalates, is acknowledged, resolved and opened again, each once', () => {
    const { memory, rows } = fold([
      [eventOf({ event_id: 'a' }), eventOf({ event_id: 'b', at_ms: T + 1 })],
      [eventOf({ event_id: 'c', at_ms: T + 2, severity: 'high', title: 'worse' })],
      [eventOf({ event_id: 'd', at_ms: T + 3, kind: 'acknowledged', actor: 'ana' })],
      [eventOf({ event_id: 'e', at_ms: T + 4, kind: 'resolved', actor: 'ana' })],
      [eventOf({ event_id: 'f', at_ms: T + 3 })],
      [eventOf({ event_id: 'g', at_ms: T + 5, severity: 'low', title: 'again' })],
    ]);
    expect(transitions(rows)).toEqual(['opened', 'escalated', 'acknowledged', 'resolved', 'reopened']);
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
    const { memory } = fold([
      [eventOf({ event_id: 'a', at_ms: T + 100 })],
      // The clock of whoever resolved it is behind the log's.
      [eventOf({ event_id: 'b', kind: 'resolved', at_ms: T + 50, actor: 'ana' })],
      [eventOf({ event_id: 'c', at_ms: T + 100 }), eventOf({ event_id: 'd', at_ms: T + 60 })],
    ]);
    expect(memory.incident).toMatchObject({ state: 'resolved', observations: 3, resolved_at_ms: T + 100 });
  });

  test('an action that changes nothing is recorded, and told to nobody', () => {
    const { memory, rows } = fold([
      [eventOf({ event_id: 'a' }), eventOf({ event_id: 'b', kind: 'resolved', actor: 'ana', at_ms: T + 1 })],
      [
        eventOf({ event_id: 'c', kind: 'acknowledged', actor: 'bob', at_ms: T + 2 }),
        eventOf({ event_id: 'd', kind: 'resolved', actor: 'bob', at_ms: T + 2 }),
        eventOf({ event_id: 'e', kind: 'silenced', actor: 'bob', at_ms: T + 2, silenced_until_ms: T + 9 }),
        eventOf({ event_id: 'f', kind: 'commented', actor: 'bob', at_ms: T + 2, comment: 'too late' }),
      ],
    ]);
    expect(transitions(rows)).toEqual(['opened', 'resolved', null, null, null, 'commented']);
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
    const { memory, rows } = fold([
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

  test('an old one whose state has expired can still be resolved', () => {
    const { memory, rows } = fold([[eventOf({ kind: 'resolved', actor: 'ana' })]]);
    expect(transitions(rows)).toEqual(['resolved']);
    expect(memory.incident).toMatchObject({ state: 'resolved', observations: 0, resolved_by: 'ana' });
  });
});

describe('its notices', () => {
  const opened = () => fold([[eventOf({ event_id: 'a', severity: 'high' })]]).memory;
  const noticeIn = (memory: IncidentMemory) => {
    const [notice] = memory.notices;
    if (notice === undefined) throw new Error('a notice is expected');
    return notice;
  };

  test('go where they were routed first, and are gone when every sink took them or was given up', () => {
    const notice = noticeIn(opened());
    const routed = routeNotice(notice, settings, T + 10);
    const elsewhere = { ...routeNotice(notice, { ...settings, sinks: [] }, T + 11), event_id: 'another-word' };
    const detail = (over: object) => ({ for_event_id: notice.event_id, attempts: 1, ...over });
    const { memory, rows } = fold(
      [
        [routed, elsewhere],
        [
          sinkEvent(notice, 'delivery_failed', T + 12, {
            id: ['1'],
            sink: 'oncall',
            detail: detail({ error: 'HTTP 500' }),
          }),
        ],
        [sinkEvent(notice, 'delivered', T + 13, { id: ['2'], sink: 'oncall', detail: detail({ attempts: 2 }) })],
        [
          sinkEvent(notice, 'delivery_failed', T + 14, {
            id: ['3'],
            sink: 'oncall',
            detail: detail({ error: 'late' }),
          }),
        ],
        [
          sinkEvent(notice, 'delivery_failed', T + 15, {
            id: ['4'],
            sink: 'loud',
            detail: detail({ attempts: 9, error: 'HTTP 410', given_up: true }),
          }),
        ],
      ],
      opened(),
    );
    expect(memory.notices).toEqual([]);
    const newest = new Map(rows['incident_deliveries']?.map((row) => [row['delivery_id'], row]));
    expect(newest.get(deliveryIdOf('a', 'oncall'))).toMatchObject({
      sink: 'oncall',
      state: 'sent',
      attempts: 2,
      last_error: 'HTTP 500',
      transition: 'opened',
    });
    expect(newest.get(deliveryIdOf('a', 'loud'))).toMatchObject({
      state: 'failed',
      attempts: 9,
      last_error: 'HTTP 410',
    });
    expect(rows['incidents']?.at(-1)).toMatchObject({ pending: 0, notices: '[]' });
  });

  test('reach the sinks that want so high a severity, and nobody when Grafana pages or they are old', () => {
    const notice = noticeIn(opened());
    const low = { ...notice, incident: { ...notice.incident, severity: 'low' as const } };
    const sinksOf = (...asked: Parameters<typeof routeNotice>) =>
      (JSON.parse(routeNotice(...asked).detail) as { sinks: string[] }).sinks;
    expect(sinksOf(notice, settings, T)).toEqual(['oncall', 'loud']);
    expect(sinksOf(low, settings, T)).toEqual(['oncall']);
    expect(sinksOf(notice, { ...settings, pager: 'grafana' }, T)).toEqual([]);
    const broken = { ...notice, incident: { ...notice.incident, source: 'ruleset' as const } };
    expect(sinksOf(broken, { ...settings, pager: 'grafana' }, T)).toEqual(['oncall', 'loud']);
    expect(sinksOf(notice, settings, T + 24 * 3_600_000)).toEqual(['oncall', 'loud']);
    expect(sinksOf(notice, settings, T + 24 * 3_600_000 + 1)).toEqual([]);
  });

  test('are bounded: what no longer finds room is marked, and the state stays small', () => {
    const flapping = Array.from({ length: NOTICES_MAX + 4 }, (_, at) =>
      eventOf({ event_id: `flap-${at}`, at_ms: T + at, kind: at % 2 === 0 ? 'observed' : 'cleared' }),
    );
    const { memory, rows } = fold([flapping]);
    expect(memory.notices.length).toBe(NOTICES_MAX);
    const told = rows['incident_events']?.map((row) => row['notification']);
    expect(told?.filter((one) => one === 'overflow').length).toBe(4);
    expect(told?.length).toBe(NOTICES_MAX + 4);
  });

  test('event ids are remembered up to a bound', () => {
    const many = Array.from({ length: SEEN_MAX + 500 }, (_, at) => eventOf({ event_id: `e-${at}` }));
    const { memory } = fold([many]);
    expect(memory.seen.length).toBe(SEEN_MAX);
    expect(memory.incident?.observations).toBe(SEEN_MAX + 500);
    expect(fold([many.slice(-SEEN_MAX)], memory).memory).toEqual(memory);
  });
});

const eventArbitrary = fc
  .record({
    id: fc.nat({ max: 30 }),
    kind: fc.constantFrom(...TOLD_KINDS, ...TOLD_KINDS, 'routed', 'delivered', 'delivery_failed' as const),
    at: fc.nat({ max: 20 }),
    severity: fc.constantFrom(...SEVERITIES),
    level: fc.constantFrom(null, 0.5, 0.8, 1, Number.NaN),
    until: fc.option(fc.nat({ max: 30 })),
    sink: fc.constantFrom(null, 'oncall'),
    detail: fc.constantFrom(
      '{}',
      '[]',
      'no json',
      '{"for_event_id":"e-1","sinks":["oncall"],"base_url":""}',
      '{"for_event_id":"e-1","attempts":1,"given_up":true}',
      `{"long":"${'x'.repeat(9_000)}"}`,
    ),
  })
  .map(({ id, kind, at, severity, level, until, sink, detail }) =>
    eventOf({
      event_id: `e-${id}`,
      kind: kind as IncidentEvent['kind'],
      at_ms: T + at,
      severity,
      level,
      silenced_until_ms: until === null ? null : T + until,
      sink,
      detail,
    }),
  );

/** As the log gives them: encoded, decoded, bounded. */
const throughLog = (event: IncidentEvent): IncidentEvent => {
  const value = encodeIncidentEvent(event);
  const decoded = incidentFold.decode({ offset: 0, timestampMs: 0, key: null, value, headers: {} });
  if (decoded.kind !== 'ok') throw new Error(decoded.detail);
  return decoded.value;
};

const batchesArbitrary = fc.array(fc.array(eventArbitrary, { maxLength: 6 }), { maxLength: 8 });

describe('whatever comes', () => {
  test('each event counts once: doubling and cutting the same log into other batches ends the same', () => {
    fc.assert(
      fc.property(batchesArbitrary, fc.infiniteStream(fc.nat({ max: 3 })), (batches, cuts) => {
        const log = batches.flat().map(throughLog);
        const once = fold([log]);
        const again: IncidentEvent[][] = [];
        let past: IncidentEvent[] = [];
        for (const event of log) {
          const repeats = past.slice(-(cuts.next().value ?? 0) || past.length);
          again.push([event, ...repeats]);
          past = [...past, event];
        }
        const doubled = fold(again);
        // The first delivery of an id decides; later ones of the same id are the redelivery.
        expect({ ...doubled.memory }).toEqual({ ...once.memory });
        expect(transitions(doubled.rows)).toEqual(transitions(once.rows));
      }),
      { numRuns: 300 },
    );
  });

  test('states follow one another as they may, and every transition leaves one row', () => {
    const NEXT: Record<string, readonly (string | null)[]> = {
      none: ['opened', 'acknowledged', 'resolved', 'silenced', 'commented', null],
      open: ['escalated', 'acknowledged', 'resolved', 'silenced', 'commented', null],
      acknowledged: ['escalated', 'resolved', 'silenced', 'commented', null],
      resolved: ['reopened', 'commented', null],
    };
    fc.assert(
      fc.property(batchesArbitrary, (batches) => {
        const { memory, rows } = fold(batches.map((batch) => batch.map(throughLog)));
        let state = 'none';
        const ids = new Set<unknown>();
        for (const row of rows['incident_events'] ?? []) {
          expect(NEXT[state]).toContain(row['transition']);
          if (memory.incident !== null && (state !== 'none' || row['transition'] !== null))
            state = String(row['state']);
          expect(ids.has(row['event_id'])).toBe(false);
          ids.add(row['event_id']);
          expect(() => JSON.parse(String(row['detail']))).not.toThrow();
        }
        expect(memory.incident?.state ?? 'none').toBe(state);
        expect(memory.notices.length).toBeLessThanOrEqual(NOTICES_MAX);
      }),
      { numRuns: 300 },
    );
  });
});
