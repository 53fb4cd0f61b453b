import { ConfigError } from '../runtime/errors.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import { actorOf } from './dlq-actor.ts';
import { standingBrakes } from './standing-brakes.ts';
import { withLog, withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

export interface ReleaseOptions {
  readonly service: string | null;
  readonly topic: string | null;
  readonly partition: number | null;
}

/**
 * Lets partitions go on that their brake holds: what is in the log now passes whatever becomes of it, the brake holds again
 * for what comes after. A running service hears it within seconds. Resolves to 0, or 1 when none is held.
 */
export const releaseBrakes = async (world: World, options: ReleaseOptions): Promise<number> => {
  if (options.partition !== null && options.topic === null)
    throw new ConfigError([{ key: '--partition', value: String(options.partition), allowed: 'together with --topic' }]);
  return withStoredData(world, async ({ store }) => {
    const held = (await standingBrakes(store)).filter(
      (brake) =>
        (options.service === null || brake.service === options.service) &&
        (options.topic === null || brake.topic === options.topic) &&
        (options.partition === null || brake.partition === options.partition),
    );
    if (held.length === 0) {
      world.progress('no brake holds such a partition');
      return 1;
    }
    return withLog(world, async (log) => {
      const at = utcMillis(world.clock.nowMs());
      const rows = [];
      for (const { service, log_id, topic, partition } of held) {
        const range = (await log.ranges(topic)).find((candidate) => candidate.partition === partition);
        if (range === undefined || (await log.logId(topic)) !== log_id) continue;
        const place = { service, log_id, topic, partition, at_offset: range.end };
        rows.push({ event: 'released', ...place, refused: null, records: null, reasons: {}, actor: actorOf(), at });
        world.print(`released ${service} ${topic}/${partition}: records before ${range.end} pass`);
      }
      await store.insert('brakes', rows, { token: world.random.uuid(), signal: world.stop });
      return rows.length > 0 ? 0 : 1;
    });
  });
};
