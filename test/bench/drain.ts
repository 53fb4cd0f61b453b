/** Rows stored and how many distinct spans they are. */
export interface Stored {
  readonly rows: number;
  readonly distinct: number;
}

/** What a run over a backlog gives, whoever drained it. */
export interface Drained {
  /** Spans that came through. */
  readonly spans: number;
  /** CPU seconds of the process from its start to the last span. */
  readonly cpuSeconds: number;
  /** CPU seconds of the store meanwhile; NaN when its process is not known. */
  readonly sinkCpuSeconds: number;
  /** By the clock on the wall; see `createPace`. */
  readonly spansPerSecond: number;
  readonly peakMib: number;
  readonly stored: Stored;
}

/** A backlog may take this long: the default forms take half a minute. */
export const DRAIN_MAX_MS = 300_000;
/** An empty topic is watched this long after the process says that it is ready: joins, first polls, compiling. */
export const SETTLE_MS = 3_000;

/**
 * Spans per second from the last moment nothing had come through to the moment 95 % had: what is left at the very end
 * waits for a timer (the collector's flush_timeout is 5 s), which says nothing of speed.
 */
export const createPace = (
  spans: number,
): { readonly saw: (through: number) => void; readonly spansPerSecond: () => number } => {
  let beganMs = performance.now();
  let ended: { readonly ms: number; readonly through: number } | null = null;
  return {
    saw: (through) => {
      if (through === 0) beganMs = performance.now();
      else if (ended === null && through >= spans * 0.95) ended = { ms: performance.now(), through };
    },
    spansPerSecond: () => (ended === null ? Number.NaN : ended.through / ((ended.ms - beganMs) / 1000)),
  };
};
