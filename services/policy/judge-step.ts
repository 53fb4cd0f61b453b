import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import type { PolicyViolation, Severity } from '../../schemas/policy-violation.ts';
import type { ListView, Scope, Verdict } from './condition.ts';
import type { StepField } from './fields.ts';
import type { CompiledDetector, CompiledRule, DetectorRun, Json, Judge, RuleSet } from './rule-set.ts';
import { excuseViewOf, viewOf } from './step-view.ts';
import { clip, valueText } from './template.ts';

/** What one judge said of one step, for coverage: `lacking` names fields (`e.…`) and lists (`cfg.…`) that were missing. */
export interface Judged {
  readonly judge: Judge;
  readonly lacking: readonly string[];
  readonly error: string | null;
  /** A bound was met: something of this step is not counted. */
  readonly isFull: boolean;
}

/** What judging one step gives. */
export interface StepVerdicts {
  readonly violations: readonly PolicyViolation[];
  readonly judged: readonly Judged[];
}

const NOTHING_LACKS: readonly string[] = [];

/**
 * Judges one step by every rule and detector of its kind. `runs`: the detectors at work on the run of the step, by id.
 * Pure but for what the detector runs keep.
 */
export const judgeStep = (
  set: RuleSet,
  step: AgentStep,
  detectedAtMs: number,
  runOf: (detector: CompiledDetector) => DetectorRun,
): StepVerdicts => {
  const { rules, detectors } = set.forKind(step.step_kind);
  if (rules.length === 0 && detectors.length === 0) return { violations: [], judged: [] };
  const cfg = set.views(step.tenant_id, step.end_unix_micros);
  const scope: Scope = { e: viewOf(step), cfg };
  const violations: PolicyViolation[] = [];
  const judged: Judged[] = [];
  const frame = { set, step, detectedAtMs };
  for (const rule of rules) {
    const { told, violation } = judgeRule(rule, scope, frame);
    judged.push(told);
    if (violation !== null) violations.push(violation);
  }
  for (const detector of detectors) {
    const { told, found } = judgeDetector(detector, scope, frame, runOf);
    judged.push(told);
    violations.push(...found);
  }
  return { violations, judged };
};

interface Frame {
  readonly set: RuleSet;
  readonly step: AgentStep;
  readonly detectedAtMs: number;
}

const judgeRule = (
  rule: CompiledRule,
  scope: Scope,
  frame: Frame,
): { readonly told: Judged; readonly violation: PolicyViolation | null } => {
  const missing = lackingOf(rule, frame.step, scope.cfg);
  if (missing.length > 0) return { told: tell(rule, missing), violation: null };
  const verdict = rule.when.evaluate(scope);
  if (verdict.kind !== 'decided' || !verdict.holds) return { told: tellVerdict(rule, verdict), violation: null };
  const excuse = rule.unless?.evaluate({ e: excuseViewOf(frame.step), cfg: scope.cfg }) ?? null;
  if (excuse?.kind === 'decided' && excuse.holds) return { told: tell(rule, NOTHING_LACKS), violation: null };
  // An excuse that cannot be judged excuses nothing; that it failed is told all the same.
  const told = excuse?.kind === 'error' ? tellVerdict(rule, excuse) : tell(rule, NOTHING_LACKS);
  const violation = violationOf(frame, rule, {
    severity: rule.severity,
    key: ruleKey(rule, frame.step),
    extra: {},
    evidence: { condition: rule.when.text },
    sourceSpanId: null,
  });
  return { told, violation };
};

const judgeDetector = (
  detector: CompiledDetector,
  scope: Scope,
  frame: Frame,
  runOf: (detector: CompiledDetector) => DetectorRun,
): { readonly told: Judged; readonly found: readonly PolicyViolation[] } => {
  const missing = lackingOf(detector, frame.step, scope.cfg);
  if (missing.length > 0) return { told: tell(detector, missing), found: [] };
  const where = detector.where?.evaluate(scope) ?? null;
  if (where !== null && (where.kind !== 'decided' || !where.holds))
    return { told: tellVerdict(detector, where), found: [] };
  const { findings, isFull } = runOf(detector).take(frame.step);
  return {
    told: { ...tell(detector, NOTHING_LACKS), isFull },
    found: findings.map((finding) => violationOf(frame, detector, finding)),
  };
};

const lackingOf = (judge: Judge, step: AgentStep, cfg: ListView): readonly string[] => {
  const fields = judge.requires.filter((field) => field.read(step) === undefined);
  const lists = judge.requiredLists.filter((name) => Reflect.get(cfg, name) === undefined);
  if (fields.length === 0 && lists.length === 0) return NOTHING_LACKS;
  return [...fields.map(({ path }) => `e.${path}`), ...lists.map((name) => `cfg.${name}`)];
};

const tell = (judge: Judge, lacking: readonly string[]): Judged => ({ judge, lacking, error: null, isFull: false });

const tellVerdict = (judge: Judge, verdict: Verdict): Judged => ({
  ...tell(judge, verdict.kind === 'unknown' ? [verdict.name] : NOTHING_LACKS),
  error: verdict.kind === 'error' ? verdict.message : null,
});

/**
 * What makes it this violation: the step, or, deduplicated, the values of the key and the window of time its end falls
 * into. Windows stand on the clock, not on the first step that came, so the order of arrival does not matter.
 */
const ruleKey = (rule: CompiledRule, step: AgentStep): readonly string[] => {
  if (rule.dedupe === null) return ['step', step.step_id];
  const values = rule.dedupe.key.map((field) => field.read(step));
  // Steps of which the key is not known are not known to be the same.
  if (values.includes(undefined)) return ['step', step.step_id];
  const { windowMicros } = rule.dedupe;
  const window = windowMicros === null ? '' : String(Math.floor(step.end_unix_micros / windowMicros));
  return ['key', window, ...values.map(valueText)];
};

interface Found {
  readonly severity: Severity;
  readonly key: readonly string[];
  readonly extra: Readonly<Record<string, string>>;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly sourceSpanId: string | null;
}

const violationOf = ({ set, step, detectedAtMs }: Frame, judge: Judge, found: Found): PolicyViolation => ({
  violation_id: hash128(['violation', step.tenant_id, step.run_id, judge.id, judge.version, ...found.key]),
  tenant_id: step.tenant_id,
  ts_unix_micros: step.end_unix_micros,
  detected_at_ms: detectedAtMs,
  rule_id: judge.id,
  rule_version: judge.version,
  ruleset_hash: set.hash,
  severity: found.severity,
  mode: judge.mode,
  title: judge.title.render(step, found.extra),
  run_id: step.run_id,
  trace_id: step.trace_id,
  span_id: step.span_id,
  step_id: step.step_id,
  source_span_id: found.sourceSpanId,
  service: step.service,
  agent_name: step.agent_name,
  workflow: step.workflow,
  user_id: step.user_id,
  evidence: JSON.stringify({
    inputs: inputsOf(judge.mentions, step),
    vantage: step.vantage,
    ...found.evidence,
    maps: judge.maps,
  }),
  evidence_level: 'value',
  detected_by: 'stream',
});

/** Evidence is to be read; the whole is in the step. */
const INPUT_CHARS_MAX = 500;

/** What the judge looked at: only the fields it mentions, as redacted as the step is. */
const inputsOf = (fields: readonly StepField[], step: AgentStep): Readonly<Record<string, Json>> =>
  Object.fromEntries(
    fields.map((field) => {
      const value = field.read(step);
      if (value === undefined) return [`e.${field.path}`, null];
      return [`e.${field.path}`, typeof value === 'number' ? value : clip(valueText(value), INPUT_CHARS_MAX)];
    }),
  );
