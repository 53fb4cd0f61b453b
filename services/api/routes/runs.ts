import { z } from 'zod';
import { type BookingRow, runTotalsQuery } from '../queries/bookings.ts';
import type { ContentRow } from '../queries/content.ts';
import type { Figures } from '../queries/figures.ts';
import { sessionRunsQuery } from '../queries/run-links.ts';
import { type RunRow, runsQuery } from '../queries/runs.ts';
import { type ScoreRow, scoresQuery } from '../queries/scores.ts';
import { type StepDetailRow, stepsQuery } from '../queries/steps.ts';
import { bookingsOfSteps, findRun, onlyTotal, read, readBookings, readContent } from '../reads.ts';
import { readRunTree, withRunsBelow } from '../run-tree.ts';
import { onlyTenant, tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import {
  cursorInput,
  cursorOf,
  limitInput,
  momentInput,
  pageOf,
  rangeOf,
  runIdParams,
  tenantInput,
  text,
} from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import {
  bookingShape,
  contentShape,
  figuresShape,
  rangeShape,
  runShape,
  runTreeShape,
  scoreShape,
  stepShape,
} from './shapes.ts';

/** A run as JSON: the row without what only pages and cursors need. */
const runJson = ({ first_ts_micros: _micros, version: _version, logged_at: _logged, ...run }: RunRow) => run;

export const runFilters = {
  tenant: tenantInput,
  from: momentInput('Runs with anything at or after this moment; default: 24 hours before `to`.'),
  to: momentInput('Runs that began before this moment; default: now.'),
  service: text.optional(),
  agent: text.optional().describe('An agent that took part.'),
  model: text.optional(),
  tool: text.optional(),
  session: text.optional(),
  user: text.optional(),
  workflow: text.optional(),
  environment: text.optional(),
  status: z.enum(['ok', 'error']).optional(),
  q: text.optional().describe('Part of a name, agent, service, user or session, or the start of a run id.'),
};

const listRuns = defineRoute({
  method: 'GET',
  path: '/runs',
  summary: 'Runs, newest first.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({ ...runFilters, cursor: cursorInput, limit: limitInput(50, 500) }),
  body: noBody,
  answer: z.object({ range: rangeShape, runs: z.array(runShape), next_cursor: z.string().nullable() }),
  run: async ({ caller, query }, context) => {
    const { tenant, from, to, cursor, limit, ...filters } = query;
    const range = rangeOf({ from, to }, context.clock.nowMs());
    const found = await read<RunRow>(
      context,
      runsQuery({ ...filters, tenant: tenantScope(caller, tenant), range, cursor: cursorOf(cursor), limit }),
    );
    const page = pageOf(found, limit, (run) => ({ ts_micros: run.first_ts_micros, id: run.run_id }));
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      runs: page.rows.map(runJson),
      next_cursor: page.nextCursor,
    };
  },
});

const getRun = defineRoute({
  method: 'GET',
  path: '/runs/:run_id',
  summary: 'One run: totals, the bookings that stand, every entry behind them, its tree of runs, its evaluations.',
  needs: 'read',
  params: runIdParams,
  query: z.strictObject({ tenant: tenantInput }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    run_id: z.string(),
    run: runShape.nullable().describe('null while its steps are stored but not yet folded.'),
    totals: figuresShape,
    bookings: z.array(bookingShape),
    entries: z.array(bookingShape).describe('The history: bookings, reversals and what replaced them.'),
    tree: runTreeShape,
    scores: z.array(scoreShape),
    calls: z.string().describe('Where each figure is explained: who told it, who was believed and why, line by line.'),
  }),
  run: async ({ caller, params, query }, context) => {
    const found = await findRun(context, tenantScope(caller, query.tenant), params.run_id);
    const of = { tenant: found.tenant, runId: params.run_id };
    const [bookings, totals, tree, scores] = await Promise.all([
      readBookings(context, found.tenant, params.run_id),
      read<Figures>(context, runTotalsQuery({ tenant: found.tenant, runIds: [params.run_id] })),
      readRunTree(context, found.tenant, params.run_id),
      read<ScoreRow>(context, scoresQuery(of)),
    ]);
    return {
      tenant_id: found.tenant,
      run_id: params.run_id,
      run: found.run === null ? null : runJson(found.run),
      totals: onlyTotal(totals),
      bookings: [...bookings.standing].map(bookingJson),
      entries: [...bookings.entries].map(bookingJson),
      tree: { ...tree, runs: tree.runs.map(runJson) },
      scores,
      calls: `/api/v1/runs/${encodeURIComponent(params.run_id)}/calls?tenant=${encodeURIComponent(found.tenant)}`,
    };
  },
});

const bookingJson = (entry: BookingRow) => ({ ...entry, untold: [...entry.untold] });

const contentJson = ({ step_id: _step, span_id: _span, ts: _ts, ...part }: ContentRow) => ({
  ...part,
  pii_classes: [...part.pii_classes],
});

/** Characters of one content part the API gives; the whole is at most 1 MiB in the store. */
const CONTENT_CHARS_MAX = 1_048_576;

const listSteps = defineRoute({
  method: 'GET',
  path: '/runs/:run_id/steps',
  summary: 'Steps of a run in order of time, each with the bookings that stand for it.',
  needs: 'read',
  params: runIdParams,
  query: z.strictObject({
    tenant: tenantInput,
    content: z
      .enum(['true', 'false'])
      .optional()
      .describe('With input and output; needs the grant `content` and is logged.'),
    cursor: cursorInput,
    limit: limitInput(500, 5000),
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    run_id: z.string(),
    steps: z.array(stepShape.extend({ content: z.array(contentShape).optional() })),
    next_cursor: z.string().nullable(),
  }),
  run: async ({ caller, params, query }, context) => {
    const { tenant } = await findRun(context, tenantScope(caller, query.tenant), params.run_id);
    const [rows, bookings] = await Promise.all([
      read<StepDetailRow>(
        context,
        stepsQuery({
          tenant,
          runId: params.run_id,
          cursor: cursorOf(query.cursor),
          limit: query.limit,
          withAttributes: true,
        }),
      ),
      readBookings(context, tenant, params.run_id),
    ]);
    const page = pageOf(rows, query.limit, (step) => ({ ts_micros: step.ts_nanos.slice(0, -3), id: step.step_id }));
    const ofSteps = bookingsOfSteps(page.rows, bookings.standing);
    const stepIds = page.rows.map((step) => step.step_id);
    const isWanted = query.content === 'true' && stepIds.length > 0;
    const content = isWanted
      ? Map.groupBy(
          await readContent(context, caller, { tenant, runId: params.run_id, stepIds, charsMax: CONTENT_CHARS_MAX }),
          (part) => part.step_id,
        )
      : null;
    return {
      tenant_id: tenant,
      run_id: params.run_id,
      steps: page.rows.map(({ ts_nanos: _nanos, ...step }) => ({
        ...step,
        bookings: (ofSteps.get(step.step_id) ?? []).map(bookingJson),
        ...(content ? { content: (content.get(step.step_id) ?? []).map(contentJson) } : {}),
      })),
      next_cursor: page.nextCursor,
    };
  },
});

const getSession = defineRoute({
  method: 'GET',
  path: '/sessions/:session_id',
  summary: 'A conversation: its runs, oldest first, and their totals.',
  needs: 'read',
  params: z.strictObject({ session_id: text }),
  query: z.strictObject({ tenant: tenantInput }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    session_id: z.string(),
    runs: z.array(runShape),
    totals: figuresShape,
  }),
  run: async ({ caller, params, query }, context) => {
    const named = await read<RunRow>(
      context,
      sessionRunsQuery({ tenant: tenantScope(caller, query.tenant), sessionId: params.session_id }),
    );
    const runs = await withRunsBelow(context, named);
    const tenants = [...new Set(runs.map((run) => run.tenant_id))].map((tenant_id) => ({ tenant_id }));
    const { tenant_id } = onlyTenant(tenants, `session ${params.session_id}`);
    const totals = await read<Figures>(
      context,
      runTotalsQuery({ tenant: tenant_id, runIds: runs.map((run) => run.run_id) }),
    );
    return { tenant_id, session_id: params.session_id, runs: runs.map(runJson), totals: onlyTotal(totals) };
  },
});

export const runRoutes: readonly Route[] = [listRuns, getRun, listSteps, getSession];
