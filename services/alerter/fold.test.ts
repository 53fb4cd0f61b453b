import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeIncidentEvent, type IncidentEvent } from '../../schemas/incident-event.ts';
import { SEVERITIES } from '../../schemas/policy-violation.ts';
import { incidentFold } from './fold.ts';
import { deliveryIdOf, type IncidentMemory, NOTICES_MAX, SEEN_MAX } from './incident.ts';
import { eventOf, foldBatches, TOLD_KINDS, transitionsIn } from './incident-fixture.ts';
import { type RoutingSettings, routeNotice, sinkEvent } from './routing.ts';

const T = 1_795_000_000_000;
const settings: RoutingSettings = {
  sinks: [
    { name: 'oncall', kind: 'webhook', url: 'http://pager.example/', secret: '', min_severity: 'low' },
    { name: 'loud', kind: 'webhook', url: 'http://loud.example/', secret: '', min_severity: 'high' },
  ],
  pager: 'tachograph',
  baseUrl: 'http://console.example',
};

describe('its notices', () => {
  const opened = () => foldBatches([[eventOf({ event_id: 'a', severity: 'high' })]]).memory;
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
    const { memory, rows } = foldBatches(
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
    const { memory, rows } = foldBatches([flapping]);
    expect(memory.notices.length).toBe(NOTICES_MAX);
    const told = rows['incident_events']?.map((row) => row['notification']);
    expect(told?.filter((one) => one === 'overflow').length).toBe(4);
    expect(told?.length).toBe(NOTICES_MAX + 4);
  });

  test('event ids are remembered up to a bound', () => {
    const many = Array.from({ length: SEEN_MAX + 500 }, (_, at) => eventOf({ event_id: `e-${at}` }));
    const { memory } = foldBatches([many]);
    expect(memory.seen.length).toBe(SEEN_MAX);
    expect(memory.incident?.observations).toBe(SEEN_MAX + 500);
    expect(foldBatches([many.slice(-SEEN_MAX)], memory).memory).toEqual(memory);
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
        const once = foldBatches([log]);
        const again: IncidentEvent[][] = [];
        let past: IncidentEvent[] = [];
        for (const event of log) {
          const repeats = past.slice(-(cuts.next().value ?? 0) || past.length);
          again.push([event, ...repeats]);
          past = [...past, event];
        }
        const doubled = foldBatches(again);
        // The first delivery of an id decides; later ones of the same id are the redelivery.
        expect({ ...doubled.memory }).toEqual({ ...once.memory });
        expect(transitionsIn(doubled.rows)).toEqual(transitionsIn(once.rows));
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
        const { memory, rows } = foldBatches(batches.map((batch) => batch.map(throughLog)));
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
