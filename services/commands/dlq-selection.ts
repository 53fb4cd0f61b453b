import {
  DEAD_LETTER_REASONS,
  type DeadLetterReason,
  parseOrigin,
  type RecordOrigin,
} from '../../schemas/dead-letter.ts';
import { parseMoment } from '../api/time.ts';
import { ConfigError, type ConfigProblem } from '../runtime/errors.ts';
import type { Clock } from '../runtime/ports.ts';

/** What a person typed to name dead letters. */
export interface TypedSelection {
  /** `topic/partition/offset`, with `log_id/` before it where a topic was made anew. */
  readonly positions: readonly string[];
  readonly topic?: string;
  readonly reason?: string;
  readonly service?: string;
  /** A moment (ISO 8601) or how long ago (`2h`). */
  readonly since?: string;
}

/** Which dead letters are meant; what is null or empty does not narrow. */
export interface Selection {
  readonly positions: readonly Position[];
  readonly topic: string | null;
  readonly reason: DeadLetterReason | null;
  readonly service: string | null;
  readonly sinceMs: number | null;
}

/** A position as people name it; without a log id it is that of any life of the topic. */
export type Position = Omit<RecordOrigin, 'logId'> & { readonly logId: string | null };

const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const SERVICE = /^[a-z]{1,40}$/;

/** Reads what was typed. Throws ConfigError with everything that is wrong. */
export const parseSelection = (typed: TypedSelection, clock: Clock): Selection => {
  const problems: ConfigProblem[] = [];
  const wrong = (key: string, value: string, allowed: string): null => {
    problems.push({ key, value, allowed });
    return null;
  };
  const positions = typed.positions.flatMap(
    (text) =>
      parsePosition(text) ?? wrong('position', text, 'topic/partition/offset, or log_id/topic/partition/offset') ?? [],
  );
  const { topic = null, service = null } = typed;
  if (topic !== null && !TOPIC.test(topic)) wrong('--topic', topic, 'a topic, as the source names it (without .dlq)');
  if (service !== null && !SERVICE.test(service)) wrong('--service', service, 'a service, such as normalizer');
  const reason = DEAD_LETTER_REASONS.find((known) => known === typed.reason) ?? null;
  if (typed.reason !== undefined && reason === null) wrong('--reason', typed.reason, DEAD_LETTER_REASONS.join(' | '));
  const sinceMs = typed.since === undefined ? null : parseMoment(typed.since, clock.nowMs());
  if (typed.since !== undefined && sinceMs === null)
    wrong('--since', typed.since, 'such as 2h, or 2026-03-01T12:00:00Z');
  if (problems.length > 0) throw new ConfigError(problems);
  return { positions, topic, reason, service, sinceMs };
};

const parsePosition = (text: string): Position | null => {
  const whole = parseOrigin(text);
  if (whole !== null) return whole;
  const short = parseOrigin(`any/${text}`);
  return short === null ? null : { ...short, logId: null };
};

/** Whether a dead letter is meant: by where it comes from, and what its headers say. */
export const isSelected = (
  selection: Selection,
  origin: RecordOrigin,
  headers: Readonly<Record<string, string>>,
): boolean => {
  const { positions, topic, reason, service, sinceMs } = selection;
  if (positions.length > 0 && !positions.some((position) => isAt(position, origin))) return false;
  if (topic !== null && origin.topic !== topic) return false;
  if (reason !== null && headers['reason'] !== reason) return false;
  // Dead letters of versions that did not say their service were the normalizer's.
  if (service !== null && (headers['service'] ?? 'normalizer') !== service) return false;
  return sinceMs === null || Date.parse(`${headers['first_seen']?.replace(' ', 'T')}Z`) >= sinceMs;
};

const isAt = (position: Position, origin: RecordOrigin): boolean =>
  position.topic === origin.topic &&
  position.partition === origin.partition &&
  position.offset === origin.offset &&
  (position.logId === null || position.logId === origin.logId);

/** The same as a condition on `dead_letters`. Every value was checked by its form, so it can stand in the SQL. */
export const selectionSql = ({ positions, topic, reason, service, sinceMs }: Selection): string => {
  const at = positions.map(
    (p) =>
      `(log_topic = '${p.topic}' AND log_partition = ${p.partition} AND log_offset = ${p.offset}${p.logId === null ? '' : ` AND log_id = '${p.logId}'`})`,
  );
  return [
    ...(at.length === 0 ? [] : [`(${at.join(' OR ')})`]),
    ...(topic === null ? [] : [`log_topic = '${topic}'`]),
    ...(reason === null ? [] : [`reason = '${reason}'`]),
    ...(service === null ? [] : [`service = '${service}'`]),
    ...(sinceMs === null ? [] : [`logged_at >= fromUnixTimestamp64Milli(${Math.floor(sinceMs)}, 'UTC')`]),
    '1',
  ].join(' AND ');
};
