import type { RunRow } from '../../queries/runs.ts';
import type { StepRow } from '../../queries/steps.ts';
import type { ViolationDetailRow } from '../../queries/violations.ts';
import type { RunBookings } from '../../reads.ts';
import type { View } from '../view.ts';

/** What the tabs of a run share. */
export interface RunView {
  readonly view: View;
  readonly tenant: string;
  readonly runId: string;
  readonly run: RunRow | null;
  readonly steps: readonly StepRow[];
  readonly isCut: boolean;
  readonly bookings: RunBookings;
  /** In order of time. */
  readonly violations: readonly ViolationDetailRow[];
}
