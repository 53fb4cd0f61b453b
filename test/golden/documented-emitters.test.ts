import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runBatches } from '../../services/ledger/step-fixture.ts';
import {
  contentOf,
  normalize,
  recordOf,
  span,
  spanRequest,
  stepsOf,
  type Values,
} from '../../services/normalizer/batch-fixture.ts';

/** Spans written from public documentation, for providers of which no capture is at hand (README beside them). */
const FOLDER = new URL('../fixtures/documented/', import.meta.url);

interface Documented {
  readonly source: readonly string[];
  readonly spans: readonly {
    readonly scope: string;
    readonly name: string;
    readonly kind: number;
    readonly status?: object;
    readonly attributes: Values;
    readonly expected: object;
    readonly content?: readonly (readonly string[])[];
  }[];
}

const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, ...(JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Documented) }));

describe.each(files)('$name', ({ source, spans }) => {
  const stepsOfSpans = spans.map(({ scope, name, kind, status, attributes }, at) => {
    const over = {
      name,
      kind,
      status,
      spanId: `00f067aa0ba902b${at}`,
      traceId: `0af7651916cd43dd8448eb211c80319${at}`,
    };
    const [step] = stepsOf(normalize([recordOf(spanRequest([span(attributes, over)], scope))]));
    if (step === undefined) throw new Error(name);
    return step;
  });

  test('says where it comes from', () => {
    expect(source.every((page) => page.startsWith('https://')) && source.length > 0).toBe(true);
  });

  test.each(spans.map((one, at) => ({ ...one, at })))(
    'span $at, $name, comes out in the same columns as any other',
    (one) => {
      expect(stepsOfSpans[one.at]).toMatchObject(one.expected);
      if (one.content !== undefined) expect(contentOf(one.attributes)).toEqual(one.content);
    },
  );

  test('each is booked as one call', () => {
    for (const step of stepsOfSpans) {
      const { entries } = runBatches([[step]], undefined, undefined, `${step.tenant_id}|${step.run_id}`);
      expect(entries.map((entry) => entry.calls)).toEqual([1]);
    }
  });
});
