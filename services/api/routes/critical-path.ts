import { z } from 'zod';
import { criticalPath } from '../critical-path.ts';
import {
  type ModelInputRow,
  modelInputsQuery,
  PATH_SPANS_MAX,
  type PathSpanRow,
  pathSpansQuery,
} from '../queries/critical-path.ts';
import { findRun, read } from '../reads.ts';
import { wasteOf } from '../run-waste.ts';
import { tenantScope } from '../tenant-scope.ts';
import { runIdParams, tenantInput } from './inputs.ts';
import { isoOfMicros } from './lineage-inputs.ts';
import { defineRoute, noBody, type Route } from './route.ts';

const MICROS_PER_MS = 1_000;

const segmentShape = z.object({
  from: z.string(),
  ms: z.number().describe('Milliseconds; all segments add up to the run.'),
  step_id: z.string().nullable().describe('null: no span covers it, nothing says what went on.'),
  span_id: z.string().nullable(),
  name: z.string().nullable(),
  step_kind: z.string().nullable(),
  agent_name: z.string().nullable(),
  tool_name: z.string().nullable(),
});

const getCriticalPath = defineRoute({
  method: 'GET',
  path: '/runs/:run_id/critical-path',
  summary: 'What the end of a run waited for, stretch by stretch, and work that was done and not needed.',
  needs: 'read',
  params: runIdParams,
  query: z.strictObject({ tenant: tenantInput }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    run_id: z.string(),
    ms: z.number().describe('From the first moment to the last.'),
    segments: z.array(segmentShape),
    by_kind: z.array(z.object({ step_kind: z.string().nullable(), ms: z.number() })).describe('The longest first.'),
    waste: z.array(
      z.object({
        reason: z.enum(['repeated_call', 'unused_output']),
        tool: z.string(),
        step_ids: z.array(z.string()),
        ms: z.number(),
        cost_usd: z.string().nullable().describe('What is booked for these steps and all below; null: not known.'),
      }),
    ),
    unknown: z.object({
      spans: z.number(),
      orphans: z.number().describe('Spans whose parent has not come: what they belong to is not known.'),
      truncated: z.boolean().describe('The run has more spans than are looked at.'),
      tool_calls: z.number(),
      with_arguments: z.number().describe('Of these, calls that could be compared with others.'),
      with_results: z.number(),
      inputs_told: z.boolean().describe('Whether any model input says which results it was shown.'),
    }),
  }),
  run: async ({ caller, params, query }, context) => {
    const { tenant } = await findRun(context, tenantScope(caller, query.tenant), params.run_id);
    const ask = { tenant, runId: params.run_id };
    const [rows, inputs] = await Promise.all([
      read<PathSpanRow>(context, pathSpansQuery(ask)),
      read<ModelInputRow>(context, modelInputsQuery(ask)),
    ]);
    const spans = rows.slice(0, PATH_SPANS_MAX);
    const path = pathOf(spans);
    const { found, ...judged } = wasteOf(spans, inputs);
    const ids = new Set(spans.map(({ span_id }) => span_id));
    return {
      tenant_id: tenant,
      run_id: params.run_id,
      ms: path.reduce((sum, { ms }) => sum + ms, 0),
      segments: path,
      by_kind: byKind(path),
      waste: found.map(({ micros, ...waste }) => ({ ...waste, ms: micros / MICROS_PER_MS })),
      unknown: {
        spans: spans.length,
        orphans: spans.filter(({ parent_span_id }) => parent_span_id !== '' && !ids.has(parent_span_id)).length,
        truncated: rows.length > PATH_SPANS_MAX,
        ...judged,
      },
    };
  },
});

const pathOf = (spans: readonly PathSpanRow[]) => {
  const byId = new Map(spans.map((span) => [span.span_id, span]));
  return criticalPath(spans).map(({ span_id, start, end }) => {
    const span = span_id === null ? undefined : byId.get(span_id);
    return {
      from: isoOfMicros(start),
      ms: (end - start) / MICROS_PER_MS,
      step_id: span?.step_id ?? null,
      span_id,
      name: span?.name ?? null,
      step_kind: span?.step_kind ?? null,
      agent_name: span?.agent_name ?? null,
      tool_name: span?.tool_name ?? null,
    };
  });
};

const byKind = (path: ReturnType<typeof pathOf>) =>
  [...Map.groupBy(path, ({ step_kind }) => step_kind)]
    .map(([step_kind, segments]) => ({ step_kind, ms: segments.reduce((sum, { ms }) => sum + ms, 0) }))
    .sort((a, b) => b.ms - a.ms);

export const criticalPathRoutes: readonly Route[] = [getCriticalPath];
