import { stepIdOfSpan } from '../../../schemas/identity.ts';
import type { ReadableViolation } from '../evidence-access.ts';
import type { Withheld } from '../evidence-content.ts';
import type { ViolationDetailRow } from '../queries/violations.ts';
import { plural, shortId } from './format.ts';
import { type Fragment, type Html, html } from './html.ts';
import { linkTo, runLink, type View } from './view.ts';

/** Evidence is what the policy service judged, as JSON; every value in it came from an agent and stays text. */

/** Entries of one object or list that are shown; the API has the rest. */
const ENTRIES_MAX = 100;
/** Values of a list stand in one line up to this length, each; longer ones have lines of their own. */
const WORD_CHARS_MAX = 40;
/** Deeper than this is shown as JSON. */
const DEPTH_MAX = 4;

/** The evidence of a violation as its reader may see it: the path with its steps linked, then what was judged. */
export const evidenceBody = (view: View, violation: ReadableViolation): Html => {
  const evidence = parsed(violation.evidence);
  if (evidence === null) {
    return html`<p class="quiet">The evidence is not in the form of this version; it is shown as it is stored.</p><pre class="raw">${violation.evidence}</pre>`;
  }
  const { path, ...rest } = evidence;
  const steps = Array.isArray(path) ? path.filter(isObject) : [];
  const judged = Object.entries(rest).sort(([a], [b]) => rankOf(a) - rankOf(b));
  return html`${violation.evidence_withheld > 0 && html`<p class="quiet">What agents said or were told needs the grant <code>content</code>: ${plural(violation.evidence_withheld, 'text')} withheld.</p>`}${steps.length > 0 && pathList(view, violation, steps)}
${judged.length > 0 && entries(judged, 0)}
${steps.length === 0 && judged.length === 0 && html`<p class="quiet">No more than the step itself.</p>`}`;
};

/** What catalogues are called that a rule says it belongs to. */
const CATALOGUES: Readonly<Record<string, string>> = {
  owasp_llm: 'OWASP Top 10 for LLM applications',
  owasp_asi: 'OWASP Top 10 for agents',
  atlas: 'MITRE ATLAS',
  nist: 'NIST',
};

/** What was judged comes before how; anything else keeps its order behind them. */
const FIRST: readonly string[] = ['inputs', 'condition'];
const rankOf = (key: string): number => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);

/** A JSON object as a list of names and values, for what else is told that way. */
export const jsonBody = (value: Readonly<Record<string, unknown>>): Html => entries(Object.entries(value), 0);

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parsed = (text: string): Json | null => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null; // Written by a version that did, or broken: shown as it came.
  }
};

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const STEP_KEYS = ['name', 'span_name', 'step_name', 'tool_name'] as const;
/** Shown in their own place, or of no use to a reader. */
const HIDDEN_KEYS: ReadonlySet<string> = new Set([...STEP_KEYS, 'span_id', 'step_id', 'step_kind', 'kind', 'trace_id']);

const pathList = (view: View, violation: ViolationDetailRow, steps: readonly Json[]): Html =>
  html`<ol class="path" aria-label="Path">${steps.slice(0, ENTRIES_MAX).map((step) => {
    const spanId = textOf(step['span_id']);
    const kind = textOf(step['step_kind']) ?? textOf(step['kind']);
    const name = STEP_KEYS.map((key) => textOf(step[key])).find((text) => text !== null) ?? kind ?? 'step';
    const rest = Object.entries(step).filter(([key, value]) => !HIDDEN_KEYS.has(key) && value !== null);
    const href = stepLink(view, violation, textOf(step['step_id']), spanId);
    return html`<li>${kind !== null && html`<span class="chip small">${kind}</span> `}${href === null ? name : html`<a href="${href}">${name}</a>`} ${spanId !== null && shortId(spanId)}${rest.length > 0 && entries(rest, 1)}</li>`;
  })}</ol>${steps.length > ENTRIES_MAX && html`<p class="quiet">${steps.length - ENTRIES_MAX} more steps are in the API.</p>`}`;

/** Link to a step of the violation's run; by its span when the evidence names no step. null: neither is told. */
export const stepLink = (
  view: View,
  violation: Pick<ViolationDetailRow, 'tenant_id' | 'run_id' | 'trace_id'>,
  stepId: string | null,
  spanId: string | null,
): string | null => {
  const id = stepId ?? (spanId === null ? null : stepIdOfSpan(violation.tenant_id, violation.trace_id, spanId));
  if (id === null) return null;
  const run = runLink(view, violation);
  return `${run}${run.includes('?') ? '&' : '?'}${linkTo('', { step: id }).slice(1)}#detail`;
};

const entries = (list: readonly (readonly [string, unknown])[], depth: number): Html =>
  html`<dl class="judged">${list.slice(0, ENTRIES_MAX).map(([key, value]) => html`<div${isNested(value) && html` class="nested"`}><dt>${CATALOGUES[key] ?? key}</dt><dd>${key === 'condition' && typeof value === 'string' ? html`<code class="text">${value}</code>` : shown(value, depth + 1)}</dd></div>`)}</dl>${list.length > ENTRIES_MAX && html`<p class="quiet">${list.length - ENTRIES_MAX} more in the API.</p>`}`;

const isWithheld = (value: unknown): value is Withheld =>
  isObject(value) && value['withheld'] === 'content' && typeof value['chars'] === 'number';

const isNested = (value: unknown): boolean =>
  (isObject(value) && !isWithheld(value)) || (Array.isArray(value) && value.some((item) => typeof item === 'object'));

const shown = (value: unknown, depth: number): Fragment => {
  if (value === null || value === undefined) return html`<span class="quiet">not told</span>`;
  if (typeof value === 'string')
    return value === '' ? html`<span class="quiet">empty</span>` : html`<span class="text">${value}</span>`;
  if (typeof value !== 'object') return String(value);
  if (isWithheld(value)) return html`<span class="withheld">withheld, ${plural(value.chars, 'character')}</span>`;
  if (depth >= DEPTH_MAX) return html`<code>${JSON.stringify(value)}</code>`;
  if (!Array.isArray(value)) return entries(Object.entries(value), depth);
  if (value.length === 0) return html`<span class="quiet">none</span>`;
  if (value.every((item) => typeof item !== 'object' && String(item).length <= WORD_CHARS_MAX))
    return html`<span class="text">${value.slice(0, ENTRIES_MAX).join(', ')}</span>`;
  return html`<ul>${value.slice(0, ENTRIES_MAX).map((item) => html`<li>${shown(item, depth + 1)}</li>`)}</ul>`;
};
