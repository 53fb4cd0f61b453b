import { z } from 'zod';
import type { ApiContext } from '../deps.ts';
import { PATH_SPANS_MAX } from '../queries/critical-path.ts';
import type { TimeRange } from '../queries/query.ts';
import { type RunCountsRow, type RunRow, runCountsQuery, runsQuery } from '../queries/runs.ts';
import {
  type SpanCostRow,
  spanCostsQuery,
  type WorkflowSpanRow,
  workflowSpansQuery,
  workflowTenantsQuery,
} from '../queries/workflow-path.ts';
import { read } from '../reads.ts';
import { onlyTenant, tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { shareOfCost, totalOf, type WorkflowPath, type WorkflowStep, workflowPath } from '../workflow-path.ts';
import { limitInput, momentInput, rangeOf, tenantInput, text } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

const MICROS_PER_MS = 1_000;
/** Steps one answer lists; the rest is told as a sum. */
const STEPS_MAX = 500;
/** Runs one answer judges; fewer when they are large. */
export const WORKFLOW_RUNS_MAX = 500;

const stepShape = z.object({
  step_kind: z.string().nullable().describe('null: no span covers this time, or no span of the run tells this cost.'),
  agent_name: z.string().nullable(),
  name: z.string().nullable().describe('The tool, else the name of the span.'),
  spans: z.number().describe('Such spans, on a critical path or not.'),
  runs_on_path: z.number().describe('Runs whose end waited for it.'),
  ms: z.number().describe('Time the ends of the runs waited for it, all runs together.'),
  share_of_time: z.number().nullable().describe('Of the length of all runs; null: they have none.'),
  cost_usd: z.string().nullable().describe('Booked for these spans themselves; null: not known.'),
  share_of_cost: z.number().nullable().describe('Of what is known; null: not known.'),
  calls_without_cost: z.number().describe('Whose cost is not known, whatever the reason.'),
});

const getWorkflowPath = defineRoute({
  method: 'GET',
  path: '/critical-path',
  summary: 'Which steps the runs of a workflow wait for and pay for: their critical paths, summed.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    workflow: text,
    from: momentInput('Runs that did anything at or after this moment; default: a day before `to`.'),
    to: momentInput('Default: now.'),
    runs: limitInput(100, WORKFLOW_RUNS_MAX),
    limit: limitInput(50, STEPS_MAX),
    tenant: tenantInput,
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    workflow: z.string(),
    range: rangeShape,
    runs: z.object({
      found: z.number(),
      judged: z.number().describe('The newest, as many as asked for and not too large together.'),
    }),
    ms: z.number().describe('Length of all judged runs together; the steps and the rest add up to it.'),
    longest_run: z.object({ run_id: z.string(), ms: z.number() }).nullable(),
    cost_usd: z.string().nullable(),
    steps: z.array(stepShape).describe('Those that are waited for longest first.'),
    rest: z
      .object({ steps: z.number(), ms: z.number(), cost_usd: z.string().nullable() })
      .describe('All steps beyond `limit`.'),
    unknown: z.object({
      uncovered_ms: z.number().describe('Time no span covers.'),
      calls_without_cost: z.number(),
      orphans: z.number().describe('Spans whose parent has not come: what they belong to is not known.'),
      truncated: z.boolean().describe('There are runs or spans that were not looked at.'),
    }),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const { workflow } = query;
    const scope = tenantScope(caller, query.tenant);
    const tenants = await read<{ tenant_id: string }>(
      context,
      workflowTenantsQuery({ tenant: scope, workflow, range }),
    );
    const { tenant_id: tenant } = onlyTenant(tenants, `workflow ${workflow} in that range`);
    const judged = await judgeWorkflow(context, { tenant, workflow, range, runsMax: query.runs });
    const { path } = judged;
    const listed = path.steps.slice(0, query.limit);
    const rest = path.steps.slice(query.limit);
    const [longest] = [...path.runs].sort(([, a], [, b]) => b - a);
    return {
      tenant_id: tenant,
      workflow,
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      runs: { found: judged.found, judged: path.runs.size },
      ms: path.micros / MICROS_PER_MS,
      longest_run: longest === undefined ? null : { run_id: longest[0], ms: longest[1] / MICROS_PER_MS },
      cost_usd: path.cost_usd,
      steps: listed.map((step) => toldStep(step, path)),
      rest: {
        steps: rest.length,
        ms: rest.reduce((sum, { micros }) => sum + micros, 0) / MICROS_PER_MS,
        cost_usd: totalOf(rest),
      },
      unknown: {
        uncovered_ms: (path.steps.find(({ step_kind }) => step_kind === null)?.micros ?? 0) / MICROS_PER_MS,
        calls_without_cost: path.calls_without_cost,
        orphans: path.orphans,
        truncated: judged.isCut,
      },
    };
  },
});

const toldStep = ({ micros, ...step }: WorkflowStep, path: WorkflowPath) => ({
  ...step,
  ms: micros / MICROS_PER_MS,
  share_of_time: path.micros === 0 ? null : micros / path.micros,
  share_of_cost: shareOfCost(step.cost_usd, path.cost_usd),
});

/** Reads the newest runs of a workflow, as many as are looked at together, and sums their critical paths. */
export const judgeWorkflow = async (
  context: ApiContext,
  ask: { readonly tenant: string; readonly workflow: string; readonly range: TimeRange; readonly runsMax: number },
): Promise<{ readonly path: WorkflowPath; readonly found: number; readonly isCut: boolean }> => {
  const filter = { tenant: ask.tenant, workflow: ask.workflow, range: ask.range };
  const [runs, counts] = await Promise.all([
    read<RunRow>(context, runsQuery({ ...filter, limit: ask.runsMax })),
    read<RunCountsRow>(context, runCountsQuery(filter)),
  ]);
  const chosen = fitting(runs.slice(0, ask.runsMax));
  const found = counts[0]?.runs ?? 0;
  const runIds = chosen.map(({ run_id }) => run_id);
  const range = {
    fromMs: Math.min(...chosen.map(({ first_ts }) => Date.parse(first_ts))) - 1,
    toMs: Math.max(...chosen.map(({ last_ts }) => Date.parse(last_ts))) + 2,
  };
  const [spans, costs] = await Promise.all([
    read<WorkflowSpanRow>(context, workflowSpansQuery({ tenant: ask.tenant, runIds, range })),
    read<SpanCostRow>(context, spanCostsQuery({ tenant: ask.tenant, runIds })),
  ]);
  const isCut = spans.length > PATH_SPANS_MAX || found > chosen.length;
  return { path: workflowPath(spans.slice(0, PATH_SPANS_MAX), costs), found, isCut };
};

/** The first of these runs that are together no more steps than one answer looks at; at least one. */
const fitting = (runs: readonly RunRow[]): readonly RunRow[] => {
  let steps = 0;
  const end = runs.findIndex((run, at) => {
    steps += run.steps;
    return at > 0 && steps > PATH_SPANS_MAX;
  });
  return end < 0 ? runs : runs.slice(0, end);
};

export const workflowPathRoutes: readonly Route[] = [getWorkflowPath];
