import { nodeText, type Walk } from '../../lineage-reads.ts';
import { findWay, nodeFrom, WAY_EDGES_MAX, type Way } from '../../lineage-way.ts';
import type { NodeName } from '../../queries/lineage.ts';
import { plural, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { edgeWords, nodeCell } from '../lineage-parts.ts';
import { linkTo, runLink, type View } from '../view.ts';

/** Nodes the field proposes, and links one part of a name may find. */
const PROPOSED_MAX = 200;
const FOUND_MAX = 12;

/** What the page was asked of a way to another node. */
export interface WayAsked {
  readonly text: string;
  /** null: it is no `KIND:ID`, but a part of a name. */
  readonly to: NodeName | null;
  readonly way: Way | null;
}

/** The way to the node of the parameter `to`; null when none was asked for. */
export const askedWay = async (view: View, tenant: string, node: NodeName): Promise<WayAsked | null> => {
  const text = view.params['to'];
  if (text === undefined || text === '') return null;
  const to = nodeFrom(text);
  if (to === null || nodeText(to) === nodeText(node)) return { text, to: null, way: null };
  return { text, to, way: await findWay(view.context, { tenant, range: view.range, from: node, to }) };
};

/** The field that asks for a way, and what was found: the way edge by edge, or nodes of such a name around this one. */
export const waySection = (view: View, tenant: string, node: NodeName, walk: Walk, asked: WayAsked | null): Html => {
  const hidden = Object.entries(view.params).filter(([name]) => name !== 'to');
  const others = [...walk.distances.keys()].filter((key) => key !== nodeText(node) && !key.endsWith(':*'));
  return html`<section class="wide" id="way"><header><h2>Way to another node</h2><span class="note">${note(asked)}</span></header>
<div class="filters"><form method="get" action="/lineage#way" role="search">${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<input type="search" name="to" list="way-nodes" value="${asked?.text ?? ''}" placeholder="kind:name, or a part of a name" aria-label="Way to"><datalist id="way-nodes">${others.slice(0, PROPOSED_MAX).map((key) => html`<option value="${key}">`)}</datalist><button>Show the way</button></form>${asked !== null && html`<a class="chip on" href="${linkTo('/lineage', { ...view.params, to: undefined })}">clear <span aria-hidden="true">✕</span></a>`}</div>${asked !== null && found(view, tenant, others, asked)}</section>`;
};

const note = (asked: WayAsked | null): Html | string => {
  if (asked === null) return 'marked in the picture below';
  if (asked.way === null) return asked.to === null ? 'which of these?' : 'none is told in this range';
  const { steps, edges, direction, walk } = asked.way;
  const others = edges.size - steps.length;
  return html`${plural(steps.length, 'edge')}${direction === 'up' && ', the other way round'}${others > 0 && html`; ${plural(others, 'edge')} of equally short ones are marked too`}${walk.truncated && '; not everything was walked'}`;
};

const found = (view: View, tenant: string, others: readonly string[], { text, to, way }: WayAsked): Html => {
  if (way !== null) return steps(view, tenant, way);
  if (to !== null)
    return html`<p class="quiet pad">Within ${WAY_EDGES_MAX} edges nothing is told that leads from the one to the other, or back. Between data, a way is one in time: read before it was written. Nothing told is not the same as nothing there.</p>`;
  const alike = others.filter((key) => key.toLowerCase().includes(text.toLowerCase())).slice(0, FOUND_MAX);
  if (alike.length === 0)
    return html`<p class="quiet pad">Nothing in the picture has “${text}” in its name; give it whole, as kind:name.</p>`;
  return html`<ul class="lineage-legend">${alike.map((key) => html`<li><a href="${linkTo('/lineage', { ...view.params, to: key })}">${key}</a></li>`)}</ul>`;
};

const steps = (view: View, tenant: string, way: Way): Html => {
  const [first] = way.steps;
  const start = first === undefined ? '' : nodeCell(view, tenant, { kind: first.from_kind, id: first.from_id });
  return html`<ol class="lineage-way"><li>${start}</li>${way.steps.map(
    (edge) =>
      html`<li><span class="quiet">${edgeWords(edge.edge)}</span> ${nodeCell(view, tenant, { kind: edge.to_kind, id: edge.to_id })} <a class="quiet" href="${runLink(view, { tenant_id: tenant, run_id: edge.last_run_id })}">${when(edge.last_ts, view.nowMs)}</a></li>`,
  )}</ol>`;
};
