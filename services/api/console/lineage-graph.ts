import type { NodeKind } from '../../../schemas/lineage-edge.ts';
import { type Html, html } from './html.ts';

/** A node as it is drawn. `layer` counts from the left; layers without nodes take no room. */
export interface DrawnNode {
  readonly key: string;
  readonly kind: NodeKind;
  readonly label: string;
  readonly layer: number;
  readonly href: string | null;
  /** The node the page is about. */
  readonly isFocus: boolean;
}

export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  readonly edge: string;
  /** The telemetry leaves something out: drawn open. */
  readonly isRough: boolean;
}

export interface DrawnGraph {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  /** Where "and N more" leads. */
  readonly moreHref: string;
}

/** Boxes one layer shows; more of them are lines nobody can follow, and the table below has them all. */
const LAYER_NODES_MAX = 14;
/** Layers drawn; what lies further right stands in the last one. */
const LAYERS_MAX = 8;
const BOX = { width: 188, height: 38, gapX: 84, gapY: 12, pad: 8 } as const;
/** Columns of text in a box, a wide sign taking two. */
const LABEL_COLUMNS_MAX = 24;

const KIND_WORDS: Readonly<Record<NodeKind, string>> = {
  run: 'run',
  agent: 'agent',
  tool: 'tool',
  model: 'model',
  dataset: 'dataset',
  host: 'host',
  file: 'file',
  user: 'user',
};

/** Signs that would turn or break the line they stand in. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const WIDE_FROM = 0x1100;

/** A name as it may stand in a picture: no control and direction signs, which a hostile name could hide behind. */
export const plainLabel = (text: string): string => text.replaceAll(UNSEEN, '·');

const fitted = (text: string): string => {
  let columns = 0;
  let shown = '';
  for (const sign of plainLabel(text)) {
    columns += (sign.codePointAt(0) ?? 0) >= WIDE_FROM ? 2 : 1;
    if (columns > LABEL_COLUMNS_MAX) return `${shown.slice(0, -1)}…`;
    shown += sign;
  }
  return shown;
};

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Layout {
  readonly places: ReadonlyMap<string, Place>;
  readonly shown: readonly DrawnNode[];
  readonly more: readonly { readonly count: number; readonly place: Place }[];
  readonly width: number;
  readonly height: number;
}

/**
 * The graph from left to right as SVG without scripts: a box a node, each a link, a line an edge with its words as title.
 * Large layers are cut and say so.
 */
export const lineageGraph = (graph: DrawnGraph): Html => {
  const layout = layoutOf(graph);
  const edges = graph.edges.filter((edge) => layout.places.has(edge.from) && layout.places.has(edge.to));
  const labels = new Map(graph.nodes.map((node) => [node.key, plainLabel(node.label)]));
  return html`<div class="scroll lineage-scroll" tabindex="0" role="group" aria-label="Lineage as a picture; the table below says the same"><svg class="lineage" viewBox="0 0 ${layout.width} ${layout.height}" width="${layout.width}" height="${layout.height}">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0.8 7 4 0 7.2z"/></marker></defs>
<g class="edges">${edges.map((edge) => drawEdge(edge, layout, labels))}</g>
${layout.shown.map((node) => drawNode(node, layout.places.get(node.key) ?? { x: 0, y: 0 }))}
${layout.more.map(
  ({ count, place }) =>
    html`<a href="${graph.moreHref}" class="node more"><rect x="${place.x}" y="${place.y}" width="${BOX.width}" height="${BOX.height}" rx="6"/><text x="${place.x + BOX.width / 2}" y="${place.y + 24}" text-anchor="middle">and ${count.toLocaleString('en-US')} more</text></a>`,
)}</svg></div>`;
};

const layoutOf = (graph: DrawnGraph): Layout => {
  const byLayer = Map.groupBy(graph.nodes, (node) => Math.min(node.layer, LAYERS_MAX - 1));
  const columns = [...byLayer.keys()].sort((a, b) => a - b).map((layer) => byLayer.get(layer) ?? []);
  const degree = new Map<string, number>();
  for (const { from, to } of graph.edges) for (const key of [from, to]) degree.set(key, (degree.get(key) ?? 0) + 1);
  const rowsOf = (nodes: readonly DrawnNode[]): number => Math.min(nodes.length, LAYER_NODES_MAX + 1);
  const rows = columns.reduce((most, nodes) => Math.max(most, rowsOf(nodes)), 1);
  const height = rows * (BOX.height + BOX.gapY) - BOX.gapY + 2 * BOX.pad;
  const places = new Map<string, Place>();
  const shown: DrawnNode[] = [];
  const more: { count: number; place: Place }[] = [];
  for (const [column, nodes] of columns.entries()) {
    const isCut = nodes.length > LAYER_NODES_MAX;
    const kept = isCut ? busiest(nodes, degree) : nodes;
    const ordered = byNeighbours(kept, graph.edges, places);
    const x = BOX.pad + column * (BOX.width + BOX.gapX);
    const top = BOX.pad + ((rows - rowsOf(nodes)) * (BOX.height + BOX.gapY)) / 2;
    const at = (row: number): Place => ({ x, y: top + row * (BOX.height + BOX.gapY) });
    for (const [row, node] of ordered.entries()) places.set(node.key, at(row));
    shown.push(...ordered);
    if (isCut) more.push({ count: nodes.length - kept.length, place: at(kept.length) });
  }
  const width = Math.max(1, columns.length) * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.pad + LOOP;
  return { places, shown, more, width, height };
};

/** Room right of the last column for lines that bend back. */
const LOOP = 36;

/** The focus and the nodes with most edges, in the order given. */
const busiest = (nodes: readonly DrawnNode[], degree: ReadonlyMap<string, number>): readonly DrawnNode[] => {
  const weight = (node: DrawnNode): number => (node.isFocus ? Number.MAX_SAFE_INTEGER : (degree.get(node.key) ?? 0));
  const kept = new Set([...nodes].sort((a, b) => weight(b) - weight(a)).slice(0, LAYER_NODES_MAX));
  return nodes.filter((node) => kept.has(node));
};

const KIND_ORDER: readonly NodeKind[] = ['run', 'user', 'agent', 'tool', 'model', 'dataset', 'file', 'host'];

/** Kinds together, and within a kind each node near the ones left of it that it is joined with: fewer crossings. */
const byNeighbours = (
  nodes: readonly DrawnNode[],
  edges: readonly DrawnEdge[],
  places: ReadonlyMap<string, Place>,
): readonly DrawnNode[] => {
  const heights = new Map<string, number[]>();
  for (const { from, to } of edges) {
    for (const [key, other] of [
      [to, from],
      [from, to],
    ] as const) {
      const place = places.get(other);
      if (place !== undefined) heights.set(key, [...(heights.get(key) ?? []), place.y]);
    }
  }
  const mean = (node: DrawnNode): number => {
    const ys = heights.get(node.key) ?? [];
    return ys.length === 0 ? 0 : ys.reduce((sum, y) => sum + y, 0) / ys.length;
  };
  return [...nodes].sort(
    (a, b) =>
      KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || mean(a) - mean(b) || (a.label < b.label ? -1 : 1),
  );
};

const drawEdge = (edge: DrawnEdge, { places }: Layout, labels: ReadonlyMap<string, string>): Html | null => {
  const [from, to] = [places.get(edge.from), places.get(edge.to)];
  if (from === undefined || to === undefined) return null;
  const words = `${labels.get(edge.from) ?? ''} ${edge.edge.replaceAll('_', ' ')} ${labels.get(edge.to) ?? ''}`;
  return html`<path class="e ${edge.edge}${edge.isRough && ' rough'}" d="${pathOf(from, to)}" marker-end="url(#tip)"><title>${words}</title></path>`;
};

const pathOf = (from: Place, to: Place): string => {
  const [startX, startY, endY] = [from.x + BOX.width, from.y + BOX.height / 2, to.y + BOX.height / 2];
  if (to.x > from.x) {
    const middle = (startX + to.x) / 2;
    return `M${startX} ${startY}C${middle} ${startY} ${middle} ${endY} ${to.x} ${endY}`;
  }
  // In its own column or back: out at the right and in again there, so that it is not taken for a line to the next.
  const endX = to.x + BOX.width;
  const bend = Math.max(startX, endX) + LOOP;
  return `M${startX} ${startY + 6}C${bend} ${startY + 6} ${bend} ${endY - 6} ${endX} ${endY - 6}`;
};

const drawNode = (node: DrawnNode, { x, y }: Place): Html => {
  const label = plainLabel(node.label);
  const inside = html`<title>${KIND_WORDS[node.kind]} ${label}</title><rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6"/><rect class="bar" x="${x}" y="${y + 6}" width="4" height="${BOX.height - 12}" rx="2"/><text class="kind" x="${x + 13}" y="${y + 14}">${KIND_WORDS[node.kind]}</text><text class="id" x="${x + 13}" y="${y + 30}">${fitted(node.label)}</text>`;
  const shape = `node k-${node.kind}${node.isFocus ? ' focus' : ''}`;
  return node.href === null
    ? html`<g class="${shape}">${inside}</g>`
    : html`<a class="${shape}" href="${node.href}" aria-label="${KIND_WORDS[node.kind]} ${label}">${inside}</a>`;
};

const LEGEND = [
  ['delegates', 'delegates'],
  ['hands_off', 'hands off'],
  ['invokes', 'invokes'],
  ['uses_model', 'uses model'],
  ['reads', 'reads'],
  ['writes', 'writes'],
  ['acts_for', 'acts for'],
] as const;

/** What the lines mean; only those that are drawn. */
export const lineageLegend = (edges: readonly DrawnEdge[]): Html => {
  const drawn = new Set(edges.map((edge) => edge.edge));
  const line = (name: string, words: string): Html =>
    html`<li><svg class="lineage" width="30" height="10" viewBox="0 0 30 10" aria-hidden="true"><path class="e ${name}" d="M1 5H29"/></svg>${words}</li>`;
  return html`<ul class="lineage-legend">${LEGEND.filter(([name]) => drawn.has(name)).map(([name, words]) => line(name, words))}${edges.some((edge) => edge.isRough) && line('invokes rough', 'not told whole')}</ul>`;
};
