import type { AgentStep } from '../../schemas/agent-step.ts';
import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { createCoverage } from './coverage.ts';
import { judgeStep } from './judge-step.ts';
import type { CompiledDetector, DetectorRun, RuleSet } from './rule-set.ts';
import { isAtOrBefore, type Mark, type PolicyState, shortId, sourceOf } from './state.ts';

/** Steps of one run remembered one by one (design 9); a redelivery of later ones is told by its position in the log. */
const STEPS_HELD_MAX = 50_000;
/** Violations of one run. Whoever has ten thousand in a run knows; further ones are counted as errors of coverage. */
const VIOLATIONS_MAX = 10_000;

/** Bounds of what one run may hold; tests use smaller ones. */
export interface RunLimits {
  readonly stepsMax: number;
  readonly violationsMax: number;
}
export const RUN_LIMITS: RunLimits = { stepsMax: STEPS_HELD_MAX, violationsMax: VIOLATIONS_MAX };

/** What judging steps of one run gives. */
export interface RunJudged {
  readonly state: PolicyState;
  readonly violations: readonly PolicyViolation[];
  readonly coverage: ReturnType<typeof createCoverage>;
  /** Rules that failed at a step, with the reason. */
  readonly errors: readonly { readonly rule: string; readonly message: string }[];
}

/** Judges the steps of one run that were not judged before. Pure: the same state and steps give the same result. */
export const judgeRun = (
  state: PolicyState,
  steps: readonly AgentStep[],
  set: RuleSet,
  loggedAtMs: number,
  limits: RunLimits = RUN_LIMITS,
): RunJudged => {
  const held = { judged: new Set(state.judged), marks: new Map(state.marks), written: new Set(state.violations) };
  const detectors = openDetectors(state);
  const violations: PolicyViolation[] = [];
  const errors: { rule: string; message: string }[] = [];
  const coverage = createCoverage(state.key.slice(0, state.key.indexOf('|')), loggedAtMs);
  for (const step of steps) {
    if (!takeIn(held, step, limits)) continue;
    const verdicts = judgeStep(set, step, step.logged_at_ms, detectors.runOf);
    const isOver = held.written.size >= limits.violationsMax;
    if (!isOver) violations.push(...takeNew(held.written, verdicts.violations));
    for (const each of verdicts.judged) {
      coverage.add(isOver ? { ...each, isFull: true } : each, step.family);
      if (each.error !== null) errors.push({ rule: each.judge.id, message: each.error });
    }
  }
  const { judged, marks, written } = held;
  const next = { key: state.key, ruleset: set.hash, judged, marks, violations: written, detectors: detectors.kept() };
  return { state: next, violations, coverage, errors };
};

interface Held {
  readonly judged: Set<string>;
  readonly marks: Map<string, Mark>;
}

/** Enters a step; false when it was judged before. Beyond what is held only its position tells. */
const takeIn = ({ judged, marks }: Held, step: AgentStep, { stepsMax }: RunLimits): boolean => {
  const source = sourceOf(step);
  const isOld = isAtOrBefore(step, marks.get(source));
  if (!isOld) marks.set(source, { offset: step.log_offset, index: step.log_index });
  const id = shortId(step.step_id);
  if (judged.has(id) || (judged.size >= stepsMax && isOld)) return false;
  if (judged.size < stepsMax) judged.add(id);
  return true;
};

const takeNew = (written: Set<string>, found: readonly PolicyViolation[]): readonly PolicyViolation[] =>
  found.filter(({ violation_id }) => {
    const id = shortId(violation_id);
    const isNew = !written.has(id);
    written.add(id);
    return isNew;
  });

/** Detectors begin with what their version kept; what others kept stays, for a rule set may come back. */
const openDetectors = (state: PolicyState) => {
  const runs = new Map<string, DetectorRun>();
  return {
    runOf: (detector: CompiledDetector): DetectorRun => {
      const name = `${detector.id}@${detector.version}`;
      const run = runs.get(name) ?? detector.open(state.detectors.get(name));
      runs.set(name, run);
      return run;
    },
    kept: () => new Map([...state.detectors, ...[...runs].map(([name, run]) => [name, run.close()] as const)]),
  };
};
