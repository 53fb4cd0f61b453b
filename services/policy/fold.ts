import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { encodePolicyViolation, type PolicyViolation } from '../../schemas/policy-violation.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { Fold } from '../runtime/stream/fold-task.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import { COVERAGE_IDENTITY, sumCoverage } from './coverage.ts';
import type { RuleSet } from './rule-set.ts';
import { judgeRun } from './run-step.ts';
import { emptyState, type PolicyState, parseState, serialiseState } from './state.ts';
import { violationRow } from './violation-row.ts';

/** The rule sets a fold works with: which one is in force, and older ones for batches that began under them. */
export interface RuleSets {
  readonly current: () => string;
  readonly ready: (hash: string, signal: AbortSignal) => Promise<void>;
  /** Under which set a batch began, by its rows; '' when none of them landed. */
  readonly find: (batchId: string, signal: AbortSignal) => Promise<string>;
  /** The set of a hash that was made ready; '' (nobody knows any more) gives the one in force. */
  readonly get: (hash: string) => RuleSet;
}

/** Told of what was found, for metrics: at every build of a batch, also at replays. */
export interface PolicyObserver {
  readonly violations: (violations: readonly PolicyViolation[]) => void;
  readonly errors: (errors: readonly { readonly rule: string; readonly message: string }[]) => void;
}

/**
 * Steps in, violations and coverage out. Which rules judge a batch is named in its intent (`variant`), so a replay after a
 * crash is judged by the rules the batch began with, whatever was loaded since.
 */
export const createPolicyFold = (sets: RuleSets, observer: PolicyObserver): Fold<AgentStep, PolicyState> => ({
  service: 'policy',
  tables: ['policy_violations', 'policy_coverage'],
  decode: (record) => decodeAgentStep(record.value),
  keyOf: (step) => `${step.tenant_id}|${step.run_id}`,
  empty: emptyState,
  parse: parseState,
  serialise: serialiseState,
  variant: { current: sets.current, ready: sets.ready, find: sets.find },
  condense: { policy_coverage: sumCoverage },
  step: (state, steps, context) => {
    const set = sets.get(context.variant);
    const { state: next, violations, coverage, errors } = judgeRun(state, steps, set, context.loggedAtMs);
    observer.violations(violations);
    observer.errors(errors);
    const frame = { batch_id: context.batchId, logged_at: utcMillis(context.loggedAtMs) };
    return {
      state: next,
      tables: [
        {
          table: 'policy_violations',
          identity: ['violation_id'],
          rows: violations.map((violation) => violationRow(violation, frame)),
        },
        {
          table: 'policy_coverage',
          identity: COVERAGE_IDENTITY,
          rows: coverage.rows({ ...frame, ruleset_hash: set.hash }),
        },
      ],
      produce: violations.map((violation) => ({
        topic: TOPICS.violations,
        key: state.key,
        value: encodePolicyViolation(violation),
      })),
      hours: [],
    };
  },
});
