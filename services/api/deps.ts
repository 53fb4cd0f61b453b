import type { RunExplanation } from '../../schemas/call-explanation.ts';
import type { Access } from '../runtime/access.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { PipelineReport } from '../runtime/pipeline.ts';
import type { Clock, EventLog, Logger, Random, Store } from '../runtime/ports.ts';
import type { ControlFeed } from './control-feed.ts';
import type { Owner } from './owners.ts';
import type { PriceUsage } from './priced-as.ts';

export interface ApiSettings {
  readonly host: string;
  /** 0 takes a free port; `address()` tells which. */
  readonly port: number;
  /** The same ClickHouse under a user who may only read, with limits on rows and time: answers `POST sql`. */
  readonly readonlyStore: Store;
}

export interface ApiDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly access: Access;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What this process knows of its services. */
  readonly pipeline: () => PipelineReport;
  /**
   * Why the figures of a run are what they are, from the ledger's stored state of it: the ledger's own rules. Throws
   * InvariantError for a state of another version.
   */
  readonly explainRun: (stateText: string) => RunExplanation;
  /** What a booked call costs at a moment by the price book of today: the ledger's own rules. */
  readonly priceUsage: PriceUsage;
  /** Teams and cost centres, first match wins. */
  readonly owners: readonly Owner[];
  /** Recorded traffic is being played in under tenant `demo`. */
  readonly demo: boolean;
}

/** What an api is built from. */
export interface ApiParts extends ApiDeps {
  readonly settings: ApiSettings;
}

/** What a handler works with. */
export interface ApiContext extends ApiParts {
  readonly controls: ControlFeed;
}
