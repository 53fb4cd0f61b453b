import { z } from 'zod';
import { EDGE_FLAGS, NODE_KINDS } from '../../../schemas/lineage-edge.ts';
import { pathsTo, walkFlow } from '../lineage-flow.ts';
import { nodeText, parseNode, readNodeTenants, WALK_DEPTH_MAX } from '../lineage-reads.ts';
import { readTouches } from '../lineage-touches.ts';
import { FLOW_LEVELS } from '../queries/lineage-flow.ts';
import { onlyTenant, tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { limitInput, tenantInput } from './inputs.ts';
import {
  evidenceInput,
  flowGapsShape,
  isoOfMicros,
  levelsFrom,
  lineageRange,
  nodeInput,
  nodeShape,
  rangeInputs,
  readFlowGaps,
} from './lineage-inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

const touchShape = z.object({
  run_id: z.string(),
  way: z.enum(['reads', 'writes']),
  tool: z.string().nullable().describe('null: nothing tells which tool.'),
  agents: z.array(z.string()).describe('Empty: no agent is told.'),
  on_behalf_of: z.object({
    users: z.array(z.string()),
    told_by: z
      .enum(['agent', 'run', 'unknown'])
      .describe("'run': some step of the run names them; 'unknown': none does."),
  }),
  operations: z.array(z.string()),
  columns: z.array(z.string()).describe('As far as statements list them plainly.'),
  sources: z
    .array(nodeShape.extend({ evidence_level: z.enum(FLOW_LEVELS) }))
    .describe('Of a writing: what was read before. Empty says that nothing was told.'),
  flags: z.array(z.enum(EDGE_FLAGS)),
  ts: z.string(),
  trace_id: z.string(),
  span_id: z.string(),
  step_id: z.string(),
});

const getTouches = defineRoute({
  method: 'GET',
  path: '/lineage/touches',
  summary: 'Who read or wrote a data set, file or host, when, with which tool, on whose behalf, and from what.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    node: nodeInput,
    way: z.enum(['reads', 'writes', 'both']).default('both'),
    limit: limitInput(200, 2_000),
    ...rangeInputs,
    tenant: tenantInput,
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    node: nodeShape,
    range: rangeShape,
    touches: z.array(touchShape).describe('One per run and tool, the latest first; `ts` is the first step of the run.'),
    truncated: z.boolean(),
    unknown: flowGapsShape,
  }),
  run: async ({ caller, query }, context) => {
    const node = parseNode(query.node);
    const range = lineageRange(query, context.clock.nowMs());
    const tenants = await readNodeTenants(context, tenantScope(caller, query.tenant), node, range);
    const { tenant_id: tenant } = onlyTenant(tenants, `node ${query.node} in the edges of that range`);
    const ways = query.way === 'both' ? (['reads', 'writes'] as const) : [query.way];
    const [found, unknown] = await Promise.all([
      readTouches(context, { tenant, node, ways, range, limit: query.limit }),
      readFlowGaps(context, tenant, range),
    ]);
    return {
      tenant_id: tenant,
      node: { node: nodeText(node), ...node },
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      touches: found.touches.map((touch) => ({
        ...touch,
        sources: touch.sources.map((source) => ({ node: nodeText(source), ...source })),
      })),
      truncated: found.truncated,
      unknown,
    };
  },
});

/** Ways one answer names. */
const PATHS_MAX = 50;

const getPaths = defineRoute({
  method: 'GET',
  path: '/lineage/paths',
  summary: 'Ways data may have gone from a run, data set, file or host to another, in time, the shortest first.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    // The range has the names from and to.
    source: nodeInput,
    target: nodeInput,
    depth: limitInput(5, WALK_DEPTH_MAX),
    evidence: evidenceInput,
    ...rangeInputs,
    tenant: tenantInput,
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    source: nodeShape,
    target: nodeShape,
    depth: z.number(),
    range: rangeShape,
    paths: z.array(
      z.object({
        nodes: z.array(z.object({ node: z.string(), kind: z.enum(NODE_KINDS), id: z.string(), arrived: z.string() })),
        runs: z.array(z.string()).describe('The last run of each step of the way.'),
        evidence_level: z.enum(FLOW_LEVELS).describe('The weakest on the way.'),
      }),
    ),
    truncated: z.boolean(),
    unknown: flowGapsShape,
  }),
  run: async ({ caller, query }, context) => {
    const [source, target] = [parseNode(query.source), parseNode(query.target)];
    const range = lineageRange(query, context.clock.nowMs());
    const tenants = await readNodeTenants(context, tenantScope(caller, query.tenant), source, range);
    const { tenant_id: tenant } = onlyTenant(tenants, `node ${query.source} in the edges of that range`);
    const levels = levelsFrom(query.evidence);
    const [flow, unknown] = await Promise.all([
      walkFlow(context, { tenant, node: source, direction: 'down', depth: query.depth, levels, range }),
      readFlowGaps(context, tenant, range),
    ]);
    const { paths, isCut } = pathsTo(flow, source, target, query.depth, PATHS_MAX);
    return {
      tenant_id: tenant,
      source: { node: nodeText(source), ...source },
      target: { node: nodeText(target), ...target },
      depth: query.depth,
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      paths: paths.map((path) => ({
        nodes: path.nodes.map((node, at) => ({
          node: nodeText(node),
          ...node,
          arrived: isoOfMicros(path.micros[at] ?? 0),
        })),
        runs: path.edges.map(({ last_run_id }) => last_run_id),
        evidence_level: path.evidence_level,
      })),
      truncated: isCut || flow.truncated,
      unknown,
    };
  },
});

export const lineageDataRoutes: readonly Route[] = [getTouches, getPaths];
