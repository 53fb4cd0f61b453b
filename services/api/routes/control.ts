import { z } from 'zod';
import { type ActionEvent, actionKey, parseActionEvent } from '../../../schemas/action-event.ts';
import { encodeActionEvent } from '../../../schemas/action-event-codec.ts';
import {
  CONTROL_ACTIONS,
  CONTROL_TARGET_CHARS_MAX,
  CONTROL_TARGETS,
  type ControlEvent,
  controlKey,
  encodeControlEvent,
  isTarget,
} from '../../../schemas/control-event.ts';
import { hash128 } from '../../../schemas/identity.ts';
import { TENANT_HEADER, VANTAGE_HEADER } from '../../../schemas/tenant.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import type { Caller } from '../../runtime/access.ts';
import { InvariantError } from '../../runtime/errors.ts';
import { tenantOf } from '../../runtime/http/tenant.ts';
import type { OutgoingRecord } from '../../runtime/ports.ts';
import { actorOf } from '../actor.ts';
import type { ApiContext } from '../deps.ts';
import { problem } from '../problem.ts';
import { logAccess } from '../reads.ts';
import { isoOf } from '../time.ts';
import { momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route, type RouteRequest, reply } from './route.ts';
import { actorInput, commentInput, endOf, idempotencyKeyOf, untilInput } from './watch-shapes.ts';

/** A request that nobody heard within an hour is about a situation that is over. */
const LIVES_MINUTES = 60;
/** Whoever wants an agent stopped for longer than this wants it configured, not asked. */
const LIVES_DAYS_MAX = 7;

const moment = z.string().describe('ISO 8601, UTC.');
const targetInput = z
  .strictObject({
    kind: z.enum(CONTROL_TARGETS),
    id: z.string().min(1).max(CONTROL_TARGET_CHARS_MAX).describe('Run id, or the name of an agent or workflow.'),
  })
  .refine(({ kind, id }) => isTarget(kind, id), 'a run is named by its run_id: 32 lower-case hex digits');

const controlShape = z.object({
  event_id: z.string(),
  ts: moment,
  tenant_id: z.string(),
  action: z.enum(CONTROL_ACTIONS),
  target: z.object({ kind: z.enum(CONTROL_TARGETS), id: z.string() }),
  reason: z.string().nullable(),
  requested_by: z.string(),
  expires_at: moment,
});

const controlJson = (event: ControlEvent): z.output<typeof controlShape> => ({
  event_id: event.event_id,
  ts: isoOf(event.ts / 1000),
  tenant_id: event.tenant_id,
  action: event.action,
  target: { kind: event.target_kind, id: event.target_id },
  reason: event.reason,
  requested_by: event.requested_by,
  expires_at: isoOf(event.expires_at / 1000),
});

/** One tenant, always: what is asked for, else the header's, else the token's, else the default. */
const oneTenant = (caller: Caller, headers: RouteRequest['headers'], asked: string | undefined): string => {
  const decision = tenantOf(asked === undefined || asked === '' ? headers[TENANT_HEADER] : asked, caller);
  if (decision.kind === 'denied') throw problem(decision.status, decision.detail);
  return decision.tenant;
};

const controlBody = z.strictObject({
  action: z.enum(CONTROL_ACTIONS),
  target: targetInput,
  reason: commentInput.optional(),
  until: untilInput.describe(
    'When the request expires, at most 7 days ahead; with neither this nor minutes: 60 minutes.',
  ),
  minutes: z.int().min(1).optional(),
  actor: actorInput,
});

const postControl = defineRoute({
  method: 'POST',
  path: '/control',
  summary:
    'Asks to kill, pause or resume a run, an agent or a workflow. An event that executors act on: Tachograph observes, it does not enforce. Takes an Idempotency-Key.',
  needs: 'operate',
  status: 202,
  params: noParams,
  query: z.strictObject({ tenant: tenantInput }),
  body: controlBody,
  answer: controlShape,
  run: async ({ caller, headers, query, body }, context) => {
    const tenant = oneTenant(caller, headers, query.tenant);
    const actor = actorOf(caller, headers, body.actor);
    const event = eventOf(context, body, tenant, actor, idempotencyKeyOf(headers));
    // The access log has it before anybody can act on it: what cannot be logged is not asked.
    await logAccess(context, caller, {
      action: `control_${event.action}`,
      tenant,
      subject: `${event.target_kind}:${event.target_id}`,
      detail: `as ${actor}${event.reason === null ? '' : `: ${event.reason}`}`,
    });
    await context.log.append(recordsOf(event, caller));
    return reply(202, controlJson(event));
  },
});

const eventOf = (
  context: ApiContext,
  body: z.output<typeof controlBody>,
  tenant: string,
  actor: string,
  key: string | null,
): ControlEvent => {
  const nowMs = context.clock.nowMs();
  const { action, target } = body;
  const isOpen = body.until === undefined && body.minutes === undefined;
  return {
    event_id: hash128(
      key === null
        ? ['control', context.random.uuid()]
        : ['control-key', tenant, actor, action, target.kind, target.id, key],
    ),
    ts: nowMs * 1000,
    tenant_id: tenant,
    action,
    target_kind: target.kind,
    target_id: target.id,
    reason: body.reason ?? null,
    requested_by: actor,
    expires_at: endOf(isOpen ? { minutes: LIVES_MINUTES } : body, nowMs, LIVES_DAYS_MAX) * 1000,
  };
};

/** The request for those who act on it; of a run it is a step as well, so that the run's page tells that it was asked. */
const recordsOf = (event: ControlEvent, caller: Caller): readonly OutgoingRecord[] => {
  const headers = { [TENANT_HEADER]: event.tenant_id, [VANTAGE_HEADER]: caller.vantage };
  const request = { topic: TOPICS.controls, key: controlKey(event), value: encodeControlEvent(event), headers };
  if (event.target_kind !== 'run') return [request];
  const step = stepOf(event, caller.vantage);
  return [request, { topic: TOPICS.actions, key: actionKey(step), value: encodeActionEvent(step), headers }];
};

const stepOf = (event: ControlEvent, vantage: Caller['vantage']): ActionEvent => {
  const outcome = parseActionEvent(
    {
      event_id: event.event_id,
      ts: event.ts,
      kind: 'control',
      name: `${event.action} requested`,
      run_id: event.target_id,
      control: { action: event.action, target: `${event.target_kind}:${event.target_id}` },
      attributes: {
        'tacho.control.requested_by': event.requested_by,
        ...(event.reason === null ? {} : { 'tacho.control.reason': event.reason }),
      },
    },
    { tenant_id: event.tenant_id, vantage },
  );
  if (outcome.kind === 'refused') throw new InvariantError(`a control event that is no action: ${outcome.detail}`);
  return outcome.value;
};

const getControl = defineRoute({
  method: 'GET',
  path: '/control',
  summary:
    'Requests of one tenant that have not expired, oldest first: what an agent without Kafka polls. Ask again with next_since; some come again, known by their event_id.',
  needs: 'ingest',
  params: noParams,
  query: z.strictObject({ tenant: tenantInput, since: momentInput('Requests the log took at or after this moment.') }),
  body: noBody,
  answer: z.object({ controls: z.array(controlShape), next_since: moment }),
  run: async ({ caller, headers, query }, context) => {
    const tenant = oneTenant(caller, headers, query.tenant);
    const { fromMs } = rangeOf({ from: query.since }, context.clock.nowMs());
    const { controls, nextSinceMs } = await context.controls.since(tenant, fromMs);
    return { controls: controls.map(({ event }) => controlJson(event)), next_since: isoOf(nextSinceMs) };
  },
});

export const controlRoutes: readonly Route[] = [postControl, getControl];
