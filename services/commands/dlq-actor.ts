import { userInfo } from 'node:os';
import type { Store } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { World } from './world.ts';

/** Who runs this command, as the machine knows them. */
export const actorOf = (): string => {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user without a name, as in many containers.
    return `cli:uid-${process.getuid?.() ?? 'unknown'}`;
  }
};

/** What a person did; `subject`: log_id/topic/partition/offset, the time of a rebuild or re-pricing, or a month. */
export interface Act {
  readonly action: 'dlq_read' | 'dlq_replay' | 'ledger_rebuild' | 'ledger_reprice' | 'month_close' | 'month_reopen';
  readonly tenant: string;
  readonly subject: string;
  readonly detail: string;
}

/** Writes lines of `access_log`; resolves once they are stored. Throws TransportError. */
export const logActs = (
  world: Pick<World, 'clock' | 'random' | 'stop'>,
  store: Store,
  acts: readonly Act[],
): Promise<void> => {
  const at = utcMillis(world.clock.nowMs());
  const rows = acts.map(({ action, tenant, subject, detail }) => ({
    ...{ at, actor: actorOf(), action, tenant_id: tenant, subject, detail },
  }));
  return store.insert('access_log', rows, { token: world.random.uuid(), signal: world.stop });
};
