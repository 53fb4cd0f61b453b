import type { OtlpPayload } from '../runtime/otlp-sender.ts';
import type { Clock, Health, Logger, Service } from '../runtime/ports.ts';
import { collectIds, type RecordedRequest, rewrite, timeRange } from './rewrite.ts';
import { captureOf, isCareful, SLOT_MS, slotAt, slotStartMs, slotsToFill } from './schedule.ts';

/** A capture: the requests one emitter sent in one run of its program, in order of arrival. */
export interface Capture {
  readonly name: string;
  readonly requests: readonly RecordedRequest[];
}

/** Where the demo remembers how far it played. */
export interface DemoProgress {
  readonly read: () => number | null;
  readonly write: (slot: number) => void;
}

export interface DemoDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly progress: DemoProgress;
  /** Sends to the receiver like any client; resolves when durable. */
  readonly send: (payload: OtlpPayload, signal: AbortSignal) => Promise<void>;
  readonly encode: (request: RecordedRequest) => OtlpPayload;
}

/** How long a played run lasts, roughly: the recordings took milliseconds, people watch seconds. */
const PLAY_MS = 35_000;
/** A recording is never slowed down by more than this: its own proportions stay believable. */
const STRETCH_MAX = 20;

interface Prepared {
  readonly capture: Capture;
  readonly ids: readonly string[];
  readonly startNano: bigint;
  readonly stretch: number;
}

/** Plays recorded traffic in as if live: first the hours that are missing, then for ever, one run a slot. */
export const createDemo = (captures: readonly Capture[], deps: DemoDeps): Service => {
  const stop = new AbortController();
  const prepared = captures.flatMap(prepare);
  let running: Promise<void> = Promise.resolve();
  let health: Health = { state: 'starting', detail: 'not yet started' };

  const play = async (slot: number, isLive: boolean): Promise<void> => {
    const chosen = prepared[captureOf(slot, prepared.length)];
    if (chosen === undefined) return;
    const startMs = slotStartMs(slot);
    const how = {
      salt: `demo/${slot}/${chosen.capture.name}`,
      recordedStartNano: chosen.startNano,
      startNano: BigInt(startMs) * 1_000_000n,
      stretch: chosen.stretch,
      isCareful: isCareful(slot),
    };
    for (const request of chosen.capture.requests) {
      const moved = rewrite(request, chosen.ids, how);
      const endNano = timeRange([moved])?.end ?? 0n;
      // An exporter sends when a span has ended, not before.
      const waitMs = Number(endNano / 1_000_000n) - deps.clock.nowMs();
      if (isLive && waitMs > 0) await deps.clock.sleep(waitMs, stop.signal);
      await deps.send(deps.encode(moved), stop.signal);
    }
    deps.progress.write(slot);
  };

  const run = async (): Promise<void> => {
    const slots = slotsToFill(deps.clock.nowMs(), deps.progress.read());
    // Newest first would show fresh data sooner, but progress is one number: oldest first, and it is quick.
    for (const slot of slots) await play(slot, false);
    deps.logger.info({ slots: slots.length }, 'demo: history played in');
    health = { state: 'ok', detail: '' };
    let next = slotAt(deps.clock.nowMs());
    while (!stop.signal.aborted) {
      await deps.clock.sleep(Math.max(0, slotStartMs(next) - deps.clock.nowMs()), stop.signal);
      await play(next, true);
      // A machine that slept comes back to the present instead of replaying the night.
      next = Math.max(next + 1, slotAt(deps.clock.nowMs() - SLOT_MS));
    }
  };

  return {
    name: 'demo',
    start: async () => {
      running = run().catch((error: unknown) => {
        if (stop.signal.aborted) return;
        health = { state: 'degraded', detail: `the demo stopped: ${String(error)}` };
        deps.logger.error({ err: error }, 'demo stopped');
      });
    },
    health: () => health,
    drain: async () => {
      stop.abort();
      await running;
    },
  };
};

const prepare = (capture: Capture): readonly Prepared[] => {
  const range = timeRange(capture.requests);
  if (range === null) return [];
  const lengthMs = Math.max(1, Number((range.end - range.start) / 1_000_000n));
  const stretch = Math.min(STRETCH_MAX, Math.max(1, PLAY_MS / lengthMs));
  return [{ capture, ids: collectIds(capture.requests), startNano: range.start, stretch }];
};
