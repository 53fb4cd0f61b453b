import { countMetrics } from '../../schemas/otlp/count-metrics.ts';
import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import { TransportError } from '../runtime/errors.ts';
import { deadlineSignal } from '../runtime/http/server.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Logger, Random } from '../runtime/ports.ts';
import { type Answer, exported, failed, overloaded, refusalsText } from './answers.ts';
import { buildRecords, positionHeader } from './export-request.ts';
import type { Head } from './head.ts';

/** Header of the answer that says where the records came to stand. */
export const POSITION_HEADER = 'x-tacho-position';

/** Retry-After is drawn from 1 to this, so that senders turned away together do not come back together. */
const RETRY_SECONDS_MAX = 5;
/** Stock exporters give up after 10 s: an append that takes longer has nobody to answer to. */
const APPEND_TIMEOUT_MS = 10_000;

export interface IntakeDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** From the bytes of a body to the answer. */
export interface Intake {
  /** The answer to a body; 200 only after the log made it durable. Never throws. */
  readonly take: (bytes: Uint8Array, head: Head) => Promise<Answer>;
  /** Come back later, with a Retry-After. */
  readonly busy: (encoding: OtlpEncoding, message: string) => Answer;
  /** Why the last append failed; '' when it did not. */
  readonly problem: () => string;
  readonly lastAcceptedMs: () => number | null;
}

/** From body to answer, over the event log. */
export const createIntake = ({ log, clock, random, logger, metrics }: IntakeDeps): Intake => {
  let appendProblem = '';
  let lastAccepted: number | null = null;

  const busy = (encoding: OtlpEncoding, message: string): Answer =>
    overloaded(encoding, message, 1 + Math.floor(random.float() * RETRY_SECONDS_MAX));

  /** Metrics are counted and acknowledged, not stored. */
  const exportMetrics = (bytes: Uint8Array, encoding: OtlpEncoding): Answer => {
    const points = countMetrics(bytes, encoding);
    if (points.kind === 'refused') return failed(encoding, 400, `${points.reason}: ${points.detail}`);
    metrics.count('receiver_items_total', { signal: 'metrics', outcome: 'accepted' }, points.value);
    return exported(encoding, 'metrics', []);
  };

  const exportItems = async (bytes: Uint8Array, head: Head, signal: 'spans' | 'logs'): Promise<Answer> => {
    const { encoding } = head;
    const built = buildRecords(bytes, encoding, signal, head);
    if (built.kind === 'refused') {
      return failed(encoding, built.reason === 'too_large' ? 413 : 400, `${built.reason}: ${built.detail}`);
    }
    const { records, accepted, refusals } = built.value;
    metrics.count('receiver_items_total', { signal, outcome: 'refused' }, refusals.length);
    // Nothing in it could be taken: not a partial success, and sending it again would not help.
    if (accepted === 0 && refusals.length > 0) return failed(encoding, 400, refusalsText(refusals));
    if (records.length === 0) return exported(encoding, signal, []);
    const positions = await log.append(records, deadlineSignal(APPEND_TIMEOUT_MS)); // durable from here on
    appendProblem = '';
    lastAccepted = clock.nowMs();
    metrics.count('receiver_items_total', { signal, outcome: 'accepted' }, accepted);
    return exported(encoding, signal, refusals, { [POSITION_HEADER]: positionHeader(positions) });
  };

  /** The log said no: the sender keeps its data and tries again, unless the record can never be taken. */
  const appendFailed = (error: unknown, encoding: OtlpEncoding): Answer => {
    if (!(error instanceof TransportError)) {
      logger.error({ err: error }, 'a request failed on a bug of ours');
      return failed(encoding, 500, 'internal error');
    }
    if (error.code === 'LOG_RECORD_TOO_LARGE') return failed(encoding, 413, 'one item is larger than the log takes');
    appendProblem = `the event log refused records: ${error.code}`;
    logger.warn({ code: error.code, err: error }, 'the event log refused records');
    return busy(encoding, `the event log takes nothing now (${error.code}): send again later`);
  };

  return {
    take: async (bytes, head) => {
      metrics.count('receiver_bytes_total', { signal: head.signal }, bytes.length);
      try {
        if (head.signal === 'metrics') return exportMetrics(bytes, head.encoding);
        return await exportItems(bytes, head, head.signal);
      } catch (error) {
        return appendFailed(error, head.encoding);
      }
    },
    busy,
    problem: () => appendProblem,
    lastAcceptedMs: () => lastAccepted,
  };
};
