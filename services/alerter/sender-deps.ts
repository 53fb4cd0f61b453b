import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Logger, Outbound, Random, Store } from '../runtime/ports.ts';

/** The world as the sender of notifications sees it. */
export interface SenderDeps {
  readonly log: EventLog;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly outbound: Outbound;
  /** A bug surfaced: the process must end. */
  readonly onCrash: (error: unknown) => void;
}
