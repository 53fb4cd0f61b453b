import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { loadFolder } from '../../services/commands/policy-check.ts';
import { loadRuleSet } from '../../services/policy/load.ts';
import type { RuleSet } from '../../services/policy/rule-set.ts';
import { judgeRun } from '../../services/policy/run-step.ts';
import { emptyState } from '../../services/policy/state.ts';
import { stepsOfCapture } from './captured-runs.ts';

const EMITTERS = readdirSync(new URL('../fixtures/captures/', import.meta.url)).sort();

/** What the recorded agents may do, as their owner would say it: look things up, and let a person give money back. */
const listsFor = (services: readonly string[]): string => `apiVersion: tachograph/v1
kind: Lists
id: golden
version: 1.0.0
tenant: golden
lists:
  tools: ${JSON.stringify(
    Object.fromEntries(
      services.map((service) => [
        service,
        [
          'lookup_order',
          'search_policy',
          'check_fraud',
          'get_payment',
          '*refunds',
          'read_*',
          'search_*',
          'view',
          'glob',
        ],
      ]),
    ),
  )}
  models_denied: ["gpt-4.1-mini*"]
  models_approved: ["gpt-4*", "gpt-5*", "gemini-2.5-*", "text-embedding-3-*"]
  max_tokens: 4000
`;

const setFor = async (steps: readonly AgentStep[]): Promise<RuleSet> => {
  const builtin = await loadFolder('config/policies');
  if (builtin.kind === 'refused') throw new Error(JSON.stringify(builtin.problems));
  const services = [...new Set(steps.map(({ service }) => service))];
  const outcome = loadRuleSet([
    ...Object.entries(builtin.set.files).map(([path, text]) => ({ path, text, problem: null })),
    { path: 'golden.yaml', text: listsFor(services), problem: null },
  ]);
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
  return outcome.set;
};

const tally = (lines: readonly string[]): readonly string[] =>
  [...Map.groupBy(lines, (line) => line)].map(([line, each]) => `${each.length}× ${line}`).sort();

/** What is found in every run of a capture, how often, and what could not be judged. */
const judged = async (emitter: string) => {
  const steps = stepsOfCapture(emitter);
  const set = await setFor(steps);
  const runs = [...Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`)].map(([key, run]) =>
    judgeRun(emptyState(key), run, set, 0),
  );
  const violations = runs.flatMap((run) => run.violations);
  const counts = new Map<string, { steps: number; lacking: number }>();
  for (const run of runs)
    for (const row of run.coverage.rows({ ruleset_hash: '', batch_id: '', logged_at: '' })) {
      const key = `${row['rule_id']} ${row['field']}`.trimEnd();
      const count = counts.get(key) ?? { steps: 0, lacking: 0 };
      counts.set(key, { steps: count.steps + Number(row['steps']), lacking: count.lacking + Number(row['lacking']) });
    }
  const lacks = [...counts].filter(([key, { lacking }]) => key.includes(' ') && lacking > 0);
  return {
    violations,
    errors: runs.flatMap((run) => run.errors),
    found: tally(violations.map(({ severity, rule_id, title }) => `${severity} ${rule_id}: ${title}`)),
    cannotJudge: lacks.map(([key, { steps: all, lacking }]) => `${key}: ${lacking} of ${all}`).sort(),
  };
};

describe('what the built-in rules find in what real SDKs send', () => {
  test.each(EMITTERS)('%s', async (emitter) => {
    const { found, cannotJudge, errors } = await judged(emitter);
    expect(errors).toEqual([]);
    expect({ found, cannotJudge }).toMatchSnapshot();
  });

  test('a span that sums the calls below it is never taken for one call', async () => {
    for (const emitter of EMITTERS) {
      const names = new Map(stepsOfCapture(emitter).map(({ step_id, name }) => [step_id, name]));
      const { violations } = await judged(emitter);
      const over = violations.filter(({ rule_id }) => rule_id === 'llm.max-tokens');
      const sums = over.filter(({ step_id }) => /^ai\.(generate|stream)(Text|Object)$/.test(names.get(step_id) ?? ''));
      expect(
        sums.map(({ title }) => title),
        emitter,
      ).toEqual([]);
    }
  });
});
