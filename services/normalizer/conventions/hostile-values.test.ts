import { expect, test } from 'vitest';
import { decodeLogs, decodeTraces } from '../../../schemas/otlp/decode.ts';
import type { AnyValue, OtlpItem, OtlpLogRecord, OtlpRequest, OtlpSpan } from '../../../schemas/otlp/types.ts';
import type { Outcome } from '../../../schemas/outcome.ts';
import { captures } from '../../../test/support/captures.ts';
import { createDice } from '../../../test/support/random.ts';
import { type SpanView, viewOfLog, viewOfSpan } from '../span-view.ts';
import { conventionOf } from './registry.ts';

const SEED = 6_061;

/** What an attribute may hold instead of what its family writes there. */
const HOSTILE: readonly AnyValue[] = [
  '',
  '{',
  '[]',
  '{}',
  'null',
  '-1',
  '1e400',
  '"{\\"a\\":1}"',
  '[[[[[[]]]]]]',
  '{"input":-1,"output":"x","total":null,"input_cached_tokens":1e400,"__proto__":{"input":5}}',
  '{"usage":{"usage":{"usage":[]}},"lc":1,"kwargs":null,"value":{"value":{}}}',
  '[{"type":"tool-call"},null,5,"x",[{"role":{}}]]',
  '\u0000\ud800'.repeat(50),
  'x'.repeat(10_000),
  0,
  -5,
  1e300,
  Number.NaN,
  true,
  9_223_372_036_854_775_807n,
  undefined,
  [],
  [undefined, 'error', ['nested']],
  new Map<string, AnyValue>([['constructor', 'x']]),
  new Uint8Array([255, 0]),
];

test(`whatever stands where a family expects something, no convention throws or makes up a figure (seed ${SEED})`, () => {
  const dice = createDice(SEED);
  const disturbed = <T extends Item>(entry: OtlpItem<T>): OtlpItem<T> => {
    const attributes = [...entry.item.attributes].map(
      ([key, value]) => [key, dice.chance(0.3) ? dice.pick(HOSTILE) : value] as const,
    );
    return { ...entry, item: { ...entry.item, attributes: new Map(attributes) } };
  };
  const views = captures().flatMap(({ signal, bytes }): readonly SpanView[] => {
    if (signal === 'traces') return itemsOf(decodeTraces(bytes)).map((entry) => viewOfSpan(disturbed(entry)));
    return signal === 'logs' ? itemsOf(decodeLogs(bytes)).map((entry) => viewOfLog(disturbed(entry))) : [];
  });
  expect(views.length).toBeGreaterThan(2_000);
  for (const view of views) {
    const { call } = conventionOf(view).read(view);
    const figures = Object.values(call?.usage ?? {}).filter((figure) => figure !== undefined);
    for (const figure of figures) expect(Number.isSafeInteger(figure) && figure >= 0).toBe(true);
  }
});

type Item = OtlpSpan | OtlpLogRecord;

const itemsOf = <T>(decoded: Outcome<OtlpRequest<T>>): readonly OtlpItem<T>[] => {
  if (decoded.kind === 'refused') throw new Error(decoded.detail);
  return decoded.value.items;
};
