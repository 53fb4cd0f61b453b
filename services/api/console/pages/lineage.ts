import { nodeText, parseNode, readNodeTenants, type Walk, walkLineage } from '../../lineage-reads.ts';
import type { Way } from '../../lineage-way.ts';
import { type EdgeRow, type NodeName, type NodeRow, nodesQuery } from '../../queries/lineage.ts';
import { read } from '../../reads.ts';
import { onlyTenant } from '../../tenant-scope.ts';
import { compact, plural, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { notice, page } from '../layout.ts';
import { lineageGraph, lineageLegend } from '../lineage-graph.ts';
import type { DrawnEdge, DrawnNode } from '../lineage-layout.ts';
import { edgeWords, nodeCell, nodeLabel, nodeLink, RUN_FILTER } from '../lineage-parts.ts';
import { mergeRuns } from '../lineage-runs.ts';
import { linkTo, RANGES, rangeChoice, runLink, runsLink, type View } from '../view.ts';
import { dataSections } from './lineage-touches.ts';
import { askedWay, waySection } from './lineage-way.ts';
import { readTenants } from './tenants.ts';

const NODES_OF_PAGE = 100;
const DEPTHS = ['1', '2', '3', '4'] as const;

/** A node with what is up and down of it; without one, the nodes there are. */
export const lineagePage = async (asked: View): Promise<string> => {
  // Lineage is asked across runs: a month unless another range was chosen.
  const view = asked.params['range'] === undefined ? { ...asked, range: rangeChoice('30d', asked.nowMs) } : asked;
  const text = view.params['node'];
  return text === undefined || text === '' ? searchPage(view) : nodePage(view, parseNode(text));
};

const nodePage = async (view: View, node: NodeName): Promise<string> => {
  const { context, range } = view;
  const tenants = await readNodeTenants(context, view.tenant, node, range);
  const options = { title: `${node.kind} ${node.id}`, hasRange: true, tenants: tenants.map((row) => row.tenant_id) };
  if (tenants.length === 0) return page(view, { ...options, body: unknownNode(view, node) });
  if (tenants.length > 1) return page(view, { ...options, body: chooseTenant(view, node, options.tenants) });
  const { tenant_id: tenant } = onlyTenant(tenants, nodeText(node));
  const depth = DEPTHS.find((known) => known === view.params['depth']) ?? '2';
  const [walk, data, asked] = await Promise.all([
    walkLineage(context, { tenant, node, direction: 'both', depth: Number(depth), range }),
    dataSections(view, tenant, node),
    askedWay(view, tenant, node),
  ]);
  const way = asked?.way ?? null;
  return page(view, {
    ...options,
    body: html`${head(view, tenant, node, walk)}${depthPicker(view, depth)}${data}${waySection(view, tenant, node, walk, asked)}${picture(view, tenant, node, way?.walk ?? walk, way)}${edgesSection(view, tenant, node, walk)}`,
  });
};

const head = (view: View, tenant: string, node: NodeName, walk: Walk): Html => {
  const filter = RUN_FILTER[node.kind];
  const last = walk.edges
    .map((edge) => edge.last_ts)
    .sort()
    .at(-1);
  return html`<section class="run-head"><p class="crumbs"><a href="${linkTo('/lineage', { tenant: view.params['tenant'], range: view.params['range'] })}">Lineage</a> <span class="quiet">/</span> ${tenant} <span class="quiet">/</span> ${node.kind}</p>
<h1>${node.id}</h1><p class="who"><span>${node.kind}</span>${filter !== null && html`<span><a href="${runsLink(view, { tenant, [filter]: node.id })}">its runs</a></span>`}${last !== undefined && html`<span>last seen ${when(last, view.nowMs)}</span>`}<span>${RANGES[view.range.name].words}</span></p></section>`;
};

const depthPicker = (view: View, depth: string): Html =>
  html`<nav class="lineage-depths" aria-label="Edges away">${DEPTHS.map(
    (known) =>
      html`<a class="chip${known === depth && ' on'}" href="${linkTo('/lineage', { ...view.params, depth: known })}"${known === depth && html` aria-current="true"`}>${known === '1' ? '1 edge' : `${known} edges`}</a>`,
  )}</nav>`;

const picture = (view: View, tenant: string, node: NodeName, walk: Walk, way: Way | null): Html => {
  const least = Math.min(0, ...walk.distances.values());
  const nodes: readonly DrawnNode[] = [...walk.distances].map(([key, distance]) => {
    const found = parseNode(key);
    const isFocus = key === nodeText(node);
    return {
      key,
      kind: found.kind,
      label: nodeLabel(found),
      layer: distance - least,
      href: isFocus || found.id === '*' ? null : nodeLink(view, tenant, found),
      isFocus,
      isOnWay: way?.nodes.has(key) === true,
    };
  });
  const edges: readonly DrawnEdge[] = walk.edges.map((edge) => ({
    from: nodeText({ kind: edge.from_kind, id: edge.from_id }),
    to: nodeText({ kind: edge.to_kind, id: edge.to_id }),
    edge: edge.edge,
    isRough: false,
    isOnWay: way?.edges.has(edge) === true,
  }));
  const filter = RUN_FILTER[node.kind];
  const runs = filter === null ? '#edges' : runsLink(view, { tenant, [filter]: node.id });
  return html`<section class="wide"><header><h2>${way === null ? 'Up and down' : 'The way'}</h2><span class="note">${plural(nodes.length - 1, 'node')} around it, ${plural(edges.length, 'edge')}${walk.truncated && ', cut: there are more'}</span></header>${lineageGraph({ ...mergeRuns(nodes, edges, runs), moreHref: '#edges' })}${lineageLegend(edges)}
<ul class="lineage-notes"><li>Left: what calls, uses and touches ${nodeText(node)}; right: what it calls, uses and touches. A way through a shared node may join different runs.</li></ul></section>`;
};

/** Edges one page lists, those of most runs first. */
const PAGE_EDGES_MAX = 60;

const edgesSection = (view: View, tenant: string, node: NodeName, walk: Walk): Html => {
  const edges = [...walk.edges].sort((a, b) => b.runs - a.runs);
  return html`<section class="wide" id="edges"><header><h2>Edges</h2><span class="note">those of most runs first</span></header><div class="scroll"><table class="edges"><thead><tr><th scope="col">From</th><th scope="col">Does</th><th scope="col">To</th><th scope="col" class="n">Runs</th><th scope="col">Last run</th></tr></thead>
<tbody>${edges.slice(0, PAGE_EDGES_MAX).map((edge) => edgeRow(view, tenant, node, edge))}</tbody></table></div>${edges.length > PAGE_EDGES_MAX && html`<p class="quiet pad">and ${(edges.length - PAGE_EDGES_MAX).toLocaleString('en-US')} more in the API</p>`}</section>`;
};

const edgeRow = (view: View, tenant: string, here: NodeName, edge: EdgeRow): Html =>
  html`<tr><td class="name">${nodeCell(view, tenant, { kind: edge.from_kind, id: edge.from_id }, here)}</td><td>${edgeWords(edge.edge)}</td><td class="name">${nodeCell(view, tenant, { kind: edge.to_kind, id: edge.to_id }, here)}</td><td class="n">${compact(edge.runs)}</td><td><a href="${runLink(view, { tenant_id: tenant, run_id: edge.last_run_id })}">${when(edge.last_ts, view.nowMs)}</a></td></tr>`;

const unknownNode = (view: View, node: NodeName): Html =>
  notice(
    `${node.kind} ${node.id}`,
    html`No run in the ${RANGES[view.range.name].words} met it, among what you may see. Lineage keeps what steps name: see <a href="${linkTo('/lineage', { tenant: view.params['tenant'], range: '30d' })}">all nodes of the last 30 days</a>.`,
  );

const chooseTenant = (view: View, node: NodeName, tenants: readonly string[]): Html =>
  notice(
    `${node.kind} ${node.id}`,
    html`Several tenants have a node of this name. Choose one: ${tenants.map((tenant) => html`<a href="${linkTo('/lineage', { ...view.params, tenant })}">${tenant}</a> `)}`,
  );

// ------------------------------------------------------------------------ search

const searchPage = async (view: View): Promise<string> => {
  const q = view.params['q'];
  const [found, tenants] = await Promise.all([
    read<NodeRow>(
      view.context,
      nodesQuery({
        tenant: view.tenant,
        range: view.range,
        limit: NODES_OF_PAGE,
        ...(q === undefined || q === '' ? {} : { q }),
      }),
    ),
    readTenants(view),
  ]);
  const hidden = Object.entries(view.params).filter(([name]) => name !== 'q');
  return page(view, {
    title: 'Lineage',
    tenants,
    hasRange: true,
    body: html`<section class="wide"><header><h1>Lineage</h1><span class="note">agents, tools, models, data and users that runs met in the ${RANGES[view.range.name].words}, those of most runs first</span></header>
<div class="filters"><form method="get" action="/lineage" role="search">${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<input type="search" name="q" value="${q ?? ''}" placeholder="Part of a name" aria-label="Search nodes"><button>Search</button></form></div>
${found.length === 0 ? noNodes(q) : nodeTable(view, found.slice(0, NODES_OF_PAGE))}${found.length > NODES_OF_PAGE && html`<p class="quiet pad">The ${NODES_OF_PAGE} of most runs; search for others.</p>`}</section>`,
  });
};

const noNodes = (q: string | undefined): Html =>
  q === undefined || q === ''
    ? html`<p class="quiet pad">Nothing yet. Lineage begins with the first step that names an agent, a tool, a model, data or a user; <a href="/connect">connect an agent</a>.</p>`
    : html`<p class="quiet pad">No node has “${q}” in its name.</p>`;

const nodeTable = (view: View, nodes: readonly NodeRow[]): Html =>
  html`<div class="scroll"><table class="edges"><thead><tr><th scope="col">Node</th><th scope="col">Tenant</th><th scope="col" class="n">Runs</th><th scope="col" class="n">Last seen</th></tr></thead><tbody>${nodes.map(
    (node) =>
      html`<tr><td class="name">${nodeCell(view, node.tenant_id, node)}</td><td>${node.tenant_id}</td><td class="n">${compact(node.runs)}</td><td class="n">${when(node.last_ts, view.nowMs)}</td></tr>`,
  )}</tbody></table></div>`;
