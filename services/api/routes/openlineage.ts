import { z } from 'zod';
import { type ActionEvent, actionKey, parseActionEvent } from '../../../schemas/action-event.ts';
import { encodeActionEvent } from '../../../schemas/action-event-codec.ts';
import { hash128 } from '../../../schemas/identity.ts';
import { TENANT_HEADER, VANTAGE_HEADER } from '../../../schemas/tenant.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import { tenantOf } from '../../runtime/http/tenant.ts';
import { problem } from '../problem.ts';
import { parseIso } from '../time.ts';
import { defineRoute, noParams, noQuery, type Route, reply } from './route.ts';

/** Events of one request: clients send them one by one, or a run's worth. */
const EVENTS_MAX = 100;
/** Data sets of one event; each becomes an action event of its own. */
const DATASETS_MAX = 500;
/** Records of one request, as `POST actions` takes them. */
const RECORDS_MAX = 2_000;
const TEXT_MAX = 2_048;
const SPAN_DIGITS = 16;

const name = z.string().min(1).max(TEXT_MAX);
const dataset = z.object({ namespace: z.string().max(TEXT_MAX), name });
const runEvent = z.object({
  eventType: z.enum(['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER']).default('OTHER'),
  eventTime: z.string().max(64),
  run: z.object({ runId: z.uuid() }),
  job: z.object({ namespace: z.string().max(TEXT_MAX), name }),
  inputs: z.array(dataset).max(DATASETS_MAX).default([]),
  outputs: z.array(dataset).max(DATASETS_MAX).default([]),
});
type RunEvent = z.output<typeof runEvent>;

/** What a catalogue tells of data sets and jobs as such: true, but nothing that happened. */
const isStatic = (event: unknown): boolean => typeof event === 'object' && event !== null && !('run' in event);

const postLineage = defineRoute({
  method: 'POST',
  path: '/lineage',
  summary: 'Takes OpenLineage run events, so that jobs of other tools join the lineage. All are taken or none.',
  needs: 'ingest',
  status: 202,
  params: noParams,
  query: noQuery,
  body: z
    .union([z.array(z.unknown()).min(1).max(EVENTS_MAX), z.record(z.string(), z.unknown())])
    .describe('A run event of OpenLineage (openlineage.io/spec), or an array of them.'),
  answer: z.object({
    accepted: z.number().describe('Run events taken.'),
    ignored: z.number().describe('Events of data sets and jobs without a run: nothing happened in them.'),
    records: z.number().describe('Action events written to the log: one for each data set, one for each job.'),
    positions: z.array(z.string()),
  }),
  run: async ({ caller, headers, body }, context) => {
    const decision = tenantOf(headers[TENANT_HEADER], caller);
    if (decision.kind === 'denied') throw problem(decision.status, decision.detail);
    const sender = { tenant_id: decision.tenant, vantage: caller.vantage };
    const sent = Array.isArray(body) ? body : [body];
    const told = sent.filter((event) => !isStatic(event));
    const events = told.flatMap((event, at) => actionsOf(readEvent(event, at), at, sender));
    if (events.length > RECORDS_MAX)
      throw problem(400, `${events.length} data sets in one request; at most ${RECORDS_MAX}`, { in: 'body' });
    const positions =
      events.length === 0
        ? []
        : await context.log.append(
            events.map((event) => ({
              topic: TOPICS.actions,
              key: actionKey(event),
              value: encodeActionEvent(event),
              headers: { [TENANT_HEADER]: event.tenant_id, [VANTAGE_HEADER]: event.vantage },
            })),
          );
    const last = new Map(positions.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
    const places = [...last].map(([place, offset]) => `${place}/${offset}`);
    const counts = { accepted: told.length, ignored: sent.length - told.length, records: events.length };
    return reply(202, { ...counts, positions: places }, { 'x-tacho-position': places.join(',') });
  },
});

const readEvent = (event: unknown, at: number): RunEvent => {
  const parsed = runEvent.safeParse(event);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw problem(400, `event ${at}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no run event'}`, {
    in: 'body',
  });
};

/** A job as a step of its run, and each data set as an access of it. The same event sent twice gives the same ids. */
const actionsOf = (
  event: RunEvent,
  at: number,
  sender: { readonly tenant_id: string; readonly vantage: ActionEvent['vantage'] },
): readonly ActionEvent[] => {
  const ms = parseIso(event.eventTime);
  if (ms === null) throw problem(400, `event ${at}: eventTime: '${event.eventTime}' is not ISO 8601`, { in: 'body' });
  const { job, run, eventType } = event;
  const identity = [run.runId.toLowerCase(), eventType, event.eventTime, job.namespace, job.name];
  const isFailed = eventType === 'FAIL' || eventType === 'ABORT';
  const shared = {
    ts: ms * MICROS_PER_MS,
    trace_id: run.runId.toLowerCase().replaceAll('-', ''),
    service: job.namespace,
    workflow: job.name,
    status: isFailed ? 'error' : eventType === 'COMPLETE' ? 'ok' : 'unset',
    labels: { 'openlineage.event_type': eventType },
  };
  const span = hash128(['openlineage', run.runId.toLowerCase(), job.namespace, job.name]).slice(0, SPAN_DIGITS);
  const step = { ...shared, kind: 'workflow', name: job.name, span_id: span, event_id: hash128([...identity, 'job']) };
  const access = (operation: 'read' | 'write') => (data: { readonly namespace: string; readonly name: string }) => ({
    ...shared,
    kind: 'data_access',
    name: `${operation} ${data.name}`,
    span_id: span,
    tool_name: job.name,
    data: { ...data, operation },
    event_id: hash128([...identity, operation, data.namespace, data.name]),
  });
  return [step, ...event.inputs.map(access('read')), ...event.outputs.map(access('write'))].map((json) => {
    const outcome = parseActionEvent(json, sender);
    if (outcome.kind === 'refused') throw problem(400, `event ${at}: ${outcome.detail}`, { in: 'body' });
    return outcome.value;
  });
};
const MICROS_PER_MS = 1_000;

export const openLineageRoutes: readonly Route[] = [postLineage];
