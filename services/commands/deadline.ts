import type { Clock, Logger, Service } from '../runtime/ports.ts';

/** A drain that takes longer is given up: everything acknowledged is in the log and will be read again. */
const DRAIN_MS = 20_000;

/** Starts services in order; when one fails, those already started are drained before the error goes on. */
export const startAll = async (services: readonly Service[], logger: Logger, clock: Clock): Promise<void> => {
  const started: Service[] = [];
  for (const service of services) {
    try {
      await service.start();
    } catch (error) {
      await drainAll(started, logger, clock);
      throw error;
    }
    started.push(service);
    logger.info({ service: service.name }, 'service started');
  }
};

/**
 * Waits for a part of the start that has no ear for a stop, such as a client that tries to connect. False: told to stop
 * first; the task goes on by itself until what it works on is closed.
 */
export const endsBeforeStop = async (task: Promise<void>, stop: AbortSignal): Promise<boolean> => {
  const waiting = new AbortController();
  const stopped = new Promise<boolean>((done) => {
    if (stop.aborted) done(false);
    stop.addEventListener('abort', () => done(false), { signal: waiting.signal });
  });
  try {
    return await Promise.race([task.then(() => true), stopped]);
  } finally {
    waiting.abort();
  }
};

/** Drains in reverse order, each with a deadline. */
export const drainAll = async (services: readonly Service[], logger: Logger, clock: Clock): Promise<void> => {
  for (const service of [...services].reverse()) {
    // A deadline left running would keep the process alive until it passes.
    const waiting = new AbortController();
    const outcome = await Promise.race([
      service.drain().then(
        () => 'drained',
        (error: unknown) => String(error),
      ),
      clock.sleep(DRAIN_MS, waiting.signal).then(
        () => 'deadline passed',
        () => 'drained',
      ),
    ]);
    waiting.abort();
    logger.info({ service: service.name, outcome }, 'service drained');
  }
};
