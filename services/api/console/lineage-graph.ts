import { type Html, html } from './html.ts';
import { BOX, type DrawnEdge, type DrawnNode, layoutOf, type PlacedEdge, type Point } from './lineage-layout.ts';

export interface DrawnGraph {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  /** Where "and N more" leads. */
  readonly moreHref: string;
}

/** Columns of text in a box, a wide sign taking two; the box clips what is still too long. */
const LABEL_COLUMNS_MAX = 26;
const LABEL_HEAD_COLUMNS = 9;
/** Signs that would turn or break the line they stand in. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const WIDE_FROM = 0x1100;

/** A name as it may stand in a picture: no control and direction signs, which a hostile name could hide behind. */
export const plainLabel = (text: string): string => text.replaceAll(UNSEEN, '·');

/** The beginning and the end of a name: ids of data and versions of models differ at their end. */
const fitted = (text: string): string => {
  const signs = [...plainLabel(text)];
  const columnsOf = (sign: string): number => ((sign.codePointAt(0) ?? 0) >= WIDE_FROM ? 2 : 1);
  if (signs.reduce((sum, sign) => sum + columnsOf(sign), 0) <= LABEL_COLUMNS_MAX) return signs.join('');
  const take = (from: readonly string[], columnsMax: number): readonly string[] => {
    let columns = 0;
    const end = from.findIndex((sign) => {
      columns += columnsOf(sign);
      return columns > columnsMax;
    });
    return from.slice(0, end);
  };
  const head = take(signs, LABEL_HEAD_COLUMNS);
  const tail = take([...signs].reverse(), LABEL_COLUMNS_MAX - LABEL_HEAD_COLUMNS - 1);
  return `${head.join('')}…${[...tail].reverse().join('')}`;
};

/**
 * The graph from left to right as SVG without scripts: a box a node, each a link, a line an edge with its words as title.
 * Large layers are cut and say so.
 */
export const lineageGraph = (graph: DrawnGraph): Html => {
  const { boxes, edges, more, width, height } = layoutOf(graph.nodes, graph.edges);
  const labels = new Map(graph.nodes.map((node) => [node.key, plainLabel(node.label)]));
  return html`<div class="scroll lineage-scroll" tabindex="0" role="group" aria-label="Lineage as a picture; the table below says the same"><svg class="lineage${graph.nodes.some(({ isOnWay }) => isOnWay === true) && ' has-way'}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.8 7 4 0 7.2z"/></marker></defs>
${edges.map((edge) => drawEdge(edge, labels))}
${boxes.map(({ node, at }) => drawNode(node, at))}
${more.map(
  ({ count, at }) =>
    html`<a href="${graph.moreHref}" class="node more"><rect x="${at.x}" y="${at.y}" width="${BOX.width}" height="${BOX.height}" rx="6"/><text x="${at.x + BOX.width / 2}" y="${at.y + 24}" text-anchor="middle">and ${count.toLocaleString('en-US')} more</text></a>`,
)}</svg></div>`;
};

const drawEdge = (edge: PlacedEdge, labels: ReadonlyMap<string, string>): Html => {
  const words = `${labels.get(edge.from) ?? ''} ${edge.edge.replaceAll('_', ' ')} ${labels.get(edge.to) ?? ''}`;
  return html`<path class="e ${edge.edge}${edge.isRough && ' rough'}${edge.isOnWay === true && ' way'}" d="${edge.path}" marker-end="url(#tip)"><title>${words}</title></path>`;
};

const drawNode = (node: DrawnNode, { x, y }: Point): Html => {
  const label = plainLabel(node.label);
  const inside = html`<title>${node.kind} ${label}</title><rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6"/><rect class="bar" x="${x}" y="${y + 6}" width="4" height="${BOX.height - 12}" rx="2"/><svg x="${x + 13}" y="${y}" width="${BOX.width - 18}" height="${BOX.height}"><text class="what" y="14">${node.kind}</text><text y="30">${fitted(node.label)}</text></svg>`;
  const shape = `node k-${node.kind}${node.isFocus ? ' focus' : ''}${node.isOnWay === true ? ' way' : ''}`;
  return node.href === null
    ? html`<g class="${shape}">${inside}</g>`
    : html`<a class="${shape}" href="${node.href}" aria-label="${node.kind} ${label}">${inside}</a>`;
};

const LEGEND = [
  ['delegates', 'delegates'],
  ['hands_off', 'hands off'],
  ['invokes', 'invokes'],
  ['uses_model', 'uses model'],
  ['reads', 'reads'],
  ['writes', 'writes'],
  ['derives', 'derives: was read before'],
  ['acts_for', 'acts for'],
] as const;

/** What the lines mean; only those that are drawn. */
export const lineageLegend = (edges: readonly DrawnEdge[]): Html => {
  const drawn = new Set(edges.map((edge) => edge.edge));
  const line = (name: string, words: string): Html =>
    html`<li><svg class="lineage" width="30" height="10" viewBox="0 0 30 10" aria-hidden="true"><path class="e ${name}" d="M1 5H29"/></svg>${words}</li>`;
  return html`<ul class="lineage-legend">${LEGEND.filter(([name]) => drawn.has(name)).map(([name, words]) => line(name, words))}${edges.some((edge) => edge.isRough) && line('invokes rough', 'not told whole')}</ul>`;
};
