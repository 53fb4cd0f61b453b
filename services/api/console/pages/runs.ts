import { decodeCursor } from '../../cursor.ts';
import { type RunCountsRow, type RunRow, type RunsInput, runCountsQuery, runsQuery } from '../../queries/runs.ts';
import { read } from '../../reads.ts';
import { pageOf } from '../../routes/inputs.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { runsTable } from '../parts.ts';
import { kept, linkTo, RANGES, runsLink, type View } from '../view.ts';
import { readTenants } from './tenants.ts';

const RUNS_OF_PAGE = 50;
const FILTERS = [
  'agent',
  'model',
  'tool',
  'service',
  'session',
  'user',
  'workflow',
  'environment',
  'status',
  'q',
] as const;
type Filter = (typeof FILTERS)[number];

/** Runs with filters that are links, so that every state has an address. */
export const runsPage = async (view: View): Promise<string> => {
  const { context, tenant, range, params } = view;
  const { status, ...texts } = givenFilters(params);
  const filters: RunFilters = { ...texts, ...(status === 'ok' || status === 'error' ? { status } : {}) };
  const cursor = decodeCursor(params['cursor'] ?? '') ?? undefined;
  const [found, counts, tenants] = await Promise.all([
    read<RunRow>(context, runsQuery({ ...filters, tenant, range, cursor, limit: RUNS_OF_PAGE })),
    read<RunCountsRow>(context, runCountsQuery({ ...filters, tenant, range })),
    readTenants(view),
  ]);
  const shown = pageOf(found, RUNS_OF_PAGE, (run) => ({ ts_micros: run.first_ts_micros, id: run.run_id }));
  const count = counts[0];
  const summary = `${plural(count?.runs ?? 0, 'run')} in the ${RANGES[range.name].words}${(count?.failed_runs ?? 0) > 0 ? `, ${(count?.failed_runs ?? 0).toLocaleString('en-US')} with errors` : ''}`;
  return page(view, {
    title: 'Runs',
    tenants,
    hasRange: true,
    body: html`<section class="wide"><header><h1>Runs</h1><span class="note">${summary}${filters.workflow !== undefined && html`; <a href="${linkTo('/workflow', { ...kept(view), workflow: filters.workflow })}">what they wait for</a>`}</span></header>
${filterBar(view, givenFilters(params))}
${shown.rows.length > 0 ? runsTable(view, shown.rows) : html`<p class="quiet pad">No run matches. ${range.name !== '30d' && html`<a href="${linkTo('/runs', { ...params, range: '30d' })}">Look at 30 days</a>, or `}<a href="${runsLink(view, {})}">clear the filters</a>.</p>`}
<nav class="pages" aria-label="Pages of runs">${cursor !== undefined && html`<a href="${linkTo('/runs', { ...params, cursor: undefined })}">Newest</a>`}${shown.nextCursor !== null && html`<a rel="next" href="${linkTo('/runs', { ...params, cursor: shown.nextCursor })}">Older</a>`}</nav></section>`,
  });
};

type RunFilters = Omit<RunsInput, 'tenant' | 'range' | 'cursor' | 'limit'>;

const givenFilters = (params: Readonly<Record<string, string>>): Readonly<Partial<Record<Filter, string>>> =>
  Object.fromEntries(FILTERS.flatMap((name) => (params[name] ? [[name, params[name]]] : [])));

const filterBar = (view: View, given: Readonly<Partial<Record<Filter, string>>>): Html => {
  const chips = FILTERS.filter((name) => given[name] !== undefined && name !== 'q');
  const hidden = Object.entries(view.params).filter(([name]) => name !== 'q' && name !== 'cursor');
  const isErrors = given.status === 'error';
  return html`<div class="filters">
<form method="get" action="/runs" role="search">${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<input type="search" name="q" value="${given.q ?? ''}" placeholder="Name, agent, service, user, session, run id" aria-label="Search runs"><button>Search</button></form>
<a class="chip${isErrors ? ' on' : ''}" href="${linkTo('/runs', { ...view.params, cursor: undefined, status: isErrors ? undefined : 'error' })}"${isErrors && html` aria-current="true"`}><span aria-hidden="true">▲</span> with errors</a>
${chips
  .filter((name) => name !== 'status')
  .map(
    (name) =>
      html`<a class="chip on" href="${linkTo('/runs', { ...view.params, cursor: undefined, [name]: undefined })}" title="Remove this filter"><span class="quiet">${name}</span> ${given[name]} <span aria-hidden="true">✕</span><span class="hidden">remove</span></a>`,
  )}
</div>`;
};
