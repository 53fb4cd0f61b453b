import { z } from 'zod';
import type { ApiContext } from '../deps.ts';
import { problem } from '../problem.ts';
import {
  COST_KEYS,
  COST_STEP_NAMES,
  COST_STEPS,
  type CostDimension,
  type CostKey,
  type CostRow,
  type CostStep,
  costsQuery,
} from '../queries/costs.ts';
import { type AgentRow, agentsQuery } from '../queries/overview.ts';
import type { TimeRange } from '../queries/query.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { limitInput, momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { figuresShape, rangeShape } from './shapes.ts';

const rangeJson = (range: TimeRange) => ({ from: isoOf(range.fromMs), to: isoOf(range.toMs) });

const isKey = (name: string): name is CostKey => COST_KEYS.some((key) => key === name);

/** Groups beyond the page; told as `is_cut`, for a total over a cut list would be a lie. */
const GROUPS_MAX = 10_000;
/** More buckets than any chart draws; wider ranges take a wider step. */
const BUCKETS_MAX = 5000;

const groupByInput = z
  .string()
  .max(512)
  .optional()
  .describe(`Comma-separated dimensions: ${COST_KEYS.join(', ')}.`)
  .transform((text, check) => {
    const names = (text ?? '').split(',').filter((name) => name !== '');
    const unknown = names.filter((name) => !isKey(name));
    if (unknown.length > 0) {
      check.addIssue(`unknown dimension ${unknown.join(', ')}; allowed: ${COST_KEYS.join(', ')}`);
    }
    return [...new Set(names.filter(isKey))];
  });

const filterText = z.string().max(512).optional();
const filterShape = Object.fromEntries(COST_KEYS.filter((key) => key !== 'tenant_id').map((key) => [key, filterText]));

const stepNames: readonly string[] = COST_STEP_NAMES;
const stepInput = z
  .custom<CostStep>((name) => typeof name === 'string' && stepNames.includes(name), `one of ${stepNames.join(', ')}`)
  .optional()
  .meta({
    type: 'string',
    enum: [...stepNames],
    description: 'Width of a time bucket (UTC); absent: one figure a group.',
  });

const checkBuckets = (step: CostStep | undefined, range: TimeRange): void => {
  const widthMs = step === undefined ? null : COST_STEPS[step].ms;
  if (widthMs !== null && (range.toMs - range.fromMs) / widthMs > BUCKETS_MAX) {
    throw problem(400, `step: more than ${BUCKETS_MAX} buckets in this range; take a wider step`, {
      parameter: 'step',
    });
  }
};

const getCosts = defineRoute({
  method: 'GET',
  path: '/costs',
  summary: 'Spend, calls and tokens per group, with the share that is known. Any dimension is also a filter.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    from: momentInput('Calls at or after this moment; default: 24 hours before `to`.'),
    to: momentInput('Calls before this moment; default: now.'),
    group_by: groupByInput,
    step: stepInput,
    limit: limitInput(1000, GROUPS_MAX),
    ...filterShape,
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    group_by: z.array(z.string()),
    step: z.string().nullable(),
    total: figuresShape.nullable().describe('Over all groups, also those beyond `limit`; null: no call in the range.'),
    groups: z.array(figuresShape.catchall(z.unknown())),
    is_cut: z.boolean(),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    checkBuckets(query.step, range);
    const { tenant, from: _from, to: _to, group_by, step, limit, ...filters } = query;
    const scope = { tenant: tenantScope(caller, tenant), range, filters, owners: context.owners };
    const [total, groups] = await Promise.all([
      read<CostRow>(context, costsQuery({ ...scope, groupBy: [], step: null, limit: 1 })),
      read<CostRow>(context, costsQuery({ ...scope, groupBy: group_by, step: step ?? null, limit: limit + 1 })),
    ]);
    return {
      range: rangeJson(range),
      group_by,
      step: step ?? null,
      total: total[0] ?? null,
      groups: groups.slice(0, limit).map((row) => ({ ...row })),
      is_cut: groups.length > limit,
    };
  },
});

const rangeQuery = z.strictObject({
  tenant: tenantInput,
  from: momentInput('Default: 24 hours before `to`.'),
  to: momentInput('Default: now.'),
});

const groupsBy = (context: ApiContext, tenant: string | null, range: TimeRange, groupBy: readonly CostDimension[]) =>
  read<CostRow>(context, costsQuery({ tenant, range, groupBy, step: null, filters: {}, limit: 500 }));

const listModels = defineRoute({
  method: 'GET',
  path: '/models',
  summary: 'Models called in the range, dearest first.',
  needs: 'read',
  params: noParams,
  query: rangeQuery,
  body: noBody,
  answer: z.object({ range: rangeShape, models: z.array(figuresShape.catchall(z.unknown())) }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const rows = await groupsBy(context, tenantScope(caller, query.tenant), range, ['provider', 'model']);
    return { range: rangeJson(range), models: rows.map((row) => ({ ...row })) };
  },
});

const listAgents = defineRoute({
  method: 'GET',
  path: '/agents',
  summary: 'Agents active in the range: their runs, and the figures of the calls booked to them.',
  needs: 'read',
  params: noParams,
  query: rangeQuery,
  body: noBody,
  answer: z.object({
    range: rangeShape,
    agents: z.array(
      z.object({
        agent_name: z.string(),
        runs: z.number(),
        failed_runs: z.number(),
        last_active_at: z.string(),
        figures: figuresShape.loose().nullable(),
      }),
    ),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const tenant = tenantScope(caller, query.tenant);
    const [agents, costs] = await Promise.all([
      read<AgentRow>(context, agentsQuery({ tenant, range })),
      groupsBy(context, tenant, range, ['agent_name']),
    ]);
    const figures = new Map(costs.map((row) => [row.agent_name ?? '', row]));
    return {
      range: rangeJson(range),
      agents: agents.map((agent) => ({ ...agent, figures: figures.get(agent.agent_name) ?? null })),
    };
  },
});

export const costRoutes: readonly Route[] = [getCosts, listModels, listAgents];
