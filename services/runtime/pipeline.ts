import type { HealthState } from './ports.ts';

/** One partition as a service of this process sees it. Offsets are counts of log records. */
export interface PartitionReport {
  readonly topic: string;
  readonly partition: number;
  readonly log_id: string;
  /** Everything before this offset is confirmed in the store. */
  readonly next_offset: number;
  /** The end of the log when it was last seen. */
  readonly log_end: number;
  readonly lag: number;
  readonly is_stopped: boolean;
  /** Stopped because too many records were refused; `tacho dlq release` lets it go on. */
  readonly is_braked?: boolean;
  /** Why it is stopped, one sentence; null while it is not. */
  readonly stopped_because?: string | null;
  /** When the last batch was confirmed, milliseconds since 1970; null before the first. */
  readonly confirmed_at_ms: number | null;
}

export interface ServiceReport {
  readonly service: string;
  readonly state: HealthState;
  readonly detail: string;
  readonly partitions: readonly PartitionReport[];
}

/** What the process knows of its services right now; the manifest in the store knows the rest. */
export interface PipelineReport {
  readonly services: readonly ServiceReport[];
}
