import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { criticalPath, type TimedSpan } from './critical-path.ts';

const span = (span_id: string, start: number, end: number, parent_span_id = ''): TimedSpan => ({
  span_id,
  parent_span_id,
  start,
  end,
});
/** `a 0-10, b 10-30`. */
const told = (...spans: readonly TimedSpan[]): string =>
  criticalPath(spans)
    .map(({ span_id, start, end }) => `${span_id ?? '?'} ${start}-${end}`)
    .join(', ');

describe('the critical path of a made run', () => {
  test.each<readonly [string, readonly TimedSpan[], string]>([
    ['one span', [span('a', 0, 10)], 'a 0-10'],
    [
      'one after another',
      [span('a', 0, 100), span('b', 10, 30, 'a'), span('c', 40, 90, 'a')],
      'a 0-10, b 10-30, a 30-40, c 40-90, a 90-100',
    ],
    [
      'side by side: the one that ends last',
      [span('a', 0, 100), span('b', 10, 60, 'a'), span('c', 10, 90, 'a')],
      'a 0-10, c 10-90, a 90-100',
    ],
    [
      'nested',
      [span('a', 0, 100), span('b', 10, 90, 'a'), span('c', 20, 80, 'b')],
      'a 0-10, b 10-20, c 20-80, b 80-90, a 90-100',
    ],
    [
      'overlapping: the earlier one only as far as nothing else was waited for',
      [span('a', 0, 100), span('b', 0, 50, 'a'), span('c', 40, 100, 'a'), span('d', 10, 40, 'a')],
      'a 0-10, d 10-40, c 40-100',
    ],
    [
      'a fork and a join',
      [
        span('a', 0, 100),
        span('b', 0, 20, 'a'),
        span('c', 20, 60, 'a'),
        span('d', 20, 80, 'a'),
        span('e', 80, 100, 'a'),
      ],
      'b 0-20, d 20-80, e 80-100',
    ],
    ['a parent that has not come', [span('a', 0, 40), span('c', 60, 100, 'gone')], 'a 0-40, ? 40-60, c 60-100'],
    ['a child that outlives its parent', [span('a', 0, 50), span('b', 10, 90, 'a')], 'a 0-10, b 10-50'],
    ['a child that began before its parent', [span('a', 10, 50), span('b', 0, 30, 'a')], 'b 10-30, a 30-50'],
    ['a circle of parents', [span('a', 0, 10, 'b'), span('b', 2, 8, 'a')], 'a 0-2, b 2-8, a 8-10'],
    ['its own parent', [span('a', 0, 10, 'a')], 'a 0-10'],
    ['spans without length', [span('a', 0, 10), span('b', 5, 5, 'a')], 'a 0-10'],
    ['an end before its start', [span('a', 5, 0)], ''],
    ['nothing', [], ''],
  ])('%s', (_what, spans, path) => {
    expect(told(...spans)).toBe(path);
    expect(told(...[...spans].reverse())).toBe(path);
  });

  test('a chain as deep as it is long', () => {
    const deep = Array.from({ length: 20_000 }, (_, at) =>
      span(`s${at}`, at, 40_000 - at, at === 0 ? '' : `s${at - 1}`),
    );
    expect(criticalPath(deep)).toHaveLength(39_999);
  });
});

/** The same by the plainest reading: for each moment, from the end, whom the span at the top of it waits for. */
const plainly = (spans: readonly TimedSpan[]): ReadonlyMap<number, string> => {
  const at = new Map<number, string>();
  const cover = (own: TimedSpan, from: number, until: number): void => {
    let cursor = until;
    let isFirst = true;
    while (cursor > from) {
      const children = spans.filter(
        (child) =>
          child.parent_span_id === own.span_id &&
          child.start < cursor &&
          (isFirst || child.end <= cursor) &&
          Math.min(child.end, cursor) > Math.max(child.start, from),
      );
      const last = [...children].sort(
        (a, b) => b.end - a.end || a.start - b.start || (a.span_id < b.span_id ? -1 : 1),
      )[0];
      isFirst = false;
      const end = last === undefined ? from : Math.min(last.end, cursor);
      for (let moment = end; moment < cursor; moment += 1) at.set(moment, own.span_id);
      if (last === undefined) return;
      const start = Math.max(last.start, from);
      cover(last, start, end);
      cursor = start;
    }
  };
  const root = spans.find(({ parent_span_id }) => parent_span_id === '');
  if (root !== undefined) cover(root, root.start, root.end);
  return at;
};

test('of any tree it is the path found moment by moment, and its lengths add up to the whole', () => {
  const tree = fc
    .array(fc.tuple(fc.nat(), fc.nat({ max: 40 }), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 14 })
    .map((draws) =>
      draws.map(([parent, start, length], at) =>
        at === 0
          ? span('s00', 0, 60)
          : span(`s${String(at).padStart(2, '0')}`, start, start + length, `s${String(parent % at).padStart(2, '0')}`),
      ),
    );
  fc.assert(
    fc.property(tree, (spans) => {
      const path = criticalPath(spans);
      const moments = new Map(
        path.flatMap(({ span_id, start, end }) =>
          Array.from({ length: end - start }, (_, at) => [start + at, span_id ?? ''] as const),
        ),
      );
      expect(path.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(60);
      expect([...moments].sort(([a], [b]) => a - b)).toEqual([...plainly(spans)].sort(([a], [b]) => a - b));
    }),
    { numRuns: 500 },
  );
});
