import { z } from 'zod';
import type { IncidentEvent } from '../../schemas/incident-event.ts';
import type { LogRecord } from '../runtime/ports.ts';

/** Longest address of the console a notification has; with the names of forty sinks it still fits an event's detail. */
export const BASE_URL_MAX = 1_000;

/** Where a notification goes, as a `routed` event says it. */
const ROUTED = z.object({
  for_event_id: z.string().max(64),
  /** Sinks are named in the config: forty at most there. */
  sinks: z.array(z.string().max(40)).max(40),
  base_url: z.string().max(BASE_URL_MAX),
});
export type RoutedDetail = z.output<typeof ROUTED>;

/** What came of a delivery. */
const OUTCOME = z.object({
  for_event_id: z.string().max(64),
  attempts: z.number().int().min(0).max(1_000_000),
  error: z.string().max(1_000).default(''),
  given_up: z.boolean().default(false),
});
export type OutcomeDetail = z.output<typeof OUTCOME>;

/** Detail of a `routed` event; null when it says nothing of the kind. */
export const readRouted = (detail: string): RoutedDetail | null => ROUTED.safeParse(parse(detail)).data ?? null;

/** Detail of a `delivered` or `delivery_failed` event; null when it says nothing of the kind. */
export const readOutcome = (detail: string): OutcomeDetail | null => OUTCOME.safeParse(parse(detail)).data ?? null;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Longest texts of an event that are kept, in UTF-16 units: a page and a phone show no more, and a state holds many. */
const TITLE_MAX = 500;
const NAME_MAX = 300;
const COMMENT_MAX = 4_000;
const DETAIL_MAX = 4_096;

/** The event with every text bounded and a detail that is a JSON object. */
export const boundEvent = (event: IncidentEvent): IncidentEvent => ({
  ...event,
  subject: clip(event.subject, NAME_MAX),
  title: clip(event.title, TITLE_MAX),
  actor: clipNullable(event.actor, NAME_MAX),
  comment: clipNullable(event.comment, COMMENT_MAX),
  level: event.level !== null && Number.isFinite(event.level) ? event.level : null,
  service: clipNullable(event.service, NAME_MAX),
  agent_name: clipNullable(event.agent_name, NAME_MAX),
  workflow: clipNullable(event.workflow, NAME_MAX),
  run_id: clipNullable(event.run_id, NAME_MAX),
  sink: clipNullable(event.sink, NAME_MAX),
  detail: boundDetail(event.detail),
});

/**
 * Nothing happened later than it was logged. Who says so may have a clock that is ahead; an incident resolved tomorrow
 * would take every observation until then for an old one.
 */
export const datedBy = ({ timestampMs }: Pick<LogRecord, 'timestampMs'>, event: IncidentEvent): IncidentEvent =>
  timestampMs > 0 && event.at_ms > timestampMs ? { ...event, at_ms: timestampMs } : event;

const clip = (text: string, max: number): string =>
  (text.length > max ? `${text.slice(0, max - 1)}…` : text).toWellFormed();
const clipNullable = (text: string | null, max: number): string | null => (text === null ? null : clip(text, max));

const boundDetail = (detail: string): string => {
  if (detail.length > DETAIL_MAX) return JSON.stringify({ cut_from_chars: detail.length });
  const value = parse(detail);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? detail.toWellFormed() : '{}';
};
