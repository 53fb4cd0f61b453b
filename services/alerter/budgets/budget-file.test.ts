import { describe, expect, test } from 'vitest';
import { readBudgets } from './budget-file.ts';

const problemsOf = (yaml: string): readonly string[] => {
  const read = readBudgets('b.yaml', yaml);
  return read.kind === 'ok' ? [] : read.problems.map(({ key, value, allowed }) => `${key} | ${value} | ${allowed}`);
};

describe('a budgets file', () => {
  test('gives budgets with exact amounts and stated defaults', () => {
    const read = readBudgets(
      'b.yaml',
      'budgets:\n  - {id: a, period: day, limit_usd: "12.345678901234", unknown_call_ceiling_usd: 1e-7}\n' +
        '  - {id: b, title: B, period: month, timezone: Asia/Kathmandu, limit_usd: 0.1, thresholds: [0.25, 1.2], scope: {agent: x}, unknown_call_ceiling_usd: 0}\n',
    );
    expect(read).toEqual({
      kind: 'ok',
      budgets: [
        {
          id: 'a',
          title: 'a',
          scope: {},
          period: 'day',
          timezone: 'UTC',
          limit: 12_345_678_901_234n,
          thresholds: [0.5, 0.8, 1],
          unknownCallCeiling: 100_000n,
        },
        {
          id: 'b',
          title: 'B',
          scope: { agent: 'x' },
          period: 'month',
          timezone: 'Asia/Kathmandu',
          limit: 100_000_000_000n,
          thresholds: [0.25, 1.2],
          unknownCallCeiling: 0n,
        },
      ],
    });
  });

  test('takes an amount as it is written, digit by digit, and refuses one with more places than money has', () => {
    const limitOf = (text: string) => {
      const read = readBudgets(
        'b.yaml',
        `budgets:\n  - {id: a, period: day, limit_usd: ${text}, unknown_call_ceiling_usd: 0}\n`,
      );
      return read.kind === 'ok' ? read.budgets[0]?.limit : null;
    };
    expect(limitOf('100000000.123456789012')).toBe(100_000_000_123_456_789_012n);
    expect(limitOf('12345678901234567890')).toBe(12_345_678_901_234_567_890_000_000_000_000n);
    expect(limitOf('0.1234567890125')).toBeNull();
    expect(limitOf('1e3')).toBe(1_000_000_000_000_000n);
  });

  test.each(['', '# nothing yet\n', 'budgets:\n', 'budgets: []\n'])(
    'without budgets says there are none: %j',
    (yaml) => {
      expect(readBudgets('b.yaml', yaml)).toEqual({ kind: 'ok', budgets: [] });
    },
  );

  test('names everything that is wrong at once, each with its line', () => {
    const problems = problemsOf(`budgets:
  - id: "no spaces please"
    period: week
    timezone: Mars/Olympus
    limit_usd: -1
    unknown_call_ceiling_usd: 0
  - id: b
    period: day
    limit_usd: 0.0000000000001
    thresholds: [0.8, 0.5]
    scope: {tenant: "a b", team: x}
    colour: red
`);
    expect(problems.map((problem) => problem.split(' | ')[0])).toEqual([
      'b.yaml:2 budgets.0.id',
      'b.yaml:3 budgets.0.period',
      'b.yaml:4 budgets.0.timezone',
      'b.yaml:5 budgets.0.limit_usd',
      'b.yaml:11 budgets.1.scope.tenant',
      'b.yaml:11 budgets.1.scope.team',
      'b.yaml:9 budgets.1.limit_usd',
      'b.yaml:10 budgets.1.thresholds',
      'b.yaml:7 budgets.1.unknown_call_ceiling_usd',
      'b.yaml:12 budgets.1.colour',
    ]);
    for (const problem of problems) expect(problem).toMatch(/\| .+ \| .+/);
  });

  test.each([
    ['budgets: [1\n', /b\.yaml:\d+ \| .* \| valid YAML/],
    ['budgets: 5\n', /b\.yaml:1 budgets/],
    ['just text\n', /b\.yaml:1/],
    [
      'budgets:\n  - {id: a, period: day, limit_usd: 1, unknown_call_ceiling_usd: 0}\n  - {id: a, period: day, limit_usd: 1, unknown_call_ceiling_usd: 0}\n',
      /b\.yaml:3 id \| a \| an id of its own/,
    ],
    ['budgets:\n  - {id: a, period: day, limit_usd: .inf, unknown_call_ceiling_usd: 0}\n', /limit_usd/],
    ['budgets:\n  - {id: a, period: day, limit_usd: 1, thresholds: [], unknown_call_ceiling_usd: 0}\n', /thresholds/],
    ['budgets:\n  - {id: a, period: day, limit_usd: 1, thresholds: [0], unknown_call_ceiling_usd: 0}\n', /thresholds/],
    ['a: &a [*a]\nbudgets: *a\n', /b\.yaml/],
    [
      `a: &a [x, x]\n${[...'bcdefgh'].map((name, at) => `${name}: &${name} [${`*${'abcdefg'[at]}, `.repeat(9)}]`).join('\n')}\n`,
      /aliases/,
    ],
  ])('that is broken is refused: %j', (yaml, expected) => {
    expect(problemsOf(yaml).join('\n')).toMatch(expected);
  });
});
