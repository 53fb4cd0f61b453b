import { describe, expect, test } from 'vitest';
import {
  deadLetterHeaders,
  originOfHeaders,
  originText,
  parseOrigin,
  REPLAY_HEADER,
  replayHeaders,
  replayOf,
} from './dead-letter.ts';

const first = { logId: 'life-1', topic: 'otlp_spans', partition: 1, offset: 42 };
const second = { ...first, offset: 99 };
const laidOver = (origin: typeof first) =>
  deadLetterHeaders({ ...origin, reason: 'too_deep', firstSeen: '2026-03-02 11:00:00.000', service: 'normalizer' });

describe('headers of dead letters', () => {
  test('say the origin, and it is read back', () => {
    expect(originOfHeaders(laidOver(first))).toEqual(first);
    expect(parseOrigin(originText(first))).toEqual(first);
    expect(originOfHeaders({ topic: 'x' })).toBeNull();
  });

  test('a replay has what the sender wrote, and the first origin, however often it was refused', () => {
    const sent = { 'x-tacho-tenant': 'shop', traceparent: '00-1' };
    const once = replayHeaders({ ...sent, ...laidOver(first) }, first);
    expect(once).toEqual({ ...sent, [REPLAY_HEADER]: originText(first) });
    const twice = replayHeaders({ ...once, ...laidOver(second) }, second);
    expect(twice).toEqual(once);
  });

  test('a header that names nonsense is no replay', () => {
    for (const said of ['', 'x', 'a/b/c/d', `${'l'.repeat(65)}/t/0/1`, 'life/t/0/-1', "life/t'/0/1"])
      expect(replayOf({ [REPLAY_HEADER]: said })).toBeNull();
  });
});
