import { z } from 'zod';
import { EDGE_FLAGS, EDGE_TYPES, NODE_KINDS } from '../../../schemas/lineage-edge.ts';
import {
  nodesOf,
  nodeText,
  parseNode,
  type RunLineage,
  readNodeTenants,
  readRunLineage,
  WALK_DEPTH_MAX,
  WALK_EDGES_MAX,
  type Walk,
  walkLineage,
} from '../lineage-reads.ts';
import { type EdgeRow, type NodeRow, nodesQuery } from '../queries/lineage.ts';
import { FLOW_LEVELS } from '../queries/lineage-flow.ts';
import { findRun, read } from '../reads.ts';
import { onlyTenant, tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { limitInput, runIdParams, tenantInput, text } from './inputs.ts';
import {
  evidenceInput,
  flowGapsShape,
  followData,
  levelsFrom,
  lineageRange,
  nodeInput,
  nodeShape,
  rangeInputs,
  readFlowGaps,
} from './lineage-inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

const endsShape = z.object({
  from_kind: z.enum(NODE_KINDS),
  from_id: z.string(),
  edge: z.enum(EDGE_TYPES),
  to_kind: z.enum(NODE_KINDS),
  to_id: z.string(),
});
const runEdgeShape = endsShape.extend({
  from_fields: z.array(z.string()),
  to_fields: z.array(z.string()).describe('What is told of the node besides its id, `key=value`.'),
  evidence_level: z.enum(['order', 'context', 'value']),
  flags: z.array(z.enum(EDGE_FLAGS)).describe('What is rough about it.'),
  ts: z.string().describe('Start of the first step that tells it, ISO 8601, UTC.'),
  trace_id: z.string(),
  span_id: z.string(),
  step_id: z.string(),
});

const unknownShape = z.object({
  steps: z.number().describe('Steps of the run that are stored.'),
  orphans: z.number().describe('Spans that name a parent which has not come.'),
  agents_without_name: z.number().describe('Agent steps whose emitter fills in no name.'),
  calls_without_model: z.number(),
  data_without_name: z.number().describe('Retrievals and data accesses that do not say of what.'),
  without_agent: z.number().describe('Edges that hang from the run itself, where no agent was told.'),
  user_told: z.boolean(),
  is_summarised: z.boolean().describe('The run is beyond the steps or edges that are held one by one.'),
});

const unknownOf = ({ edges, gaps }: RunLineage): z.output<typeof unknownShape> => ({
  steps: gaps.steps,
  orphans: gaps.orphans,
  agents_without_name: gaps.agents_without_name,
  calls_without_model: gaps.calls_without_model,
  data_without_name: gaps.data_without_name,
  without_agent: edges.filter((edge) => edge.from_kind === 'run' && edge.to_kind !== 'agent' && edge.to_kind !== 'run')
    .length,
  user_told: gaps.steps_with_user > 0,
  is_summarised: edges.some((edge) => edge.flags.includes('summarised') || edge.flags.includes('more')),
});

const getRunLineage = defineRoute({
  method: 'GET',
  path: '/runs/:run_id/lineage',
  summary: 'Who met whom in a run: agents, tools, models, data and users, and what the telemetry leaves out.',
  needs: 'read',
  params: runIdParams,
  query: z.strictObject({ tenant: tenantInput, limit: limitInput(2_000, 10_000) }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    run_id: z.string(),
    nodes: z.array(nodeShape.extend({ fields: z.array(z.string()) })),
    edges: z.array(runEdgeShape),
    truncated: z.boolean().describe('There are more edges than `limit`.'),
    unknown: unknownShape,
  }),
  run: async ({ caller, params, query }, context) => {
    const { tenant } = await findRun(context, tenantScope(caller, query.tenant), params.run_id);
    const found = await readRunLineage(context, tenant, params.run_id, query.limit);
    return {
      tenant_id: tenant,
      run_id: params.run_id,
      nodes: nodesOf(found.edges).map((node) => ({ node: nodeText(node), ...node })),
      edges: found.edges.map((edge) => ({ ...edge })),
      truncated: found.truncated,
      unknown: unknownOf(found),
    };
  },
});

const getLineage = defineRoute({
  method: 'GET',
  path: '/lineage',
  summary: 'What a node calls, uses and touches (down), and what does so with it (up), over all runs of a range.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    node: nodeInput,
    direction: z.enum(['up', 'down', 'both']).default('both'),
    depth: z
      .string()
      .regex(/^\d{1,2}$/, 'a whole number')
      .transform(Number)
      .pipe(z.number().min(1).max(WALK_DEPTH_MAX))
      .optional()
      .transform((value) => value ?? 3)
      .describe(`Edges away from the node, 1 to ${WALK_DEPTH_MAX}; 3 when absent.`),
    follow: z
      .enum(['edges', 'data'])
      .default('edges')
      .describe('`data`: only what derives from what, in time: down from a run is what it may have spoiled.'),
    evidence: evidenceInput,
    ...rangeInputs,
    tenant: tenantInput,
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    node: nodeShape,
    direction: z.enum(['up', 'down', 'both']),
    depth: z.number(),
    range: rangeShape,
    nodes: z.array(
      nodeShape.extend({
        distance: z.number().describe('Edges away; negative: up.'),
        since: z.string().optional().describe('Of data: the first moment (up: the last) it can have arrived (left).'),
      }),
    ),
    edges: z.array(
      endsShape.extend({
        runs: z.number(),
        first_ts: z.string(),
        last_ts: z.string(),
        last_run_id: z.string(),
        evidence_level: z.enum(FLOW_LEVELS).optional().describe('Of `derives`: the strongest evidence of any run.'),
      }),
    ),
    truncated: z.boolean().describe('There is more within the depth than is shown.'),
    limits: z.object({ edges_max: z.number(), depth_max: z.number() }),
    unknown: flowGapsShape,
  }),
  run: async ({ caller, query }, context) => {
    const node = parseNode(query.node);
    const range = lineageRange(query, context.clock.nowMs());
    const tenants = await readNodeTenants(context, tenantScope(caller, query.tenant), node, range);
    const { tenant_id } = onlyTenant(tenants, `node ${query.node} in the edges of that range`);
    const { direction, depth } = query;
    const ask = { tenant: tenant_id, node, direction, depth, range };
    const [walk, unknown] = await Promise.all([
      query.follow === 'data'
        ? followData(context, ask, levelsFrom(query.evidence))
        : walkLineage(context, ask).then(plainWalk),
      readFlowGaps(context, tenant_id, range),
    ]);
    return {
      tenant_id,
      node: { node: nodeText(node), ...node },
      direction,
      depth,
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      ...walk,
      limits: { edges_max: WALK_EDGES_MAX, depth_max: WALK_DEPTH_MAX },
      unknown,
    };
  },
});

const plainWalk = (walk: Walk) => ({
  nodes: [...walk.distances].map(([key, distance]) => ({ node: key, ...parseNode(key), distance })),
  edges: walk.edges.map((edge: EdgeRow) => ({ ...edge })),
  truncated: walk.truncated,
});

const listNodes = defineRoute({
  method: 'GET',
  path: '/nodes',
  summary: 'Nodes of the lineage by a part of their name, those of most runs first.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    q: text.optional().describe('Part of the id, in any case.'),
    kind: z.enum(NODE_KINDS).optional().describe('Absent: all but runs.'),
    ...rangeInputs,
    tenant: tenantInput,
    limit: limitInput(50, 500),
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    nodes: z.array(nodeShape.extend({ tenant_id: z.string(), runs: z.number(), last_ts: z.string() })),
    truncated: z.boolean(),
  }),
  run: async ({ caller, query }, context) => {
    const range = lineageRange(query, context.clock.nowMs());
    const { q, kind, limit } = query;
    const rows = await read<NodeRow>(
      context,
      nodesQuery({ tenant: tenantScope(caller, query.tenant), range, q, kind, limit }),
    );
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      nodes: rows.slice(0, limit).map((row) => ({ node: nodeText(row), ...row })),
      truncated: rows.length > limit,
    };
  },
});

export const lineageRoutes: readonly Route[] = [getRunLineage, getLineage, listNodes];
