import { TOPICS } from '../../schemas/topics.ts';
import { incidentFold } from '../alerter/fold.ts';
import { createViolationProcessor } from '../alerter/violation-events.ts';
import type { LoadedBook } from '../ledger/prices/book.ts';
import type { RuleSets } from '../policy/fold.ts';
import { createRulesInForce } from '../policy/rules-in-force.ts';
import { createPolicyTask } from '../policy/task.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog, Store } from '../runtime/ports.ts';
import { createRuleFiles } from '../runtime/rule-files.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import { taskOf } from './composition.ts';
import { openTools } from './open-catalog.ts';
import type { World } from './world.ts';

/** The tasks of every stream service, for batches to be made again: nothing notifies, watches or loads rules beside them. */
export const repairTasks = (world: World, log: EventLog, store: Store, prices: LoadedBook): readonly StreamTask[] => {
  const { sets } = createRulesInForce({ ...world, log, store, files: createRuleFiles(world.config.policy.dir) });
  const incidents = createFoldTask(incidentFold, [TOPICS.incidents], { store });
  return [
    taskOf('normalizer', world, { store }),
    taskOf('ledger', world, { store, prices }),
    taskOf('lineage', world, { store, tools: openTools(world.config) }),
    createPolicyTask(onlyKnown(sets), { store, metrics: world.metrics }),
    incidents,
    { ...incidents, topics: [TOPICS.violations], createProcessor: () => createViolationProcessor() },
  ];
};

/** A batch is judged again by the rules it began with or not at all: others would make other violations of it. */
export const onlyKnown = (sets: RuleSets): RuleSets => ({
  ...sets,
  find: async (batchId, signal) => {
    const hash = await sets.find(batchId, signal);
    if (hash !== '') return hash;
    throw new TransportError('STORE_REJECTED', 'no row that is left of it says by which rules it was judged', {
      retryable: false,
    });
  },
});
