import type { AgentStep } from '../../schemas/agent-step.ts';
import { type LoadOutcome, loadRuleSet } from './load.ts';
import type { RuleSet } from './rule-set.ts';
import { readTestStep, testSteps } from './test-steps.ts';

/** Rule files by path, as the adapter would give them. */
export const loadTexts = (files: Readonly<Record<string, string>>): LoadOutcome =>
  loadRuleSet(Object.entries(files).map(([path, text]) => ({ path, text, problem: null })));

/** A set that must load: throws with every problem. */
export const setOf = (text: string): RuleSet => {
  const outcome = loadTexts({ 'rules.yaml': text });
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems, null, 1));
  return outcome.set;
};

/** Text of a rule with the given fields over sound ones. */
export const ruleText = (fields: Readonly<Record<string, string>>): string => {
  const all = {
    apiVersion: 'tachograph/v1',
    kind: 'Rule',
    id: 'test.rule',
    version: '1.0.0',
    title: '"a title"',
    severity: 'high',
    on: '[tool]',
    when: "'true'",
    ...fields,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
};

/** Steps as tests inside rule files write them, of tenant `test`, one run. Times count from 0. */
export const stepsOf = (...raw: readonly Readonly<Record<string, unknown>>[]): readonly AgentStep[] =>
  testSteps(
    raw.map((each) => {
      const { step, problems } = readTestStep(each);
      if (problems.length > 0) throw new Error(JSON.stringify(problems));
      return step;
    }),
    'test',
    1_780_000_000_000_000,
  );
