import type { AgentStep } from '../../schemas/agent-step.ts';
import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { ListView } from './condition.ts';
import type { RuleTest } from './document-shapes.ts';
import { durationMicros } from './duration.ts';
import { matchesGlob } from './glob.ts';
import { judgeStep } from './judge-step.ts';
import { celValues } from './lists.ts';
import type { CompiledDetector, CompiledRule, DetectorRun, PlacedTest, RuleSet } from './rule-set.ts';
import { readTestStep, testSteps } from './test-steps.ts';
import type { Place } from './yaml-documents.ts';

/** What became of one test. `problems` is empty when it passed. */
export interface TestResult {
  readonly rule: string;
  readonly file: string;
  readonly place: Place;
  readonly test: string;
  readonly problems: readonly string[];
}

/** Tenant of the steps of a test that names none. */
const TENANT = 'test';

/**
 * Runs every test of every rule. A test sees its own rule and those its expectations name. What is left when the
 * conditions have cost `costMax` (units of the meter) fails.
 */
export const runRuleTests = (set: RuleSet, costMax = Number.POSITIVE_INFINITY): readonly TestResult[] => {
  const end = set.costSpent() + costMax;
  const isSpent = (): boolean => set.costSpent() > end;
  return [...set.rules, ...set.detectors].flatMap((judge) =>
    judge.tests.map((test) => ({
      rule: judge.id,
      file: judge.file,
      place: test.place,
      test: test.name,
      problems: runTest(set, judge, test, isSpent),
    })),
  );
};

const runTest = (
  set: RuleSet,
  own: CompiledRule | CompiledDetector,
  test: PlacedTest,
  isSpent: () => boolean,
): readonly string[] => {
  const startMicros = Date.parse(test.start) * 1_000;
  const named = new Set([own.id, ...test.expect.flatMap(({ rule }) => rule ?? [])]);
  const unknown = [...named].filter((id) => ![...set.rules, ...set.detectors].some((judge) => judge.id === id));
  if (unknown.length > 0) return unknown.map((id) => `expects rule ${id}, which is not in this set`);
  const steps = testSteps(
    test.steps.map((raw) => readTestStep(raw).step),
    test.tenant ?? TENANT,
    startMicros,
  );
  const { found, lacking, errors } = judgeAll(narrowed(set, named, test), steps, isSpent);
  if (isSpent()) return ['the tests cost too much to be run whenever the rules are loaded'];
  const differences = compare(test.expect, found, own.id, startMicros);
  if (differences.length === 0 && errors.length === 0) return [];
  const notes = [...new Set(lacking)].map((name) => `a step could not be judged: ${name} was not told or configured`);
  return [...differences, ...errors, ...notes];
};

/** The set as a test sees it: some rules, and the lists of the test over those of the files. */
const narrowed = (set: RuleSet, ids: ReadonlySet<string>, test: PlacedTest): RuleSet => ({
  ...set,
  forKind: (kind) => {
    const { rules, detectors } = set.forKind(kind);
    return { rules: rules.filter(({ id }) => ids.has(id)), detectors: detectors.filter(({ id }) => ids.has(id)) };
  },
  views: (tenant, micros) => {
    const own = set.views(tenant, micros);
    // Who names no tenant tests the rule and not the lists: an exception somebody adds elsewhere must not fail it.
    const isOwn = test.tenant !== undefined;
    const values = new Map<string, unknown>(isOwn ? Object.entries(own).filter(([name]) => name !== 'exceptions') : []);
    for (const [name, value] of celValues(new Map(Object.entries(test.lists ?? {})))) values.set(name, value);
    const exceptions = [...own.exceptions].map(([name, excepted]) => [name, isOwn ? excepted : []] as const);
    return new ListView(values, new Map([...exceptions, ...Object.entries(test.exceptions ?? {})]));
  },
});

const judgeAll = (set: RuleSet, steps: readonly AgentStep[], isSpent: () => boolean) => {
  const runs = new Map<string, DetectorRun>();
  const runOf = (detector: CompiledDetector): DetectorRun => {
    const run = runs.get(detector.id) ?? detector.open(undefined);
    runs.set(detector.id, run);
    return run;
  };
  const verdicts = steps.flatMap((step) => (isSpent() ? [] : judgeStep(set, step, step.logged_at_ms, runOf)));
  const byId = new Map<string, PolicyViolation>();
  for (const violation of verdicts.flatMap(({ violations }) => violations))
    if (!byId.has(violation.violation_id)) byId.set(violation.violation_id, violation);
  const judged = verdicts.flatMap((verdict) => verdict.judged);
  return {
    found: [...byId.values()],
    lacking: judged.flatMap((each) => each.lacking),
    errors: judged.flatMap(({ judge, error }) => (error === null ? [] : [`${judge.id} failed: ${error}`])),
  };
};

type Expectation = RuleTest['expect'][number];

/** Each expectation wants one violation of its own; the most exact ones choose first. */
const compare = (
  expected: readonly Expectation[],
  found: readonly PolicyViolation[],
  ownId: string,
  startMicros: number,
): readonly string[] => {
  const left = new Set(found);
  const missed: string[] = [];
  const exactFirst = [...expected].sort((a, b) => Object.keys(b).length - Object.keys(a).length);
  for (const expectation of exactFirst) {
    const match = [...left].find((violation) => isExpected(expectation, violation, ownId, startMicros));
    if (match === undefined) missed.push(`- expected ${expectationText(expectation, ownId)}`);
    else left.delete(match);
  }
  return [...missed, ...[...left].map((violation) => `+ found    ${violationText(violation, startMicros)}`)];
};

const isExpected = (
  { at, rule, title, severity }: Expectation,
  violation: PolicyViolation,
  ownId: string,
  startMicros: number,
): boolean =>
  violation.rule_id === (rule ?? ownId) &&
  (at === undefined || violation.ts_unix_micros - startMicros === durationMicros(at)) &&
  (title === undefined || matchesGlob(violation.title, title)) &&
  (severity === undefined || violation.severity === severity);

const expectationText = ({ at, rule, title, severity }: Expectation, ownId: string): string =>
  [at === undefined ? 'any time' : `at ${at}`, rule ?? ownId, severity, title === undefined ? undefined : `"${title}"`]
    .filter((part) => part !== undefined)
    .join(' · ');

const violationText = (violation: PolicyViolation, startMicros: number): string =>
  [
    `at ${(violation.ts_unix_micros - startMicros) / 1_000_000}s`,
    violation.rule_id,
    violation.severity,
    `"${violation.title}"`,
  ].join(' · ');
