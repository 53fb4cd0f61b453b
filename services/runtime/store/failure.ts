import { ClickHouseError } from '@clickhouse/client';
import { TransportError } from '../errors.ts';
import { RETRYABLE_CODES } from './retryable.ts';

/** What a failed request is to us: ClickHouse spoke (busy or rejected), or nothing of ClickHouse answered. */
export const toTransportError = (cause: unknown): TransportError => {
  if (cause instanceof TransportError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof ClickHouseError)) {
    return new TransportError('STORE_UNAVAILABLE', `ClickHouse does not answer: ${message}`, {
      retryable: true,
      cause,
    });
  }
  const text = `ClickHouse code ${cause.code} ${cause.type ?? ''}: ${message.slice(0, 2_000)}`;
  const isRetryable = RETRYABLE_CODES.has(Number(cause.code));
  return new TransportError(isRetryable ? 'STORE_BUSY' : 'STORE_REJECTED', text, { retryable: isRetryable, cause });
};

/** The ClickHouse code behind an error of the store; null when none of its answers caused it. */
export const clickHouseCode = (error: unknown): number | null => {
  const origin = error instanceof TransportError ? error.cause : error;
  return origin instanceof ClickHouseError ? Number(origin.code) : null;
};
