import { z } from 'zod';
import { type ActionEvent, actionKey, parseActionEvent } from '../../../schemas/action-event.ts';
import { encodeActionEvent } from '../../../schemas/action-event-codec.ts';
import { TENANT_HEADER, VANTAGE_HEADER } from '../../../schemas/tenant.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import type { Caller } from '../../runtime/access.ts';
import { tenantOf } from '../../runtime/http/tenant.ts';
import type { RecordPosition } from '../../runtime/ports.ts';
import { problem } from '../problem.ts';
import { defineRoute, noParams, noQuery, type Route, type RouteRequest, reply } from './route.ts';

/** Events of one request: senders batch, and one refusal must stay readable. */
const EVENTS_MAX = 1000;

/** Tenant by the same rules as the receiver: the header, within what the token allows. */
const senderOf = (headers: RouteRequest['headers'], caller: Caller) => {
  const decision = tenantOf(headers[TENANT_HEADER], caller);
  if (decision.kind === 'denied') throw problem(decision.status, decision.detail);
  return { tenant_id: decision.tenant, vantage: caller.vantage };
};

const postActions = defineRoute({
  method: 'POST',
  path: '/actions',
  summary: 'Reports what happened outside tracing: one action event or an array. All are taken or none.',
  needs: 'ingest',
  status: 202,
  params: noParams,
  query: noQuery,
  body: z
    .union([z.array(z.unknown()).min(1).max(EVENTS_MAX), z.record(z.string(), z.unknown())])
    .describe('An action event (schemas/avro/action-event.avsc as JSON), or an array of them.'),
  answer: z.object({ accepted: z.number(), positions: z.array(z.string()) }),
  run: async ({ caller, headers, body }, context) => {
    const sender = senderOf(headers, caller);
    const events = eventsOf(Array.isArray(body) ? body : [body], sender);
    const positions = await context.log.append(
      events.map((event) => ({
        topic: TOPICS.actions,
        key: actionKey(event),
        value: encodeActionEvent(event),
        headers: { [TENANT_HEADER]: event.tenant_id, [VANTAGE_HEADER]: event.vantage },
      })),
    );
    const places = lastPositions(positions);
    return reply(202, { accepted: events.length, positions: places }, { 'x-tacho-position': places.join(',') });
  },
});

/** Every event checked before any is written; the refusal names each one at fault by its place in the array. */
const eventsOf = (
  inputs: readonly unknown[],
  sender: { readonly tenant_id: string; readonly vantage: ActionEvent['vantage'] },
): readonly ActionEvent[] => {
  const outcomes = inputs.map((input) => parseActionEvent(input, sender));
  const errors = outcomes.flatMap((outcome, index) =>
    outcome.kind === 'refused' ? [{ index, detail: outcome.detail }] : [],
  );
  const [first] = errors;
  if (first !== undefined) {
    throw problem(400, `event ${first.index}: ${first.detail}`, { in: 'body', errors: errors.slice(0, 20) });
  }
  return outcomes.flatMap((outcome) => (outcome.kind === 'ok' ? [outcome.value] : []));
};

/** `topic/partition/offset` of the last record in each partition. */
const lastPositions = (positions: readonly RecordPosition[]): readonly string[] => {
  const last = new Map<string, number>();
  for (const { topic, partition, offset } of positions) {
    const place = `${topic}/${partition}`;
    last.set(place, Math.max(offset, last.get(place) ?? 0));
  }
  return [...last].map(([place, offset]) => `${place}/${offset}`);
};

export const actionRoutes: readonly Route[] = [postActions];
