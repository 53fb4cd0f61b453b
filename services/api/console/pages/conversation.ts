import { CONTENT_PARTS_MAX } from '../../queries/content.ts';
import { readContent } from '../../reads.ts';
import { conversationFlow, type Flow, type FlowPart, type Moment } from '../conversation-flow.ts';
import { duration, plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { CardPlace } from './call-card.ts';
import { placeOf } from './calls.ts';
import { pretty } from './chat.ts';
import type { RunView } from './run-view.ts';

const CONVERSATION_CHARS_MAX = 8000;
/** Longer texts start folded, so that one page of logs does not bury the answer. */
const OPEN_CHARS_MAX = 1500;

/** The conversation tab. Needs the grant `content`; opening it is logged. */
export const conversationBody = async (run: RunView): Promise<Html> => {
  if (!run.view.caller.grants.has('content')) {
    return html`<p class="quiet pad">Prompts and answers need the grant <code>content</code>.</p>`;
  }
  const parts = await readContent(run.view.context, run.view.caller, {
    tenant: run.tenant,
    runId: run.runId,
    stepIds: [],
    charsMax: CONVERSATION_CHARS_MAX,
  });
  if (parts.length === 0) {
    return html`<section class="pad"><p>No content is stored for this run.</p><p class="quiet">Most SDKs leave prompts and answers out by default. With OpenTelemetry GenAI instrumentations set <code>OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true</code>; a tenant with <code>content: off</code> keeps none.</p></section>`;
  }
  const flow = conversationFlow(run.steps, parts);
  return html`<section class="conversation"><ol class="chat">${withHeadings(flow, placeOf(run))}</ol><p class="quiet small">${leftOut(flow)}${parts.length >= CONTENT_PARTS_MAX && `Only the first ${CONTENT_PARTS_MAX} parts are read. `}Reading this was logged.</p></section>`;
};

const leftOut = ({ repeated, raw }: Flow): string =>
  [
    repeated > 0 && `${plural(repeated, 'repetition')} of earlier messages left out. `,
    raw > 0 && `${plural(raw, 'raw payload')} that say the same stand with their steps. `,
  ]
    .filter((part) => part !== false)
    .join('');

/** A heading wherever another agent takes its turn. */
const withHeadings = ({ moments }: Flow, place: CardPlace): readonly Html[] => {
  let agent: string | null = null;
  return moments.flatMap((one) => {
    const isTurn = one.agent !== null && one.agent !== agent;
    if (isTurn) agent = one.agent;
    return [
      ...(isTurn
        ? [html`<li class="turn"><span class="kind k-agent" aria-hidden="true">A</span> ${one.agent}</li>`]
        : []),
      momentItem(one, place),
    ];
  });
};

const momentItem = (one: Moment, place: CardPlace): Html => {
  switch (one.kind) {
    case 'said':
      return bubble(one, place, roleOf(one.part), sayer(one.part), [textPart(one.part)], one.part);
    case 'asked':
      return bubble(
        one,
        place,
        'assistant',
        html`asks for <strong>${one.tool ?? 'a tool'}</strong>`,
        [block(one.input)],
        one.part,
      );
    case 'ran':
      return ran(one, place);
    case 'failed':
      return bubble(
        one,
        place,
        'failed',
        html`<span class="status error"><span aria-hidden="true">▲</span> The model call failed</span>`,
        [failure(one)],
      );
  }
};

const ran = (one: Extract<Moment, { kind: 'ran' }>, place: CardPlace): Html => {
  const isFailed = one.step.status === 'error';
  const took = one.step.duration_ns > 0 ? ` after ${duration(one.step.duration_ns / 1e6)}` : '';
  const head = isFailed
    ? html`<span class="status error"><span aria-hidden="true">▲</span> <strong>${one.tool}</strong> failed${took}</span>`
    : html`<strong>${one.tool}</strong> ${one.results.length > 0 ? 'answered' : 'ran'}${took}`;
  const body = [
    ...(one.input === null ? [] : [html`<p class="quiet small">with</p>`, block(one.input)]),
    ...(isFailed ? [failure(one)] : []),
    ...one.results.map(textPart),
  ];
  return bubble(one, place, isFailed ? 'failed' : 'tool', head, body, one.results[0]);
};

const failure = ({ step }: Moment): Html => {
  const said = [step.error_type, step.error_message].filter((text) => text !== null).join(': ');
  return html`<pre class="failure">${said === '' ? 'It did not say why.' : said}</pre>`;
};

/** One entry: who, what, when after the start; the time links to the step. */
const bubble = (
  one: Moment,
  place: CardPlace,
  role: string,
  head: Html,
  body: readonly Html[],
  part?: FlowPart,
): Html =>
  html`<li class="bubble r-${role}"><div class="bubble-head"><span class="role">${head}</span>${one.step.attempt !== null && one.step.attempt > 1 && html` <span class="chip small">try ${one.step.attempt}</span>`}${part !== undefined && part.pii_classes.length > 0 && html` <span class="chip small">redacted: ${part.pii_classes.join(', ')}</span>`}<a class="moment" href="${place.stepHref(one.step.step_id)}" title="${one.step.name}">+${duration(one.at_ns / 1e6)}</a></div>${body}</li>`;

const KNOWN_ROLES: ReadonlySet<string> = new Set(['system', 'user', 'assistant', 'model', 'tool']);
const roleOf = (part: FlowPart): string => (KNOWN_ROLES.has(part.role) ? part.role : part.direction);

const sayer = (part: FlowPart): Html => {
  const who = part.role === '' ? part.direction : part.role;
  if (part.part_kind === 'reasoning') return html`${who} <span class="quiet">thinks</span>`;
  return part.part_kind === 'tool_result' ? html`${who} <span class="quiet">answered</span>` : html`${who}`;
};

const textPart = (part: FlowPart): Html => {
  const isCut = part.is_cut || part.content.length < part.content_bytes / 4;
  return html`${block(part.content)}${isCut && html`<p class="quiet small">${plural(part.content_bytes, 'byte')} in all; this is the beginning</p>`}`;
};

/** JSON of this length stays on its line. */
const LINE_CHARS_MAX = 120;

const readable = (content: string): string => {
  const text = pretty(content);
  return text !== content && content.length <= LINE_CHARS_MAX ? content : text;
};

/** Text as text, whatever it says; JSON indented; long ones folded behind their beginning. */
const block = (content: string): Html => {
  const text = readable(content);
  if (text === '') return html``;
  const pre = /^\s*[[{]/.test(text) ? html`<pre class="code">${text}</pre>` : html`<pre>${text}</pre>`;
  return text.length > OPEN_CHARS_MAX
    ? html`<details><summary>${plural(content.length, 'character')}: ${content.slice(0, 120)}…</summary>${pre}</details>`
    : pre;
};
