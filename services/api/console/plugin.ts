import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TransportError } from '../../runtime/errors.ts';
import { isTokenless } from '../actor.ts';
import { readiness } from '../api-plugin.ts';
import type { ApiContext } from '../deps.ts';
import { callerOf, problemOf } from '../http.ts';
import { findRun } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { readAttention } from './attention.ts';
import { budgetsPage } from './pages/budgets.ts';
import { connectPage } from './pages/connect.ts';
import { incidentPage } from './pages/incident.ts';
import { incidentsPage } from './pages/incidents.ts';
import { lineagePage } from './pages/lineage.ts';
import { overviewPage } from './pages/overview.ts';
import { pipelinePage } from './pages/pipeline.ts';
import { policiesPage } from './pages/policies.ts';
import { pricesPage } from './pages/prices.ts';
import { runPage } from './pages/run.ts';
import { runsPage } from './pages/runs.ts';
import { sessionPage } from './pages/session.ts';
import { problemPage, startingPage } from './pages/starting.ts';
import { stepDetail } from './pages/step.ts';
import { telemetryPage } from './pages/telemetry.ts';
import { violationPage } from './pages/violation.ts';
import { violationsPage } from './pages/violations.ts';
import { workflowPathPage } from './pages/workflow-path.ts';
import { rangeChoice, type View } from './view.ts';

type PageOf = (view: View, request: FastifyRequest) => Promise<string> | string;

const paramOf = (request: FastifyRequest, name: string): string => {
  const params = request.params;
  if (typeof params !== 'object' || params === null) return '';
  const found = Object.entries(params).find(([key]) => key === name)?.[1];
  return typeof found === 'string' ? found : '';
};

interface PageEntry {
  readonly path: string;
  readonly render: PageOf;
  /** Needs no store, or is part of a page: the navigation stands without its counts. */
  readonly isBare?: boolean;
}

const PAGES: readonly PageEntry[] = [
  { path: '/', render: overviewPage },
  { path: '/runs', render: runsPage },
  { path: '/runs/:run_id', render: (view, request) => runPage(view, paramOf(request, 'run_id')) },
  { path: '/runs/:run_id/steps/:step_id', render: (view, request) => stepFragment(view, request), isBare: true },
  { path: '/sessions/:session_id', render: (view, request) => sessionPage(view, paramOf(request, 'session_id')) },
  { path: '/incidents', render: incidentsPage },
  { path: '/incidents/:incident_id', render: (view, request) => incidentPage(view, paramOf(request, 'incident_id')) },
  { path: '/violations', render: violationsPage },
  {
    path: '/violations/:violation_id',
    render: (view, request) => violationPage(view, paramOf(request, 'violation_id')),
  },
  { path: '/budgets', render: budgetsPage },
  { path: '/prices', render: pricesPage },
  { path: '/policies', render: policiesPage },
  { path: '/lineage', render: lineagePage },
  { path: '/workflow', render: workflowPathPage },
  { path: '/pipeline', render: pipelinePage },
  { path: '/telemetry', render: telemetryPage },
  { path: '/connect', render: connectPage, isBare: true },
];

/** The panel of one step, for the script that opens it in place; without scripts the run page carries it. */
const stepFragment = async (view: View, request: FastifyRequest): Promise<string> => {
  const runId = paramOf(request, 'run_id');
  const { tenant } = await findRun(view.context, view.tenant, runId);
  const detail = await stepDetail(view, tenant, runId, paramOf(request, 'step_id'));
  return detail?.markup ?? '<p class="quiet pad">This step is not stored any more.</p>';
};

/** The console: server-rendered pages and their few files. */
export const consolePlugin = async (app: FastifyInstance, options: { readonly context: ApiContext }): Promise<void> => {
  const { context } = options;
  for (const entry of PAGES) {
    app.get(entry.path, async (request, reply) => {
      reply.type('text/html; charset=utf-8').header('cache-control', 'no-store');
      try {
        const view = viewOf(request, context);
        const attention = entry.isBare === true ? null : await readAttention(view);
        return await entry.render({ ...view, attention }, request);
      } catch (error) {
        return failure(request, reply, context, error);
      }
    });
  }
  registerAssets(app);
  app.setNotFoundHandler(async (request, reply) =>
    reply
      .code(404)
      .type('text/html; charset=utf-8')
      .send(problemPage('Not found', `There is no page ${request.url.split('?')[0]}.`)),
  );
};

const viewOf = (request: FastifyRequest, context: ApiContext): View => {
  const caller = callerOf(request, context, 'read');
  const params = Object.fromEntries(new URL(request.url, 'http://console').searchParams);
  const nowMs = context.clock.nowMs();
  return {
    context,
    caller,
    isTokenless: isTokenless(request.headers),
    attention: null,
    nowMs,
    tenant: tenantScope(caller, params['tenant']),
    range: rangeChoice(params['range'], nowMs),
    path: request.url.split('?')[0] ?? '/',
    params,
  };
};

/** Not ready is a state with a page of its own; everything else says what it is, without a stack. */
const failure = async (
  request: FastifyRequest,
  reply: FastifyReply,
  context: ApiContext,
  error: unknown,
): Promise<string> => {
  const found = problemOf(error);
  reply.code(found.status);
  if (error instanceof TransportError && error.retryable) {
    reply.header('retry-after', '2');
    return startingPage(await readiness(context));
  }
  if (found.status === 500) context.logger.error({ err: error, path: request.url.split('?')[0] }, 'page failed');
  const tenants = found.extra?.['tenants'];
  const names = Array.isArray(tenants) ? tenants.filter((name) => typeof name === 'string') : [];
  return problemPage(found.title, found.detail, names, request.url.split('?')[0]);
};

const require = createRequire(import.meta.url);
const own = (name: string): URL => new URL(`./assets/${name}`, import.meta.url);

/** The stylesheet is kept in files by what it dresses, and sent as one, in this order. */
const STYLES = [
  'base',
  'top',
  'parts',
  'overview',
  'tables',
  'blocks',
  'run',
  'waterfall',
  'detail',
  'signs',
  'act',
  'budgets',
  'judged',
  'lineage',
  'calls',
  'conversation',
  'telemetry',
  'narrow',
] as const;

/** Every file the pages may load, read once at start; nothing else on disk can be asked for. */
const ASSETS = [
  {
    path: '/assets/console.css',
    type: 'text/css; charset=utf-8',
    file: STYLES.map((name) => own(`styles/${name}.css`)),
  },
  { path: '/assets/console.js', type: 'text/javascript; charset=utf-8', file: own('console.js') },
  { path: '/assets/act.js', type: 'text/javascript; charset=utf-8', file: own('act.js') },
  { path: '/assets/run.js', type: 'text/javascript; charset=utf-8', file: own('run.js') },
  { path: '/assets/chart.js', type: 'text/javascript; charset=utf-8', file: own('chart.js') },
  { path: '/assets/starting.js', type: 'text/javascript; charset=utf-8', file: own('starting.js') },
  { path: '/assets/icon.svg', type: 'image/svg+xml', file: own('icon.svg') },
  {
    path: '/assets/uplot.js',
    type: 'text/javascript; charset=utf-8',
    file: require.resolve('uplot/dist/uPlot.iife.min.js'),
  },
  { path: '/assets/uplot.css', type: 'text/css; charset=utf-8', file: require.resolve('uplot/dist/uPlot.min.css') },
] as const;

const registerAssets = (app: FastifyInstance): void => {
  for (const asset of ASSETS) {
    const files = Array.isArray(asset.file) ? asset.file : [asset.file];
    const bytes = Buffer.concat(files.map((file) => readFileSync(file)));
    app.get(asset.path, async (_request, reply) =>
      reply.type(asset.type).header('cache-control', 'no-cache').send(bytes),
    );
  }
};
