import type { ClickHouseClient } from '@clickhouse/client';
import { TransportError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, Logger, QueryParams, Random } from '../ports.ts';
import { toTransportError } from './failure.ts';

/** Which ClickHouse, and as whom. */
export interface StoreSettings {
  /** `http://host:8123` or `https://…`. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** PEM of the authority that signed the server's certificate, when the system does not know it. */
  readonly tlsCa?: string;
  /** Name of the cluster: inserts wait for the quorum and reads see every write (delivery protocol 2.3). */
  readonly cluster?: string;
  /** One attempt of an insert, ms; below the shortest deduplication window. Default 60 s. */
  readonly insertDeadlineMs?: number;
  /** One attempt of a query, ms. Default 60 s. */
  readonly queryDeadlineMs?: number;
}

export interface StoreDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One attempt of anything that does not say otherwise, ms. */
export const DEADLINE_MS = 60_000;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 5_000;

/** A connection to one ClickHouse, and what a request over it needs. */
export interface Wire extends StoreDeps {
  readonly client: ClickHouseClient;
  readonly settings: StoreSettings;
}

/** Pause before the next try: doubles, with a random half. */
export const backoffMs = (random: Random, tries: number): number =>
  Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(tries, 10)) * (0.5 + random.float() / 2);

/** One SELECT, one attempt. Throws TransportError. */
export const once = <T>(wire: Wire, sql: string, params?: QueryParams, signal?: AbortSignal): Promise<readonly T[]> => {
  const deadlineMs = wire.settings.queryDeadlineMs ?? DEADLINE_MS;
  return attempt(wire, deadlineMs, signal, async (abort_signal) => {
    const result = await wire.client.query({
      query: sql,
      format: 'JSONEachRow',
      abort_signal,
      ...(params === undefined ? {} : { query_params: { ...params } }),
      clickhouse_settings: {
        output_format_json_quote_64bit_integers: 1,
        output_format_json_quote_decimals: 1,
        max_execution_time: Math.ceil(deadlineMs / 1000),
        ...(wire.settings.cluster === undefined ? {} : { select_sequential_consistency: '1' }),
      },
    });
    return result.json<T>();
  });
};

/**
 * One request under a deadline. Throws TransportError: ABORTED when the caller's signal fired, STORE_UNAVAILABLE at the
 * deadline, and else what `toTransportError` makes of the client's error.
 */
export const attempt = async <T>(
  wire: Wire,
  deadlineMs: number,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  if (signal?.aborted)
    throw new TransportError('ABORTED', 'the request was aborted before it was sent', { retryable: false });
  const deadline = new AbortController();
  const done = new AbortController();
  wire.clock.sleep(deadlineMs, done.signal).then(
    () => deadline.abort(),
    () => undefined,
  );
  try {
    return await task(signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]));
  } catch (cause) {
    if (signal?.aborted) throw new TransportError('ABORTED', 'the request was aborted', { retryable: false, cause });
    if (deadline.signal.aborted) {
      throw new TransportError('STORE_UNAVAILABLE', `ClickHouse gave no answer within ${deadlineMs} ms`, {
        retryable: true,
        cause,
      });
    }
    throw toTransportError(cause);
  } finally {
    done.abort();
  }
};
