import { TransportError } from '../runtime/errors.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Health, Logger, Service } from '../runtime/ports.ts';
import type { BuildDeps } from './build.ts';
import { removeLitter, rollUp } from './pass.ts';

export interface RollupSettings {
  /** From the start to the first pass: a start has better things to do. */
  readonly firstMs: number;
  /** From the end of one pass to the next. Closed hours are read from raw for at most this long, and two minutes. */
  readonly everyMs: number;
}

export interface RollupDeps extends BuildDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Passes of an owner that is no more are waited out this many times; then the next process takes over. */
const TURNS_TO_WAIT = 3;
/** Every so often the whole manifest is compared, not only what is new in it: a restored backup, a row that came late. */
const WHOLE_EVERY_MS = 6 * 3_600_000;
const LITTER_EVERY_MS = 3_600_000;

/**
 * Keeps the roll-ups: a pass a minute. One process does the work, the one whose passes are newest; others look on and
 * take over when it stops. That is thrift and not safety: passes of two at once are right too (pass.ts). A store that
 * fails is told and tried again; meanwhile the views read more from raw, and answer the same.
 */
export const createRollupService = (settings: RollupSettings, deps: RollupDeps): Service => {
  const { clock, logger, metrics, random, store } = deps;
  const stop = new AbortController();
  const owner = random.uuid();
  let wholeAtMs: number | null = null;
  let litterAtMs: number | null = null;
  let running: Promise<void> = Promise.resolve();
  // Without any pass the views read raw: nothing has to be waited for.
  let health: Health = { state: 'ok', detail: '' };

  const isAnothersTurn = async (): Promise<boolean> => {
    const [row] = await store.query<{ readonly n: string }>(
      `SELECT count() AS n FROM rollup_passes WHERE owner != {owner:String}
         AND finished_at > now64(3, 'UTC') - toIntervalMillisecond({ms:UInt32})
         AND finished_at > (SELECT max(finished_at) FROM rollup_passes WHERE owner = {owner:String})`,
      { owner, ms: settings.everyMs * TURNS_TO_WAIT },
      stop.signal,
    );
    return row?.n !== '0';
  };

  const isDue = (lastMs: number | null, everyMs: number): boolean =>
    lastMs === null || clock.nowMs() - lastMs >= everyMs;

  const pass = async (): Promise<void> => {
    if (await isAnothersTurn()) return;
    const isWhole = isDue(wholeAtMs, WHOLE_EVERY_MS);
    const startedMs = clock.nowMs();
    const { built, waiting } = await rollUp(deps, owner, isWhole, stop.signal);
    if (isWhole) wholeAtMs = startedMs;
    metrics.count('rollup_slices_built_total', {}, built);
    metrics.gauge('rollup_slices_waiting', waiting);
    metrics.gauge('rollup_finished_timestamp_seconds', clock.nowMs() / 1000);
    if (built > 0) logger.info({ built, waiting }, 'hours rolled up');
    if (!isDue(litterAtMs, LITTER_EVERY_MS)) return;
    litterAtMs = startedMs;
    // It costs room and no figure; a user without the right to delete can do all the rest.
    await removeLitter(store).catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
      logger.warn({ err: error }, 'rows of former roll-ups could not be removed');
    });
  };

  const once = async (): Promise<void> => {
    try {
      await pass();
      health = { state: 'ok', detail: '' };
    } catch (error) {
      if (stop.signal.aborted) return;
      health = { state: 'degraded', detail: `the last pass failed: ${String(error)}` };
      logger.warn({ err: error }, 'a pass of the roll-ups failed; tried again at the next turn');
    }
  };

  const run = async (): Promise<void> => {
    await clock.sleep(settings.firstMs, stop.signal);
    while (!stop.signal.aborted) {
      await once();
      await clock.sleep(settings.everyMs, stop.signal);
    }
  };

  return {
    name: 'rollup',
    start: async () => {
      running = run().catch((error: unknown) => {
        if (stop.signal.aborted) return;
        health = { state: 'stopped', detail: String(error) };
        logger.error({ err: error }, 'the roll-ups stopped');
      });
    },
    health: () => health,
    drain: async () => {
      stop.abort();
      await running;
    },
  };
};
