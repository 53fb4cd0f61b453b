import { z } from 'zod';
import { INCIDENT_SOURCES } from '../../../schemas/incident-event.ts';
import { SEVERITIES } from '../../../schemas/policy-violation.ts';
import { actorOf } from '../actor.ts';
import { actOnIncident, findIncident, type IncidentAction } from '../incident-actions.ts';
import { type BudgetPeriodRow, budgetsQuery } from '../queries/budgets.ts';
import {
  type DeliveryRow,
  deliveriesQuery,
  INCIDENT_EVENTS_MAX,
  type IncidentEventRow,
  type IncidentRow,
  incidentEventsQuery,
  incidentsQuery,
  placeOf,
  STATE_FILTERS,
} from '../queries/incidents.ts';
import {
  type AffectedRunRow,
  affectedRunsQuery,
  incidentViolationsQuery,
  type ViolationRow,
} from '../queries/violations.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { budgetsJson } from './budgets.ts';
import { cursorInput, cursorOf, limitInput, pageOf, tenantInput, text } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route, reply } from './route.ts';
import {
  type ActionBody,
  actorInput,
  budgetShape,
  commentInput,
  deliveryShape,
  endOf,
  idempotencyKeyOf,
  incidentEventShape,
  incidentShape,
  objectOf,
  untilInput,
  violationShape,
} from './watch-shapes.ts';

/** An incident as JSON: the row without what only pages and cursors need, its detail as an object. */
export const incidentJson = ({
  version: _version,
  logged_at: _logged,
  place: _place,
  detail,
  ...row
}: IncidentRow) => ({
  ...row,
  detail: objectOf(detail),
});
const eventJson = ({ logged_at: _logged, detail, ...event }: IncidentEventRow) => ({
  ...event,
  detail: objectOf(detail),
});

const listIncidents = defineRoute({
  method: 'GET',
  path: '/incidents',
  summary: 'Incidents: open ones first, then acknowledged, the severest first; then resolved ones, the newest first.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    state: z.enum(STATE_FILTERS).optional().describe('unresolved: open or acknowledged.'),
    source: z.enum(INCIDENT_SOURCES).optional(),
    severity: z.enum(SEVERITIES).optional(),
    subject: text.optional().describe('Rule id, budget id, or path of the rule set.'),
    agent: text.optional(),
    cursor: cursorInput,
    limit: limitInput(50, 500),
  }),
  body: noBody,
  answer: z.object({ incidents: z.array(incidentShape), next_cursor: z.string().nullable() }),
  run: async ({ caller, query }, context) => {
    const { tenant, cursor, limit, ...filters } = query;
    const found = await read<IncidentRow>(
      context,
      incidentsQuery({ ...filters, tenant: tenantScope(caller, tenant), cursor: cursorOf(cursor), limit }),
    );
    const page = pageOf(found, limit, (row) => ({ ts_micros: row.place, id: row.incident_id }));
    return { incidents: page.rows.map(incidentJson), next_cursor: page.nextCursor };
  },
});

const idParams = z.strictObject({ incident_id: text });
const oneTenant = z.strictObject({ tenant: tenantInput });

const getIncident = defineRoute({
  method: 'GET',
  path: '/incidents/:incident_id',
  summary: 'One incident: its timeline, notifications, the violations or the budget behind it, the runs it names.',
  needs: 'read',
  params: idParams,
  query: oneTenant,
  body: noBody,
  answer: incidentShape.extend({
    timeline: z.array(incidentEventShape).describe('Newest first.'),
    is_timeline_cut: z.boolean(),
    deliveries: z.array(deliveryShape),
    violations: z.array(violationShape).describe('Newest first; of an incident about a rule.'),
    budget: budgetShape.nullable().describe('Of an incident about a budget.'),
    runs: z.array(z.object({ run_id: z.string(), violations: z.number(), last_ts: z.string() })),
  }),
  run: async ({ caller, params, query }, context) => {
    const incident = await findIncident(context, tenantScope(caller, query.tenant), params.incident_id);
    const one = { tenant: incident.tenant_id, incidentId: incident.incident_id };
    const isBudget = incident.source === 'budget';
    const place = incident.source === 'violation' ? placeOf(incident, incident.subject) : null;
    const [events, deliveries, violations, periods, runs] = await Promise.all([
      read<IncidentEventRow>(context, incidentEventsQuery(one)),
      read<DeliveryRow>(context, deliveriesQuery(one)),
      place === null ? [] : read<ViolationRow>(context, incidentViolationsQuery(place)),
      isBudget
        ? read<BudgetPeriodRow>(context, budgetsQuery({ tenant: incident.tenant_id, budget: incident.subject }))
        : [],
      place === null ? [] : read<AffectedRunRow>(context, affectedRunsQuery(place)),
    ]);
    return {
      ...incidentJson(incident),
      timeline: events.slice(0, INCIDENT_EVENTS_MAX).map(eventJson),
      is_timeline_cut: events.length > INCIDENT_EVENTS_MAX,
      deliveries: [...deliveries],
      violations: violations.map(({ ts_micros: _micros, ...violation }) => violation),
      budget: budgetsJson(periods, context.clock.nowMs())[0] ?? null,
      runs: [...runs],
    };
  },
});

/** Longest silence: an incident that nobody wants to hear of for longer wants another rule or budget. */
const SILENCE_DAYS_MAX = 30;

const actionBody = z.strictObject({ comment: commentInput.optional(), actor: actorInput });
const silenceBody = actionBody.extend({ until: untilInput, minutes: z.int().min(1).optional() });
const commentBody = z.strictObject({ comment: commentInput, actor: actorInput });

const actionAnswer = z.union([
  incidentShape.extend({ event: incidentEventShape.describe('What was done, as the alerter recorded it.') }),
  z
    .object({ accepted: z.literal(true), queryable: z.literal(false), event_id: z.string() })
    .describe('202: taken, and not folded within the wait; the alerter will.'),
]);

const SUMMARIES: Readonly<Record<IncidentAction, string>> = {
  acknowledge: 'Says that somebody has it. 409 when somebody has, or it is resolved.',
  resolve: 'Says that it is over. It opens again when it is observed again. 409 when it is resolved.',
  silence:
    'Sends no notifications about it until a moment at most 30 days ahead. Needs until or minutes. 409 when it is resolved.',
  comment: 'Adds a word to the timeline.',
};

const postAction = (action: IncidentAction, body: ActionBody): Route =>
  defineRoute({
    method: 'POST',
    path: `/incidents/:incident_id/${action}`,
    summary: `${SUMMARIES[action]} Takes an Idempotency-Key.`,
    needs: 'operate',
    params: idParams,
    query: oneTenant,
    body,
    answer: actionAnswer,
    run: async ({ caller, headers, params, query, body: asked }, context) => {
      const incident = await findIncident(context, tenantScope(caller, query.tenant), params.incident_id);
      const outcome = await actOnIncident(context, caller, incident, {
        action,
        actor: actorOf(caller, headers, asked.actor),
        comment: asked.comment ?? null,
        silencedUntilMs: action === 'silence' ? endOf(asked, context.clock.nowMs(), SILENCE_DAYS_MAX) : null,
        key: idempotencyKeyOf(headers),
      });
      return outcome.kind === 'visible'
        ? { ...incidentJson(outcome.incident), event: eventJson(outcome.event) }
        : reply(202, { accepted: true, queryable: false, event_id: outcome.eventId });
    },
  });

export const incidentRoutes: readonly Route[] = [
  listIncidents,
  getIncident,
  postAction('acknowledge', actionBody),
  postAction('resolve', actionBody),
  postAction('silence', silenceBody),
  postAction('comment', commentBody),
];
