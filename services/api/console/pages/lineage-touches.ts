import { walkFlow } from '../../lineage-flow.ts';
import { parseNode } from '../../lineage-reads.ts';
import { readTouches, type Touch } from '../../lineage-touches.ts';
import type { NodeName } from '../../queries/lineage.ts';
import { FLOW_LEVELS } from '../../queries/lineage-flow.ts';
import { plural, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { nodeCell } from '../lineage-parts.ts';
import { runLink, type View } from '../view.ts';

/** Touches one page lists; the API has the rest. */
const TOUCHES_MAX = 50;
const SOURCES_SHOWN = 3;
const FLOW_DEPTH = 5;
const FLOW_SHOWN = 30;

/** Of data: who touched it on whose behalf and from what, and where it came from and can have got to. null: no data. */
export const dataSections = async (view: View, tenant: string, node: NodeName): Promise<Html | null> => {
  if (node.kind !== 'dataset' && node.kind !== 'file' && node.kind !== 'host') return null;
  const { context, range } = view;
  const flow = { tenant, node, depth: FLOW_DEPTH, levels: FLOW_LEVELS, range };
  const [found, up, down] = await Promise.all([
    readTouches(context, { tenant, node, ways: ['reads', 'writes'], range, limit: TOUCHES_MAX }),
    walkFlow(context, { ...flow, direction: 'up' }),
    walkFlow(context, { ...flow, direction: 'down' }),
  ]);
  return html`<section class="wide" id="touches"><header><h2>Who touched it</h2><span class="note">the latest first${found.truncated && html`; the first ${TOUCHES_MAX}, the API has the rest`}</span></header>
<div class="scroll"><table class="edges"><thead><tr><th scope="col">When</th><th scope="col">Does</th><th scope="col">Tool</th><th scope="col">Agent</th><th scope="col">On behalf of</th><th scope="col">From</th></tr></thead>
<tbody>${found.touches.map((touch) => touchRow(view, tenant, touch))}</tbody></table></div></section>
${reachedSection(view, tenant, node, 'Made from', up.reached, up.truncated)}${reachedSection(view, tenant, node, 'Can have got to', down.reached, down.truncated)}`;
};

const UNKNOWN = html`<span class="quiet">not told</span>`;

const touchRow = (view: View, tenant: string, touch: Touch): Html => {
  const { users, told_by } = touch.on_behalf_of;
  const more = touch.sources.length - SOURCES_SHOWN;
  return html`<tr><td><a href="${runLink(view, { tenant_id: tenant, run_id: touch.run_id })}">${when(touch.ts, view.nowMs)}</a></td><td>${touch.way}${touch.operations.length > 0 && html` <span class="quiet">${touch.operations.join(', ')}</span>`}${touch.flags.map((flag) => html` <span class="warn">${flag.replaceAll('_', ' ')}</span>`)}</td><td class="name">${touch.tool === null ? UNKNOWN : nodeCell(view, tenant, { kind: 'tool', id: touch.tool })}</td><td class="name">${touch.agents.length === 0 ? UNKNOWN : touch.agents.map((id) => html`${nodeCell(view, tenant, { kind: 'agent', id })} `)}</td><td class="name">${users.length === 0 ? UNKNOWN : html`${users.join(', ')}${told_by === 'run' && html` <span class="quiet">by the run</span>`}`}</td><td class="name">${
    touch.way === 'reads'
      ? ''
      : touch.sources.length === 0
        ? UNKNOWN
        : html`${touch.sources.slice(0, SOURCES_SHOWN).map((source) => html`${nodeCell(view, tenant, source)} <span class="quiet">${source.evidence_level}</span> `)}${more > 0 && html`<span class="quiet">and ${more} more</span>`}`
  }</td></tr>`;
};

const reachedSection = (
  view: View,
  tenant: string,
  here: NodeName,
  title: string,
  reached: ReadonlyMap<string, { readonly distance: number }>,
  isCut: boolean,
): Html => {
  const others = [...reached].filter(([, { distance }]) => distance > 0);
  return html`<section class="wide"><header><h2>${title}</h2><span class="note">${others.length === 0 ? 'nothing is told' : plural(others.length, 'node')}${isCut && ' and more'}, in time, ${FLOW_DEPTH} steps at most</span></header>${
    others.length > 0 &&
    html`<ul class="lineage-legend">${others.slice(0, FLOW_SHOWN).map(([key, { distance }]) => html`<li>${nodeCell(view, tenant, parseNode(key), here)} <span class="quiet">${distance}</span></li>`)}${others.length > FLOW_SHOWN && html`<li>and ${others.length - FLOW_SHOWN} more in the API</li>`}</ul>`
  }</section>`;
};
