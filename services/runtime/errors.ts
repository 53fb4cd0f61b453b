/**
 * The three ways code says no besides an `Outcome` (which is for data):
 * `TransportError` for infrastructure, `InvariantError` for bugs, `ConfigError` for what a person wrote.
 */

/** Stable codes of infrastructure failures; a metric label, so the list is closed. */
export type TransportErrorCode =
  | 'FENCED' // the epoch of an assignment is over: drop the batch, never insert it
  | 'LOG_UNAVAILABLE' // the event log does not answer
  | 'LOG_FULL' // the event log refuses more
  | 'LOG_RECORD_TOO_LARGE'
  | 'LOG_GONE' // an offset out of the log's range, or another log under the same name
  | 'STORE_UNAVAILABLE' // no connection, time-out, 5xx without a ClickHouse code
  | 'STORE_BUSY' // ClickHouse codes that pass by themselves
  | 'STORE_REJECTED' // schema, types, quota, code 252: repeats for ever
  | 'HTTP_UNAVAILABLE'
  | 'ABORTED';

/** Infrastructure said no. `retryable` is decided where the error is born, never by reading its message. */
export class TransportError extends Error {
  readonly code: TransportErrorCode;
  readonly retryable: boolean;
  constructor(code: TransportErrorCode, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'TransportError';
    this.code = code;
    this.retryable = options.retryable;
  }
}

/** A bug of ours. Crash, restart, replay: never catch it to go on. */
export class InvariantError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'InvariantError';
  }
}

/** One thing wrong in a config: which key, what stands there, what is allowed. */
export interface ConfigProblem {
  readonly key: string;
  readonly value: string;
  readonly allowed: string;
}

/** Lists every problem at once; the process exits 2 before anything starts. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.key}: ${p.value} (allowed: ${p.allowed})`).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Throws `InvariantError` when a fact the code relies on does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
