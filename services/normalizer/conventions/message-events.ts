import type { AnyMap } from '../../../schemas/otlp/types.ts';
import { field, type Json, jsonOf, textOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { ContentPart } from '../step-facts.ts';
import { readMessages } from './messages.ts';
import { jsonAt, namesOf } from './values.ts';

/**
 * Events that carry one message each, as span events or as log records (OTel 1.28–1.36; still sent in 2026).
 * name → direction, and the role when the event says none.
 */
const MESSAGE_EVENTS: ReadonlyMap<string, readonly [direction: 'input' | 'output', role: string]> = new Map([
  ['gen_ai.system.message', ['input', 'system']],
  ['gen_ai.user.message', ['input', 'user']],
  ['gen_ai.assistant.message', ['input', 'assistant']],
  ['gen_ai.tool.message', ['input', 'tool']],
  ['gen_ai.choice', ['output', 'assistant']],
  ['gen_ai.content.prompt', ['input', 'user']], // 1.28 and before
  ['gen_ai.content.completion', ['output', 'assistant']],
]);

/** True for the name of an event that carries a message and nothing else. */
export const isMessageEvent = (name: string): boolean => MESSAGE_EVENTS.has(name);

/** Keys under which such an event holds its text, in the order they are tried. */
const BODY_KEYS = ['message', 'content', 'gen_ai.prompt', 'gen_ai.completion', 'tool_calls'];

/** The message of one event. */
export const readMessageEvent = (name: string, body: Json): readonly ContentPart[] => {
  const known = MESSAGE_EVENTS.get(name);
  if (known === undefined) return [];
  const [direction, role] = known;
  if (BODY_KEYS.every((key) => field(body, key) === undefined)) return readMessages(body, direction, role);
  const prompt = field(body, 'gen_ai.prompt') ?? field(body, 'gen_ai.completion');
  if (prompt !== undefined) return readMessages(prompt, direction, role);
  // A choice holds its message one level down; its text may itself be a list of parts without a role.
  const inner = unwrap(field(body, 'message') ?? body);
  return readMessages(Array.isArray(inner) ? { role, parts: inner } : inner, direction, role);
};

const attributesJson = (attributes: AnyMap): Json => jsonOf(attributes);

/** Messages in the events of a span. */
export const readSpanEvents = (view: SpanView): readonly ContentPart[] =>
  view.events().flatMap(({ name, attributes }) => {
    if (isMessageEvent(name)) return readMessageEvent(name, attributesJson(attributes));
    return name === DETAILS_EVENT ? readDetails(attributesJson(attributes)) : [];
  });

/** Everything a call said and was told, in one event (OTel since 1.37). */
const DETAILS_EVENT = 'gen_ai.client.inference.operation.details';
const readDetails = (attributes: Json): readonly ContentPart[] => [
  ...readMessages(field(attributes, 'gen_ai.system_instructions'), 'input', 'system'),
  ...readMessages(field(attributes, 'gen_ai.input.messages'), 'input', 'user'),
  ...readMessages(field(attributes, 'gen_ai.output.messages'), 'output', 'assistant'),
];

/** Attributes that hold a list of such events as JSON, each with its name (Pydantic AI). */
export const EVENT_LISTS = namesOf('events', 'all_messages_events');

/** Messages in a list of events that stands in an attribute. */
export const readEventList = (view: SpanView): readonly ContentPart[] =>
  view.ask(EVENT_LISTS).flatMap(({ place }) => {
    const events = jsonAt(view, place);
    if (!Array.isArray(events)) return [];
    return (events as readonly Json[])
      .slice(0, EVENTS_MAX)
      .flatMap((event) => readMessageEvent(textOf(field(event, 'event.name')) ?? '', event));
  });
/** Events taken of one list: a conversation this long is summarised by its agent. */
const EVENTS_MAX = 2_000;

/** The message of a log record: in the body, or, where the body is empty, in the attributes. */
export const readLogMessage = (view: SpanView): readonly ContentPart[] =>
  isMessageEvent(view.eventName)
    ? readMessageEvent(view.eventName, view.body === undefined ? jsonOf(view.attrs()) : jsonOf(view.body))
    : [];
