import { createRulesInForce } from '../policy/rules-in-force.ts';
import { createPolicyTask } from '../policy/task.ts';
import type { EventLog, Store } from '../runtime/ports.ts';
import { createRuleFiles } from '../runtime/rule-files.ts';
import { createStreamService, type StreamService, type StreamSettings } from '../runtime/stream/service.ts';
import type { World } from './world.ts';

/**
 * The stream service of the policies with the rules beside it: first the rules, then the steps, so that nothing is judged
 * before it is known by what.
 */
export const policyOf = (
  world: World,
  adapters: { readonly log: EventLog; readonly store: Store },
  settings: StreamSettings,
): StreamService => {
  const { clock, logger, metrics } = world;
  const rules = createRulesInForce({
    ...adapters,
    clock,
    logger,
    metrics,
    files: createRuleFiles(world.config.policy.dir),
  });
  const task = createPolicyTask(rules.sets, { store: adapters.store, metrics });
  const stream = createStreamService({ ...world, ...adapters }, task, settings);
  const health = () => {
    const own = stream.health();
    return own.state === 'ok' ? rules.health() : own;
  };
  return {
    ...stream,
    start: async () => {
      await rules.start();
      await stream.start();
    },
    health,
    report: () => ({ ...stream.report(), ...health() }),
    drain: async () => {
      await stream.drain();
      await rules.drain();
    },
  };
};
