import { describe, expect, test } from 'vitest';
import { admitRuleSet } from './admit.ts';
import { judgeStep } from './judge-step.ts';
import { problemText } from './problem.ts';
import { loadTexts, ruleText, setOf, stepsOf } from './step-fixture.ts';

const problemsOf = (when: string): string => {
  const outcome = loadTexts({ 'r.yaml': ruleText({ when: `'${when}'` }) });
  return outcome.kind === 'refused' ? outcome.problems.map(problemText).join('\n') : '';
};

const judged = (when: string, args: string) => {
  const [step] = stepsOf({ kind: 'tool', name: 'n', tool: { name: 'x', arguments: args } });
  if (step === undefined) throw new Error('a step is expected');
  const set = setOf(`${ruleText({ id: 'dear', when: `'${when}'` })}---\n${ruleText({ id: 'sound' })}`);
  const { judged: told, violations } = judgeStep(set, step, 0, (detector) => detector.open(undefined));
  return {
    error: told.find(({ judge }) => judge.id === 'dear')?.error,
    found: violations.map(({ rule_id }) => rule_id),
  };
};

describe('a condition that would blow up', () => {
  test('by doubling is not in the language', () => {
    expect(problemsOf(`[[1]]${'.map(l, l + l)'.repeat(25)}.exists(l, l.size() == 3)`)).toContain(
      'there is no method map',
    );
  });

  test.each([
    ['a loop in a loop', 'cfg.exceptions.a.exists(a, cfg.exceptions.b.exists(b, a == b))', 'inside another loop'],
    [
      'a loop behind a filter in a loop',
      'cfg.exceptions.a.exists(a, cfg.exceptions.b.filter(b, b == a).size() > 0)',
      'inside another loop',
    ],
    [
      'a loop over lists that looks through lists',
      `cfg.exceptions.a.exists(a, ${Array.from({ length: 6 }, (_, at) => `a in cfg.exceptions.l${at}`).join(' || ')})`,
      'its loops can cost 6030000 comparisons',
    ],
  ])('by %s is refused when it is loaded', (_what, when, says) => {
    expect(problemsOf(when)).toContain(says);
  });

  test('one loop over one list through another is no blow-up, nor is one over a list that is written out', () => {
    expect(problemsOf('cfg.exceptions.a.exists(a, a in cfg.exceptions.b)')).toBe('');
    expect(
      problemsOf('["a", "b"].exists(a, a in cfg.exceptions.b || a in cfg.exceptions.c || a in cfg.exceptions.d)'),
    ).toBe('');
  });

  test.each([
    [
      'a pattern for each part of a text',
      'e.tool.arguments.split(" ").exists(c, e.tool.arguments.matches("[a-z ]{0,300}[0-9]"))',
      'a '.repeat(900),
    ],
    [
      'a text searched for in itself',
      'e.tool.arguments.split(" ").exists(c, e.tool.arguments.contains(c + "x"))',
      'a '.repeat(990) + 'a'.repeat(14_000),
    ],
    ['many stars', `glob(e.tool.arguments, "${'*a'.repeat(200)}b")`, 'a'.repeat(16_000)],
  ])('at a step (%s) is counted as its failure, and holds up nothing', (_what, when, args) => {
    expect(judged(when, args)).toEqual({ error: expect.stringContaining('costs too much'), found: ['sound'] });
  });

  test('by splitting a text into more parts than a list has is its failure', () => {
    expect(judged('e.tool.arguments.split("").exists(c, c == "Q")', 'a'.repeat(1_001)).error).toContain(
      'more than 1000 parts',
    );
    expect(judged('e.tool.arguments.split("").exists(c, c == "Q")', `${'a'.repeat(999)}Q`).found).toEqual([
      'dear',
      'sound',
    ]);
  });

  test('fails at the same step each time, whatever was judged before', () => {
    const when = 'e.tool.arguments.split(" ").exists(c, e.tool.arguments.matches("[a-z ]{0,300}[0-9]"))';
    expect([1, 2, 3].map(() => judged(when, 'a '.repeat(900)).error)).toEqual(
      Array(3).fill(expect.stringContaining('costs')),
    );
    expect(judged(when, 'a 1').error).toBe(null);
  });

  test('in the tests of its own file ends them, and with them the set', () => {
    const when = '\'e.tool.arguments.matches("([a-z0-9]{0,30}_){0,20}[A-Z]$")\'';
    const step = `{kind: tool, repeat: 1000, tool: {name: x, arguments: ${'a_'.repeat(2_000)}}}`;
    const tests = `[{name: many, steps: [${Array(10).fill(step).join(',')}], expect: []}]`;
    const outcome = admitRuleSet([{ path: 'r.yaml', text: ruleText({ when, tests }), problem: null }]);
    expect(outcome.kind === 'refused' && outcome.problems.map(problemText)).toEqual([
      'r.yaml:9:16: test "many" of test.rule fails: the tests cost too much to be run whenever the rules are loaded',
    ]);
  });
});

describe('a message about a method', () => {
  test('names it as the rule does', () => {
    expect(problemsOf('e.tool.name.contains(1)')).toMatch(/'string\.contains\(/);
  });
});
