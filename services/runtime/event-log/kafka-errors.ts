import { TransportError } from '../errors.ts';
import { adviceFor } from './kafka-advice.ts';

/** What kafkajs' errors carry; they come from its own classes and from sockets. */
interface KafkaFailure {
  readonly type?: unknown;
  readonly code?: unknown;
  readonly name?: unknown;
  readonly retriable?: unknown;
  readonly cause?: unknown;
  readonly originalError?: unknown;
}

const CAUSES_MAX = 8;

const chain = (error: unknown): readonly KafkaFailure[] => {
  const found: KafkaFailure[] = [];
  for (let at: unknown = error; typeof at === 'object' && at !== null && found.length < CAUSES_MAX; ) {
    const failure = at as KafkaFailure;
    found.push(failure);
    at = failure.cause ?? failure.originalError;
  }
  return found;
};

/** The Kafka protocol error behind an error of kafkajs, such as 'ILLEGAL_GENERATION'; '' when there is none. */
export const kafkaErrorType = (error: unknown): string => {
  for (const failure of chain(error)) if (typeof failure.type === 'string') return failure.type;
  return '';
};

/** Broker answers that mean: this member of this generation has no say any more. */
const FENCING: ReadonlySet<string> = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
]);

/** Whether the broker refused because the group moved on. */
export const isFencing = (error: unknown): boolean => FENCING.has(kafkaErrorType(error));

/** Answers that repeat however often one asks. Everything else (sockets, leaders, coordinators) passes by itself. */
const PERMANENT: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_PARTITIONS',
  'INVALID_CONFIG',
  'POLICY_VIOLATION',
  'UNSUPPORTED_VERSION',
  'OFFSET_METADATA_TOO_LARGE',
]);
const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** Everything that tells one failure from another, outermost first. */
const marksOf = (error: unknown): readonly string[] =>
  chain(error)
    .flatMap(({ type, code, name }) => [type, code, name])
    .filter((mark) => typeof mark === 'string');

/** Turns what kafkajs threw into ours; TransportErrors pass through. `what` is a constant sentence of the caller. */
export const toTransportError = (error: unknown, what: string): TransportError => {
  if (error instanceof TransportError) return error;
  const type = kafkaErrorType(error);
  const reason = type || (error instanceof Error ? error.message : String(error)).trim();
  if (TOO_LARGE.has(type)) {
    return new TransportError('LOG_RECORD_TOO_LARGE', `${what}: ${reason}`, { retryable: false, cause: error });
  }
  if (FENCING.has(type)) return new TransportError('FENCED', `${what}: ${reason}`, { retryable: false, cause: error });
  const advice = adviceFor(marksOf(error));
  const detail = advice ? `${what}: ${reason}; ${advice.check}` : `${what}: ${reason}`;
  const retryable = !(PERMANENT.has(type) || advice?.isPermanent);
  return new TransportError('LOG_UNAVAILABLE', detail, { retryable, cause: error });
};
