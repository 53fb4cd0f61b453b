import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expandMacros, type QueryTime } from './macros.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'macros-golden.json'), 'utf8')) as {
  readonly expansions: Readonly<Record<string, string | { readonly error: string }>>;
};
const RECORDED: QueryTime = { fromMs: 1_415_792_726_123, toMs: 1_447_328_726_456, intervalMs: 60_000 };

describe('macros expand as the plugin recorded them', () => {
  test.each(Object.entries(golden.expansions))('%s', (sql, expected) => {
    if (typeof expected === 'string') expect(expandMacros(sql, RECORDED)).toBe(expected);
    else expect(() => expandMacros(sql, RECORDED)).toThrow(expected.error);
  });

  test('several in one query, and nested ones', () => {
    expect(expandMacros('SELECT $__timeInterval(f(a, b)) WHERE $__timeFilter_ms(c) AND x > $__toTime', RECORDED)).toBe(
      'SELECT toStartOfInterval(toDateTime(f(a, b)), INTERVAL 60 second) WHERE c >= fromUnixTimestamp64Milli(1415792726123) AND c <= fromUnixTimestamp64Milli(1447328726456) AND x > toDateTime(1447328726)',
    );
  });

  test('an interval below a second counts as one', () => {
    expect(expandMacros('$__timeInterval(t)', { ...RECORDED, intervalMs: 50 })).toContain('INTERVAL 1 second');
  });
});
