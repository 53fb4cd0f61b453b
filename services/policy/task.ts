import { TOPICS } from '../../schemas/topics.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Store } from '../runtime/ports.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import { createPolicyFold, type RuleSets } from './fold.ts';

/** The policy service's part of the stream loop: every step judged by the rules in force when its batch began. */
export const createPolicyTask = (
  sets: RuleSets,
  deps: { readonly store: Store; readonly metrics: Metrics },
): StreamTask =>
  createFoldTask(
    createPolicyFold(sets, {
      violations: (violations) => {
        for (const { rule_id, severity } of violations)
          deps.metrics.count('policy_violations_total', { rule: rule_id, severity });
      },
      errors: (errors) => {
        for (const { rule } of errors) deps.metrics.count('policy_errors_total', { rule });
      },
    }),
    [TOPICS.steps],
    deps,
  );
