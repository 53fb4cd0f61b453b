import { createHmac } from 'node:crypto';
import type { Incident } from '../incident.ts';
import { incidentUrl, type Notification, runUrl, type Sink } from './sink.ts';

const SECRET_PREFIX = 'whsec_';

/**
 * A JSON body, signed as Standard Webhooks says (https://www.standardwebhooks.com): `webhook-signature: v1,<base64 of
 * HMAC-SHA256 over "id.timestamp.body">`, the timestamp that of the attempt in seconds. A secret `whsec_…` is base64,
 * any other is taken as the bytes it is; without a secret nothing is signed.
 */
export const webhook: Sink = {
  kind: 'webhook',
  buildRequest: (notification, target, nowMs) => {
    const id = notification.delivery_id;
    const timestamp = String(Math.floor(nowMs / 1000));
    const body = JSON.stringify(bodyOf(notification));
    return {
      url: target.url,
      body,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': id,
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        ...(target.secret === ''
          ? {}
          : { 'webhook-signature': `v1,${sign(target.secret, `${id}.${timestamp}.${body}`)}` }),
      },
    };
  },
};

const sign = (secret: string, text: string): string => {
  const key = secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    : Buffer.from(secret);
  return createHmac('sha256', key).update(text).digest('base64');
};

const bodyOf = (notification: Notification) => {
  const { notice, delivery_id } = notification;
  return {
    type: `incident.${notice.transition}`,
    timestamp: new Date(notice.at_ms).toISOString(),
    event_id: notice.event_id,
    delivery_id,
    transition: notice.transition,
    actor: notice.actor,
    comment: notice.comment,
    incident: incidentOf(notice.incident),
    links: { incident: incidentUrl(notification), run: runUrl(notification) },
  };
};

const isoNullable = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const incidentOf = (incident: Incident) => ({
  incident_id: incident.incident_id,
  tenant_id: incident.tenant_id,
  source: incident.source,
  subject: incident.subject,
  title: incident.title,
  severity: incident.severity,
  state: incident.state,
  opened_at: isoNullable(incident.opened_at_ms),
  last_observed_at: isoNullable(incident.last_observed_at_ms),
  observations: incident.observations,
  level: incident.level,
  acknowledged_at: isoNullable(incident.acknowledged_at_ms),
  acknowledged_by: incident.acknowledged_by,
  resolved_at: isoNullable(incident.resolved_at_ms),
  resolved_by: incident.resolved_by,
  service: incident.service,
  agent_name: incident.agent_name,
  workflow: incident.workflow,
  run_id: incident.run_id,
  detail: JSON.parse(incident.detail) as unknown,
});
