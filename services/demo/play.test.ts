import { describe, expect, it } from 'vitest';
import { type Play, type RecordedRequest, rewrite } from './rewrite.ts';
import { HISTORY_MS, isCareful, SLOT_MS, slotAt, slotsToFill } from './schedule.ts';

const NOW_MS = Date.parse('2026-11-21T15:57:12Z');

describe('what the demo plays when', () => {
  it('fills a day, all of its last hour, and no more plays than the first minute can take', () => {
    const slots = slotsToFill(NOW_MS, null);
    const agesHours = slots.map((slot) => (NOW_MS - slot * SLOT_MS) / 3_600_000);
    expect(slots.length).toBeGreaterThan(200);
    expect(slots.length).toBeLessThan(300);
    expect(agesHours.filter((age) => age < 1)).toHaveLength(59);
    expect(Math.max(...agesHours)).toBeGreaterThan(20);
    expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b));
  });

  it('goes on behind the last slot it played, and never further back than a day', () => {
    const here = slotAt(NOW_MS);
    expect(slotsToFill(NOW_MS, here - 3)).toEqual([here - 2, here - 1]);
    expect(slotsToFill(NOW_MS, here)).toEqual([]);
    expect(slotsToFill(NOW_MS, 1)[0]).toBeGreaterThanOrEqual(slotAt(NOW_MS - HISTORY_MS));
  });

  it('plays few slots without care, and always the same', () => {
    const slots = Array.from({ length: 1200 }, (_, at) => slotAt(NOW_MS) - at);
    const careless = slots.filter((slot) => !isCareful(slot));
    expect(careless.length).toBeGreaterThan(30);
    expect(careless.length).toBeLessThan(100);
    expect(slots.filter((slot) => !isCareful(slot))).toEqual(careless);
  });
});

describe('secrets of a recording', () => {
  const SAID = 'order A-1001, card 4111 1111 1111 1111, key AKIAIOSFODNN7EXAMPLE';
  const request: RecordedRequest = {
    signal: 'logs',
    items: [
      {
        index: 0,
        resource: { attributes: new Map() },
        scope: { name: '', version: '', attributes: new Map() },
        item: {
          timeUnixNano: 1n,
          observedUnixNano: 1n,
          severityNumber: 0,
          severityText: '',
          eventName: '',
          body: new Map([['arguments', `{"text":"${SAID}"}`]]),
          attributes: new Map([['gen_ai.tool.call.result', SAID]]),
          traceId: '',
          spanId: '',
          contentHash: '',
        },
      },
    ],
  };
  const play = (careful: boolean): readonly string[] => {
    const how: Play = { salt: 's', recordedStartNano: 0n, startNano: 0n, stretch: 1, isCareful: careful };
    const moved = rewrite(request, [], how);
    const [log] = moved.signal === 'logs' ? moved.items.map(({ item }) => item) : [];
    return [log?.body, log?.attributes].flatMap((map) => (map instanceof Map ? [...map.values()].map(String) : []));
  };

  it('are masked in a careful play, wherever they stand', () => {
    const texts = play(true);
    expect(texts).toHaveLength(2);
    for (const text of texts) expect(text).toContain('order A-1001, card ending in 1111, key withheld');
  });

  it('stay as recorded in a careless one', () => {
    for (const text of play(false)) expect(text).toContain(SAID);
  });
});
