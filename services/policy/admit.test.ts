import { describe, expect, test } from 'vitest';
import { admitRuleSet } from './admit.ts';
import { loadRuleSet } from './load.ts';
import { problemText } from './problem.ts';
import { ruleText } from './step-fixture.ts';

const admitted = (text: string) => admitRuleSet([{ path: 'r.yaml', text, problem: null }]);
const problemsOf = (text: string): readonly string[] => {
  const outcome = admitted(text);
  return outcome.kind === 'refused' ? outcome.problems.map(problemText) : [];
};
const WHEN = '\'e.tool.name == "rm"\'';

describe('a set comes into force', () => {
  test('only when what its own tests promise holds; a failing one is told at its place, with the difference', () => {
    const tests = '[{name: removes, steps: [{at: 2s, kind: tool, tool: {name: ls}}], expect: [{at: 2s}]}]';
    expect(problemsOf(ruleText({ when: WHEN, tests }))).toEqual([
      'r.yaml:9:16: test "removes" of test.rule fails: - expected at 2s · test.rule',
    ]);
    const sound = '[{name: removes, steps: [{at: 2s, kind: tool, tool: {name: rm}}], expect: [{at: 2s}]}]';
    expect(problemsOf(ruleText({ when: WHEN, tests: sound }))).toEqual([]);
  });

  test('not when its tests take more steps than the judging process has time for', () => {
    const steps = `[${Array(21).fill('{kind: tool, repeat: 1000}').join(', ')}]`;
    const tests = `[{name: many, steps: ${steps}, expect: []}]`;
    expect(problemsOf(ruleText({ when: WHEN, tests }))).toEqual([
      'r.yaml:9:16: all tests together have more than 20000 steps',
    ]);
  });

  test('again without its tests when it was in force before', () => {
    const text = ruleText({ tests: '[{name: a, steps: [{kind: tool}], expect: []}]' });
    expect(admitted(text).kind).toBe('refused');
    expect(loadRuleSet([{ path: 'r.yaml', text, problem: null }]).kind).toBe('loaded');
  });
});

describe('a test inside a rule file', () => {
  const lists = `---
apiVersion: tachograph/v1
kind: Lists
id: own
version: 1.0.0
lists: {denied: [rm]}
exceptions: [{list: tools, value: rm, owner: ada, expires: 2099-01-01, reason: needed}]
---
apiVersion: tachograph/v1
kind: Lists
id: other
version: 1.0.0
tenant: other
lists: {denied: [ls]}
`;
  const rule = (tests: string): string =>
    ruleText({ when: 'e.tool.name in cfg.denied', unless: 'e.tool.name in cfg.exceptions.tools', tests }) + lists;
  const step = (name: string): string => `[{kind: tool, tool: {name: ${name}}}]`;

  test('sees its own lists alone: an exception added elsewhere does not make the set fail', () => {
    expect(problemsOf(rule(`[{name: a, lists: {denied: [rm]}, steps: ${step('rm')}, expect: [{}]}]`))).toEqual([]);
    expect(problemsOf(rule(`[{name: a, steps: ${step('rm')}, expect: []}]`))).toEqual([]);
  });

  test('sees those of the tenant it names', () => {
    expect(problemsOf(rule(`[{name: a, tenant: other, steps: ${step('ls')}, expect: [{}]}]`))).toEqual([]);
    expect(problemsOf(rule(`[{name: a, tenant: other, steps: ${step('rm')}, expect: []}]`))).toEqual([]);
  });
});
