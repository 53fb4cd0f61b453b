import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import type { OtlpSpan } from '../../schemas/otlp/types.ts';
import { endlessPayloads, PAYLOAD_KINDS, type Payload, payloadsOf } from './payloads.ts';

const SPANS = 6_000;

const spansOf = ({ bytes }: Payload): readonly OtlpSpan[] => {
  const decoded = decodeTraces(bytes);
  if (decoded.kind === 'refused') throw new Error(decoded.detail);
  expect(decoded.value.refusals).toEqual([]);
  return decoded.value.items.map(({ item }) => item);
};

const digest = (payloads: Iterable<Payload>): string => {
  const hash = createHash('sha256');
  for (const { bytes } of payloads) hash.update(bytes);
  return hash.digest('hex');
};

for (const kind of PAYLOAD_KINDS) {
  test(`${kind}: no two spans share an id, and every request says how many it holds`, () => {
    const seen = new Set<string>();
    let told = 0;
    for (const payload of payloadsOf(kind, SPANS)) {
      const spans = spansOf(payload);
      expect(spans.length).toBe(payload.spans);
      told += payload.spans;
      for (const { traceId, spanId } of spans) seen.add(traceId + spanId);
    }
    expect(told).toBeGreaterThanOrEqual(SPANS);
    expect(seen.size).toBe(told);
  });

  test(`${kind}: the same arguments give the same bytes`, () => {
    expect(digest(payloadsOf(kind, SPANS))).toBe(digest(payloadsOf(kind, SPANS)));
  });

  test(`${kind}: a parent that is sent is sent under the id its children name`, () => {
    const parents = (from: Iterable<Payload>): readonly [sent: number, named: number] => {
      const all = [...from].flatMap(spansOf);
      const ids = new Set(all.map(({ traceId, spanId }) => traceId + spanId));
      const children = all.filter(({ parentSpanId }) => parentSpanId !== '');
      return [children.filter(({ traceId, parentSpanId }) => ids.has(traceId + parentSpanId)).length, children.length];
    };
    const [sent, named] = parents(payloadsOf(kind, SPANS));
    // Recordings leave some parents out; ids that do not move together would leave none in.
    expect(sent / named).toBeGreaterThan(0.9);
  });
}

test('endless payloads of two seeds share no span', () => {
  const ids = (seed: number): readonly string[] => {
    const found: string[] = [];
    for (const payload of endlessPayloads(seed, 1n)) {
      found.push(...spansOf(payload).map(({ traceId, spanId }) => traceId + spanId));
      if (found.length >= SPANS) break;
    }
    return found;
  };
  const [one, two] = [ids(1), ids(2)];
  expect(new Set([...one, ...two]).size).toBe(one.length + two.length);
});
