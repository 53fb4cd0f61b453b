import type { NodeKind } from '../../../schemas/lineage-edge.ts';
import { nodeText } from '../lineage-reads.ts';
import type { NodeName } from '../queries/lineage.ts';
import { type Html, html } from './html.ts';
import { plainLabel } from './lineage-graph.ts';
import { kept, linkTo, type View } from './view.ts';

/** The page of a node; a run has one of its own. */
export const nodeLink = (view: View, tenant: string, node: NodeName): string =>
  node.kind === 'run'
    ? linkTo(`/runs/${encodeURIComponent(node.id)}`, { ...kept(view), tenant, view: 'lineage' })
    : linkTo('/lineage', { ...kept(view), tenant, node: nodeText(node) });

/** Which list of runs a node filters; null: runs are not kept by it. */
export const RUN_FILTER: Readonly<Record<NodeKind, 'agent' | 'tool' | 'model' | 'user' | null>> = {
  run: null,
  agent: 'agent',
  tool: 'tool',
  model: 'model',
  user: 'user',
  dataset: null,
  host: null,
  file: null,
};

/** A node as a link with its kind before it. `*` is no node: it stands for any. */
export const nodeCell = (view: View, tenant: string, node: NodeName, here?: NodeName): Html => {
  const isHere = here !== undefined && here.kind === node.kind && here.id === node.id;
  const label = isHere && node.kind === 'run' ? 'this run' : plainLabel(node.id);
  const shown =
    isHere || node.id === '*'
      ? html`<strong>${label}</strong>`
      : html`<a href="${nodeLink(view, tenant, node)}">${label}</a>`;
  return html`<span class="kind">${node.kind}</span> ${shown}`;
};

/** Characters of a run's id that stand for it, as elsewhere. */
const RUN_ID_CHARS = 12;

/** What a node is called in the picture. */
export const nodeLabel = ({ kind, id }: NodeName): string => {
  if (id === '*') return `any ${kind}`;
  return kind === 'run' ? id.slice(0, RUN_ID_CHARS) : id;
};

/** `hands_off` → `hands off`. */
export const edgeWords = (edge: string): string => edge.replaceAll('_', ' ');
