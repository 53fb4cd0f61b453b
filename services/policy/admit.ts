import { type LoadOutcome, loadRuleSet, type RuleFile } from './load.ts';
import { type RuleProblem, sortProblems } from './problem.ts';
import type { RuleSet } from './rule-set.ts';
import { runRuleTests } from './rule-tests.ts';

/** Steps of all tests together: they are judged before the set may be, in the process that judges. */
const TEST_STEPS_MAX = 20_000;
/** Units of the meter, some five seconds at the very worst; the built-in tests take a thousandth of it. */
const TEST_COST_MAX = 100_000_000;
/** Of one test: what differs first says enough. */
const DIFFERENCES_TOLD_MAX = 3;

/**
 * What decides whether files come into force: they load, and what they promise in their own tests holds. Pure. A set that
 * was in force before is loaded without its tests (`loadRuleSet`): it must judge as it did.
 */
export const admitRuleSet = (files: readonly RuleFile[]): LoadOutcome => {
  const outcome = loadRuleSet(files);
  if (outcome.kind === 'refused') return outcome;
  const problems = tooManySteps(outcome.set) ?? testProblems(outcome.set);
  return problems.length === 0 ? outcome : { kind: 'refused', problems: sortProblems(problems) };
};

/** Reported at the test that passes the bound; null when none does. */
const tooManySteps = (set: RuleSet): readonly RuleProblem[] | null => {
  let steps = 0;
  for (const judge of [...set.rules, ...set.detectors])
    for (const test of judge.tests) {
      steps += test.steps.reduce((sum, { repeat = 1 }) => sum + Number(repeat), 0);
      if (steps > TEST_STEPS_MAX)
        return [
          { file: judge.file, ...test.place, message: `all tests together have more than ${TEST_STEPS_MAX} steps` },
        ];
    }
  return null;
};

const testProblems = (set: RuleSet): readonly RuleProblem[] =>
  runRuleTests(set, TEST_COST_MAX)
    .filter(({ problems }) => problems.length > 0)
    .map(({ rule, file, place, test, problems }) => {
      const told = problems.slice(0, DIFFERENCES_TOLD_MAX).map((problem) => problem.replace(/\s+/g, ' '));
      const more = problems.length > told.length ? `; and ${problems.length - told.length} more` : '';
      return { file, ...place, message: `test "${test}" of ${rule} fails: ${told.join('; ')}${more}` };
    });
