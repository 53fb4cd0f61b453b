import type { Severity } from '../../../schemas/policy-violation.ts';
import type { PostRequest } from '../../runtime/outbound.ts';
import type { Notice } from '../incident.ts';

/** A place notifications go to, as the config names it. */
export interface SinkTarget {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  /** '' when the sink signs nothing. */
  readonly secret: string;
  readonly min_severity: Severity;
}

/** What a sink is told. Everything in it is stored, so that every attempt tells the same. */
export interface Notification {
  readonly notice: Notice;
  readonly delivery_id: string;
  /** Address of the console, without a slash at its end. */
  readonly base_url: string;
}

/**
 * One kind of sink. Pure: the body follows from the notification alone, byte for byte the same at every attempt; only
 * headers may carry the time of the attempt (unix ms). A new kind is a file and a line in registry.ts.
 */
export interface Sink {
  readonly kind: string;
  readonly buildRequest: (notification: Notification, target: SinkTarget, nowMs: number) => PostRequest;
}

/** The page of the incident in the console. */
export const incidentUrl = ({ notice, base_url }: Notification): string =>
  `${base_url}/incidents/${encodeURIComponent(notice.incident.incident_id)}?tenant=${encodeURIComponent(notice.incident.tenant_id)}`;

/** The page of the run that showed it, if one did. */
export const runUrl = ({ notice, base_url }: Notification): string | null =>
  notice.incident.run_id === null
    ? null
    : `${base_url}/runs/${encodeURIComponent(notice.incident.run_id)}?tenant=${encodeURIComponent(notice.incident.tenant_id)}`;
