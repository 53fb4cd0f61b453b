import type { Access } from '../runtime/access.ts';
import type { ByteShare } from '../runtime/http/byte-budget.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Refusal } from './answers.ts';
import type { Intake } from './intake.ts';

/** What a door (a transport with its port) is given: all doors share one intake and one budget of bytes. */
export interface DoorDeps {
  readonly intake: Intake;
  readonly access: Access;
  readonly metrics: Metrics;
  readonly openShare: () => ByteShare;
  readonly bodyBytesMax: number;
  /** Why no request is taken now; null when they are. */
  readonly turnedAway: () => Refusal | null;
  /** Counts a request as open until it is answered; `cut` ends it when a bug left it without an answer. */
  readonly track: (answered: Promise<void>, cut: () => void) => void;
}
