import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryTraces } from '../../test/support/arbitrary-otlp.ts';
import { captures } from '../../test/support/captures.ts';
import type { Outcome } from '../outcome.ts';
import { decodeLogs, decodeTraces } from './decode.ts';
import { encodeTraces } from './encode.ts';
import { type SplitOptions, splitRequest } from './split.ts';
import type { OtlpItem, OtlpLogRecord, OtlpSpan } from './types.ts';

const OPTIONS: SplitOptions = { signal: 'spans', tenant: 'default', targetBytes: 900 * 1024, outputBytesMax: 2 ** 26 };

const unwrap = <T>(outcome: Outcome<T>): T => {
  if (outcome.kind === 'refused') throw new Error(`${outcome.reason}: ${outcome.detail}`);
  return outcome.value;
};
type AnyItem = OtlpItem<OtlpSpan | OtlpLogRecord>;
const decodeAny = (signal: 'spans' | 'logs', bytes: Uint8Array): { readonly items: readonly AnyItem[] } =>
  signal === 'spans' ? unwrap(decodeTraces(bytes, 'protobuf')) : unwrap(decodeLogs(bytes, 'protobuf'));

/** Items without their index, by trace: what must survive a split, in order. */
const byTrace = (items: readonly AnyItem[]) => {
  const runs = new Map<string, object[]>();
  for (const { item, resource, scope } of items) {
    const run = runs.get(item.traceId) ?? [];
    runs.set(item.traceId, [...run, { item, resource, scope }]);
  }
  return runs;
};

describe('a request split by run', () => {
  const protobuf = captures().filter((c) => c.name.endsWith('.bin') && c.signal !== 'metrics');

  test.each([900 * 1024, 5000])('keeps every item, in the order of its run (target %i bytes)', (targetBytes) => {
    for (const { name, signal, bytes } of protobuf) {
      const kind = signal === 'logs' ? 'logs' : 'spans';
      const split = unwrap(splitRequest(bytes, { ...OPTIONS, signal: kind, targetBytes }));
      const pieces = split.parts.flatMap((part) => decodeAny(kind, part.value).items);
      const whole = decodeAny(kind, bytes).items;
      expect(split.accepted, name).toBe(whole.length);
      if (kind === 'spans') expect(byTrace(pieces), name).toEqual(byTrace(whole));
      expect(pieces.length, name).toBe(whole.length);
      for (const part of split.parts) {
        const { items } = decodeAny(kind, part.value);
        expect(new Set(items.map((i) => i.item.traceId)).size).toBe(1);
        expect(items.length).toBe(part.items);
        expect(items.length === 1 || part.value.length <= targetBytes, name).toBe(true);
      }
    }
  });

  test('gives the same bytes every time', () => {
    for (const { bytes } of protobuf.slice(0, 5)) {
      expect(splitRequest(bytes, OPTIONS)).toEqual(splitRequest(bytes.slice(), OPTIONS));
    }
  });

  test('keeps fields that no version of ours knows', () => {
    const unknown = [0xa2, 0x06, 0x03, 1, 2, 3]; // field 100, three bytes
    const id = (size: number) => Array.from({ length: size }, () => 7);
    const span = [0x0a, 16, ...id(16), 0x12, 8, ...id(8), ...unknown];
    const scope = [0x12, span.length, ...span, ...unknown];
    const resource = [0x12, scope.length, ...scope, ...unknown];
    const split = unwrap(splitRequest(Uint8Array.from([0x0a, resource.length, ...resource]), OPTIONS));
    const text = Buffer.from(split.parts[0]?.value ?? []).toString('hex');
    expect(text.split(Buffer.from(unknown).toString('hex')).length - 1).toBe(3);
  });

  test('refuses what the decoder refuses, for any damage', () => {
    fc.assert(
      fc.property(arbitraryTraces, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (items, flips) => {
        const bytes = encodeTraces(items);
        for (const [at, value] of flips) if (bytes.length > 0) bytes[at % bytes.length] = value;
        const decoded = decodeTraces(bytes, 'protobuf');
        const split = splitRequest(bytes, OPTIONS);
        expect(split.kind).toBe(decoded.kind);
        if (split.kind === 'ok' && decoded.kind === 'ok') expect(split.value.refusals).toEqual(decoded.value.refusals);
      }),
      { numRuns: 2000 },
    );
  });

  test('refuses a request whose resource would be repeated without measure', () => {
    const attributes = new Map([['filler', 'x'.repeat(100_000)]]);
    const resource = { attributes };
    const scope = { name: '', version: '', attributes: new Map() };
    const items = Array.from({ length: 1000 }, (_, i) => ({
      index: i,
      resource,
      scope,
      item: {
        traceId: (i + 1).toString(16).padStart(32, '0'),
        spanId: '0000000000000001',
        parentSpanId: '',
        name: '',
        kind: 0,
        startUnixNano: 0n,
        endUnixNano: 0n,
        attributes: new Map(),
        events: [],
        links: [],
        statusCode: 0,
        statusMessage: '',
      },
    }));
    expect(splitRequest(encodeTraces(items), OPTIONS)).toMatchObject({ kind: 'refused', reason: 'too_large' });
  });
});
