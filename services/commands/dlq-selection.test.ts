import { describe, expect, test } from 'vitest';
import { ConfigError } from '../runtime/errors.ts';
import { isSelected, parseSelection, selectionSql, type TypedSelection } from './dlq-selection.ts';

const NOW_MS = Date.parse('2026-03-02T12:00:00Z');
const clock = { nowMs: () => NOW_MS, sleep: async () => {} };
const parse = (typed: Partial<TypedSelection>) => parseSelection({ positions: [], ...typed }, clock);

const origin = { logId: 'life-1', topic: 'otlp_spans', partition: 1, offset: 42 };
const headers = { reason: 'malformed_json', service: 'normalizer', first_seen: '2026-03-02 11:00:00.000' };

describe('which dead letters are meant', () => {
  test.each<[Partial<TypedSelection>, boolean]>([
    [{}, true],
    [{ positions: ['otlp_spans/1/42'] }, true],
    [{ positions: ['otlp_spans/1/43', 'life-1/otlp_spans/1/42'] }, true],
    [{ positions: ['life-2/otlp_spans/1/42'] }, false],
    [{ positions: ['otlp_spans/0/42'] }, false],
    [{ topic: 'otlp_spans', reason: 'malformed_json', service: 'normalizer' }, true],
    [{ topic: 'otlp_logs' }, false],
    [{ reason: 'too_deep' }, false],
    [{ service: 'ledger' }, false],
    [{ since: '2h' }, true],
    [{ since: '30m' }, false],
    [{ since: '2026-03-02T10:59:59Z' }, true],
    [{ since: '2026-03-02T11:00:01Z' }, false],
  ])('%j: %s', (typed, expected) => {
    expect(isSelected(parse(typed), origin, headers)).toBe(expected);
  });

  test("letters of versions that did not say their service are the normalizer's", () => {
    const old = { reason: 'malformed_json', first_seen: headers.first_seen };
    expect(isSelected(parse({ service: 'normalizer' }), origin, old)).toBe(true);
    expect(isSelected(parse({ service: 'ledger' }), origin, old)).toBe(false);
  });

  test('everything that is wrong is said at once', () => {
    try {
      parse({ positions: ['x', 'a/b/c'], topic: "t' OR 1", reason: 'bad', service: 'S', since: 'lately' });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(error instanceof ConfigError && error.problems.map(({ key }) => key)).toEqual([
        'position',
        'position',
        '--topic',
        '--service',
        '--reason',
        '--since',
      ]);
    }
  });

  test('nothing that was typed reaches the SQL as it is', () => {
    for (const hostile of ["otlp_spans'/0/1", "x' OR '1'='1/0/1", 'a/0/1) OR (1'])
      expect(() => parse({ positions: [hostile] })).toThrow(ConfigError);
    expect(selectionSql(parse({ positions: ['life-1/otlp_spans/1/42'], reason: 'too_deep', since: '1h' }))).toBe(
      "((log_topic = 'otlp_spans' AND log_partition = 1 AND log_offset = 42 AND log_id = 'life-1')) AND reason = 'too_deep' AND logged_at >= fromUnixTimestamp64Milli(1772449200000, 'UTC') AND 1",
    );
  });
});
