import { TransportError } from '../errors.ts';
import type { Clock } from '../ports.ts';

/**
 * Gives up waiting for kafkajs after `deadlineMs`: after a broker restart some of its promises never settle.
 * Throws TransportError LOG_UNAVAILABLE; the work itself goes on unheard.
 */
export const withDeadline = async <T>(clock: Clock, deadlineMs: number, what: string, work: Promise<T>): Promise<T> => {
  const timer = new AbortController();
  const late = clock.sleep(deadlineMs, timer.signal).then(() => {
    throw new TransportError('LOG_UNAVAILABLE', `${what}: no answer in ${deadlineMs} ms`, { retryable: true });
  });
  // Whichever loses the race must not surface as an unhandled rejection.
  late.catch(() => {});
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
};

/** Stops waiting when the signal fires: throws TransportError ABORTED; the work itself goes on unheard. */
export const untilAborted = async <T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new TransportError('ABORTED', `${what} was aborted`, { retryable: false }));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  // Whichever loses the race must not surface as an unhandled rejection.
  work.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};
