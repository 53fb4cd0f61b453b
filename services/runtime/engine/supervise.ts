import { TransportError } from '../errors.ts';
import { type Engine, type EngineOptions, startEmbeddedEngine } from './spawn.ts';

/** An embedded engine that comes back by itself, at the same URL with the same credentials. */
export interface SupervisedEngine {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Of the process running now. */
  readonly pid: () => number;
  /** How often it had to be started again. */
  readonly restarts: () => number;
  readonly close: () => Promise<void>;
}

/** Waits between attempts, ms: a crash is answered at once, a crash loop costs little. */
const BACKOFF_MS: readonly number[] = [0, 250, 500, 1_000, 2_000, 5_000, 10_000];
/** A life longer than this forgives the crashes before it. */
const HEALTHY_MS = 60_000;

/**
 * Starts the engine and restarts it whenever it ends unasked, for as long as it takes: a store on its URL just sees
 * STORE_UNAVAILABLE for a while. The first start throws as `startEmbeddedEngine` does; `giveUp` ends that one only,
 * because what drains after a stop still writes.
 */
export const createSupervisedEngine = async (
  options: EngineOptions,
  giveUp?: AbortSignal,
): Promise<SupervisedEngine> => {
  const { clock, logger } = options;
  const stopping = new AbortController();
  let engine = await startEmbeddedEngine(options, giveUp);
  let restarts = 0;
  // The port and the password of the first start are kept: they are what the stores were given.
  const again: EngineOptions = { ...options, port: engine.port, password: engine.password };

  const restart = async (attemptFrom: number): Promise<Engine> => {
    for (let attempt = attemptFrom; ; attempt += 1) {
      await clock.sleep(BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 0, stopping.signal);
      try {
        const next = await startEmbeddedEngine(again);
        restarts += 1;
        return next;
      } catch (cause) {
        if (!(cause instanceof TransportError)) throw cause;
        logger.error({ err: cause, attempt }, 'embedded engine did not start again');
      }
    }
  };

  const supervise = async (): Promise<void> => {
    let crashes = 0;
    for (;;) {
      const startedMs = clock.nowMs();
      const end = await engine.ended;
      if (end.isExpected || stopping.signal.aborted) return;
      crashes = clock.nowMs() - startedMs > HEALTHY_MS ? 0 : crashes + 1;
      logger.error({ code: end.code, signal: end.signal, crashes }, 'embedded engine ended; starting it again');
      engine = await restart(Math.max(0, crashes - 1));
      if (stopping.signal.aborted) await engine.close();
    }
  };
  const supervision = supervise().catch((cause: unknown) => {
    if (!stopping.signal.aborted) throw cause;
  });

  return {
    url: engine.url,
    user: engine.user,
    password: engine.password,
    pid: () => engine.pid,
    restarts: () => restarts,
    close: async () => {
      stopping.abort();
      await engine.close();
      await supervision;
    },
  };
};
