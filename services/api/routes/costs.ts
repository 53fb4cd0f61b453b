import { z } from 'zod';
import { readCapacity, withCapacity } from '../capacity.ts';
import type { ApiContext } from '../deps.ts';
import { PRICED_AS, type PricedAs, type PricedFigures, sumPriced } from '../priced-as.ts';
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
import type { CapacityRow } from '../queries/prices.ts';
import type { TimeRange } from '../queries/query.ts';
import { type UsageRow, type UsagesInput, usagesQuery } from '../queries/usages.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { limitInput, momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { capacityLine, figuresShape, rangeShape } from './shapes.ts';

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

/** Distinct usages priced in one answer: some hundred megabytes and a second or two at most. */
const USAGES_MAX = 200_000;

const asInput = z
  .string()
  .max(64)
  .optional()
  .describe(`Comma-separated, side by side: ${PRICED_AS.join(', ')}. Absent: only as recorded, in \`cost_usd\`.`)
  .transform((text, check) => {
    const names = (text ?? '').split(',').filter((name) => name !== '');
    const unknown = names.filter((name) => !PRICED_AS.some((as) => as === name));
    if (unknown.length > 0) check.addIssue(`unknown ${unknown.join(', ')}; allowed: ${PRICED_AS.join(', ')}`);
    return PRICED_AS.filter((as) => names.includes(as));
  });

const capacityInput = z
  .enum(['beside', 'include'])
  .default('beside')
  .describe('Capacity bought by the hour is always told beside; `include`: a sum with it as well.');
const capacityShape = z
  .object({
    cost_usd: z
      .string()
      .nullable()
      .describe('Of what was bought for the tenant asked about, of all where none is; in no figure of calls.'),
    shared_cost_usd: z.string().nullable().describe('Bought for every tenant while one is asked about: in no sum.'),
    lines: z.array(z.object({ ...capacityLine, is_shared: z.boolean() })),
    not_divided_by: z
      .array(z.string())
      .describe('Filters asked for that capacity knows nothing of; then none is told.'),
  })
  .describe('Capacity bought by the hour, whether it was used or not.');

const pricedShape = z.object({
  cost_usd: z.string().nullable(),
  priced_calls: z.number(),
  unpriced_calls: z.number(),
});
const asShape = z
  .object({ recorded: pricedShape, effective: pricedShape, today: pricedShape })
  .partial()
  .optional()
  .describe(
    'recorded: as booked. effective: by the prices known now, each call at its own time. today: at prices of now.',
  );

type Scope = Omit<UsagesInput, 'limit' | 'isByTime'>;
/** Of a group of figures, by its keys; the total has none. */
type PricedGroups = ReadonlyMap<PricedAs, ReadonlyMap<string, PricedFigures>>;

/** Prices the history anew in every way that was asked for. Throws 400 when that is too much for one answer. */
const pricedGroups = async (context: ApiContext, as: readonly PricedAs[], scope: Scope): Promise<PricedGroups> => {
  const names = [...(scope.step === null ? [] : ['bucket' as const]), ...scope.groupBy];
  const priced = new Map<PricedAs, ReadonlyMap<string, PricedFigures>>();
  for (const one of as) {
    if (one === 'recorded') continue;
    const isByTime = one === 'effective';
    const rows = await read<UsageRow>(context, usagesQuery({ ...scope, isByTime, limit: USAGES_MAX + 1 }));
    if (rows.length > USAGES_MAX)
      throw problem(400, `as: more than ${USAGES_MAX} different usages in this range; take a shorter one, or filter`, {
        parameter: 'as',
      });
    const atMicros = isByTime ? null : context.clock.nowMs() * 1000;
    const groups = sumPriced(rows, context.priceUsage, atMicros, (row) => keyOfGroup(names, row));
    const total = sumPriced(rows, context.priceUsage, atMicros, () => '');
    priced.set(one, new Map([...groups, ...total]));
  }
  return priced;
};

const keyOfGroup = (
  names: readonly (CostKey | 'bucket')[],
  row: Partial<Record<CostKey | 'bucket', unknown>>,
): string => (names.length === 0 ? '' : JSON.stringify(names.map((name) => row[name] ?? null)));

const NONE: PricedFigures = { cost_usd: null, priced_calls: 0, unpriced_calls: 0 };

/** The row, with what it comes to in each way. */
const sideBySide = (row: CostRow, as: readonly PricedAs[], priced: PricedGroups, key: string) => {
  if (as.length === 0) return { ...row };
  const recorded = {
    cost_usd: row.cost_usd,
    priced_calls: row.known_calls,
    unpriced_calls: row.calls - row.known_calls,
  };
  const ways = as.map((one) => [one, one === 'recorded' ? recorded : (priced.get(one)?.get(key) ?? NONE)] as const);
  return { ...row, as: Object.fromEntries(ways) };
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
    as: asInput,
    capacity: capacityInput,
    limit: limitInput(1000, GROUPS_MAX),
    ...filterShape,
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    group_by: z.array(z.string()),
    step: z.string().nullable(),
    total: figuresShape
      .extend({ as: asShape })
      .nullable()
      .describe('Over all groups, also those beyond `limit`; null: no call in the range.'),
    groups: z.array(figuresShape.extend({ as: asShape }).catchall(z.unknown())),
    is_cut: z.boolean(),
    capacity: capacityShape,
    total_with_capacity_usd: z
      .string()
      .nullable()
      .optional()
      .describe('With `capacity=include`: `total.cost_usd` (of its known calls) and `capacity.cost_usd` as one.'),
  }),
  run: async ({ caller, query }, context) => {
    const nowMs = context.clock.nowMs();
    const range = rangeOf(query, nowMs);
    checkBuckets(query.step, range);
    const { tenant, from: _from, to: _to, group_by, step = null, as, capacity: how, limit, ...filters } = query;
    const scope = { tenant: tenantScope(caller, tenant), range, filters, owners: context.owners };
    const [[total], groups, priced, capacity] = await Promise.all([
      read<CostRow>(context, costsQuery({ ...scope, groupBy: [], step: null, limit: 1 })),
      read<CostRow>(context, costsQuery({ ...scope, groupBy: group_by, step, limit: limit + 1 })),
      pricedGroups(context, as, { ...scope, groupBy: group_by, step }),
      readCapacity((asked) => read<CapacityRow>(context, asked), { ...scope, nowMs }),
    ]);
    const names = [...(step === null ? [] : ['bucket' as const]), ...group_by];
    return {
      range: rangeJson(range),
      group_by,
      step,
      total: total === undefined ? null : sideBySide(total, as, priced, ''),
      groups: groups.slice(0, limit).map((row) => sideBySide(row, as, priced, keyOfGroup(names, row))),
      is_cut: groups.length > limit,
      capacity: {
        ...capacity,
        lines: capacity.lines.map((line) => ({ ...line })),
        not_divided_by: [...capacity.not_divided_by],
      },
      ...(how === 'include' ? { total_with_capacity_usd: withCapacity(total?.cost_usd ?? null, capacity) } : {}),
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
