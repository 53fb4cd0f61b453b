import { nodesOf, nodeText, type RunLineage, readRunLineage } from '../../lineage-reads.ts';
import type { LineageGapsRow, RunEdgeRow } from '../../queries/lineage.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { lineageGraph, lineageLegend } from '../lineage-graph.ts';
import type { DrawnEdge, DrawnNode } from '../lineage-layout.ts';
import { edgeWords, nodeCell, nodeLabel, nodeLink } from '../lineage-parts.ts';
import { linkTo } from '../view.ts';
import type { RunView } from './run-view.ts';

/** Edges one page lists; the API has the rest. */
const PAGE_EDGES_MAX = 1_000;
/** Agents below agents get a column each up to here. */
const AGENT_LAYERS_MAX = 4;

/** Who met whom in the run: a picture, what it lacks, and the same as a table. */
export const lineageBody = async (shown: RunView): Promise<Html> => {
  const { view, tenant, runId } = shown;
  const found = await readRunLineage(view.context, tenant, runId, PAGE_EDGES_MAX);
  if (found.edges.length === 0) return emptyState(found.gaps);
  const edges: readonly DrawnEdge[] = found.edges.map((edge) => ({
    from: nodeText({ kind: edge.from_kind, id: edge.from_id }),
    to: nodeText({ kind: edge.to_kind, id: edge.to_id }),
    edge: edge.edge,
    isRough: edge.flags.length > 0,
  }));
  const nodes = drawnNodes(shown, found.edges, edges);
  return html`<section class="wide" aria-labelledby="lineage-title"><header><h2 id="lineage-title">Lineage</h2><span class="note">${plural(nodes.length, 'node')}, ${plural(edges.length, 'edge')}${found.truncated && ' and more'}</span></header>
${lineageGraph({ nodes, edges, moreHref: '#edges' })}${lineageLegend(edges)}${notes(found)}</section>
<section class="wide" id="edges"><header><h2>Edges</h2><span class="note">each with the first step that tells it</span></header>${edgeTable(shown, found.edges)}${found.truncated && html`<p class="quiet pad">The first ${PAGE_EDGES_MAX.toLocaleString('en-US')} by time; the API has the rest: <code>/api/v1/runs/${runId}/lineage?limit=10000</code></p>`}</section>`;
};

/** The run first, agents by how far they are from it, then what they use, then the data and hosts outside. */
const drawnNodes = (
  { view, tenant, runId }: RunView,
  rows: readonly RunEdgeRow[],
  edges: readonly DrawnEdge[],
): readonly DrawnNode[] => {
  const run = nodeText({ kind: 'run', id: runId });
  const depths = agentDepths(run, rows);
  const deepest = Math.max(0, ...depths.values());
  const feeds = new Set(edges.map((edge) => edge.from));
  return nodesOf(rows).map((node) => {
    const key = nodeText(node);
    const isOutside = node.kind === 'dataset' || node.kind === 'host' || node.kind === 'file';
    const layerOf = (): number => {
      if (node.kind === 'run') return key === run || feeds.has(key) ? 0 : 1;
      if (node.kind === 'agent') return depths.get(key) ?? 1;
      return deepest + (isOutside ? 2 : 1);
    };
    return {
      key,
      kind: node.kind,
      label: key === run ? 'this run' : nodeLabel(node),
      layer: layerOf(),
      href: key === run || node.id === '*' ? null : nodeLink(view, tenant, node),
      isFocus: key === run,
    };
  });
};

/** Edges from the run to each agent, in rounds; agents reached by none stand first. */
const agentDepths = (run: string, rows: readonly RunEdgeRow[]): ReadonlyMap<string, number> => {
  const below = new Map<string, string[]>();
  for (const row of rows) {
    if (row.to_kind !== 'agent') continue;
    const from = nodeText({ kind: row.from_kind, id: row.from_id });
    below.set(from, [...(below.get(from) ?? []), nodeText({ kind: 'agent', id: row.to_id })]);
  }
  const depths = new Map<string, number>();
  let frontier: readonly string[] = [run];
  for (let depth = 1; frontier.length > 0; depth += 1) {
    const next = frontier.flatMap((key) => below.get(key) ?? []).filter((key) => !depths.has(key));
    for (const key of next) depths.set(key, Math.min(depth, AGENT_LAYERS_MAX));
    frontier = [...new Set(next)];
  }
  return depths;
};

const FLAG_WORDS: Readonly<Record<string, string>> = {
  parent_missing: 'the steps above have not come',
  summarised: 'from steps beyond those held',
  more: 'stands for all further ones',
  sums_only: 'told by a sum, not by a call',
  sql_unparsed: 'a statement nobody could parse',
  from_arguments: 'named in arguments: of which database is not known',
  declared: 'the catalogue of tools says so, no telemetry does',
  failed: 'tried, and failed',
};

const edgeTable = (shown: RunView, edges: readonly RunEdgeRow[]): Html => {
  const { view, tenant, runId } = shown;
  const here = { kind: 'run', id: runId } as const;
  const evidence = (edge: RunEdgeRow): string =>
    linkTo(view.path, { ...view.params, view: undefined, step: edge.step_id });
  return html`<div class="scroll"><table class="edges"><thead><tr><th scope="col">From</th><th scope="col">Does</th><th scope="col">To</th><th scope="col">Told besides</th><th scope="col">Evidence</th></tr></thead>
<tbody>${edges.map(
    (edge) =>
      html`<tr><td class="name">${nodeCell(view, tenant, { kind: edge.from_kind, id: edge.from_id }, here)}</td><td>${edgeWords(edge.edge)}</td><td class="name">${nodeCell(view, tenant, { kind: edge.to_kind, id: edge.to_id }, here)}</td><td class="name">${edge.to_fields.join(', ')}${edge.flags.map((flag) => html` <span class="warn">${FLAG_WORDS[flag] ?? flag}</span>`)}</td><td><a href="${evidence(edge)}">step</a> <span class="quiet">${edge.evidence_level}</span></td></tr>`,
  )}</tbody></table></div>`;
};

/** What the reader must know before trusting the picture. */
const notes = ({ gaps, edges }: RunLineage): Html | null => {
  const fromRun = edges.filter(
    (edge) => edge.from_kind === 'run' && (edge.to_kind === 'tool' || edge.to_kind === 'model'),
  ).length;
  const isSummarised = edges.some((edge) => edge.flags.includes('summarised') || edge.flags.includes('more'));
  const told = [
    gaps.orphans > 0 &&
      `${plural(gaps.orphans, 'span')} ${gaps.orphans === 1 ? 'names' : 'name'} a parent that has not come: what is above is not known`,
    fromRun > 0 && `${plural(fromRun, 'edge')} from the run itself: no agent was told there`,
    gaps.agents_without_name > 0 &&
      `${plural(gaps.agents_without_name, 'agent step')} without gen_ai.agent.name: named by the span, or not shown`,
    gaps.calls_without_model > 0 && `${plural(gaps.calls_without_model, 'model call')} without a model`,
    gaps.data_without_name > 0 &&
      `${plural(gaps.data_without_name, 'retrieval or data access', 'retrievals and data accesses')} without a name of the data (gen_ai.data_source.id, data.name)`,
    gaps.steps_with_user === 0 && 'no step says on whose behalf (user.id)',
    isSummarised && 'the run is larger than what is held one by one: some edges are rough',
  ].filter((note) => note !== false);
  return told.length === 0 ? null : html`<ul class="lineage-notes">${told.map((note) => html`<li>${note}</li>`)}</ul>`;
};

const emptyState = (gaps: LineageGapsRow): Html =>
  html`<section class="wide"><header><h2>Lineage</h2></header><div class="pad"><p>${
    gaps.steps === 0
      ? 'No step of this run is stored any more.'
      : html`None of the ${plural(gaps.steps, 'stored step')} names an agent, a tool, a model, data or a user. If the run is seconds old, it may still be on its way.`
  }</p><p class="quiet">Lineage needs one of: <code>gen_ai.agent.name</code>, <code>gen_ai.tool.name</code>, <code>gen_ai.request.model</code>, <code>gen_ai.data_source.id</code>, <code>user.id</code>; or action events of kind <code>data_access</code> and <code>egress</code> from a gateway or proxy.</p></div></section>`;
