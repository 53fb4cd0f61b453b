import { describe, expect, test } from 'vitest';
import { durationMicros } from './duration.ts';
import { matchesGlob } from './glob.ts';
import { cidrIn, hostIn } from './hosts.ts';
import { findsPattern, patternProblem } from './pattern.ts';
import { judgeRun } from './run-step.ts';
import { emptyState } from './state.ts';
import { ruleText, setOf, stepsOf } from './step-fixture.ts';
import { isInWindow, minuteOf } from './windows.ts';

describe('host_in', () => {
  test.each([
    ['github.com', ['github.com'], true],
    ['api.github.com', ['github.com'], true],
    ['github.com.evil.example', ['github.com'], false],
    ['notgithub.com', ['github.com'], false],
    ['GitHub.COM.', ['github.com'], true],
    ['github.com:443', ['github.com'], true],
    ['x.github.com', ['*.github.com'], true],
    ['com', ['github.com'], false],
    ['', [''], false],
    ['x', [''], false],
    ['x.', ['.'], false],
    ['10.0.0.1', ['10.0.0.1'], true],
    ['10.0.0.1', ['0.0.1'], false],
    ['[::1]:80', ['::1'], true],
  ])('%s in %j is %s', (host, list, holds) => {
    expect(hostIn(host, list)).toBe(holds);
  });
});

describe('cidr_in', () => {
  test.each([
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['11.1.2.3', ['10.0.0.0/8'], false],
    ['fe80::1', ['fe80::/10'], true],
    ['10.1.2.3:80', ['10.0.0.0/8'], true],
    ['example.com', ['0.0.0.0/0'], false],
    ['10.1.2.3', ['10.0.0.0/99', 'nonsense', '10.0.0.0'], false],
  ])('%s in %j is %s', (address, ranges, holds) => {
    expect(cidrIn(address, ranges)).toBe(holds);
  });
});

describe('glob', () => {
  test.each([
    ['read_file', 'read_*', true],
    ['read_file', '*', true],
    ['', '*', true],
    ['read_file', 'read', false],
    ['read_file', 'read_fil?', true],
    ['read_file', 'READ_*', false],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['abcabc', '*abc', true],
    ['a*', 'a*', true],
  ])('%s matches %s: %s', (text, pattern, holds) => {
    expect(matchesGlob(text, pattern)).toBe(holds);
  });

  test('stars upon stars cost no more than their product', () => {
    expect(matchesGlob('a'.repeat(4_000), `${'*a'.repeat(500)}b`)).toBe(false);
  });
});

describe('matches', () => {
  test('a pattern that kills other engines is harmless', () => {
    expect(patternProblem('(a+)+$')).toBe(null);
    expect(findsPattern(`${'a'.repeat(100_000)}!`, '(a+)+$')).toBe(false);
    expect(findsPattern('a'.repeat(100_000), '(a+)+$')).toBe(true);
  });

  test.each(['(?=x)', '(?<!x)y', '(a)\\1', '[', 'a{1001}', 'x'.repeat(1_001), '[a-z]{1000}[a-z]{1000}'])(
    '%s is refused with its reason',
    (pattern) => {
      expect(patternProblem(pattern)).not.toBe(null);
    },
  );
});

describe('windows', () => {
  const office = { days: ['mon', 'fri'], fromMinute: 480, toMinute: 1_080, zone: 'Europe/Berlin' } as const;
  const night = { days: ['fri'], fromMinute: 1_320, toMinute: 360, zone: 'America/New_York' } as const;

  test.each([
    ['monday at eight by the clock of Berlin', office, '2026-03-02T07:00:00Z', true],
    ['a minute earlier', office, '2026-03-02T06:59:00Z', false],
    ['in summer an hour earlier', office, '2026-07-06T06:00:00Z', true],
    ['at the end', office, '2026-03-02T17:00:00Z', false],
    ['on tuesday', office, '2026-03-03T10:00:00Z', false],
    ['friday night', night, '2026-03-07T03:30:00Z', true],
    ['the morning after it', night, '2026-03-07T10:59:00Z', true],
    ['the morning before it', night, '2026-03-06T10:00:00Z', false],
  ])('%s', (_what, window, iso, holds) => {
    expect(isInWindow(new Date(iso), window)).toBe(holds);
  });

  test('a time of day is hh:mm', () => {
    expect(['08:30', '24:00', '24:01', '8:30', '12:60', ''].map(minuteOf)).toEqual([
      510,
      1_440,
      null,
      null,
      null,
      null,
    ]);
  });
});

test('durations are whole numbers with a unit, a year at most', () => {
  expect(['500ms', '30s', '10m', '6h', '1d', '366d', '1.5h', '10', '-1s'].map(durationMicros)).toEqual([
    500_000,
    30_000_000,
    600_000_000,
    21_600_000_000,
    86_400_000_000,
    null,
    null,
    null,
    null,
  ]);
});

test.each([
  'e.ts.getHours("Europe/Berlin") < 25 && double(e.ts.getDayOfWeek()) in [0, 1, 2, 3, 4, 5, 6]',
  'e.ts > timestamp("2020-01-01T00:00:00Z") && e.ts - timestamp("2020-01-01T00:00:00Z") > duration("1h")',
  'e.tool.name.split(" ")[0] == "x" && e.tool.name.size() == 3 && size(e.tool.name) > 2',
  'e.labels["team"] == "red" && "team" in e.labels && has_label(e, "team=red") && has_label(e, "team")',
  '["a", "b"].filter(x, x == "a").size() == 1 && ["a", "b"].exists_one(x, x == "a") && {"a": 1}["a"] == 1',
  'e.tool.arguments.lowerAscii() == "axb" && e.tool.arguments.trim().upperAscii().startsWith("AX")',
  'string(e.duration_ms) == "0" && double("1.5") > 1 && int(1.5) == 1 && -e.duration_ms * 2 / 3 <= 1 - 1',
])('what the manual names is in the language: %s', (when) => {
  const steps = stepsOf({ kind: 'tool', labels: { team: 'red' }, tool: { name: 'x y', arguments: 'aXb' } });
  const { violations, errors } = judgeRun(emptyState('test|r'), steps, setOf(ruleText({ when: `'${when}'` })), 0);
  expect(errors).toEqual([]);
  expect(violations).toHaveLength(1);
});
