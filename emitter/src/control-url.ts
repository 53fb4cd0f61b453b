import { CONTROL_ACTIONS, CONTROL_TARGETS, type ControlEvent, isTarget } from '../../schemas/control-event.ts';
import type { ControlUrl, Hearing } from './hearing.ts';
import { reasonOf, say } from './say.ts';
import { getJson, jittered, pause } from './world.ts';

const POLL_MS = 2_000;
const ANSWER_MS = 10_000;
const BACKOFF_MAX_MS = 30_000;

/** Polls `GET /api/v1/control` until the signal fires, through outages. */
export const hearUrl = async (source: ControlUrl, hearing: Hearing): Promise<void> => {
  const headers: Record<string, string> = source.token === undefined ? {} : { authorization: `Bearer ${source.token}` };
  const pollMs = source.pollMs ?? POLL_MS;
  // A duration first, by the server's clock; then what it says itself.
  let since = `${Math.min(Math.ceil(hearing.lookBackMs / 1000), 86_400)}s`;
  let failures = 0;
  while (!hearing.signal.aborted) {
    try {
      const answer = await ask(source.url, hearing.tenant, since, headers);
      since = answer.nextSince;
      for (const event of answer.events) hearing.heard(event);
      if (failures > 0) say('info', 'control requests are heard again');
      failures = 0;
      hearing.ready();
    } catch (error) {
      if (failures === 0) say('warn', `control requests are not heard: ${reasonOf(error)}`);
      failures += 1;
    }
    await pause(
      jittered(Math.min(pollMs * 2 ** Math.min(failures, 6), Math.max(pollMs, BACKOFF_MAX_MS))),
      hearing.signal,
    );
  }
};

const ask = async (
  url: string,
  tenant: string,
  since: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly events: readonly ControlEvent[]; readonly nextSince: string }> => {
  const path = `/api/v1/control?tenant=${encodeURIComponent(tenant)}&since=${encodeURIComponent(since)}`;
  const { status, json } = await getJson(`${url.replace(/\/+$/, '')}${path}`, headers, ANSWER_MS);
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  const { controls, next_since: nextSince } = objectOf(json);
  if (!Array.isArray(controls) || typeof nextSince !== 'string') throw new Error(`${url} is no API of Tachograph`);
  return { events: controls.flatMap(eventOf), nextSince };
};

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

/** [] for what is no request: one that cannot be read hides no other. */
const eventOf = (json: unknown): readonly ControlEvent[] => {
  const { event_id, ts, tenant_id, action, target, reason, requested_by, expires_at } = objectOf(json);
  const { kind, id } = objectOf(target);
  const [known, asked] = [CONTROL_TARGETS.find((one) => one === kind), CONTROL_ACTIONS.find((one) => one === action)];
  const [tsMs, expiresMs] = [Date.parse(String(ts)), Date.parse(String(expires_at))];
  if (typeof event_id !== 'string' || typeof tenant_id !== 'string' || typeof id !== 'string') return [];
  if (known === undefined || asked === undefined || !isTarget(known, id)) return [];
  if (Number.isNaN(tsMs) || Number.isNaN(expiresMs)) return [];
  const told = typeof reason === 'string' ? reason : null;
  return [
    {
      ...{ event_id, ts: tsMs * 1000, tenant_id, action: asked, target_kind: known, target_id: id, reason: told },
      ...{ requested_by: String(requested_by), expires_at: expiresMs * 1000 },
    },
  ];
};
