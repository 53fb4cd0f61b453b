import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../ports.ts';
import { createBrake, type Past, tellStop } from './brake.ts';
import type { BatchOutput } from './types.ts';

const SETTINGS = { share: 0.5, windowRecords: 10 };

/** A batch from a picture: `.` is a good record, `x` a refused one. */
const batchOf = (
  picture: string,
  first = 0,
): { readonly records: readonly LogRecord[]; readonly output: BatchOutput } => {
  const records = [...picture].map((_, at) => ({
    ...{ offset: first + at, timestampMs: 1, key: null, value: new Uint8Array() },
    headers: {},
  }));
  const deadLetters = [...picture].flatMap((sign, at) =>
    sign === 'x'
      ? [
          {
            ...{ topic: 't.dlq', key: null, value: new Uint8Array() },
            headers: { offset: String(first + at), reason: 'malformed_json' },
          },
        ]
      : [],
  );
  const counts = { duplicates: 0, filtered: 0, empty: 0, hours: [] };
  return { records, output: { tables: [], produce: [], deadLetters, counts } };
};

const stopped = (
  pictures: readonly string[],
  past: readonly Past[] = [],
  passUntil = 0,
  share = 0.5,
): number | null => {
  const brake = createBrake({ ...SETTINGS, share }, past, passUntil);
  let first = 0;
  for (const [at, picture] of pictures.entries()) {
    const { records, output } = batchOf(picture, first);
    if (brake.judge(records, output) !== null) return at;
    first += picture.length;
  }
  return null;
};

describe('the brake', () => {
  test.each<[string, readonly string[], number | null]>([
    ['lets a share up to the limit pass for ever', Array.from({ length: 20 }, () => '.x.x'), null],
    ['lets the first records pass before there is a window', ['xxxxxxxxx'], null],
    ['stops before the batch that goes beyond the share', ['..........', 'xxxxx', 'x', '.'], 2],
    ['sees a burst inside a batch that is good on the whole', [`${'.'.repeat(30)}xxxxxx${'.'.repeat(30)}`], 0],
    ['forgets what is older than the window', ['xxxxx.....', '.....', 'xxxxx', '.....'], null],
  ])('%s', (_, pictures, expected) => {
    expect(stopped(pictures)).toBe(expected);
  });

  test('counts nothing of a batch it did not let begin', () => {
    const brake = createBrake(SETTINGS, [], 0);
    const [good, bad] = [batchOf('..........'), batchOf('xxxxxx', 10)];
    expect(brake.judge(good.records, good.output)).toBeNull();
    for (let again = 0; again < 3; again += 1)
      expect(brake.judge(bad.records, bad.output)).toEqual({ refused: 6, records: 10, reasons: { malformed_json: 6 } });
    const fixed = batchOf('......', 10);
    expect(brake.judge(fixed.records, fixed.output)).toBeNull();
  });

  test('begins where the manifest ends, so that a restart gives no new window', () => {
    const past = [
      { records: 6, refused: 1 },
      { records: 4, refused: 4 },
    ];
    expect(stopped(['x'], past)).toBe(0);
    expect(stopped(['.....', 'x'], past)).toBeNull();
  });

  test('does not count what a person let pass', () => {
    expect(stopped(['x'.repeat(50), '..........', 'xxxxx', 'x'], [], 50)).toBe(3);
  });

  test('at a share of 1 never stops', () => {
    expect(stopped(['x'.repeat(100)], [], 0, 1)).toBeNull();
  });

  test('says what it saw in one sentence', () => {
    expect(tellStop({ refused: 6, records: 10, reasons: { too_deep: 1, malformed_json: 5 } })).toBe(
      'the brake holds it: 6 of the last 10 records refused, mostly malformed_json',
    );
  });
});
