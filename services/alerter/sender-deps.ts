import type { Metrics } from '../runtime/metrics.ts';
import type { Outbound } from '../runtime/outbound.ts';
import type { Clock, EventLog, Logger, Random, Store } from '../runtime/ports.ts';

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
