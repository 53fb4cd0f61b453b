import type { AgentStep } from '../../schemas/agent-step.ts';
import type { RuleMode, Severity } from '../../schemas/policy-violation.ts';
import type { StepKind } from '../../schemas/step-kinds.ts';
import type { Condition } from './condition.ts';
import type { RuleTest } from './document-shapes.ts';
import type { StepField } from './fields.ts';
import type { ListViews } from './lists.ts';
import type { Template } from './template.ts';
import type { Place } from './yaml-documents.ts';

/** The frameworks a rule maps to: `owasp_llm`, `owasp_asi`, `atlas`, `nist`. */
export type Maps = Readonly<Record<string, readonly string[]>>;

/** A test inside a rule file, and where its name stands. */
export type PlacedTest = RuleTest & { readonly place: Place };

/** What rules and detectors share. */
export interface Judge {
  readonly id: string;
  readonly version: string;
  readonly file: string;
  readonly line: number;
  readonly mode: RuleMode;
  readonly on: readonly StepKind[];
  readonly title: Template;
  readonly maps: Maps;
  /** Without one of these a step cannot be judged: it is counted, not passed. */
  readonly requires: readonly StepField[];
  /** Lists without which nothing is judged for a tenant: "not configured". Names without `cfg.`. */
  readonly requiredLists: readonly string[];
  /** Fields it mentions: the evidence of a violation. */
  readonly mentions: readonly StepField[];
  readonly tests: readonly PlacedTest[];
}

/** A stateless rule, compiled. */
export interface CompiledRule extends Judge {
  readonly kind: 'rule';
  readonly severity: Severity;
  readonly when: Condition;
  readonly unless: Condition | null;
  readonly dedupe: { readonly key: readonly StepField[]; readonly windowMicros: number | null } | null;
}

/** Any JSON value: what a detector keeps of a run. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What a detector found at a step. */
export interface Finding {
  /** What makes it this violation and no other, whatever order the steps came in. */
  readonly key: readonly string[];
  readonly severity: Severity;
  readonly sourceSpanId: string | null;
  /** For the title (`extras` of the type) and the evidence. */
  readonly extra: Readonly<Record<string, string>>;
  readonly evidence: Readonly<Record<string, Json>>;
}

/** A detector at work over the steps of one run. */
export interface DetectorRun {
  /** Takes one step, never the same twice. `isFull`: a bound was met and something is no longer counted. */
  readonly take: (step: AgentStep) => { readonly findings: readonly Finding[]; readonly isFull: boolean };
  /** What must be kept. Equal knowledge gives equal text when serialised. */
  readonly close: () => Json;
}

/** A stateful detector, compiled. */
export interface CompiledDetector extends Judge {
  readonly kind: 'detector';
  readonly type: string;
  /** Steps it looks at; null: all of its kinds. */
  readonly where: Condition | null;
  readonly open: (kept: Json | undefined) => DetectorRun;
}

/** Everything that judges, of one version of the files. */
export interface RuleSet {
  /** Hash over the canonical content: equal rules give equal hashes, whatever the comments and the order of files. */
  readonly hash: string;
  /** The files it was made of, by path. */
  readonly files: Readonly<Record<string, string>>;
  readonly rules: readonly CompiledRule[];
  readonly detectors: readonly CompiledDetector[];
  readonly views: ListViews;
  readonly forKind: (kind: StepKind) => {
    readonly rules: readonly CompiledRule[];
    readonly detectors: readonly CompiledDetector[];
  };
  /** Lists that nobody has filled. */
  readonly unfilledLists: readonly string[];
  /** What its conditions have cost so far, in units of the meter. */
  readonly costSpent: () => number;
}
