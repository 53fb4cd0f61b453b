import { countMetrics } from '../../schemas/otlp/count-metrics.ts';
import { TransportError } from '../runtime/errors.ts';
import type { BodyOutcome } from '../runtime/http/body.ts';
import { deadlineSignal } from '../runtime/http/server.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Logger, Random } from '../runtime/ports.ts';
import { type Answer, type Exported, type ExportSignal, type Refusal, refusal, refusalsText } from './answers.ts';
import { buildIngestRecords, buildRecords, positionText } from './export-request.ts';
import type { Head } from './head.ts';

/** Told to senders of metrics; SDKs write it into their logs, so once an hour and tenant is enough. */
const METRICS_HINT =
  'metrics are counted and not stored: calls are told by spans and log records; send those to /v1/traces or /v1/logs';
const HINT_EVERY_MS = 3_600_000;
/** Tenants it is remembered of; beyond it some hear it again. */
const HINTED_TENANTS_MAX = 1_000;

/** Retry-After is drawn from 1 to this, so that senders turned away together do not come back together. */
const RETRY_SECONDS_MAX = 5;
/** Stock exporters give up after 10 s: they must hear before that to keep the data, rather than drop it unanswered. */
const APPEND_TIMEOUT_MS = 8_000;

export interface IntakeDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** From the bytes of a body to the answer: the same for every transport. */
export interface Intake {
  /** The answer to a body; `exported` only after the log made it durable. Never throws. */
  readonly take: (bytes: Uint8Array, head: Head) => Promise<Answer>;
  /** Come back later. */
  readonly busy: (message: string) => Refusal;
  /** The answer to a body that could not be read. */
  readonly unread: (body: BodyOutcome & { readonly kind: 'refused' }) => Refusal;
  /** Why the last append failed; '' when it did not. */
  readonly problem: () => string;
  readonly lastAcceptedMs: () => number | null;
}

/** From body to answer, over the event log. */
export const createIntake = ({ log, clock, random, logger, metrics }: IntakeDeps): Intake => {
  let appendProblem = '';
  let lastAccepted: number | null = null;

  const busy = (message: string): Refusal => ({
    kind: 'refused',
    why: 'unavailable',
    message,
    retrySeconds: 1 + Math.floor(random.float() * RETRY_SECONDS_MAX),
  });

  const hinted = new Map<string, number>();
  const metricsHint = (tenant: string): string => {
    const nowMs = clock.nowMs();
    if (nowMs - (hinted.get(tenant) ?? Number.NEGATIVE_INFINITY) < HINT_EVERY_MS) return '';
    if (hinted.size >= HINTED_TENANTS_MAX) hinted.clear();
    hinted.set(tenant, nowMs);
    return METRICS_HINT;
  };

  /** Metrics are counted and acknowledged, not stored, and their sender is told so. */
  const exportMetrics = (bytes: Uint8Array, { encoding, tenant }: Head): Answer => {
    const points = countMetrics(bytes, encoding);
    if (points.kind === 'refused') return refusal('malformed', `${points.reason}: ${points.detail}`);
    metrics.count('receiver_items_total', { signal: 'metrics', outcome: 'accepted' }, points.value);
    return { ...exported('metrics'), hint: points.value > 0 ? metricsHint(tenant) : '' };
  };

  const exportItems = async (bytes: Uint8Array, head: Head, signal: 'spans' | 'logs'): Promise<Answer> => {
    const built =
      head.format === 'otlp' ? buildRecords(bytes, head.encoding, signal, head) : buildIngestRecords(bytes, head);
    if (built.kind === 'refused') {
      return refusal(built.reason === 'too_large' ? 'too_large' : 'malformed', `${built.reason}: ${built.detail}`);
    }
    const { records, accepted, refusals } = built.value;
    metrics.count('receiver_items_total', { signal, outcome: 'refused' }, refusals.length);
    // Nothing in it could be taken: not a partial success, and sending it again would not help.
    if (accepted === 0 && refusals.length > 0) return refusal('malformed', refusalsText(refusals));
    if (records.length === 0) return exported(signal);
    const positions = await log.append(records, deadlineSignal(APPEND_TIMEOUT_MS)); // durable from here on
    if (appendProblem !== '') logger.info({}, 'the event log takes records again');
    appendProblem = '';
    lastAccepted = clock.nowMs();
    metrics.count('receiver_items_total', { signal, outcome: 'accepted' }, accepted);
    return { ...exported(signal), refusals, position: positionText(positions) };
  };

  /** The log said no: the sender keeps its data and tries again, unless the record can never be taken. */
  const appendFailed = (error: unknown): Refusal => {
    if (!(error instanceof TransportError)) {
      logger.error({ err: error }, 'a request failed on a bug of ours');
      return refusal('internal', 'internal error');
    }
    if (error.code === 'LOG_RECORD_TOO_LARGE') return refusal('too_large', 'one item is larger than the log takes');
    const problem = `the event log refused records: ${error.code}`;
    // Told once, not at every request of senders that come back by the thousand.
    if (problem !== appendProblem) logger.warn({ code: error.code, err: error }, 'the event log refuses records');
    appendProblem = problem;
    return busy(`the event log takes nothing now (${error.code}): send again later`);
  };

  return {
    take: async (bytes, head) => {
      metrics.count('receiver_bytes_total', { signal: head.signal }, bytes.length);
      try {
        if (head.signal === 'metrics') return exportMetrics(bytes, head);
        return await exportItems(bytes, head, head.signal);
      } catch (error) {
        return appendFailed(error);
      }
    },
    busy,
    unread: ({ why, detail }) => (why === 'overload' ? busy(detail) : refusal(why, detail)),
    problem: () => appendProblem,
    lastAcceptedMs: () => lastAccepted,
  };
};

const exported = (signal: ExportSignal): Exported => ({
  kind: 'exported',
  signal,
  refusals: [],
  hint: '',
  position: '',
});
