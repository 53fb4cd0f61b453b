import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryLogs, arbitraryTraces, withMaps } from '../../test/support/arbitrary-otlp.ts';
import { type Capture, captures } from '../../test/support/captures.ts';
import type { Outcome } from '../outcome.ts';
import { countMetrics } from './count-metrics.ts';
import { decodeLogs, decodeTraces } from './decode.ts';
import { encodeLogs, encodeTraces } from './encode.ts';

/** Decodes a capture with the decoder of its signal; again after our own encoder wrote it. */
const decode = ({ signal, bytes }: Capture) => (signal === 'logs' ? decodeLogs(bytes) : decodeTraces(bytes));
const reencode = ({ signal, bytes }: Capture) =>
  signal === 'logs'
    ? decodeLogs(encodeLogs(unwrap(decodeLogs(bytes)).items))
    : decodeTraces(encodeTraces(unwrap(decodeTraces(bytes)).items));

const unwrap = <T>(outcome: Outcome<T>): T => {
  if (outcome.kind === 'refused') throw new Error(`${outcome.reason}: ${outcome.detail}`);
  return outcome.value;
};

describe('recorded payloads of real emitters', () => {
  const items = captures().filter((c) => c.signal !== 'metrics');

  test('decode whole, without a single refusal', () => {
    let count = 0;
    for (const capture of items) {
      const { items: decoded, refusals } = unwrap<{ items: readonly unknown[]; refusals: readonly unknown[] }>(
        decode(capture),
      );
      expect(refusals, capture.name).toEqual([]);
      count += decoded.length;
    }
    expect(count).toBeGreaterThan(1000);
  });

  test('of metrics are counted by data point', () => {
    const counts = captures()
      .filter((c) => c.signal === 'metrics')
      .map(({ bytes }) => unwrap(countMetrics(bytes)));
    expect(counts.length).toBeGreaterThan(0);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  test('say the same after they were written as protobuf', () => {
    for (const capture of items) expect(reencode(capture), capture.name).toEqual(decode(capture));
  });

  test.each([
    ['traces', '.bin'],
    ['traces', '.json'],
    ['logs', '.bin'],
    ['logs', '.json'],
  ])('%s (%s) cut off at any byte give an outcome and never throw', (signal, extension) => {
    const found = items
      .filter((c) => c.signal === signal && c.name.endsWith(extension))
      .sort((a, b) => a.bytes.length - b.bytes.length)
      .slice(0, 1);
    expect(found.length).toBe(1);
    for (const capture of found) {
      const step = Math.ceil(capture.bytes.length / 3000);
      for (let end = 1; end < capture.bytes.length; end += step) {
        const outcome = decode({ ...capture, bytes: capture.bytes.subarray(0, end) });
        expect(outcome.kind).toBe('refused');
      }
    }
  });
});

describe('any request', () => {
  test('of traces reads back as it was written', () => {
    fc.assert(
      fc.property(arbitraryTraces, (items) => {
        const decoded = decodeTraces(encodeTraces(items), 'protobuf');
        expect(withMaps(decoded)).toEqual({ kind: 'ok', value: { items, refusals: [] } });
      }),
    );
  });

  test('of logs reads back as it was written', () => {
    fc.assert(
      fc.property(arbitraryLogs, (items) => {
        const decoded = decodeLogs(encodeLogs(items), 'protobuf');
        const plain = (list: readonly { item: object }[]) =>
          list.map((i) => ({ ...i, item: { ...i.item, contentHash: '' } }));
        expect(decoded.kind).toBe('ok');
        if (decoded.kind === 'ok') expect(withMaps(plain(decoded.value.items))).toEqual(plain(items));
      }),
    );
  });

  test('of random bytes gives an outcome and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const encoding of ['protobuf', 'json'] as const) {
          decodeTraces(bytes, encoding);
          decodeLogs(bytes, encoding);
          countMetrics(bytes, encoding);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('with flipped bytes gives an outcome and never throws', () => {
    const request = captures().find((c) => c.signal === 'traces' && c.name.endsWith('.bin'));
    const original = request?.bytes ?? new Uint8Array(1);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 5 }), (flips) => {
        const bytes = new Uint8Array(original);
        for (const [at, value] of flips) bytes[at] = value;
        expect(['ok', 'refused']).toContain(decodeTraces(bytes).kind);
        decodeLogs(bytes);
      }),
      { numRuns: 200 },
    );
  });
});
